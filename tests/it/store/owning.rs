//! Law 4: one sender per app at any time, and a stale epoch can finish nothing. And what becomes of calls that were
//! under way when their owner went.

use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity::Warning;
use dingtalk_relay::model::health::Health;
use dingtalk_relay::model::outcome::Outcome;
use dingtalk_relay::store::queue::Take;
use dingtalk_relay::store::{AppRow, Want};

use crate::store::{Fresh, at, ids, is_stale, name, rings, sent, want};

on_every_store!(
    the_same_owner_renews_and_another_gets_a_new_epoch,
    law_4_a_stale_epoch_can_claim_finish_and_save_nothing,
    nobody_sends_for_an_app_without_owning_it,
    what_an_older_epoch_left_sending_goes_back_at_once_possibly_duplicated,
    what_must_not_be_sent_twice_is_held_for_a_human,
    a_key_of_which_several_were_held_together_has_been_tried,
    another_apps_calls_go_on,
    an_app_keeps_its_state_when_its_owner_changes,
);

async fn the_same_owner_renews_and_another_gets_a_new_epoch(store: Fresh) {
    let first = store.owned_by("one").await;
    assert_eq!(store.owned_by("one").await, first);
    let second = store.owned_by("two").await;
    assert!(second.epoch > first.epoch);
    assert!(store.owned_by("one").await.epoch > second.epoch, "coming back is coming anew");
}

async fn law_4_a_stale_epoch_can_claim_finish_and_save_nothing(store: Fresh) {
    let id = store.wait("k", Warning, at(0)).await;
    store.wait("other", Warning, at(0)).await;
    let stale = store.owned_by("one").await;
    let claimed = store.next(&stale, at(1)).await.unwrap();
    let current = store.owned_by("two").await;
    let before = store.delivery(&id).await.unwrap();

    let row = AppRow { app: name("ops"), health: Health::Failing { failures: 1 }, rate: None };
    assert!(is_stale(store.claim(&stale, want(), at(2)).await));
    assert!(is_stale(store.finish(&stale, sent(&claimed), at(2)).await));
    assert!(is_stale(store.save_app(&stale, row, at(2)).await));
    assert!(is_stale(store.finish(&current, sent(&claimed), at(2)).await), "nor another's call");

    assert_eq!(store.delivery(&id).await.unwrap(), before);
    assert_eq!(store.apps().await.unwrap()[0].health, Health::Flowing);
    assert_eq!(store.drain(&current, at(3)).await.len(), 2);
}

async fn nobody_sends_for_an_app_without_owning_it(store: Fresh) {
    store.wait("k", Warning, at(0)).await;
    let mut ownership = store.owned_by("one").await;
    ownership.app = name("another");
    assert!(is_stale(store.claim(&ownership, want(), at(1)).await));
}

async fn what_an_older_epoch_left_sending_goes_back_at_once_possibly_duplicated(store: Fresh) {
    let id = store.wait("k", Warning, at(0)).await;
    let later = store.wait("k", Warning, at(0)).await;
    let one = store.owned_by("one").await;
    store.next(&one, at(1)).await.unwrap();
    let bell = store.arrivals(&name("oncall"));

    let two = store.owned_by("two").await;

    assert!(rings(&bell).await);
    let record = store.delivery(&id).await.unwrap().unwrap();
    assert_eq!((record.delivery.state, record.delivery.possibly_duplicate), (State::Queued, true));
    let attempt = &record.attempt_log[0];
    assert_eq!((attempt.outcome, attempt.code.as_deref()), (Some(Outcome::Unavailable), Some("interrupted")));
    assert!(attempt.may_have_arrived && attempt.hint.is_some());
    let again = store.next(&two, at(1)).await.unwrap();
    assert_eq!(again.deliveries[0].id, id, "and goes before what is later");
    assert_eq!(again.deliveries[0].failures, 0, "which does not count against it");
    assert_eq!(store.calls_in("2026-11").await, 2, "DingTalk may have counted the first call");
    store.finish(&two, sent(&again), at(2)).await.unwrap();
    assert_eq!(store.drain(&two, at(3)).await, [later]);
}

async fn what_must_not_be_sent_twice_is_held_for_a_human(store: Fresh) {
    let id = store.wait("k", Warning, at(0)).await;
    let later = store.wait("k", Warning, at(0)).await;
    let one = store.owned_by("one").await;
    store.take(&one, Want { hold: true, ..want() }, at(1)).await.unwrap();

    let two = store.owned_by("two").await;

    let shown = store.shown(&id).await;
    assert_eq!((shown.state, shown.possibly_duplicate), (State::Dead, true));
    assert!(shown.reason.unwrap().contains("nobody knows whether it arrived"));
    assert_eq!(store.drain(&two, at(2)).await, [later], "the next one goes");
}

async fn a_key_of_which_several_were_held_together_has_been_tried(store: Fresh) {
    for _ in 0..2 {
        store.wait("tried", Warning, at(0)).await;
    }
    let one = store.owned_by("one").await;
    store.take(&one, Want { hold: true, take: Take::Digest, ..want() }, at(1)).await.unwrap();
    let other = store.wait("other", Warning, at(2)).await;
    store.wait("tried", Warning, at(3)).await;

    let two = store.owned_by("two").await;

    let probe = Want { probe: true, ..want() };
    assert_eq!(ids(&store.take(&two, probe, at(5)).await.unwrap()), [other]);
}

async fn another_apps_calls_go_on(store: Fresh) {
    store.wait("k", Warning, at(0)).await;
    let ops = store.owned_by("one").await;
    let claimed = store.next(&ops, at(1)).await.unwrap();
    store.own(&name("another"), "two", std::time::Duration::ZERO, at(2)).await.unwrap().unwrap();
    store.finish(&ops, sent(&claimed), at(3)).await.unwrap();
}

async fn an_app_keeps_its_state_when_its_owner_changes(store: Fresh) {
    let one = store.owned_by("one").await;
    let row = AppRow { app: name("ops"), health: Health::Failing { failures: 2 }, rate: Some(7) };
    store.save_app(&one, row.clone(), at(1)).await.unwrap();
    store.owned_by("two").await;
    assert_eq!(store.apps().await.unwrap(), [row]);
}
