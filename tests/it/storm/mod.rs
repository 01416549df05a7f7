//! Storms: more alerts than a group takes, and what of them gathers, goes alone, goes first, or is not told at all.

mod acknowledged;
mod all;
mod any_order;
mod by_hand;
mod company;
mod flood;
mod full;
mod held;
mod in_turn;
mod late;
mod moments;
mod paced;
mod repeated;
mod resolved;
mod spoilt;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use dingtalk_relay::config::digest::{Digest, Mode};
use dingtalk_relay::model::content::Unchanged;
use dingtalk_relay::simulator::Options;
use dingtalk_relay::simulator::calls::Call;
use dingtalk_relay::simulator::faults::Api;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Bench, Hands};

/// Long before any month ends.
const BEGIN: &str = "2026-11-21T12:00:00Z";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// How one alert stands: its name, its status, its severity.
type Stands<'a> = (&'a str, &'a str, &'a str);

/// A DingTalk in the bench's time, with its limits.
fn simulated(clock: Hands) -> Options {
    Options { clock: Arc::new(move || clock.now()), ..Options::default() }
}

/// Each delivery by itself, for what is not about digests.
pub(crate) fn one_by_one() -> Digest {
    let [window, max_wait, stale_after] = [10, 900, 1800].map(Duration::from_secs);
    Digest { mode: Mode::Never, window, max_items: 15, max_wait, stale_after, unchanged: Unchanged::Show }
}

/// An Alertmanager body of one group whose alerts stand so.
fn group(key: &str, alerts: &[Stands<'_>]) -> Vec<u8> {
    let alerts: Vec<Value> = alerts.iter().map(|(name, status, severity)| alert(key, name, status, severity)).collect();
    let is_over = alerts.iter().all(|alert| alert["status"] == "resolved");
    let body = json!({
        "version": "4",
        "groupKey": format!("{{}}:{{alertname=\"{key}\"}}"),
        "truncatedAlerts": 0,
        "status": if is_over { "resolved" } else { "firing" },
        "receiver": "dingtalk",
        "groupLabels": { "alertname": key },
        "commonLabels": { "alertname": key },
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": alerts,
    });
    body.to_string().into_bytes()
}

fn alert(key: &str, name: &str, status: &str, severity: &str) -> Value {
    let ends_at = if status == "resolved" { "2026-11-21T11:59:00Z" } else { "0001-01-01T00:00:00Z" };
    json!({
        "status": status,
        "labels": { "alertname": key, "instance": name, "severity": severity },
        "annotations": { "summary": format!("{key} on {name}") },
        "startsAt": "2026-11-21T11:30:00Z",
        "endsAt": ends_at,
        "generatorURL": "",
        "fingerprint": format!("{key}/{name}"),
    })
}

/// A group of one alert.
pub(crate) fn firing(key: &str, severity: &str) -> Vec<u8> {
    group(key, &[("node-1", "firing", severity)])
}

fn resolved(key: &str, severity: &str) -> Vec<u8> {
    group(key, &[("node-1", "resolved", severity)])
}

/// What a group has received: when, in seconds since the bench's time began, and what.
fn received(bench: &Bench, conversation: &str) -> Vec<(f64, String)> {
    let begin: Timestamp = BEGIN.parse().unwrap();
    let messages = bench.simulator.messages();
    let ours = messages.iter().filter(|message| message.open_conversation_id == conversation);
    let said = |name: &str, fields: &serde_json::Map<String, Value>| fields[name].as_str().unwrap().to_owned();
    ours.map(|message| {
        let text = format!("{}\n{}", said("title", &message.msg_param), said("text", &message.msg_param));
        (message.at.duration_since(begin).as_secs_f64(), text)
    })
    .collect()
}

/// When each message came, to a tenth of a second.
fn moments(bench: &Bench, conversation: &str) -> Vec<f64> {
    received(bench, conversation).iter().map(|(at, _)| (at * 10.0).round() / 10.0).collect()
}

/// How many deliveries each message carried, in the order of the messages.
async fn carried(bench: &Bench) -> Vec<u64> {
    let deliveries = bench.deliveries().await;
    let messages = bench.simulator.messages();
    let of = |key: &str| {
        let carries = |delivery: &&Value| delivery["message"]["process_query_key"] == key;
        let found: Vec<_> = deliveries.iter().filter(carries).collect();
        assert!(found.iter().all(|delivery| delivery["message"]["deliveries"] == found.len()), "{found:?}");
        found.len() as u64
    };
    messages.iter().map(|message| of(&message.process_query_key)).collect()
}

/// Everything that was accepted was delivered, nothing was turned away, and no minute held more than it may.
async fn all_is_well(bench: &Bench) {
    let deliveries = bench.deliveries().await;
    let others: Vec<_> = deliveries.iter().filter(|delivery| delivery["state"] != "delivered").collect();
    assert!(others.is_empty(), "{others:?}");
    let failed: Vec<_> = sends(bench).into_iter().filter(|call| call.status != Some(200)).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let times: Vec<_> = sends(bench).iter().map(|call| call.at).collect();
    let within = |from: &Timestamp| times.iter().filter(|at| *at >= from && **at < *from + MINUTE).count();
    assert!(times.iter().all(|from| within(from) <= 20), "law 6: {times:?}");
}

fn sends(bench: &Bench) -> Vec<Call> {
    bench.simulator.calls().into_iter().filter(|call| call.api == Some(Api::Send)).collect()
}

/// How long a delivery took from its acceptance to its group, in seconds.
fn took(delivery: &Value) -> f64 {
    let at =
        |field: &str| delivery[field].as_str().unwrap_or_else(|| panic!("{field}: {delivery}")).parse::<Timestamp>();
    at("delivered_at").unwrap().duration_since(at("created_at").unwrap()).as_secs_f64()
}
