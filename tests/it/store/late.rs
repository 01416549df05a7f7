//! What is late goes after what is not, and what has waited long enough goes first.

use dingtalk_relay::model::event::Severity::{Critical, Info, Warning};
use dingtalk_relay::model::name::DeliveryId;
use dingtalk_relay::store::Want;
use dingtalk_relay::store::queue::Take;
use jiff::Timestamp;

use crate::store::{Fresh, at, ids, sent, want};

on_every_store!(
    the_newest_goes_first_and_the_flood_of_last_night_together,
    one_at_a_time_the_late_ones_go_last_and_where_they_are_left_they_may_go_together,
    a_key_is_as_late_as_its_first,
    a_late_message_takes_nothing_along_that_gathers,
    what_is_overdue_goes_before_what_is_worse,
    what_is_late_and_overdue_goes_before_all_but_the_critical,
);

/// All that goes at this time, claimed again and again: whether it was late, and what it was.
async fn all(store: &Fresh, want: impl Fn() -> Want, now: Timestamp) -> Vec<(bool, Vec<DeliveryId>)> {
    let ownership = store.owned_by("me").await;
    let mut gone = vec![];
    while let Some(claimed) = store.take(&ownership, want(), now).await {
        gone.push((claimed.late, ids(&claimed)));
        store.finish(&ownership, sent(&claimed), now).await.unwrap();
    }
    gone
}

fn stale_at_1000(take: Take) -> Want {
    Want { take, stale_before: at(1_000), ..want() }
}

/// Last night's: information, then something critical. This morning's: the same.
async fn night_and_morning(store: &Fresh) -> [DeliveryId; 4] {
    [
        store.wait("a", Info, at(1)).await,
        store.wait("b", Critical, at(2)).await,
        store.wait("c", Info, at(1_000)).await,
        store.wait("d", Critical, at(1_001)).await,
    ]
}

async fn the_newest_goes_first_and_the_flood_of_last_night_together(store: Fresh) {
    let [info, critical, new_info, new_critical] = night_and_morning(&store).await;
    let digests = all(&store, || stale_at_1000(Take::Digest), at(1_002)).await;
    assert_eq!(digests, [(false, vec![new_critical, new_info]), (true, vec![critical, info])]);
}

async fn one_at_a_time_the_late_ones_go_last_and_where_they_are_left_they_may_go_together(store: Fresh) {
    let [info, critical, new_info, new_critical] = night_and_morning(&store).await;
    let singles = all(&store, || stale_at_1000(Take::One), at(1_002)).await;
    let (fresh, late) = ([new_critical, new_info], [critical, info]);
    let expected = fresh.map(|id| (false, vec![id])).into_iter().chain(late.map(|id| (true, vec![id])));
    assert_eq!(singles, expected.collect::<Vec<_>>());

    let [info, critical, new_info, new_critical] = night_and_morning(&store).await;
    let together = all(&store, || stale_at_1000(Take::OneUnlessLate), at(1_002)).await;
    let expected = [(false, vec![new_critical]), (false, vec![new_info]), (true, vec![critical, info])];
    assert_eq!(together, expected);
}

async fn a_key_is_as_late_as_its_first(store: Fresh) {
    let firing = store.wait("a", Warning, at(1)).await;
    let other = store.wait("b", Info, at(1_000)).await;
    let resolved = store.wait("a", Warning, at(1_001)).await;
    let digests = all(&store, || stale_at_1000(Take::Digest), at(1_002)).await;
    assert_eq!(digests, [(false, vec![other]), (true, vec![firing, resolved])]);
}

async fn a_late_message_takes_nothing_along_that_gathers(store: Fresh) {
    let late = store.wait("a", Warning, at(1)).await;
    let gathers = store.gather("b", 600, at(990)).await;
    let digests = all(&store, || stale_at_1000(Take::Digest), at(1_002)).await;
    assert_eq!(digests, [(true, vec![late])]);
    let fresh = store.wait("c", Warning, at(1_003)).await;
    let digests = all(&store, || stale_at_1000(Take::Digest), at(1_003)).await;
    assert_eq!(digests, [(false, vec![fresh, gathers])], "what is meant to wait is not late");
}

async fn what_is_overdue_goes_before_what_is_worse(store: Fresh) {
    let old_info = store.wait("a", Info, at(0)).await;
    let old_warning = store.wait("b", Warning, at(1)).await;
    let critical = store.wait("c", Critical, at(2)).await;
    let info = store.wait("d", Info, at(3)).await;
    let overdue = |take| move || Want { take, overdue_before: Some(at(2)), ..want() };
    let digests = all(&store, overdue(Take::Digest), at(9)).await;
    assert_eq!(digests, [(false, vec![old_info, old_warning, critical, info])]);

    let old_info = store.wait("a", Info, at(0)).await;
    let critical = store.wait("c", Critical, at(2)).await;
    let singles = all(&store, overdue(Take::One), at(9)).await;
    assert_eq!(singles, [(false, vec![old_info]), (false, vec![critical])]);
}

async fn what_is_late_and_overdue_goes_before_all_but_the_critical(store: Fresh) {
    let late_info = store.wait("a", Info, at(0)).await;
    let late_critical = store.wait("b", Critical, at(700)).await;
    let fresh = store.wait("c", Warning, at(1_000)).await;
    let critical = store.wait("d", Critical, at(1_001)).await;
    let overdue = || Want { overdue_before: Some(at(600)), ..stale_at_1000(Take::Digest) };
    let digests = all(&store, overdue, at(1_002)).await;
    assert_eq!(digests, [(false, vec![critical, fresh]), (true, vec![late_info, late_critical])]);

    let late_info = store.wait("a", Info, at(0)).await;
    let fresh = store.wait("c", Warning, at(1_000)).await;
    let digests = all(&store, overdue, at(1_002)).await;
    assert_eq!(digests, [(true, vec![late_info]), (false, vec![fresh])], "it has let the others pass long enough");
}
