//! Actions on many deliveries: in pieces, each of those that matched at the beginning once, whatever happens meanwhile.

use std::sync::Arc;

use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity::Warning;
use dingtalk_relay::model::name::DeliveryId;
use dingtalk_relay::store::action::{Acted, Action, Selection};
use dingtalk_relay::store::{Filter, StoreError};
use jiff::Timestamp;

use crate::store::{Fresh, ROOM, at, event, given_up, name, sent};

on_every_store!(
    many_are_done_in_pieces_and_what_arrives_meanwhile_is_left_alone,
    a_selection_narrows_by_state_receiver_and_time,
    what_is_claimed_before_its_turn_comes_is_passed_over,
    what_was_handed_over_keeps_its_order,
    a_piece_for_which_there_is_no_place_is_left_whole,
    of_a_claim_and_a_cancel_one_wins_and_never_both,
);

fn all(state: State) -> Selection {
    Selection { state, receivers: None, before: None }
}

impl Fresh {
    /// Does it to all of a selection, and `meanwhile` after every piece; how many it was done to, and in how many pieces.
    async fn act_on_all(
        &self,
        which: &Selection,
        action: Action,
        now: Timestamp,
        mut meanwhile: impl AsyncFnMut(),
    ) -> (u64, usize) {
        let (mut done, mut pieces, mut from) = (0, 0, None);
        loop {
            let stretch = self.act_on_some(which, from, action.clone(), now).await.unwrap();
            (done, pieces) = (done + stretch.done, pieces + 1);
            if stretch.next.is_none() {
                return (done, pieces);
            }
            from = stretch.next;
            meanwhile().await;
        }
    }

    async fn wait_many(&self, count: usize, receiver: &str) -> Vec<DeliveryId> {
        let mut ids = vec![];
        for n in 0..count {
            let post = event(&n.to_string()).to(receiver, Warning).0;
            ids.push(self.accept(post, at(n as i64)).await.unwrap().deliveries[0].0.clone());
        }
        ids
    }

    async fn count_in(&self, state: State) -> usize {
        let filter = Filter { state: Some(state), limit: 2_000, ..Filter::default() };
        self.deliveries(filter).await.unwrap().deliveries.len()
    }
}

async fn many_are_done_in_pieces_and_what_arrives_meanwhile_is_left_alone(store: Fresh) {
    store.wait_many(250, "oncall").await;
    assert_eq!(store.count(&all(State::Queued)).await.unwrap(), 250);

    let newcomer = async || drop(store.wait("late", Warning, at(999)).await);
    let (done, pieces) = store.act_on_all(&all(State::Queued), Action::Cancel, at(1_000), newcomer).await;

    assert_eq!((done, pieces), (250, 3), "short transactions: webhooks are answered in between");
    assert_eq!((store.count_in(State::Cancelled).await, store.count_in(State::Queued).await), (250, 2));
    let (done, _) = store.act_on_all(&all(State::Cancelled), Action::Redrive, at(1_001), async || ()).await;
    assert_eq!((done, store.count_in(State::Queued).await), (250, 252));
}

async fn a_selection_narrows_by_state_receiver_and_time(store: Fresh) {
    let oncall = store.wait_many(4, "oncall").await;
    let dev = store.wait_many(4, "dev").await;
    for id in [&oncall[0], &oncall[3], &dev[0]] {
        store.cancel(id, at(9)).await;
    }
    let of = |receivers: &[&str]| Some(receivers.iter().map(|&receiver| receiver.to_owned()).collect());
    for (which, count) in [
        (all(State::Cancelled), 3),
        (all(State::Delivered), 0),
        (Selection { receivers: of(&["oncall"]), ..all(State::Cancelled) }, 2),
        (Selection { receivers: of(&["oncall", "dev", "'"]), ..all(State::Cancelled) }, 3),
        (Selection { receivers: of(&[]), ..all(State::Cancelled) }, 0),
        (Selection { before: Some(at(3)), ..all(State::Cancelled) }, 2),
        (Selection { before: Some(at(3)), receivers: of(&["oncall"]), ..all(State::Cancelled) }, 1),
    ] {
        assert_eq!(store.count(&which).await.unwrap(), count, "{which:?}");
    }
    let which = Selection { before: Some(at(3)), receivers: of(&["oncall"]), ..all(State::Cancelled) };
    store.act_on_all(&which, Action::Redrive, at(10), async || ()).await;
    assert_eq!(store.shown(&oncall[0]).await.state, State::Queued);
    assert_eq!(store.shown(&oncall[3]).await.state, State::Cancelled);
    assert_eq!(store.shown(&dev[0]).await.state, State::Cancelled);
}

async fn what_is_claimed_before_its_turn_comes_is_passed_over(store: Fresh) {
    store.wait_many(150, "oncall").await;
    let ownership = store.owned_by("me").await;
    let mut claimed = vec![];
    // In the order of their claims the latest go first, so the walk meets them last.
    let critical = store.accept(event("x").to("oncall", Warning).0, at(200)).await.unwrap();
    let claim = async || {
        while let Some(next) = store.next(&ownership, at(300)).await {
            claimed.push(next);
        }
    };

    let (done, _) = store.act_on_all(&all(State::Queued), Action::Cancel, at(300), claim).await;

    assert_eq!((done, claimed.len()), (100, 51), "a piece, and then everything was under way");
    assert_eq!(store.shown(&critical.deliveries[0].0).await.state, State::Sending);
}

async fn what_was_handed_over_keeps_its_order(store: Fresh) {
    let old = store.wait_many(130, "oncall").await;
    let elsewhere = Action::HandOver { to: name("dev") };

    let (done, _) = store.act_on_all(&all(State::Queued), elsewhere, at(500), async || ()).await;

    let of_dev = Filter { receiver: Some("dev".into()), limit: 500, ..Filter::default() };
    let new = store.deliveries(of_dev).await.unwrap().deliveries;
    let order: Vec<_> = new.iter().rev().map(|delivery| delivery.fallback_of.clone().unwrap()).collect();
    assert_eq!((done, order), (130, old));
}

async fn a_piece_for_which_there_is_no_place_is_left_whole(store: Fresh) {
    let ids = store.wait_many(150, "oncall").await;
    store.act_on_all(&all(State::Queued), Action::Cancel, at(200), async || ()).await;
    for n in 0..ROOM - 120 {
        store.accept(event(&format!("new {n}")).to("dev", Warning).0, at(300)).await.unwrap();
    }

    let first = store.act_on_some(&all(State::Cancelled), None, Action::Redrive, at(400)).await.unwrap();
    let rest = store.act_on_some(&all(State::Cancelled), first.next, Action::Redrive, at(400)).await;

    assert_eq!((first.done, rest), (100, Err(StoreError::QueueFull)));
    assert_eq!(store.shown(&ids[100]).await.state, State::Cancelled, "although there was a place for some");
}

/// A lane claims and ends calls as fast as it can while a human calls everything off, one by one and many at once.
async fn of_a_claim_and_a_cancel_one_wins_and_never_both(store: Fresh) {
    let ids = store.wait_many(300, "oncall").await;
    let store = Arc::new(store);
    let ownership = store.owned_by("me").await;
    let lane = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let mut gone = vec![];
            while let Some(claimed) = store.next(&ownership, at(400)).await {
                let end = if gone.len() % 3 == 0 { given_up(&claimed) } else { sent(&claimed) };
                store.finish(&ownership, end, at(400)).await.unwrap();
                gone.push(claimed.deliveries[0].id.clone());
            }
            gone
        }
    });
    let mut called_off = vec![];
    for id in ids.iter().rev() {
        if matches!(store.cancel(id, at(400)).await, Acted::Done { .. }) {
            called_off.push(id.clone());
        }
        tokio::task::yield_now().await;
    }
    let gone = lane.await.unwrap();

    assert!(called_off.iter().all(|id| !gone.contains(id)), "nothing was sent and called off");
    assert_eq!(gone.len() + called_off.len(), ids.len(), "and nothing was forgotten");
    assert_eq!(store.count_in(State::Cancelled).await, called_off.len());
    assert!(store.lanes().await.unwrap().is_empty(), "the queue knows that it is empty");
}
