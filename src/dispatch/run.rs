//! The loop of a lane: it reads the clock, sleeps, and is woken.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::dispatch::lane::{Lane, Step};
use crate::store::{Store, StoreError};

/// How long a lane waits when the store would not do what it asked.
const STORE_TROUBLE: Duration = Duration::from_secs(1);
/// The longest sleep: if the machine's clock is set, a lane notices within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Repeats the lane's step until `stop` becomes true, and gives the lane back. A call in flight is finished first.
pub async fn run(mut lane: Lane, store: Arc<dyn Store>, mut stop: watch::Receiver<bool>) -> Lane {
    let arrivals = store.arrivals(lane.receiver());
    let channel = Arc::clone(lane.channel());
    let mut changes = lane.gate().changes();
    let mut trouble = false;
    loop {
        // Both are registered before the table is looked at, so nothing that happens in between is missed.
        let arrival = arrivals.notified();
        changes.mark_unchanged();
        let step = tokio::select! {
            biased;
            () = told(&mut stop) => return lane,
            turn = channel.turn() => lane.step(&turn, Timestamp::now()).await,
        };
        let sleep = match step {
            Ok(Step::Authorised | Step::Tried(_) | Step::HandedOver(_) | Step::Finished) => {
                trouble = false;
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
