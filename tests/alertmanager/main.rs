//! A real Alertmanager (Debian's `prometheus-alertmanager`) fires and resolves through the relay into the simulator.
//!
//! The relay and the simulator run in this process, Alertmanager beside it, all on loopback ports of their own.
//! `scripts/test` installs Alertmanager; without it the test says so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dingtalk_relay::app::check::compile;
use dingtalk_relay::app::relay::{Listeners, Relay};
use dingtalk_relay::app::reload::Origin;
use dingtalk_relay::config;
use dingtalk_relay::simulator::messages::Admitted;
use dingtalk_relay::simulator::{Options, Simulator};
use serde_json::{Value, json};

/// Alertmanager is asked at most so often whether it is there.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_fires_and_resolves_through_both_paths() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let relay = relay(&simulator, folder.path()).await;
    let alertmanager = Alertmanager::start(folder.path(), relay.hooks()).await;

    alertmanager.post("HighCPU", None).await;
    let firing = simulator.arrived(2).await;
    assert_eq!(groups(&firing), ["cid-alias==", "cid-routed=="]);
    for message in &firing {
        assert!(title(message).contains("HighCPU"), "{message:?}");
        assert!(text(message).contains("节点 CPU 过高"), "{message:?}");
    }

    alertmanager.post("HighCPU", Some("now")).await;
    let all = simulator.arrived(4).await;
    assert_eq!(groups(&all[2..]), ["cid-alias==", "cid-routed=="]);
    for message in &all[2..] {
        assert!(text(message).to_lowercase().contains("resolved"), "{message:?}");
    }
    relay.stop().await;
}

async fn relay(simulator: &Simulator, folder: &std::path::Path) -> Relay {
    let config = config::from_text(&format!(
        "
http: {{ listen: '127.0.0.1:0', dingtalk_path: {{ source: alertmanager }} }}
admin: {{ listen: '127.0.0.1:0' }}
store: {{ url: 'sqlite:{}/relay.db' }}
apps:
  ops: {{ base_url: '{}', app_key: ding-test, app_secret: not-a-secret }}
receivers:
  routed: {{ app: ops, open_conversation_id: cid-routed== }}
  alias: {{ app: ops, open_conversation_id: cid-alias== }}
sources:
  alertmanager: {{ kind: alertmanager, auth: {{ bearer_token: from-the-test }} }}
route:
  receiver: alias
  routes:
    - {{ matchers: ['severity=\"critical\"', 'cluster=~\"prod-.*\"'], receiver: routed }}
",
        folder.display(),
        simulator.base_url()
    ))
    .unwrap();
    let listeners = Listeners::bind(&config).await.unwrap();
    let compiled = compile(&config).unwrap_or_else(|problems| panic!("{problems:?}"));
    let origin = Origin::new(BTreeSet::new(), || panic!("it has no files that could be read again"));
    Relay::start(config, compiled, origin, listeners).await.unwrap()
}

/// A running Alertmanager; it ends with the value.
struct Alertmanager {
    process: Child,
    address: SocketAddr,
    http: reqwest::Client,
}

impl Alertmanager {
    /// Starts one that sends every alert to the route tree and to the path of prometheus-webhook-dingtalk.
    async fn start(folder: &std::path::Path, hooks: SocketAddr) -> Self {
        let file = folder.join("alertmanager.yml");
        let config = json!({
            "route": {"receiver": "relay", "group_by": ["alertname"], "group_wait": "100ms", "group_interval": "1s", "repeat_interval": "1h"},
            "receivers": [{"name": "relay", "webhook_configs": [
                webhook(&format!("http://{hooks}/hooks/alertmanager")),
                webhook(&format!("http://{hooks}/dingtalk/alias/send")),
            ]}],
        });
        std::fs::write(&file, config.to_string()).unwrap();
        let address = free_address();
        let process = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", folder.join("alertmanager").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus-alertmanager is not installed: scripts/test installs it");
        // reqwest wants a TLS provider even where there is no TLS.
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let alertmanager = Self { process, address, http };
        alertmanager.ready().await;
        alertmanager
    }

    async fn ready(&self) {
        let url = format!("http://{}/-/ready", self.address);
        let ready = async {
            while !self.http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("Alertmanager gets ready");
    }

    /// Fires the alert, or resolves it.
    async fn post(&self, alertname: &str, ends: Option<&str>) {
        let now = jiff::Timestamp::now();
        let mut alert = json!({
            "labels": {"alertname": alertname, "cluster": "prod-bj", "severity": "critical", "instance": "10.0.0.1:9100"},
            "annotations": {"summary": "节点 CPU 过高 <90%>"},
            "startsAt": (now - Duration::from_secs(60)).to_string(),
            "generatorURL": "http://prometheus.example.com:9090/graph?g0.expr=up",
        });
        if ends.is_some() {
            alert["endsAt"] = Value::from(now.to_string());
        }
        let url = format!("http://{}/api/v2/alerts", self.address);
        let answer = self.http.post(url).json(&[alert]).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _already_gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn webhook(url: &str) -> Value {
    json!({"url": url, "send_resolved": true, "http_config": {"authorization": {"credentials": "from-the-test"}}})
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// The groups of messages, in name order: two webhooks of one flush may arrive in any order.
fn groups(messages: &[Admitted]) -> Vec<&str> {
    let mut groups: Vec<_> = messages.iter().map(|message| message.open_conversation_id.as_str()).collect();
    groups.sort_unstable();
    groups
}

fn title(message: &Admitted) -> &str {
    message.msg_param["title"].as_str().unwrap()
}

fn text(message: &Admitted) -> &str {
    message.msg_param["text"].as_str().unwrap()
}
