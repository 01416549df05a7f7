//! Whose turn is next, of the lanes of one organisation that have something to say which is not critical.
//!
//! Where the month runs ahead of the calendar, messages that tell of nothing critical are spaced out over the whole
//! organisation (`model::budget` says how far), and its lanes take turns: each goes once before any goes twice, so of L
//! lanes each one's turn comes every L spacings. Who does not stand in line takes no turn, however often it goes: one
//! that never gathers, a probe, a letter by hand. Their calls count in the month, which widens the spacing, and that is all
//! that the others feel of them. The gates of an organisation's apps share one [`Turns`], and a reload hands it on. A start
//! asks the store when the last call was made: who restarts gains nothing. Pure: time is an argument. It counts no calls,
//! and it knows lanes by name only.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::health::later;
use crate::model::name::Name;

/// How long a lane whose turn it is may take to come. It may have nothing to say any more, or no permit for its group;
/// then it stands at the end when it asks again.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the place of a lane is kept whose message DingTalk did not take: it may have to cool down first.
const COOLING: Duration = Duration::from_secs(10 * 60);

/// The lanes of one organisation, as they take turns.
#[derive(Debug, Default)]
pub struct Turns(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Those that wait for their turn, the next one first.
    line: VecDeque<Waiter>,
    /// When the last turn was taken.
    last: Option<Timestamp>,
    /// Who took it, and when the one before was taken.
    taken: Option<(Name, Option<Timestamp>)>,
}

/// A lane that waits for its turn.
#[derive(Debug)]
struct Waiter {
    lane: Name,
    /// When it was told to ask again.
    comes_at: Timestamp,
    /// How long a turn of all in line was at most, by what it was told while it stood there.
    round: Duration,
}

impl Turns {
    /// Nobody waits yet; the last call was made then.
    pub fn after(last: Option<Timestamp>) -> Self {
        Self(Mutex::new(Inner { last, ..Inner::default() }))
    }

    /// Whether it is this lane's turn at `now`, if messages are so far apart, or when to ask again. A lane that asks
    /// stands in line until it has gone. One that gathers on purpose until `gathered_at` has no turn before, and keeps its
    /// place for it.
    pub fn ask(&self, lane: &Name, spacing: Duration, gathered_at: Timestamp, now: Timestamp) -> Result<(), Timestamp> {
        let mut inner = self.inner();
        // A clock that was set back must not make anyone wait for longer than the spacing.
        let due = inner.last.map_or(now, |last| later(last.min(now), spacing));
        let (place, mine) = (inner.place_of(lane, now), due.max(gathered_at));
        let before = if now < mine { Some(mine) } else { inner.expected_before(place, later(due, spacing / 2), now) };
        let place = inner.place_of(lane, now);
        let round = spacing.saturating_mul(u32::try_from(inner.line.len()).unwrap_or(u32::MAX));
        let waiter = &mut inner.line[place];
        (waiter.comes_at, waiter.round) = (before.unwrap_or(now), waiter.round.max(round));
        before.map_or(Ok(()), Err)
    }

    /// How long a turn of all that stand in line has been at most since this lane stands there: what it has gathered for
    /// so long could not have had its turn before. Zero if it does not stand in line.
    pub fn round(&self, lane: &Name) -> Duration {
        let inner = self.inner();
        inner.line.iter().find(|waiting| waiting.lane == *lane).map_or(Duration::ZERO, |waiting| waiting.round)
    }

    /// A message of this lane goes at `now`, with whatever gathered there. `in_turn`: it is this lane's turn that it
    /// takes, and not one that goes out of turn because it tells of something critical.
    pub fn went(&self, lane: &Name, in_turn: bool, now: Timestamp) {
        let mut inner = self.inner();
        inner.line.retain(|waiting| waiting.lane != *lane);
        if in_turn {
            inner.taken = Some((lane.clone(), inner.last));
            inner.last = Some(now);
        }
    }

    /// What this lane's last message was to tell goes again, because DingTalk took nothing of it. If it was the last turn,
    /// it is given back: the lane stands first in the line, and keeps that place for as long as it may have to cool down.
    pub fn goes_again(&self, lane: &Name, now: Timestamp) {
        let mut inner = self.inner();
        let Some((_, before)) = inner.taken.take_if(|(who, _)| who == lane) else { return };
        inner.last = before;
        let comes_at = later(now, COOLING);
        inner.line.push_front(Waiter { lane: lane.clone(), comes_at, round: Duration::ZERO });
    }

    /// Nobody needs to wait any more.
    pub fn disperse(&self) {
        self.inner().line.clear();
    }

    /// How many lanes stand before this one, and when the last turn was taken; `None`: it does not stand in line.
    pub fn before(&self, lane: &Name) -> Option<(usize, Option<Timestamp>)> {
        let inner = self.inner();
        let place = inner.line.iter().position(|waiting| waiting.lane == *lane)?;
        Some((place, inner.last))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic cannot leave the fields half-written: each is assigned whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The place of a lane in the line: at the end, if it had none.
    fn place_of(&mut self, lane: &Name, now: Timestamp) -> usize {
        self.line.iter().position(|waiting| waiting.lane == *lane).unwrap_or_else(|| {
            self.line.push_back(Waiter { lane: lane.clone(), comes_at: now, round: Duration::ZERO });
            self.line.len() - 1
        })
    }

    /// Until when to wait for those before this place who are about to come: one that was told to ask again by `soon`
    /// (the spacing was wider when it asked). Who should have come and did not has lost its place; who comes much later
    /// keeps it.
    fn expected_before(&mut self, place: usize, soon: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let mut at = 0;
        self.line.retain(|waiting| {
            at += 1;
            at > place || now < later(waiting.comes_at, PATIENCE)
        });
        let lost = at - self.line.len();
        let before = self.line.iter().take(place - lost);
        before.map(|waiting| waiting.comes_at).filter(|comes_at| *comes_at <= soon).map(|at| later(at, PATIENCE)).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    fn names() -> [Name; 3] {
        ["a", "b", "c"].map(|name| name.parse().unwrap())
    }

    #[test]
    fn each_lane_goes_once_before_any_goes_twice_and_no_two_within_the_spacing() {
        let (turns, names) = (Turns::after(None), names());
        let mut went = vec![];
        for second in 0..=600 {
            for name in &names {
                if turns.ask(name, MINUTE, at(0), at(second)).is_ok() {
                    turns.went(name, true, at(second));
                    went.push((second, name.as_str()));
                }
            }
        }
        let turn = |n: i64| (n * 60, ["a", "b", "c"][usize::try_from(n % 3).unwrap()]);
        assert_eq!(went, (0..=10).map(turn).collect::<Vec<_>>());
    }

    #[test]
    fn a_lane_that_is_told_when_to_ask_again_gets_its_turn_then() {
        let (turns, [a, b, _]) = (Turns::after(Some(at(0))), names());
        assert_eq!(turns.ask(&a, MINUTE, at(0), at(10)), Err(at(60)));
        assert_eq!(turns.ask(&b, MINUTE, at(0), at(20)), Err(at(60)));
        assert_eq!(turns.ask(&b, MINUTE, at(0), at(60)), Err(at(62)), "the other one is before it");
        assert_eq!(turns.ask(&a, MINUTE, at(0), at(60)), Ok(()));
        turns.went(&a, true, at(60));
        assert_eq!(turns.ask(&b, MINUTE, at(0), at(62)), Err(at(120)));
        assert_eq!(turns.ask(&b, MINUTE, at(0), at(120)), Ok(()));
    }

    #[test]
    fn one_that_does_not_come_is_not_waited_for() {
        let (turns, [a, b, c]) = (Turns::after(Some(at(0))), names());
        for name in [&a, &b, &c] {
            assert_eq!(turns.ask(name, MINUTE, at(0), at(1)), Err(at(60)));
        }
        assert_eq!(turns.ask(&c, MINUTE, at(0), at(62)), Ok(()));
        turns.went(&c, true, at(62));
        assert_eq!(turns.ask(&a, MINUTE, at(0), at(122)), Ok(()), "at the end, and alone by now");
    }

    #[test]
    fn a_turn_of_which_dingtalk_took_nothing_is_given_back_and_keeps_nobody_waiting() {
        let (turns, [a, b, _]) = (Turns::after(Some(at(0))), names());
        for name in [&a, &b] {
            assert_eq!(turns.ask(name, MINUTE, at(1), at(1)), Err(at(60)));
        }
        turns.went(&a, true, at(60));
        turns.goes_again(&b, at(61));
        assert_eq!(turns.before(&a), None, "it was not the turn of b");
        turns.goes_again(&a, at(61));
        assert_eq!(turns.before(&a), Some((0, Some(at(0)))));
        assert_eq!(turns.ask(&a, MINUTE, at(61), at(61)), Ok(()), "a plainer form goes at once");
        turns.went(&a, true, at(61));
        turns.goes_again(&a, at(62));
        assert_eq!(turns.ask(&b, MINUTE, at(62), at(62)), Ok(()), "while it cools down, the next one goes");
        turns.went(&b, true, at(62));
        assert_eq!(turns.ask(&b, MINUTE, at(63), at(63)), Err(at(122)));
        assert_eq!(turns.ask(&a, MINUTE, at(122), at(122)), Ok(()), "it has kept its place");
    }

    #[test]
    fn what_is_critical_takes_its_lane_out_of_the_line_and_no_turn_from_the_others() {
        let (turns, [a, b, _]) = (Turns::after(Some(at(0))), names());
        for name in [&a, &b] {
            assert_eq!(turns.ask(name, MINUTE, at(0), at(1)), Err(at(60)));
        }
        turns.went(&a, false, at(30));
        assert_eq!((turns.before(&a), turns.before(&b)), (None, Some((0, Some(at(0))))));
        assert_eq!(turns.ask(&b, MINUTE, at(0), at(60)), Ok(()));
    }

    #[test]
    fn one_that_gathers_on_purpose_has_its_turn_when_it_has_and_loses_it_to_nobody() {
        let (turns, [a, b, _]) = (Turns::after(Some(at(0))), names());
        assert_eq!(turns.ask(&a, MINUTE, at(65), at(55)), Err(at(65)));
        assert_eq!(turns.ask(&b, MINUTE, at(0), at(56)), Err(at(60)));
        assert_eq!(turns.ask(&b, MINUTE, at(0), at(60)), Err(at(67)), "the other one comes in a moment");
        assert_eq!(turns.ask(&a, MINUTE, at(65), at(65)), Ok(()));
        turns.went(&a, true, at(65));
        assert_eq!(turns.ask(&b, MINUTE, at(0), at(67)), Err(at(125)));
    }

    #[test]
    fn one_that_gathers_for_long_lets_the_others_go_meanwhile() {
        let (turns, [a, b, _]) = (Turns::after(Some(at(0))), names());
        assert_eq!(turns.ask(&a, MINUTE, at(600), at(1)), Err(at(600)));
        assert_eq!(turns.ask(&b, MINUTE, at(0), at(60)), Ok(()));
        turns.went(&b, true, at(60));
        assert_eq!(turns.ask(&a, MINUTE, at(600), at(600)), Ok(()));
    }

    #[test]
    fn a_round_is_the_longest_that_a_lane_was_told_of_while_it_stood_in_line() {
        let (turns, [a, b, c]) = (Turns::after(Some(at(0))), names());
        assert_eq!(turns.round(&a), Duration::ZERO);
        for name in [&a, &b, &c] {
            turns.ask(name, MINUTE, at(0), at(1)).unwrap_err();
        }
        assert_eq!([&a, &b, &c].map(|name| turns.round(name)), [MINUTE, 2 * MINUTE, 3 * MINUTE], "as each came");
        for (name, second) in [(&a, 60), (&b, 120)] {
            assert_eq!(turns.ask(name, MINUTE, at(0), at(second)), Ok(()));
            turns.went(name, true, at(second));
            let _told_when = turns.ask(&c, MINUTE, at(0), at(second));
        }
        assert_eq!(turns.ask(&c, MINUTE, at(0), at(180)), Ok(()));
        assert_eq!(
            (turns.before(&c), turns.round(&c)),
            (Some((0, Some(at(120)))), 3 * MINUTE),
            "it waited for the others, who are gone"
        );
        turns.went(&c, true, at(180));
        assert_eq!(turns.round(&c), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_is_set_back_costs_a_spacing_at_most() {
        let (turns, [a, ..]) = (Turns::after(Some(at(1_000_000))), names());
        assert_eq!(turns.ask(&a, MINUTE, at(0), at(0)), Err(at(60)));
    }
}
