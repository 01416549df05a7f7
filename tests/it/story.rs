//! Two lives told field by field: one delivery that is queued, throttled, retried, delivered and read, and one that
//! dies and is redriven elsewhere. Every field to which the contract (§5) gives a name appears with a true value.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dingtalk_relay::simulator::Options;
use dingtalk_relay::simulator::faults::{Answer, Api};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::harness::{Bench, Hands, fixture, fixture_of_group};

const BEGIN: &str = "2026-11-21T12:00:00Z";
const MINUTE: Duration = Duration::from_secs(60);

const SETTINGS: &str = "
retry: { schedule: [30s], max_attempts: 3 }
receivers: { oncall: { receipts: { enabled: true, ask_after: [1m] } } }
";

/// Every field of the contract's answers that may be null or absent, and where it must have been seen.
const FIELDS: [&str; 53] = [
    "delivery.id",
    "delivery.event.id",
    "delivery.event.source",
    "delivery.event.kind",
    "delivery.event.title",
    "delivery.event.received_at",
    "delivery.source",
    "delivery.receiver",
    "delivery.state",
    "delivery.title",
    "delivery.severity",
    "delivery.created_at",
    "delivery.delivered_at",
    "delivery.next_attempt_at",
    "delivery.attempts",
    "delivery.reason",
    "delivery.possibly_duplicate",
    "delivery.fallback_of",
    "delivery.handed_to",
    "delivery.message.id",
    "delivery.message.msg_key",
    "delivery.message.msg_param",
    "delivery.message.bytes",
    "delivery.message.deliveries",
    "delivery.message.process_query_key",
    "delivery.message.send_status",
    "delivery.message.readers",
    "delivery.attempt_log.at",
    "delivery.attempt_log.outcome",
    "delivery.attempt_log.code",
    "delivery.attempt_log.http_status",
    "delivery.attempt_log.msg_key",
    "delivery.attempt_log.duration_ms",
    "delivery.attempt_log.may_have_arrived",
    "delivery.attempt_log.hint",
    "lanes.lanes.receiver",
    "lanes.lanes.state",
    "lanes.lanes.queued",
    "lanes.lanes.oldest_at",
    "lanes.lanes.messages_per_minute",
    "lanes.lanes.cooling_until",
    "lanes.lanes.blocked.code",
    "lanes.lanes.blocked.reason",
    "lanes.lanes.blocked.since",
    "lanes.lanes.blocked.next_probe_at",
    "apps.apps.app",
    "apps.apps.state",
    "apps.apps.token_expires_at",
    "apps.apps.calls_this_month",
    "apps.apps.calls_per_month",
    "apps.apps.projected_calls",
    "apps.apps.blocked.code",
    "apps.apps.blocked.next_probe_at",
];

/// A bench that remembers which fields were told and were not null.
struct Story {
    bench: Bench,
    told: BTreeSet<String>,
}

impl Story {
    async fn begin() -> Self {
        let by_hand = |hands: Hands| Options { clock: Arc::new(move || hands.now()), ..Options::default() };
        Self { bench: Bench::with(SETTINGS, BEGIN, by_hand).await, told: BTreeSet::new() }
    }

    /// Accepts an alert, and gives its delivery's id.
    async fn alert(&mut self, receiver: &str) -> String {
        let accepted = self.bench.accept(receiver, &fixture("one-firing.json")).await;
        accepted.deliveries[0].0.0.clone()
    }

    async fn delivery(&mut self, id: &str) -> Value {
        let shown = self.bench.look(&format!("/api/v1/deliveries/{id}")).await;
        let mut listed = shown.clone();
        listed["event"] = shown["event"]["id"].clone();
        listed.as_object_mut().unwrap().remove("attempt_log");
        let list = self.bench.deliveries().await;
        assert!(list.contains(&listed), "the list says the same: {listed:#}");
        note("delivery", &shown, &mut self.told);
        shown
    }

    async fn lane(&mut self, receiver: &str) -> Value {
        note("lanes", &self.bench.look("/api/v1/lanes").await, &mut self.told);
        self.bench.lane(receiver).await
    }

    async fn app(&mut self) -> Value {
        let apps = self.bench.look("/api/v1/apps").await;
        note("apps", &apps, &mut self.told);
        apps["apps"][0].clone()
    }

    async fn fail_and_work(&mut self, api: Api, answer: Answer, span: Duration) {
        self.bench.simulator.fault(api, 1, answer);
        self.bench.work_for(span).await;
    }
}

fn note(path: &str, value: &Value, told: &mut BTreeSet<String>) {
    match value {
        Value::Null => {}
        Value::Array(list) => list.iter().for_each(|one| note(path, one, told)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| note(&format!("{path}.{name}"), value, told)),
        _ => drop(told.insert(path.to_owned())),
    }
}

/// Asserts that an object has these values; what is not named is free.
fn says(shown: &Value, expected: &Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name} of {shown:#}");
    }
}

/// Asserts that a time lies so many seconds after another, or up to so many.
fn between(at: &Value, since: Timestamp, seconds: std::ops::RangeInclusive<i64>) {
    let at: Timestamp = at.as_str().unwrap_or_else(|| panic!("{at} is no time")).parse().unwrap();
    let after = at.duration_since(since);
    let span = SignedDuration::from_secs(*seconds.start())..=SignedDuration::from_secs(*seconds.end());
    assert!(span.contains(&after), "{at} is {after:?} after {since}");
}

#[tokio::test]
async fn every_field_of_the_contract_is_told_truly_in_two_lives() {
    let begin: Timestamp = BEGIN.parse().unwrap();
    let mut story = Story::begin().await;
    lives_and_is_read(&mut story, begin).await;
    dies_and_goes_elsewhere(&mut story).await;
    is_blocked(&mut story).await;

    let missing: Vec<_> = FIELDS.iter().filter(|field| !story.told.contains(**field)).collect();
    assert!(missing.is_empty(), "never told: {missing:?}");
}

async fn lives_and_is_read(story: &mut Story, begin: Timestamp) {
    let id = story.alert("oncall").await;
    let queued = story.delivery(&id).await;
    says(
        &queued,
        &json!({"id": id, "source": "alertmanager", "receiver": "oncall", "state": "queued", "attempts": 0,
        "severity": "critical", "delivered_at": null, "reason": null, "possibly_duplicate": false,
        "fallback_of": null, "handed_to": null, "message": null, "attempt_log": []}),
    );
    between(&queued["created_at"], begin, 0..=1);
    says(&queued["event"], &json!({"source": "alertmanager", "kind": "alertmanager"}));
    between(&queued["event"]["received_at"], begin, 0..=1);
    let lane = story.lane("oncall").await;
    says(
        &lane,
        &json!({"state": "flowing", "queued": 1, "messages_per_minute": 20, "cooling_until": null,
        "blocked": null, "oldest_at": queued["created_at"]}),
    );
    says(
        &story.app().await,
        &json!({"state": "flowing", "calls_this_month": 0, "calls_per_month": 5000,
        "projected_calls": 0, "token_expires_at": null, "blocked": null}),
    );

    story.fail_and_work(Api::Send, Answer::code(400, "send.too.fast"), Duration::from_secs(1)).await;
    let throttled = story.delivery(&id).await;
    says(&throttled, &json!({"state": "queued", "attempts": 1, "reason": null, "possibly_duplicate": false}));
    says(
        &throttled["attempt_log"][0],
        &json!({"outcome": "throttled", "code": "send.too.fast", "http_status": 400,
        "msg_key": "sampleMarkdown", "may_have_arrived": false}),
    );
    assert!(throttled["attempt_log"][0]["hint"].as_str().unwrap().ends_with('.'));
    let lane = story.lane("oncall").await;
    says(&lane, &json!({"state": "cooling", "queued": 1, "messages_per_minute": 10, "blocked": null}));
    between(&lane["cooling_until"], begin, 30..=91);
    says(&story.app().await, &json!({"state": "flowing"}));
    between(&story.app().await["token_expires_at"], begin, 7_100..=7_201);

    let cooled: Timestamp = lane["cooling_until"].as_str().unwrap().parse().unwrap();
    story.bench.clock.move_to(cooled);
    story.fail_and_work(Api::Send, Answer::ResetAfter, Duration::from_secs(2)).await;
    let cut_off = story.delivery(&id).await;
    says(&cut_off, &json!({"state": "queued", "attempts": 2, "possibly_duplicate": true}));
    says(
        &cut_off["attempt_log"][1],
        &json!({"outcome": "unavailable", "code": "connection_lost", "http_status": null,
        "may_have_arrived": true}),
    );
    between(&cut_off["next_attempt_at"], cooled, 20..=40);

    story.bench.work_for(Duration::from_secs(40)).await;
    let delivered = story.delivery(&id).await;
    let message = story.bench.simulator.messages().pop().unwrap();
    says(
        &delivered,
        &json!({"state": "delivered", "attempts": 3, "reason": null, "next_attempt_at": null,
        "possibly_duplicate": true}),
    );
    between(&delivered["delivered_at"], cooled, 20..=45);
    let param = delivered["message"]["msg_param"].as_str().unwrap();
    says(
        &delivered["message"],
        &json!({"msg_key": "sampleMarkdown", "bytes": param.len(), "deliveries": 1,
        "process_query_key": message.process_query_key, "send_status": null, "readers": null}),
    );
    assert_eq!(serde_json::from_str::<Value>(param).unwrap(), json!(message.msg_param));
    says(&delivered["attempt_log"][2], &json!({"outcome": "sent", "code": null, "http_status": 200, "hint": null}));
    assert!(delivered["attempt_log"].as_array().unwrap().iter().all(|attempt| attempt["duration_ms"].is_u64()));
    says(&story.lane("oncall").await, &json!({"queued": 0, "oldest_at": null}));

    assert!(story.bench.simulator.read(&message.process_query_key, "li"));
    story.bench.work_for(2 * MINUTE).await;
    says(&story.delivery(&id).await["message"], &json!({"send_status": "SUCCESS", "readers": 1}));
}

async fn dies_and_goes_elsewhere(story: &mut Story) {
    let before = story.app().await["calls_this_month"].as_u64().unwrap();
    let id = story.alert("team").await;
    story.bench.simulator.fault(Api::Send, 3, Answer::code(400, "brand.new"));
    story.bench.work_for(2 * MINUTE).await;
    let dead = story.delivery(&id).await;
    says(
        &dead,
        &json!({"state": "dead", "attempts": 3, "delivered_at": null, "next_attempt_at": null,
        "possibly_duplicate": false, "handed_to": null}),
    );
    assert!(dead["reason"].as_str().unwrap().starts_with("tried 3 times, the last time: brand.new"), "{dead:#}");
    says(&dead["message"], &json!({"process_query_key": null, "send_status": null}));

    let now = story.bench.clock.now();
    let heir = story.bench.operator().redrive(&id, Some("night"), now).await.unwrap().id.0;
    story.bench.work_for(5 * MINUTE).await;
    says(&story.delivery(&id).await, &json!({"state": "dead", "handed_to": heir, "reason": dead["reason"]}));
    let arrived = story.delivery(&heir).await;
    says(
        &arrived,
        &json!({"state": "delivered", "receiver": "night", "fallback_of": id, "handed_to": null,
        "attempts": 1, "title": dead["title"], "event": dead["event"]}),
    );
    let message = story.bench.simulator.messages().pop().unwrap();
    assert_eq!(arrived["message"]["process_query_key"], message.process_query_key);
    let app = story.app().await;
    assert_eq!(app["calls_this_month"], before + 4);
    assert!(app["projected_calls"].as_u64().unwrap() > before + 4, "the month goes on: {app}");
}

async fn is_blocked(story: &mut Story) {
    let now = story.bench.clock.now();
    story.bench.accept("team", &fixture_of_group("one-firing.json", 7)).await;
    story.fail_and_work(Api::Send, Answer::code(400, "group.disbanded"), Duration::from_secs(2)).await;
    let lane = story.lane("team").await;
    says(&lane, &json!({"state": "blocked", "queued": 1}));
    says(&lane["blocked"], &json!({"code": "group.disbanded"}));
    assert!(lane["blocked"]["reason"].as_str().unwrap().ends_with('.'));
    between(&lane["blocked"]["since"], now, 0..=2);
    between(&lane["blocked"]["next_probe_at"], now, 30..=90);

    let probe: Timestamp = lane["blocked"]["next_probe_at"].as_str().unwrap().parse().unwrap();
    story.bench.clock.move_to(probe);
    story.fail_and_work(Api::Send, Answer::code(400, "auth.error"), Duration::from_secs(2)).await;
    let app = story.app().await;
    says(&app, &json!({"state": "blocked"}));
    says(&app["blocked"], &json!({"code": "auth.error"}));
    between(&app["blocked"]["next_probe_at"], probe, 15..=45);
}
