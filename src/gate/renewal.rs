//! The loop that renews an app's access token before it ends, so that no send waits for one.
//!
//! It renews what is in hand and fetches nothing by itself: an app that has never sent has no token, and one that has
//! sent keeps its token for the first alert of a quiet night. A renewal that fails is tried again until the token ends;
//! then the next lane fetches one, and what that comes to is the app's affair. It reads the clock and sleeps.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::gate::Gate;
use crate::model::health::Backoff;
use crate::telemetry::panics::{self, caught};

/// The longest sleep: if the machine's clock is set, it is noticed within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// How long to rest after a renewal that panicked; a lane that finds no token fetches one.
const BROKEN: Backoff = Backoff { first: LONGEST_SLEEP, last: Duration::from_secs(60 * 60) };

/// Renews until `stop` becomes true.
pub async fn run(gate: Arc<Gate>, mut stop: watch::Receiver<bool>) {
    let mut changes = gate.changes();
    let mut broken = 0;
    loop {
        // Before the look, so that a token that is fetched in between is not missed: the end of an errand rings.
        changes.mark_unchanged();
        let now = Timestamp::now();
        let next = tokio::select! {
            biased;
            _told_or_alone = stop.wait_for(|stop| *stop) => return,
            next = caught(panics::TOKEN, gate.renew(now)) => next,
        };
        let Ok(next) = next else {
            tokio::select! {
                biased;
                _told_or_alone = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(BROKEN.wait(broken)) => {}
            }
            broken += 1;
            continue;
        };
        broken = 0;
        let sleep = next.and_then(|next| Duration::try_from(next.duration_since(Timestamp::now())).ok());
        tokio::select! {
            biased;
            _told_or_alone = stop.wait_for(|stop| *stop) => return,
            _ = changes.changed() => {}
            () = tokio::time::sleep(sleep.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP)) => {}
        }
    }
}
