//! So many in any window, and never more (law 6).
//!
//! DingTalk's "20 a minute" is kept as *no window of that length holds more than 20*, on DingTalk's clock too: a call
//! may arrive as late as its timeout allows, so the window is taken that much longer. `governor` keeps the bucket;
//! its burst and refill are chosen so that `burst + ⌊window ÷ refill⌋ ≤ N`. Time is an argument: the bucket's clock
//! adds up what passes between the times it is given, and never runs backwards when the machine's clock does. Lanes read
//! the machine's clock some steps before they ask, so the times come a little out of order; that is no clock that runs
//! backwards, and no time passes twice by it. A clock that is set forward fills the bucket, as if that time had passed:
//! nobody can tell the two apart.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use jiff::Timestamp;

use crate::model::health::later;

/// How far behind the latest time one may lie that is only late. What lies further behind is a clock that was set back.
const LATE: Duration = Duration::from_secs(30);

/// By how much the clock was set back, if it was since it showed the `latest` time.
pub(in crate::gate) fn set_back(latest: Timestamp, now: Timestamp) -> Option<Duration> {
    let back = Duration::try_from(latest.duration_since(now)).ok()?;
    (back > LATE).then_some(back)
}

type Bucket = RateLimiter<NotKeyed, Level, Given, StateInformationMiddleware>;

/// Grants at most `n` starts in any window, whatever happened before it was made.
pub struct Limiter {
    n: NonZeroU32,
    window: Duration,
    clock: Given,
    level: Level,
    bucket: Bucket,
    /// The latest time it was given, and what its own clock showed then.
    given: Timestamp,
    shown: Duration,
    /// The starts of the last window by its own clock, oldest first: what a bucket of another rate begins with.
    started: VecDeque<Duration>,
}

/// A clock that shows what it was given.
#[derive(Debug, Clone, Default)]
struct Given(Arc<AtomicU64>);

impl Given {
    fn show(&self, at: Duration) {
        self.0.store(Nanos::from(at).into(), Ordering::Relaxed);
    }
}

impl Clock for Given {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.load(Ordering::Relaxed).into()
    }
}

/// The one number a bucket keeps; 0 before the first start. Beside governor's own, because this one can be copied: so
/// a look at what is left takes nothing.
#[derive(Debug, Clone, Default)]
struct Level(Arc<AtomicU64>);

impl Level {
    /// Another one at the same height, which rises by itself.
    fn copied(&self) -> Self {
        Self(Arc::new(AtomicU64::new(self.0.load(Ordering::Relaxed))))
    }
}

impl StateStore for Level {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // Nobody else writes meanwhile: the limiter is asked by one at a time.
        let before = self.0.load(Ordering::Relaxed);
        let (decided, after) = decide((before > 0).then(|| before.into()))?;
        self.0.store(after.into(), Ordering::Relaxed);
        Ok(decided)
    }
}

impl Limiter {
    /// A fresh bucket from which the starts of the last window are taken first, so that a restart neither hammers
    /// nor delays the first alert. A start that lies in the future was made under a clock that ran ahead: it counts
    /// as made just now.
    pub fn new(n: NonZeroU32, window: Duration, started: impl IntoIterator<Item = Timestamp>, now: Timestamp) -> Self {
        let age = |at: Timestamp| Duration::try_from(now.duration_since(at)).unwrap_or_default();
        Self::with_ages(n, window, started.into_iter().map(age), now)
    }

    /// The same past, another rate.
    pub fn changed_to(&self, n: NonZeroU32, now: Timestamp) -> Self {
        let shown = self.shown + self.passed(now);
        let ages = self.started.iter().map(|start| shown.saturating_sub(*start));
        Self::with_ages(n, self.window, ages, self.latest(now))
    }

    /// Its own clock begins one window ago.
    fn with_ages(n: NonZeroU32, window: Duration, ages: impl Iterator<Item = Duration>, now: Timestamp) -> Self {
        let mut started: Vec<_> = ages.filter_map(|age| window.checked_sub(age)).collect();
        started.sort_unstable();
        let (clock, level) = (Given::default(), Level::default());
        let bucket = Bucket::new(quota(n, window), level.clone(), clock.clone());
        let limiter = Self { n, window, clock, level, bucket, given: now, shown: window, started: started.into() };
        limiter.replay();
        limiter
    }

    /// How many a window holds.
    pub fn n(&self) -> NonZeroU32 {
        self.n
    }

    /// One start at `now`, or when to ask again.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        self.shown += self.passed(now);
        self.given = self.latest(now);
        self.clock.show(self.shown);
        self.check().map_err(|wait| later(self.given, wait))?;
        let begins = self.shown.saturating_sub(self.window);
        while self.started.front().is_some_and(|start| *start < begins) {
            self.started.pop_front();
        }
        self.started.push_back(self.shown);
        Ok(())
    }

    /// How many starts it would grant at `now`, one at once after the other. Takes none.
    pub fn left(&self, now: Timestamp) -> usize {
        let clock = Given::default();
        let bucket = Bucket::new(quota(self.n, self.window), self.level.copied(), clock.clone());
        clock.show(self.shown + self.passed(now));
        let further = bucket.check().map(|granted| granted.remaining_burst_capacity() as usize);
        further.map_or(0, |further| 1 + further)
    }

    /// One start at `now` of something that can wait: only while less than half of the window is taken, so that what
    /// cannot wait finds room. Or when to ask again.
    pub fn take_if_half_is_free(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        let begins = (self.shown + self.passed(now)).saturating_sub(self.window);
        let taken = self.started.iter().filter(|start| **start >= begins).count();
        if taken * 2 >= self.n.get() as usize { Err(later(now, self.window)) } else { self.take(now) }
    }

    /// Takes every known start from the bucket. One that the bucket would refuse (the rate was higher then) is taken
    /// as soon as it would not: it stays owed.
    fn replay(&self) {
        let mut at = Duration::ZERO;
        for start in &self.started {
            at = at.max(*start);
            self.clock.show(at);
            while let Err(wait) = self.check() {
                at += wait;
                self.clock.show(at);
            }
        }
    }

    fn check(&self) -> Result<(), Duration> {
        // A wait of no time would make a caller that sleeps spin.
        self.bucket.check().map(drop).map_err(|not| not.wait_time_from(self.clock.now()).max(Duration::from_nanos(1)))
    }

    /// A machine's clock that is set back stands still for the bucket, and goes on from there.
    fn passed(&self, now: Timestamp) -> Duration {
        Duration::try_from(self.latest(now).duration_since(self.given)).unwrap_or_default()
    }

    /// The time it is now, as far as one knows who hears of it out of order.
    fn latest(&self, now: Timestamp) -> Timestamp {
        if now < self.given && set_back(self.given, now).is_none() { self.given } else { now }
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

    proptest! {
        #[test]
        fn what_is_left_is_what_would_be_granted_and_a_look_takes_none(
            n in 1u32..60,
            gaps in prop::collection::vec(0u32..20_000, 0..80),
            later_by in 0u32..80_000,
        ) {
            let mut limiter = Limiter::new(rate(n), WINDOW, [], at(0));
            let now = drive(&mut limiter, &mut vec![], &gaps, at(0));
            let now = later(now, Duration::from_millis(u64::from(later_by)));
            let left = limiter.left(now);
            prop_assert_eq!(limiter.left(now), left);
            let granted = std::iter::repeat_with(|| limiter.take(now)).take_while(Result::is_ok).count();
            prop_assert_eq!(granted, left);
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
    fn what_can_wait_leaves_half_of_the_window_to_what_cannot() {
        let mut limiter = Limiter::new(rate(20), WINDOW, (0..9).map(|n| at(n * 7_000)), at(69_000));
        assert_eq!(limiter.take_if_half_is_free(at(69_000)), Ok(()), "nine of twenty were taken");
        assert_eq!(limiter.take_if_half_is_free(at(69_000)), Err(at(139_000)));
        assert_eq!(limiter.take(at(69_000)), Ok(()));
        let mut slowest = Limiter::new(rate(1), WINDOW, [], at(0));
        assert_eq!(slowest.take_if_half_is_free(at(0)), Ok(()), "half of one is more than none");
    }

    #[test]
    fn a_restart_after_a_quiet_minute_delays_nothing() {
        let mut limiter = Limiter::new(rate(20), WINDOW, (0..20).map(|_| at(0)), at(71_000));
        assert_eq!(limiter.take(at(71_000)), Ok(()));
    }

    proptest! {
        #[test]
        fn times_that_come_out_of_order_let_nothing_more_through(lags in prop::collection::vec(0i64..5_000, 600)) {
            let window = Duration::from_millis(1_200);
            let mut limiter = Limiter::new(rate(15), window, [], at(0));
            let asked = lags.iter().enumerate().map(|(n, lag)| at(20 * n as i64 - lag));
            let granted = asked.filter(|now| limiter.take(*now).is_ok()).count();
            // Twelve seconds: the burst of three, and one each 92 ms.
            prop_assert!(granted <= 3 + 12_000 / 92 + 1, "{granted}");
        }
    }

    #[test]
    fn a_clock_set_back_does_not_stop_the_limiter() {
        let mut limiter = Limiter::new(rate(20), WINDOW, [], at(0));
        let hour_ago = at(-3_600_000);
        let mut starts = vec![];
        limiter.take(at(0)).unwrap();
        drive(&mut limiter, &mut starts, &[0; 100], hour_ago);
        let took = starts[99].duration_since(hour_ago);
        assert!(took.as_secs() < 100 * 5, "{took}");
        assert!(fullest(&starts) <= 20);
    }

    #[test]
    fn a_restart_under_a_clock_that_was_set_back_still_knows_what_was_started() {
        let ahead = (0..20).map(|_| at(3_600_000));
        let mut limiter = Limiter::new(rate(20), WINDOW, ahead, at(0));
        assert!(limiter.take(at(0)).is_err());
        assert_eq!(limiter.take(at(71_000)), Ok(()));
    }
}
