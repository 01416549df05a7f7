//! The loop that tells the operator: it reads the clock, sleeps, and goes on whatever the store says.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::operator::notices::Notices;
use crate::telemetry::panics::{self, caught};

/// How often it looks. An alert is due within seconds; so is the word that alerts are stuck.
const LOOK: Duration = Duration::from_secs(5);

/// How long it rests after a look that panicked.
const BROKEN: Duration = Duration::from_secs(60);

/// Repeats [`Notices::step`] until `stop` becomes true.
pub async fn run(notices: Notices, mut stop: watch::Receiver<bool>) {
    let mut trouble = false;
    loop {
        let rest = match caught(panics::NOTICES, notices.step(Timestamp::now())).await {
            Ok(Ok(())) => {
                trouble = false;
                LOOK
            }
            Err(_) => BROKEN,
            Ok(Err(error)) => {
                if !std::mem::replace(&mut trouble, true) {
                    tracing::warn!(%error, "the operator cannot be told now; it is tried again");
                }
                LOOK
            }
        };
        tokio::select! {
            biased;
            _told_or_alone = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(rest) => {}
        }
    }
}
