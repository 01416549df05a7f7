//! Paused lanes: nothing of them is claimed, everything else goes on.

use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity::Warning;
use dingtalk_relay::store::Want;
use dingtalk_relay::store::action::PauseRow;

use crate::store::{Fresh, at, event, name, put_back, sent, want, want_of};

on_every_store!(
    nothing_of_a_paused_lane_is_claimed_until_its_pause_is_over,
    no_probe_goes_out_through_a_paused_lane,
    a_pause_is_taken_back_or_replaced_by_the_next_one,
    what_is_under_way_when_a_pause_begins_is_ended,
);

async fn nothing_of_a_paused_lane_is_claimed_until_its_pause_is_over(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.pause(&name("oncall"), Some(at(60))).await.unwrap();

    store.accept(event("k").to("oncall", Warning).to("dev", Warning).0, at(0)).await.unwrap();

    assert_eq!(store.next(&ownership, at(59)).await, None);
    assert!(store.take(&ownership, want_of("dev"), at(59)).await.is_some(), "another lane is not paused");
    assert_eq!(store.calls_in("2026-11").await, 1);
    assert_eq!(store.paused_until(&name("oncall"), at(59)).await.unwrap(), Some(at(60)));
    assert_eq!(store.paused_until(&name("oncall"), at(60)).await.unwrap(), None);
    assert_eq!(store.paused_until(&name("dev"), at(59)).await.unwrap(), None);
    assert!(store.next(&ownership, at(60)).await.is_some());
}

async fn no_probe_goes_out_through_a_paused_lane(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.wait("k", Warning, at(0)).await;
    store.pause(&name("oncall"), Some(at(60))).await.unwrap();
    assert_eq!(store.take(&ownership, Want { probe: true, ..want() }, at(30)).await, None);
}

async fn a_pause_is_taken_back_or_replaced_by_the_next_one(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.wait("k", Warning, at(0)).await;
    store.pause(&name("oncall"), Some(at(600))).await.unwrap();
    store.pause(&name("oncall"), Some(at(60))).await.unwrap();
    assert_eq!(store.pauses().await.unwrap(), [PauseRow { receiver: "oncall".into(), until: at(60) }]);
    store.pause(&name("oncall"), None).await.unwrap();
    assert_eq!(store.pauses().await.unwrap(), []);
    assert!(store.next(&ownership, at(1)).await.is_some());
}

async fn what_is_under_way_when_a_pause_begins_is_ended(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let id = store.wait("a", Warning, at(0)).await;
    let back = store.wait("b", Warning, at(0)).await;
    let (first, second) = (store.next(&ownership, at(1)).await.unwrap(), store.next(&ownership, at(1)).await.unwrap());
    store.pause(&name("oncall"), Some(at(60))).await.unwrap();
    store.finish(&ownership, sent(&first), at(2)).await.unwrap();
    store.finish(&ownership, put_back(&second, at(2), true), at(2)).await.unwrap();
    assert_eq!(store.shown(&id).await.state, State::Delivered);
    assert_eq!(store.shown(&back).await.state, State::Queued);
    assert_eq!(store.next(&ownership, at(3)).await, None);
}
