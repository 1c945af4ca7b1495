//! `GET /config`: what holds, and where it comes from; `POST /shutdown`.

use actix_web::{HttpResponse, http::StatusCode, web};
use tokio::sync::Notify;

use crate::{dto, endpoint::Endpoint, routes::Answer};

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/config", "Show the configuration and where it comes from", config)
            .answers::<dto::Config>(StatusCode::OK),
        Endpoint::post("/shutdown", "Stop the server; jobs go on when it is started again", shutdown)
            .accepts(),
    ]
}

/// Answers with the configuration that the server was started with.
async fn config(config: web::Data<dto::Config>) -> Answer {
    Ok(HttpResponse::Ok().json(config.get_ref()))
}

/// Asks the server to stop. Jobs that are running go on when it is started again.
async fn shutdown(shutdown: web::Data<Notify>) -> Answer {
    // Kept for who begins to wait later.
    shutdown.notify_one();
    Ok(HttpResponse::Accepted().finish())
}
