//! How urgent a delivery is: as the worst of what is new in it to its receiver, and not as its worst.

use dingtalk_relay::model::budget::Calls;
use dingtalk_relay::model::content::ContentItem;
use dingtalk_relay::model::event::Severity::{self, Critical, Info, Warning};
use dingtalk_relay::model::event::Status::{self, Firing, Notice, Resolved};
use dingtalk_relay::model::name::DeliveryId;
use dingtalk_relay::store::action::Action;
use dingtalk_relay::store::{Claim, Ownership, Want};

use crate::store::{Fresh, at, event, given_up, ids, item, month_of, name, sent, want_of};

on_every_store!(
    a_group_whose_critical_alert_is_known_is_as_urgent_as_what_is_new_in_it,
    what_is_new_of_something_critical_is_critical,
    what_happens_is_new_each_time,
    where_nothing_is_new_it_is_information,
    what_was_not_delivered_is_new_to_its_receiver,
    what_is_forgotten_is_new_again,
    what_is_new_takes_along_what_waits_before_it,
    what_comes_after_what_was_new_is_not_urgent_by_it,
    what_another_lane_takes_over_is_new_there,
    what_is_redriven_is_new,
    what_is_not_new_uses_nothing_of_what_is_kept_for_the_critical,
);

/// An alert: its name, how it stands, how bad it is, and since when.
type Alert<'a> = (&'a str, Status, Severity, i64);

const DOWN: Alert<'static> = ("db", Firing, Critical, 0);
const LAMP: Alert<'static> = ("lamp", Firing, Info, 0);
const LAMP_OFF: Alert<'static> = ("lamp", Resolved, Info, 0);

impl Fresh {
    /// A group tells a receiver how its alerts stand.
    async fn stands(&self, receiver: &str, alerts: &[Alert<'_>], second: i64) -> DeliveryId {
        let of = |&(name, status, severity, since): &Alert<'_>| ContentItem {
            severity,
            since: at(since),
            ..item(name, status)
        };
        let worst = alerts.iter().map(|(_, _, severity, _)| *severity).max().unwrap();
        let mut post = event("group").to(receiver, worst).0;
        post.deliveries[0].content.items = alerts.iter().map(of).collect();
        self.accept(post, at(second)).await.unwrap().deliveries[0].0.clone()
    }

    /// A store whose `oncall` knows how a group stands.
    async fn told(&self, alerts: &[Alert<'_>]) -> Ownership {
        let ownership = self.owned_by("me").await;
        self.stands("oncall", alerts, 1).await;
        assert_eq!(self.drain(&ownership, at(1)).await.len(), 1);
        ownership
    }

    /// Whether something critical waits in a lane.
    async fn is_urgent(&self, receiver: &str) -> bool {
        self.waiting(&name(receiver), 9, at(9)).await.unwrap().unwrap().critical
    }

    async fn critical(&self) -> u64 {
        self.critical_calls(&name("main"), month_of("2026-11")).await.unwrap()
    }
}

async fn a_group_whose_critical_alert_is_known_is_as_urgent_as_what_is_new_in_it(store: Fresh) {
    let ownership = store.told(&[DOWN, LAMP]).await;
    assert_eq!(store.critical().await, 1);

    let flaps = store.stands("oncall", &[DOWN, LAMP_OFF], 2).await;
    let warning = store.wait("other", Warning, at(3)).await;

    assert!(!store.is_urgent("oncall").await);
    assert_eq!(store.shown(&flaps).await.severity, Critical, "what it holds is shown as it is");
    assert_eq!(store.drain(&ownership, at(4)).await, [warning, flaps], "information goes after a warning");
    assert_eq!(store.critical().await, 1);

    store.stands("oncall", &[DOWN, ("disk", Firing, Warning, 5)], 5).await;
    let [info, warning] = [store.wait("x", Info, at(6)).await, store.wait("y", Warning, at(6)).await];
    assert_eq!(store.drain(&ownership, at(6)).await[1..], [warning, info], "its news is a warning");
}

async fn what_is_new_of_something_critical_is_critical(store: Fresh) {
    let ownership = store.told(&[DOWN, LAMP]).await;
    let news: [&[Alert<'_>]; 4] = [
        &[DOWN, LAMP, ("cache", Firing, Critical, 2)],
        &[("db", Resolved, Critical, 0), ("cache", Firing, Critical, 2)],
        &[("db", Firing, Critical, 5), ("cache", Firing, Critical, 2)],
        &[("db", Firing, Critical, 6), ("cache", Firing, Critical, 2)],
    ];
    for (n, alerts) in news.into_iter().enumerate() {
        store.stands("oncall", alerts, 7).await;
        assert!(store.is_urgent("oncall").await, "{n}");
        store.drain(&ownership, at(8)).await;
    }
    assert_eq!(store.critical().await, 5);
    store.stands("oncall", news[3], 9).await;
    assert!(!store.is_urgent("oncall").await);
}

async fn what_happens_is_new_each_time(store: Fresh) {
    let advisory: [Alert<'_>; 1] = [("advisory", Notice, Critical, 0)];
    store.told(&advisory).await;
    store.stands("oncall", &advisory, 2).await;
    assert!(store.is_urgent("oncall").await);
}

async fn where_nothing_is_new_it_is_information(store: Fresh) {
    let ownership = store.told(&[DOWN]).await;
    let again = store.stands("oncall", &[DOWN], 2).await;
    let [info, warning] = [store.wait("x", Info, at(3)).await, store.wait("y", Warning, at(3)).await];
    assert_eq!(store.drain(&ownership, at(4)).await, [warning, again, info]);
}

async fn what_was_not_delivered_is_new_to_its_receiver(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.stands("oncall", &[DOWN], 0).await;
    store.stands("dev", &[DOWN], 0).await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, given_up(&claimed), at(1)).await.unwrap();
    let claimed = store.take(&ownership, want_of("dev"), at(1)).await.unwrap();
    store.finish(&ownership, sent(&claimed), at(1)).await.unwrap();

    store.stands("oncall", &[DOWN], 2).await;
    store.stands("dev", &[DOWN], 2).await;

    assert_eq!([store.is_urgent("oncall").await, store.is_urgent("dev").await], [true, false]);
}

async fn what_is_forgotten_is_new_again(store: Fresh) {
    store.told(&[DOWN]).await;
    assert_eq!(store.forget(at(5), 9).await.unwrap(), 1);
    store.stands("oncall", &[DOWN], 6).await;
    assert!(store.is_urgent("oncall").await);
}

async fn what_is_new_takes_along_what_waits_before_it(store: Fresh) {
    let ownership = store.told(&[DOWN, LAMP]).await;
    let flaps = store.stands("oncall", &[DOWN, LAMP_OFF], 2).await;
    let warning = store.wait("other", Warning, at(3)).await;
    let worse = store.stands("oncall", &[DOWN, ("cache", Firing, Critical, 4)], 4).await;
    let again = store.stands("oncall", &[DOWN, LAMP], 5).await;
    assert!(store.is_urgent("oncall").await);
    assert_eq!(ids(&store.digest(&ownership, at(6)).await.unwrap()), [flaps, worse, again, warning]);
    assert_eq!(store.critical().await, 2);
}

async fn what_comes_after_what_was_new_is_not_urgent_by_it(store: Fresh) {
    let ownership = store.told(&[DOWN, LAMP]).await;
    let over = store.stands("oncall", &[("db", Resolved, Critical, 0)], 2).await;
    let flaps = [store.stands("oncall", &[DOWN, LAMP_OFF], 3).await, store.stands("oncall", &[DOWN, LAMP], 4).await];
    let warning = store.wait("other", Warning, at(5)).await;
    let [first, second] = flaps;
    assert_eq!(store.drain(&ownership, at(6)).await, [over, warning, first, second]);
    assert_eq!(store.critical().await, 2);
}

async fn what_another_lane_takes_over_is_new_there(store: Fresh) {
    store.told(&[DOWN, LAMP]).await;
    let flaps = store.stands("oncall", &[DOWN, LAMP_OFF], 2).await;
    store.act(&flaps, Action::HandOver { to: name("night") }, at(3)).await.unwrap();
    assert!(store.is_urgent("night").await);
    assert_eq!(store.queue(at(3)).await, None);
}

async fn what_is_redriven_is_new(store: Fresh) {
    let ownership = store.told(&[DOWN, LAMP]).await;
    let flaps = store.stands("oncall", &[DOWN, LAMP_OFF], 2).await;
    let claimed = store.next(&ownership, at(3)).await.unwrap();
    store.finish(&ownership, given_up(&claimed), at(3)).await.unwrap();
    store.act(&flaps, Action::Redrive, at(4)).await.unwrap();
    assert!(store.is_urgent("oncall").await);
    assert_eq!(store.drain(&ownership, at(5)).await, [flaps]);
    assert_eq!(store.critical().await, 2);
}

async fn what_is_not_new_uses_nothing_of_what_is_kept_for_the_critical(store: Fresh) {
    let ownership = store.told(&[DOWN, LAMP]).await;
    let kept = || Want { calls: Some(Calls { critical: 9, others: 1 }), ..want_of("oncall") };
    let flaps = store.stands("oncall", &[DOWN, LAMP_OFF], 2).await;
    assert_eq!(store.claim(&ownership, kept(), at(3)).await.unwrap(), Claim::MonthUsedUp);
    let worse = store.stands("oncall", &[("db", Resolved, Critical, 0)], 4).await;
    assert_eq!(ids(&store.take(&ownership, kept(), at(5)).await.unwrap()), [flaps]);
    assert_eq!(store.shown(&worse).await.severity, Critical);
}
