//! What goes next: the worst first, in order inside an order key, and no call that the month does not pay.

use dingtalk_relay::model::budget::Calls;
use dingtalk_relay::model::call::Call;
use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity::{Critical, Info, Warning};
use dingtalk_relay::store::receipts::Purse;
use dingtalk_relay::store::{Claim, Finish, Want};

use crate::store::{Fresh, at, channel, event, month_of, put_back, sent, up_to, want, want_of};

on_every_store!(
    an_empty_lane_has_nothing_to_claim_and_nothing_due,
    a_claim_puts_the_call_on_record_before_it_is_made,
    the_worst_goes_first_and_of_equals_the_oldest,
    inside_an_order_key_the_order_stays_and_the_worst_takes_its_elders_along,
    nothing_passes_one_of_its_key_that_is_sending_or_waits_for_its_retry,
    order_keys_of_two_sources_are_two,
    a_lane_has_its_own_order,
    a_retry_is_due_at_its_time_and_not_before,
    a_probe_takes_the_order_key_tried_least_recently_even_if_it_waits_and_first_the_worst_and_newest,
    the_turn_of_an_order_key_outlives_its_head,
    a_month_that_is_used_up_pays_no_call,
    what_is_critical_may_use_what_is_kept_for_it,
    when_the_last_call_of_a_month_was_taken_is_known_whatever_it_was_for,
    a_month_pays_again_when_it_turns_or_its_limit_is_raised,
    a_call_that_was_not_counted_is_given_back_to_the_month_that_paid,
);

async fn an_empty_lane_has_nothing_to_claim_and_nothing_due(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let broke = Want { calls: up_to(0), ..want() };
    assert_eq!(store.claim(&ownership, broke, at(0)).await.unwrap(), Claim::Nothing, "not even with an empty purse");
    assert_eq!(store.due(at(0)).await, None);
    assert_eq!(store.calls_in("2026-11").await, 0);
}

async fn a_claim_puts_the_call_on_record_before_it_is_made(store: Fresh) {
    let id = store.wait("k", Warning, at(0)).await;
    assert_eq!(store.due(at(0)).await, Some(at(0)));
    let ownership = store.owned_by("me").await;

    let claimed = store.next(&ownership, at(5)).await.unwrap();

    assert_eq!(claimed.deliveries[0].id, id);
    assert_eq!(claimed.deliveries[0].content.title, "to oncall");
    assert_eq!((claimed.deliveries[0].failures, claimed.deliveries[0].created_at), (0, at(0)));
    let record = store.delivery(&id).await.unwrap().unwrap();
    assert_eq!((record.delivery.state, record.delivery.attempts), (State::Sending, 1));
    let message = record.delivery.message.unwrap();
    assert_eq!((message.id, message.msg_key, message.deliveries), (claimed.message, None, 1));
    assert_eq!((record.attempt_log.len(), record.attempt_log[0].at, record.attempt_log[0].outcome), (1, at(5), None));
    assert_eq!(store.attempts_since(&channel(), at(0)).await.unwrap(), [at(5)]);
    assert_eq!(store.calls_in("2026-11").await, 1);
    assert_eq!(store.due(at(5)).await, None);
}

async fn the_worst_goes_first_and_of_equals_the_oldest(store: Fresh) {
    let info = store.wait("a", Info, at(0)).await;
    let warning = store.wait("b", Warning, at(1)).await;
    let critical = store.wait("c", Critical, at(2)).await;
    let late_critical = store.wait("d", Critical, at(3)).await;
    let late_warning = store.wait("e", Warning, at(4)).await;
    let ownership = store.owned_by("me").await;
    assert_eq!(store.drain(&ownership, at(9)).await, [critical, late_critical, warning, late_warning, info]);
}

async fn inside_an_order_key_the_order_stays_and_the_worst_takes_its_elders_along(store: Fresh) {
    let firing = store.wait("db", Info, at(0)).await;
    let other = store.wait("web", Warning, at(1)).await;
    let worse = store.wait("db", Critical, at(2)).await;
    let resolved = store.wait("db", Info, at(3)).await;
    let ownership = store.owned_by("me").await;
    assert_eq!(store.drain(&ownership, at(9)).await, [firing, worse, other, resolved], "what is left of db is mild");
}

async fn nothing_passes_one_of_its_key_that_is_sending_or_waits_for_its_retry(store: Fresh) {
    let first = store.wait("db", Warning, at(0)).await;
    let second = store.wait("db", Critical, at(1)).await;
    let other = store.wait("web", Info, at(2)).await;
    let ownership = store.owned_by("me").await;

    let sending = store.next(&ownership, at(3)).await.unwrap();
    assert_eq!(sending.deliveries[0].id, first);
    assert_eq!(store.drain(&ownership, at(3)).await, [other], "another key passes");
    store.finish(&ownership, put_back(&sending, at(60), true), at(4)).await.unwrap();

    assert_eq!(store.drain(&ownership, at(59)).await, []);
    assert_eq!(store.drain(&ownership, at(60)).await, [first, second]);
}

async fn order_keys_of_two_sources_are_two(store: Fresh) {
    for source in ["am", "other"] {
        store.accept(event("k").through(source, "").to("oncall", Warning).0, at(0)).await.unwrap();
    }
    let ownership = store.owned_by("me").await;
    assert!(store.next(&ownership, at(1)).await.is_some());
    assert!(store.next(&ownership, at(1)).await.is_some());
}

async fn a_lane_has_its_own_order(store: Fresh) {
    store.accept(event("k").to("oncall", Warning).to("dev", Warning).0, at(0)).await.unwrap();
    let ownership = store.owned_by("me").await;
    assert!(store.next(&ownership, at(1)).await.is_some());
    assert!(store.take(&ownership, want_of("dev"), at(1)).await.is_some());
}

async fn a_retry_is_due_at_its_time_and_not_before(store: Fresh) {
    let id = store.wait("k", Warning, at(0)).await;
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, put_back(&claimed, at(31), true), at(1)).await.unwrap();

    assert_eq!(store.due(at(1)).await, Some(at(31)));
    assert_eq!(store.shown(&id).await.next_attempt_at, Some(at(31)));
    assert!(store.next(&ownership, at(30)).await.is_none());
    let again = store.next(&ownership, at(31)).await.unwrap();
    assert_eq!(again.deliveries[0].failures, 1);
    assert_eq!(store.shown(&id).await.next_attempt_at, None, "it does not wait any more");
}

async fn a_probe_takes_the_order_key_tried_least_recently_even_if_it_waits_and_first_the_worst_and_newest(
    store: Fresh,
) {
    let [info, older, warning, newer] = [
        store.wait("a", Info, at(0)).await,
        store.wait("b", Critical, at(1)).await,
        store.wait("c", Warning, at(2)).await,
        store.wait("d", Critical, at(3)).await,
    ];
    let ownership = store.owned_by("me").await;
    let probe = || Want { probe: true, ..want() };
    let mut tried = Vec::new();
    for round in 0..8 {
        let claimed = store.take(&ownership, probe(), at(10 + round)).await.unwrap();
        store.finish(&ownership, put_back(&claimed, at(9_999), false), at(10 + round)).await.unwrap();
        tried.push(claimed.deliveries[0].id.clone());
    }
    let round = [newer, older, warning, info];
    assert_eq!(tried, [round.clone(), round].concat());
}

async fn the_turn_of_an_order_key_outlives_its_head(store: Fresh) {
    let first = store.wait("a", Critical, at(0)).await;
    store.wait("a", Warning, at(1)).await;
    let other = store.wait("b", Warning, at(2)).await;
    let ownership = store.owned_by("me").await;
    let probe = || Want { probe: true, ..want() };

    let claimed = store.take(&ownership, probe(), at(10)).await.unwrap();
    store.finish(&ownership, sent(&claimed), at(10)).await.unwrap();
    let next = store.take(&ownership, probe(), at(11)).await.unwrap();

    assert_eq!(claimed.deliveries[0].id, first);
    assert_eq!(next.deliveries[0].id, other, "the key of the first has had its turn");
}

async fn a_month_that_is_used_up_pays_no_call(store: Fresh) {
    for key in ["a", "b", "c"] {
        store.wait(key, Warning, at(0)).await;
    }
    let ownership = store.owned_by("me").await;
    let poor = || Want { calls: up_to(2), ..want() };
    assert!(store.take(&ownership, poor(), at(1)).await.is_some());
    assert!(store.take(&ownership, poor(), at(2)).await.is_some());
    assert_eq!(store.claim(&ownership, poor(), at(3)).await.unwrap(), Claim::MonthUsedUp);
    assert_eq!(store.calls_in("2026-11").await, 2);
    assert_eq!(store.due(at(3)).await, Some(at(0)), "the third one still waits");
}

async fn what_is_critical_may_use_what_is_kept_for_it(store: Fresh) {
    let calls = Calls { critical: 4, others: 2 };
    let kept = |probe| Want { calls: Some(calls), probe, ..want() };
    for key in ["a", "b", "c"] {
        store.wait(key, Warning, at(0)).await;
    }
    let ownership = store.owned_by("me").await;
    for now in [1, 2] {
        store.take(&ownership, kept(false), at(now)).await.unwrap();
    }
    assert_eq!(store.claim(&ownership, kept(false), at(3)).await.unwrap(), Claim::MonthUsedUp);

    let critical = store.wait("d", Critical, at(4)).await;
    let elder = store.wait("e", Warning, at(4)).await;
    store.wait("e", Critical, at(5)).await;

    let taken = store.take(&ownership, kept(true), at(6)).await.unwrap();
    assert_eq!(taken.deliveries[0].id, critical, "a probe may not use the reserve for less either");
    let taken = store.take(&ownership, kept(false), at(7)).await.unwrap();
    assert_eq!(taken.deliveries[0].id, elder, "it stands before a critical one of its key");
    store.finish(&ownership, sent(&taken), at(8)).await.unwrap();
    assert_eq!(store.claim(&ownership, kept(false), at(9)).await.unwrap(), Claim::MonthUsedUp);
    assert_eq!(store.calls_in("2026-11").await, 4);
}

async fn a_month_pays_again_when_it_turns_or_its_limit_is_raised(store: Fresh) {
    for key in ["a", "b", "c"] {
        store.wait(key, Warning, at(0)).await;
    }
    let ownership = store.owned_by("me").await;
    let limit = |calls| Want { calls: up_to(calls), ..want() };
    assert!(store.take(&ownership, limit(1), at(1)).await.is_some());
    assert_eq!(store.claim(&ownership, limit(1), at(2)).await.unwrap(), Claim::MonthUsedUp);
    assert!(store.take(&ownership, limit(2), at(3)).await.is_some());
    let december = Want { month: month_of("2026-12"), ..limit(1) };
    assert!(store.take(&ownership, december, at(4)).await.is_some());
    assert_eq!((store.calls_in("2026-11").await, store.calls_in("2026-12").await), (2, 1));
}

async fn a_call_that_was_not_counted_is_given_back_to_the_month_that_paid(store: Fresh) {
    store.wait("a", Warning, at(0)).await;
    store.wait("b", Warning, at(0)).await;
    let ownership = store.owned_by("me").await;
    let november = store.next(&ownership, at(1)).await.unwrap();
    let december = Want { month: month_of("2026-12"), ..want() };
    store.take(&ownership, december, at(2)).await.unwrap();

    let throttled = Finish { uncounted: true, ..put_back(&november, at(60), false) };
    store.finish(&ownership, throttled, at(3)).await.unwrap();

    assert_eq!((store.calls_in("2026-11").await, store.calls_in("2026-12").await), (0, 1));
}

async fn when_the_last_call_of_a_month_was_taken_is_known_whatever_it_was_for(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let last = async |month| store.last_call(&want().organisation, month_of(month)).await.unwrap();
    assert_eq!(last("2026-11").await, None);
    for (key, second) in [("a", 1), ("b", 7)] {
        store.wait(key, Warning, at(0)).await;
        store.next(&ownership, at(second)).await.unwrap();
    }
    assert_eq!(last("2026-11").await, Some(at(7)));
    let (organisation, month) = (want().organisation, month_of("2026-11"));
    let purse = Purse { call: Call::Recall, organisation, month, calls_per_month: Some(3), share: None };
    assert!(store.take_call(&ownership, purse.clone(), at(9)).await.unwrap());
    assert!(!store.take_call(&ownership, purse, at(20)).await.unwrap(), "what is not taken is no call");
    assert_eq!((last("2026-11").await, last("2026-12").await), (Some(at(9)), None));
}
