//! Messages by themselves: one shown whole, its readers, asking out of turn, and taking it back.

use dingtalk_relay::model::call::Call;
use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity::Warning;
use dingtalk_relay::model::name::MessageId;
use dingtalk_relay::model::record::Asking;
use dingtalk_relay::store::receipts::{Learned, Purse, TakenBack, Then};
use dingtalk_relay::store::{Claim, Finish, Want};

use crate::store::receipts::{learned, purse, send, stands};
use crate::store::{Fresh, at, channel, is_stale, name, put_back, sent, up_to, want};

on_every_store!(
    a_message_is_shown_with_what_it_carried_and_every_try,
    a_message_that_failed_is_shown_too,
    no_message_has_an_unknown_id,
    readers_come_in_the_order_in_which_we_learned_of_them,
    what_was_learned_out_of_turn_leaves_the_plan_as_it_was,
    what_was_taken_back_says_so_and_its_delivery_stays_delivered,
    an_answer_that_was_on_its_way_does_not_bring_back_what_was_taken_back,
    a_recall_pays_from_the_month_but_not_from_the_share_of_receipts,
    a_recall_that_was_not_counted_is_given_back,
    law_4_a_stale_epoch_can_take_nothing_back,
    a_message_that_was_forgotten_meanwhile_hinders_no_recall,
);

async fn a_message_is_shown_with_what_it_carried_and_every_try(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let (delivery, message) = send(&store, &ownership, at(60)).await;

    let record = store.message(&message).await.unwrap().unwrap();

    let shown = store.delivery(&delivery).await.unwrap().unwrap();
    assert_eq!(Some(&record.message), shown.delivery.message.as_ref());
    assert_eq!((record.app.as_str(), &record.channel, record.called_at), ("ops", &channel(), at(1)));
    assert_eq!(record.attempt_log, shown.attempt_log);
    assert_eq!(record.receipts, Asking { asked_at: None, next_at: Some(at(60)), complete: false });
    let carried = &record.carried[0];
    assert_eq!((&carried.id, &carried.event, carried.state), (&delivery, &shown.delivery.event, State::Delivered));
    assert_eq!((carried.receiver.as_str(), carried.title.as_str()), ("oncall", "to oncall"));
    assert_eq!(carried.content, shown.content, "all that it says");
}

async fn a_message_that_failed_is_shown_too(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.wait("k", Warning, at(0)).await;
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    let under_way = store.message(&claimed.message).await.unwrap().unwrap();
    assert_eq!((under_way.message.process_query_key, under_way.carried[0].state), (None, State::Sending));

    store.finish(&ownership, put_back(&claimed, at(9), true), at(1)).await.unwrap();

    let record = store.message(&claimed.message).await.unwrap().unwrap();
    assert_eq!((record.message.process_query_key, record.carried[0].state), (None, State::Queued));
    assert_eq!(record.attempt_log[0].code.as_deref(), Some("code"));
}

async fn no_message_has_an_unknown_id(store: Fresh) {
    let unknown = MessageId("nobody".into());
    assert_eq!(store.message(&unknown).await.unwrap(), None);
    assert_eq!(store.readers(&unknown).await.unwrap(), []);
}

async fn readers_come_in_the_order_in_which_we_learned_of_them(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let (_, message) = send(&store, &ownership, at(60)).await;
    let first = Learned { then: Then::At(at(600)), ..learned(&message, &["zhang", "li"]) };
    store.save_receipts(&ownership, first, at(60)).await.unwrap();
    store.save_receipts(&ownership, learned(&message, &["li", "chen"]), at(600)).await.unwrap();

    let readers = store.readers(&message).await.unwrap();

    let readers: Vec<_> = readers.iter().map(|reader| (reader.user_id.as_str(), reader.seen_at)).collect();
    assert_eq!(readers, [("li", at(60)), ("zhang", at(60)), ("chen", at(600))]);
    let record = store.message(&message).await.unwrap().unwrap();
    assert_eq!(record.receipts, Asking { asked_at: Some(at(600)), next_at: None, complete: true });
}

async fn what_was_learned_out_of_turn_leaves_the_plan_as_it_was(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let (delivery, planned) = send(&store, &ownership, at(60)).await;
    let meanwhile = |message| Learned { then: Then::AsPlanned, ..learned(message, &["li"]) };
    store.save_receipts(&ownership, meanwhile(&planned), at(30)).await.unwrap();
    let receipts = store.message(&planned).await.unwrap().unwrap().receipts;
    assert_eq!(receipts, Asking { asked_at: Some(at(30)), next_at: Some(at(60)), complete: false });
    assert_eq!(stands(&store, &delivery).await, (Some("SUCCESS".into()), Some(1)));

    store.save_receipts(&ownership, learned(&planned, &[]), at(60)).await.unwrap();
    store.save_receipts(&ownership, meanwhile(&planned), at(90)).await.unwrap();
    let receipts = store.message(&planned).await.unwrap().unwrap().receipts;
    assert_eq!(receipts, Asking { asked_at: Some(at(90)), next_at: None, complete: true }, "complete stays complete");

    store.wait("another", Warning, at(2)).await;
    let claimed = store.next(&ownership, at(2)).await.unwrap();
    store.finish(&ownership, sent(&claimed), at(2)).await.unwrap();
    store.save_receipts(&ownership, meanwhile(&claimed.message), at(30)).await.unwrap();
    let receipts = store.message(&claimed.message).await.unwrap().unwrap().receipts;
    assert_eq!(receipts, Asking { asked_at: Some(at(30)), next_at: None, complete: false }, "nothing was planned");
    assert_eq!(store.receipts_due(&name("ops")).await.unwrap(), None);
}

async fn what_was_taken_back_says_so_and_its_delivery_stays_delivered(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let (delivery, message) = send(&store, &ownership, at(60)).await;
    let (other, _) = send(&store, &ownership, at(60)).await;

    store.save_recall(&ownership, taken_back(&[&message])).await.unwrap();

    assert_eq!(stands(&store, &delivery).await, (Some("RECALLED".into()), None));
    assert_eq!(store.shown(&delivery).await.state, State::Delivered);
    assert_eq!(stands(&store, &other).await, (None, None), "the other one is where it was");
}

async fn an_answer_that_was_on_its_way_does_not_bring_back_what_was_taken_back(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let (delivery, message) = send(&store, &ownership, at(60)).await;
    store.save_recall(&ownership, taken_back(&[&message])).await.unwrap();

    store.save_receipts(&ownership, learned(&message, &["li"]), at(60)).await.unwrap();

    assert_eq!(stands(&store, &delivery).await, (Some("RECALLED".into()), Some(1)));
}

async fn a_recall_pays_from_the_month_but_not_from_the_share_of_receipts(store: Fresh) {
    let ownership = store.owned_by("me").await;
    send(&store, &ownership, at(60)).await;
    let recall = || Purse { call: Call::Recall, share: None, calls_per_month: Some(4), ..purse() };
    assert!(store.take_call(&ownership, recall(), at(60)).await.unwrap());
    assert!(store.take_call(&ownership, recall(), at(60)).await.unwrap());
    let one_query = Purse { share: Some(1), ..purse() };
    assert!(store.take_call(&ownership, one_query.clone(), at(60)).await.unwrap(), "recalls are no queries");
    assert!(!store.take_call(&ownership, one_query, at(60)).await.unwrap());

    assert_eq!(store.calls_in("2026-11").await, 4);
    assert!(!store.take_call(&ownership, recall(), at(60)).await.unwrap(), "the month is used up");
    store.wait("k", Warning, at(70)).await;
    let broke = Want { calls: up_to(4), ..want() };
    assert_eq!(store.claim(&ownership, broke, at(70)).await.unwrap(), Claim::MonthUsedUp);
}

async fn a_recall_that_was_not_counted_is_given_back(store: Fresh) {
    let ownership = store.owned_by("me").await;
    send(&store, &ownership, at(60)).await;
    let recall = Purse { call: Call::Recall, share: None, ..purse() };
    assert!(store.take_call(&ownership, recall.clone(), at(60)).await.unwrap());
    assert!(store.take_call(&ownership, purse(), at(60)).await.unwrap());
    let throttled = TakenBack { messages: vec![], give_back: Some(recall) };
    store.save_recall(&ownership, throttled).await.unwrap();
    assert_eq!(store.calls_in("2026-11").await, 2, "the send's and the query's");
}

async fn law_4_a_stale_epoch_can_take_nothing_back(store: Fresh) {
    let stale = store.owned_by("one").await;
    let (delivery, message) = send(&store, &stale, at(60)).await;
    let current = store.owned_by("two").await;
    let another = store.own(&name("another"), "two", std::time::Duration::ZERO, at(1)).await.unwrap().unwrap();

    assert!(is_stale(store.save_recall(&stale, taken_back(&[&message])).await));
    assert!(is_stale(store.save_recall(&another, taken_back(&[&message])).await), "nor another app's owner");

    assert_eq!(stands(&store, &delivery).await, (None, None));
    store.save_recall(&current, taken_back(&[&message])).await.unwrap();
}

async fn a_message_that_was_forgotten_meanwhile_hinders_no_recall(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let (_, forgotten) = send(&store, &ownership, at(60)).await;
    store.forget(at(1_000), 10).await.unwrap();
    let delivery = store.wait("k", Warning, at(2_000)).await;
    let claimed = store.next(&ownership, at(2_000)).await.unwrap();
    let finish = Finish { ask_receipts_at: None, ..sent(&claimed) };
    store.finish(&ownership, finish, at(2_000)).await.unwrap();

    store.save_recall(&ownership, taken_back(&[&forgotten, &claimed.message])).await.unwrap();

    assert_eq!(stands(&store, &delivery).await.0.as_deref(), Some("RECALLED"));
}

fn taken_back(messages: &[&MessageId]) -> TakenBack {
    TakenBack { messages: messages.iter().map(|id| (*id).clone()).collect(), give_back: None }
}
