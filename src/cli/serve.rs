//! `serve`: runs the service until it is told to end, or its store breaks.

use std::time::Instant;

use crate::app::check::Compiled;
use crate::app::relay::{Listeners, Relay};
use crate::app::signals::told_to_end;
use crate::cli::check::summary;
use crate::config::Config;
use crate::config::problem::Problem;

/// Runs until SIGTERM or Ctrl-C. Each warning about the configuration is logged once.
pub async fn serve(config: Config, compiled: Compiled, warnings: Vec<Problem>) -> anyhow::Result<()> {
    let began = Instant::now();
    let told_to_end = told_to_end();
    for Problem { path, message } in warnings {
        tracing::warn!(path, "the configuration is legal, but {path}: {message}");
    }
    let summary = summary(&config);
    let listeners = Listeners::bind(&config).await?;
    let relay = Relay::start(config, compiled, listeners).await?;
    tracing::info!(
        hooks = %relay.hooks(),
        admin = %relay.admin(),
        version = env!("CARGO_PKG_VERSION"),
        took_ms = began.elapsed().as_millis(),
        "ready: {summary}"
    );
    tokio::select! {
        () = told_to_end => {
            tracing::info!("told to end: finishing what is in flight, the rest stays stored");
            relay.stop().await;
            Ok(())
        }
        reason = relay.broken() => {
            tracing::error!(error = reason, "the store is broken; the process ends so that a fresh one can look at it");
            anyhow::bail!("the store is broken: {reason}")
        }
    }
}
