//! The loop of an app's receipts: it reads the clock, sleeps, and is rung when a message was sent that is to be asked
//! about, so that no asking is late however soon it is due.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::model::health::Backoff;
use crate::receipts::{Receipts, Step};
use crate::store::StoreError;
use crate::telemetry::panics::{self, caught};

/// The longest sleep: if the machine's clock is set, receipts notice within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// How long receipts rest after a step that panicked: it may have cost a call, and the next one may panic too.
const BROKEN: Backoff = Backoff { first: LONGEST_SLEEP, last: Duration::from_secs(60 * 60) };

/// Repeats the step until `stop` becomes true. A query in flight is finished first.
pub async fn run(mut receipts: Receipts, mut stop: watch::Receiver<bool>) {
    let gate = Arc::clone(receipts.gate());
    let mut changes = gate.changes();
    let (mut trouble, mut broken) = (false, 0);
    loop {
        if *stop.borrow() {
            return;
        }
        // Before the look, so that no change of the app's state in between is missed.
        changes.mark_unchanged();
        let Ok(step) = caught(panics::RECEIPTS, receipts.step(Timestamp::now())).await else {
            if panics::rest(BROKEN.wait(broken), &mut stop).await {
                return;
            }
            broken += 1;
            continue;
        };
        let sleep = match step {
            Ok(Step::Authorised | Step::Done) => {
                (trouble, broken) = (false, 0);
                continue;
            }
            Ok(Step::Idle) => LONGEST_SLEEP,
            Ok(Step::Wait(until)) => {
                Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default().min(LONGEST_SLEEP)
            }
            Err(error) => {
                if error != StoreError::StaleEpoch && !std::mem::replace(&mut trouble, true) {
                    tracing::error!(app = %gate.app(), %error, "receipts cannot use the store; they go on trying");
                }
                LONGEST_SLEEP
            }
        };
        tokio::select! {
            biased;
            _told_or_alone = stop.wait_for(|stop| *stop) => return,
            _ = changes.changed() => {}
            // A ring during the step is kept.
            () = gate.rung_for_receipts() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
}
