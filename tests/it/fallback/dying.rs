//! A delivery that dies in its own group: the fallback gets it, unless it may have arrived or came from elsewhere.

use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::{Value, json};

use crate::fallback::{EVERY_CALL, HOUR, MINUTE, Town, states, text, to};
use crate::harness::fixture;

/// What DingTalk says of a message that it will not have in any form.
fn refused() -> Answer {
    Answer::code(400, "invalidParameter.msg.unsupport")
}

#[tokio::test]
async fn what_is_refused_in_every_form_goes_to_the_fallback_and_stays_dead() {
    let mut town = Town::new().await;
    town.bench.simulator.fault(Api::Send, EVERY_CALL, refused());
    town.alert(0).await;

    town.work_for(MINUTE).await;

    let list = town.bench.deliveries().await;
    let ([left], [heir]) = (&to(&list, "oncall")[..], &to(&list, "refuge")[..]) else { panic!("{list:#?}") };
    assert_eq!((&left["state"], &heir["state"]), (&json!("dead"), &json!("delivered")));
    assert_eq!((&left["handed_to"], &heir["fallback_of"]), (&heir["id"], &left["id"]));
    assert!(left["reason"].as_str().unwrap().contains("invalidParameter.msg.unsupport"), "{left}");
    assert_eq!(heir["reason"], Value::Null);
    let [message] = &town.refuge.messages()[..] else { panic!() };
    let note = "Meant for **oncall**, where it could not be sent: invalidParameter.msg.unsupport";
    assert!(text(message).contains(note), "{}", text(message));
}

#[tokio::test]
async fn what_was_tried_too_often_goes_to_the_fallback() {
    let mut town = Town::with("", "retry: { schedule: [1s], max_attempts: 2 }").await;
    town.bench.simulator.fault(Api::Send, 2, Answer::code(500, "system.error"));
    town.alert(0).await;

    town.work_for(MINUTE).await;

    let list = town.bench.deliveries().await;
    assert_eq!(states(&to(&list, "oncall")), [("dead".to_owned(), 1)].into());
    assert_eq!(town.refuge.messages().len(), 1);
}

#[tokio::test]
async fn what_is_held_for_a_human_is_told_nobody_else() {
    let mut town = Town::with("", "defaults: { receiver: { on_unknown_outcome: hold } }").await;
    town.bench.simulator.fault(Api::Send, 1, Answer::ResetAfter);
    town.alert(0).await;

    town.work_for(HOUR).await;

    let list = town.bench.deliveries().await;
    assert_eq!((list.len(), &list[0]["state"], &list[0]["handed_to"]), (1, &json!("dead"), &Value::Null));
    assert_eq!(town.refuge.messages().len(), 0);
}

#[tokio::test]
async fn what_dies_in_the_fallback_too_is_dead_there_and_nowhere_else_to_be_found() {
    let third = "  third: { app: ops, open_conversation_id: cid-third== }";
    let mut town = Town::with("fallback: third", third).await;
    town.bench.simulator.fault(Api::Send, EVERY_CALL, refused());
    town.refuge.fault(Api::Send, EVERY_CALL, refused());
    town.alert(0).await;

    town.work_for(HOUR).await;

    let list = town.bench.deliveries().await;
    assert_eq!(list.len(), 2, "never handed on: {list:#?}");
    assert_eq!(states(&list.iter().collect::<Vec<_>>()), [("dead".to_owned(), 2)].into());
    assert_eq!(list[1]["handed_to"], Value::Null);
    // An event that came to nothing everywhere may come again.
    let again = town.bench.accept("oncall", &fixture("one-firing.json")).await;
    assert!(!again.duplicate);
}

#[tokio::test]
async fn a_death_that_could_not_be_noted_is_noted_with_its_heir_in_one() {
    let mut town = Town::new().await;
    town.bench.simulator.fault(Api::Send, EVERY_CALL, refused());
    town.alert(0).await;
    town.bench.store.fail(crate::troubled::Trouble::NoFinish);
    while town.bench.step("oncall").await.is_ok() {}
    assert_eq!(town.bench.deliveries().await.len(), 1, "neither of the two");
    town.bench.store.fail(None);

    town.work_for(MINUTE).await;

    let list = town.bench.deliveries().await;
    assert_eq!(states(&list.iter().collect::<Vec<_>>()), [("dead".to_owned(), 1), ("delivered".to_owned(), 1)].into());
}
