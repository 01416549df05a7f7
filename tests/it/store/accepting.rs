//! Events come in once: twins, their window, the length of the queue, and the bell of the lane.

use std::sync::Arc;
use std::time::Duration;

use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity::Warning;
use dingtalk_relay::store::{Next, StoreError};

use crate::store::{Fresh, ROOM, at, channel, ended, event, first, given_up, name, rings, sent, want_of};

on_every_store!(
    a_twin_inside_the_window_is_a_duplicate_and_gets_the_first_ones_ids_as_they_stand_now,
    the_window_runs_from_the_first_event_and_not_from_the_last_twin,
    another_source_or_another_path_makes_another_event,
    another_word_of_the_same_thing_is_no_twin_and_ends_the_window,
    of_fifty_twins_at_once_one_is_kept,
    a_twin_of_an_event_whose_deliveries_all_died_is_a_new_event,
    a_twin_of_an_event_of_which_one_delivery_lives_is_a_duplicate,
    a_twin_of_an_event_that_went_nowhere_is_a_duplicate,
    more_than_may_wait_is_refused_and_nothing_of_it_is_kept,
    a_full_queue_still_answers_twins_and_what_goes_nowhere,
    what_could_not_be_kept_does_not_count,
    an_arrival_rings_the_lane_even_if_nobody_waits_for_the_answer,
    attempts_of_no_channel_are_none,
);

async fn a_twin_inside_the_window_is_a_duplicate_and_gets_the_first_ones_ids_as_they_stand_now(store: Fresh) {
    let post = event("k").twin_key("twins").to("oncall", Warning).to("dev", Warning);
    let accepted = store.accept(post.0, at(0)).await.unwrap();
    let ownership = store.owned_by("me").await;
    store.drain(&ownership, at(1)).await;

    let twin = event("other order key").twin_key("twins").to("oncall", Warning);
    let answer = store.accept(twin.0, at(300)).await.unwrap();

    assert!(!accepted.duplicate && answer.duplicate);
    assert_eq!(answer.event, accepted.event);
    let states: Vec<_> = answer.deliveries.iter().map(|(id, to, state)| (id.clone(), to.as_str(), *state)).collect();
    let ids: Vec<_> = accepted.deliveries.iter().map(|(id, _, _)| id.clone()).collect();
    let expected = [(ids[0].clone(), "oncall", State::Delivered), (ids[1].clone(), "dev", State::Queued)];
    assert_eq!(states, expected);
}

async fn the_window_runs_from_the_first_event_and_not_from_the_last_twin(store: Fresh) {
    let post = || event("k").twin_key("twins").0;
    let accepted = store.accept(post(), at(0)).await.unwrap();
    assert!(store.accept(post(), at(200)).await.unwrap().duplicate);
    assert!(store.accept(post(), at(359)).await.unwrap().duplicate);
    let again = store.accept(post(), at(360)).await.unwrap();
    assert!(!again.duplicate && again.event != accepted.event);
    assert_eq!(store.accept(post(), at(361)).await.unwrap().event, again.event, "the second one has a window too");
}

async fn another_source_or_another_path_makes_another_event(store: Fresh) {
    for (source, path) in [("am", ""), ("am", "oncall"), ("other", ""), ("other", "oncall")] {
        let post = event("k").twin_key("twins").through(source, path);
        assert!(!store.accept(post.0, at(0)).await.unwrap().duplicate, "{source}/{path}");
    }
}

async fn another_word_of_the_same_thing_is_no_twin_and_ends_the_window(store: Fresh) {
    let mut duplicates = vec![];
    for (second, state) in [(0, "down"), (10, "down"), (20, "up"), (30, "up"), (40, "down")] {
        let mut post = event("k").twin_key("web-1").0;
        post.event.dedup_state = state.to_owned();
        duplicates.push(store.accept(post, at(second)).await.unwrap().duplicate);
    }
    assert_eq!(duplicates, [false, true, false, true, false], "a thing that flaps ends on the right word");
}

async fn of_fifty_twins_at_once_one_is_kept(store: Fresh) {
    let store = Arc::new(store);
    let posts: Vec<_> = (0..50)
        .map(|_| {
            let (store, post) = (Arc::clone(&store), event("k").twin_key("twins").to("oncall", Warning));
            tokio::spawn(async move { store.accept(post.0, at(0)).await.unwrap() })
        })
        .collect();
    let mut answers = Vec::new();
    for post in posts {
        answers.push(post.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|answer| !answer.duplicate).count(), 1);
    assert!(answers.iter().all(|answer| answer.event == answers[0].event));
    assert_eq!(store.lanes().await.unwrap()[0].queued, 1);
}

async fn a_twin_of_an_event_whose_deliveries_all_died_is_a_new_event(store: Fresh) {
    let post = || event("k").twin_key("twins").to("oncall", Warning).0;
    let accepted = store.accept(post(), at(0)).await.unwrap();
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, given_up(&claimed), at(1)).await.unwrap();

    let again = store.accept(post(), at(2)).await.unwrap();

    assert!(!again.duplicate);
    assert_eq!(store.shown(first(&accepted)).await.state, State::Dead, "and the dead one is kept");
    assert_eq!(store.accept(post(), at(3)).await.unwrap().event, again.event);
}

async fn a_twin_of_an_event_of_which_one_delivery_lives_is_a_duplicate(store: Fresh) {
    let post = || event("k").twin_key("twins").to("oncall", Warning).to("dev", Warning).0;
    store.accept(post(), at(0)).await.unwrap();
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, given_up(&claimed), at(1)).await.unwrap();
    assert!(store.accept(post(), at(2)).await.unwrap().duplicate);

    let claimed = store.take(&ownership, want_of("dev"), at(3)).await.unwrap();
    let dead = Next::Dead { reason: "refused".into(), possibly_duplicate: false, heir: None };
    let end = ended(&claimed, dingtalk_relay::model::outcome::Outcome::Refused, dead);
    store.finish(&ownership, end, at(3)).await.unwrap();
    assert!(!store.accept(post(), at(4)).await.unwrap().duplicate, "now both are dead");
}

async fn a_twin_of_an_event_that_went_nowhere_is_a_duplicate(store: Fresh) {
    let post = || event("k").twin_key("twins").0;
    store.accept(post(), at(0)).await.unwrap();
    let answer = store.accept(post(), at(1)).await.unwrap();
    assert!(answer.duplicate && answer.deliveries.is_empty());
}

async fn more_than_may_wait_is_refused_and_nothing_of_it_is_kept(store: Fresh) {
    fill(&store, ROOM - 1).await;
    let two = event("k").twin_key("twins").to("oncall", Warning).to("dev", Warning);
    assert_eq!(store.accept(two.clone().0, at(0)).await, Err(StoreError::QueueFull));
    assert!(store.lanes().await.unwrap().iter().all(|lane| lane.receiver != "dev"));

    let ownership = store.owned_by("me").await;
    let claimed = store.take(&ownership, want_of("many"), at(1)).await.unwrap();
    assert_eq!(store.accept(two.clone().0, at(1)).await, Err(StoreError::QueueFull), "what is sending waits too");
    store.finish(&ownership, sent(&claimed), at(1)).await.unwrap();
    assert!(!store.accept(two.0, at(2)).await.unwrap().duplicate);
}

async fn a_full_queue_still_answers_twins_and_what_goes_nowhere(store: Fresh) {
    let post = event("k").twin_key("twins").to("oncall", Warning);
    store.accept(post.clone().0, at(0)).await.unwrap();
    fill(&store, ROOM - 1).await;
    assert!(store.accept(post.0, at(1)).await.unwrap().duplicate);
    assert!(store.accept(event("k").0, at(1)).await.unwrap().deliveries.is_empty());
    assert_eq!(store.accept(event("k").to("oncall", Warning).0, at(1)).await, Err(StoreError::QueueFull));
}

/// Fills the lane `many` with one event.
async fn fill(store: &Fresh, deliveries: u64) {
    let post = (0..deliveries).fold(event("fill"), |post, _| post.to("many", Warning));
    store.accept(post.0, at(0)).await.unwrap();
}

async fn what_could_not_be_kept_does_not_count(store: Fresh) {
    let accepted = store.accept(event("k").to("oncall", Warning).0, at(0)).await.unwrap();
    let mut bad = event("k").to("oncall", Warning).to("dev", Warning);
    bad.0.deliveries[1].id = first(&accepted).clone();
    assert!(matches!(store.accept(bad.0, at(1)).await, Err(StoreError::Unavailable(_))), "an id is used once");
    assert_eq!(store.lanes().await.unwrap().len(), 1);
    fill(&store, ROOM - 1).await;
}

async fn an_arrival_rings_the_lane_even_if_nobody_waits_for_the_answer(store: Fresh) {
    let (oncall, dev) = (store.arrivals(&name("oncall")), store.arrivals(&name("dev")));
    let post = event("k").to("oncall", Warning);
    // It is handed over, and then its caller goes away, before the answer unless the store was quicker.
    let _ = tokio::time::timeout(Duration::ZERO, store.accept(post.0, at(0))).await;
    assert!(rings(&oncall).await);
    assert_eq!(store.lanes().await.unwrap()[0].queued, 1);
    assert!(tokio::time::timeout(Duration::ZERO, dev.notified()).await.is_err());
}

async fn attempts_of_no_channel_are_none(store: Fresh) {
    assert_eq!(store.attempts_since(&channel(), at(0)).await.unwrap(), []);
}
