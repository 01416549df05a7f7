//! `serve`: runs the service until it is told to end, or its store breaks. SIGHUP reads the configuration again.

use std::convert::Infallible;
use std::time::Instant;

use crate::app::check::Compiled;
use crate::app::relay::{Listeners, Relay};
use crate::app::reload::{Origin, warn};
use crate::app::signals::{Reload, told_to_end};
use crate::cli::check::summary;
use crate::config::Config;
use crate::config::problem::Problem;
use crate::operator::reload::{By, Reloading};

/// Runs until SIGTERM or Ctrl-C. Each warning about the configuration is logged once.
pub async fn serve(config: Config, compiled: Compiled, origin: Origin, warnings: Vec<Problem>) -> anyhow::Result<()> {
    let began = Instant::now();
    let (told_to_end, reload) = (told_to_end(), Reload::caught());
    warn(&warnings);
    let summary = summary(&config);
    let listeners = Listeners::bind(&config).await?;
    let relay = Relay::start(config, compiled, origin, listeners).await?;
    tracing::info!(
        hooks = %relay.hooks(),
        admin = %relay.admin(),
        version = env!("CARGO_PKG_VERSION"),
        took_ms = began.elapsed().as_millis(),
        "ready: {summary}"
    );
    let reloading = relay.reloading().clone();
    tokio::select! {
        () = told_to_end => {
            tracing::info!("told to end: finishing what is in flight, the rest stays stored");
            relay.stop().await;
            Ok(())
        }
        reason = relay.broken() => {
            tracing::error!(error = reason, "nothing can go on; the process ends so that a fresh one can look at it");
            anyhow::bail!(reason)
        }
        // Beside the rest: a reload waits for calls in flight, and the end of the process must not wait for it.
        never = follow(reload, reloading) => match never {},
    }
}

/// Has the configuration read again at every SIGHUP.
async fn follow(mut reload: Reload, reloading: Reloading) -> Infallible {
    loop {
        reload.told().await;
        // What came of it is logged where it is done.
        let _logged = reloading.ask(By::Signal).await;
    }
}
