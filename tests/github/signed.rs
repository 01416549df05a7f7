//! Every example as GitHub would send it: signed by GitHub's own helper, posted to a running relay, delivered to a
//! simulator; and refused where one bit is not as it was signed.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use dingtalk_relay::app::check::compile;
use dingtalk_relay::app::relay::{Listeners, Relay};
use dingtalk_relay::app::reload::Origin;
use dingtalk_relay::config;
use dingtalk_relay::simulator::limits::Limits;
use dingtalk_relay::simulator::{Options, Simulator};
use serde_json::{Value, json};

/// So many examples are no pings.
const TOLD: usize = 325;
const SECRET: &str = "It's a Secret to Everybody";

#[tokio::test(flavor = "multi_thread")]
async fn every_signed_example_is_delivered_and_every_forged_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Options { limits: unlimited(), ..Options::default() }).await.unwrap();
    let relay = relay(&simulator, folder.path()).await;

    let answers = post(format!("http://{}/hooks/github", relay.hooks())).await;

    assert_eq!(
        answers,
        json!({"ping": {"202": 4}, "good": {"202": TOLD}, "body": {"401": TOLD + 4}, "signature": {"401": TOLD + 4}})
    );
    for delivery in delivered(&relay).await {
        assert!(delivery["title"].as_str().is_some_and(|title| !title.trim().is_empty()), "{delivery}");
    }
    for message in simulator.messages() {
        let said = |field: &str| message.msg_param[field].as_str().unwrap_or_default().trim().to_owned();
        assert!(!said("title").is_empty() && !said("text").is_empty(), "{message:?}");
    }
    relay.stop().await;
}

async fn relay(simulator: &Simulator, folder: &std::path::Path) -> Relay {
    let config = config::from_text(&format!(
        "
http: {{ listen: '127.0.0.1:0' }}
admin: {{ listen: '127.0.0.1:0' }}
store: {{ url: 'sqlite:{}/relay.db' }}
organisations: {{ default: {{ calls_per_month: 0 }} }}
apps:
  ops:
    base_url: '{}'
    app_key: ding-test
    app_secret: not-a-secret
    limits: {{ calls_per_second: 1000 }}
receivers:
  dev: {{ app: ops, open_conversation_id: cid-dev==, limits: {{ messages_per_minute: 100000 }} }}
sources:
  github: {{ kind: github, secret: \"{SECRET}\" }}
route: {{ receiver: dev }}
",
        folder.display(),
        simulator.base_url()
    ));
    let config = config.unwrap_or_else(|problems| panic!("{problems:#?}"));
    let listeners = Listeners::bind(&config).await.unwrap();
    let compiled = compile(&config).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let origin = Origin::new(BTreeSet::new(), || panic!("it has no files that could be read again"));
    Relay::start(config, compiled, origin, listeners).await.unwrap()
}

/// Has GitHub's helper sign and post everything; how often it was answered what.
async fn post(url: String) -> Value {
    let posting = tokio::task::spawn_blocking(move || {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/github/post.mjs");
        Command::new("node")
            .args([script, &url, SECRET])
            .output()
            .expect("node is not installed: scripts/test installs it")
    });
    let output = posting.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every delivery, once all are delivered.
async fn delivered(relay: &Relay) -> Vec<Value> {
    let url = format!("http://{}/api/v1/deliveries?limit=500", relay.admin());
    // reqwest wants a TLS provider even where there is no TLS.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let looking = async {
        loop {
            let list: Value = http.get(&url).send().await.unwrap().json().await.unwrap();
            let list = list["deliveries"].as_array().unwrap().clone();
            if list.len() == TOLD && list.iter().all(|delivery| delivery["state"] == "delivered") {
                return list;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), looking).await.expect("everything is delivered")
}

/// What is measured here is the way in, not how fast DingTalk lets messages out.
fn unlimited() -> Limits {
    Limits { messages_per_minute: 0, calls_per_second: 0, calls_per_month: 0, ..Limits::default() }
}
