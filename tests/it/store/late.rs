//! Who begins the next message: the worst and whoever has waited long enough in turn, and what is late behind what is not
//! unless it is one of those.

use dingtalk_relay::model::budget::Calls;
use dingtalk_relay::model::event::Severity::{Critical, Info, Warning};
use dingtalk_relay::model::name::DeliveryId;
use dingtalk_relay::model::outcome::Outcome;
use dingtalk_relay::store::queue::{Beginner, Take};
use dingtalk_relay::store::{Next, Want};
use jiff::Timestamp;

use crate::store::{Fresh, at, ended, ids, put_back, sent, want};

on_every_store!(
    the_newest_goes_first_and_the_flood_of_last_night_together,
    one_at_a_time_the_late_ones_go_last_but_for_the_critical,
    where_a_late_one_begins_they_may_go_together,
    what_is_critical_and_late_goes_before_all_that_is_not_critical,
    a_key_is_as_late_as_its_first,
    a_late_message_takes_nothing_along_that_gathers,
    the_worst_and_the_overdue_take_turns,
    a_digest_takes_along_in_the_order_of_who_begins_it,
    what_is_critical_waits_for_one_that_goes_by_itself_and_not_for_all,
    what_is_late_and_overdue_has_its_turn_among_criticals_without_end,
    where_the_month_pays_for_the_critical_only_the_overdue_of_those_has_its_turn,
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

async fn one_at_a_time_the_late_ones_go_last_but_for_the_critical(store: Fresh) {
    let [info, critical, new_info, new_critical] = night_and_morning(&store).await;
    let singles = all(&store, || stale_at_1000(Take::One), at(1_002)).await;
    let expected = [(false, new_critical), (true, critical), (false, new_info), (true, info)];
    assert_eq!(singles, expected.map(|(late, id)| (late, vec![id])));
}

async fn where_a_late_one_begins_they_may_go_together(store: Fresh) {
    let [info, critical, new_info, new_critical] = night_and_morning(&store).await;
    let together = all(&store, || stale_at_1000(Take::OneUnlessLate), at(1_002)).await;
    let expected = [(false, vec![new_critical]), (true, vec![critical, info]), (false, vec![new_info])];
    assert_eq!(together, expected);
}

async fn what_is_critical_and_late_goes_before_all_that_is_not_critical(store: Fresh) {
    let info = store.wait("a", Info, at(1)).await;
    let critical = store.wait("b", Critical, at(2)).await;
    let mut storm = vec![];
    for n in 0..9 {
        storm.push(store.wait(&n.to_string(), Warning, at(1_000 + n)).await);
    }
    assert!(store.queue(at(1_010)).await.unwrap().critical, "because of it the lane does not gather any longer");
    let digests = all(&store, || stale_at_1000(Take::Digest), at(1_010)).await;
    assert_eq!(digests, [(true, vec![critical, info]), (false, storm)]);
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

/// All of the lane's messages: whoever began the last one, it is the other's turn.
async fn in_turn(store: &Fresh, want: impl Fn() -> Want, now: Timestamp) -> Vec<(Option<Beginner>, Vec<DeliveryId>)> {
    let ownership = store.owned_by("me").await;
    let (mut gone, mut begins) = (vec![], Beginner::Worst);
    while let Some(claimed) = store.take(&ownership, Want { begins, ..want() }, now).await {
        gone.push((claimed.begun_by, ids(&claimed)));
        begins = claimed.begun_by.map_or(begins, Beginner::other);
        store.finish(&ownership, sent(&claimed), now).await.unwrap();
    }
    gone
}

const WORST: Option<Beginner> = Some(Beginner::Worst);
const OVERDUE: Option<Beginner> = Some(Beginner::Overdue);

async fn the_worst_and_the_overdue_take_turns(store: Fresh) {
    let info = store.wait("a", Info, at(0)).await;
    let warning = store.wait("b", Warning, at(1)).await;
    let other_info = store.wait("c", Info, at(1)).await;
    let [first, second] = [store.wait("d", Critical, at(2)).await, store.wait("e", Critical, at(3)).await];
    let young = store.wait("f", Info, at(4)).await;
    let singles = in_turn(&store, || Want { overdue_before: Some(at(2)), ..want() }, at(9)).await;
    let expected =
        [(WORST, first), (OVERDUE, info), (WORST, second), (OVERDUE, warning), (WORST, other_info), (WORST, young)];
    assert_eq!(singles, expected.map(|(by, id)| (by, vec![id])), "each time whose turn it is, if there is any");
}

async fn a_digest_takes_along_in_the_order_of_who_begins_it(store: Fresh) {
    let old_info = store.wait("a", Info, at(0)).await;
    let old_warning = store.wait("b", Warning, at(1)).await;
    let info = store.wait("c", Info, at(2)).await;
    let critical = store.wait("d", Critical, at(3)).await;
    let ownership = store.owned_by("me").await;
    let begun_by = |begins| Want { begins, overdue_before: Some(at(2)), take: Take::Digest, ..want() };
    let overdue = store.take(&ownership, begun_by(Beginner::Overdue), at(9)).await.unwrap();
    assert_eq!(ids(&overdue), [&old_info, &old_warning, &critical, &info].map(Clone::clone));
    store.finish(&ownership, put_back(&overdue, at(9), false), at(9)).await.unwrap();
    let worst = store.take(&ownership, begun_by(Beginner::Worst), at(9)).await.unwrap();
    assert_eq!(ids(&worst), [critical, old_warning, old_info, info]);
}

/// A digest with them was refused: each goes by itself.
async fn what_is_critical_waits_for_one_that_goes_by_itself_and_not_for_all(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let mut refused = vec![];
    for n in 0..4 {
        refused.push(store.wait(&n.to_string(), Warning, at(n)).await);
    }
    let digest = store.digest(&ownership, at(4)).await.unwrap();
    store.finish(&ownership, ended(&digest, Outcome::Refused, Next::Alone), at(4)).await.unwrap();
    let critical = store.wait("critical", Critical, at(5)).await;
    let other = store.wait("other", Warning, at(6)).await;

    let overdue = || Want { take: Take::Digest, overdue_before: Some(at(5)), begins: Beginner::Overdue, ..want() };
    let first = store.take(&ownership, overdue(), at(9)).await.unwrap();
    assert_eq!((first.begun_by, ids(&first)), (OVERDUE, vec![refused[0].clone()]));
    let gone = in_turn(&store, overdue, at(9)).await;
    assert_eq!(gone[0], (WORST, vec![critical, other]));
    assert_eq!(gone.len(), 4);
}

/// However many criticals come, each takes along what is not late only.
async fn what_is_late_and_overdue_has_its_turn_among_criticals_without_end(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let late = [store.wait("a", Info, at(0)).await, store.wait("b", Critical, at(700)).await];
    let fresh = store.wait("c", Warning, at(1_000)).await;
    let overdue = |begins| Want { begins, overdue_before: Some(at(600)), ..stale_at_1000(Take::Digest) };
    let critical = store.wait("1", Critical, at(1_001)).await;
    let first = store.take(&ownership, overdue(Beginner::Worst), at(1_001)).await.unwrap();
    assert_eq!((first.late, ids(&first)), (false, vec![critical, fresh]));
    store.wait("2", Critical, at(1_002)).await;
    let second = store.take(&ownership, overdue(Beginner::Overdue), at(1_002)).await.unwrap();
    assert_eq!((second.late, ids(&second)), (true, late.to_vec()));
}

async fn where_the_month_pays_for_the_critical_only_the_overdue_of_those_has_its_turn(store: Fresh) {
    store.wait("a", Info, at(0)).await;
    let overdue = store.wait("b", Critical, at(1)).await;
    let fresh = store.wait("c", Critical, at(1_001)).await;
    let calls = Some(Calls { critical: 9, others: 0 });
    let ownership = store.owned_by("me").await;
    let kept = |begins| Want { begins, calls, overdue_before: Some(at(600)), ..stale_at_1000(Take::One) };
    for (begins, expected) in [(Beginner::Worst, &fresh), (Beginner::Overdue, &overdue)] {
        let claimed = store.take(&ownership, kept(begins), at(1_002)).await.unwrap();
        assert_eq!((claimed.begun_by, ids(&claimed)), (Some(begins), vec![expected.clone()]));
        store.finish(&ownership, put_back(&claimed, at(1_002), false), at(1_002)).await.unwrap();
    }
}
