//! A panic is a mistake of ours. It must be heard of, and it must cost no more than what it broke off.
//!
//! A loop asks [`caught`] to do one unit of its work: what panics there is logged and counted, and comes back as an
//! error, so that the loop can go on with the next one. What cannot go on after a panic is not caught but ends the
//! process (`app::alarm`), because a start puts everything right that a kill may leave behind. [`log_all`] makes a
//! panic a line of the log like any other, wherever it happens. Nothing here knows what the work was.

use std::any::Any;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use metrics::counter;
use tokio::sync::watch;

use crate::telemetry::metrics::PANICS;

/// The loops whose units of work are caught, as the metric's label has them.
pub const PARTS: [&str; 5] = [LANE, RECEIPTS, TOKEN, NOTICES, JANITOR];
/// A receiver's queue.
pub const LANE: &str = "lane";
/// Who has read the messages of an app.
pub const RECEIPTS: &str = "receipts";
/// Renewing the access token of an app.
pub const TOKEN: &str = "token";
/// What an operator is told.
pub const NOTICES: &str = "notices";
/// Retention.
pub const JANITOR: &str = "janitor";

/// A unit of work that panicked.
pub struct Panicked(Box<dyn Any + Send>);

impl Panicked {
    /// Panics on, for who finds that nothing can go on after it.
    pub fn on(self) -> ! {
        resume_unwind(self.0)
    }
}

/// Does a unit of a loop's work. What a panic leaves of what the work held is the caller's to look at.
pub async fn caught<T>(part: &'static str, work: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut work = pin!(work);
    let done = std::future::poll_fn(|context| {
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            // The work is never polled again.
            Err(payload) => Poll::Ready(Err(Panicked(payload))),
        }
    });
    done.await.inspect_err(|_| {
        counter!(PANICS, "part" => part).increment(1);
        tracing::error!(part, "a mistake of ours broke a piece of work off; the loop goes on");
    })
}

/// Lets a loop rest after a panic; true: it is to end, or nobody is left who could say so.
pub async fn rest(so_long: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        biased;
        _told_or_alone = stop.wait_for(|stop| *stop) => true,
        () = tokio::time::sleep(so_long) => false,
    }
}

/// From now on a panic of any thread is logged, instead of being written between the lines of the log.
pub fn log_all() {
    std::panic::set_hook(Box::new(log));
}

fn log(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    // It may quote what came from outside.
    let said = words(panic.payload()).escape_debug().to_string();
    tracing::error!(place, panic = said, "a mistake of ours: please report this line");
}

/// What a panic says: with a fixed text it is a `&str`, with a formatted one a `String`.
fn words(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_panics_is_an_error_wherever_it_was_interrupted() {
        let slow = || async {
            tokio::task::yield_now().await;
            7
        };
        assert_eq!(caught(LANE, slow()).await.ok(), Some(7));
        let broken = async {
            let seven = slow().await;
            assert_eq!(seven, 8, "on purpose");
        };
        let panicked = caught(LANE, broken).await.err().unwrap();
        let passed_on = catch_unwind(AssertUnwindSafe(|| panicked.on())).unwrap_err();
        assert!(words(passed_on.as_ref()).contains("on purpose"));
        assert_eq!(words(&"fixed"), "fixed");
    }
}
