//! A rate that drops when DingTalk says "too fast", and recovers in steps while sends succeed.
//!
//! A channel has one by the minute and an app one by the second. The limiter below keeps the rate (law 6); this file
//! decides what the rate is. Time is an argument. It knows neither states nor cool-downs.

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::Timestamp;

use crate::gate::limiter::Limiter;
use crate::model::health::later;

/// How long a lowered rate is kept before it is raised by a step, while sends succeed.
const STEP: Duration = Duration::from_secs(60);
/// So many steps lead from nothing to the configured rate.
const STEPS: u32 = 8;

/// A limiter whose rate moves between one and the configured one.
pub(in crate::gate) struct Pace {
    configured: NonZeroU32,
    limiter: Limiter,
    /// When the rate was changed last.
    changed_at: Timestamp,
}

impl Pace {
    /// The pace at `now`; `lowered` is the rate it had dropped to, if it had. `started` is what counts against it.
    pub(in crate::gate) fn new(
        configured: NonZeroU32,
        lowered: Option<u32>,
        window: Duration,
        started: impl IntoIterator<Item = Timestamp>,
        now: Timestamp,
    ) -> Self {
        let rate = lowered.and_then(NonZeroU32::new).map_or(configured, |lowered| lowered.min(configured));
        Self { configured, limiter: Limiter::new(rate, window, started, now), changed_at: now }
    }

    /// The rate it goes at now.
    pub(in crate::gate) fn rate(&self) -> NonZeroU32 {
        self.limiter.n()
    }

    /// The rate it goes at now, if that is not the configured one: what a restart has to know.
    pub(in crate::gate) fn lowered(&self) -> Option<u32> {
        (self.rate() < self.configured).then_some(self.rate().get())
    }

    /// What hands out starts at this rate.
    pub(in crate::gate) fn limiter(&mut self) -> &mut Limiter {
        &mut self.limiter
    }

    /// Halves the rate: DingTalk said "too fast".
    pub(in crate::gate) fn slow_down(&mut self, now: Timestamp) {
        let half = NonZeroU32::new(self.rate().get() / 2).unwrap_or(NonZeroU32::MIN);
        self.change_to(half, now);
    }

    /// Raises a lowered rate by a step, if the last change was long enough ago; says whether it did.
    pub(in crate::gate) fn speed_up(&mut self, now: Timestamp) -> bool {
        // A change that lies ahead was made before the clock was set back.
        self.changed_at = self.changed_at.min(now);
        let due = self.rate() < self.configured && now >= later(self.changed_at, STEP);
        if due {
            let step = (self.configured.get() / STEPS).max(1);
            self.change_to(self.rate().saturating_add(step).min(self.configured), now);
        }
        due
    }

    /// Goes on where another one ends: its starts count here.
    pub(in crate::gate) fn succeed(&mut self, before: &Self, now: Timestamp) {
        self.limiter = before.limiter.changed_to(self.rate(), now);
    }

    fn change_to(&mut self, rate: NonZeroU32, now: Timestamp) {
        self.limiter = self.limiter.changed_to(rate, now);
        self.changed_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    fn pace(configured: u32, lowered: Option<u32>) -> Pace {
        Pace::new(NonZeroU32::new(configured).unwrap(), lowered, Duration::from_secs(70), [], at(0))
    }

    #[test]
    fn a_halved_rate_recovers_in_steps_while_sends_succeed() {
        let mut pace = pace(20, None);
        pace.slow_down(at(0));
        assert_eq!(pace.lowered(), Some(10));
        assert!(!pace.speed_up(at(59)), "too soon");
        let rates: Vec<_> = (1..=6).map(|n| (pace.speed_up(at(60 * n)), pace.rate().get())).collect();
        assert_eq!(rates, [(true, 12), (true, 14), (true, 16), (true, 18), (true, 20), (false, 20)]);
        assert_eq!(pace.lowered(), None);
    }

    #[test]
    fn one_that_succeeds_another_counts_its_starts() {
        let mut before = pace(20, None);
        for _ in 0..5 {
            before.limiter().take(at(0)).unwrap();
        }
        let mut after = pace(20, None);
        after.succeed(&before, at(1));
        assert!(after.limiter().take(at(1)).is_err(), "a quarter went at once a second ago");
    }

    #[test]
    fn the_slowest_pace_is_one_and_even_that_recovers() {
        let mut pace = pace(3, None);
        for _ in 0..4 {
            pace.slow_down(at(0));
        }
        assert_eq!(pace.rate().get(), 1);
        assert!(pace.speed_up(at(60)));
        assert_eq!(pace.rate().get(), 2);
    }

    #[test]
    fn what_was_lowered_never_beats_what_is_configured_now() {
        assert_eq!(pace(20, Some(10)).rate().get(), 10);
        assert_eq!(pace(5, Some(10)).rate().get(), 5);
        assert_eq!(pace(20, Some(0)).rate().get(), 20, "no rate at all is none that we store");
    }
}
