//! Retention: what is old and over is forgotten whole, and nothing else.

use dingtalk_relay::model::event::Severity::Warning;
use dingtalk_relay::store::Filter;

use crate::store::{Fresh, at, channel, event, first, given_up, sent};

on_every_store!(
    what_is_old_and_over_is_forgotten_with_all_that_belongs_to_it,
    what_is_open_is_never_forgotten,
    a_young_event_stays,
    one_call_forgets_no_more_than_it_is_told_to,
    a_twin_of_a_forgotten_event_is_a_new_event,
);

async fn what_is_old_and_over_is_forgotten_with_all_that_belongs_to_it(store: Fresh) {
    let accepted = store.accept(event("k").to("oncall", Warning).0, at(0)).await.unwrap();
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, sent(&claimed), at(1)).await.unwrap();

    assert_eq!(store.forget(at(1), 10).await.unwrap(), 1);

    assert_eq!(store.delivery(first(&accepted)).await.unwrap(), None);
    assert_eq!(store.attempts_since(&channel(), at(0)).await.unwrap(), []);
    assert_eq!(store.calls_in("2026-11").await, 1, "the month's count stays");
    assert_eq!(store.forget(at(1), 10).await.unwrap(), 0);
}

async fn what_is_open_is_never_forgotten(store: Fresh) {
    let both = store.accept(event("k").to("oncall", Warning).to("dev", Warning).0, at(0)).await.unwrap();
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    assert_eq!(store.forget(at(1_000), 10).await.unwrap(), 0);
    store.finish(&ownership, given_up(&claimed), at(1)).await.unwrap();
    assert_eq!(store.forget(at(1_000), 10).await.unwrap(), 0, "dev still waits");
    assert!(store.delivery(first(&both)).await.unwrap().is_some());
}

async fn a_young_event_stays(store: Fresh) {
    store.accept(event("k").received(at(5)).0, at(5)).await.unwrap();
    assert_eq!(store.forget(at(5), 10).await.unwrap(), 0);
    assert_eq!(store.forget(at(6), 10).await.unwrap(), 1);
}

async fn one_call_forgets_no_more_than_it_is_told_to(store: Fresh) {
    for n in 0..5 {
        store.accept(event("k").received(at(n)).0, at(n)).await.unwrap();
    }
    let mut chunks = Vec::new();
    for _ in 0..4 {
        chunks.push(store.forget(at(100), 2).await.unwrap());
    }
    assert_eq!(chunks, [2, 2, 1, 0]);
    assert!(store.deliveries(Filter::default()).await.unwrap().deliveries.is_empty());
}

async fn a_twin_of_a_forgotten_event_is_a_new_event(store: Fresh) {
    let post = || event("k").twin_key("twins").0;
    store.accept(post(), at(0)).await.unwrap();
    store.forget(at(1), 10).await.unwrap();
    assert!(!store.accept(post(), at(2)).await.unwrap().duplicate);
}
