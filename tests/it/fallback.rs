//! What becomes of the messages of a group that is dead: its fallback gets them, each once, in order, and says so.
//!
//! `oncall` is reached through one app and one DingTalk, its fallback `refuge` through another app of another
//! organisation at a DingTalk of its own, so that what fails here works there. No test takes the time it tells of.

mod any_order;
mod dying;
mod kept;
mod language;
mod together;
mod waiting;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::messages::Admitted;
use dingtalk_relay::simulator::{Options, Simulator};
use serde_json::Value;
use tracing::subscriber::DefaultGuard;

use crate::harness::{Bench, Hands, fixture_of_group};

const BEGIN: &str = "2026-11-21T12:00:00Z";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// "Always", for a fault.
const EVERY_CALL: u32 = u32::MAX;

/// A bench with a group that has a fallback elsewhere.
struct Town {
    bench: Bench,
    /// The other DingTalk.
    refuge: Simulator,
}

impl Town {
    async fn new() -> Self {
        Self::with("", "").await
    }

    /// The same; `refuge` says more of the fallback, and `more` of other receivers and then of anything.
    async fn with(refuge: &str, more: &str) -> Self {
        let hands: Arc<OnceLock<Hands>> = Arc::default();
        let clock = Arc::clone(&hands);
        let clock = move || clock.get().map_or_else(|| BEGIN.parse().unwrap(), Hands::now);
        let other = Simulator::start(Options { clock: Arc::new(clock), ..Options::default() }).await.unwrap();
        let elsewhere = settings(&other, refuge, more);
        let options = |clock: Hands| {
            assert!(hands.set(clock.clone()).is_ok());
            Options { clock: Arc::new(move || clock.now()), ..Options::default() }
        };
        Self { bench: Bench::with(&elsewhere, BEGIN, options).await, refuge: other }
    }

    /// Another configuration of the fallback is taken.
    async fn reload(&mut self, refuge: &str) {
        self.bench.reload(&settings(&self.refuge, refuge, "")).await;
    }

    /// From now on the group of `oncall` takes nothing.
    fn disband(&self) {
        self.bench.simulator.fault(Api::Send, EVERY_CALL, Answer::code(400, "group.disbanded"));
    }

    /// It takes messages again; what arrived before is forgotten.
    fn mend(&self) {
        self.bench.simulator.forget();
    }

    /// An alert of this group of alerts for `oncall`.
    async fn alert(&self, group: usize) {
        self.bench.accept("oncall", &fixture_of_group("one-firing.json", group)).await;
    }

    /// An alert of its own in this group of alerts.
    async fn arrives(&self, group: usize, number: usize) {
        let mut body: Value = serde_json::from_slice(&fixture_of_group("one-firing.json", group)).unwrap();
        body["alerts"][0]["fingerprint"] = Value::from(format!("{number:016x}"));
        self.bench.accept("oncall", body.to_string().as_bytes()).await;
    }

    /// Its end.
    async fn resolve(&self, group: usize) {
        self.bench.accept("oncall", &fixture_of_group("one-resolved.json", group)).await;
    }

    /// The process is killed and starts again.
    async fn restart(self) -> Self {
        Self { bench: self.bench.restart().await, refuge: self.refuge }
    }

    async fn work_for(&mut self, span: Duration) {
        self.bench.work_for(span).await;
    }
}

fn settings(other: &Simulator, refuge: &str, more: &str) -> String {
    // Each delivery by itself, unless a test is about digests.
    let digest = if refuge.contains("digest") { "" } else { "digest: never," };
    format!(
        "
organisations: {{ elsewhere: {{ calls_per_month: 5000 }} }}
apps:
  spare: {{ base_url: '{}', app_key: ding-spare, app_secret: s, organisation: elsewhere }}
receivers:
  oncall: {{ fallback: refuge, digest: never }}
  refuge: {{ app: spare, open_conversation_id: cid-refuge==, {digest} {refuge} }}
{more}",
        other.base_url()
    )
}

/// The deliveries to one receiver, the first accepted one first.
fn to<'l>(list: &'l [Value], receiver: &str) -> Vec<&'l Value> {
    list.iter().filter(|delivery| delivery["receiver"] == receiver).collect()
}

fn states(list: &[&Value]) -> BTreeMap<String, usize> {
    let mut states = BTreeMap::new();
    for delivery in list {
        *states.entry(delivery["state"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    states
}

fn text(message: &Admitted) -> &str {
    message.msg_param["text"].as_str().unwrap()
}

/// The deliveries in the order in which their messages arrived.
fn arrived<'l>(list: &'l [Value], messages: &[Admitted]) -> Vec<&'l Value> {
    let by_key = |message: &Admitted| {
        let key = Value::from(message.process_query_key.as_str());
        list.iter().find(|delivery| delivery["message"]["process_query_key"] == key).unwrap()
    };
    messages.iter().map(by_key).collect()
}

/// What is logged by this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Listens until the guard is gone.
    fn listen(&self) -> DefaultGuard {
        let writer = self.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
