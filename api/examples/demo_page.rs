//! The web page over a stand-in control plane, for working on the page: `cargo run --release -p headwater-api --example
//! demo_page -- 8099`.

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/api/fake/mod.rs"]
mod fake;

use std::{sync::Arc, time::Duration};

use headwater_api::{BuildInfo, HistoryConfig, ServerConfig, Settings, listen, serve};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::args().nth(1).map_or(Ok(8099), |port| port.parse())?;
    let fake = fake::Fake::new(true);
    let build = BuildInfo { version: env!("CARGO_PKG_VERSION").to_owned(), commit: None };
    let listener = listen(([127, 0, 0, 1], port).into(), false)?;
    let history = Some(HistoryConfig::in_data_dir(&std::env::temp_dir().join("headwater-demo-page")));
    let (server, bound) = serve(ServerConfig {
        listener,
        handle: fake.clone(),
        sql: Arc::new(fake.sql.clone()),
        inspector: Arc::new(fake.clone()),
        build,
        history,
        logs: fake.logs.clone(),
        settings: Settings::default(),
    })?;
    println!("http://{bound}/");
    actix_web::rt::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(250));
        loop {
            ticks.tick().await;
            fake.advance(250);
        }
    });
    server.await?;
    Ok(())
}
