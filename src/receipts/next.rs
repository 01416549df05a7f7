//! When to ask again who has read a message. Pure.
//!
//! The times of `ask_after` are counted from the send, so an asking that came late skips those that have gone by, and
//! nothing has to be remembered between two askings but the next one. Where an answer is to be had soon (DingTalk has
//! no data yet, is still at work, or did not answer) it is asked again when the message is twice as old: some ten
//! times in the day after which DingTalk has forgotten. "No data yet" and "no data any more" are one code of DingTalk's:
//! once there was an answer it cannot be "yet", so then it is asked in turn only.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::health::later;
use crate::model::message::{REMEMBERED_FOR, Readers};
use crate::model::outcome::{Outcome, Scope, Verdict};

/// The least wait until it is asked again out of turn.
const LEAST: Duration = Duration::from_secs(30);

/// A message that was asked about.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// When it was sent.
    pub sent_at: Timestamp,
    /// How long after that it is asked about, ascending.
    pub ask_after: &'a [Duration],
    /// Whether DingTalk has answered before.
    pub answered: bool,
    /// Now.
    pub now: Timestamp,
}

impl Asked<'_> {
    /// When DingTalk will have forgotten who has read it.
    pub fn forgotten_at(&self) -> Timestamp {
        later(self.sent_at, REMEMBERED_FOR)
    }

    /// When to ask again after the last page; `None`: never.
    pub fn after_answer(&self, readers: &Readers) -> Option<Timestamp> {
        match readers {
            readers if readers.is_recalled() => None,
            readers if readers.is_processing() => self.soon(),
            _ => self.in_turn(),
        }
    }

    /// When to ask again after no answer; `None`: never. Behind the first page it may be the place in the pages that
    /// was refused, which says nothing of the message.
    pub fn after_failure(&self, verdict: &Verdict, first_page: bool) -> Option<Timestamp> {
        match (verdict.outcome, verdict.scope) {
            (Outcome::Refused, _) if first_page => None,
            (Outcome::Blocked, Scope::Message) => self.in_turn(),
            (Outcome::Unavailable, Scope::Message) if self.answered && first_page => self.in_turn(),
            _ => self.soon(),
        }
    }

    fn in_turn(&self) -> Option<Timestamp> {
        self.ask_after.iter().map(|wait| later(self.sent_at, *wait)).find(|at| *at > self.now)
    }

    fn soon(&self) -> Option<Timestamp> {
        let age = Duration::try_from(self.now.duration_since(self.sent_at)).unwrap_or_default();
        let again = later(self.now, age.max(LEAST));
        self.in_turn().into_iter().chain([again]).min().filter(|at| *at < self.forgotten_at())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASK_AFTER: [Duration; 3] = [Duration::from_secs(60), Duration::from_secs(600), Duration::from_secs(3600)];

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    fn asked(now: i64) -> Asked<'static> {
        Asked { sent_at: at(0), ask_after: &ASK_AFTER, answered: false, now: at(now) }
    }

    fn readers(send_status: &str) -> Readers {
        Readers { send_status: send_status.into(), user_ids: vec![], next: None }
    }

    fn verdict(outcome: Outcome, scope: Scope) -> Verdict {
        Verdict {
            outcome,
            scope,
            label: "other",
            code: "a.code".into(),
            http_status: Some(400),
            may_have_arrived: false,
            uncounted: false,
            of_token: false,
            complaint: None,
            retry_after: None,
            hint: "a hint".into(),
        }
    }

    /// The times at which it is asked, from the first one on.
    fn times(next: impl Fn(Asked<'_>) -> Option<Timestamp>) -> Vec<i64> {
        let first = Some(at(60));
        let all = std::iter::successors(first, |now| next(Asked { now: *now, ..asked(0) }));
        all.map(|time| time.as_second() - at(0).as_second()).collect()
    }

    #[test]
    fn an_answer_is_followed_by_the_next_time_in_turn_until_there_is_none() {
        assert_eq!(times(|asked| asked.after_answer(&readers("SUCCESS"))), [60, 600, 3600]);
        assert_eq!(asked(601).after_answer(&readers("SUCCESS")), Some(at(3600)), "a late one skips what has gone by");
        assert_eq!(asked(60).after_answer(&readers("RECALLED")), None);
    }

    #[test]
    fn what_is_not_known_yet_is_asked_at_twice_the_age_until_dingtalk_forgets() {
        let soon = [60, 120, 240, 480, 600, 1200, 2400, 3600, 7200, 14_400, 28_800, 57_600];
        assert_eq!(times(|asked| asked.after_answer(&readers("PROCESSING"))), soon);
        let no_data = verdict(Outcome::Unavailable, Scope::Message);
        assert_eq!(times(|asked| asked.after_failure(&no_data, true)), soon);
        assert_eq!(asked(0).after_failure(&no_data, true), Some(at(30)), "never at once");
    }

    #[test]
    fn no_data_after_an_answer_is_no_data_any_more_and_costs_no_further_call_than_was_planned() {
        let no_data = verdict(Outcome::Unavailable, Scope::Message);
        let answered = |asked: Asked<'_>| Asked { answered: true, ..asked }.after_failure(&no_data, true);
        assert_eq!(times(answered), [60, 600, 3600]);
    }

    #[test]
    fn what_dingtalk_will_not_tell_of_a_message_is_asked_in_turn_or_never() {
        let refused = verdict(Outcome::Refused, Scope::Message);
        assert_eq!(asked(60).after_failure(&refused, true), None);
        assert_eq!(asked(60).after_failure(&refused, false), Some(at(120)), "it may be the place in the pages");
        let blocked = verdict(Outcome::Blocked, Scope::Message);
        assert_eq!(times(|asked| asked.after_failure(&blocked, true)), [60, 600, 3600]);
        let permission = verdict(Outcome::Blocked, Scope::Api);
        assert_eq!(asked(3600).after_failure(&permission, true), Some(at(7200)), "it is not the message's fault");
    }
}
