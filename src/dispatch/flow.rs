//! How long a lane has flowed: the time in which it may send whenever it has something to send.
//!
//! `max_wait` is counted in this time. A cool-down, a probe, a pause stop it and do not set it back: a group that is
//! throttled every ten minutes lets nobody be overtaken for longer than one that is not. A lane keeps its [`Flow`] beside
//! the queue, and a start begins a new one: what waited for a process that did not run was overtaken by nobody. Pure:
//! time is an argument. It knows neither why a lane stops nor what waits in it.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The most stops it knows of. Of the time before them it says that the lane flowed: so something may go before what is
/// worse a little too soon, but never too late.
const MOST_STOPS: usize = 64;

/// When a lane flowed, and when it did not.
#[derive(Debug, Clone)]
pub struct Flow {
    /// From when until when it did not, the oldest first. They do not meet.
    stops: VecDeque<(Timestamp, Timestamp)>,
    /// Since when it does not.
    stopped_at: Option<Timestamp>,
}

impl Default for Flow {
    /// Of a lane that has never flowed.
    fn default() -> Self {
        Self { stops: VecDeque::new(), stopped_at: Some(Timestamp::MIN) }
    }
}

impl Flow {
    /// At `now` the lane may send, and until it is said to stop.
    pub fn flows(&mut self, now: Timestamp) {
        self.set_back_to(now);
        let Some(stopped_at) = self.stopped_at.take().filter(|stopped_at| *stopped_at < now) else { return };
        if self.stops.len() == MOST_STOPS {
            self.stops.pop_front();
        }
        self.stops.push_back((stopped_at, now));
    }

    /// At `now` the lane may not send, and until it is said to flow.
    pub fn stops(&mut self, now: Timestamp) {
        self.set_back_to(now);
        self.stopped_at.get_or_insert(now);
    }

    /// What was accepted before this has waited so long while the lane flowed; `None`: nothing has.
    pub fn overdue_before(&self, max_wait: Duration, now: Timestamp) -> Option<Timestamp> {
        let mut left = SignedDuration::try_from(max_wait).unwrap_or(SignedDuration::MAX);
        let mut end = self.stopped_at.unwrap_or(now);
        for (stopped_at, flowed_from) in self.stops.iter().rev() {
            let flowed = end.duration_since(*flowed_from);
            if flowed >= left {
                break;
            }
            left -= flowed;
            end = *stopped_at;
        }
        end.checked_sub(left).ok()
    }

    /// The clock was set back: what it knows of the time that comes again is not true any more.
    fn set_back_to(&mut self, now: Timestamp) {
        self.stops.retain(|(stopped_at, _)| *stopped_at < now);
        self.stops.iter_mut().for_each(|(_, until)| *until = now.min(*until));
        self.stopped_at = self.stopped_at.map(|stopped_at| now.min(stopped_at));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX_WAIT: Duration = Duration::from_secs(900);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    /// It starts at second 0, and does not flow in these times.
    fn flow(stops: &[(i64, i64)]) -> Flow {
        let mut flow = Flow::default();
        flow.flows(at(0));
        for (from, until) in stops {
            flow.stops(at(*from));
            flow.flows(at(*until));
        }
        flow
    }

    fn overdue(flow: &Flow, now: i64) -> Option<i64> {
        flow.overdue_before(MAX_WAIT, at(now)).map(|before| before.as_second() - at(0).as_second())
    }

    #[test]
    fn nothing_is_overdue_before_the_lane_has_flowed_for_so_long() {
        assert_eq!(overdue(&Flow::default(), 100_000), None);
        let flow = flow(&[]);
        assert_eq!([899, 900, 901].map(|now| overdue(&flow, now)), [None, Some(0), Some(1)]);
    }

    #[test]
    fn a_stop_does_not_count_and_sets_nothing_back() {
        let flow = flow(&[(600, 660), (1_260, 1_320)]);
        let told = [1_320, 1_619, 1_620, 2_219, 2_220].map(|now| overdue(&flow, now));
        assert_eq!(told, [Some(300), Some(599), Some(660), Some(1_259), Some(1_320)]);
    }

    #[test]
    fn while_it_does_not_flow_what_was_overdue_stays_so_and_nothing_becomes_it() {
        let mut flow = flow(&[]);
        flow.stops(at(1_000));
        flow.stops(at(1_500));
        assert_eq!([1_500, 9_000].map(|now| overdue(&flow, now)), [Some(100); 2]);
        flow.flows(at(9_000));
        flow.flows(at(9_050));
        assert_eq!(overdue(&flow, 9_100), Some(200));
    }

    #[test]
    fn a_clock_that_is_set_back_costs_the_time_that_comes_again() {
        let mut flow = flow(&[(1_000, 2_000), (3_000, 4_000)]);
        flow.flows(at(1_500));
        assert_eq!([1_600, 2_000].map(|now| overdue(&flow, now)), [Some(200), Some(600)]);
    }

    /// What each second of a story is: whether the lane flows.
    fn story() -> impl Strategy<Value = Vec<bool>> {
        let spells = (0..8usize, 1..8usize).prop_map(|(flows, stops)| [vec![true; flows], vec![false; stops]].concat());
        (prop::collection::vec(spells, 0..120), 0..20usize)
            .prop_map(|(spells, flows)| [spells.concat(), vec![true; flows]].concat())
    }

    /// The latest second such that the lane has flowed for so long since, counted second by second.
    fn counted(story: &[bool], max_wait: usize) -> Option<i64> {
        let flowed_since = |from: &usize| story[*from..].iter().filter(|flows| **flows).count();
        (0..=story.len()).rev().find(|from| flowed_since(from) >= max_wait).map(|from| from as i64)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn it_counts_the_time_in_which_the_lane_flowed_and_of_too_many_stops_forgets_the_oldest(
            story in story(), max_wait in 1..600u64,
        ) {
            let mut flow = Flow::default();
            let seconds = story.len() as i64;
            for (second, flows) in (0..).zip(&story) {
                if *flows { flow.flows(at(second)) } else { flow.stops(at(second)) }
            }
            let told = flow.overdue_before(Duration::from_secs(max_wait), at(seconds));
            let counted = counted(&story, max_wait as usize).map(at);
            if flow.stops.len() < MOST_STOPS {
                prop_assert_eq!(told, counted);
            } else {
                prop_assert!(flow.stops.len() == MOST_STOPS && told >= counted, "{told:?} {counted:?}");
            }
        }
    }
}
