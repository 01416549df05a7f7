//! Every metric of the contract (§6), scraped from the real binary after a scripted life: that it is there, its type,
//! its labels, whose values come from closed sets, and its value.

mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dingtalk_relay::dingtalk::codes;
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::{Options, Simulator};
use dingtalk_relay::telemetry::panics;
use serde_json::Value;

use crate::harness::{TOKEN, client, fixture, fixture_of_group};
use crate::metrics::text::Scrape;
use crate::process::Process;

/// The contract's list: name, type, labels.
const METRICS: [(&str, &str, &[&str]); 23] = [
    ("webhooks_total", "counter", &["source", "code"]),
    ("deliveries_total", "counter", &["receiver", "state"]),
    ("attempts_total", "counter", &["receiver", "outcome", "code"]),
    ("queue_depth", "gauge", &["receiver"]),
    ("queue_limit", "gauge", &[]),
    ("queue_oldest_seconds", "gauge", &["receiver"]),
    ("accept_seconds", "histogram", &[]),
    ("delivery_seconds", "histogram", &["receiver"]),
    ("lane_blocked", "gauge", &["receiver"]),
    ("lane_down", "gauge", &["receiver"]),
    ("lane_paused", "gauge", &["receiver"]),
    ("lane_cooldown_seconds", "gauge", &["receiver"]),
    ("digest_deliveries", "histogram", &[]),
    ("api_calls_total", "counter", &["app", "api"]),
    ("api_quota_remaining", "gauge", &["app"]),
    ("api_call_spacing_seconds", "gauge", &["app"]),
    ("token_refreshes_total", "counter", &["app", "result"]),
    ("render_fallbacks_total", "counter", &["template"]),
    ("config_last_reload_successful", "gauge", &[]),
    ("panics_total", "counter", &["part"]),
    ("config_last_reload_success_timestamp_seconds", "gauge", &[]),
    ("duplicates_total", "counter", &["source"]),
    ("build_info", "gauge", &["version"]),
];

const RECEIVERS: [&str; 6] = ["gone", "late", "lost", "odd", "plain", "steady"];

/// A relay of its own process, and a DingTalk.
struct Town {
    simulator: Simulator,
    relay: Process,
    file: PathBuf,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Town {
    async fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let broken = "{% extends 'alertmanager' %}{% block title %}{{ nothing }}{% endblock %}";
        std::fs::write(folder.path().join("broken.md.j2"), broken).unwrap();
        let file = folder.path().join("relay.yaml");
        std::fs::write(&file, settings(&simulator.base_url(), folder.path(), &RECEIVERS)).unwrap();
        let relay = Process::start(&file, "info");
        Self { simulator, relay, file, http: client(), _folder: folder }
    }

    async fn scrape(&self) -> Scrape {
        let answer = self.http.get(format!("http://{}/metrics", self.relay.admin)).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        Scrape::of(&answer.text().await.unwrap())
    }

    /// Scrapes until a series has that value.
    async fn until(&self, series: &str, value: f64) -> Scrape {
        let looking = async {
            loop {
                let scrape = self.scrape().await;
                if scrape.value(series) == Some(value) {
                    return scrape;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), looking).await;
        waited.unwrap_or_else(|_| panic!("{series} never became {value}"))
    }

    async fn post(&self, path: &str, token: &str, body: Vec<u8>) -> u16 {
        let request = self.http.post(format!("http://{}{path}", self.relay.hooks)).bearer_auth(token);
        request.header("content-type", "application/json").body(body).send().await.unwrap().status().as_u16()
    }

    async fn alert(&self, receiver: &str) -> u16 {
        self.post(&format!("/hooks/alertmanager/{receiver}"), TOKEN, fixture("one-firing.json")).await
    }
}

fn settings(base_url: &str, folder: &Path, receivers: &[&str]) -> String {
    let receiver = |name: &&str| {
        let app = if *name == "odd" { "second" } else { "ops" };
        let template = if *name == "plain" { ", template: broken" } else { "" };
        let limits = "limits: { messages_per_minute: 10000 }";
        format!("  {name}: {{ app: {app}, open_conversation_id: cid-{name}==, {limits}{template} }}\n")
    };
    format!(
        "
http: {{ listen: '127.0.0.1:0' }}
admin: {{ listen: '127.0.0.1:0' }}
store: {{ url: 'sqlite:{folder}/relay.db' }}
templates: ['{folder}/broken.md.j2']
retry: {{ schedule: [10ms] }}
organisations: {{ main: {{ calls_per_month: 5000 }}, free: {{ calls_per_month: 0 }} }}
apps:
  ops: {{ organisation: main, base_url: '{base_url}', app_key: ding-test, app_secret: not-a-secret }}
  second: {{ organisation: free, base_url: '{base_url}', app_key: ding-second, app_secret: not-a-secret }}
sources:
  alertmanager: {{ kind: alertmanager, auth: {{ bearer_token: {TOKEN} }} }}
receivers:
{receivers}",
        folder = folder.display(),
        receivers = receivers.iter().map(receiver).collect::<String>(),
    )
}

/// Everything that is counted before anything happens is 0.
fn nothing_has_happened(scrape: &Scrape) {
    for series in [
        r#"webhooks_total{source="alertmanager",code="202"}"#,
        r#"webhooks_total{source="alertmanager",code="503"}"#,
        r#"webhooks_total{source="",code="404"}"#,
        r#"deliveries_total{receiver="late",state="dead"}"#,
        r#"deliveries_total{receiver="late",state="handed_over"}"#,
        r#"attempts_total{receiver="late",outcome="sent",code=""}"#,
        r#"duplicates_total{source="alertmanager"}"#,
        r#"api_calls_total{app="ops",api="send"}"#,
        r#"api_calls_total{app="second",api="recall"}"#,
        r#"token_refreshes_total{app="ops",result="blocked"}"#,
        r#"render_fallbacks_total{template="broken"}"#,
        r#"panics_total{part="lane"}"#,
        "accept_seconds_count",
        r#"delivery_seconds_bucket{receiver="late",le="60"}"#,
        r#"queue_oldest_seconds{receiver="late"}"#,
    ] {
        assert_eq!(scrape.value(&format!("dingtalk_relay_{series}")), Some(0.0), "{series}");
    }
}

/// Every metric is there with a help and its type, and a label's values come from a closed set.
fn every_series_is_of_the_contract(scrape: &Scrape) {
    let expected: BTreeMap<String, &str> =
        METRICS.iter().map(|(name, kind, _)| (format!("dingtalk_relay_{name}"), *kind)).collect();
    let types: BTreeMap<String, &str> = scrape.types.iter().map(|(name, kind)| (name.clone(), kind.as_str())).collect();
    assert_eq!(types, expected, "every metric has its type, and there is no other");
    let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
    let states = set(&["queued", "delivered", "dead", "cancelled", "handed_over"]);
    let mut reasons: BTreeSet<_> = codes::codes().map(|row| row.code.to_owned()).collect();
    reasons.extend(set(&["", "other"]));
    for (name, _, labels) in METRICS {
        let name = format!("dingtalk_relay_{name}");
        assert!(scrape.helps.get(&name).is_some_and(|help| help.len() > 10), "{name} says what it is for");
        let series = scrape.of_metric(&name);
        assert!(!series.is_empty(), "{name} has a value");
        for (part, given, _) in series {
            let mut right: BTreeSet<_> = set(labels);
            right.extend(part.ends_with("_bucket").then(|| "le".to_owned()));
            assert_eq!(given.keys().cloned().collect::<BTreeSet<_>>(), right, "{part} {given:?}");
            for (label, value) in given {
                let known = match (label.as_str(), part.ends_with("webhooks_total")) {
                    ("source", _) => set(&["", "alertmanager"]),
                    ("receiver", _) => set(&RECEIVERS),
                    ("state", _) => states.clone(),
                    ("outcome", _) => set(&["sent", "throttled", "unavailable", "blocked", "refused"]),
                    ("code", true) => set(&["202", "400", "401", "404", "503"]),
                    ("code", false) => reasons.clone(),
                    ("app", _) => set(&["ops", "second"]),
                    ("api", _) => set(&["token", "send", "query", "recall"]),
                    ("result", _) => set(&["ok", "throttled", "unavailable", "blocked"]),
                    ("template", _) => set(&["alertmanager", "github", "generic", "send", "notice", "broken"]),
                    ("part", _) => set(&panics::PARTS),
                    ("version", _) => set(&[env!("CARGO_PKG_VERSION")]),
                    _ => continue,
                };
                assert!(known.contains(value), "{part} {given:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_the_contract_tells_the_truth_after_a_scripted_life() {
    let town = Town::begin().await;
    nothing_has_happened(&town.scrape().await);

    assert_eq!([town.alert("steady").await, town.alert("steady").await], [202, 202], "the second one is a twin");
    town.until(r#"dingtalk_relay_deliveries_total{receiver="steady",state="delivered"}"#, 1.0).await;
    for (status, code, receiver, until) in [
        (500, "system.error", "plain", r#"deliveries_total{receiver="plain",state="delivered"}"#),
        (400, "group.disbanded", "lost", r#"lane_blocked{receiver="lost"}"#),
        (400, "send.too.fast", "late", r#"attempts_total{receiver="late",outcome="throttled",code="send.too.fast"}"#),
    ] {
        town.simulator.fault(Api::Send, 1, Answer::code(status, code));
        assert_eq!(town.alert(receiver).await, 202);
        town.until(&format!("dingtalk_relay_{until}"), 1.0).await;
    }
    assert_eq!(town.post("/hooks/alertmanager/steady", TOKEN, b"junk".to_vec()).await, 400);
    assert_eq!(town.post("/hooks/alertmanager/steady", "wrong", fixture("one-firing.json")).await, 401);
    assert_eq!(town.post("/hooks/stranger", TOKEN, fixture("one-firing.json")).await, 404);
    let pause = town.http.post(format!("http://{}/api/v1/lanes/gone/pause", town.relay.admin));
    assert_eq!(pause.send().await.unwrap().status().as_u16(), 200);

    let scrape = town.scrape().await;
    every_series_is_of_the_contract(&scrape);
    for (series, value) in [
        (r#"webhooks_total{source="alertmanager",code="202"}"#, 5.0),
        (r#"webhooks_total{source="alertmanager",code="400"}"#, 1.0),
        (r#"webhooks_total{source="alertmanager",code="401"}"#, 1.0),
        (r#"webhooks_total{source="",code="404"}"#, 1.0),
        (r#"duplicates_total{source="alertmanager"}"#, 1.0),
        ("accept_seconds_count", 5.0),
        (r#"accept_seconds_bucket{le="+Inf"}"#, 5.0),
        (r#"deliveries_total{receiver="steady",state="queued"}"#, 1.0),
        (r#"deliveries_total{receiver="plain",state="queued"}"#, 1.0),
        (r#"deliveries_total{receiver="plain",state="dead"}"#, 0.0),
        (r#"attempts_total{receiver="steady",outcome="sent",code=""}"#, 1.0),
        (r#"attempts_total{receiver="plain",outcome="unavailable",code="system.error"}"#, 1.0),
        (r#"attempts_total{receiver="plain",outcome="sent",code=""}"#, 1.0),
        (r#"attempts_total{receiver="lost",outcome="blocked",code="group.disbanded"}"#, 1.0),
        (r#"delivery_seconds_count{receiver="steady"}"#, 1.0),
        (r#"delivery_seconds_bucket{receiver="steady",le="21600"}"#, 1.0),
        (r#"delivery_seconds_count{receiver="lost"}"#, 0.0),
        ("digest_deliveries_count", 2.0),
        ("digest_deliveries_sum", 2.0),
        (r#"digest_deliveries_bucket{le="1"}"#, 2.0),
        (r#"queue_depth{receiver="lost"}"#, 1.0),
        (r#"queue_depth{receiver="late"}"#, 1.0),
        (r#"queue_depth{receiver="steady"}"#, 0.0),
        (r#"lane_blocked{receiver="steady"}"#, 0.0),
        (r#"lane_down{receiver="steady"}"#, 0.0),
        (r#"lane_paused{receiver="gone"}"#, 1.0),
        (r#"lane_paused{receiver="steady"}"#, 0.0),
        (r#"lane_cooldown_seconds{receiver="steady"}"#, 0.0),
        (r#"api_calls_total{app="ops",api="token"}"#, 1.0),
        (r#"api_calls_total{app="ops",api="send"}"#, town.simulator.count(Api::Send) as f64),
        (r#"token_refreshes_total{app="ops",result="ok"}"#, 1.0),
        (r#"render_fallbacks_total{template="broken"}"#, 1.0),
        (r#"render_fallbacks_total{template="alertmanager"}"#, 0.0),
        ("config_last_reload_successful", 1.0),
        (&format!(r#"build_info{{version="{}"}}"#, env!("CARGO_PKG_VERSION")), 1.0),
    ] {
        assert_eq!(scrape.value(&format!("dingtalk_relay_{series}")), Some(value), "{series}");
    }
    let between = |series: &str, from: f64, to: f64| {
        let value = scrape.value(&format!("dingtalk_relay_{series}")).unwrap();
        assert!(from < value && value <= to, "{series} is {value}");
    };
    between(r#"lane_cooldown_seconds{receiver="late"}"#, 0.0, 90.0);
    between(r#"queue_oldest_seconds{receiver="lost"}"#, 0.0, 60.0);
    between("accept_seconds_sum", 0.0, 60.0);
    between(r#"delivery_seconds_sum{receiver="plain"}"#, 0.0, 60.0);
    between("config_last_reload_success_timestamp_seconds", 1.7e9, 1e10);
    let apps = town.http.get(format!("http://{}/api/v1/apps", town.relay.admin)).send().await.unwrap();
    let apps: Value = serde_json::from_slice(&apps.bytes().await.unwrap()).unwrap();
    let left = 5000.0 - apps["apps"][0]["calls_this_month"].as_f64().unwrap();
    assert_eq!(scrape.value(r#"dingtalk_relay_api_quota_remaining{app="ops"}"#), Some(left), "{apps}");
    assert_eq!(scrape.value(r#"dingtalk_relay_api_quota_remaining{app="second"}"#), None, "it has no quota");
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_makes_no_label_and_a_receiver_that_is_gone_has_no_gauge() {
    let town = Town::begin().await;
    assert_eq!(town.post("/hooks/stranger", TOKEN, vec![]).await, 404);
    assert_eq!(town.alert("nobody").await, 404);
    let before = town.scrape().await;

    for number in 0..1_000 {
        assert_eq!(town.post(&format!("/hooks/stranger-{number}"), TOKEN, vec![]).await, 404);
        assert_eq!(town.alert(&format!("nobody-{number}")).await, 404);
    }
    let series =
        |scrape: &Scrape| scrape.samples.iter().map(|(n, l, _)| (n.clone(), l.clone())).collect::<BTreeSet<_>>();
    let after = town.scrape().await;
    assert_eq!(series(&after), series(&before));
    assert_eq!(after.value(r#"dingtalk_relay_webhooks_total{source="",code="404"}"#), Some(1_001.0));

    // As many as a delivery may draw before it dies, each of a code that nobody has documented.
    for number in 0..12 {
        town.simulator.fault(Api::Send, 1, Answer::code(400, &format!("brand.new.{number}")));
    }
    assert_eq!(town.post("/hooks/alertmanager/odd", TOKEN, fixture_of_group("one-firing.json", 1)).await, 202);
    let scrape = town.until(r#"dingtalk_relay_deliveries_total{receiver="odd",state="dead"}"#, 1.0).await;
    let odd = r#"dingtalk_relay_attempts_total{receiver="odd",outcome="unavailable",code="other"}"#;
    assert_eq!(scrape.value(odd), Some(12.0));
    every_series_is_of_the_contract(&scrape);

    let gone = r#"dingtalk_relay_queue_depth{receiver="gone"}"#;
    assert_eq!(scrape.value(gone), Some(0.0));
    let left: Vec<_> = RECEIVERS.into_iter().filter(|name| *name != "gone").collect();
    std::fs::write(&town.file, settings(&town.simulator.base_url(), town.file.parent().unwrap(), &left)).unwrap();
    let reload = town.http.post(format!("http://{}/-/reload", town.relay.admin)).send().await.unwrap();
    assert_eq!(reload.status().as_u16(), 200);
    let scrape = town.scrape().await;
    let gauges = scrape.samples.iter().filter(|(name, ..)| scrape.types.get(name).is_some_and(|kind| kind == "gauge"));
    let gone: Vec<_> = gauges.filter(|(_, labels, _)| labels.values().any(|value| value == "gone")).collect();
    assert_eq!(gone, Vec::<&(String, text::Labels, f64)>::new());
}
