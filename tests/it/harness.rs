//! A world for a test: the real relay, a real SQLite file, and a DingTalk simulator, all in this process.
//!
//! [`World`] runs the whole relay with its loops. [`Bench`] has no loops: the test steps every lane itself, with a
//! clock that it moves and that the simulator reads too, so that an hour takes no time.

mod accepting;
mod changing;
mod crashing;
mod looking;
pub mod nowhere;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use dingtalk_relay::app::check::{Compiled, compile};
use dingtalk_relay::app::lanes::{Opened, Plan, Watch};
use dingtalk_relay::app::relay::{Listeners, Relay};
use dingtalk_relay::app::reload::Origin;
use dingtalk_relay::config::{self, Config};
use dingtalk_relay::dispatch::lane::{Lane, Step};
use dingtalk_relay::dispatch::run;
use dingtalk_relay::gate::Gate;
use dingtalk_relay::http::hooks::Live;
use dingtalk_relay::ingest::Ingest;
use dingtalk_relay::operator::Operator;
use dingtalk_relay::operator::readiness::Readiness;
use dingtalk_relay::receipts::{self, Receipts};
use dingtalk_relay::simulator::messages::Admitted;
use dingtalk_relay::simulator::{Options, Simulator};
use dingtalk_relay::sources::Sources;
use dingtalk_relay::store::sqlite;
use dingtalk_relay::store::sqlite::opening::OpenError;
use dingtalk_relay::store::{Store, StoreError};
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::harness::changing::{read_settings, write_settings};
use crate::troubled::Troubled;

/// What every sender in these tests shows.
pub const TOKEN: &str = "from-the-test";
/// Each delivery in a message of its own, where that tells which call was about which.
pub const ONE_BY_ONE: &str = "defaults: { receiver: { digest: never } }\n";

/// A configuration over the defaults: one app at the simulator, three groups, one Alertmanager.
pub fn settings(base_url: &str, folder: &Path) -> String {
    format!(
        "
http: {{ listen: '127.0.0.1:0', dingtalk_path: {{ source: alertmanager }} }}
admin: {{ listen: '127.0.0.1:0' }}
store: {{ url: 'sqlite:{}/relay.db' }}
apps:
  ops: {{ base_url: '{base_url}', app_key: ding-test, app_secret: not-a-secret, timeout: 2s }}
receivers:
  oncall: {{ app: ops, open_conversation_id: cid-oncall== }}
  team: {{ app: ops, open_conversation_id: cid-team== }}
  night: {{ app: ops, open_conversation_id: cid-oncall== }}
sources:
  alertmanager: {{ kind: alertmanager, auth: {{ bearer_token: {TOKEN} }} }}
route:
  receiver: team
  routes:
    - {{ matchers: ['severity=\"critical\"'], receiver: oncall }}
",
        folder.display()
    )
}

/// The settings, and `more` laid over them as a second file is. `SIMULATOR` in `more` stands for its base URL.
pub fn configured(base_url: &str, folder: &Path, more: &str) -> Config {
    write_settings(base_url, folder, more);
    read_settings(folder).outcome.unwrap_or_else(|problems| panic!("{problems:#?}")).0
}

/// A captured Alertmanager body.
pub fn fixture(name: &str) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/alertmanager").join(name);
    let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    if !name.ends_with(".gz") {
        return bytes;
    }
    let mut plain = vec![];
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut plain).unwrap();
    plain
}

/// A captured body as if it were of another group, so that it is no twin.
pub fn fixture_of_group(name: &str, group: usize) -> Vec<u8> {
    let mut body: Value = serde_json::from_slice(&fixture(name)).unwrap();
    body["groupKey"] = Value::from(format!("{{}}:{{group=\"{group}\"}}"));
    body.to_string().into_bytes()
}

/// An HTTP client for loopback.
pub fn client() -> reqwest::Client {
    // reqwest wants a TLS provider even where there is no TLS.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// The whole relay with its loops, and a DingTalk.
pub struct World {
    pub simulator: Simulator,
    pub relay: Relay,
    pub folder: TempDir,
    pub http: reqwest::Client,
}

impl World {
    /// A relay on free ports.
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// The same with `more` laid over the settings.
    pub async fn with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let simulator = Simulator::start(Options::default()).await.unwrap();
        write_settings(&simulator.base_url(), folder.path(), more);
        let read = read_settings(folder.path());
        let (config, _) = read.outcome.unwrap_or_else(|problems| panic!("{problems:#?}"));
        let place = folder.path().to_owned();
        let relay = start_from(config, Origin::new(read.places, move || read_settings(&place))).await;
        let http = client();
        Self { simulator, relay, folder, http }
    }

    /// Posts a body to a path of the webhook port.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let url = format!("http://{}{path}", self.relay.hooks());
        let request = self.http.post(url).bearer_auth(TOKEN).header("content-type", "application/json").body(body);
        answer(request).await
    }

    /// Posts JSON to a path of the admin port.
    pub async fn ask(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.http.post(format!("http://{}{path}", self.relay.admin())).json(body)).await
    }

    /// Reads a path of the admin port.
    pub async fn look(&self, path: &str) -> Value {
        let (status, body) = answer(self.http.get(format!("http://{}{path}", self.relay.admin()))).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Reads a path of the admin port until it says what is expected.
    pub async fn until(&self, path: &str, is_expected: impl Fn(&Value) -> bool) -> Value {
        let looking = async {
            loop {
                let body = self.look(path).await;
                if is_expected(&body) {
                    return body;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), looking).await.expect("it comes to say what is expected")
    }

    /// Posts a body to a path of the admin port.
    pub async fn command(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        answer(self.http.post(format!("http://{}{path}", self.relay.admin())).body(body)).await
    }

    /// Reads the deliveries until `done` says that they are as expected.
    pub async fn deliveries(&self, done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let looking = async {
            loop {
                let list = self.look("/api/v1/deliveries?limit=500").await;
                let list = list["deliveries"].as_array().unwrap().clone();
                if done(&list) {
                    return list;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), looking).await.expect("the deliveries get as expected")
    }

    /// Stops the relay and asserts that nothing was left half-done.
    pub async fn end(self) {
        let left = self.look("/api/v1/deliveries?state=sending").await;
        assert_eq!(left["deliveries"], Value::Array(vec![]), "nothing is left half-done");
        self.relay.stop().await;
    }
}

/// A relay with these settings.
pub async fn start(settings: &str) -> Relay {
    start_with(config::from_text(settings).unwrap_or_else(|problems| panic!("{problems:#?}"))).await
}

/// A relay with this configuration, which is not read again.
pub async fn start_with(config: Config) -> Relay {
    start_from(config, Origin::new(BTreeSet::new(), || panic!("it has no files"))).await
}

async fn start_from(config: Config, origin: Origin) -> Relay {
    let compiled = compiled(&config);
    let listeners = Listeners::bind(&config).await.unwrap();
    Relay::start(config, compiled, origin, listeners).await.unwrap()
}

fn compiled(config: &Config) -> Compiled {
    compile(config).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// The status and the JSON body (null if there is none) of an answer.
pub async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

/// A clock that only the test moves.
#[derive(Clone)]
pub struct Hands(Arc<AtomicI64>);

impl Hands {
    /// What it shows.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }

    /// Moves it on, never back.
    pub fn move_to(&self, at: Timestamp) {
        // A millisecond is the finest step: what is due within one is due at its end.
        self.0.fetch_max(at.as_millisecond() + 1, Ordering::SeqCst);
    }
}

/// Lanes without loops: the test steps them, in its own time.
pub struct Bench {
    pub simulator: Simulator,
    pub clock: Hands,
    pub store: Arc<Troubled>,
    config: Config,
    folder: TempDir,
    ingest: Ingest,
    lanes: Vec<Lane>,
    watch: Watch,
    receipts: Vec<Receipts>,
    owner: u32,
}

impl Bench {
    /// A bench whose time begins at `begin`.
    pub async fn new(begin: &str, options: impl FnOnce(Hands) -> Options) -> Self {
        Self::with("", begin, options).await
    }

    /// The same with `more` laid over the settings.
    pub async fn with(more: &str, begin: &str, options: impl FnOnce(Hands) -> Options) -> Self {
        let begin: Timestamp = begin.parse().unwrap();
        let clock = Hands(Arc::new(AtomicI64::new(begin.as_millisecond())));
        let simulator = Simulator::start(options(clock.clone())).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = configured(&simulator.base_url(), folder.path(), more);
        let store = Self::open(&config, folder.path());
        let ingest = Self::ingest(&config, &store);
        let Opened { parts, lanes, receipts, .. } = Self::lanes(&config, &store, 0, clock.now()).await;
        let watch = Watch::of(parts);
        Self { simulator, clock, store, config, folder, ingest, lanes, receipts, watch, owner: 0 }
    }

    fn open(config: &Config, folder: &Path) -> Arc<Troubled> {
        let begun = std::time::Instant::now();
        loop {
            match sqlite::open(&folder.join("relay.db"), config.store.max_queued) {
                // A process that another test is about to start holds what this one had open, until it runs its program.
                Err(OpenError::Locked { .. }) if begun.elapsed() < Duration::from_secs(10) => std::thread::yield_now(),
                opened => return Troubled::over(opened.unwrap()),
            }
        }
    }

    fn ingest(config: &Config, store: &Arc<Troubled>) -> Ingest {
        let Compiled { routes, renderer, .. } = compiled(config);
        Ingest { routes, receivers: config.receivers.clone(), renderer, store: Arc::clone(store) as Arc<dyn Store> }
    }

    fn live(&self) -> Arc<ArcSwap<Live>> {
        Arc::new(ArcSwap::from_pointee(Live {
            sources: Sources::compile(&self.config.sources).unwrap(),
            ingest: Self::ingest(&self.config, &self.store),
            max_body: self.config.http.max_body,
            dingtalk_path: None,
        }))
    }

    async fn lanes(config: &Config, store: &Arc<Troubled>, owner: u32, now: Timestamp) -> Opened {
        let store = Arc::clone(store) as Arc<dyn Store>;
        let plan = Plan::new(None, &Arc::new(config.clone())).unwrap();
        plan.open(&[], &store, &owner.to_string(), now).await.unwrap()
    }

    /// The process ends and starts again, at once; nothing in memory outlives it.
    pub async fn restart(self) -> Self {
        self.store.close().await;
        self.begin_anew().await
    }

    async fn begin_anew(mut self) -> Self {
        drop((self.lanes, self.receipts, self.watch, self.ingest, self.store));
        self.owner += 1;
        self.store = Self::open(&self.config, self.folder.path());
        self.ingest = Self::ingest(&self.config, &self.store);
        let opened = Self::lanes(&self.config, &self.store, self.owner, self.clock.now()).await;
        (self.lanes, self.receipts, self.watch) = (opened.lanes, opened.receipts, Watch::of(opened.parts));
        self
    }

    /// The same, and the settings were changed meanwhile.
    pub async fn restart_with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self.restart().await
    }

    /// Another owner takes every app over, on the same store; gives the lanes of the one before, who does not know.
    pub async fn taken_over(&mut self) -> Vec<Lane> {
        self.owner += 1;
        let opened = Self::lanes(&self.config, &self.store, self.owner, self.clock.now()).await;
        self.watch = Watch::of(opened.parts);
        std::mem::replace(&mut self.lanes, opened.lanes)
    }

    /// One unit of work of the receipts of every app.
    pub async fn ask_once(&mut self) {
        for receipts in &mut self.receipts {
            receipts.step(self.clock.now()).await.unwrap();
        }
    }

    /// Steps every lane, and the receipts of every app, until all are idle or `until` has come; the clock moves to
    /// whatever they wait for.
    pub async fn work(&mut self, until: Timestamp) {
        loop {
            let mut soonest = None;
            let mut moved = false;
            for lane in &mut self.lanes {
                match step(lane, self.clock.now()).await.unwrap() {
                    Step::Idle => {}
                    Step::Wait(at) => soonest = Some(soonest.map_or(at, |soonest: Timestamp| soonest.min(at))),
                    Step::Authorised | Step::Tried(_) | Step::HandedOver(_) | Step::Finished => moved = true,
                }
            }
            for receipts in &mut self.receipts {
                match receipts.step(self.clock.now()).await.unwrap() {
                    receipts::Step::Idle => {}
                    receipts::Step::Wait(at) => soonest = Some(soonest.map_or(at, |soonest| soonest.min(at))),
                    receipts::Step::Authorised | receipts::Step::Done => moved = true,
                }
            }
            match soonest {
                _ if moved => {}
                Some(at) if at < until => self.clock.move_to(at),
                _ => return,
            }
        }
    }

    /// Works for so long, and lets the rest of that time pass too.
    pub async fn work_for(&mut self, span: Duration) {
        let until = self.clock.now() + span;
        self.work(until).await;
        self.clock.move_to(until);
    }

    /// One step of one receiver's lane.
    pub async fn step(&mut self, receiver: &str) -> Result<Step, StoreError> {
        let now = self.clock.now();
        step(self.lanes.iter_mut().find(|lane| lane.receiver().as_str() == receiver).unwrap(), now).await
    }

    /// The gate that a receiver's lane passes.
    pub fn gate(&self, receiver: &str) -> Arc<Gate> {
        Arc::clone(self.lanes.iter().find(|lane| lane.receiver().as_str() == receiver).unwrap().gate())
    }

    /// One step of every lane, all at the same time.
    pub async fn step_together(&mut self) {
        let now = self.clock.now();
        let mut steps = JoinSet::new();
        for mut lane in std::mem::take(&mut self.lanes) {
            steps.spawn(async move { (step(&mut lane, now).await, lane) });
        }
        for (stepped, lane) in steps.join_all().await {
            stepped.unwrap();
            self.lanes.push(lane);
        }
    }

    /// Runs the lanes' loops in real time until then, and ends them as a kill would.
    pub async fn run_until(&mut self, then: impl Future<Output = ()>) {
        let (_never, stop) = watch::channel(false);
        let mut loops = JoinSet::new();
        for lane in std::mem::take(&mut self.lanes) {
            loops.spawn(run::run(lane, Arc::clone(&self.store) as Arc<dyn Store>, stop.clone()));
        }
        tokio::select! {
            () = then => {}
            _ = loops.join_next() => panic!("a loop has ended by itself"),
        }
    }

    /// What a human may see and do, at whatever time they say it is.
    pub fn operator(&self) -> Operator {
        let store = Arc::clone(&self.store) as Arc<dyn Store>;
        let (lanes, apps, clock) = (self.watch.clone(), self.watch.clone(), self.clock.clone());
        let (gates, lanes_clock) = (self.watch.clone(), clock.clone());
        Operator::new(
            Arc::clone(&store),
            self.config.store.max_queued,
            Box::new(move || lanes.lanes(lanes_clock.now())),
            Box::new(move || apps.apps(clock.now())),
            Readiness::new(store),
        )
        .reaching(Box::new(move |app| gates.gate(app)))
    }
}

/// One step of a lane.
pub async fn step(lane: &mut Lane, now: Timestamp) -> Result<Step, StoreError> {
    let channel = Arc::clone(lane.channel());
    let turn = channel.turn().await;
    lane.step(&turn, now).await
}

/// The groups of messages, in order.
pub fn groups(messages: &[Admitted]) -> Vec<&str> {
    messages.iter().map(|message| message.open_conversation_id.as_str()).collect()
}
