//! The loop of an app's receipts: it reads the clock, sleeps, and is rung when a message was sent that is to be asked
//! about, so that no asking is late however soon it is due.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::receipts::{Receipts, Step};
use crate::store::StoreError;

/// The longest sleep: if the machine's clock is set, receipts notice within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Repeats the step until `stop` becomes true. A query in flight is finished first.
pub async fn run(mut receipts: Receipts, mut stop: watch::Receiver<bool>) {
    let gate = Arc::clone(receipts.gate());
    let mut changes = gate.changes();
    let mut trouble = false;
    loop {
        if *stop.borrow() {
            return;
        }
        // Before the look, so that no change of the app's state in between is missed.
        changes.mark_unchanged();
        let sleep = match receipts.step(Timestamp::now()).await {
            Ok(Step::Authorised | Step::Done) => {
                trouble = false;
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
