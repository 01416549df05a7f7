//! What the operator has been told is kept, and what dies or goes to a fallback is counted.

use std::time::Duration;

use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity::Warning;
use dingtalk_relay::model::name::Name;
use dingtalk_relay::store::notices::{Entry, Told};
use dingtalk_relay::store::{Finish, NewEvent, Next};

use crate::store::{Fresh, at, event, sent};

on_every_store!(what_was_told_is_known_until_it_is_forgotten, whatever_dies_is_counted_and_a_notice_is_not,);

async fn what_was_told_is_known_until_it_is_forgotten(store: Fresh) {
    let told = |subject: &str, is_over| Told { subject: subject.into(), since: at(0), told_at: at(1), is_over };
    store.enter(vec![Entry::Told(told("a", false)), Entry::Told(told("b", false))]).await.unwrap();
    store.enter(vec![Entry::Told(told("a", true)), Entry::Forgotten("b".into())]).await.unwrap();

    let store = store.killed();

    assert_eq!(store.book().await.unwrap().told, [told("a", true)]);
}

async fn whatever_dies_is_counted_and_a_notice_is_not(store: Fresh) {
    let ownership = store.owned_by("me").await;
    for (n, source) in [(0, None), (1, Some(Name::of_notices())), (2, None)] {
        let mut new: NewEvent = event(&format!("k{n}")).to("oncall", Warning).0;
        if let Some(source) = source {
            new.event.source = source;
        }
        store.accept(NewEvent { dedup_window: Duration::ZERO, ..new }, at(n)).await.unwrap();
        let claimed = store.next(&ownership, at(n)).await.unwrap();
        let dead = Next::Dead { reason: format!("because {n}"), possibly_duplicate: false, heir: None };
        let next = vec![(claimed.deliveries[0].id.clone(), dead)];
        store.finish(&ownership, Finish { next, ..sent(&claimed) }, at(n)).await.unwrap();
    }

    let toll = store.book().await.unwrap().tolls.remove(0);

    assert_eq!((toll.receiver.as_str(), toll.state, toll.count, toll.told), ("oncall", State::Dead, 2, 0));
    assert_eq!(toll.reason, "because 2");
    store.enter(vec![Entry::Tolled { receiver: "oncall".into(), state: State::Dead, told: 2 }]).await.unwrap();
    assert_eq!(store.book().await.unwrap().tolls[0].told, 2);
}
