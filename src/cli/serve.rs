//! `serve`: runs the service until it is told to end, or its store breaks.

use std::time::Instant;

use crate::app::check::compile;
use crate::app::relay::{Listeners, Relay};
use crate::app::signals::told_to_end;
use crate::config::Config;
use crate::config::problem::Problems;

/// Runs until SIGTERM or Ctrl-C.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    let began = Instant::now();
    let told_to_end = told_to_end();
    let compiled = compile(&config).map_err(Problems)?;
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

/// `2 apps, 3 receivers, 1 source`.
pub fn summary(config: &Config) -> String {
    let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let counts = [
        count(config.apps.len(), "app"),
        count(config.receivers.len(), "receiver"),
        count(config.sources.len(), "source"),
    ];
    counts.join(", ")
}
