//! Every way in, from a configuration to a message in a group: who may post, what is made of it, where it goes. What
//! is a twin of what stands in [`twins`].
//!
//! The whole relay over SQLite, a DingTalk beside it.

mod github;
mod shown;
mod twins;

use dingtalk_relay::config::{self, SecretsRead};
use dingtalk_relay::simulator::{Options, Simulator};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{TOKEN, World, answer, client, fixture, groups, start_with};

/// Two Alertmanagers, and generic sources that ask for every kind of credentials.
const SOURCES: &str = "
sources:
  alertmanager: { kind: alertmanager, auth: { bearer_token: from-the-test } }
  second: { kind: alertmanager, auth: { bearer_token: from-the-test } }
  open: { kind: generic, auth: { none: true } }
  basic: { kind: generic, auth: { basic: { username: ci, password: 'p:w' } } }
  header: { kind: generic, auth: { header: { name: X-Token, value: v } } }
  signed: { kind: generic, auth: { hmac: { secret: s3, header: X-Signature } } }
  deploys:
    kind: generic
    auth: { bearer_token: from-the-test }
    fields:
      title: payload.app ~ ' ' ~ payload.state
      severity: payload.level
      dedup_key: payload.id
      url: payload.run
      labels: { app: payload.app, source: payload.app }
";

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_credentials_opens_its_source_and_no_other() {
    let world = world(SOURCES).await;
    let body = r#"{"title":"deployed"}"#;
    type Show = fn(RequestBuilder) -> RequestBuilder;
    let shown: [(&str, Show); 5] = [
        ("open", |request| request),
        ("basic", |request| request.basic_auth("ci", Some("p:w"))),
        ("header", |request| request.header("x-token", "v")),
        ("signed", |request| request.header("x-signature", signature("s3", r#"{"title":"deployed"}"#))),
        ("deploys", |request| request.bearer_auth(TOKEN)),
    ];
    for (source, _) in shown {
        for (of, show) in shown {
            let url = format!("http://{}/hooks/{source}/team", world.relay.hooks());
            let (status, said) = answer(show(world.http.post(url)).body(body)).await;
            let expected = if of == source || source == "open" { 202 } else { 401 };
            assert_eq!(status, expected, "{source} with what opens {of}: {said}");
        }
    }
    let list = world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    assert_eq!(list.len(), shown.len());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_json_object_arrives_with_a_title_and_a_text() {
    let world = world(SOURCES).await;
    let bodies = [
        r#"{"subject":"Backup failed","host":"db-1","bytes":0}"#,
        r#"{"a":{"b":[1,2]}}"#,
        "{}",
        r#"{"severity":"critical","事件":"严重 <b>**x**</b>"}"#,
    ];
    for (n, body) in bodies.into_iter().enumerate() {
        assert_eq!(world.post("/hooks/open/team", body).await.0, 202, "{body}");
        let message = &world.simulator.arrived(n + 1).await[n];
        for part in ["title", "text"] {
            assert!(!message.msg_param[part].as_str().unwrap().trim().is_empty(), "{body}: {part}");
        }
    }
    let messages = world.simulator.messages();
    let said = |n: usize, part: &str| messages[n].msg_param[part].as_str().unwrap();
    assert!(said(0, "title").contains("Backup failed") && said(0, "text").contains("host: db"), "{}", said(0, "text"));
    assert!(said(1, "title").contains("open") && said(1, "text").contains("a.b: 1, 2"), "{}", said(1, "text"));
    assert!(said(3, "text").contains("严重 &lt;b&gt;"), "{}", said(3, "text"));
    for refused in ["[]", "1", "\"text\"", "null", "{", "{} {}"] {
        let (status, problem) = world.post("/hooks/open/team", refused).await;
        assert_eq!((status, problem["status"].as_u64()), (400, Some(400)), "{refused}");
    }
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fields_of_a_generic_source_decide_what_is_shown_where_it_goes_and_what_is_a_twin() {
    let route = "route: { receiver: team, routes: [{ matchers: ['kind=generic', 'status=notice', 'app=~api|web', \
                 'severity=critical', 'source=deploys', 'label_source=api'], receiver: oncall }] }";
    let world = world(&format!("{SOURCES}\n{route}")).await;
    let post = async |body: Value| world.post("/hooks/deploys", body.to_string()).await.1;

    let first = post(json!({ "app": "api", "state": "failed", "level": "P0", "id": 7, "run": "https://ci/7" })).await;
    let twin = post(json!({ "app": "api", "state": "said another way", "id": 7 })).await;
    let other = post(json!({ "app": "api", "state": "done", "level": "info", "id": 8, "run": "javascript:x" })).await;

    assert_eq!(first["deliveries"][0]["receiver"], "oncall");
    assert_eq!((&twin["duplicate"], &twin["event"]), (&json!(true), &first["event"]));
    assert_eq!((&other["duplicate"], &other["deliveries"][0]["receiver"]), (&json!(false), &json!("team")));
    let messages = world.simulator.arrived(2).await;
    let text = |group: &str| {
        let message = messages.iter().find(|message| message.open_conversation_id == group).unwrap();
        message.msg_param["text"].as_str().unwrap().to_owned()
    };
    assert!(text("cid-oncall==").contains("api failed") && text("cid-oncall==").contains("https://ci/7"));
    assert!(text("cid-team==").contains("api done") && !text("cid-team==").contains("](javascript"));
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_severity_is_mapped_for_each_source_and_the_senders_word_stays_reachable() {
    let world = world(
        "
sources:
  plain: { kind: alertmanager, auth: { none: true } }
  gentle: { kind: alertmanager, auth: { none: true }, severity: { map: { page: warning } } }
  other: { kind: alertmanager, auth: { none: true }, severity: { labels: [prio], map: { Hoch: critical }, default: info } }
route:
  receiver: team
  routes:
    - { matchers: [label_severity=page, severity=warning], receiver: night }
    - { matchers: [severity=critical], receiver: oncall }
    - { matchers: [severity=info], receiver: away }
",
    )
    .await;
    for (source, labels, expected) in [
        ("plain", json!({ "severity": "PAGE" }), "oncall"),
        ("plain", json!({ "severity": "严重" }), "oncall"),
        ("plain", json!({ "severity": "none of ours" }), "team"),
        ("plain", json!({ "level": "critical" }), "oncall"),
        ("plain", json!({ "prio": "hoch" }), "team"),
        ("gentle", json!({ "severity": "page" }), "night"),
        ("gentle", json!({ "severity": "P0" }), "oncall"),
        ("other", json!({ "prio": "hoch" }), "oncall"),
        ("other", json!({ "severity": "critical" }), "away"),
    ] {
        let (_, said) = world.post(&format!("/hooks/{source}"), alert(&labels)).await;
        assert_eq!(said["deliveries"][0]["receiver"], expected, "{source} {labels}");
    }
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_alert_goes_to_several_receivers_and_to_the_one_it_names() {
    let world = world(
        "
sources: { am: { kind: alertmanager, auth: { none: true } } }
route:
  receiver: team
  receiver_label: dingtalk_receiver
  routes:
    - { matchers: [several=yes], receivers: [oncall, team, away] }
    - { matchers: [noise=yes], drop: true }
",
    )
    .await;
    for (labels, expected) in [
        (json!({ "several": "yes" }), &["oncall", "team", "away"][..]),
        (json!({ "dingtalk_receiver": "away", "several": "yes" }), &["away"]),
        (json!({ "dingtalk_receiver": "nobody" }), &["team"]),
        (json!({ "noise": "yes" }), &[]),
    ] {
        let (status, said) = world.post("/hooks/am", alert(&labels)).await;
        let receivers: Vec<_> = said["deliveries"].as_array().unwrap().iter().map(|d| d["receiver"].clone()).collect();
        assert_eq!((status, receivers), (202, expected.iter().map(|name| json!(name)).collect()), "{labels}");
    }
    let messages = world.simulator.arrived(5).await;
    let mut arrived = groups(&messages);
    arrived.sort_unstable();
    assert_eq!(arrived, ["cid-away==", "cid-away==", "cid-oncall==", "cid-team==", "cid-team=="]);
    // `away` extends `team`: its own group, the robot of the other.
    let robot = |group: &str| &messages.iter().find(|m| m.open_conversation_id == group).unwrap().robot_code;
    assert_eq!((robot("cid-away=="), robot("cid-team==")), (&"robot-of-team".to_owned(), &"robot-of-team".to_owned()));
    assert_eq!(robot("cid-oncall=="), "ding-test");
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_route_only_direct_paths_work() {
    let world = world(&format!("{SOURCES}\nroute:")).await;
    let (status, problem) = world.post("/hooks/alertmanager", fixture("one-firing.json")).await;
    assert_eq!(status, 404);
    assert!(problem["detail"].as_str().unwrap().contains("/hooks/{source}/{receiver}"), "{problem}");

    let (status, said) = world.post("/hooks/alertmanager/oncall", fixture("one-firing.json")).await;

    assert_eq!((status, &said["deliveries"][0]["receiver"]), (202, &json!("oncall")));
    assert_eq!(groups(&world.simulator.arrived(1).await), ["cid-oncall=="]);
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_files_is_one_configuration() {
    let (simulator, folder) = (Simulator::start(Options::default()).await.unwrap(), tempfile::tempdir().unwrap());
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    write("conf.d/10-base.yaml", &settings(&simulator.base_url(), folder.path()));
    write("conf.d/20-sources.yaml", "sources: { am: { kind: alertmanager, auth: { bearer_token_file: ../token } } }");
    write("conf.d/30-route.yaml", "route: { receiver: away, routes: [{ matchers: [team=a], receiver: oncall }] }");
    write(
        "conf.d/40-team-b.yml",
        "route: { receiver: team, routes: [{ matchers: ['team=~\"a|b\"'], receiver: night }] }",
    );
    write("conf.d/README.md", "not: [ours");
    write("token", "from-a-file\n");
    let environment = [("RELAY__SOURCES__AM__SEVERITY__DEFAULT", "critical")];
    let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let config = config::load(&[folder.path().join("conf.d")], environment, SecretsRead::Read).unwrap();

    let relay = start_with(config).await;

    let post = async |labels: Value| {
        let url = format!("http://{}/hooks/am", relay.hooks());
        answer(client().post(url).bearer_auth("from-a-file").body(alert(&labels))).await.1
    };
    let receiver = async |labels: Value| post(labels).await["deliveries"][0]["receiver"].clone();
    assert_eq!(receiver(json!({ "team": "a" })).await, "oncall", "the routes of the earlier file come first");
    assert_eq!(receiver(json!({ "team": "b" })).await, "night", "those of the later one are appended");
    assert_eq!(receiver(json!({ "team": "c" })).await, "team", "the later file wins");
    simulator.arrived(3).await;
    relay.stop().await;
}

/// A relay with `more`, and with a route to `team` if that says nothing of one.
async fn world(more: &str) -> World {
    let (simulator, folder) = (Simulator::start(Options::default()).await.unwrap(), tempfile::tempdir().unwrap());
    let route = if more.contains("\nroute:") { "" } else { "route: { receiver: team }" };
    let text = format!("{}\n{more}\n{route}", settings(&simulator.base_url(), folder.path()));
    let config = config::from_text(&text).unwrap_or_else(|problems| panic!("{problems:#?}"));
    World { relay: start_with(config).await, simulator, folder, http: client() }
}

/// One app, four receivers; neither sources nor a route.
fn settings(base_url: &str, folder: &std::path::Path) -> String {
    format!(
        "
http: {{ listen: '127.0.0.1:0' }}
admin: {{ listen: '127.0.0.1:0' }}
store: {{ url: 'sqlite:{}/relay.db' }}
apps:
  ops: {{ base_url: '{base_url}', app_key: ding-test, app_secret: not-a-secret, timeout: 2s }}
receivers:
  oncall: {{ app: ops, open_conversation_id: cid-oncall== }}
  night: {{ app: ops, open_conversation_id: cid-night== }}
  team: {{ app: ops, open_conversation_id: cid-team==, robot_code: robot-of-team }}
  away: {{ extends: team, open_conversation_id: cid-away== }}
",
        folder.display()
    )
}

/// The body of one firing alert with these labels more; never a twin.
fn alert(labels: &Value) -> String {
    let mut body: Value = serde_json::from_slice(&fixture("one-firing.json")).unwrap();
    body["groupKey"] = json!(labels.to_string());
    let own = body["alerts"][0]["labels"].as_object_mut().unwrap();
    own.remove("severity");
    own.extend(labels.as_object().unwrap().clone());
    body.to_string()
}

/// The HMAC-SHA256 of a body, in hex.
pub fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
