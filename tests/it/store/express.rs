//! What is express: no digest takes it, it waits behind nothing that gathers, and nothing that becomes of it changes that.

use dingtalk_relay::model::budget::Calls;
use dingtalk_relay::model::event::Severity::{self, Critical, Info, Warning};
use dingtalk_relay::model::name::DeliveryId;
use dingtalk_relay::store::action::Action;
use dingtalk_relay::store::handing::{HandOver, Heir};
use dingtalk_relay::store::queue::{Beginner, Take};
use dingtalk_relay::store::{Claim, Want};
use jiff::Timestamp;

use crate::store::{Fresh, at, event, given_up, ids, name, put_back, sent, want, want_of};

on_every_store!(
    it_goes_before_what_is_overdue_and_no_digest_takes_it,
    what_is_critical_goes_before_it_and_so_does_its_own_worst,
    an_alert_waits_for_no_letter_as_bad_and_older,
    of_several_the_worst_goes_first_and_where_none_is_ready_what_comes_first,
    it_is_seen_apart_from_what_takes_others_along,
    while_it_waits_for_its_retry_the_others_go_and_then_it_does,
    however_many_others_wake_it_is_found,
    late_it_goes_first_and_by_itself_and_says_that_it_is_late,
    a_late_digest_leaves_it_out,
    it_does_not_overtake_what_is_before_it_in_its_key,
    the_month_pays_for_it_as_for_any_other,
    it_stays_so_when_a_human_wants_it_again,
    it_stays_so_in_another_lane,
    a_paused_lane_gives_none,
    a_probe_takes_it_in_its_turn,
);

impl Fresh {
    async fn express(&self, order_key: &str, severity: Severity, now: Timestamp) -> DeliveryId {
        let post = event(order_key).to("oncall", severity).express();
        self.accept(post.0, now).await.unwrap().deliveries[0].0.clone()
    }
}

fn express() -> Want {
    Want { take: Take::Express, ..want() }
}

async fn an_alert_waits_for_no_letter_as_bad_and_older(store: Fresh) {
    let letter = store.express("a", Critical, at(0)).await;
    let alert = store.wait("b", Critical, at(1)).await;
    let ownership = store.owned_by("me").await;

    let digest = store.digest(&ownership, at(2)).await.unwrap();
    store.finish(&ownership, sent(&digest), at(2)).await.unwrap();

    assert_eq!(ids(&digest), [alert]);
    assert_eq!(ids(&store.digest(&ownership, at(3)).await.unwrap()), [letter], "and goes where nothing else does");
}

async fn it_goes_before_what_is_overdue_and_no_digest_takes_it(store: Fresh) {
    let overdue = store.wait("a", Warning, at(0)).await;
    let other = store.wait("b", Warning, at(5)).await;
    let id = store.express("c", Info, at(6)).await;
    let last = store.wait("d", Info, at(7)).await;
    let gathers = store.gather("e", 60, at(7)).await;
    let ownership = store.owned_by("me").await;

    let want = Want { begins: Beginner::Overdue, overdue_before: Some(at(2)), ..express() };
    let claimed = store.take(&ownership, want, at(8)).await.unwrap();
    assert_eq!((ids(&claimed).as_slice(), claimed.express), (std::slice::from_ref(&id), true));
    store.finish(&ownership, put_back(&claimed, at(8), false), at(8)).await.unwrap();

    let digest = store.digest(&ownership, at(9)).await.unwrap();
    assert_eq!((ids(&digest), digest.express), (vec![overdue, other, last, gathers], false));
    store.gather("f", 60, at(9)).await;
    assert_eq!(ids(&store.digest(&ownership, at(9)).await.unwrap()), [id], "nor does it take anything along");
}

async fn what_is_critical_goes_before_it_and_so_does_its_own_worst(store: Fresh) {
    let overdue = store.wait("a", Info, at(0)).await;
    let first = store.express("b", Info, at(3)).await;
    let second = store.express("c", Info, at(3)).await;
    let critical = store.wait("d", Critical, at(4)).await;
    let ownership = store.owned_by("me").await;
    let mut gone = vec![];
    for expected in [Some(Beginner::Worst), None] {
        let want = Want { overdue_before: Some(at(2)), ..express() };
        let claimed = store.take(&ownership, want, at(5)).await.unwrap();
        assert_eq!(claimed.begun_by, expected, "what is express takes nobody's turn");
        gone.extend(ids(&claimed));
    }
    let worst = store.express("e", Warning, at(6)).await;
    while let Some(claimed) = store.take(&ownership, express(), at(6)).await {
        gone.extend(ids(&claimed));
    }
    assert_eq!(gone, [critical, first, worst, second, overdue]);
}

async fn of_several_the_worst_goes_first_and_where_none_is_ready_what_comes_first(store: Fresh) {
    let other = store.wait("d", Warning, at(0)).await;
    let [first, second] = [store.express("a", Info, at(0)).await, store.express("b", Info, at(0)).await];
    let worst = store.express("c", Critical, at(1)).await;
    let ownership = store.owned_by("me").await;
    let mut gone = vec![];
    while let Some(claimed) = store.take(&ownership, express(), at(3)).await {
        gone.extend(ids(&claimed));
    }
    assert_eq!(gone, [worst, first, second, other]);
}

async fn it_is_seen_apart_from_what_takes_others_along(store: Fresh) {
    store.wait("a", Warning, at(0)).await;
    assert_eq!(store.queue(at(1)).await.unwrap().express, None);
    store.express("b", Info, at(1)).await;
    assert_eq!(store.queue(at(1)).await.unwrap().express, Some(Info));
    store.express("c", Critical, at(1)).await;
    let waiting = store.queue(at(1)).await.unwrap();
    assert_eq!((waiting.express, waiting.critical, waiting.ready), (Some(Critical), false, 3));
    store.wait("d", Critical, at(1)).await;
    assert!(store.queue(at(1)).await.unwrap().critical);
}

async fn while_it_waits_for_its_retry_the_others_go_and_then_it_does(store: Fresh) {
    let id = store.express("a", Info, at(0)).await;
    let ownership = store.owned_by("me").await;
    let claimed = store.take(&ownership, express(), at(1)).await.unwrap();
    store.finish(&ownership, put_back(&claimed, at(60), true), at(1)).await.unwrap();
    let other = store.wait("b", Warning, at(2)).await;
    store.wait("c", Warning, at(2)).await;

    assert_eq!(store.queue(at(59)).await.unwrap().express, None);
    assert_eq!(ids(&store.take(&ownership, express(), at(59)).await.unwrap()), [other]);
    assert_eq!(store.queue(at(60)).await.unwrap().express, Some(Info));
    assert_eq!(ids(&store.take(&ownership, express(), at(60)).await.unwrap()), [id]);
}

async fn however_many_others_wake_it_is_found(store: Fresh) {
    let ownership = store.owned_by("me").await;
    for n in 0..1_000 {
        let post = event(&n.to_string()).to("oncall", Warning).gathering(60);
        store.accept(post.0, at(0)).await.unwrap();
    }
    let id = store.express("a", Info, at(0)).await;
    let claimed = store.take(&ownership, express(), at(1)).await.unwrap();
    store.finish(&ownership, put_back(&claimed, at(60), true), at(1)).await.unwrap();

    assert_eq!(ids(&store.take(&ownership, express(), at(60)).await.unwrap()), [id]);
}

async fn late_it_goes_first_and_by_itself_and_says_that_it_is_late(store: Fresh) {
    store.wait("a", Warning, at(0)).await;
    let id = store.express("b", Info, at(1)).await;
    store.wait("c", Warning, at(50)).await;
    let ownership = store.owned_by("me").await;
    let claimed = store.take(&ownership, Want { stale_before: at(40), ..express() }, at(51)).await.unwrap();
    assert_eq!((ids(&claimed), claimed.late), (vec![id], true));
}

async fn a_late_digest_leaves_it_out(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let (first, express) = (store.wait("a", Warning, at(0)).await, store.express("b", Warning, at(1)).await);
    let last = store.wait("c", Warning, at(2)).await;
    for take in [Take::Digest, Take::OneUnlessLate] {
        let late = || Want { take, stale_before: at(40), ..want() };
        let claimed = store.take(&ownership, late(), at(51)).await.unwrap();
        assert_eq!((ids(&claimed), claimed.late), (vec![first.clone(), last.clone()], true));
        let by_itself = store.take(&ownership, late(), at(51)).await.unwrap();
        assert_eq!((ids(&by_itself), by_itself.late), (vec![express.clone()], true));
        for claimed in [claimed, by_itself] {
            store.finish(&ownership, put_back(&claimed, at(51), false), at(51)).await.unwrap();
        }
    }
}

async fn it_does_not_overtake_what_is_before_it_in_its_key(store: Fresh) {
    let before = store.wait("a", Info, at(0)).await;
    let id = store.express("a", Info, at(1)).await;
    let after = store.wait("a", Info, at(2)).await;
    let ownership = store.owned_by("me").await;
    for expected in [before, id, after] {
        let claimed = store.digest(&ownership, at(3)).await.unwrap();
        assert_eq!(ids(&claimed), [expected]);
        store.finish(&ownership, sent(&claimed), at(3)).await.unwrap();
    }
}

async fn the_month_pays_for_it_as_for_any_other(store: Fresh) {
    store.express("a", Info, at(0)).await;
    let ownership = store.owned_by("me").await;
    let kept = || Want { calls: Some(Calls { critical: 1, others: 0 }), ..express() };
    let claim = store.claim(&ownership, kept(), at(1)).await.unwrap();
    assert_eq!(claim, Claim::MonthUsedUp, "what is kept for the critical is not for this");
    let notice = store.express("b", Critical, at(2)).await;
    assert_eq!(ids(&store.take(&ownership, kept(), at(2)).await.unwrap()), [notice]);
    assert_eq!(store.claim(&ownership, kept(), at(2)).await.unwrap(), Claim::MonthUsedUp);
}

async fn it_stays_so_when_a_human_wants_it_again(store: Fresh) {
    let id = store.express("a", Info, at(0)).await;
    let ownership = store.owned_by("me").await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, given_up(&claimed), at(1)).await.unwrap();
    let other = store.wait("b", Warning, at(2)).await;

    store.act(&id, Action::Redrive, at(2)).await.unwrap();

    assert_eq!(store.queue(at(2)).await.unwrap().express, Some(Info));
    assert_eq!(ids(&store.digest(&ownership, at(2)).await.unwrap()), [other], "it is no part of it");
    assert_eq!(ids(&store.take(&ownership, express(), at(2)).await.unwrap()), [id]);
}

async fn it_stays_so_in_another_lane(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let heir = || Heir { receiver: name("night"), note: String::new() };
    let in_night = async |order_key: &str| store.accept(event(order_key).to("night", Warning).0, at(2)).await.unwrap();
    let by_hand = store.express("a", Info, at(0)).await;
    store.act(&by_hand, Action::HandOver { to: name("night") }, at(1)).await.unwrap();
    store.express("b", Info, at(1)).await;
    let queue =
        HandOver { receiver: name("oncall"), to: heir(), reason: "blocked".into(), keeps_critical: false, limit: 9 };
    assert_eq!(store.hand_over_queue(&ownership, queue, at(1)).await.unwrap(), 1);
    in_night("c").await;
    in_night("d").await;

    let digest = store.take(&ownership, Want { take: Take::Digest, ..want_of("night") }, at(3)).await.unwrap();
    assert_eq!((digest.deliveries.len(), digest.express), (2, false));
    for _ in 0..2 {
        let claimed = store.take(&ownership, Want { take: Take::Express, ..want_of("night") }, at(3)).await.unwrap();
        assert_eq!((claimed.deliveries.len(), claimed.express), (1, true));
    }
}

async fn a_paused_lane_gives_none(store: Fresh) {
    let id = store.express("a", Info, at(0)).await;
    store.pause(&name("oncall"), Some(at(9))).await.unwrap();
    let ownership = store.owned_by("me").await;
    assert!(store.take(&ownership, express(), at(8)).await.is_none());
    assert_eq!(ids(&store.take(&ownership, express(), at(9)).await.unwrap()), [id]);
}

async fn a_probe_takes_it_in_its_turn(store: Fresh) {
    let id = store.express("a", Info, at(0)).await;
    let worse = store.wait("b", Warning, at(1)).await;
    let ownership = store.owned_by("me").await;
    for expected in [worse, id] {
        let claimed = store.take(&ownership, Want { probe: true, ..express() }, at(2)).await.unwrap();
        assert_eq!(ids(&claimed), [expected]);
        store.finish(&ownership, put_back(&claimed, at(60), false), at(2)).await.unwrap();
    }
}
