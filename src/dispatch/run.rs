//! The loop of a lane: it reads the clock, sleeps, and is woken.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::dispatch::lane::{Lane, Step};
use crate::model::health::Backoff;
use crate::store::{Store, StoreError};
use crate::telemetry::panics::{self, caught};

/// How long a lane waits when the store would not do what it asked.
const STORE_TROUBLE: Duration = Duration::from_secs(1);
/// How long a lane rests after a step that panicked: what is at fault may be there again.
const BROKEN: Backoff = Backoff { first: STORE_TROUBLE, last: LONGEST_SLEEP };
/// The longest sleep: if the machine's clock is set, a lane notices within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Repeats the lane's step until `stop` becomes true, and gives the lane back. A call in flight is finished first.
///
/// # Panics
/// Where a step did, and left the lane not knowing what is claimed.
pub async fn run(mut lane: Lane, store: Arc<dyn Store>, mut stop: watch::Receiver<bool>) -> Lane {
    let arrivals = store.arrivals(lane.receiver());
    let channel = Arc::clone(lane.channel());
    let mut changes = lane.gate().changes();
    let (mut trouble, mut broken) = (false, 0);
    loop {
        // Both are registered before the table is looked at, so nothing that happens in between is missed.
        let arrival = arrivals.notified();
        changes.mark_unchanged();
        let step = tokio::select! {
            biased;
            () = told(&mut stop) => return lane,
            turn = channel.turn() => caught(panics::LANE, lane.step(&turn, Timestamp::now())).await,
        };
        let step = match step {
            Ok(step) => step,
            Err(panicked) => {
                tracing::error!(receiver = %lane.receiver(), "a step of the lane broke off");
                if !lane.broke_off(Timestamp::now()) {
                    panicked.on();
                }
                if panics::rest(BROKEN.wait(broken), &mut stop).await {
                    return lane;
                }
                broken += 1;
                continue;
            }
        };
        let sleep = match step {
            Ok(Step::Authorised | Step::Tried(_) | Step::HandedOver(_) | Step::Finished) => {
                (trouble, broken) = (false, 0);
                continue;
            }
            Ok(Step::Idle) => LONGEST_SLEEP,
            Ok(Step::Wait(until)) => {
                Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default().min(LONGEST_SLEEP)
            }
            Err(StoreError::StaleEpoch) => STORE_TROUBLE,
            Err(error) => {
                if !std::mem::replace(&mut trouble, true) {
                    tracing::error!(receiver = %lane.receiver(), %error, "the lane cannot use the store; it goes on trying");
                }
                STORE_TROUBLE
            }
        };
        tokio::select! {
            biased;
            () = told(&mut stop) => return lane,
            () = arrival => {}
            _ = changes.changed() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

/// Resolves when the loop is to end; also when nobody is left who could say so.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _told_or_alone = stop.wait_for(|stop| *stop).await;
}
