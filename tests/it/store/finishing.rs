//! How attempts end: what is written down, and that it is written once.

use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity::Warning;
use dingtalk_relay::model::health::Health;
use dingtalk_relay::model::outcome::Outcome;
use dingtalk_relay::store::{AppRow, ChannelRow, Finish, Next};

use crate::store::{Fresh, at, channel, ended, given_up, name, put_back, sent};

on_every_store!(
    what_was_sent_is_delivered_and_keeps_its_message,
    what_was_put_back_counts_only_where_it_is_told_to,
    what_was_given_up_stays_with_its_reason_and_lets_the_next_one_go,
    every_attempt_stands_in_the_log_first_to_last,
    what_may_have_been_shown_stays_marked,
    what_goes_by_itself_after_a_digest_that_may_have_arrived_says_so,
    a_finish_that_is_repeated_changes_nothing,
    a_delivery_nobody_spoke_for_goes_back,
    the_states_of_app_and_channel_are_kept_with_the_attempt,
);

async fn what_was_sent_is_delivered_and_keeps_its_message(store: Fresh) {
    let id = store.wait("k", Warning, at(0)).await;
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();

    store.finish(&ownership, sent(&claimed), at(2)).await.unwrap();

    let shown = store.shown(&id).await;
    assert_eq!((shown.state, shown.delivered_at), (State::Delivered, Some(at(2))));
    let message = shown.message.unwrap();
    assert_eq!(message.id, claimed.message);
    assert_eq!(message.msg_key.as_deref(), Some("sampleMarkdown"));
    assert_eq!(message.bytes, Some(15), "UTF-8 bytes, not characters");
    assert_eq!(message.process_query_key.as_deref(), Some("pqk"));
    assert_eq!((message.send_status, message.readers), (None, None), "nobody has asked");
    assert!(store.lanes().await.unwrap().is_empty());
}

async fn what_was_put_back_counts_only_where_it_is_told_to(store: Fresh) {
    store.wait("k", Warning, at(0)).await;
    let ownership = store.owned_by("me").await;
    for (round, counted) in [true, false, true].into_iter().enumerate() {
        let now = at(round as i64);
        let claimed = store.next(&ownership, now).await.unwrap();
        store.finish(&ownership, put_back(&claimed, now, counted), now).await.unwrap();
    }
    let claimed = store.next(&ownership, at(9)).await.unwrap();
    assert_eq!(claimed.deliveries[0].failures, 2);
    assert_eq!(store.shown(&claimed.deliveries[0].id).await.attempts, 4);
}

async fn what_was_given_up_stays_with_its_reason_and_lets_the_next_one_go(store: Fresh) {
    let first = store.wait("k", Warning, at(0)).await;
    let second = store.wait("k", Warning, at(1)).await;
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(2)).await.unwrap();

    store.finish(&ownership, given_up(&claimed), at(2)).await.unwrap();

    let shown = store.shown(&first).await;
    assert_eq!((shown.state, shown.reason.as_deref()), (State::Dead, Some("refused")));
    assert_eq!(store.drain(&ownership, at(3)).await, [second]);
}

async fn every_attempt_stands_in_the_log_first_to_last(store: Fresh) {
    let id = store.wait("k", Warning, at(0)).await;
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, put_back(&claimed, at(1), true), at(1)).await.unwrap();
    let claimed = store.next(&ownership, at(2)).await.unwrap();
    store.finish(&ownership, sent(&claimed), at(2)).await.unwrap();

    let record = store.delivery(&id).await.unwrap().unwrap();

    let log: Vec<_> =
        record.attempt_log.iter().map(|a| (a.at, a.outcome, a.code.as_deref(), a.http_status, a.duration_ms)).collect();
    let expected = [
        (at(1), Some(Outcome::Unavailable), Some("code"), Some(400), Some(120)),
        (at(2), Some(Outcome::Sent), None, Some(200), Some(120)),
    ];
    assert_eq!(log, expected);
    assert_eq!(record.delivery.message.unwrap().id, claimed.message, "the latest one");
    assert_eq!((record.kind.as_str(), record.event_title.as_str()), ("alertmanager", "Disk full on db-1"));
}

async fn what_may_have_been_shown_stays_marked(store: Fresh) {
    let id = store.wait("k", Warning, at(0)).await;
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    let unknown = Next::Queued { at: at(1), counted: true, possibly_duplicate: true };
    store.finish(&ownership, ended(&claimed, Outcome::Unavailable, unknown), at(1)).await.unwrap();
    let claimed = store.next(&ownership, at(2)).await.unwrap();
    store.finish(&ownership, put_back(&claimed, at(2), true), at(2)).await.unwrap();
    store.drain(&ownership, at(3)).await;
    assert!(store.shown(&id).await.possibly_duplicate);
}

async fn what_goes_by_itself_after_a_digest_that_may_have_arrived_says_so(store: Fresh) {
    let id = store.wait("k", Warning, at(0)).await;
    let ownership = store.owned_by("me").await;
    let mut marked = vec![];
    for may_have_arrived in [false, true, false] {
        let claimed = store.next(&ownership, at(1)).await.unwrap();
        let failed = Finish { may_have_arrived, ..ended(&claimed, Outcome::Unavailable, Next::Alone) };
        store.finish(&ownership, failed, at(1)).await.unwrap();
        marked.push(store.shown(&id).await.possibly_duplicate);
    }
    assert_eq!(marked, [false, true, true]);
}

async fn a_finish_that_is_repeated_changes_nothing(store: Fresh) {
    let id = store.wait("k", Warning, at(0)).await;
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    let throttled = Finish { uncounted: true, ..put_back(&claimed, at(60), true) };
    store.finish(&ownership, throttled.clone(), at(2)).await.unwrap();
    let before = store.delivery(&id).await.unwrap();

    store.finish(&ownership, throttled, at(3)).await.unwrap();
    store.finish(&ownership, sent(&claimed), at(4)).await.unwrap();

    assert_eq!(store.delivery(&id).await.unwrap(), before);
    assert_eq!(store.calls_in("2026-11").await, 0);
}

async fn a_delivery_nobody_spoke_for_goes_back(store: Fresh) {
    let id = store.wait("k", Warning, at(0)).await;
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, Finish { next: Vec::new(), ..sent(&claimed) }, at(2)).await.unwrap();
    assert_eq!(store.shown(&id).await.state, State::Queued);
    assert!(store.next(&ownership, at(2)).await.is_some());
}

async fn the_states_of_app_and_channel_are_kept_with_the_attempt(store: Fresh) {
    store.wait("k", Warning, at(0)).await;
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    let app = AppRow { app: name("ops"), health: Health::Failing { failures: 2 }, rate: Some(7) };
    let cooling = Health::Cooling { until: at(60), times: 1 };
    let channel = ChannelRow { channel: channel(), health: cooling, rate: Some(10) };
    let finish = Finish { app: Some(app.clone()), channel: Some(channel.clone()), ..put_back(&claimed, at(60), false) };
    store.finish(&ownership, finish, at(1)).await.unwrap();
    assert_eq!(store.apps().await.unwrap(), [app]);
    assert_eq!(store.channels().await.unwrap(), [channel]);

    let mended = AppRow { app: name("ops"), health: Health::Flowing, rate: None };
    store.save_app(&ownership, mended.clone(), at(2)).await.unwrap();
    assert_eq!(store.apps().await.unwrap(), [mended]);
}
