//! DingTalk on its bad days: every documented code, every odd answer, limits, an hour without it. Nothing may be lost,
//! nobody hammered, and everything explained.
//!
//! What the codes are stands in `facts`, apart from the table the relay has: the two are compared. No test here takes
//! the time it tells of: lanes are stepped with a clock that the simulator reads too.

mod codes;
mod doubts;
mod facts;
mod hints;
mod hour;
mod odd;
mod overtaken;
mod probes;
mod storm;
mod throttled;

use std::sync::Arc;
use std::time::Duration;

use dingtalk_relay::simulator::Options;
use dingtalk_relay::simulator::calls::Call;
use dingtalk_relay::simulator::faults::Api;
use jiff::Timestamp;
use serde_json::Value;

use crate::harness::{Bench, Hands};

/// Long before any month ends.
const BEGIN: &str = "2026-11-10T12:00:00Z";
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// "Always", for a fault.
const EVERY_CALL: u32 = u32::MAX;

/// An app that has nothing to do with the one in trouble, with a group of its own.
const SPARE: &str = "
apps: { spare: { base_url: SIMULATOR, app_key: ding-spare, app_secret: s } }
receivers: { spare: { app: spare, open_conversation_id: cid-spare== } }
";

fn begin() -> Timestamp {
    BEGIN.parse().unwrap()
}

fn simulated(clock: Hands) -> Options {
    Options { clock: Arc::new(move || clock.now()), ..Options::default() }
}

/// The calls of an API, in order.
fn calls(bench: &Bench, api: Api) -> Vec<Call> {
    bench.simulator.calls().into_iter().filter(|call| call.api == Some(api)).collect()
}

/// The sends into one group, in seconds since the first of them.
fn seconds(bench: &Bench, group: &str) -> Vec<i64> {
    let sends = calls(bench, Api::Send);
    let times: Vec<_> =
        sends.iter().filter(|call| call.open_conversation_id.as_deref() == Some(group)).map(|call| call.at).collect();
    times.iter().map(|at| rounded(at.duration_since(times[0]).as_secs_f64())).collect()
}

/// Calls take real milliseconds, which the bench's time contains.
fn rounded(seconds: f64) -> i64 {
    (seconds - 0.4).ceil() as i64
}

/// The waits between them.
fn gaps(times: &[i64]) -> Vec<i64> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// How an app stands, as the API says it.
async fn app(bench: &Bench, name: &str) -> Value {
    let apps = bench.look("/api/v1/apps").await;
    apps["apps"].as_array().unwrap().iter().find(|app| app["app"] == name).unwrap().clone()
}

/// One delivery with its attempts.
async fn record(bench: &Bench, delivery: &Value) -> Value {
    bench.look(&format!("/api/v1/deliveries/{}", delivery["id"].as_str().unwrap())).await
}

/// The state of each of these lanes.
async fn states(bench: &Bench, lanes: &[&str]) -> Vec<String> {
    let list = bench.look("/api/v1/lanes").await;
    let state = |name: &&str| list["lanes"].as_array().unwrap().iter().find(|lane| lane["receiver"] == *name).unwrap();
    lanes.iter().map(|name| state(name)["state"].as_str().unwrap().to_owned()).collect()
}

/// The one delivery of a receiver.
async fn only(bench: &Bench, receiver: &str) -> Value {
    let list = bench.deliveries().await;
    let mut of_it = list.into_iter().filter(|delivery| delivery["receiver"] == receiver);
    let one = of_it.next().unwrap();
    assert!(of_it.next().is_none(), "{receiver} has one delivery");
    one
}
