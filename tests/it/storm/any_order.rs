//! Whatever comes in whatever order, through throttles, refusals, doubt, crashes and restarts: every delivery ends
//! delivered, or dead with a reason; no minute holds more than it may; no group of alerts overtakes itself; and what a
//! digest says it tells of is exactly what it carries.

use std::collections::BTreeMap;

use dingtalk_relay::simulator::faults::{Answer, Api};
use proptest::prelude::*;
use serde_json::Value;

use crate::harness::Bench;
use crate::storm::{BEGIN, HOUR, MINUTE, SECOND, group, sends, simulated};

#[derive(Debug, Clone)]
enum Step {
    /// So many webhooks at once, of so many alerts each, for groups of alerts from this one on.
    Arrive { webhooks: usize, alerts: usize, from: usize, severity: &'static str },
    /// The next so many sends find this.
    Breaks(u32, Answer),
    /// So many seconds pass.
    Passes(u32),
    /// The process is killed and starts again.
    Crashes,
    /// It stops and starts again.
    Restarts,
}

/// How many groups of alerts there are.
const KEYS: usize = 12;

fn step() -> impl Strategy<Value = Step> {
    let severity = prop::sample::select(vec!["critical", "warning", "warning", "info"]);
    let arrive = (1..30usize, 1..25usize, 0..KEYS, severity);
    prop_oneof![
        4 => arrive.prop_map(|(webhooks, alerts, from, severity)| Step::Arrive { webhooks, alerts, from, severity }),
        3 => (1..5u32, prop::sample::select(broken())).prop_map(|(times, answer)| Step::Breaks(times, answer)),
        4 => (1..200u32).prop_map(Step::Passes),
        1 => Just(Step::Crashes),
        1 => Just(Step::Restarts),
    ]
}

fn broken() -> Vec<Answer> {
    vec![
        Answer::code(400, "send.too.fast"),
        Answer::code(403, "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"),
        Answer::code(400, "invalidParameter.msgParam.invalid"),
        Answer::code(400, "invalidParameter.msg.tooLong"),
        Answer::code(500, "system.error"),
        Answer::Html { status: 502 },
        Answer::ResetBefore,
        Answer::ResetAfter,
    ]
}

/// What was accepted, in its order: of which group of alerts, with how many of them.
type Accepted = Vec<(String, usize, usize)>;

async fn run(steps: Vec<Step>) {
    let mut bench = Bench::new(BEGIN, simulated).await;
    let mut accepted = Accepted::new();
    for step in steps {
        match step {
            Step::Arrive { webhooks, alerts, from, severity } => {
                for n in 0..webhooks {
                    arrive(&bench, &mut accepted, (from + n) % KEYS, alerts, severity).await;
                }
            }
            Step::Breaks(times, answer) => bench.simulator.fault(Api::Send, times, answer),
            Step::Passes(seconds) => bench.work_for(seconds * SECOND).await,
            Step::Crashes => bench = bench.crash().await,
            Step::Restarts => bench = bench.restart().await,
        }
    }
    bench.work_for(48 * HOUR).await;
    check(&bench, &accepted).await;
}

/// No twins and no repeats: its alerts are new ones.
async fn arrive(bench: &Bench, accepted: &mut Accepted, key: usize, alerts: usize, severity: &str) {
    let names: Vec<_> = (0..alerts).map(|n| format!("node-{}-{n}", accepted.len())).collect();
    let stands: Vec<_> = names.iter().map(|name| (name.as_str(), "firing", severity)).collect();
    let kept = bench.accept("team", &group(&format!("Group{key}"), &stands)).await;
    accepted.push((kept.deliveries[0].0.to_string(), key, alerts));
}

async fn check(bench: &Bench, accepted: &Accepted) {
    let deliveries = bench.deliveries().await;
    assert_eq!(deliveries.len(), accepted.len());
    let by_id: BTreeMap<_, _> = deliveries.iter().map(|it| (it["id"].as_str().unwrap(), it)).collect();
    for delivery in &deliveries {
        match delivery["state"].as_str().unwrap() {
            "delivered" => {}
            "dead" => assert!(delivery["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{delivery}"),
            _ => panic!("it waits still: {delivery}"),
        }
    }
    let times: Vec<_> = sends(bench).iter().map(|call| call.at).collect();
    let within = |from| times.iter().filter(|at| **at >= from && **at < from + MINUTE).count();
    assert!(times.iter().all(|from| within(*from) <= 20), "law 6: {times:?}");
    in_order(bench, accepted, &by_id);
    counted(bench, accepted, &by_id);
}

/// The message that brought a delivery.
fn brought_by(delivery: &Value) -> Option<&str> {
    delivery["message"]["process_query_key"].as_str().filter(|_| delivery["state"] == "delivered")
}

fn in_order(bench: &Bench, accepted: &Accepted, by_id: &BTreeMap<&str, &Value>) {
    let messages = bench.simulator.messages();
    let mut last = [0; KEYS];
    for (id, key, _) in accepted {
        let Some(message) = brought_by(by_id[id.as_str()]) else { continue };
        let place = messages.iter().position(|it| it.process_query_key == message).unwrap();
        assert!(last[*key] <= place, "group {key} overtakes itself");
        last[*key] = place;
    }
}

/// The headline of every digest counts what the digest carries.
fn counted(bench: &Bench, accepted: &Accepted, by_id: &BTreeMap<&str, &Value>) {
    for message in bench.simulator.messages() {
        let carried = accepted.iter().filter(|it| brought_by(by_id[it.0.as_str()]) == Some(&message.process_query_key));
        let alerts: Vec<_> = carried.map(|(_, _, alerts)| *alerts).collect();
        let Some(text) = message.msg_param.get("text").and_then(Value::as_str).filter(|_| alerts.len() > 1) else {
            continue;
        };
        let headline = text.lines().next().unwrap();
        let words: Vec<_> = headline.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let is_count = |pair: &&[&str]| ["critical", "warning", "info"].contains(&pair[1]);
        let told: usize = words.windows(2).filter(is_count).map(|pair| pair[0].parse::<usize>().unwrap()).sum();
        assert_eq!(told, alerts.iter().sum::<usize>(), "{headline}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn every_delivery_ends_and_every_digest_counts_what_it_carries(steps in prop::collection::vec(step(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
