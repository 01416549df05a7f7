//! Who waits for a delivery is told when it may have moved, and is not woken by what is only accepted.

use dingtalk_relay::model::event::Severity::Warning;

use crate::store::{Fresh, at, given_up};

on_every_store!(
    whoever_waits_for_a_delivery_is_told_when_an_attempt_has_ended,
    what_is_only_accepted_wakes_nobody_who_waits_for_a_delivery,
);

async fn whoever_waits_for_a_delivery_is_told_when_an_attempt_has_ended(store: Fresh) {
    store.wait("k", Warning, at(0)).await;
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    let mut moves = store.moves();
    moves.mark_unchanged();

    store.finish(&ownership, given_up(&claimed), at(2)).await.unwrap();

    // Told before the answer, and so at the latest now.
    assert!(moves.has_changed().unwrap());
}

async fn what_is_only_accepted_wakes_nobody_who_waits_for_a_delivery(store: Fresh) {
    let moves = store.moves();
    store.wait("k", Warning, at(0)).await;
    assert!(!moves.has_changed().unwrap());
}
