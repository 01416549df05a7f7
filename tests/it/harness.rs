//! A world for a test: the real relay, a real SQLite file, and a DingTalk simulator, all in this process.
//!
//! [`World`] runs the whole relay with its loops. [`Bench`] has no loops: the test steps every lane itself, with a
//! clock that it moves and that the simulator reads too, so that an hour takes no time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use dingtalk_relay::app::check::{Compiled, compile};
use dingtalk_relay::app::lanes::Lanes;
use dingtalk_relay::app::relay::{Listeners, Relay};
use dingtalk_relay::config::{self, Config};
use dingtalk_relay::dispatch::lane::{Lane, Step};
use dingtalk_relay::ingest::{Ingest, Way};
use dingtalk_relay::model::name::Name;
use dingtalk_relay::simulator::messages::Admitted;
use dingtalk_relay::simulator::{Options, Simulator};
use dingtalk_relay::store::{Accepted, Store, sqlite};
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

/// What every sender in these tests shows.
pub const TOKEN: &str = "from-the-test";

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
        let folder = tempfile::tempdir().unwrap();
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let relay = start(&settings(&simulator.base_url(), folder.path())).await;
        let http = client();
        Self { simulator, relay, folder, http }
    }

    /// Posts a body to a path of the webhook port.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let url = format!("http://{}{path}", self.relay.hooks());
        let request = self.http.post(url).bearer_auth(TOKEN).header("content-type", "application/json").body(body);
        answer(request).await
    }

    /// Reads a path of the admin port.
    pub async fn look(&self, path: &str) -> Value {
        let (status, body) = answer(self.http.get(format!("http://{}{path}", self.relay.admin()))).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
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
    let (config, compiled) = ready(settings);
    let listeners = Listeners::bind(&config).await.unwrap();
    Relay::start(config, compiled, listeners).await.unwrap()
}

fn ready(settings: &str) -> (Config, Compiled) {
    let config = config::from_text(settings).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let compiled = compile(&config).unwrap_or_else(|problems| panic!("{problems:#?}"));
    (config, compiled)
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
    pub store: Arc<dyn Store>,
    settings: String,
    folder: TempDir,
    ingest: Ingest,
    lanes: Vec<Lane>,
    owner: u32,
}

impl Bench {
    /// A bench whose time begins at `begin`; `more` is laid over the settings.
    pub async fn new(begin: &str, options: impl FnOnce(Hands) -> Options) -> Self {
        let begin: Timestamp = begin.parse().unwrap();
        let clock = Hands(Arc::new(AtomicI64::new(begin.as_millisecond())));
        let simulator = Simulator::start(options(clock.clone())).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&simulator.base_url(), folder.path());
        let (store, ingest, lanes) = Self::open(&settings, folder.path(), 0, clock.now()).await;
        Self { simulator, clock, store, settings, folder, ingest, lanes, owner: 0 }
    }

    async fn open(settings: &str, folder: &Path, owner: u32, now: Timestamp) -> (Arc<dyn Store>, Ingest, Vec<Lane>) {
        let (config, compiled) = ready(settings);
        let store = sqlite::open(&folder.join("relay.db"), config.store.max_queued).unwrap();
        let lanes = Lanes::open(&Arc::new(config), &store, &owner.to_string(), now).await.unwrap().lanes;
        let ingest = Ingest { routes: compiled.routes, renderer: compiled.renderer, store: Arc::clone(&store) };
        (store, ingest, lanes)
    }

    /// The process ends and starts again, at once; nothing in memory outlives it.
    pub async fn restart(mut self) -> Self {
        self.store.close().await;
        drop((self.lanes, self.ingest, self.store));
        self.owner += 1;
        let opened = Self::open(&self.settings, self.folder.path(), self.owner, self.clock.now()).await;
        (self.store, self.ingest, self.lanes) = opened;
        self
    }

    /// Accepts a captured body for one receiver.
    pub async fn accept(&self, receiver: &str, body: &[u8]) -> Accepted {
        let config = config::from_text(&self.settings).unwrap();
        let sources = dingtalk_relay::sources::Sources::compile(&config.sources).unwrap();
        let source = sources.named("alertmanager").unwrap();
        let event = source.decode(body, self.clock.now()).unwrap();
        let way = Way::Direct(receiver.parse::<Name>().unwrap());
        let body = bytes::Bytes::copy_from_slice(body);
        self.ingest.accept(event, way, body, source.dedup_window(), self.clock.now()).await.unwrap()
    }

    /// Steps every lane until all are idle or `until` has come; the clock moves to whatever they wait for.
    pub async fn work(&mut self, until: Timestamp) {
        loop {
            let mut soonest = None;
            let mut moved = false;
            for lane in &mut self.lanes {
                let channel = Arc::clone(lane.channel());
                let turn = channel.turn().await;
                match lane.step(&turn, self.clock.now()).await.unwrap() {
                    Step::Idle => {}
                    Step::Wait(at) => soonest = Some(soonest.map_or(at, |soonest: Timestamp| soonest.min(at))),
                    Step::Authorised | Step::Tried(_) | Step::Finished => moved = true,
                }
            }
            match soonest {
                _ if moved => {}
                Some(at) if at < until => self.clock.move_to(at),
                _ => return,
            }
        }
    }
}

/// The groups of messages, in order.
pub fn groups(messages: &[Admitted]) -> Vec<&str> {
    messages.iter().map(|message| message.open_conversation_id.as_str()).collect()
}
