//! What a person on call sees: real Alertmanager bodies as the messages DingTalk shows.
//!
//! Rendered and composed as the relay does it, without the relay around. The snapshots are the messages; whoever
//! changes one reads it as if the phone had rung at night. A hard break is shown as `␠␠`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on is to panic")]

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use dingtalk_relay::compose::{self, BUDGET};
use dingtalk_relay::config::digest::SendResolved;
use dingtalk_relay::config::secret::Secret;
use dingtalk_relay::config::{Admin, Config, Http, OnUnknownOutcome, Receipts, Receiver, Retry, Store};
use dingtalk_relay::model::event::{Event, Item, Labels, Severity, Status};
use dingtalk_relay::model::form::{Form, Style};
use dingtalk_relay::model::health::Backoff;
use dingtalk_relay::model::name::EventId;
use dingtalk_relay::render::Renderer;
use serde_json::Value;

#[test]
fn one_firing() {
    insta::assert_snapshot!(shown("one-firing"));
}

#[test]
fn one_firing_in_shanghai() {
    insta::assert_snapshot!(shown_to("one-firing", "shanghai"));
}

#[test]
fn one_resolved() {
    insta::assert_snapshot!(shown("one-resolved"));
}

#[test]
fn two_of_one_rule_from_a_real_prometheus() {
    insta::assert_snapshot!(shown("from-prometheus"));
}

#[test]
fn without_group_labels() {
    insta::assert_snapshot!(shown("no-group-labels"));
}

#[test]
fn the_watchdog() {
    insta::assert_snapshot!(shown("watchdog"));
}

#[test]
fn some_that_alertmanager_left_out() {
    insta::assert_snapshot!(shown("truncated-by-max-alerts"));
}

#[test]
fn fifty_firing() {
    insta::assert_snapshot!(shown("fifty-firing"));
}

#[test]
fn fifty_of_which_some_are_resolved() {
    insta::assert_snapshot!(shown("fifty-mixed"));
}

#[test]
fn thirty_resolved() {
    insta::assert_snapshot!(shown("thirty-resolved"));
}

#[test]
fn two_thousand() {
    let shown = shown("two-thousand");
    assert!(shown.contains("2000 warning firing") && shown.contains("**+1940 more**"));
    insta::assert_snapshot!(shown);
}

#[test]
fn several_rules_in_one_group() {
    let mut event = event("from-prometheus");
    let mut slow = event.items[0].clone();
    slow.name = "HighLatency".to_owned();
    slow.severity = Severity::Warning;
    slow.labels.insert("alertname".to_owned(), slow.name.clone());
    slow.labels.insert("severity".to_owned(), "warning".to_owned());
    slow.annotations =
        Labels::from([("summary".to_owned(), "p99 above 2s".to_owned()), ("impact".to_owned(), "支付变慢".to_owned())]);
    slow.url = Some("http://vm:19090/graph?g0.expr=histogram_quantile(0.99,rate(x[5m]))".to_owned());
    slow.since -= Duration::from_secs(3_600);
    event.group.remove("alertname");
    event.items.insert(0, slow);
    insta::assert_snapshot!(message(&event, "oncall"));
}

#[test]
fn two_thousand_items_take_no_time() {
    let event = event("two-thousand");
    let items: Vec<&Item> = event.items.iter().collect();
    let content = renderer().render(&event, &items, &"oncall".parse().unwrap());
    let took = || {
        let began = Instant::now();
        compose::single(&content, &Style::default(), &Form::default(), BUDGET);
        began.elapsed()
    };
    // It takes less than one; this is a debug build on a busy machine, which may let one of them wait, but not all.
    let quickest = std::iter::repeat_with(took).take(10).min().unwrap();
    assert!(quickest < Duration::from_millis(100), "{quickest:?}");
}

fn shown(fixture: &str) -> String {
    shown_to(fixture, "oncall")
}

fn shown_to(fixture: &str, receiver: &str) -> String {
    message(&event(fixture), receiver)
}

/// The message as text: how big it is, its banner, and what the group sees.
fn message(event: &Event, receiver: &str) -> String {
    let items: Vec<&Item> = event.items.iter().collect();
    let content = renderer().render(event, &items, &receiver.parse().unwrap());
    let param = compose::single(&content, &Style::default(), &Form::default(), BUDGET).msg_param;
    assert!(param.len() <= BUDGET);
    let fields: Value = serde_json::from_str(&param).unwrap();
    let (title, text) = (fields["title"].as_str().unwrap(), fields["text"].as_str().unwrap());
    format!("{} bytes\nbanner: {title}\n\n{}", param.len(), text.replace("  \n", "␠␠\n"))
}

fn renderer() -> Renderer {
    let receiver = |zone: &str| Receiver {
        display_name: None,
        app: "ops".parse().unwrap(),
        robot_code: "ding1".to_owned(),
        open_conversation_id: "cid1==".to_owned(),
        cool_app_code: None,
        style: Style { timezone: jiff::tz::TimeZone::get(zone).unwrap(), ..Style::default() },
        template: None,
        send_resolved: SendResolved::Always,
        digest: crate::storm::one_by_one(),
        messages_per_minute: NonZeroU32::new(20).unwrap(),
        cooldown: Backoff { first: Duration::from_secs(60), last: Duration::from_secs(600) },
        on_unknown_outcome: OnUnknownOutcome::Resend,
        fallback: None,
        fallback_after: Duration::from_secs(120),
        receipts: Receipts { enabled: false, ask_after: vec![] },
    };
    let receivers = [("oncall", "UTC"), ("shanghai", "Asia/Shanghai")];
    let config = Config {
        http: Http { listen: ([127, 0, 0, 1], 0).into(), max_body: 4 << 20, dingtalk_path: None },
        admin: Admin { listen: ([127, 0, 0, 1], 0).into(), token: Some(Secret::given("x")), external_url: None },
        store: Store { path: "unused".into(), retention: Duration::from_secs(1), max_queued: 1 },
        organisations: BTreeMap::new(),
        apps: BTreeMap::new(),
        receivers: receivers.map(|(name, zone)| (name.parse().unwrap(), receiver(zone))).into(),
        sources: BTreeMap::new(),
        route: None,
        retry: Retry { schedule: Vec::new(), max_attempts: NonZeroU32::MIN },
        templates: Vec::new(),
        operator: None,
    };
    Renderer::compile(&config).unwrap()
}

/// A body of `tests/fixtures/alertmanager` as an event, read just well enough for rendering.
fn event(fixture: &str) -> Event {
    let body = body(fixture);
    let alerts = body["alerts"].as_array().unwrap();
    Event {
        id: EventId("01".to_owned()),
        source: "alertmanager".parse().unwrap(),
        kind: "alertmanager",
        title: "the whole group".to_owned(),
        title_in_chinese: None,
        url: body["externalURL"].as_str().map(str::to_owned),
        received_at: "2026-11-21T19:31:00Z".parse().unwrap(),
        order_key: String::new(),
        dedup_key: String::new(),
        dedup_state: String::new(),
        facts: Labels::from([("receiver".to_owned(), text(&body["receiver"]))]),
        group: labels(&body["groupLabels"]),
        items: alerts.iter().map(item).collect(),
        truncated: body["truncatedAlerts"].as_u64().unwrap(),
    }
}

fn body(fixture: &str) -> Value {
    let path = format!("{}/tests/fixtures/alertmanager/{fixture}.json", env!("CARGO_MANIFEST_DIR"));
    if let Ok(plain) = std::fs::read(&path) {
        return serde_json::from_slice(&plain).unwrap();
    }
    serde_json::from_reader(flate2::read::GzDecoder::new(std::fs::File::open(path + ".gz").unwrap())).unwrap()
}

fn item(alert: &Value) -> Item {
    let labels = labels(&alert["labels"]);
    let status = if alert["status"] == "firing" { Status::Firing } else { Status::Resolved };
    let severity = labels.get("severity").and_then(|word| Severity::named(word)).unwrap_or(Severity::Warning);
    Item {
        fingerprint: text(&alert["fingerprint"]),
        name: labels["alertname"].clone(),
        status,
        severity,
        labels,
        annotations: self::labels(&alert["annotations"]),
        since: text(&alert["startsAt"]).parse().unwrap(),
        until: (status == Status::Resolved).then(|| text(&alert["endsAt"]).parse().unwrap()),
        url: alert["generatorURL"].as_str().map(str::to_owned),
    }
}

fn labels(map: &Value) -> Labels {
    map.as_object().unwrap().iter().map(|(key, value)| (key.clone(), text(value))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
