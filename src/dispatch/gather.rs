//! Whether what waits in a lane goes by itself, goes together, or gathers a little longer. Pure.
//!
//! A lane asks before it takes a permit, and again whenever something arrives. Four things hold whatever is
//! configured: what is critical never waits for company; what is express waits for what is critical only, and for one
//! message of the others if the one before was express too; what is neither waits for company no longer than its
//! receiver's `digest_window` and the month's pace say; and a lane that may send as many messages as it has things to tell
//! sends them one by one. What a receiver or a source lets wait for company by itself ([`Waiting::gathering`]) goes along
//! with the first message that goes, or when its own time has come.

use jiff::Timestamp;

use crate::config::digest::{Digest, Mode};
use crate::model::health::later;
use crate::store::queue::{Take, Waiting};

/// What a lane does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It sends a message of so much.
    Go(Take),
    /// It sends nothing before then, unless something arrives.
    Wait(Timestamp),
}

/// Whether what is express may go next. What is critical goes before it.
fn may_go_express(waiting: &Waiting) -> bool {
    waiting.express.is_some() && !waiting.critical
}

/// Whether what is express goes next, whatever else waits. After one that was express others have their turn first, if
/// they may go: a person writes few messages, but a script may write without end, and must not keep alerts back for ever.
fn goes_express(waiting: &Waiting, was_express: bool) -> bool {
    !was_express && may_go_express(waiting)
}

/// From when on the lane can take its turn where the month is spaced out: one that always gathers does so for its window
/// first. `None`: it needs none, since it never gathers, or since what goes is express.
pub fn gathered_at(waiting: &Waiting, digest: &Digest, was_express: bool, now: Timestamp) -> Option<Timestamp> {
    match digest.mode {
        _ if goes_express(waiting, was_express) => None,
        Mode::Never => None,
        Mode::Auto => Some(now),
        Mode::Always => Some(window_ends(waiting, digest, now)),
    }
}

/// When the oldest that may go has gathered for long enough. What came far in the future came before the clock was set
/// back, and nobody knows how long ago: it has.
fn window_ends(waiting: &Waiting, digest: &Digest, now: Timestamp) -> Timestamp {
    let since = waiting.oldest_ready_at.unwrap_or(now);
    if since > later(now, digest.window) { now } else { later(since, digest.window) }
}

/// What a lane does next with what is `waiting` at `now`, if the group takes so many messages at once (`permits`).
/// Something may go now, as far as its own waits are concerned. `paced_until`: the month runs ahead of the calendar, and
/// before then it has no call for what is not critical; one message then says all that has come. `was_express`: so was the
/// lane's last message.
pub fn decide(
    waiting: &Waiting,
    digest: &Digest,
    permits: usize,
    paced_until: Option<Timestamp>,
    was_express: bool,
    now: Timestamp,
) -> Decision {
    if goes_express(waiting, was_express) {
        return Decision::Go(Take::Express);
    }
    match in_its_order(waiting, digest, permits, paced_until, now) {
        Decision::Wait(_) if may_go_express(waiting) => Decision::Go(Take::Express),
        decision => decision,
    }
}

/// What a lane does next where nothing goes before the others.
fn in_its_order(
    waiting: &Waiting,
    digest: &Digest,
    permits: usize,
    paced_until: Option<Timestamp>,
    now: Timestamp,
) -> Decision {
    let is_its_turn = paced_until.is_some_and(|until| until <= now);
    let window = window_ends(waiting, digest, now);
    let gathers_until = match (digest.mode, paced_until) {
        (Mode::Never, _) => return Decision::Go(Take::One),
        // It gathers for its turn, and to let that pass would be to wait for another one.
        (Mode::Auto | Mode::Always, Some(paced)) => (!is_its_turn).then_some(paced),
        (Mode::Auto, None) => (waiting.ready > permits).then_some(window),
        (Mode::Always, None) => Some(window),
    };
    match gathers_until {
        None if waiting.gathering || is_its_turn => Decision::Go(Take::Digest),
        None => Decision::Go(Take::OneUnlessLate),
        Some(until) if now < until && !waiting.critical => Decision::Wait(until),
        Some(_) => Decision::Go(Take::Digest),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::model::content::Unchanged;
    use crate::model::event::Severity;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    fn digest(mode: Mode) -> Digest {
        let [window, max_wait, stale_after] = [10, 900, 1800].map(Duration::from_secs);
        Digest { mode, window, max_items: 15, max_wait, stale_after, unchanged: Unchanged::Fold }
    }

    /// So many that have been ready since second 0.
    fn ready(ready: usize) -> Waiting {
        let oldest_ready_at = (ready > 0).then(|| at(0));
        Waiting {
            due_at: at(0),
            ready,
            gathering: false,
            critical: false,
            express: None,
            next_urgent_at: None,
            oldest_ready_at,
        }
    }

    fn critical(count: usize) -> Waiting {
        Waiting { critical: true, ..ready(count) }
    }

    fn with_company(waiting: Waiting) -> Waiting {
        Waiting { gathering: true, ..waiting }
    }

    fn express(waiting: Waiting) -> Waiting {
        Waiting { express: Some(Severity::Info), ..waiting }
    }

    fn said(decision: Decision) -> String {
        match decision {
            Decision::Go(Take::One | Take::OneUnlessLate) => "alone".to_owned(),
            Decision::Go(Take::Digest) => "together".to_owned(),
            Decision::Go(Take::Express) => "express".to_owned(),
            Decision::Wait(until) => format!("wait until {}", until.as_second() - at(0).as_second()),
        }
    }

    #[test]
    fn a_lane_sends_one_by_one_while_it_may_and_gathers_while_it_is_busy() {
        use Mode::{Always, Auto, Never};
        let from_the_future = Waiting { oldest_ready_at: Some(at(3_600)), ..ready(4) };
        // What waits, the mode, the permits, until when the month is paced, the second it is, and what follows.
        let table = [
            (ready(3), Auto, 3, None, 0, "alone"),
            (ready(4), Auto, 3, None, 0, "wait until 10"),
            (ready(1), Auto, 0, None, 9, "wait until 10"),
            (ready(4), Auto, 3, None, 10, "together"),
            (ready(4), Auto, 4, None, 9, "alone"),
            // What gathers by itself goes along, and never makes anything wait.
            (with_company(ready(1)), Auto, 3, None, 0, "together"),
            (with_company(ready(4)), Auto, 3, None, 0, "wait until 10"),
            // Critical: as soon as there is a permit, and all along with it if they cannot go one by one.
            (critical(3), Auto, 3, None, 0, "alone"),
            (critical(4), Auto, 3, None, 0, "together"),
            (critical(1), Auto, 0, None, 0, "together"),
            (with_company(critical(1)), Auto, 3, None, 0, "together"),
            (critical(2), Auto, 3, Some(500), 0, "together"),
            (critical(1), Always, 3, None, 0, "together"),
            // The month's pace.
            (ready(1), Auto, 3, Some(5), 0, "wait until 5"),
            (ready(9), Auto, 3, Some(5), 0, "wait until 5"),
            (ready(1), Auto, 3, Some(500), 0, "wait until 500"),
            (ready(2), Auto, 3, Some(500), 500, "together"),
            (ready(1), Auto, 3, Some(0), 0, "together"),
            (ready(4), Auto, 3, Some(0), 0, "together"),
            (ready(4), Auto, 3, Some(500), 500, "together"),
            // Always: also while idle.
            (ready(1), Always, 3, None, 0, "wait until 10"),
            (ready(1), Always, 3, None, 10, "together"),
            (ready(1), Always, 3, Some(500), 10, "wait until 500"),
            (ready(1), Always, 3, Some(5), 5, "together"),
            (ready(1), Always, 3, Some(5), 9, "together"),
            // Never: whatever comes.
            (ready(100), Never, 3, Some(500), 0, "alone"),
            (with_company(critical(9)), Never, 0, None, 0, "alone"),
            // The clock was set back by an hour since it came.
            (from_the_future, Auto, 3, None, 0, "together"),
            (Waiting { ready: 1, ..from_the_future }, Always, 3, None, 0, "together"),
        ];
        for (n, (waiting, mode, permits, paced, now, expected)) in table.into_iter().enumerate() {
            let decision = decide(&waiting, &digest(mode), permits, paced.map(at), false, at(now));
            assert_eq!(said(decision), expected, "row {n}: {waiting:?}, {mode:?}, {permits} permits, at {now}");
        }
    }

    #[test]
    fn what_is_express_goes_before_all_but_the_critical_and_every_other_time_if_others_may_go_too() {
        use Mode::{Always, Auto, Never};
        // What waits, the mode, the permits, until when the month is paced, the second it is, and what follows: after a
        // message that was not express, and after one that was.
        let table = [
            (ready(1), Auto, 3, None, 0, ["express", "alone"]),
            (ready(3), Auto, 3, None, 0, ["express", "alone"]),
            (with_company(ready(3)), Auto, 3, None, 0, ["express", "together"]),
            (ready(100), Auto, 3, None, 0, ["express", "express"]),
            (ready(100), Auto, 0, None, 10, ["express", "together"]),
            (ready(1), Auto, 3, Some(500), 0, ["express", "express"]),
            (ready(2), Auto, 3, Some(500), 500, ["express", "together"]),
            (ready(1), Always, 3, None, 0, ["express", "express"]),
            (ready(2), Always, 3, None, 10, ["express", "together"]),
            (ready(100), Never, 3, None, 0, ["express", "alone"]),
            // What is critical goes first.
            (critical(2), Auto, 3, None, 0, ["alone", "alone"]),
            (critical(100), Auto, 3, Some(500), 0, ["together", "together"]),
            (critical(2), Always, 3, None, 0, ["together", "together"]),
            (critical(100), Never, 3, None, 0, ["alone", "alone"]),
        ];
        for (n, (waiting, mode, permits, paced, now, expected)) in table.into_iter().enumerate() {
            let waiting = express(waiting);
            let decide = |was| decide(&waiting, &digest(mode), permits, paced.map(at), was, at(now));
            let said = [false, true].map(decide).map(said);
            assert_eq!(said, expected, "row {n}: {waiting:?}, {mode:?}, {permits} permits, at {now}");
        }
    }

    #[test]
    fn one_that_always_gathers_can_take_its_turn_after_its_window_and_what_does_not_gather_needs_none() {
        use Mode::{Always, Auto, Never};
        let gathered = |waiting, mode| gathered_at(&waiting, &digest(mode), false, at(3));
        let modes = [Auto, Always, Never];
        assert_eq!(modes.map(|mode| gathered(ready(1), mode)), [Some(at(3)), Some(at(10)), None]);
        assert_eq!(modes.map(|mode| gathered(express(ready(1)), mode)), [None; 3]);
    }

    fn mode() -> impl Strategy<Value = Mode> {
        prop_oneof![Just(Mode::Auto), Just(Mode::Always), Just(Mode::Never)]
    }

    prop_compose! {
        /// Something is ready.
        fn waiting()(ready in 1usize..50, since in 0i64..100, gathering: bool, critical: bool) -> Waiting {
            let oldest_ready_at = Some(at(since));
            Waiting { due_at: at(since), ready, gathering, critical, express: None, next_urgent_at: None, oldest_ready_at }
        }
    }

    proptest! {
        #[test]
        fn what_is_critical_never_waits_for_company(
            waiting in waiting(), mode in mode(), permits in 0usize..20,
            paced in prop::option::of(0i64..2000), now in 100i64..2000,
        ) {
            let waiting = Waiting { critical: true, ..waiting };
            let decision = decide(&waiting, &digest(mode), permits, paced.map(at), false, at(now));
            prop_assert!(!matches!(decision, Decision::Wait(_)), "{decision:?}");
        }

        #[test]
        fn what_is_express_never_waits_and_others_go_as_soon_as_they_would_or_with_the_next_message(
            waiting in waiting(), mode in mode(), permits in 0usize..20,
            paced in prop::option::of(0i64..2000), now in 100i64..2000, was: bool,
        ) {
            let (digest, at) = (digest(mode), at(now));
            let paced = paced.map(super::tests::at);
            let with = decide(&express(waiting), &digest, permits, paced, was, at);
            let without = decide(&waiting, &digest, permits, paced, was, at);
            prop_assert!(!matches!(with, Decision::Wait(_)), "{with:?}");
            let goes = !matches!(without, Decision::Wait(_));
            prop_assert!(with == without || with == Decision::Go(Take::Express) && !(goes && was), "{with:?}, {without:?}");
        }

        #[test]
        fn nothing_waits_longer_than_its_window_or_the_months_pace_say(
            waiting in waiting(), mode in mode(), permits in 0usize..20,
            paced in prop::option::of(0i64..2000), now in 100i64..2000,
        ) {
            let longest = (waiting.oldest_ready_at.unwrap() + Duration::from_secs(10)).max(at(paced.unwrap_or(0)));
            match decide(&waiting, &digest(mode), permits, paced.map(at), false, at(now)) {
                Decision::Wait(until) => prop_assert!(at(now) < until && until <= longest, "{until}"),
                Decision::Go(_) => {}
            }
        }

        #[test]
        fn one_goes_alone_if_all_may_go_one_by_one_and_nothing_gathers_or_if_nothing_ever_may(
            waiting in waiting(), mode in mode(), permits in 0usize..20,
            paced in prop::option::of(0i64..2000), now in 100i64..2000,
        ) {
            let one_by_one = waiting.ready <= permits && !waiting.gathering && paced.is_none();
            let decision = decide(&waiting, &digest(mode), permits, paced.map(at), false, at(now));
            let alone = matches!(decision, Decision::Go(Take::One | Take::OneUnlessLate));
            prop_assert_eq!(alone, mode == Mode::Never || mode == Mode::Auto && one_by_one);
        }
    }
}
