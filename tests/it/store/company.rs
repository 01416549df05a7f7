//! What waits for company, and what a lane sees of its queue before it claims.

use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity::{Critical, Info, Warning};
use dingtalk_relay::store::Want;
use dingtalk_relay::store::action::Action;
use dingtalk_relay::store::queue::{Take, Waiting};

use crate::store::{Fresh, at, event, ids, name, put_back, sent, want, want_of};

on_every_store!(
    what_is_ready_is_counted_with_what_is_behind_it_up_to_what_was_asked_for,
    what_has_waited_counts_before_any_claim_has_met_it,
    what_is_under_way_does_not_wait,
    it_is_critical_if_something_critical_is_ready_and_not_if_it_waits,
    what_gathers_is_seen_and_does_not_go_by_itself_before_its_time,
    whatever_goes_takes_what_gathers_along_but_one_alone_does_not,
    when_its_time_has_come_it_goes_and_takes_the_others_along,
    a_newcomer_that_does_not_gather_frees_what_waits_in_its_key,
    a_newcomer_that_gathers_frees_nothing,
    what_gathers_behind_one_under_way_waits_its_own_time,
    what_gathers_may_be_cancelled_brought_back_and_handed_over,
);

async fn what_is_ready_is_counted_with_what_is_behind_it_up_to_what_was_asked_for(store: Fresh) {
    assert_eq!(store.queue(at(0)).await, None);
    for (key, second) in [("a", 3), ("a", 4), ("b", 5), ("a", 6)] {
        store.wait(key, Warning, at(second)).await;
    }
    let oldest_ready_at = Some(at(3));
    let all = Waiting {
        due_at: at(3),
        ready: 4,
        gathering: false,
        critical: false,
        express: None,
        next_urgent_at: None,
        oldest_ready_at,
    };
    assert_eq!(store.queue(at(7)).await, Some(all));
    for up_to in [1, 2, 3] {
        let some = store.waiting(&name("oncall"), up_to, at(7)).await.unwrap();
        assert_eq!(some, Some(Waiting { ready: up_to, ..all }));
    }
    assert_eq!(store.waiting(&name("dev"), 9, at(7)).await.unwrap(), None);
}

async fn what_has_waited_counts_before_any_claim_has_met_it(store: Fresh) {
    store.wait("a", Critical, at(0)).await;
    store.wait("a", Info, at(1)).await;
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(2)).await.unwrap();
    store.finish(&ownership, put_back(&claimed, at(30), true), at(2)).await.unwrap();

    let waiting = Waiting {
        due_at: at(30),
        ready: 0,
        gathering: false,
        critical: false,
        express: None,
        next_urgent_at: Some(at(30)),
        oldest_ready_at: None,
    };
    assert_eq!(store.queue(at(29)).await, Some(waiting));
    let oldest_ready_at = Some(at(0));
    let ready = Waiting { due_at: at(0), ready: 2, critical: true, next_urgent_at: None, oldest_ready_at, ..waiting };
    assert_eq!(store.queue(at(30)).await, Some(ready));
    store.wait("b", Info, at(31)).await;
    assert_eq!(store.queue(at(31)).await, Some(Waiting { ready: 3, ..ready }));
    assert_eq!(store.waiting(&name("oncall"), 2, at(31)).await.unwrap().unwrap().ready, 2);
}

async fn what_is_under_way_does_not_wait(store: Fresh) {
    store.wait("a", Critical, at(0)).await;
    store.wait("a", Critical, at(0)).await;
    let ownership = store.owned_by("me").await;
    store.next(&ownership, at(1)).await.unwrap();
    assert_eq!(store.queue(at(1)).await, None, "what is behind it cannot go");
    store.wait("b", Info, at(1)).await;
    let queue = store.queue(at(1)).await.unwrap();
    assert_eq!((queue.ready, queue.critical), (1, false));
}

async fn it_is_critical_if_something_critical_is_ready_and_not_if_it_waits(store: Fresh) {
    store.wait("a", Critical, at(0)).await;
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(0)).await.unwrap();
    store.finish(&ownership, put_back(&claimed, at(60), true), at(0)).await.unwrap();
    store.wait("b", Warning, at(1)).await;
    assert!(!store.queue(at(1)).await.unwrap().critical);
    store.wait("b", Critical, at(2)).await;
    assert!(store.queue(at(2)).await.unwrap().critical, "the one before it goes along");
}

async fn what_gathers_is_seen_and_does_not_go_by_itself_before_its_time(store: Fresh) {
    let id = store.gather("a", 60, at(0)).await;
    let ownership = store.owned_by("me").await;
    let alone = Waiting {
        due_at: at(60),
        ready: 0,
        gathering: true,
        critical: false,
        express: None,
        next_urgent_at: None,
        oldest_ready_at: None,
    };
    assert_eq!(store.queue(at(59)).await, Some(alone));
    assert_eq!(store.shown(&id).await.next_attempt_at, Some(at(60)));
    assert_eq!(store.digest(&ownership, at(59)).await, None);
    assert!(store.next(&ownership, at(59)).await.is_none());

    let ready = Waiting {
        due_at: at(0),
        ready: 1,
        gathering: false,
        critical: false,
        next_urgent_at: None,
        express: None,
        oldest_ready_at: Some(at(0)),
    };
    assert_eq!(store.queue(at(60)).await, Some(ready));
    assert_eq!(ids(&store.next(&ownership, at(60)).await.unwrap()), [id]);
}

async fn whatever_goes_takes_what_gathers_along_but_one_alone_does_not(store: Fresh) {
    let later = store.gather("a", 90, at(0)).await;
    let behind = store.gather("a", 90, at(1)).await;
    let sooner = store.gather("b", 60, at(1)).await;
    let warning = store.wait("c", Warning, at(2)).await;
    let ownership = store.owned_by("me").await;
    assert_eq!(ids(&store.next(&ownership, at(3)).await.unwrap()), std::slice::from_ref(&warning));

    let other = store.wait("d", Warning, at(3)).await;
    assert!(store.queue(at(3)).await.unwrap().gathering);
    let claimed = store.digest(&ownership, at(3)).await.unwrap();
    assert_eq!(ids(&claimed), [other, sooner, later, behind]);
    assert_eq!(store.queue(at(3)).await, None);
    store.finish(&ownership, put_back(&claimed, at(9), false), at(3)).await.unwrap();
    assert!(!store.queue(at(4)).await.unwrap().gathering, "it waits for its retry now");
}

async fn when_its_time_has_come_it_goes_and_takes_the_others_along(store: Fresh) {
    let later = store.gather("a", 90, at(0)).await;
    let sooner = store.gather("b", 60, at(1)).await;
    let ownership = store.owned_by("me").await;
    assert_eq!(ids(&store.digest(&ownership, at(61)).await.unwrap()), [sooner, later]);
}

async fn a_newcomer_that_does_not_gather_frees_what_waits_in_its_key(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let failed = store.wait("a", Warning, at(0)).await;
    let claimed = store.next(&ownership, at(0)).await.unwrap();
    store.finish(&ownership, put_back(&claimed, at(600), true), at(0)).await.unwrap();
    let gathers = [store.gather("b", 60, at(0)).await, store.gather("b", 60, at(0)).await];
    let elsewhere = store.gather("c", 60, at(0)).await;
    assert_eq!(store.queue(at(1)).await.unwrap().ready, 0);

    let newcomer = store.wait("a", Info, at(2)).await;
    let other = store.wait("b", Info, at(2)).await;

    assert_eq!(store.queue(at(2)).await.unwrap().ready, 5);
    assert_eq!(
        store.drain(&ownership, at(2)).await,
        [&failed, &gathers[0], &gathers[1], &newcomer, &other].map(Clone::clone)
    );
    assert_eq!(store.due(at(2)).await, Some(at(60)), "another key waits on");
    assert_eq!(store.drain(&ownership, at(60)).await, [elsewhere]);
}

async fn a_newcomer_that_gathers_frees_nothing(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.wait("a", Warning, at(0)).await;
    let claimed = store.next(&ownership, at(0)).await.unwrap();
    store.finish(&ownership, put_back(&claimed, at(600), true), at(0)).await.unwrap();
    store.gather("a", 60, at(1)).await;
    assert_eq!(store.due(at(1)).await, Some(at(600)));
    let queue = store.queue(at(1)).await.unwrap();
    assert!(!queue.gathering, "nothing could take it along");
}

async fn what_gathers_behind_one_under_way_waits_its_own_time(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.wait("a", Warning, at(0)).await;
    let claimed = store.next(&ownership, at(0)).await.unwrap();
    let merged = store.gather("a", 60, at(1)).await;
    store.finish(&ownership, sent(&claimed), at(2)).await.unwrap();
    assert_eq!(store.due(at(2)).await, Some(at(61)));
    assert!(store.queue(at(2)).await.unwrap().gathering);
    assert_eq!(store.drain(&ownership, at(61)).await, [merged]);
}

async fn what_gathers_may_be_cancelled_brought_back_and_handed_over(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let id = store.gather("a", 60, at(0)).await;
    store.act(&id, Action::Cancel, at(1)).await.unwrap();
    assert_eq!(store.queue(at(1)).await, None);
    store.act(&id, Action::Redrive, at(2)).await.unwrap();
    let back = store.queue(at(2)).await.unwrap();
    assert_eq!((back.ready, back.gathering), (1, false), "a human wants it now");

    let over = store.gather("b", 60, at(3)).await;
    store.act(&over, Action::HandOver { to: name("dev") }, at(4)).await.unwrap();
    assert_eq!(store.shown(&over).await.state, State::HandedOver);
    let heir = Want { take: Take::Digest, ..want_of("dev") };
    assert_eq!(store.take(&ownership, heir, at(4)).await.unwrap().deliveries.len(), 1, "it has waited enough");
    let event = event("c").to("oncall", Info).to("dev", Info).gathering(60);
    store.accept(event.0, at(5)).await.unwrap();
    assert!(store.queue(at(5)).await.unwrap().gathering);
    assert_eq!(store.digest(&ownership, at(5)).await.unwrap().deliveries.len(), 2);
    assert!(store.take(&ownership, want(), at(5)).await.is_none());
}
