//! So many in any window, and never more (law 6).
//!
//! DingTalk's "20 a minute" is kept as *no window of that length holds more than 20*, on DingTalk's clock too: a call
//! may arrive as late as its timeout allows, so the window is taken that much longer. `governor` keeps the bucket;
//! its burst and refill are chosen so that `burst + ⌊window ÷ refill⌋ ≤ N`. Time is an argument: the bucket's clock
//! shows what it was last given, and never runs backwards when the machine's clock does.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use jiff::Timestamp;

use crate::model::health::later;

type Bucket = RateLimiter<NotKeyed, InMemoryState, Given, NoOpMiddleware<Nanos>>;

/// Grants at most `n` starts in any window, whatever happened before it was made.
pub struct Limiter {
    n: NonZeroU32,
    window: Duration,
    clock: Given,
    bucket: Bucket,
    /// What the bucket's clock counts from, and the latest time it was shown.
    zero: Timestamp,
    latest: Timestamp,
    /// The starts of the last window, oldest first: what a bucket of another rate begins with.
    started: VecDeque<Timestamp>,
}

/// A clock that shows what it was given.
#[derive(Debug, Clone, Default)]
struct Given(Arc<AtomicU64>);

impl Clock for Given {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.load(Ordering::Relaxed).into()
    }
}

impl Limiter {
    /// A fresh bucket from which the starts of the last window are taken first, so that a restart or another rate
    /// neither hammers nor delays the first alert.
    pub fn new(n: NonZeroU32, window: Duration, started: impl IntoIterator<Item = Timestamp>, now: Timestamp) -> Self {
        let begins = now.checked_sub(window).unwrap_or(now);
        let mut started: Vec<Timestamp> = started.into_iter().filter(|at| *at >= begins && *at <= now).collect();
        started.sort_unstable();
        let clock = Given::default();
        let bucket = RateLimiter::direct_with_clock(quota(n, window), clock.clone());
        let mut limiter = Self { n, window, clock, bucket, zero: begins, latest: begins, started: started.into() };
        limiter.replay();
        limiter.latest = now;
        limiter
    }

    /// How many a window holds.
    pub fn n(&self) -> NonZeroU32 {
        self.n
    }

    /// One start at `now`, or when to ask again.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        self.latest = self.latest.max(now);
        self.show(self.latest);
        self.check().map_err(|wait| later(now, wait))?;
        let begins = self.latest.checked_sub(self.window).unwrap_or(self.zero);
        while self.started.front().is_some_and(|at| *at < begins) {
            self.started.pop_front();
        }
        self.started.push_back(self.latest);
        Ok(())
    }

    /// The same past, another rate.
    pub fn changed_to(&self, n: NonZeroU32, now: Timestamp) -> Self {
        Self::new(n, self.window, self.started.iter().copied(), now.max(self.latest))
    }

    /// Takes every known start from the bucket. One that the bucket would refuse (the rate was higher then) is taken
    /// as soon as it would not: it stays owed.
    fn replay(&mut self) {
        let mut at = Nanos::from(0);
        for start in self.started.clone() {
            at = at.max(self.ticks(start));
            self.clock.0.store(at.into(), Ordering::Relaxed);
            while let Err(wait) = self.check() {
                at = at + wait;
                self.clock.0.store(at.into(), Ordering::Relaxed);
            }
        }
    }

    fn check(&self) -> Result<(), Duration> {
        // A wait of no time would make a caller that sleeps spin.
        self.bucket.check().map_err(|not| not.wait_time_from(self.clock.now()).max(Duration::from_nanos(1)))
    }

    fn show(&self, at: Timestamp) {
        self.clock.0.store(self.ticks(at).into(), Ordering::Relaxed);
    }

    fn ticks(&self, at: Timestamp) -> Nanos {
        // Before zero there is nothing to count.
        Duration::try_from(at.duration_since(self.zero)).unwrap_or_default().into()
    }
}

/// `burst + ⌊window ÷ period⌋ ≤ n`, with a quarter of `n` as the burst: enough for the first alerts of a bad night to
/// go at once, while most of the rate is left for what follows.
fn quota(n: NonZeroU32, window: Duration) -> Quota {
    let burst = NonZeroU32::new(n.get() / 4).unwrap_or(NonZeroU32::MIN);
    let period = window / (n.get() - burst.get() + 1) + Duration::from_nanos(1);
    Quota::with_period(period).expect("a period of at least one nanosecond is not zero").allow_burst(burst)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(70);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_000 + millis).unwrap()
    }

    fn rate(n: u32) -> NonZeroU32 {
        NonZeroU32::new(n).unwrap()
    }

    /// The most starts that any window holds.
    fn fullest(starts: &[Timestamp]) -> usize {
        let ends_in = |from: Timestamp| starts.iter().filter(|s| **s >= from && **s <= later(from, WINDOW)).count();
        starts.iter().map(|s| ends_in(*s)).max().unwrap_or(0)
    }

    /// Asks at each of these times and, when refused, at the time that was named.
    fn drive(limiter: &mut Limiter, starts: &mut Vec<Timestamp>, gaps: &[u32], mut now: Timestamp) -> Timestamp {
        for gap in gaps {
            now = later(now, Duration::from_millis(u64::from(*gap)));
            match limiter.take(now) {
                Ok(()) => starts.push(now),
                Err(until) => {
                    now = until;
                    limiter.take(now).expect("the time that was named is right");
                    starts.push(now);
                }
            }
        }
        now
    }

    proptest! {
        #[test]
        fn law_6_no_window_holds_more_than_the_limit(n in 1u32..60, gaps in prop::collection::vec(0u32..20_000, 1..150)) {
            let mut limiter = Limiter::new(rate(n), WINDOW, [], at(0));
            let mut starts = vec![];
            drive(&mut limiter, &mut starts, &gaps, at(0));
            prop_assert!(fullest(&starts) <= n as usize, "{} > {n}", fullest(&starts));
        }

        #[test]
        fn law_6_holds_across_restarts(
            n in 1u32..40,
            runs in prop::collection::vec(prop::collection::vec(0u32..8_000, 1..40), 1..5),
        ) {
            let mut starts: Vec<Timestamp> = vec![];
            let mut now = at(0);
            for gaps in runs {
                let mut limiter = Limiter::new(rate(n), WINDOW, starts.iter().copied(), now);
                now = drive(&mut limiter, &mut starts, &gaps, now);
            }
            prop_assert!(fullest(&starts) <= n as usize, "{} > {n}", fullest(&starts));
        }

        #[test]
        fn a_lower_rate_owes_what_the_higher_one_spent(gaps in prop::collection::vec(0u32..2_000, 1..60)) {
            let mut limiter = Limiter::new(rate(20), WINDOW, [], at(0));
            let mut starts = vec![];
            let now = drive(&mut limiter, &mut starts, &gaps, at(0));
            let mut slower = limiter.changed_to(rate(10), now);
            let before = starts.len();
            drive(&mut slower, &mut starts, &[0; 15], now);
            prop_assert!(fullest(&starts) <= 20);
            prop_assert!(fullest(&starts[before..]) <= 10);
        }
    }

    #[test]
    fn a_quarter_goes_at_once_and_the_rest_evenly() {
        let mut limiter = Limiter::new(rate(20), WINDOW, [], at(0));
        for _ in 0..5 {
            assert_eq!(limiter.take(at(0)), Ok(()));
        }
        let until = limiter.take(at(0)).unwrap_err();
        assert_eq!(until.duration_since(at(0)).as_millis(), 4375);
    }

    #[test]
    fn a_restart_after_a_quiet_minute_delays_nothing() {
        let mut limiter = Limiter::new(rate(20), WINDOW, (0..20).map(|_| at(0)), at(71_000));
        assert_eq!(limiter.take(at(71_000)), Ok(()));
    }

    #[test]
    fn a_clock_set_back_does_not_stop_the_limiter() {
        let mut limiter = Limiter::new(rate(20), WINDOW, [], at(0));
        assert_eq!(limiter.take(at(0)), Ok(()));
        let hour_ago = at(-3_600_000);
        for _ in 0..4 {
            assert_eq!(limiter.take(hour_ago), Ok(()));
        }
        let wait = limiter.take(hour_ago).unwrap_err().duration_since(hour_ago);
        assert!(wait.as_secs() < 5, "{wait}");
    }
}
