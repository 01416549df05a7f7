//! One message for many: what a digest takes, in which order, what it leaves for another, and how it ends.

use dingtalk_relay::model::budget::Calls;
use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity::{Critical, Info, Warning};
use dingtalk_relay::model::event::Status;
use dingtalk_relay::model::form::{Form, Shape};
use dingtalk_relay::model::name::DeliveryId;
use dingtalk_relay::model::outcome::Outcome;
use dingtalk_relay::store::queue::{MOST_BYTES, MOST_DELIVERIES, Take};
use dingtalk_relay::store::{Claim, Finish, Next, Ownership, Want};

use crate::store::{Fresh, ROOM, at, ended, event, given_up, ids, put_back, sent, want};

on_every_store!(
    it_takes_every_key_the_worst_first_and_of_each_key_all_in_order,
    it_takes_no_more_than_a_thousand_and_of_a_long_key_the_first,
    it_takes_no_more_bytes_than_fit_but_at_least_one_delivery,
    what_is_known_of_its_keys_counts_among_its_bytes,
    it_takes_what_waits_for_its_retry_behind_its_head,
    it_passes_nothing_of_a_key_whose_head_is_under_way_or_waits,
    it_carries_one_form_only_and_leaves_the_rest_of_a_key_it_leaves,
    what_was_refused_together_goes_by_itself_in_its_full_form_and_uncounted,
    what_failed_together_has_all_its_tries_by_itself,
    what_goes_by_itself_is_left_by_a_digest_with_what_comes_behind_it,
    every_delivery_in_it_is_tried_and_tells_of_the_message,
    some_of_it_may_go_back_and_some_may_die,
    what_nobody_knows_of_is_possibly_duplicate_to_the_last_or_held,
    a_probe_takes_one,
    a_key_of_which_several_died_together_has_been_tried,
    where_the_month_pays_for_the_critical_only_one_of_those_takes_the_others_along,
    a_paused_lane_gives_no_digest,
);

async fn it_takes_every_key_the_worst_first_and_of_each_key_all_in_order(store: Fresh) {
    let info = store.wait("a", Info, at(0)).await;
    let firing = store.wait("b", Info, at(1)).await;
    let warning = store.wait("c", Warning, at(2)).await;
    let worse = store.wait("b", Critical, at(3)).await;
    let resolved = store.wait("b", Info, at(4)).await;
    let ownership = store.owned_by("me").await;

    let claimed = store.digest(&ownership, at(9)).await.unwrap();

    assert_eq!(ids(&claimed), [firing, worse, resolved, warning, info]);
    let keys: Vec<_> = claimed.deliveries.iter().map(|d| d.order_key.as_str()).collect();
    assert_eq!(keys, ["b", "b", "b", "c", "a"].map(|key| format!("alertmanager/{key}")));
    assert!(!claimed.late);
    assert_eq!(store.digest(&ownership, at(9)).await, None);
    store.finish(&ownership, sent(&claimed), at(9)).await.unwrap();
    for id in ids(&claimed) {
        assert_eq!(store.shown(&id).await.state, State::Delivered);
    }
    assert_eq!(store.calls_in("2026-11").await, 1);
    let next = store.wait("b", Info, at(10)).await;
    assert_eq!(store.drain(&ownership, at(10)).await, [next], "the keys are free");
}

async fn it_takes_no_more_than_a_thousand_and_of_a_long_key_the_first(store: Fresh) {
    let mut long = vec![];
    for _ in 0..50 {
        long.push(store.wait("long", Warning, at(0)).await);
    }
    for n in 50..ROOM {
        store.wait(&n.to_string(), Critical, at(0)).await;
    }
    let ownership = store.owned_by("me").await;

    let claimed = store.digest(&ownership, at(1)).await.unwrap();
    assert_eq!(claimed.deliveries.len(), MOST_DELIVERIES);
    store.finish(&ownership, sent(&claimed), at(1)).await.unwrap();
    assert_eq!(store.lanes().await.unwrap()[0].queued, ROOM - 1_000);
    let rest = store.digest(&ownership, at(2)).await.unwrap();
    assert_eq!(ids(&rest)[50..], long, "the critical ones went first");
}

async fn it_takes_no_more_bytes_than_fit_but_at_least_one_delivery(store: Fresh) {
    let heavy = async |key, bytes| {
        let mut post = event(key).to("oncall", Warning);
        post.0.deliveries[0].content.header = "x".repeat(bytes);
        store.accept(post.0, at(0)).await.unwrap().deliveries[0].0.clone()
    };
    let giant = heavy("a", MOST_BYTES).await;
    let (half, also_half) = (heavy("b", MOST_BYTES / 2 - 500).await, heavy("c", MOST_BYTES / 2 - 500).await);
    let small = heavy("d", 1_000).await;
    let ownership = store.owned_by("me").await;
    let mut digests = vec![];
    while let Some(claimed) = store.digest(&ownership, at(1)).await {
        digests.push(ids(&claimed));
    }
    assert_eq!(digests, [vec![giant], vec![half, also_half], vec![small]]);
}

async fn what_is_known_of_its_keys_counts_among_its_bytes(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let long = "x".repeat(MOST_BYTES - 100);
    store.accept(event("a").to("oncall", Warning).telling(&[(&long, Status::Firing)]).0, at(0)).await.unwrap();
    assert_eq!(store.drain(&ownership, at(0)).await.len(), 1);
    let new = event("a").to("oncall", Warning).telling(&[("new", Status::Firing)]);
    let first = store.accept(new.0, at(1)).await.unwrap().deliveries[0].0.clone();
    let second = store.wait("b", Warning, at(1)).await;
    let third = store.wait("c", Warning, at(1)).await;

    let claimed = store.digest(&ownership, at(2)).await.unwrap();
    assert_eq!(ids(&claimed), [first], "it goes whatever is known");
    assert_eq!(claimed.deliveries[0].known.as_ref().unwrap()[0].fingerprint.len(), long.len());
    assert_eq!(ids(&store.digest(&ownership, at(2)).await.unwrap()), [second, third]);
}

async fn it_takes_what_waits_for_its_retry_behind_its_head(store: Fresh) {
    let (first, second) = (store.wait("k", Warning, at(0)).await, store.wait("k", Warning, at(0)).await);
    let ownership = store.owned_by("me").await;
    let claimed = store.digest(&ownership, at(1)).await.unwrap();
    let until = |seconds| Next::Queued { at: at(seconds), counted: true, possibly_duplicate: false };
    let next = vec![(first.clone(), until(10)), (second.clone(), until(99))];
    store.finish(&ownership, Finish { next, ..put_back(&claimed, at(1), true) }, at(1)).await.unwrap();

    assert_eq!(store.digest(&ownership, at(9)).await, None);
    assert_eq!(ids(&store.digest(&ownership, at(10)).await.unwrap()), [first, second]);
}

async fn it_passes_nothing_of_a_key_whose_head_is_under_way_or_waits(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.wait("going", Critical, at(0)).await;
    store.next(&ownership, at(0)).await.unwrap();
    let waiting = store.wait("waiting", Critical, at(0)).await;
    let claimed = store.next(&ownership, at(0)).await.unwrap();
    store.wait("going", Critical, at(1)).await;
    let behind = store.wait("waiting", Info, at(1)).await;
    let other = store.wait("other", Info, at(1)).await;
    store.finish(&ownership, put_back(&claimed, at(60), true), at(1)).await.unwrap();

    assert_eq!(ids(&store.digest(&ownership, at(2)).await.unwrap()), [other]);
    assert_eq!(ids(&store.digest(&ownership, at(60)).await.unwrap()), [waiting, behind]);
}

/// Refuses what goes alone next; it takes this form.
async fn refuse(store: &Fresh, ownership: &Ownership, form: &Form) -> DeliveryId {
    let claimed = store.next(ownership, at(1)).await.unwrap();
    let next = Next::Plainer(form.clone());
    store.finish(ownership, ended(&claimed, Outcome::Refused, next), at(1)).await.unwrap();
    claimed.deliveries[0].id.clone()
}

async fn it_carries_one_form_only_and_leaves_the_rest_of_a_key_it_leaves(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let text = Form { shape: Shape::Text, ..Form::default() };
    store.wait("a", Warning, at(0)).await;
    let plain = refuse(&store, &ownership, &text).await;
    let behind = store.wait("a", Warning, at(2)).await;
    let full = store.wait("b", Critical, at(3)).await;
    let also_full = store.wait("c", Info, at(4)).await;

    let claimed = store.digest(&ownership, at(5)).await.unwrap();
    assert_eq!(ids(&claimed), [full, also_full], "neither the plainer one nor what would pass it");
    let plainer = store.digest(&ownership, at(5)).await.unwrap();
    assert_eq!((ids(&plainer), &plainer.deliveries[0].form), (vec![plain], &text));
    store.finish(&ownership, sent(&plainer), at(6)).await.unwrap();
    assert_eq!(ids(&store.digest(&ownership, at(6)).await.unwrap()), [behind]);
}

async fn what_was_refused_together_goes_by_itself_in_its_full_form_and_uncounted(store: Fresh) {
    let sent_before: Vec<_> = [store.wait("a", Info, at(0)).await, store.wait("a", Info, at(0)).await].into();
    let third = store.wait("b", Warning, at(0)).await;
    let ownership = store.owned_by("me").await;
    let text = Form { shape: Shape::Text, ..Form::default() };
    for next in [Next::Plainer(text.clone()), Next::Alone] {
        let claimed = store.digest(&ownership, at(1)).await.unwrap();
        assert_eq!(claimed.deliveries.len(), 3);
        assert_eq!(claimed.deliveries[2].form == text, next == Next::Alone, "together they became plainer first");
        store.finish(&ownership, ended(&claimed, Outcome::Refused, next), at(1)).await.unwrap();
    }

    let mut alone = vec![];
    while let Some(claimed) = store.digest(&ownership, at(2)).await {
        assert_eq!((&claimed.deliveries[0].form, claimed.deliveries[0].failures), (&Form::default(), 0));
        alone.push(ids(&claimed));
        store.finish(&ownership, sent(&claimed), at(2)).await.unwrap();
    }
    assert_eq!(alone, [vec![third], vec![sent_before[0].clone()], vec![sent_before[1].clone()]]);
}

async fn what_failed_together_has_all_its_tries_by_itself(store: Fresh) {
    store.wait("a", Warning, at(0)).await;
    store.wait("b", Warning, at(0)).await;
    let ownership = store.owned_by("me").await;
    for failures in 0..3 {
        let claimed = store.digest(&ownership, at(1)).await.unwrap();
        assert!(claimed.deliveries.iter().all(|delivery| delivery.failures == failures), "{claimed:?}");
        store.finish(&ownership, put_back(&claimed, at(1), true), at(1)).await.unwrap();
    }
    let claimed = store.digest(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, ended(&claimed, Outcome::Unavailable, Next::Alone), at(1)).await.unwrap();

    for _ in 0..2 {
        let alone = store.digest(&ownership, at(2)).await.unwrap();
        assert_eq!((alone.deliveries.len(), alone.deliveries[0].failures), (1, 0));
    }
}

async fn what_goes_by_itself_is_left_by_a_digest_with_what_comes_behind_it(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let by_itself = store.wait("a", Warning, at(0)).await;
    let claimed = store.digest(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, ended(&claimed, Outcome::Refused, Next::Alone), at(1)).await.unwrap();
    let behind = store.wait("a", Warning, at(2)).await;
    let critical = store.wait("b", Critical, at(2)).await;
    let other = store.wait("c", Warning, at(2)).await;

    let mut digests = vec![];
    while let Some(claimed) = store.digest(&ownership, at(3)).await {
        digests.push(ids(&claimed));
        store.finish(&ownership, sent(&claimed), at(3)).await.unwrap();
    }
    assert_eq!(digests, [vec![critical, other], vec![by_itself], vec![behind]]);
}

async fn every_delivery_in_it_is_tried_and_tells_of_the_message(store: Fresh) {
    let both = [store.wait("a", Warning, at(0)).await, store.wait("b", Warning, at(0)).await];
    let ownership = store.owned_by("me").await;
    let first = store.digest(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, put_back(&first, at(2), true), at(1)).await.unwrap();
    let second = store.digest(&ownership, at(2)).await.unwrap();
    store.finish(&ownership, sent(&second), at(2)).await.unwrap();

    for id in &both {
        let record = store.delivery(id).await.unwrap().unwrap();
        assert_eq!((record.delivery.attempts, record.attempt_log.len()), (2, 2));
        let message = record.delivery.message.unwrap();
        assert_eq!((message.id, message.deliveries), (second.message.clone(), 2));
    }
    let message = store.message(&first.message).await.unwrap().unwrap();
    assert_eq!(message.carried.len(), 2, "what was tried before stays on record");
    assert_eq!(store.calls_in("2026-11").await, 2);
}

async fn some_of_it_may_go_back_and_some_may_die(store: Fresh) {
    let [dies, goes, waits] = [
        store.wait("a", Warning, at(0)).await,
        store.wait("a", Warning, at(0)).await,
        store.wait("b", Info, at(0)).await,
    ];
    let unnamed = store.wait("c", Info, at(0)).await;
    let ownership = store.owned_by("me").await;
    let claimed = store.digest(&ownership, at(1)).await.unwrap();
    let dead = Next::Dead { reason: "r".into(), possibly_duplicate: false, heir: None };
    let later = Next::Queued { at: at(60), counted: true, possibly_duplicate: true };
    let next = vec![(goes.clone(), Next::Delivered), (dies.clone(), dead), (waits.clone(), later)];
    store.finish(&ownership, Finish { next, ..sent(&claimed) }, at(1)).await.unwrap();

    let mut states = vec![];
    for id in [&dies, &goes, &waits, &unnamed] {
        states.push(store.shown(id).await.state);
    }
    assert_eq!(states, [State::Dead, State::Delivered, State::Queued, State::Queued]);
    assert_eq!(store.drain(&ownership, at(60)).await, [waits, unnamed]);
}

async fn what_nobody_knows_of_is_possibly_duplicate_to_the_last_or_held(store: Fresh) {
    for (hold, state) in [(false, State::Queued), (true, State::Dead)] {
        let all = [store.wait("a", Warning, at(0)).await, store.wait("a", Warning, at(0)).await];
        let before = store.owned_by(if hold { "three" } else { "one" }).await;
        let claimed = store.take(&before, Want { take: Take::Digest, hold, ..want() }, at(1)).await.unwrap();
        assert_eq!(ids(&claimed), all);

        let after = store.owned_by(if hold { "four" } else { "two" }).await;

        for id in &all {
            let shown = store.shown(id).await;
            assert_eq!((shown.state, shown.possibly_duplicate), (state, true));
        }
        assert!(store.finish(&before, sent(&claimed), at(2)).await.is_err(), "law 4");
        store.drain(&after, at(2)).await;
    }
}

async fn a_probe_takes_one(store: Fresh) {
    store.wait("a", Info, at(0)).await;
    let first = store.wait("b", Critical, at(0)).await;
    store.wait("b", Critical, at(0)).await;
    let ownership = store.owned_by("me").await;
    let probe = Want { take: Take::Digest, probe: true, ..want() };
    assert_eq!(ids(&store.take(&ownership, probe, at(1)).await.unwrap()), [first]);
}

async fn a_key_of_which_several_died_together_has_been_tried(store: Fresh) {
    for _ in 0..2 {
        store.wait("tried", Info, at(0)).await;
    }
    let ownership = store.owned_by("me").await;
    let claimed = store.digest(&ownership, at(1)).await.unwrap();
    let other = store.wait("other", Info, at(2)).await;
    store.wait("tried", Info, at(3)).await;
    store.finish(&ownership, given_up(&claimed), at(4)).await.unwrap();

    let probe = Want { probe: true, ..want() };
    assert_eq!(ids(&store.take(&ownership, probe, at(5)).await.unwrap()), [other]);
}

async fn where_the_month_pays_for_the_critical_only_one_of_those_takes_the_others_along(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let kept = || {
        let calls = Some(Calls { critical: 1, others: 0 });
        Want { take: Take::Digest, overdue_before: Some(at(1)), calls, ..want() }
    };
    let overdue = store.wait("a", Warning, at(0)).await;
    assert_eq!(store.claim(&ownership, kept(), at(9)).await.unwrap(), Claim::MonthUsedUp);

    let elder = store.wait("b", Info, at(2)).await;
    let critical = store.wait("b", Critical, at(3)).await;
    let claimed = store.take(&ownership, kept(), at(9)).await.unwrap();
    assert_eq!(ids(&claimed), [elder, critical, overdue]);
    store.finish(&ownership, put_back(&claimed, at(9), false), at(9)).await.unwrap();
    assert_eq!(store.claim(&ownership, kept(), at(9)).await.unwrap(), Claim::MonthUsedUp, "that was the last call");
}

async fn a_paused_lane_gives_no_digest(store: Fresh) {
    store.wait("a", Critical, at(0)).await;
    store.gather("b", 60, at(0)).await;
    store.pause(&want().receiver, Some(at(9))).await.unwrap();
    let ownership = store.owned_by("me").await;
    assert_eq!(store.digest(&ownership, at(8)).await, None);
    assert_eq!(store.digest(&ownership, at(9)).await.unwrap().deliveries.len(), 2);
}
