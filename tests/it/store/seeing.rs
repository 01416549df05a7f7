//! The list of deliveries and the lanes, as people and metrics see them.

use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity::{Critical, Warning};
use dingtalk_relay::model::name::DeliveryId;
use dingtalk_relay::store::queue::LaneRow;
use dingtalk_relay::store::{Filter, Page};

use crate::store::{Fresh, at, channel, event, first, given_up, name, sent};

on_every_store!(
    the_list_is_newest_first_and_its_pages_are_right_while_new_ones_arrive,
    the_last_page_has_no_next_one,
    every_filter_narrows_the_list_and_they_narrow_it_together,
    what_is_shown_of_a_delivery_is_what_was_accepted,
    an_id_nobody_gave_out_shows_nothing,
    a_lane_counts_what_is_open_and_knows_the_oldest,
    the_recent_attempts_of_a_channel_are_those_since_then_whatever_came_of_them,
);

fn ids(page: &Page) -> Vec<DeliveryId> {
    page.deliveries.iter().map(|delivery| delivery.id.clone()).collect()
}

async fn the_list_is_newest_first_and_its_pages_are_right_while_new_ones_arrive(store: Fresh) {
    let mut all = Vec::new();
    for n in 0..7 {
        all.insert(0, store.wait("k", Warning, at(n)).await);
    }
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.deliveries(Filter { cursor, limit: 3, ..Filter::default() }).await.unwrap();
        seen.extend(ids(&page));
        store.wait("k", Warning, at(100)).await;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, all);
}

async fn the_last_page_has_no_next_one(store: Fresh) {
    for n in 0..4 {
        store.wait("k", Warning, at(n)).await;
    }
    let page = |limit| Filter { limit, ..Filter::default() };
    assert_eq!(store.deliveries(page(4)).await.unwrap().next, None);
    let cut = store.deliveries(page(3)).await.unwrap();
    assert!(cut.next.is_some() && cut.deliveries.len() == 3);
}

async fn every_filter_narrows_the_list_and_they_narrow_it_together(store: Fresh) {
    let one = store.accept(event("a").to("oncall", Warning).to("dev", Warning).0, at(0)).await.unwrap();
    let two = store.accept(event("b").through("other", "").to("oncall", Warning).0, at(1)).await.unwrap();
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(2)).await.unwrap();
    store.finish(&ownership, given_up(&claimed), at(2)).await.unwrap();
    let (a, b, c) = (first(&one).clone(), one.deliveries[1].0.clone(), first(&two).clone());
    let any = || Filter { limit: 50, ..Filter::default() };
    let some = |text: &str| Some(text.to_owned());

    for (filter, expected) in [
        (any(), vec![&c, &b, &a]),
        (Filter { receiver: some("oncall"), ..any() }, vec![&c, &a]),
        (Filter { source: some("other"), ..any() }, vec![&c]),
        (Filter { event: some(&one.event.0), ..any() }, vec![&b, &a]),
        (Filter { state: Some(State::Dead), ..any() }, vec![&a]),
        (Filter { state: Some(State::Queued), ..any() }, vec![&c, &b]),
        (Filter { state: Some(State::Delivered), ..any() }, vec![]),
        (Filter { state: Some(State::Queued), receiver: some("oncall"), source: some("other"), ..any() }, vec![&c]),
        (Filter { state: Some(State::Dead), event: some(&two.event.0), ..any() }, vec![]),
        (Filter { receiver: some("'; drop table deliveries; --"), ..any() }, vec![]),
    ] {
        let page = store.deliveries(filter.clone()).await.unwrap();
        assert_eq!(ids(&page).iter().collect::<Vec<_>>(), expected, "{filter:?}");
    }
}

async fn what_is_shown_of_a_delivery_is_what_was_accepted(store: Fresh) {
    let new = event("k").to("oncall", Critical).0;
    let content = new.deliveries[0].content.clone();
    let accepted = store.accept(new, at(3)).await.unwrap();
    let record = store.delivery(first(&accepted)).await.unwrap().unwrap();
    assert_eq!(record.content, Some(content), "whatever form of it is sent");
    let shown = record.delivery;
    assert_eq!((shown.event, shown.source.as_str()), (accepted.event, "alertmanager"));
    assert_eq!((shown.receiver.as_str(), shown.title.as_str()), ("oncall", "to oncall"));
    assert_eq!((shown.severity, shown.state, shown.created_at), (Critical, State::Queued, at(3)));
    assert_eq!((record.received_at, record.event_url.as_deref()), (at(0), Some("https://am.example.com/")));
    assert_eq!((shown.message, shown.attempts, record.attempt_log.len()), (None, 0, 0));
    assert_eq!((shown.fallback_of, shown.handed_to, shown.next_attempt_at), (None, None, None));
}

async fn an_id_nobody_gave_out_shows_nothing(store: Fresh) {
    assert_eq!(store.delivery(&DeliveryId("nonsense".into())).await.unwrap(), None);
}

async fn a_lane_counts_what_is_open_and_knows_the_oldest(store: Fresh) {
    store.wait("a", Warning, at(0)).await;
    store.wait("a", Warning, at(1)).await;
    store.accept(event("a").to("dev", Warning).0, at(2)).await.unwrap();
    let ownership = store.owned_by("me").await;
    let lane =
        |receiver: &str, queued, oldest| LaneRow { receiver: receiver.into(), queued, oldest_at: Some(at(oldest)) };

    let claimed = store.next(&ownership, at(3)).await.unwrap();
    assert_eq!(store.lanes().await.unwrap(), [lane("dev", 1, 2), lane("oncall", 2, 0)]);
    store.finish(&ownership, sent(&claimed), at(3)).await.unwrap();
    assert_eq!(store.lanes().await.unwrap(), [lane("dev", 1, 2), lane("oncall", 1, 1)]);
}

async fn the_recent_attempts_of_a_channel_are_those_since_then_whatever_came_of_them(store: Fresh) {
    let ownership = store.owned_by("me").await;
    for (second, key) in ["a", "b", "c", "d"].into_iter().enumerate() {
        store.wait(key, Warning, at(0)).await;
        let claimed = store.next(&ownership, at(second as i64)).await.unwrap();
        let end = if second == 1 { given_up(&claimed) } else { sent(&claimed) };
        store.finish(&ownership, end, at(second as i64)).await.unwrap();
    }
    assert_eq!(store.attempts_since(&channel(), at(1)).await.unwrap(), [at(1), at(2), at(3)]);
    let another = dingtalk_relay::model::name::ChannelKey::app_robot(&name("ops"), "robot", "another group");
    assert_eq!(store.attempts_since(&another, at(0)).await.unwrap(), []);
}
