//! How a fallback takes over: once, marked on both sides, in the order of the lane, and whatever waits for what.

use dingtalk_relay::model::delivery::{Delivery, State};
use dingtalk_relay::model::event::Severity::{Critical, Info, Warning};
use dingtalk_relay::model::name::DeliveryId;
use dingtalk_relay::model::outcome::Outcome;
use dingtalk_relay::store::handing::{HandOver, Heir};
use dingtalk_relay::store::{Finish, Next, Ownership};
use jiff::Timestamp;

use crate::store::{Fresh, ROOM, at, ended, event, first, is_stale, name, put_back, rings, want_of};

on_every_store!(
    a_queue_goes_over_in_the_order_of_its_lane_and_is_marked_on_both_sides,
    the_other_lane_is_woken_and_sends_by_its_own_order,
    what_waits_for_a_retry_goes_over_and_starts_anew,
    what_may_have_arrived_says_so_after_it_went_over_and_its_heir_does_not,
    what_is_under_way_stays,
    a_queue_goes_over_a_part_at_a_time,
    what_came_from_another_lane_stays_and_what_waits_behind_it_goes,
    what_dies_goes_over_in_the_same_moment,
    what_dies_is_handed_over_once_however_often_it_is_redriven,
    a_full_queue_keeps_nothing_from_going_over,
    an_owner_that_was_replaced_hands_nothing_over,
    what_went_over_knows_when_its_event_came,
    a_note_is_written_into_what_is_handed_over_and_changes_nothing_else,
    what_was_handed_over_is_so_after_a_kill,
    where_the_month_pays_for_the_critical_their_keys_stay_and_the_rest_goes_over_in_order,
);

fn heir() -> Heir {
    Heir { receiver: name("night"), note: "Meant for **oncall**".into() }
}

fn queue_of(receiver: &str, limit: usize) -> HandOver {
    HandOver { receiver: name(receiver), to: heir(), reason: "blocked".into(), keeps_critical: false, limit }
}

impl Fresh {
    async fn hand_over_all(&self, ownership: &Ownership, now: Timestamp) -> u64 {
        self.hand_over_queue(ownership, queue_of("oncall", 100), now).await.unwrap()
    }

    /// The delivery that took this one over.
    async fn heir_of(&self, id: &DeliveryId) -> Delivery {
        let left = self.shown(id).await;
        let heir = self.shown(&left.handed_to.unwrap()).await;
        assert_eq!(heir.fallback_of.as_ref(), Some(id));
        heir
    }

    /// What goes next in `night`, and then all the rest of it.
    async fn night(&self, ownership: &Ownership, now: Timestamp) -> Vec<DeliveryId> {
        let mut gone = vec![];
        while let Some(claimed) = self.take(ownership, want_of("night"), now).await {
            self.finish(ownership, crate::store::sent(&claimed), now).await.unwrap();
            gone.push(claimed.deliveries[0].id.clone());
        }
        gone
    }
}

/// Refused, and the fallback gets it.
fn bequeathed(claimed: &dingtalk_relay::store::Claimed) -> Finish {
    let dead = Next::Dead { reason: "refused".into(), possibly_duplicate: false, heir: Some(heir()) };
    ended(claimed, Outcome::Refused, dead)
}

async fn a_queue_goes_over_in_the_order_of_its_lane_and_is_marked_on_both_sides(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let mut left = vec![];
    for (key, severity) in [("a", Info), ("b", Critical), ("a", Warning), ("c", Info)] {
        left.push(store.wait(key, severity, at(0)).await);
    }

    assert_eq!(store.hand_over_all(&ownership, at(9)).await, 4);

    let mut places = vec![];
    for id in &left {
        let (old, heir) = (store.shown(id).await, store.heir_of(id).await);
        assert_eq!((old.state, old.reason.as_deref()), (State::HandedOver, Some("blocked")));
        assert_eq!((heir.state, heir.receiver.as_str(), heir.created_at), (State::Queued, "night", at(9)));
        assert_eq!((heir.event, heir.title, heir.severity), (old.event, old.title, old.severity));
        assert_eq!((heir.reason, heir.attempts, heir.possibly_duplicate), (None, 0, false));
        places.push(heir.id);
    }
    let filter = dingtalk_relay::store::Filter { receiver: Some("night".into()), limit: 9, ..Default::default() };
    let listed: Vec<_> = store.deliveries(filter).await.unwrap().deliveries.into_iter().rev().map(|d| d.id).collect();
    assert_eq!(listed, places, "in the order of the lane");
    assert_eq!(store.due(at(9)).await, None);
    assert_eq!(store.hand_over_all(&ownership, at(10)).await, 0);
}

async fn the_other_lane_is_woken_and_sends_by_its_own_order(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let bell = store.arrivals(&name("night"));
    let own = store.accept(event("a").to("night", Warning).0, at(0)).await.unwrap();
    let mild = store.wait("a", Warning, at(1)).await;
    let worst = store.wait("b", Critical, at(2)).await;
    assert!(rings(&bell).await, "its own");

    store.hand_over_all(&ownership, at(3)).await;

    assert!(rings(&bell).await);
    let (mild, worst) = (store.heir_of(&mild).await.id, store.heir_of(&worst).await.id);
    assert_eq!(store.night(&ownership, at(3)).await, [worst, first(&own).clone(), mild]);
}

async fn what_went_over_knows_when_its_event_came(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let accepted = store.accept(event("a").received(at(3)).to("oncall", Warning).0, at(5)).await.unwrap();
    let dead = first(&accepted).clone();
    let claimed = store.next(&ownership, at(6)).await.unwrap();
    assert_eq!((claimed.deliveries[0].received_at, claimed.deliveries[0].created_at), (at(3), at(5)));
    store.finish(&ownership, bequeathed(&claimed), at(7)).await.unwrap();
    let heir = store.heir_of(&dead).await;
    assert_eq!(heir.created_at, at(7), "its place in the lane is the time it came there");

    let claimed = store.take(&ownership, want_of("night"), at(9)).await.unwrap();

    let taken = &claimed.deliveries[0];
    assert_eq!((&taken.id, taken.received_at, taken.created_at), (&heir.id, at(3), at(7)));
}

async fn what_waits_for_a_retry_goes_over_and_starts_anew(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let id = store.wait("a", Warning, at(0)).await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, put_back(&claimed, at(1_000), true), at(1)).await.unwrap();

    assert_eq!(store.hand_over_all(&ownership, at(2)).await, 1);

    let old = store.shown(&id).await;
    assert_eq!((old.next_attempt_at, old.attempts), (None, 1));
    let claimed = store.take(&ownership, want_of("night"), at(2)).await.unwrap();
    assert_eq!((claimed.deliveries[0].failures, claimed.deliveries[0].may_be_handed_over), (0, false));
}

async fn what_may_have_arrived_says_so_after_it_went_over_and_its_heir_does_not(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let waited = store.wait("a", Warning, at(0)).await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    let again = Next::Queued { at: at(1_000), counted: true, possibly_duplicate: true };
    store.finish(&ownership, ended(&claimed, Outcome::Unavailable, again), at(1)).await.unwrap();
    let died = store.wait("b", Warning, at(2)).await;
    let claimed = store.next(&ownership, at(3)).await.unwrap();
    let dead = Next::Dead { reason: "tried".into(), possibly_duplicate: true, heir: Some(heir()) };
    store.finish(&ownership, ended(&claimed, Outcome::Unavailable, dead), at(3)).await.unwrap();

    assert_eq!(store.hand_over_all(&ownership, at(4)).await, 1);

    for (id, state) in [(&waited, State::HandedOver), (&died, State::Dead)] {
        let old = store.shown(id).await;
        assert_eq!((old.state, old.possibly_duplicate), (state, true), "its own group may have it");
        let heir = store.heir_of(id).await;
        assert!(!heir.possibly_duplicate, "the other group was never called for it");
    }
}

async fn what_is_under_way_stays(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let going = store.wait("a", Warning, at(0)).await;
    let behind = store.wait("a", Critical, at(1)).await;
    let claimed = store.next(&ownership, at(2)).await.unwrap();
    assert!(claimed.deliveries[0].may_be_handed_over);

    assert_eq!(store.hand_over_all(&ownership, at(3)).await, 1);

    assert_eq!(store.shown(&going).await.state, State::Sending);
    assert_eq!(store.shown(&behind).await.state, State::HandedOver);
    store.finish(&ownership, put_back(&claimed, at(3), false), at(3)).await.unwrap();
    let other = store.wait("b", Warning, at(4)).await;
    let worse = store.wait("c", Critical, at(5)).await;
    assert_eq!(
        store.drain(&ownership, at(6)).await,
        [worse, going, other],
        "nothing critical waits behind it any more"
    );
}

async fn a_queue_goes_over_a_part_at_a_time(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let mut left = vec![];
    for n in 0..5 {
        left.push(store.wait(["a", "b"][n % 2], Warning, at(0)).await);
    }
    let mut parts = vec![];
    for _ in 0..4 {
        parts.push(store.hand_over_queue(&ownership, queue_of("oncall", 2), at(1)).await.unwrap());
    }
    assert_eq!(parts, [2, 2, 1, 0]);
    let mut heirs = vec![];
    for id in &left {
        heirs.push(store.heir_of(id).await.id);
    }
    assert_eq!(store.night(&ownership, at(2)).await, heirs);
}

async fn what_came_from_another_lane_stays_and_what_waits_behind_it_goes(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let foreign = store.wait("a", Info, at(0)).await;
    store.hand_over_all(&ownership, at(1)).await;
    let foreign = store.heir_of(&foreign).await.id;
    let own = store.accept(event("a").to("night", Critical).0, at(2)).await.unwrap();
    let on = HandOver { to: Heir { receiver: name("dev"), note: String::new() }, ..queue_of("night", 100) };

    assert_eq!(store.hand_over_queue(&ownership, on.clone(), at(3)).await, Ok(1));
    assert_eq!(store.hand_over_queue(&ownership, on, at(3)).await, Ok(0));

    assert_eq!(store.heir_of(first(&own)).await.receiver, "dev");
    assert_eq!(store.shown(&foreign).await.handed_to, None);
    assert_eq!(store.night(&ownership, at(4)).await, [foreign]);
}

async fn what_dies_goes_over_in_the_same_moment(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let id = store.wait("a", Warning, at(0)).await;
    let behind = store.wait("a", Warning, at(1)).await;
    let claimed = store.next(&ownership, at(2)).await.unwrap();
    let bell = store.arrivals(&name("night"));

    store.finish(&ownership, bequeathed(&claimed), at(3)).await.unwrap();
    store.finish(&ownership, bequeathed(&claimed), at(3)).await.unwrap();

    assert!(rings(&bell).await);
    let dead = store.shown(&id).await;
    assert_eq!((dead.state, dead.reason.as_deref()), (State::Dead, Some("refused")));
    let heir = store.heir_of(&id).await.id;
    assert_eq!(store.night(&ownership, at(4)).await, [heir], "once");
    assert_eq!(store.drain(&ownership, at(4)).await, [behind]);
}

async fn what_dies_is_handed_over_once_however_often_it_is_redriven(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let id = store.wait("a", Warning, at(0)).await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, bequeathed(&claimed), at(1)).await.unwrap();
    let heir = store.heir_of(&id).await.id;

    store.redrive(&id, at(2)).await;
    assert_eq!(store.hand_over_all(&ownership, at(2)).await, 0, "nor with its queue");
    let claimed = store.next(&ownership, at(3)).await.unwrap();
    assert!(!claimed.deliveries[0].may_be_handed_over);
    store.finish(&ownership, bequeathed(&claimed), at(3)).await.unwrap();

    let dead = store.shown(&id).await;
    assert_eq!((dead.state, dead.handed_to), (State::Dead, Some(heir.clone())));
    let claimed = store.take(&ownership, want_of("night"), at(4)).await.unwrap();
    assert_eq!(claimed.deliveries[0].id, heir);
    store.finish(&ownership, bequeathed(&claimed), at(4)).await.unwrap();
    let dead = store.shown(&heir).await;
    assert_eq!((dead.state, dead.handed_to), (State::Dead, None), "nor is the heir handed on");
}

async fn a_full_queue_keeps_nothing_from_going_over(store: Fresh) {
    let ownership = store.owned_by("me").await;
    for n in 0..ROOM {
        store.wait(&n.to_string(), Warning, at(0)).await;
    }
    let full = store.accept(event("x").to("oncall", Warning).0, at(1)).await;
    assert!(full.is_err(), "{full:?}");
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, bequeathed(&claimed), at(1)).await.unwrap();

    assert_eq!(store.hand_over_all(&ownership, at(2)).await, 100);

    let full = store.accept(event("x").to("oncall", Warning).0, at(3)).await;
    assert!(full.is_err(), "as many are open as before: {full:?}");
}

async fn an_owner_that_was_replaced_hands_nothing_over(store: Fresh) {
    let before = store.owned_by("me").await;
    let id = store.wait("a", Warning, at(0)).await;
    store.owned_by("another").await;
    assert!(is_stale(store.hand_over_queue(&before, queue_of("oncall", 100), at(1)).await));
    assert_eq!(store.shown(&id).await.state, State::Queued);
}

async fn a_note_is_written_into_what_is_handed_over_and_changes_nothing_else(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let mut linked = event("a").to("oncall", Warning).0;
    linked.deliveries[0].content.footer = "[Graph](https://example.com)".into();
    let content = linked.deliveries[0].content.clone();
    store.accept(linked, at(0)).await.unwrap();
    store.accept(event("b").to("oncall", Warning).0, at(0)).await.unwrap();

    store.hand_over_all(&ownership, at(1)).await;

    let mut handed = vec![];
    while let Some(mut claimed) = store.take(&ownership, want_of("night"), at(2)).await {
        handed.push(claimed.deliveries.remove(0).content);
    }
    let noted = dingtalk_relay::model::content::Content { note: "Meant for **oncall**".into(), ..content };
    assert_eq!(handed[0], noted);
    assert_eq!((handed[1].note.as_str(), handed[1].footer.as_str()), ("Meant for **oncall**", ""));
}

async fn what_was_handed_over_is_so_after_a_kill(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let one = store.wait("a", Warning, at(0)).await;
    let other = store.wait("b", Warning, at(0)).await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, bequeathed(&claimed), at(1)).await.unwrap();
    store.hand_over_all(&ownership, at(2)).await;

    let store = store.killed();

    assert_eq!(store.shown(&one).await.state, State::Dead);
    assert_eq!(store.shown(&other).await.state, State::HandedOver);
    for id in [&one, &other] {
        assert_eq!(store.heir_of(id).await.state, State::Queued);
    }
}

async fn where_the_month_pays_for_the_critical_their_keys_stay_and_the_rest_goes_over_in_order(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let (retried, retried_mild) = (store.wait("a", Critical, at(0)).await, store.wait("b", Info, at(0)).await);
    for _ in 0..2 {
        let claimed = store.next(&ownership, at(1)).await.unwrap();
        store.finish(&ownership, put_back(&claimed, at(1_000), true), at(1)).await.unwrap();
    }
    let elder = store.wait("c", Warning, at(2)).await;
    let critical = store.wait("c", Critical, at(3)).await;
    let follower = store.wait("c", Info, at(4)).await;
    let mild = [store.wait("d", Warning, at(5)).await, store.wait("e", Info, at(6)).await];
    let mild_follower = store.wait("d", Info, at(7)).await;

    let mild_of = |limit| HandOver { keeps_critical: true, ..queue_of("oncall", limit) };
    for (limit, handed) in [(2, 2), (100, 2), (100, 0)] {
        assert_eq!(store.hand_over_queue(&ownership, mild_of(limit), at(9)).await.unwrap(), handed);
    }

    for stays in [&retried, &elder, &critical, &follower] {
        assert_eq!(store.shown(stays).await.state, State::Queued, "it may use the month's reserve");
    }
    let [first, second] = mild;
    let mut gone = vec![];
    for id in [&retried_mild, &first, &second, &mild_follower] {
        gone.push(store.heir_of(id).await.id);
    }
    assert_eq!(store.night(&ownership, at(9)).await, [&gone[1], &gone[0], &gone[2], &gone[3]].map(Clone::clone));
    assert_eq!(store.hand_over_all(&ownership, at(10)).await, 4, "and all goes where everything is blocked");
}
