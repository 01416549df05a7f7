//! `/-/healthy` and `/-/ready`, the same on both ports, without a token.
//!
//! Healthy: the process answers. Ready: webhooks are taken (the store is open, migrated and has room, and the process
//! is not about to end). A store that does not answer in time is not ready: whoever asks has not got all day.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;

use crate::http::problem::ProblemAnswer;
use crate::operator::readiness::{NotReady, Readiness};

/// How long the store may think about it: less than the second a kubelet waits, whose own timeout says nothing.
const PATIENCE: Duration = Duration::from_millis(900);

/// The two paths.
pub fn router<S: Clone + Send + Sync + 'static>(readiness: Readiness) -> Router<S> {
    Router::new().route("/-/healthy", get(healthy)).route("/-/ready", get(ready)).with_state(readiness)
}

async fn healthy() -> &'static str {
    "healthy\n"
}

async fn ready(State(readiness): State<Readiness>) -> Result<&'static str, ProblemAnswer> {
    match tokio::time::timeout(PATIENCE, readiness.check()).await {
        Ok(Ok(())) => Ok("ready\n"),
        // Only our own words: what the store says may name files, and this port is open to the world.
        Ok(Err(NotReady::Stopping)) => Err(ProblemAnswer::unavailable("the relay is shutting down")),
        Ok(Err(NotReady::Store(_))) => Err(ProblemAnswer::unavailable("the store is not ready")),
        Err(_) => Err(ProblemAnswer::unavailable("the store does not answer")),
    }
}
