//! The server: where it listens, and how its parts are put together.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use actix_web::{
    App, HttpServer,
    dev::Server,
    http::header,
    middleware::{DefaultHeaders, from_fn},
    web,
};
use headwater_coordinator::handle::DispatcherHandle;
use headwater_core::time::SystemClock;

use crate::{
    control_plane::ControlPlane,
    dto,
    history::{History, HistoryConfig},
    inspect::Inspector,
    logs::{LogBook, routes::LogStreams},
    metrics::Metrics,
    routes,
    security::{
        self, AllowedHosts, Gate,
        peers::{self, Peers},
    },
    settings::Settings,
    sql::{PreviewSlots, SqlFrontEnd},
    tls::STRICT_TRANSPORT_SECURITY,
};

/// What the server says of the program that it is in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BuildInfo {
    /// The version, as in `Cargo.toml`.
    pub version: String,
    /// The commit, if it is known.
    pub commit: Option<String>,
}

/// Where to listen and what to show.
pub struct ServerConfig<C = DispatcherHandle> {
    /// From [`listen`].
    pub listener: TcpListener,
    /// The control plane.
    pub handle: C,
    /// What knows SQL.
    pub sql: Arc<dyn SqlFrontEnd>,
    /// What looks into jobs.
    pub inspector: Arc<dyn Inspector>,
    /// What this program is.
    pub build: BuildInfo,
    /// Where what is measured is kept, if it is.
    pub history: Option<HistoryConfig>,
    /// The newest lines of the log.
    pub logs: Arc<LogBook>,
    /// How to serve.
    pub settings: Settings,
}

/// Why the server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The address can be reached from other machines.
    #[error(
        "refusing to listen on {0} without tokens: expected a loopback address such as 127.0.0.1, since whoever reaches \
         the API may run jobs; to use it from elsewhere, forward the port (ssh -L 8081:localhost:8081)"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be taken.
    #[error("cannot listen on {bind}: {reason}; choose another port, or 0 for a free one")]
    Bind {
        /// The address.
        bind: SocketAddr,
        /// What the system says.
        reason: io::Error,
    },
    /// The listener that was given cannot be used.
    #[error("cannot serve on the given listener: {0}")]
    Listener(io::Error),
}

/// Live streams hold their connections, so a graceful stop never waits longer than this.
const SHUTDOWN_TIMEOUT_S: u64 = 1;

/// Takes an address, which must be a loopback one unless others may reach the server, since they need tokens or since it was
/// said that they need none; port 0 takes a free one. Do it before anything else is started that would be in vain without it.
pub fn listen(bind: SocketAddr, others_may: bool) -> Result<TcpListener, ApiError> {
    if !others_may && !bind.ip().is_loopback() {
        return Err(ApiError::NotLoopback(bind));
    }
    TcpListener::bind(bind).map_err(|reason| ApiError::Bind { bind, reason })
}

/// Begins to serve. The returned server is a future that serves while it is polled or spawned, on one thread of its own,
/// until its handle stops it; signals are the caller's. The address is the one that was bound.
pub fn serve<C: ControlPlane>(config: ServerConfig<C>) -> Result<(Server, SocketAddr), ApiError> {
    let ServerConfig { listener, handle, sql, inspector, build, history, logs, settings } = config;
    let limits = settings.limits;
    let is_secure = settings.tls.is_some();
    let address = listener.local_addr().map_err(ApiError::Listener)?;
    let control: Arc<dyn ControlPlane> = Arc::new(handle);
    let metrics = web::Data::new(Metrics::start(
        control.clone(),
        Arc::new(SystemClock),
        history.and_then(open_history),
    ));
    let control = web::Data::from(control);
    let sql = web::Data::from(sql);
    let inspector = web::Data::from(inspector);
    let previews = web::Data::new(PreviewSlots::default());
    let gate = web::Data::new(Gate::new(
        AllowedHosts::of(address, &settings.allowed_hosts),
        settings.authentication,
        settings.audit,
        is_secure,
        Peers::new(limits.streams, limits.streams_per_peer),
    ));
    let shutdown = web::Data::from(settings.shutdown);
    let configured = web::Data::new(dto::Config { entries: settings.config });
    let defaults = web::Data::new(settings.job_options);
    let build = web::Data::new(build);
    let logs = web::Data::from(logs);
    let log_streams = web::Data::new(LogStreams::default());
    let app = move || {
        let mut headers = DefaultHeaders::new().add(("X-Content-Type-Options", "nosniff"));
        if is_secure {
            headers = headers.add((header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT_SECURITY));
        }
        App::new()
            .app_data(control.clone())
            .app_data(sql.clone())
            .app_data(inspector.clone())
            .app_data(previews.clone())
            .app_data(gate.clone())
            .app_data(configured.clone())
            .app_data(shutdown.clone())
            .app_data(defaults.clone())
            .app_data(build.clone())
            .app_data(metrics.clone())
            .app_data(logs.clone())
            .app_data(log_streams.clone())
            .app_data(web::QueryConfig::default().error_handler(|error, _| routes::unreadable(&error).into()))
            .app_data(web::PathConfig::default().error_handler(|error, _| routes::unreadable(&error).into()))
            .wrap(from_fn(security::guard))
            .wrap(headers)
            .configure(routes::configure)
            .configure(headwater_web::configure)
            .default_service(web::to(routes::unknown_path))
    };
    let connections = Peers::new(usize::MAX, limits.connections_per_peer);
    let server = HttpServer::new(app)
        .on_connect(move |connection, data| peers::connected(&connections, connection, data))
        .workers(1)
        .worker_max_blocking_threads(1)
        .max_connections(limits.connections)
        .client_request_timeout(limits.header_timeout)
        .shutdown_timeout(SHUTDOWN_TIMEOUT_S)
        .disable_signals();
    let server = match settings.tls {
        Some(tls) => server
            .tls_handshake_timeout(limits.header_timeout)
            // Handshakes that stall are not to keep more from others than connections that do.
            .max_connection_rate(limits.connections)
            .listen_rustls_0_23(listener, tls.into_config()),
        None => server.listen(listener),
    };
    let server = server.map_err(ApiError::Listener)?;
    tracing::info!(%address, tls = is_secure, "serving the REST API and the web page");
    Ok((server.run(), address))
}

/// A server without a history of its metrics is better than none.
fn open_history(config: HistoryConfig) -> Option<Arc<History>> {
    let folder = config.folder.clone();
    match History::open(config) {
        Ok(history) => Some(Arc::new(history)),
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "no history of metrics is kept");
            None
        }
    }
}
