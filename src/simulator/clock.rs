//! The clock the simulator lives by, and the two sums it does with it.
//!
//! Limits, tokens and read receipts all depend on the time, and a test must be able to move it: so the clock is a
//! function in [`crate::simulator::Options`], read once by the handler of each call. Everything behind a handler is
//! given `now` (law 10). The only time that is not this clock's is the pace of a dripping answer, which is real,
//! because the client's own timeout is.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// What tells the simulator the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The machine's own clock.
pub fn real() -> Clock {
    Arc::new(Timestamp::now)
}

/// `now` plus `duration`, or the end of time if that lies beyond it.
pub(crate) fn later(now: Timestamp, duration: Duration) -> Timestamp {
    now.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// How long ago `then` was; zero if the clock was set back since.
pub(crate) fn age(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or(Duration::ZERO)
}
