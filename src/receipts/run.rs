//! The loop of an app's receipts: it reads the clock and sleeps.
//!
//! Nobody rings it when a message was sent: the first asking lies ahead by at least as long as it sleeps, unless
//! `ask_after` begins below that, and a receipt may be half a minute late.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::receipts::{Receipts, Step};
use crate::store::StoreError;

/// The longest sleep: how late a message that was sent meanwhile is noticed at most.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Repeats the step until `stop` becomes true. A query in flight is finished first.
pub async fn run(mut receipts: Receipts, mut stop: watch::Receiver<bool>) {
    let mut changes = receipts.gate().changes();
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
                    let app = receipts.gate().app();
                    tracing::error!(%app, %error, "receipts cannot use the store; they go on trying");
                }
                LONGEST_SLEEP
            }
        };
        tokio::select! {
            biased;
            _told_or_alone = stop.wait_for(|stop| *stop) => return,
            _ = changes.changed() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
}
