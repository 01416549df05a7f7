//! What a receiver was told last under an order key, and a claim that had nothing to say.

use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity::Warning;
use dingtalk_relay::model::event::Status::{self, Firing, Notice, Resolved};
use dingtalk_relay::model::name::DeliveryId;
use dingtalk_relay::store::action::Action;
use dingtalk_relay::store::queue::{Take, Unsaid};
use dingtalk_relay::store::{Claimed, Ownership, Want};

use crate::store::{Fresh, at, channel, event, given_up, is_stale, name, sent, want, want_of};

on_every_store!(
    what_the_last_delivered_one_said_is_known_to_the_next_of_its_key,
    of_a_digest_the_last_of_each_key_is_known,
    what_was_not_delivered_is_not_known,
    another_receiver_and_another_key_know_nothing,
    what_happened_is_never_known,
    what_is_forgotten_is_not_known_any_more,
    what_another_lane_handed_over_leaves_what_is_known,
    what_is_redriven_late_leaves_what_is_known,
    what_nobody_wants_to_know_is_not_said,
    a_claim_with_nothing_to_say_leaves_no_trace_but_a_delivered_delivery_with_a_reason,
    a_claim_with_nothing_to_say_frees_its_keys,
    law_4_a_stale_epoch_leaves_nothing_unsaid,
);

impl Fresh {
    /// One more of an order key, that tells of these items.
    async fn tells(&self, key: &str, items: &[(&str, Status)]) -> DeliveryId {
        let post = event(key).to("oncall", Warning).telling(items);
        self.accept(post.0, at(0)).await.unwrap().deliveries[0].0.clone()
    }

    /// What goes next, and is sent.
    async fn goes(&self, ownership: &Ownership, want: Want) -> Claimed {
        let claimed = self.take(ownership, want, at(1)).await.unwrap();
        self.finish(ownership, sent(&claimed), at(1)).await.unwrap();
        claimed
    }
}

/// What is known of each delivery.
fn known(claimed: &Claimed) -> Vec<Option<Vec<(&str, Status)>>> {
    claimed
        .deliveries
        .iter()
        .map(|d| d.known.as_deref().map(|known| known.iter().map(|s| (s.fingerprint.as_str(), s.status)).collect()))
        .collect()
}

async fn what_the_last_delivered_one_said_is_known_to_the_next_of_its_key(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.tells("k", &[("a", Firing), ("b", Firing)]).await;
    assert_eq!(known(&store.goes(&ownership, want()).await), [None], "nothing was said yet");
    store.tells("k", &[("a", Resolved), ("b", Firing)]).await;
    store.tells("k", &[("b", Firing)]).await;
    assert_eq!(known(&store.goes(&ownership, want()).await), [Some(vec![("a", Firing), ("b", Firing)])]);
    let third = store.goes(&ownership, want()).await;
    assert_eq!(known(&third), [Some(vec![("a", Resolved), ("b", Firing)])]);
    assert_eq!(third.deliveries[0].known.as_ref().unwrap()[0].since, at(0));
}

async fn of_a_digest_the_last_of_each_key_is_known(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let together = || Want { take: Take::Digest, ..want() };
    for (key, items) in [("k", [("a", Firing)]), ("l", [("x", Firing)]), ("k", [("a", Resolved)])] {
        store.tells(key, &items).await;
    }
    assert_eq!(known(&store.goes(&ownership, together()).await), [None, None, None]);
    for key in ["k", "k", "l"] {
        store.tells(key, &[("b", Firing)]).await;
    }
    let (k, l) = (Some(vec![("a", Resolved)]), Some(vec![("x", Firing)]));
    assert_eq!(known(&store.goes(&ownership, together()).await), [k.clone(), k, l], "as before this claim");
}

async fn what_was_not_delivered_is_not_known(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.tells("k", &[("a", Firing)]).await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, given_up(&claimed), at(1)).await.unwrap();
    store.tells("k", &[("a", Firing)]).await;
    assert_eq!(known(&store.next(&ownership, at(1)).await.unwrap()), [None]);
}

async fn another_receiver_and_another_key_know_nothing(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.tells("k", &[("a", Firing)]).await;
    store.goes(&ownership, want()).await;
    store.tells("other", &[("a", Firing)]).await;
    assert_eq!(known(&store.goes(&ownership, want()).await), [None]);

    let over = store.tells("k", &[("a", Firing)]).await;
    store.act(&over, Action::HandOver { to: name("dev") }, at(1)).await.unwrap();
    assert_eq!(known(&store.goes(&ownership, want_of("dev")).await), [None], "the other group was told nothing");
}

async fn what_happened_is_never_known(store: Fresh) {
    let ownership = store.owned_by("me").await;
    for items in [[("push", Notice)], [("push", Notice)]] {
        store.tells("k", &items).await;
        assert_eq!(known(&store.goes(&ownership, want()).await), [None]);
    }
}

async fn what_is_forgotten_is_not_known_any_more(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.tells("k", &[("a", Firing)]).await;
    store.goes(&ownership, want()).await;
    assert_eq!(store.forget(at(2), 10).await.unwrap(), 1);
    store.tells("k", &[("a", Firing)]).await;
    assert_eq!(known(&store.next(&ownership, at(3)).await.unwrap()), [None]);
}

async fn what_another_lane_handed_over_leaves_what_is_known(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.tells("k", &[("a", Firing), ("b", Firing), ("c", Firing)]).await;
    store.goes(&ownership, want()).await;
    let other = event("k").to("dev", Warning).telling(&[("a", Firing)]);
    let other = store.accept(other.0, at(2)).await.unwrap().deliveries[0].0.clone();
    store.act(&other, Action::HandOver { to: name("oncall") }, at(2)).await.unwrap();
    store.goes(&ownership, want()).await;

    store.tells("k", &[("a", Firing), ("b", Firing), ("c", Firing)]).await;

    let own = Some(vec![("a", Firing), ("b", Firing), ("c", Firing)]);
    assert_eq!(known(&store.goes(&ownership, want()).await), [own]);
}

async fn what_is_redriven_late_leaves_what_is_known(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let dead = store.tells("k", &[("a", Firing)]).await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    store.finish(&ownership, given_up(&claimed), at(1)).await.unwrap();
    store.tells("k", &[("a", Firing), ("b", Firing)]).await;
    store.goes(&ownership, want()).await;

    store.act(&dead, Action::Redrive, at(2)).await.unwrap();
    assert_eq!(store.drain(&ownership, at(3)).await, [dead]);

    store.tells("k", &[("b", Firing)]).await;
    assert_eq!(known(&store.goes(&ownership, want()).await), [Some(vec![("a", Firing), ("b", Firing)])]);
}

async fn what_nobody_wants_to_know_is_not_said(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.tells("k", &[("a", Firing)]).await;
    store.goes(&ownership, want()).await;
    store.tells("k", &[("a", Firing)]).await;
    assert_eq!(known(&store.goes(&ownership, Want { known: false, ..want() }).await), [None]);
}

fn unsaid(claimed: &Claimed) -> Unsaid {
    let reason = "nothing had changed".to_owned();
    Unsaid { message: claimed.message.clone(), attempt: claimed.attempt.clone(), reason }
}

async fn a_claim_with_nothing_to_say_leaves_no_trace_but_a_delivered_delivery_with_a_reason(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.tells("k", &[("a", Firing)]).await;
    store.goes(&ownership, want()).await;
    let again = store.tells("k", &[("a", Firing)]).await;
    let claimed = store.next(&ownership, at(5)).await.unwrap();

    store.finish_unsaid(&ownership, unsaid(&claimed), at(6)).await.unwrap();

    let record = store.delivery(&again).await.unwrap().unwrap();
    let shown = record.delivery;
    assert_eq!((shown.state, shown.delivered_at, shown.attempts), (State::Delivered, Some(at(6)), 0));
    assert_eq!((shown.reason.as_deref(), shown.message), (Some("nothing had changed"), None));
    assert!(record.attempt_log.is_empty());
    assert_eq!(store.message(&claimed.message).await.unwrap(), None);
    assert_eq!(store.attempts_since(&channel(), at(0)).await.unwrap(), [at(1)], "the limiter counts calls");
    assert_eq!(store.calls_in("2026-11").await, 1);
    store.finish_unsaid(&ownership, unsaid(&claimed), at(7)).await.unwrap();
    assert_eq!((store.calls_in("2026-11").await, store.shown(&again).await.attempts), (1, 0), "once is enough");
}

async fn a_claim_with_nothing_to_say_frees_its_keys(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.tells("k", &[("a", Firing)]).await;
    store.tells("l", &[("a", Firing)]).await;
    let claimed = store.digest(&ownership, at(1)).await.unwrap();
    let behind = store.tells("k", &[("a", Resolved)]).await;
    store.finish_unsaid(&ownership, unsaid(&claimed), at(2)).await.unwrap();
    assert_eq!(store.drain(&ownership, at(3)).await, [behind]);
    assert!(store.lanes().await.unwrap().is_empty());
}

async fn law_4_a_stale_epoch_leaves_nothing_unsaid(store: Fresh) {
    let before = store.owned_by("one").await;
    let id = store.tells("k", &[("a", Firing)]).await;
    let claimed = store.next(&before, at(1)).await.unwrap();
    let after = store.owned_by("two").await;
    assert!(is_stale(store.finish_unsaid(&before, unsaid(&claimed), at(2)).await));
    assert_eq!(store.shown(&id).await.state, State::Queued);
    store.finish_unsaid(&after, unsaid(&claimed), at(2)).await.unwrap();
    assert_eq!(store.shown(&id).await.state, State::Queued, "and what was interrupted is not unsaid by another");
}
