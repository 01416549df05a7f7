//! A month of few calls and many deliveries: never a call beyond the month, whatever happens to the process; nothing
//! lost; and in order when the month turns, or when somebody allows more calls.
//!
//! The simulator counts too, and has the same limit: it turns nothing away because it never has to. No test here takes
//! the time it tells of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dingtalk_relay::dispatch::lane::Step;
use dingtalk_relay::model::call::Call;
use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::message::Target;
use dingtalk_relay::model::month::Month;
use dingtalk_relay::simulator::Options;
use dingtalk_relay::simulator::faults::Api;
use dingtalk_relay::simulator::limits::Limits;
use dingtalk_relay::store::Store;
use dingtalk_relay::store::action::Selection;
use serde_json::{Value, json};

use crate::harness::{Bench, Hands, fixture_of_group};
use crate::troubled::Trouble;

const BEGIN: &str = "2026-11-21T12:00:00Z";
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const CALLS: u64 = 100;
const DELIVERIES: usize = 1_000;
const SMALL: &str = "
organisations: { default: { calls_per_month: 100, critical_reserve: 0%, receipt_calls_per_month: 15 } }
receivers:
  oncall: { digest: never, receipts: { enabled: true, ask_after: [1m, 1h] } }
  team: { digest: never, receipts: { enabled: true, ask_after: [1m, 1h] } }
";

fn simulated(clock: Hands) -> Options {
    let limits = Limits { calls_per_month: CALLS, ..Limits::default() };
    Options { clock: Arc::new(move || clock.now()), limits, ..Options::default() }
}

#[tokio::test]
async fn a_month_of_a_hundred_calls_takes_a_thousand_deliveries_and_crashes_without_a_call_too_many_or_a_loss() {
    let mut bench = Bench::with(SMALL, BEGIN, simulated).await;
    for n in 0..DELIVERIES {
        bench.accept(lane_of(n), &alert(n)).await;
    }

    // It is killed while calls are under way, while an answer is not noted yet, and between a unit of the month and
    // its call.
    for _ in 0..3 {
        bench = bench.crash_in_a_send("team").await;
        bench.work_for(10 * SECOND).await;
        bench = crash_with_an_answer_in_hand(bench).await;
        bench = recall_one_and_crash(bench).await;
    }
    bench.work_for(HOUR).await;
    for _ in 0..3 {
        bench = bench.crash().await;
        bench.work_for(24 * HOUR).await;
    }

    let november = Month::of(BEGIN.parse().unwrap());
    assert_eq!(Month::of(bench.clock.now()), november);
    assert_eq!(bench.store.calls(&"default".parse().unwrap(), november).await, Ok(CALLS), "the month is used up");
    assert!(calls_of(&bench, november).values().sum::<usize>() <= 100, "{:?}", calls_of(&bench, november));
    assert!(calls_of(&bench, november).len() == 3, "sends, queries and recalls: {:?}", calls_of(&bench, november));
    for receiver in ["oncall", "team"] {
        let lane = bench.lane(receiver).await;
        assert_eq!((&lane["state"], &lane["blocked"]["code"]), (&json!("blocked"), &json!("month_used_up")));
        assert!(lane["queued"].as_u64().unwrap() > 450, "{lane}");
    }
    let put_off = bench.gate("team").by_hand(Call::Recall, &mut bench.clock.now()).await.unwrap_err();
    assert!(put_off.to_string().contains("used up"), "{put_off}");

    let turn = november.end();
    bench.work(turn + 24 * HOUR).await;
    let december = Month::of(turn);
    assert_eq!(
        bench.store.calls(&"default".parse().unwrap(), december).await,
        Ok(CALLS),
        "the next one is used up too"
    );
    assert!(bench.simulator.messages().iter().filter(|message| message.at >= turn).count() >= 85);

    bench.simulator.limits(Limits { calls_per_month: 0, ..Limits::default() });
    let mut bench = bench
        .restart_with(|config| {
            config.organisations.values_mut().for_each(|default| default.calls_per_month = Some(5_000));
        })
        .await;
    bench.work_for(2 * HOUR).await;

    assert_eq!(turned_away(&bench), Vec::<String>::new(), "DingTalk never had to say anything");
    for state in [State::Queued, State::Sending, State::Dead] {
        assert_eq!(in_state(&bench, state).await, 0, "{state:?}: nothing waits, nothing is lost");
    }
    for receiver in ["oncall", "team"] {
        let mut shown = shown_in(&bench, receiver);
        shown.dedup();
        let sent: Vec<_> = (0..DELIVERIES).filter(|n| lane_of(*n) == receiver).collect();
        assert_eq!(shown, sent, "in order, and what was shown twice was shown twice in a row");
    }
}

/// DingTalk takes a message, and the process ends before that is stored.
async fn crash_with_an_answer_in_hand(mut bench: Bench) -> Bench {
    let before = bench.simulator.messages().len();
    bench.store.fail(Trouble::NoFinish);
    while let Ok(step) = bench.step("oncall").await {
        if let Step::Wait(until) = step {
            bench.clock.move_to(until);
        }
    }
    assert_eq!(bench.simulator.messages().len(), before + 1);
    bench.crash().await
}

/// Somebody takes a message back, somebody else is about to, and the process ends.
async fn recall_one_and_crash(bench: Bench) -> Bench {
    let (gate, mut now) = (bench.gate("team"), bench.clock.now());
    let message = bench.simulator.messages().remove(0);
    let robot_code = message.robot_code;
    let to = Target { robot_code, open_conversation_id: message.open_conversation_id, cool_app_code: None };
    let paid = gate.by_hand(Call::Recall, &mut now).await.unwrap();
    gate.recall(&paid, &to, &[message.process_query_key], now).await.unwrap().unwrap();
    let _paid_for_nothing = gate.by_hand(Call::Recall, &mut now).await.unwrap();
    bench.clock.move_to(now);
    drop(gate);
    bench.crash().await
}

fn lane_of(n: usize) -> &'static str {
    if n.is_multiple_of(2) { "oncall" } else { "team" }
}

/// An alert that says its number.
fn alert(n: usize) -> Vec<u8> {
    let mut body: Value = serde_json::from_slice(&fixture_of_group("one-firing.json", n)).unwrap();
    body["alerts"][0]["annotations"]["summary"] = json!(format!("number {n} of many"));
    body.to_string().into_bytes()
}

/// The numbers of the alerts that a receiver's group was shown, in order.
fn shown_in(bench: &Bench, receiver: &str) -> Vec<usize> {
    let group = format!("cid-{receiver}==");
    let messages = bench.simulator.messages();
    let messages = messages.iter().filter(|message| message.open_conversation_id == group);
    let number = |text: &str| text.split_once("number ")?.1.split_once(" of many")?.0.parse().ok();
    messages.map(|message| number(message.msg_param["text"].as_str().unwrap()).unwrap()).collect()
}

/// The calls that DingTalk counts which were made in a month, by API; refused ones and those that hung too.
fn calls_of(bench: &Bench, month: Month) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for call in bench.simulator.calls() {
        let api = call.api.filter(|api| *api != Api::Token && Month::of(call.at) == month);
        api.into_iter().for_each(|api| *calls.entry(format!("{api:?}")).or_default() += 1);
    }
    calls
}

/// What DingTalk refused.
fn turned_away(bench: &Bench) -> Vec<String> {
    bench.simulator.calls().into_iter().filter_map(|call| call.code).collect()
}

/// How many deliveries stand so.
async fn in_state(bench: &Bench, state: State) -> u64 {
    bench.store.count(&Selection { state, receivers: None, before: None }).await.unwrap()
}
