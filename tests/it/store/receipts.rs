//! Receipts: what is to be asked next, what pays for it, and what is kept of the answers.

use dingtalk_relay::model::call::Call;
use dingtalk_relay::model::event::Severity::Warning;
use dingtalk_relay::model::message::Message;
use dingtalk_relay::model::name::{DeliveryId, MessageId};
use dingtalk_relay::store::receipts::{Learned, Purse, Then};
use dingtalk_relay::store::{Claim, Finish, Ownership, Want};
use jiff::Timestamp;

use crate::store::{Fresh, at, channel, is_stale, month_of, name, put_back, sent, up_to, want};

on_every_store!(
    nothing_is_asked_unless_a_message_was_sent_that_wants_it,
    what_is_due_first_is_asked_first_and_names_all_that_the_question_needs,
    what_was_learned_is_kept_and_a_reader_counts_once,
    without_an_answer_what_is_known_stays,
    what_is_complete_is_not_asked_again,
    receipts_have_their_own_share_of_a_month_that_all_calls_fill,
    a_query_that_was_not_counted_is_given_back_to_the_month_that_paid,
    law_4_a_stale_epoch_can_take_and_save_nothing,
    what_was_forgotten_meanwhile_needs_nothing,
    what_is_to_be_asked_outlives_a_new_owner,
);

async fn nothing_is_asked_unless_a_message_was_sent_that_wants_it(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.wait("plain", Warning, at(0)).await;
    store.drain(&ownership, at(1)).await;
    store.wait("failed", Warning, at(2)).await;
    let claimed = store.next(&ownership, at(2)).await.unwrap();
    let failed = Finish { ask_receipts_at: Some(at(62)), ..put_back(&claimed, at(9), true) };
    store.finish(&ownership, failed, at(2)).await.unwrap();
    assert_eq!(store.receipts_due(&name("ops")).await.unwrap(), None);
}

async fn what_is_due_first_is_asked_first_and_names_all_that_the_question_needs(store: Fresh) {
    let ownership = store.owned_by("me").await;
    send(&store, &ownership, at(300)).await;
    let (_, message) = send(&store, &ownership, at(60)).await;

    let question = store.receipts_due(&name("ops")).await.unwrap().unwrap();

    assert_eq!((question.message, question.due_at, question.sent_at), (message, at(60), at(1)));
    assert_eq!((question.receiver.as_str(), question.channel), ("oncall", channel()));
    assert_eq!((question.process_query_key.as_str(), question.answered), ("pqk", false));
    assert_eq!(store.receipts_due(&name("another")).await.unwrap(), None, "each app asks for itself");
}

async fn what_was_learned_is_kept_and_a_reader_counts_once(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let (delivery, message) = send(&store, &ownership, at(60)).await;
    assert_eq!(stands(&store, &delivery).await, (None, None));

    let early = Learned { send_status: Some("PROCESSING".into()), then: Then::At(at(120)), ..learned(&message, &[]) };
    store.save_receipts(&ownership, early, at(60)).await.unwrap();
    assert_eq!(stands(&store, &delivery).await, (Some("PROCESSING".into()), Some(0)));
    let question = store.receipts_due(&name("ops")).await.unwrap().unwrap();
    assert_eq!((question.due_at, question.answered), (at(120), true));

    let first = Learned { then: Then::At(at(600)), ..learned(&message, &["zhang", "li"]) };
    store.save_receipts(&ownership, first, at(120)).await.unwrap();
    store.save_receipts(&ownership, learned(&message, &["li", "wang"]), at(600)).await.unwrap();
    assert_eq!(stands(&store, &delivery).await, (Some("SUCCESS".into()), Some(3)));
}

async fn without_an_answer_what_is_known_stays(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let (delivery, message) = send(&store, &ownership, at(60)).await;
    let silent = |then| Learned { send_status: None, then, ..learned(&message, &[]) };
    store.save_receipts(&ownership, silent(Then::At(at(120))), at(60)).await.unwrap();
    assert_eq!(stands(&store, &delivery).await, (None, None), "nobody knows yet whether anybody has read it");

    let known = Learned { then: Then::At(at(600)), ..learned(&message, &["li"]) };
    store.save_receipts(&ownership, known, at(120)).await.unwrap();
    store.save_receipts(&ownership, silent(Then::Never), at(600)).await.unwrap();
    assert_eq!(stands(&store, &delivery).await, (Some("SUCCESS".into()), Some(1)));
}

async fn what_is_complete_is_not_asked_again(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let (_, message) = send(&store, &ownership, at(60)).await;
    store.save_receipts(&ownership, learned(&message, &["li"]), at(60)).await.unwrap();
    assert_eq!(store.receipts_due(&name("ops")).await.unwrap(), None);
}

async fn receipts_have_their_own_share_of_a_month_that_all_calls_fill(store: Fresh) {
    let ownership = store.owned_by("me").await;
    send(&store, &ownership, at(60)).await;
    let small = || Purse { share: Some(2), ..purse() };
    let mut taken = Vec::new();
    for _ in 0..3 {
        taken.push(store.take_call(&ownership, small(), at(60)).await.unwrap());
    }
    assert_eq!(taken, [true, true, false]);
    assert_eq!(store.calls_in("2026-11").await, 3, "one send and two queries");

    let full = Purse { calls_per_month: Some(3), ..purse() };
    assert!(!store.take_call(&ownership, full, at(60)).await.unwrap());
    store.wait("k", Warning, at(70)).await;
    let broke = Want { calls: up_to(3), ..want() };
    assert_eq!(store.claim(&ownership, broke, at(70)).await.unwrap(), Claim::MonthUsedUp, "a send pays from it too");
    assert!(store.take_call(&ownership, Purse { month: month_of("2026-12"), ..small() }, at(60)).await.unwrap());
}

async fn a_query_that_was_not_counted_is_given_back_to_the_month_that_paid(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let (_, message) = send(&store, &ownership, at(60)).await;
    assert!(store.take_call(&ownership, purse(), at(60)).await.unwrap());
    let throttled = Learned { give_back: Some(purse()), then: Then::At(at(120)), ..learned(&message, &[]) };
    store.save_receipts(&ownership, throttled, at(60)).await.unwrap();
    assert_eq!(store.calls_in("2026-11").await, 1, "the send's");
}

async fn law_4_a_stale_epoch_can_take_and_save_nothing(store: Fresh) {
    let stale = store.owned_by("one").await;
    let (delivery, message) = send(&store, &stale, at(60)).await;
    let current = store.owned_by("two").await;
    let another = store.own(&name("another"), "two", std::time::Duration::ZERO, at(1)).await.unwrap().unwrap();
    let before = store.delivery(&delivery).await.unwrap();

    assert!(is_stale(store.take_call(&stale, purse(), at(60)).await));
    assert!(is_stale(store.save_receipts(&stale, learned(&message, &["li"]), at(60)).await));
    assert!(
        is_stale(store.save_receipts(&another, learned(&message, &["li"]), at(60)).await),
        "nor another app's owner"
    );

    assert_eq!(store.delivery(&delivery).await.unwrap(), before);
    assert_eq!(store.calls_in("2026-11").await, 1);
    store.save_receipts(&current, learned(&message, &["li"]), at(60)).await.unwrap();
}

async fn what_was_forgotten_meanwhile_needs_nothing(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let (_, message) = send(&store, &ownership, at(60)).await;
    store.forget(at(1_000), 10).await.unwrap();
    assert_eq!(store.receipts_due(&name("ops")).await.unwrap(), None);
    store.save_receipts(&ownership, learned(&message, &["li"]), at(60)).await.unwrap();
}

async fn what_is_to_be_asked_outlives_a_new_owner(store: Fresh) {
    let one = store.owned_by("one").await;
    let (delivery, message) = send(&store, &one, at(60)).await;
    let two = store.owned_by("two").await;
    assert_eq!(store.receipts_due(&name("ops")).await.unwrap().unwrap().message, message);
    store.save_receipts(&two, learned(&message, &["li"]), at(60)).await.unwrap();
    assert_eq!(stands(&store, &delivery).await.1, Some(1));
}

/// Sends one message at 1 s whose readers are to be asked for at `ask_at`.
pub(crate) async fn send(store: &Fresh, ownership: &Ownership, ask_at: Timestamp) -> (DeliveryId, MessageId) {
    let delivery = store.wait("k", Warning, at(0)).await;
    let claimed = store.next(ownership, at(1)).await.unwrap();
    let finish = Finish { ask_receipts_at: Some(ask_at), ..sent(&claimed) };
    store.finish(ownership, finish, at(1)).await.unwrap();
    (delivery, claimed.message)
}

/// The last answer of all: these have read it.
pub(crate) fn learned(message: &MessageId, readers: &[&str]) -> Learned {
    Learned {
        message: message.clone(),
        send_status: Some("SUCCESS".into()),
        readers: readers.iter().map(|id| (*id).to_owned()).collect(),
        then: Then::Never,
        give_back: None,
    }
}

pub(crate) fn purse() -> Purse {
    Purse {
        call: Call::Query,
        organisation: name("main"),
        month: month_of("2026-11"),
        calls_per_month: None,
        share: Some(500),
    }
}

/// What the outside sees: the status, and how many have read it.
pub(crate) async fn stands(store: &Fresh, delivery: &DeliveryId) -> (Option<String>, Option<u64>) {
    let Message { send_status, readers, .. } = store.shown(delivery).await.message.unwrap();
    (send_status, readers)
}
