//! Retention: what is older than `store.retention` and finished is forgotten, a little at a time.
//!
//! Nothing that is still open is ever forgotten, whatever its age. The chunks are small, so that a webhook never
//! waits long behind one.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::store::{Store, StoreError};
use crate::telemetry::panics::{self, caught};

/// So many events in one transaction.
const CHUNK: usize = 200;
/// How long the janitor rests when there is nothing (more) to forget.
const REST: Duration = Duration::from_secs(60 * 60);
/// How long it lets others work between two chunks.
const BREATH: Duration = Duration::from_millis(200);

/// Forgets one chunk of what is too old at `now`; says whether there may be more.
pub async fn step(store: &dyn Store, retention: Duration, now: Timestamp) -> Result<bool, StoreError> {
    let Ok(before) = now.checked_sub(retention) else { return Ok(false) };
    let forgotten = store.forget(before, CHUNK).await?;
    if forgotten > 0 {
        tracing::debug!(forgotten, "old events were forgotten");
    }
    Ok(forgotten >= CHUNK as u64)
}

/// Repeats [`step`] until `stop` becomes true, and at once when the retention has changed.
pub async fn run(store: Arc<dyn Store>, mut retention: watch::Receiver<Duration>, mut stop: watch::Receiver<bool>) {
    loop {
        let keep = *retention.borrow_and_update();
        let rest = match caught(panics::JANITOR, step(store.as_ref(), keep, Timestamp::now())).await {
            Ok(Ok(true)) => BREATH,
            Ok(Ok(false)) | Err(_) => REST,
            Ok(Err(error)) => {
                tracing::warn!(%error, "old events could not be forgotten; tried again in an hour");
                REST
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            Ok(()) = retention.changed() => {}
            () = tokio::time::sleep(rest) => {}
        }
    }
}
