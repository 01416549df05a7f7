//! What becomes of a delivery after an attempt. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::Retry;
use crate::dispatch::fallback::Fallback;
use crate::model::form::Form;
use crate::model::health::later;
use crate::model::outcome::{Outcome, Verdict};
use crate::store::{ClaimedDelivery, Next};

/// So often is a digest tried that DingTalk turns away for reasons of its own.
const TURNED_AWAY_TOGETHER: u32 = 3;

/// What decides, beside the verdict.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'c> {
    /// The retry schedule.
    pub retry: &'c Retry,
    /// Whether what may have arrived is held for a human.
    pub hold: bool,
    /// Whether the call was a probe of an app or channel that does not work, or the app is down by now because of
    /// other calls: then the attempt does not count, since it was not about the delivery; unless DingTalk turned this
    /// very message away.
    pub excused: bool,
    /// Whether the message carried others too: then a refusal says nothing of this one by itself.
    pub in_digest: bool,
    /// Who takes the delivery over if it dies, if anybody may.
    pub fallback: Option<&'c Fallback>,
    /// When the attempt ended.
    pub now: Timestamp,
}

/// What becomes of a delivery; `plainer` is the form it can take where this one was refused.
pub fn next(
    verdict: Option<&Verdict>,
    delivery: &ClaimedDelivery,
    plainer: Option<Form>,
    given: Circumstances<'_>,
) -> Next {
    let Some(verdict) = verdict else { return Next::Delivered };
    let (failures, possibly_duplicate) = (delivery.failures, verdict.may_have_arrived);
    let heir = || given.fallback.map(|fallback| fallback.heir_of_dead(&verdict.code));
    match verdict.outcome {
        Outcome::Sent => Next::Delivered,
        // The gate says when: it cools down, or is probed.
        Outcome::Throttled | Outcome::Blocked => {
            Next::Queued { at: given.now, counted: false, possibly_duplicate: false }
        }
        Outcome::Refused => match plainer {
            Some(form) => Next::Plainer(form),
            None if given.in_digest => Next::Alone,
            None => Next::Dead { reason: refusals(&delivery.form, verdict), possibly_duplicate: false, heir: heir() },
        },
        Outcome::Unavailable if given.hold && possibly_duplicate => Next::Dead {
            reason: format!("held: it may have arrived ({}); redrive it if it has not", verdict.code),
            possibly_duplicate,
            // It may be there: a human looks, and nobody else is told of it.
            heir: None,
        },
        Outcome::Unavailable if given.excused && !verdict.is_turned_away() => {
            Next::Queued { at: given.now, counted: false, possibly_duplicate }
        }
        // What together is turned away again and again may not be so by itself, and one of many must not kill the rest.
        Outcome::Unavailable if given.in_digest && verdict.is_turned_away() && failures + 1 >= TURNED_AWAY_TOGETHER => {
            Next::Alone
        }
        Outcome::Unavailable if given.in_digest && failures + 1 >= given.retry.max_attempts.get() => Next::Alone,
        Outcome::Unavailable if failures + 1 >= given.retry.max_attempts.get() => Next::Dead {
            reason: format!("tried {} times, the last time: {} ({})", failures + 1, verdict.code, verdict.hint),
            possibly_duplicate,
            heir: heir(),
        },
        Outcome::Unavailable => {
            let at = later(given.now, wait(given.retry, failures));
            Next::Queued { at, counted: true, possibly_duplicate }
        }
    }
}

/// Why it is given up: every code it was refused with, once, and what the last one means.
fn refusals(form: &Form, last: &Verdict) -> String {
    let tried = form.refused_with.len() + 1;
    let mut codes: Vec<&str> = form.refused_with.iter().map(String::as_str).chain([last.code.as_str()]).collect();
    let mut seen = BTreeSet::new();
    codes.retain(|code| seen.insert(*code));
    let tried = if tried == 1 { String::new() } else { format!(" in {tried} forms, each plainer than the one before") };
    format!("DingTalk refused the message{tried}: {} ({})", codes.join(", "), last.hint)
}

/// The wait after so many failures before this one; the last of the schedule repeats.
fn wait(retry: &Retry, failures: u32) -> Duration {
    let place = usize::try_from(failures).unwrap_or(usize::MAX).min(retry.schedule.len().saturating_sub(1));
    retry.schedule.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::model::content::Content;
    use crate::model::form::Style;
    use crate::model::name::DeliveryId;
    use crate::model::outcome::Scope;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    fn retry() -> Retry {
        let schedule = [1, 5, 30].map(Duration::from_secs).into();
        Retry { schedule, max_attempts: NonZeroU32::new(5).unwrap() }
    }

    /// A delivery with so many counted failures behind it.
    fn failed(failures: u32) -> ClaimedDelivery {
        let (title, header, footer, note) = ("t".into(), "h".into(), String::new(), String::new());
        let content = Content { v: 1, title, header, items: vec![], footer, buttons: vec![], truncated: 0, note };
        ClaimedDelivery {
            id: DeliveryId::fresh(),
            order_key: "source/key".into(),
            content,
            known: None,
            form: Form::default(),
            failures,
            created_at: at(0),
            received_at: at(0),
            may_be_handed_over: true,
        }
    }

    fn verdict(outcome: Outcome, may_have_arrived: bool) -> Verdict {
        Verdict {
            outcome,
            scope: Scope::Message,
            code: "a.code".into(),
            label: "other",
            http_status: Some(500),
            may_have_arrived,
            uncounted: false,
            of_token: false,
            complaint: None,
            retry_after: None,
            hint: "a hint".into(),
        }
    }

    #[test]
    fn an_unavailable_one_waits_by_the_schedule_whose_last_repeats_and_then_dies() {
        let (retry, trouble) = (retry(), verdict(Outcome::Unavailable, false));
        let given =
            Circumstances { retry: &retry, hold: false, excused: false, in_digest: false, fallback: None, now: at(0) };
        let waits: Vec<_> = (0..4).map(|failures| next(Some(&trouble), &failed(failures), None, given)).collect();
        let queued = |seconds| Next::Queued { at: at(seconds), counted: true, possibly_duplicate: false };
        assert_eq!(waits, [queued(1), queued(5), queued(30), queued(30)]);
        let Next::Dead { reason, .. } = next(Some(&trouble), &failed(4), None, given) else { panic!() };
        assert_eq!(reason, "tried 5 times, the last time: a.code (a hint)");
    }

    #[test]
    fn no_probe_counts_and_nothing_counts_that_is_cooling_or_blocked() {
        let retry = retry();
        let given =
            Circumstances { retry: &retry, hold: false, excused: true, in_digest: false, fallback: None, now: at(0) };
        for outcome in [Outcome::Unavailable, Outcome::Throttled, Outcome::Blocked] {
            let again = next(Some(&verdict(outcome, false)), &failed(4), None, given);
            assert_eq!(again, Next::Queued { at: at(0), counted: false, possibly_duplicate: false }, "{outcome}");
        }
    }

    #[test]
    fn a_message_that_dingtalk_turns_away_dies_in_the_end_even_if_it_is_the_probe() {
        let retry = retry();
        let given =
            Circumstances { retry: &retry, hold: false, excused: true, in_digest: false, fallback: None, now: at(0) };
        let turned_away = Verdict { http_status: Some(400), ..verdict(Outcome::Unavailable, false) };
        assert!(matches!(next(Some(&turned_away), &failed(4), None, given), Next::Dead { .. }));
    }

    #[test]
    fn what_may_have_arrived_is_sent_again_and_marked_or_held_for_a_human() {
        let (retry, lost) = (retry(), verdict(Outcome::Unavailable, true));
        let resend =
            Circumstances { retry: &retry, hold: false, excused: false, in_digest: false, fallback: None, now: at(0) };
        assert_eq!(
            next(Some(&lost), &failed(0), None, resend),
            Next::Queued { at: at(1), counted: true, possibly_duplicate: true }
        );
        let held = next(Some(&lost), &failed(0), None, Circumstances { hold: true, ..resend });
        assert!(matches!(held, Next::Dead { possibly_duplicate: true, .. }), "{held:?}");
        let cannot_have_arrived = verdict(Outcome::Unavailable, false);
        let again = next(Some(&cannot_have_arrived), &failed(0), None, Circumstances { hold: true, ..resend });
        assert!(matches!(again, Next::Queued { .. }), "{again:?}");
    }

    #[test]
    fn a_fallback_takes_over_what_dies_and_nothing_that_is_held() {
        let (retry, fallback) =
            (retry(), Fallback::of(&"oncall".parse().unwrap(), "night".parse().unwrap(), Style::default(), MINUTE));
        let given = Circumstances {
            retry: &retry,
            hold: true,
            excused: false,
            in_digest: false,
            fallback: Some(&fallback),
            now: at(0),
        };
        let heir = |verdict, failures| match next(Some(&verdict), &failed(failures), None, given) {
            Next::Dead { heir, .. } => heir.map(|heir| heir.receiver.to_string()),
            alive => panic!("{alive:?}"),
        };
        assert_eq!(heir(verdict(Outcome::Refused, false), 0).as_deref(), Some("night"));
        assert_eq!(heir(verdict(Outcome::Unavailable, false), 4).as_deref(), Some("night"));
        assert_eq!(heir(verdict(Outcome::Unavailable, true), 4), None, "it may have arrived: a human looks");
    }

    #[test]
    fn a_refused_one_goes_at_once_and_uncounted_in_the_plainer_form_there_is() {
        let retry = retry();
        let given =
            Circumstances { retry: &retry, hold: false, excused: false, in_digest: false, fallback: None, now: at(0) };
        let plainer = Form { without_links: true, ..Form::default() };
        let refused = next(Some(&verdict(Outcome::Refused, false)), &failed(0), Some(plainer.clone()), given);
        assert_eq!(refused, Next::Plainer(plainer));
    }

    #[test]
    fn a_digest_that_is_refused_in_every_form_kills_none_of_its_deliveries() {
        let retry = retry();
        let given =
            Circumstances { retry: &retry, hold: true, excused: false, in_digest: true, fallback: None, now: at(0) };
        let refused = verdict(Outcome::Refused, false);
        assert_eq!(next(Some(&refused), &failed(4), None, given), Next::Alone);
        let plainer = Form { without_links: true, ..Form::default() };
        assert_eq!(next(Some(&refused), &failed(4), Some(plainer.clone()), given), Next::Plainer(plainer));
    }

    #[test]
    fn what_a_digest_dies_of_its_deliveries_have_to_die_of_by_themselves() {
        let retry = retry();
        let given =
            Circumstances { retry: &retry, hold: false, excused: false, in_digest: true, fallback: None, now: at(0) };
        let trouble = verdict(Outcome::Unavailable, false);
        let turned_away = Verdict { http_status: Some(400), ..trouble.clone() };
        let after = |verdict: &Verdict, failures| match next(Some(verdict), &failed(failures), None, given) {
            Next::Queued { .. } => "again",
            Next::Alone => "alone",
            other => panic!("{other:?}"),
        };
        assert_eq!([0, 1, 3, 4].map(|failures| after(&trouble, failures)), ["again", "again", "again", "alone"]);
        assert_eq!([0, 1, 2, 4].map(|failures| after(&turned_away, failures)), ["again", "again", "alone", "alone"]);
        let by_itself = next(Some(&trouble), &failed(4), None, Circumstances { in_digest: false, ..given });
        assert!(matches!(by_itself, Next::Dead { .. }), "{by_itself:?}");
    }

    #[test]
    fn a_refused_one_without_a_plainer_form_is_dead_with_every_code_and_the_hint() {
        let retry = retry();
        let given =
            Circumstances { retry: &retry, hold: false, excused: false, in_digest: false, fallback: None, now: at(0) };
        let dead = |refused_with: &[&str]| {
            let form = Form { refused_with: refused_with.iter().map(ToString::to_string).collect(), ..Form::default() };
            let delivery = ClaimedDelivery { form, ..failed(0) };
            match next(Some(&verdict(Outcome::Refused, false)), &delivery, None, given) {
                Next::Dead { reason, possibly_duplicate: false, .. } => reason,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(dead(&[]), "DingTalk refused the message: a.code (a hint)");
        insta::assert_snapshot!(dead(&["b.code", "a.code"]), @"DingTalk refused the message in 3 forms, each plainer than the one before: b.code, a.code (a hint)");
    }
}
