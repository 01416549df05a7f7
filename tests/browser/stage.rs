//! What the browser is shown: a relay with a simulated DingTalk, in which something has gone well and something wrong.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use dingtalk_relay::app::check::compile;
use dingtalk_relay::app::relay::{Listeners, Relay};
use dingtalk_relay::app::reload::Origin;
use dingtalk_relay::config;
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::messages::Moments;
use dingtalk_relay::simulator::strict::{App, Robot, Strict};
use dingtalk_relay::simulator::{Options, Simulator};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The longest wait for something to happen in the relay.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the operator shows.
const TOKEN: &str = "of-the-operator";

/// A relay with a life behind it: `team` has one dead and one delivered delivery, `oncall` two of another kind, and
/// `gone` is blocked with one waiting.
pub struct Stage {
    pub simulator: Simulator,
    relay: Relay,
    http: reqwest::Client,
    _folder: TempDir,
}

impl Stage {
    /// Plays what has happened until now.
    pub async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // It knows at once who has read a message.
        let at_once = Moments { data_after: Duration::ZERO, success_after: Duration::ZERO, ..Moments::default() };
        // Whenever a probe goes there, `gone` is gone.
        let groups = ["cid-oncall==", "cid-team=="].map(str::to_owned).to_vec();
        let robots = vec![Robot { robot_code: "ding-test".to_owned(), groups }];
        let apps = vec![App { app_key: "ding-test".to_owned(), app_secret: "not-a-secret".to_owned(), robots }];
        let options = Options { moments: at_once, strict: Some(Strict { apps }), ..Options::default() };
        let simulator = Simulator::start(options).await.unwrap();
        let relay = relay(&simulator, folder.path(), RECEIVERS, 1_000).await;
        let stage = Self { simulator, relay, http: client(), _folder: folder };
        stage.play().await;
        stage
    }

    /// A relay to which nothing has happened yet, with so many lanes, `lane-0` and on, that share so many places.
    pub async fn of_lanes(lanes: usize, places: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let lane = |n| format!("  lane-{n}: {{ app: ops, open_conversation_id: cid-{n}== }}\n");
        let lanes: String = (0..lanes).map(lane).collect();
        let receivers = format!("{lanes}route: {{ receiver: lane-0 }}\n");
        let relay = relay(&simulator, folder.path(), &receivers, places).await;
        Self { simulator, relay, http: client(), _folder: folder }
    }

    /// From now on DingTalk cannot be reached.
    pub fn cut(&self) {
        self.simulator.fault(Api::Token, u32::MAX, Answer::ResetBefore);
        self.simulator.fault(Api::Send, u32::MAX, Answer::ResetBefore);
    }

    /// Waits until a lane stands so.
    pub async fn wait_for_state(&self, receiver: &str, state: &str) {
        let is_it = |lane: &Value| lane["receiver"] == receiver && lane["state"] == state;
        self.wait("/api/v1/lanes", |lanes| lanes["lanes"].as_array().unwrap().iter().any(is_it)).await;
    }

    /// The id of the message that the latest delivery of a receiver went in.
    pub async fn message_of(&self, receiver: &str) -> String {
        let list = self.look(&format!("/api/v1/deliveries?receiver={receiver}")).await;
        list["deliveries"][0]["message"]["id"].as_str().unwrap().to_owned()
    }

    async fn play(&self) {
        // In every form it has.
        self.simulator.fault(Api::Send, 4, Answer::code(400, "contain.notAllowed.content"));
        self.post("team", "🔥 支付服务错误率过高", "critical").await;
        self.wait_for("team", "dead", 1).await;
        self.post("gone", "磁盘快满了 <90%> & more", "warning").await;
        self.wait_for_state("gone", "blocked").await;
        self.post("team", "😴 夜间备份已完成", "info").await;
        self.wait_for("team", "delivered", 1).await;
        let long = "一个没有空格的非常长的告警名称_with_a_very_long_tail_that_has_no_place_to_break_anywhere_at_all_0123456789";
        self.post("oncall", long, "critical").await;
        self.post("oncall", "👩‍👩‍👧‍👦 家庭群组 ZWJ 表情", "warning").await;
        self.wait_for("oncall", "delivered", 2).await;
    }

    /// Posts one alert straight to a receiver.
    pub async fn post(&self, receiver: &str, name: &str, severity: &str) {
        let alert = json!({
            "status": "firing", "fingerprint": name, "startsAt": "2026-11-21T12:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
            "labels": {"alertname": name, "severity": severity, "cluster": "prod-北京", "instance": "10.0.0.1:9100"},
            "annotations": {"summary": format!("{name}：当前值 42% 😱 <b>not bold</b>"), "runbook_url": "https://runbooks.example.com/支付"},
            "generatorURL": "http://prometheus.example.com:9090/graph?g0.expr=up",
        });
        let body = json!({
            "version": "4", "groupKey": format!("{{}}:{{alertname={name:?}}}"), "truncatedAlerts": 0, "status": "firing",
            "receiver": "relay", "externalURL": "http://alertmanager.example.com:9093",
            "groupLabels": {"alertname": name}, "commonLabels": {"alertname": name}, "commonAnnotations": {}, "alerts": [alert],
        });
        let url = format!("http://{}/hooks/alertmanager/{receiver}", self.relay.hooks());
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 202, "{}", answer.text().await.unwrap());
    }

    /// Where the page is.
    pub fn address(&self) -> SocketAddr {
        self.relay.admin()
    }

    /// The address of a page for a person who has typed the token.
    pub fn url(&self, path: &str) -> String {
        format!("http://operator:{TOKEN}@{}{path}", self.address())
    }

    /// The id of the latest delivery of `team` in this state.
    pub async fn delivery(&self, state: &str) -> String {
        self.delivery_of("team", state).await
    }

    /// The id of the latest delivery of a receiver in this state.
    pub async fn delivery_of(&self, receiver: &str, state: &str) -> String {
        let list = self.look(&format!("/api/v1/deliveries?receiver={receiver}&state={state}")).await;
        list["deliveries"][0]["id"].as_str().unwrap().to_owned()
    }

    /// How a lane stands.
    pub async fn lane(&self, receiver: &str) -> Value {
        let lanes = self.look("/api/v1/lanes").await;
        lanes["lanes"].as_array().unwrap().iter().find(|lane| lane["receiver"] == receiver).unwrap().clone()
    }

    /// Does something by the API, as another operator would at the same time.
    pub async fn act(&self, path: &str, body: Value) {
        let url = format!("http://{}{path}", self.address());
        let answer = self.http.post(url).bearer_auth(TOKEN).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// Waits until a receiver has so many deliveries in this state.
    pub async fn wait_for(&self, receiver: &str, state: &str, count: usize) {
        let path = format!("/api/v1/deliveries?receiver={receiver}&state={state}");
        self.wait(&path, |list| list["deliveries"].as_array().unwrap().len() == count).await;
    }

    async fn wait(&self, path: &str, done: impl Fn(&Value) -> bool) {
        let looking = async {
            while !done(&self.look(path).await) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("{path} gets as expected"));
    }

    async fn look(&self, path: &str) -> Value {
        let url = format!("http://{}{path}", self.address());
        self.http.get(url).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap()
    }

    /// Ends the relay.
    pub async fn clear(self) {
        self.relay.stop().await;
    }
}

fn client() -> reqwest::Client {
    // reqwest wants a TLS provider even where there is no TLS.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

const RECEIVERS: &str =
    "  oncall: { display_name: 值班群 🚨, app: ops, message: action_card, open_conversation_id: cid-oncall== }
  team: { display_name: 支付团队, app: ops, open_conversation_id: cid-team== }
  gone: { display_name: 已解散的群, app: ops, open_conversation_id: cid-gone== }
route: { receiver: team }
";

/// A relay with these receivers, and whatever follows them, that holds so many open deliveries.
async fn relay(simulator: &Simulator, folder: &std::path::Path, receivers: &str, places: usize) -> Relay {
    let config = config::from_text(&format!(
        "
http: {{ listen: '127.0.0.1:0' }}
admin: {{ listen: '127.0.0.1:0', token: {TOKEN} }}
store: {{ url: 'sqlite:{}/relay.db', max_queued: {places} }}
apps:
  ops: {{ base_url: '{}', app_key: ding-test, app_secret: not-a-secret }}
sources:
  alertmanager: {{ kind: alertmanager, auth: {{ none: true }} }}
receivers:
{receivers}",
        folder.display(),
        simulator.base_url()
    ))
    .unwrap();
    let listeners = Listeners::bind(&config).await.unwrap();
    let compiled = compile(&config).unwrap_or_else(|problems| panic!("{problems:?}"));
    let origin = Origin::new(BTreeSet::new(), || panic!("it has no files that could be read again"));
    Relay::start(config, compiled, origin, listeners).await.unwrap()
}
