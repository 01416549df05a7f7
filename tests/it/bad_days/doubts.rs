//! When nobody knows whether a message has arrived: it is sent again and marked, or held for a human.
//!
//! The one list of such answers stands here, and beside it the answers after which there is no doubt: those are never
//! marked and never held.

use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::json;

use crate::bad_days::{BEGIN, HOUR, calls, only, record, simulated, states};
use crate::harness::{Bench, fixture_of_group};
use crate::troubled::Trouble;

const IMPATIENT: &str = "apps: { ops: { timeout: 300ms } }";
const HOLD: &str = "apps: { ops: { timeout: 300ms } }\nreceivers: { oncall: { on_unknown_outcome: hold } }";

/// Each with how often the message is shown if the call is repeated once.
fn unknown_outcomes() -> Vec<(Answer, usize)> {
    vec![
        (Answer::Hang, 1),
        (Answer::Drip, 1),
        (Answer::Half, 2),
        (Answer::ResetBefore, 1),
        (Answer::ResetAfter, 2),
        (Answer::EmptyOk, 1),
        (Answer::Html { status: 502 }, 1),
        (Answer::code(500, "system.error"), 1),
        (Answer::code(500, "send.ding.exception"), 1),
        (Answer::code(500, "unknownError"), 1),
        (Answer::code(503, "brand.new"), 1),
        (Answer::code(400, "unknown.send.result"), 1),
    ]
}

fn known_outcomes() -> Vec<Answer> {
    vec![
        Answer::code(400, "send.too.fast"),
        Answer::code(403, "Forbidden.AccessDenied.QpsLimitForApi"),
        Answer::code(400, "group.disbanded"),
        Answer::code(403, "Forbidden.AccessDenied.IpNotInWhiteList"),
        Answer::code(400, "InvalidAuthentication"),
        Answer::code(400, "brand.new"),
        Answer::Punish,
        Answer::Html { status: 200 },
        Answer::Redirect,
        Answer::Errcode404,
    ]
}

#[tokio::test]
async fn what_may_have_arrived_is_sent_again_and_marked() {
    for (answer, shown) in unknown_outcomes() {
        let mut bench = Bench::with(IMPATIENT, BEGIN, simulated).await;
        bench.simulator.fault(Api::Send, 1, answer.clone());
        bench.accept("oncall", &fixture_of_group("one-firing.json", 0)).await;
        bench.work_for(HOUR).await;

        let delivery = only(&bench, "oncall").await;
        let facts = (&delivery["state"], &delivery["attempts"], &delivery["possibly_duplicate"]);
        assert_eq!(facts, (&json!("delivered"), &json!(2), &json!(true)), "{answer:?}");
        let log = record(&bench, &delivery).await["attempt_log"].clone();
        assert_eq!((&log[0]["may_have_arrived"], &log[1]["may_have_arrived"]), (&json!(true), &json!(false)));
        assert_eq!(bench.simulator.messages().len(), shown, "{answer:?}");
    }
}

#[tokio::test]
async fn what_may_have_arrived_is_held_where_nothing_may_be_shown_twice() {
    for (answer, _) in unknown_outcomes() {
        let mut bench = Bench::with(HOLD, BEGIN, simulated).await;
        bench.simulator.fault(Api::Send, 1, answer.clone());
        bench.accept("oncall", &fixture_of_group("one-firing.json", 0)).await;
        bench.work_for(HOUR * 24).await;

        let delivery = only(&bench, "oncall").await;
        let facts = (&delivery["state"], &delivery["attempts"], &delivery["possibly_duplicate"]);
        assert_eq!(facts, (&json!("dead"), &json!(1), &json!(true)), "{answer:?}");
        let code = record(&bench, &delivery).await["attempt_log"][0]["code"].as_str().unwrap().to_owned();
        let reason = delivery["reason"].as_str().unwrap();
        assert!(reason.contains("may have arrived") && reason.contains(&code), "{answer:?}: {reason}");
        assert_eq!(calls(&bench, Api::Send).len(), 1, "{answer:?}: a dead one is not called for");

        bench.accept("oncall", &fixture_of_group("one-firing.json", 1)).await;
        bench.work_for(HOUR).await;
        let list = bench.deliveries().await;
        assert_eq!(list.last().unwrap()["state"], "delivered", "{answer:?}: the next one goes");
    }
}

#[tokio::test]
async fn what_cannot_have_arrived_is_neither_marked_nor_held() {
    for answer in known_outcomes() {
        let mut bench = Bench::with(HOLD, BEGIN, simulated).await;
        bench.simulator.fault(Api::Send, 1, answer.clone());
        bench.accept("oncall", &fixture_of_group("one-firing.json", 0)).await;
        bench.work_for(HOUR).await;

        let delivery = only(&bench, "oncall").await;
        let facts = (&delivery["state"], &delivery["possibly_duplicate"]);
        assert_eq!(facts, (&json!("delivered"), &json!(false)), "{answer:?}");
        assert_eq!(states(&bench, &["oncall"]).await, ["flowing"], "{answer:?}");
    }
}

#[tokio::test]
async fn what_a_start_or_a_takeover_holds_is_counted_as_dead() {
    let held = "
receivers:
  held: { app: ops, open_conversation_id: cid-held==, on_unknown_outcome: hold }
  seized: { app: ops, open_conversation_id: cid-seized==, on_unknown_outcome: hold }
";
    let recorder = dingtalk_relay::telemetry::metrics::handle();
    let mut bench = Bench::with(held, BEGIN, simulated).await;
    let counts = |receiver: &str| {
        let line = format!("dingtalk_relay_deliveries_total{{receiver=\"{receiver}\",state=\"dead\"}} 1\n");
        recorder.render().contains(&line)
    };
    bench.accept("held", &fixture_of_group("one-firing.json", 0)).await;
    bench = bench.crash_in_a_send("held").await;
    assert!(counts("held"), "{}", recorder.render());

    bench.accept("seized", &fixture_of_group("one-firing.json", 1)).await;
    bench.store.fail(Trouble::NoFinish);
    while bench.step("seized").await.is_ok() {}
    bench.store.fail(None);
    bench.taken_over().await;
    assert!(counts("seized"), "{}", recorder.render());
}
