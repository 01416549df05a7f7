//! When the fallback of a lane takes over. Pure.
//!
//! A lane asks at the one moment when it can do nothing else: it may not call now. *Blocked* is what a human must
//! mend: the channel, the app, or a month that is used up, which is why a lane that is only down or cooling, or
//! paused by a human, keeps its queue. A month that has calls left for what is critical blocks the rest alone, so the lane
//! asks twice: for all that waits, and for what is not critical. While a probe is due nothing is handed over: the probe may open the lane, and
//! what it carries goes over only if it fails. What is handed over says in a line whom it was meant for; its title
//! stays. The line is in the language and the time zone of who takes over. The store does the handing over, once for
//! each delivery.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::form::Style;
use crate::model::health::{Block, Go, Health, later};
use crate::model::name::Name;
use crate::model::spoken;
use crate::store::handing::{HandOver, Heir};

/// Who takes over, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Fallback {
    /// Whose lane it guards.
    of: Name,
    /// The receiver that takes over.
    to: Name,
    /// How that one is spoken to.
    style: Style,
    /// How long the lane may be blocked until then.
    after: Duration,
}

/// What a lane that may not call does with its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Course {
    /// It keeps it: nothing blocks it, or a probe is about to be made.
    Keep,
    /// It keeps it until then, unless it flows before.
    KeepUntil(Timestamp),
    /// It hands it over: this has blocked it for too long.
    HandOver(Block),
}

impl Fallback {
    /// The receiver `to`, which is spoken to in that style, takes over from `of` when that has been blocked for so long.
    pub fn of(of: &Name, to: Name, style: Style, after: Duration) -> Self {
        Self { of: of.clone(), to, style, after }
    }

    /// The receiver that takes over.
    pub fn to(&self) -> &Name {
        &self.to
    }

    /// What the store is to do with the queue that this blocks, or with what of it is not critical: at most `limit`
    /// deliveries at a time.
    pub fn hand_over(&self, block: &Block, keeps_critical: bool, limit: usize) -> HandOver {
        let since = block.since.strftime("%Y-%m-%d %H:%M UTC");
        let (read, code) = (spoken::at(block.since, &self.style.timezone), plain(&block.code));
        let english = format!("which is blocked since {read}: {code}");
        let note = self.style.language.of(english, format!("但自 {read} 起已被阻塞：{code}"));
        HandOver {
            receiver: self.of.clone(),
            to: self.heir(&note),
            reason: format!("blocked since {since}: {} ({})", block.code, block.reason),
            keeps_critical,
            limit,
        }
    }

    /// Who takes over a delivery that died of this code.
    pub fn heir_of_dead(&self, code: &str) -> Heir {
        let code = plain(code);
        let english = format!("where it could not be sent: {code}");
        self.heir(&self.style.language.of(english, format!("但未能发出：{code}")))
    }

    fn heir(&self, why: &str) -> Heir {
        let of = plain(self.of.as_str());
        let note = self.style.language.of(format!("Meant for **{of}**, {why}"), format!("本应发给 **{of}**，{why}"));
        Heir { receiver: self.to.clone(), note }
    }

    /// What to do at `now`, by the states of all that a call passes: channel, app, month.
    pub fn course<'h>(&self, states: impl IntoIterator<Item = &'h Health>, now: Timestamp) -> Course {
        let (mut may_call, mut longest) = (true, None::<&Block>);
        for health in states {
            may_call &= !matches!(health.go(now), Go::Wait(_));
            if let Health::Blocked(block) = health
                && longest.is_none_or(|other| block.since < other.since)
            {
                longest = Some(block);
            }
        }
        match longest.map(|block| (block, later(block.since, self.after))) {
            None => Course::Keep,
            Some((_, at)) if now < at => Course::KeepUntil(at),
            Some(_) if may_call => Course::Keep,
            Some((block, _)) => Course::HandOver(block.clone()),
        }
    }
}

/// A name or a code as markdown: letters, digits, `.`, `-`, and `_`, which would be emphasis.
fn plain(word: &str) -> String {
    word.replace('_', r"\_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::health::{Cause, Happening, News};
    use crate::model::language::Language;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    fn fallback() -> Fallback {
        fallback_read_in(Style::default())
    }

    fn fallback_read_in(style: Style) -> Fallback {
        Fallback::of(&"on_call".parse().unwrap(), "night".parse().unwrap(), style, Duration::from_secs(120))
    }

    /// Blocked at that second; every probe since then failed.
    fn blocked(cause: Cause, since: i64, probes: &[i64]) -> Health {
        let again = || Happening::Blocked { code: format!("at.{since}"), reason: "r".into(), cause };
        let first = Health::Flowing.after(again(), News::Fresh, at(since));
        probes.iter().fold(first, |health, probe| health.after(again(), News::Fresh, at(*probe)))
    }

    fn down(since: i64, probe: i64) -> Health {
        let (code, reason) = ("timeout".into(), "No answer came.".into());
        Health::Down { since: at(since), probe_at: at(probe), times: 3, code, reason }
    }

    fn course(states: &[Health], now: i64) -> String {
        match fallback().course(states, at(now)) {
            Course::Keep => "keep".to_owned(),
            Course::KeepUntil(until) => format!("keep until {}", until.as_second() - at(0).as_second()),
            Course::HandOver(block) => format!("hand over, {}", block.code),
        }
    }

    #[test]
    fn a_reader_is_told_whom_it_was_meant_for_and_an_operator_why() {
        let Health::Blocked(block) = blocked(Cause::Month, 0, &[]) else { panic!() };
        let block = Block { code: "month_used_up".into(), reason: "Send less.".into(), ..block };
        let handing = fallback().hand_over(&block, false, 9);
        assert_eq!(
            handing.to.note,
            r"Meant for **on\_call**, which is blocked since 2026-09-21 14:13 UTC: month\_used\_up"
        );
        assert_eq!(handing.reason, "blocked since 2026-09-21 14:13 UTC: month_used_up (Send less.)");
        let dead = fallback().heir_of_dead("contain.unsafe.url");
        assert_eq!(dead.note, r"Meant for **on\_call**, where it could not be sent: contain.unsafe.url");
    }

    #[test]
    fn who_takes_over_is_told_in_his_language_and_time_and_the_reason_stays_as_it_is() {
        let Health::Blocked(block) = blocked(Cause::Channel, 0, &[]) else { panic!() };
        let block = Block { code: "robot_not_in_group".into(), ..block };
        let timezone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
        let chinese = fallback_read_in(Style { language: Language::Zh, timezone, ..Style::default() });
        let handing = chinese.hand_over(&block, false, 9);
        let note = r"本应发给 **on\_call**，但自 2026-09-21 22:13 UTC+8 起已被阻塞：robot\_not\_in\_group";
        assert_eq!(handing.to.note, note);
        assert_eq!(handing.reason, fallback().hand_over(&block, false, 9).reason);
        assert_eq!(chinese.heir_of_dead("forbidden").note, r"本应发给 **on\_call**，但未能发出：forbidden");
    }

    #[test]
    fn only_what_a_human_must_mend_hands_over() {
        let away = down(0, 10_000);
        let cooling = Health::Cooling { until: at(10_000), times: 9 };
        for state in [Health::Flowing, Health::Failing { failures: 2 }, away, cooling] {
            assert_eq!(course(&[state.clone(), state], 9_000), "keep");
        }
        for cause in [Cause::Channel, Cause::App, Cause::Month] {
            // The next probe of each of the three is still ahead at 121 s.
            let state = blocked(cause, 0, &[60, 120]);
            assert_eq!(course(&[Health::Flowing, state.clone()], 121), "hand over, at.0", "{cause:?}");
            assert_eq!(course(&[state, Health::Flowing], 121), "hand over, at.0", "{cause:?}");
        }
    }

    #[test]
    fn it_waits_for_its_time_and_not_a_second_longer() {
        let state = [blocked(Cause::Channel, 0, &[60])];
        assert_eq!(course(&state, 1), "keep until 120");
        assert_eq!(course(&state, 119), "keep until 120");
        assert_eq!(course(&state, 120), "hand over, at.0");
    }

    #[test]
    fn a_probe_that_is_due_goes_first_and_only_its_failure_hands_over() {
        // 60 s, then 120 s later.
        let state = [blocked(Cause::Channel, 0, &[60])];
        assert_eq!(course(&state, 179), "hand over, at.0");
        assert_eq!(course(&state, 180), "keep");
        assert_eq!(course(&state, 5_000), "keep", "it is due as long as nobody makes it");
        assert_eq!(course(&[blocked(Cause::Channel, 0, &[60, 180])], 181), "hand over, at.0");
    }

    #[test]
    fn a_probe_that_cannot_be_made_keeps_nothing_back() {
        let due = blocked(Cause::Channel, 0, &[]);
        let away = down(100, 200);
        assert_eq!(course(&[due.clone(), Health::Flowing], 180), "keep");
        assert_eq!(course(&[due.clone(), away], 180), "hand over, at.0");
        assert_eq!(course(&[due, blocked(Cause::Month, 170, &[])], 180), "hand over, at.0");
    }

    #[test]
    fn of_two_blocks_the_longer_one_counts() {
        let states = [blocked(Cause::Channel, 50, &[110]), blocked(Cause::App, 0, &[30, 90])];
        assert_eq!(course(&states, 119), "keep until 120");
        assert_eq!(course(&states, 125), "hand over, at.0");
    }
}
