//! What is shown before is what happens then: previews of the API beside the messages that the simulator receives, and
//! everything a person is warned of. How `render` prints it stands in [`printed`].

mod printed;

use serde_json::{Map, Value, json};

use crate::harness::{World, answer, fixture};
use crate::ways_in::signature;

/// Every kind of source laid over the harness's tree, whose only route is `severity="critical"` to `oncall`; and no limit that would make these tests wait.
const SETTINGS: &str = "
defaults: { app: { limits: { calls_per_second: 10000 } }, receiver: { unchanged: show, limits: { messages_per_minute: 100000 } } }
organisations: { default: { calls_per_month: 0 } }
receivers:
  oncall: { display_name: 值班群, message: action_card, buttons: horizontal }
  team: { message: action_card }
  spare: { app: ops, open_conversation_id: cid-spare== }
sources:
  github: { kind: github, secret: s3 }
  deploys:
    kind: generic
    auth: { bearer_token: from-the-test }
    fields: { title: payload.app, severity: payload.level, url: payload.run, labels: payload.labels, dedup_key: payload.id }
route:
  receiver: team
  receiver_label: dingtalk_receiver
  routes:
    - { matchers: [alertname=Watchdog], drop: true }
    - matchers: ['severity=\"warning\"']
      routes:
        - { matchers: ['alertname=\"HighCPU\"'], receivers: [team, spare] }
    - { matchers: [event=star], drop: true }
";

const ALERTMANAGER: [&str; 10] = [
    "one-firing.json",
    "one-resolved.json",
    "from-prometheus.json",
    "no-group-labels.json",
    "watchdog.json",
    "truncated-by-max-alerts.json",
    "thirty-resolved.json",
    "fifty-firing.json",
    "fifty-mixed.json",
    "two-thousand.json.gz",
];

const GITHUB: [&str; 8] =
    ["dependabot_alert", "issues", "ping", "pull_request", "push", "release", "star", "workflow_run"];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_previewed_is_what_dingtalk_receives_for_every_captured_body() {
    let world = World::with(SETTINGS).await;
    let mut told = 0;
    for name in ALERTMANAGER {
        told += same(&world, "alertmanager", None, None, fixture(name)).await;
        // The others get cards. Straight to somebody it is no twin.
        told += same(&world, "alertmanager", Some("spare"), None, fixture(name)).await;
    }
    for name in GITHUB {
        told += same(&world, "github", None, Some(name), github(name)).await;
    }
    for body in ["{}", r#"{"z":1,"a":12345678901234567890.10,"app":"支付 *x*"}"#, r#"{ "run": "javascript:x" }"#] {
        told += same(&world, "deploys", None, None, body.into()).await;
    }
    assert_eq!(world.simulator.messages().len(), told);
    assert!(told > 15, "{told}");
    world.end().await;
}

/// Previews a body and posts it, and compares; says how many messages it made.
async fn same(world: &World, source: &str, to: Option<&str>, event: Option<&str>, body: Vec<u8>) -> usize {
    let payload = String::from_utf8(body.clone()).unwrap();
    let (receiver, path) = (json!(to), to.map_or(source.to_owned(), |to| format!("{source}/{to}")));
    let as_json =
        format!(r#"{{"source":"{source}","receiver":{receiver},"event":{},"payload":{payload}}}"#, json!(event));
    let as_text = json!({ "source": source, "receiver": receiver, "event": event, "payload": payload });
    let before = world.simulator.messages().len();
    let shown = preview(world, as_json).await;
    assert_eq!(messages(&preview(world, as_text.to_string()).await), messages(&shown), "a text is read as its JSON is");
    assert_eq!(world.simulator.messages().len(), before, "a preview sends nothing");

    let (status, accepted) = post(world, &path, event, body).await;

    assert_eq!(status, 202, "{accepted}");
    let made = accepted["deliveries"].as_array().unwrap().len();
    let arrived = world.simulator.arrived(before + made).await;
    let list = world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    let sent = |receiver: &Value| {
        let delivery = list.iter().find(|d| d["event"] == accepted["event"] && d["receiver"] == *receiver).unwrap();
        let key = delivery["message"]["process_query_key"].as_str().unwrap();
        let message = arrived.iter().find(|message| message.process_query_key == key).unwrap();
        let (title, text) = (&message.msg_param["title"], &message.msg_param["text"]);
        json!({ "msg_key": message.msg_key, "title": title, "text": text, "bytes": delivery["message"]["bytes"],
                "buttons": buttons(&message.msg_param) })
    };
    let receivers = accepted["deliveries"].as_array().unwrap().iter().map(|delivery| &delivery["receiver"]);
    let sent = Value::from_iter(receivers.map(|name| json!({ "receiver": name, "messages": [sent(name)] })));
    assert_eq!(timeless(&sent), messages(&shown), "{source} {event:?}");
    made
}

/// The buttons of a message, in their order.
fn buttons(fields: &Map<String, Value>) -> Vec<Value> {
    let of = |title: &str, url: &str| Some(json!({ "title": fields.get(title)?, "url": fields.get(url)? }));
    let stacked = (1..=5).filter_map(|n| of(&format!("actionTitle{n}"), &format!("actionURL{n}")));
    let pair = (1..=2).filter_map(|n| of(&format!("buttonTitle{n}"), &format!("buttonUrl{n}")));
    of("singleTitle", "singleURL").into_iter().chain(stacked).chain(pair).collect()
}

/// What a preview says is sent to whom.
fn messages(preview: &Value) -> String {
    let receivers = preview["receivers"].as_array().unwrap().iter();
    timeless(&receivers.map(|one| json!({ "receiver": one["receiver"], "messages": one["messages"] })).collect())
}

/// As a text, without the minute in which it was received: another one may begin between two looks.
fn timeless(value: &Value) -> String {
    let received = regex::Regex::new(r"at \d{4}-\d\d-\d\d \d\d:\d\d UTC").unwrap();
    received.replace_all(&format!("{value:#}"), "at …").into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_by_which_route_a_receiver_gets_what() {
    let world = World::with(SETTINGS).await;
    let mut body: Value = serde_json::from_slice(&fixture("fifty-firing.json")).unwrap();
    for (i, alert) in body["alerts"].as_array_mut().unwrap().iter_mut().enumerate() {
        alert["labels"]["alertname"] = json!(["Watchdog", "HighCPU", "Other", "Named"][i % 4]);
        alert["labels"]["severity"] = json!(if i < 8 { "critical" } else { "warning" });
        if i % 4 == 3 {
            alert["labels"]["dingtalk_receiver"] = json!(if i == 3 { "nobody" } else { "spare" });
        }
    }
    let shown = preview(&world, json!({ "source": "alertmanager", "payload": body }).to_string()).await;

    assert_eq!((&shown["items"], &shown["dropped"]), (&json!(50), &json!(11)));
    let routes: Vec<_> = shown["receivers"].as_array().unwrap().iter().map(|one| &one["route"]).collect();
    let inside = r#"route.routes[2].routes[0]: severity="warning", alertname="HighCPU""#;
    let label = "route.receiver_label: `dingtalk_receiver` names the receiver";
    assert_eq!(
        routes,
        [
            &json!(r#"route.routes[0]: severity="critical""#),
            &json!(format!("{label} (11 of 22); {inside} (11 of 22)")),
            &json!(format!(r#"{inside} (11 of 21); route.routes[2]: severity="warning" (10 of 21)"#)),
        ]
    );
    let warned = shown["receivers"][0]["warnings"][0].as_str().unwrap();
    assert!(warned.contains("no receiver is called \"nobody\"") && warned.contains("(1 of 7 alerts)"), "{warned}");

    let direct = json!({ "source": "alertmanager", "receiver": "night", "payload": body }).to_string();
    let shown = preview(&world, direct).await;
    assert_eq!(shown["receivers"].as_array().unwrap().len(), 1);
    assert_eq!(shown["receivers"][0]["receiver"], "night");
    assert_eq!(shown["receivers"][0]["route"], "direct: the receiver is named, no route is asked");
    assert_eq!(shown["dropped"], 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_gets_and_a_ping_have_no_receivers() {
    let world = World::with(SETTINGS).await;
    let ask = async |source: &str, event: Option<&str>, payload: Value| {
        preview(&world, json!({ "source": source, "event": event, "payload": payload }).to_string()).await
    };
    let watchdog = serde_json::from_slice(&fixture("watchdog.json")).unwrap();
    let dropped = ask("alertmanager", None, watchdog).await;
    assert_eq!(dropped, json!({ "receivers": [], "items": 1, "dropped": 1, "ping": false }));
    let ping = ask("github", Some("ping"), json!({ "zen": "Keep it simple." })).await;
    assert_eq!(ping, json!({ "receivers": [], "items": 0, "dropped": 0, "ping": true }));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_as_it_was_meant_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let template = |name: &str, text: &str| std::fs::write(folder.path().join(format!("{name}.md.j2")), text).unwrap();
    template("fails", "{% extends \"alertmanager\" %}{% block header %}{{ 1 / items[0].labels.n }}{% endblock %}");
    template("bare", "no blocks at all");
    let world = World::with(&format!("{SETTINGS}\ntemplates: ['{}']", folder.path().display())).await;
    let warnings = async |source: &str, template: Option<&str>, payload: Value| {
        let asked = json!({ "source": source, "template": template, "payload": payload });
        let shown = preview(&world, asked.to_string()).await;
        let received = &shown["receivers"][0];
        assert!(!received["messages"][0]["text"].as_str().unwrap().is_empty());
        received["warnings"].as_array().unwrap().iter().map(|w| w.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut body: Value = serde_json::from_slice(&fixture("fifty-firing.json")).unwrap();
    assert_eq!(warnings("alertmanager", None, body.clone()).await, [""; 0], "nothing is wrong with what is captured");

    body["truncatedAlerts"] = json!(3);
    body["externalURL"] = json!("alertmanager:9093");
    body["alerts"][0]["labels"]["severity"] = json!("none");
    body["alerts"][1]["labels"]["severity"] = json!("none");
    body["alerts"][0]["generatorURL"] = json!("/graph");
    body["alerts"][2]["annotations"]["runbook_url"] = json!("wiki/disk");
    body["alerts"][3]["annotations"]["description"] = json!("🔥".repeat(5_000));
    body["alerts"][3]["startsAt"] = json!("2026-11-22T12:00:00Z");
    for alert in body["alerts"].as_array_mut().unwrap() {
        alert["annotations"]["summary"] = json!(format!("{} {}", alert["labels"]["instance"], "long ".repeat(200)));
    }
    insta::assert_snapshot!("of_alerts", warnings("alertmanager", None, body.clone()).await.join("\n"));
    insta::assert_snapshot!("of_a_template", warnings("alertmanager", Some("fails"), body.clone()).await.join("\n"));
    insta::assert_snapshot!("of_no_template", warnings("alertmanager", Some("bare"), body).await.join("\n"));
    let deploy = json!({ "level": "page me", "run": "ftp://x", "labels": 7, "text": "x".repeat(20_000) });
    let scrape = world.http.get(format!("http://{}/metrics", world.relay.admin())).send().await.unwrap();
    let scrape = scrape.text().await.unwrap();
    let counted =
        scrape.lines().find(|line| line.starts_with("dingtalk_relay_render_fallbacks_total{template=\"fails\"}"));
    assert!(counted.is_some_and(|line| line.ends_with(" 0")), "what is only tried is not counted: {counted:?}");
    insta::assert_snapshot!("of_fields", warnings("deploys", None, deploy).await.join("\n"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gets_no_button_is_told() {
    let world = World::with(SETTINGS).await;
    let ask = async |source: &str, receiver: &str, payload: &Value| {
        let asked = json!({ "source": source, "receiver": receiver, "payload": payload });
        let received = preview(&world, asked.to_string()).await["receivers"][0].clone();
        (received["messages"][0].clone(), received["warnings"].as_array().unwrap().clone())
    };
    let mut body: Value = serde_json::from_slice(&fixture("one-firing.json")).unwrap();
    let (message, warnings) = ask("alertmanager", "team", &body).await;
    let titles: Vec<_> = message["buttons"].as_array().unwrap().iter().map(|button| &button["title"]).collect();
    assert_eq!(titles, ["Graph", "Runbook", "Silence", "Alertmanager"]);
    assert_eq!(warnings, [""; 0]);

    body["alerts"][0]["annotations"]["runbook_url"] = json!(format!("https://wiki/{}", "x".repeat(800)));
    let (message, warnings) = ask("alertmanager", "oncall", &body).await;
    assert_eq!(message["buttons"].as_array().unwrap().len(), 2);
    let lost: Vec<_> = warnings.iter().map(|warning| warning.as_str().unwrap().split('`').nth(1).unwrap()).collect();
    assert_eq!(lost, ["Runbook", "Alertmanager"], "{warnings:?}");

    let (message, warnings) =
        ask("deploys", "team", &json!({ "app": "x", "labels": {}, "id": 1, "level": "info" })).await;
    assert_eq!((&message["msg_key"], &message["buttons"]), (&json!("sampleMarkdown"), &json!([])));
    assert!(
        warnings.iter().any(|warning| warning.as_str().unwrap().contains("it goes as plain markdown")),
        "{warnings:?}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_template_may_be_tried_and_the_receivers_own_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.md.j2");
    std::fs::write(&file, "{% extends \"alertmanager\" %}{% block title %}mine for {{ receiver }}{% endblock %}")
        .unwrap();
    let world = World::with(&format!("{SETTINGS}\ntemplates: ['{}']", file.display())).await;
    let title = async |template: Option<&str>| {
        let body: Value = serde_json::from_slice(&fixture("one-firing.json")).unwrap();
        let asked = json!({ "source": "alertmanager", "receiver": "team", "template": template, "payload": body });
        preview(&world, asked.to_string()).await["receivers"][0]["messages"][0]["title"].as_str().unwrap().to_owned()
    };
    assert_eq!(title(Some("mine")).await, "mine for team");
    assert!(title(None).await.contains("HighCPU"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_followed_is_told_what_would_be_right() {
    let world = World::with(SETTINGS).await;
    let alert: Value = serde_json::from_slice(&fixture("one-firing.json")).unwrap();
    for (asked, status, says) in [
        (json!({ "source": "alertmanagr", "payload": alert }), 404, "did you mean `alertmanager`?"),
        (json!({ "source": "alertmanager", "receiver": "x", "payload": alert }), 404, "there are `night`, `oncall`"),
        (json!({ "source": "alertmanager", "template": "x", "payload": alert }), 404, "there are `alertmanager`"),
        (json!({ "source": "alertmanager", "template": "layout", "payload": alert }), 404, "there is no such template"),
        (json!({ "source": "alertmanager", "event": "push", "payload": alert }), 422, "takes no `event`"),
        (json!({ "source": "github", "payload": {} }), 400, "X-GitHub-Event"),
        (json!({ "payload": {} }), 400, "`source` is missing"),
        (json!({ "source": 7, "payload": {} }), 400, "`source` must be a text"),
        (json!({ "source": "github", "event": "push" }), 400, "`payload` is missing"),
        (json!({ "source": "github", "event": "push", "payload": " " }), 400, "`payload` is missing or empty"),
        (json!({ "source": "github", "event": "push", "payload": [] }), 400, ".: expected a JSON object"),
        (json!({ "source": "alertmanager", "payloud": alert }), 400, "did you mean `payload`?"),
        (json!({ "source": "alertmanager", "payload": { "alerts": [{ "planted": 1 }] } }), 400, "alerts[0].labels"),
        (json!([]), 400, "the body must be a JSON object with `source`"),
    ] {
        let (said, problem) = world.ask("/api/v1/preview", &asked).await;
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(said == status && detail.contains(says), "{asked}: {said} {problem}");
        assert!(!detail.contains("planted"), "{detail}");
    }
    let broken = world.http.post(format!("http://{}/api/v1/preview", world.relay.admin())).body("{\"source\":");
    assert_eq!(answer(broken).await.0, 400);
    let read = world.http.get(format!("http://{}/api/v1/preview", world.relay.admin()));
    let (status, problem) = answer(read).await;
    assert_eq!((status, problem["detail"].as_str()), (405, Some("this path takes POST")));
    let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", "{}").finish();
    let form = json!({ "source": "github", "event": "push", "payload": form });
    assert_eq!(world.ask("/api/v1/preview", &form).await.0, 200, "GitHub's form is a payload too");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reloaded_is_what_is_previewed_and_sent_by() {
    let world = World::with(SETTINGS).await;
    let body: Value = serde_json::from_slice(&fixture("one-firing.json")).unwrap();
    let asked = json!({ "source": "alertmanager", "receiver": "dev", "payload": body });
    let letter = json!({ "receiver": "dev", "title": "t", "text": "x", "wait": "20s" });
    for (path, asked) in [("/api/v1/preview", &asked), ("/api/v1/send", &letter)] {
        assert_eq!(world.ask(path, asked).await.0, 404, "{path}");
    }
    world.write(&SETTINGS.replace("  spare:", "  dev: { app: ops, open_conversation_id: cid-dev== }\n  spare:"));

    assert_eq!(world.reload().await.0, 200);

    assert_eq!(preview(&world, asked.to_string()).await["receivers"][0]["receiver"], "dev");
    let (_, delivery) = world.ask("/api/v1/send", &letter).await;
    assert_eq!(delivery["state"], "delivered", "{delivery}");
    assert_eq!(world.simulator.messages()[0].open_conversation_id, "cid-dev==");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_may_be_as_large_as_a_webhook_and_no_larger() {
    let world = World::with(&format!("{SETTINGS}\nhttp: {{ max_body: 1MiB }}")).await;
    let of = |length: usize| json!({ "text": "x".repeat(length - r#"{"text":""}"#.len()) }).to_string();
    for (length, status) in [(1 << 20, 200), ((1 << 20) + 1, 413), (3 << 20, 413)] {
        let as_text = json!({ "source": "deploys", "payload": of(length) });
        assert_eq!(world.ask("/api/v1/preview", &as_text).await.0, status, "{length}");
    }
    world.end().await;
}

/// What the API answers to a preview that is right.
async fn preview(world: &World, asked: String) -> Value {
    let request = world.http.post(format!("http://{}/api/v1/preview", world.relay.admin())).body(asked);
    let (status, shown) = answer(request).await;
    assert_eq!(status, 200, "{shown}");
    shown
}

/// Posts a webhook as its sender would.
async fn post(world: &World, path: &str, event: Option<&str>, body: Vec<u8>) -> (u16, Value) {
    let Some(event) = event else { return world.post(&format!("/hooks/{path}"), body).await };
    let signature = signature("s3", std::str::from_utf8(&body).unwrap());
    let request = world.http.post(format!("http://{}/hooks/{path}", world.relay.hooks())).body(body);
    let request = request.header("x-github-event", event).header("x-hub-signature-256", signature);
    answer(request.header("content-type", "application/json")).await
}

/// A captured delivery of GitHub.
fn github(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/github/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}
