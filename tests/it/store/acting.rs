//! What is done to deliveries beside the journey: brought back, called off, handed over. One at a time; many are in
//! `many`, and random orders of everything in `invariants`.

use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity::{Critical, Info, Warning};
use dingtalk_relay::model::name::DeliveryId;
use dingtalk_relay::model::outcome::Outcome;
use dingtalk_relay::store::action::{Acted, Action, Selection};
use dingtalk_relay::store::{Next, StoreError, Want};
use jiff::Timestamp;

use crate::store::{Fresh, ROOM, at, ended, event, first, given_up, name, put_back, rings, sent, want, want_of};

on_every_store!(
    what_is_dead_or_cancelled_is_brought_back_and_counts_anew,
    nothing_else_is_brought_back,
    what_is_brought_back_goes_before_what_came_later,
    what_is_brought_back_waits_for_what_came_before,
    what_is_brought_back_beside_a_call_under_way_stays_in_its_key,
    the_turn_of_an_order_key_stays_when_one_of_it_is_called_off_and_brought_back,
    only_what_is_queued_is_called_off,
    what_comes_after_one_that_was_called_off_goes_at_once,
    a_critical_one_that_was_called_off_pushes_its_elders_no_more,
    what_is_handed_over_goes_on_as_a_new_delivery_in_the_other_lane,
    what_is_dead_stays_so_when_it_is_handed_over,
    nothing_under_way_or_at_its_end_is_handed_over,
    nothing_is_handed_over_again_while_its_successor_waits_or_has_arrived,
    what_is_handed_over_to_its_own_lane_is_brought_back,
    what_is_handed_over_is_the_latest_of_its_key_there,
    every_lane_that_has_something_new_to_look_at_is_rung,
    a_twin_is_told_of_what_was_brought_back_or_handed_over,
    a_full_queue_takes_nobody_back,
    nothing_is_done_to_an_id_nobody_gave_out,
);

impl Fresh {
    pub(super) async fn redrive(&self, id: &DeliveryId, now: Timestamp) -> Acted {
        self.act(id, Action::Redrive, now).await.unwrap()
    }

    pub(super) async fn cancel(&self, id: &DeliveryId, now: Timestamp) -> Acted {
        self.act(id, Action::Cancel, now).await.unwrap()
    }

    pub(super) async fn hand_over(&self, id: &DeliveryId, to: &str, now: Timestamp) -> Acted {
        self.act(id, Action::HandOver { to: name(to) }, now).await.unwrap()
    }

    /// A delivery of `oncall` that was tried once and is dead.
    pub(super) async fn dead(&self, order_key: &str, now: Timestamp) -> DeliveryId {
        let id = self.wait(order_key, Warning, now).await;
        let ownership = self.owned_by("me").await;
        let claimed = self.next(&ownership, now).await.unwrap();
        assert_eq!(claimed.deliveries[0].id, id, "nothing else waits");
        self.finish(&ownership, given_up(&claimed), now).await.unwrap();
        id
    }
}

/// The delivery that goes on, where something was done.
pub(super) fn done(acted: Acted) -> DeliveryId {
    match acted {
        Acted::Done { delivery, .. } => delivery,
        other => panic!("{other:?}"),
    }
}

async fn what_is_dead_or_cancelled_is_brought_back_and_counts_anew(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let dead = store.wait("a", Warning, at(0)).await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    let unknown = Next::Queued { at: at(2), counted: true, possibly_duplicate: true };
    store.finish(&ownership, ended(&claimed, Outcome::Unavailable, unknown), at(1)).await.unwrap();
    let claimed = store.next(&ownership, at(2)).await.unwrap();
    assert_eq!(claimed.deliveries[0].failures, 1);
    store.finish(&ownership, given_up(&claimed), at(2)).await.unwrap();
    let cancelled = store.wait("b", Warning, at(3)).await;
    store.cancel(&cancelled, at(3)).await;

    for id in [&dead, &cancelled] {
        let acted = store.redrive(id, at(60)).await;
        let entered = vec![("oncall".to_owned(), State::Queued)];
        assert_eq!(acted, Acted::Done { delivery: id.clone(), entered });
    }

    let record = store.delivery(&dead).await.unwrap().unwrap();
    let shown = record.delivery;
    assert_eq!((shown.state, shown.reason, shown.next_attempt_at), (State::Queued, None, None));
    assert_eq!((shown.created_at, shown.attempts, shown.possibly_duplicate), (at(0), 2, true), "what was, was");
    assert_eq!((record.attempt_log.len(), shown.message.is_some()), (2, true));
    let again = store.next(&ownership, at(60)).await.unwrap();
    assert_eq!((&again.deliveries[0].id, again.deliveries[0].failures), (&dead, 0));
    store.finish(&ownership, sent(&again), at(61)).await.unwrap();
    assert_eq!(store.delivery(&dead).await.unwrap().unwrap().attempt_log.len(), 3);
    assert_eq!(store.drain(&ownership, at(62)).await, [cancelled]);
}

async fn nothing_else_is_brought_back(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let queued = store.wait("a", Warning, at(0)).await;
    assert_eq!(store.redrive(&queued, at(1)).await, Acted::WrongState(State::Queued));
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    assert_eq!(store.redrive(&queued, at(1)).await, Acted::WrongState(State::Sending));
    store.finish(&ownership, sent(&claimed), at(1)).await.unwrap();
    assert_eq!(store.redrive(&queued, at(1)).await, Acted::WrongState(State::Delivered));
    let gone = store.wait("b", Warning, at(2)).await;
    store.hand_over(&gone, "dev", at(2)).await;
    assert_eq!(store.redrive(&gone, at(2)).await, Acted::WrongState(State::HandedOver));
}

async fn what_is_brought_back_goes_before_what_came_later(store: Fresh) {
    let old = store.dead("db", at(0)).await;
    let newer = store.wait("db", Warning, at(10)).await;
    let other = store.wait("web", Warning, at(11)).await;
    let worst = store.wait("db", Critical, at(12)).await;

    store.redrive(&old, at(20)).await;

    let ownership = store.owned_by("me").await;
    assert_eq!(store.drain(&ownership, at(20)).await, [old, newer, worst, other], "the worst takes its elders along");
}

async fn what_is_brought_back_waits_for_what_came_before(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let head = store.wait("db", Info, at(0)).await;
    let second = store.wait("db", Critical, at(1)).await;
    store.cancel(&second, at(2)).await;
    let other = store.wait("web", Warning, at(3)).await;
    let claimed = store.next(&ownership, at(3)).await.unwrap();
    assert_eq!(claimed.deliveries[0].id, other, "the critical one does not push any more");
    store.finish(&ownership, put_back(&claimed, at(4), true), at(3)).await.unwrap();

    store.redrive(&second, at(4)).await;

    assert_eq!(store.drain(&ownership, at(4)).await, [head, second, other]);
}

async fn what_is_brought_back_beside_a_call_under_way_stays_in_its_key(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let old = store.dead("db", at(0)).await;
    let newer = store.wait("db", Warning, at(1)).await;
    let newest = store.wait("db", Warning, at(2)).await;
    let under_way = store.next(&ownership, at(3)).await.unwrap();
    assert_eq!(under_way.deliveries[0].id, newer);

    store.redrive(&old, at(4)).await;
    store.finish(&ownership, put_back(&under_way, at(5), true), at(5)).await.unwrap();

    assert_eq!(store.drain(&ownership, at(5)).await, [old, newer, newest]);
}

/// Probes go round by the time when a key was tried last, which belongs to the key and not to its deliveries.
async fn the_turn_of_an_order_key_stays_when_one_of_it_is_called_off_and_brought_back(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let a = [store.wait("a", Critical, at(0)).await, store.wait("a", Warning, at(1)).await];
    let b = store.wait("b", Warning, at(2)).await;
    let probe = async |now: i64| {
        let claimed = store.take(&ownership, Want { probe: true, ..want() }, at(now)).await.unwrap();
        store.finish(&ownership, put_back(&claimed, at(now + 1), false), at(now)).await.unwrap();
        claimed.deliveries[0].id.clone()
    };
    assert_eq!([probe(10).await, probe(20).await, probe(30).await], [a[0].clone(), b.clone(), a[0].clone()]);

    store.cancel(&a[1], at(31)).await;
    store.redrive(&a[1], at(32)).await;
    assert_eq!(probe(40).await, b, "the one behind its head came and went");
    store.cancel(&a[0], at(41)).await;
    store.redrive(&a[0], at(42)).await;
    assert_eq!([probe(50).await, probe(60).await], [a[0].clone(), b], "and its head too");
}

async fn only_what_is_queued_is_called_off(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let id = store.wait("a", Warning, at(0)).await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    assert_eq!(store.cancel(&id, at(1)).await, Acted::WrongState(State::Sending));
    store.finish(&ownership, put_back(&claimed, at(60), true), at(1)).await.unwrap();

    let entered = vec![("oncall".to_owned(), State::Cancelled)];
    assert_eq!(store.cancel(&id, at(2)).await, Acted::Done { delivery: id.clone(), entered });

    let shown = store.shown(&id).await;
    assert_eq!((shown.state, shown.next_attempt_at), (State::Cancelled, None));
    assert_eq!(store.cancel(&id, at(2)).await, Acted::WrongState(State::Cancelled));
    assert!(store.lanes().await.unwrap().is_empty());
    assert_eq!(store.drain(&ownership, at(99)).await, []);
}

async fn what_comes_after_one_that_was_called_off_goes_at_once(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let head = store.wait("a", Warning, at(0)).await;
    let next = store.wait("a", Warning, at(0)).await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, put_back(&claimed, at(600), true), at(1)).await.unwrap();
    store.cancel(&head, at(2)).await;
    assert_eq!(store.drain(&ownership, at(2)).await, [next]);
}

async fn a_critical_one_that_was_called_off_pushes_its_elders_no_more(store: Fresh) {
    let mild = store.wait("a", Info, at(0)).await;
    let critical = store.wait("a", Critical, at(1)).await;
    let other = store.wait("b", Warning, at(2)).await;
    store.cancel(&critical, at(3)).await;
    let ownership = store.owned_by("me").await;
    assert_eq!(store.drain(&ownership, at(3)).await, [other, mild]);
}

async fn what_is_handed_over_goes_on_as_a_new_delivery_in_the_other_lane(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let old = store.wait("db", Critical, at(0)).await;
    let left = store.wait("db", Warning, at(1)).await;

    let acted = store.hand_over(&old, "dev", at(9)).await;

    let entered = vec![("dev".to_owned(), State::Queued), ("oncall".to_owned(), State::HandedOver)];
    let new = done(acted.clone());
    assert_eq!(acted, Acted::Done { delivery: new.clone(), entered });
    let (before, after) = (store.shown(&old).await, store.shown(&new).await);
    assert_eq!((before.state, before.handed_to.as_ref()), (State::HandedOver, Some(&new)));
    assert_eq!((after.state, after.fallback_of.as_ref()), (State::Queued, Some(&old)));
    assert_eq!((after.receiver.as_str(), after.created_at, after.attempts), ("dev", at(9), 0));
    assert_eq!((after.event, after.title, after.severity), (before.event, before.title, before.severity));
    let claimed = store.take(&ownership, want_of("dev"), at(9)).await.unwrap();
    assert_eq!((&claimed.deliveries[0].id, claimed.deliveries[0].content.title.as_str()), (&new, "to oncall"));
    assert_eq!(store.drain(&ownership, at(9)).await, [left], "the one behind it has its seat");
}

async fn what_is_dead_stays_so_when_it_is_handed_over(store: Fresh) {
    let dead = store.dead("db", at(0)).await;
    let new = done(store.hand_over(&dead, "dev", at(1)).await);
    let shown = store.shown(&dead).await;
    assert_eq!((shown.state, shown.reason.as_deref(), shown.handed_to), (State::Dead, Some("refused"), Some(new)));
    let cancelled = store.wait("web", Warning, at(2)).await;
    store.cancel(&cancelled, at(2)).await;
    store.hand_over(&cancelled, "dev", at(3)).await;
    assert_eq!(store.shown(&cancelled).await.state, State::Cancelled);
}

async fn nothing_under_way_or_at_its_end_is_handed_over(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let id = store.wait("a", Warning, at(0)).await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    assert_eq!(store.hand_over(&id, "dev", at(1)).await, Acted::WrongState(State::Sending));
    store.finish(&ownership, sent(&claimed), at(1)).await.unwrap();
    assert_eq!(store.hand_over(&id, "dev", at(1)).await, Acted::WrongState(State::Delivered));
    let gone = store.wait("a", Warning, at(2)).await;
    store.hand_over(&gone, "dev", at(2)).await;
    assert_eq!(store.hand_over(&gone, "night", at(2)).await, Acted::WrongState(State::HandedOver));
}

async fn nothing_is_handed_over_again_while_its_successor_waits_or_has_arrived(store: Fresh) {
    let dead = store.dead("db", at(0)).await;
    let new = done(store.hand_over(&dead, "dev", at(1)).await);
    assert_eq!(store.hand_over(&dead, "dev", at(2)).await, Acted::TakenOver(new.clone()), "asked twice");
    assert_eq!(store.hand_over(&dead, "night", at(2)).await, Acted::TakenOver(new.clone()));
    let many = Selection { state: State::Dead, receivers: None, before: None };
    let again = Action::HandOver { to: name("night") };
    assert_eq!(store.act_on_some(&many, None, again.clone(), at(2)).await.unwrap().done, 0);
    assert_eq!(store.count(&many).await.unwrap(), 0, "what is counted is what would be done");

    store.cancel(&new, at(3)).await;

    let third = done(store.hand_over(&dead, "night", at(4)).await);
    assert_eq!(store.shown(&dead).await.handed_to, Some(third), "the latest");
}

async fn what_is_handed_over_to_its_own_lane_is_brought_back(store: Fresh) {
    let dead = store.dead("db", at(0)).await;
    assert_eq!(done(store.hand_over(&dead, "oncall", at(1)).await), dead);
    assert_eq!(store.shown(&dead).await.state, State::Queued);
    assert_eq!(store.hand_over(&dead, "oncall", at(1)).await, Acted::WrongState(State::Queued));
}

async fn what_is_handed_over_is_the_latest_of_its_key_there(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let there = store.accept(event("db").to("dev", Info).0, at(5)).await.unwrap();
    let other = store.accept(event("web").to("dev", Warning).0, at(6)).await.unwrap();
    let dead = store.wait("db", Critical, at(0)).await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, given_up(&claimed), at(1)).await.unwrap();

    let new = done(store.hand_over(&dead, "dev", at(7)).await);

    let mut order = vec![];
    while let Some(claimed) = store.take(&ownership, want_of("dev"), at(8)).await {
        store.finish(&ownership, sent(&claimed), at(8)).await.unwrap();
        order.push(claimed.deliveries[0].id.clone());
    }
    assert_eq!(order, [first(&there).clone(), new, first(&other).clone()], "critical takes its elder along");
}

async fn every_lane_that_has_something_new_to_look_at_is_rung(store: Fresh) {
    let (oncall, dev) = (store.arrivals(&name("oncall")), store.arrivals(&name("dev")));
    let one = store.wait("a", Warning, at(0)).await;
    let two = store.wait("a", Warning, at(0)).await;
    assert!(rings(&oncall).await);
    store.cancel(&one, at(1)).await;
    assert!(rings(&oncall).await, "the one behind it may be due earlier");
    store.redrive(&one, at(1)).await;
    assert!(rings(&oncall).await);
    store.hand_over(&two, "dev", at(1)).await;
    assert!(rings(&oncall).await && rings(&dev).await);
    store.pause(&name("oncall"), Some(at(60))).await.unwrap();
    assert!(rings(&oncall).await, "it sleeps by what it saw last");
    store.pause(&name("oncall"), None).await.unwrap();
    assert!(rings(&oncall).await);
}

async fn a_twin_is_told_of_what_was_brought_back_or_handed_over(store: Fresh) {
    let twin = || event("db").twin_key("twins").to("oncall", Warning).0;
    let ownership = store.owned_by("me").await;
    let die = async |receiver: &str| {
        let claimed = store.take(&ownership, want_of(receiver), at(1)).await.unwrap();
        store.finish(&ownership, given_up(&claimed), at(1)).await.unwrap();
    };
    let one = store.accept(twin(), at(0)).await.unwrap();
    die("oncall").await;
    store.redrive(first(&one), at(2)).await;
    let again = store.accept(twin(), at(3)).await.unwrap();
    assert_eq!((again.duplicate, &again.event, again.deliveries[0].2), (true, &one.event, State::Queued));

    store.hand_over(first(&one), "dev", at(4)).await;
    let again = store.accept(twin(), at(5)).await.unwrap();
    assert!(again.duplicate, "its successor waits");
    die("dev").await;
    let new = store.accept(twin(), at(6)).await.unwrap();
    assert!(!new.duplicate && new.event != one.event, "nothing is left of it");

    let reborn = &again.deliveries[1].0;
    store.redrive(reborn, at(7)).await;
    let last = store.accept(twin(), at(8)).await.unwrap();
    assert_eq!((last.duplicate, last.event), (true, new.event), "the new one has taken its place");
}

async fn a_full_queue_takes_nobody_back(store: Fresh) {
    let dead = store.dead("db", at(0)).await;
    let mut waiting = vec![];
    for n in 0..ROOM {
        waiting.push(store.wait(&n.to_string(), Warning, at(1)).await);
    }
    let full = Err(StoreError::QueueFull);
    assert_eq!(store.act(&dead, Action::Redrive, at(2)).await, full);
    let human = Action::HandOver { to: name("dev") };
    assert_eq!(store.act(&dead, human.clone(), at(2)).await, full);
    assert_eq!(store.shown(&dead).await.handed_to, None);

    done(store.act(&waiting[0], human, at(3)).await.unwrap());
    assert_eq!(store.accept(event("x").to("oncall", Warning).0, at(5)).await, Err(StoreError::QueueFull));
    store.cancel(&waiting[1], at(6)).await;
    done(store.redrive(&dead, at(7)).await);
    assert_eq!(store.accept(event("x").to("oncall", Warning).0, at(8)).await, Err(StoreError::QueueFull));
}

async fn nothing_is_done_to_an_id_nobody_gave_out(store: Fresh) {
    let nobody = DeliveryId("nonsense".into());
    assert_eq!(store.redrive(&nobody, at(0)).await, Acted::NoSuch);
    assert_eq!(store.cancel(&nobody, at(0)).await, Acted::NoSuch);
    assert_eq!(store.hand_over(&nobody, "dev", at(0)).await, Acted::NoSuch);
}
