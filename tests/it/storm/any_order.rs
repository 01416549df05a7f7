//! Whatever comes in whatever order, whatever is configured, through throttles, refusals, doubt, crashes, restarts and
//! pauses: every delivery ends delivered, or dead with a reason; no minute holds more than it may, and no month; no
//! group of alerts overtakes itself; what a digest says it tells of is exactly what it carries; and what a person sends
//! by hand is in none.

use std::collections::{BTreeMap, BTreeSet};

use dingtalk_relay::model::month::Month;
use dingtalk_relay::simulator::faults::{Answer, Api};
use proptest::prelude::*;
use serde_json::Value;

use crate::harness::Bench;
use crate::storm::{BEGIN, HOUR, MINUTE, SECOND, group, sends, simulated};

#[derive(Debug, Clone)]
enum Step {
    /// So many webhooks at once, for groups of alerts from this one on.
    Arrive {
        webhooks: usize,
        from: usize,
        says: Says,
    },
    /// A person sends so many messages by hand.
    Writes(usize),
    /// The next so many sends find this.
    Breaks(u32, Answer),
    /// So many seconds pass.
    Passes(u32),
    /// The process is killed and starts again; the other time while a send waits for its answer.
    Crashes,
    CrashesInASend,
    /// It stops and starts again.
    Restarts,
    /// The lane rests for so many minutes.
    Pauses(u32),
}

/// What one webhook says of its group: of the alerts that fire there so many are over, and so many are new.
#[derive(Debug, Clone, Copy)]
struct Says {
    new: usize,
    over: usize,
    severity: &'static str,
}

/// How many groups of alerts there are.
const KEYS: usize = 12;
/// What a month has, where it has little: it begins anew after nine of the bench's days.
const LITTLE: usize = 60;

fn step() -> impl Strategy<Value = Step> {
    let severity = prop::sample::select(vec!["critical", "warning", "warning", "info"]);
    let says = (0..25usize, 0..9usize, severity).prop_map(|(new, over, severity)| Says { new, over, severity });
    let arrive = (1..30usize, 0..KEYS, says);
    prop_oneof![
        5 => arrive.prop_map(|(webhooks, from, says)| Step::Arrive { webhooks, from, says }),
        1 => (1..4usize).prop_map(Step::Writes),
        3 => (1..5u32, prop::sample::select(broken())).prop_map(|(times, answer)| Step::Breaks(times, answer)),
        4 => (1..200u32).prop_map(Step::Passes),
        1 => Just(Step::Crashes),
        1 => Just(Step::CrashesInASend),
        1 => Just(Step::Restarts),
        1 => (1..60u32).prop_map(Step::Pauses),
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

/// What a receiver may say of digests, and how much the month has.
fn settings() -> impl Strategy<Value = String> {
    let digest = prop::sample::select(vec!["auto", "auto", "always", "never"]);
    let unchanged = prop::sample::select(vec!["fold", "show", "drop"]);
    let resolved = prop::sample::select(vec!["always", "merged"]);
    (digest, unchanged, resolved, prop::bool::weighted(0.3)).prop_map(|(digest, unchanged, resolved, little)| {
        let calls = if little { LITTLE } else { 0 };
        format!(
            "receivers: {{ team: {{ digest: {digest}, unchanged: {unchanged}, send_resolved: {resolved} }} }}\n\
             organisations: {{ default: {{ calls_per_month: {calls} }} }}\n"
        )
    })
}

/// A delivery as it was accepted.
struct Accepted {
    id: String,
    key: usize,
    /// The alerts it speaks of.
    alerts: Vec<String>,
}

/// What was accepted, in its order, and what fires in each group of alerts.
#[derive(Default)]
struct Town {
    accepted: Vec<Accepted>,
    fires: [Vec<(String, &'static str)>; KEYS],
    /// How many messages a person has sent by hand.
    written: usize,
}

async fn run(settings: String, steps: Vec<Step>) {
    let mut bench = Bench::with(&settings, BEGIN, simulated).await;
    let mut town = Town::default();
    for step in steps {
        match step {
            Step::Arrive { webhooks, from, says } => {
                for n in 0..webhooks {
                    town.arrive(&bench, (from + n) % KEYS, says).await;
                }
            }
            Step::Writes(messages) => {
                for _ in 0..messages {
                    bench.write("team", "Hold on", "We know.").await;
                }
                town.written += messages;
            }
            Step::Breaks(times, answer) => bench.simulator.fault(Api::Send, times, answer),
            Step::Passes(seconds) => bench.work_for(seconds * SECOND).await,
            Step::Crashes => bench = bench.crash().await,
            Step::CrashesInASend => bench = bench.crash_in_the_next_send("team").await,
            Step::Restarts => bench = bench.restart().await,
            Step::Pauses(minutes) => {
                bench.operator().pause("team", minutes * MINUTE, bench.clock.now()).await.unwrap();
            }
        }
    }
    // Where the month has little, what is left may have to wait for the next one, and for the one after.
    bench.work_for(24 * HOUR * 80).await;
    town.check(&bench).await;
}

impl Town {
    /// Some of what fires in the group is over, and some fires that did not; the rest stands as it stood.
    async fn arrive(&mut self, bench: &Bench, key: usize, says: Says) {
        let fires = &mut self.fires[key];
        let over: Vec<_> = fires.drain(..says.over.min(fires.len())).collect();
        let count = self.accepted.len();
        fires.extend((0..says.new).map(|n| (format!("node-{count}-{n}"), says.severity)));
        let stands: Vec<_> = (over.iter().map(|(name, severity)| (name.as_str(), "resolved", *severity)))
            .chain(fires.iter().map(|(name, severity)| (name.as_str(), "firing", *severity)))
            .collect();
        if stands.is_empty() {
            return;
        }
        let kept = bench.accept("team", &group(&format!("Group{key}"), &stands)).await;
        // A twin brings nothing.
        let id = kept.deliveries[0].0.to_string();
        if self.accepted.iter().all(|accepted| accepted.id != id) {
            let alerts = stands.iter().map(|(name, ..)| (*name).to_owned()).collect();
            self.accepted.push(Accepted { id, key, alerts });
        }
    }

    async fn check(&self, bench: &Bench) {
        let deliveries = bench.deliveries().await;
        assert_eq!(deliveries.len(), self.accepted.len() + self.written);
        let written: Vec<_> = deliveries.iter().filter(|it| it["source"] == "_send").collect();
        assert!(written.iter().all(|it| it["message"]["deliveries"] == 1), "each by itself: {written:?}");
        assert_eq!(written.len(), self.written);
        let by_id: BTreeMap<_, _> = deliveries.iter().map(|it| (it["id"].as_str().unwrap(), it)).collect();
        for delivery in &deliveries {
            let has_reason = delivery["reason"].as_str().is_some_and(|reason| !reason.is_empty());
            match delivery["state"].as_str().unwrap() {
                "delivered" => assert!(brought_by(delivery).is_some() || has_reason, "it was dropped: {delivery}"),
                "dead" => assert!(has_reason, "{delivery}"),
                _ => panic!("it waits still: {delivery}"),
            }
        }
        within_limits(bench);
        self.in_order(bench, &by_id);
        self.counted(bench, &by_id);
    }

    fn in_order(&self, bench: &Bench, by_id: &BTreeMap<&str, &Value>) {
        let messages = bench.simulator.messages();
        let mut last = [0; KEYS];
        for Accepted { id, key, .. } in &self.accepted {
            let Some(message) = brought_by(by_id[id.as_str()]) else { continue };
            let place = messages.iter().position(|it| it.process_query_key == message).unwrap();
            assert!(last[*key] <= place, "group {key} overtakes itself");
            last[*key] = place;
        }
    }

    /// The headline of every digest counts the alerts that the digest carries, each of them once.
    fn counted(&self, bench: &Bench, by_id: &BTreeMap<&str, &Value>) {
        for message in bench.simulator.messages() {
            let key = Some(message.process_query_key.as_str());
            let carried: Vec<_> =
                self.accepted.iter().filter(|accepted| brought_by(by_id[accepted.id.as_str()]) == key).collect();
            let Some(text) = message.msg_param.get("text").and_then(Value::as_str).filter(|_| carried.len() > 1) else {
                continue;
            };
            let alerts: BTreeSet<_> =
                carried.iter().flat_map(|it| it.alerts.iter().map(|name| (it.key, name))).collect();
            let headline = text.lines().next().unwrap();
            assert_eq!(told(headline), alerts.len(), "{headline}");
        }
    }
}

/// The message that brought a delivery.
fn brought_by(delivery: &Value) -> Option<&str> {
    delivery["message"]["process_query_key"].as_str().filter(|_| delivery["state"] == "delivered")
}

/// No minute holds more than the group takes, and no month more than it has.
fn within_limits(bench: &Bench) {
    let times: Vec<_> = sends(bench).iter().map(|call| call.at).collect();
    let within = |from| times.iter().filter(|at| **at >= from && **at < from + MINUTE).count();
    assert!(times.iter().all(|from| within(*from) <= 20), "law 6: {times:?}");
    let Some(budget) = bench.gate("team").budget() else { return };
    let mut months: BTreeMap<String, u64> = BTreeMap::new();
    for message in bench.simulator.messages() {
        *months.entry(Month::of(message.at).to_string()).or_default() += 1;
    }
    assert!(months.values().all(|calls| *calls <= budget.calls().critical), "{months:?}");
}

/// How many alerts a headline tells of: `2 critical, 7 warning, 1 resolved`, `1 new · 2 resolved · 47 still firing`. What
/// stands in brackets says more of the same.
fn told(headline: &str) -> usize {
    let mut plain = String::new();
    let mut depth = 0;
    for c in headline.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth == 0 && c != ')' {
            plain.push(c);
        }
    }
    let words: Vec<_> = plain.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let kinds = ["critical", "warning", "info", "resolved", "new", "still"];
    words.windows(2).filter(|pair| kinds.contains(&pair[1])).filter_map(|pair| pair[0].parse::<usize>().ok()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_delivery_ends_and_every_digest_counts_what_it_carries(
        settings in settings(), steps in prop::collection::vec(step(), 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(settings, steps));
    }
}
