//! The lives of deliveries told field by field: one that is queued, throttled, retried, delivered and read, one that
//! dies and is redriven elsewhere, one that is handed over. Every field to which the contract (§4, §5) gives a name is
//! compared with its true value somewhere in them ([`told`]); what a human asks and does by hand stands in [`answers`].
//!
//! Nothing here depends on the day on which it runs: the time is the bench's, also where the calls of a month are told.

mod answers;
mod blocked;
mod told;

use std::sync::Arc;
use std::time::Duration;

use dingtalk_relay::dingtalk::codes;
use dingtalk_relay::model::language::Language;
use dingtalk_relay::model::month::Month;
use dingtalk_relay::simulator::Options;
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::messages::Admitted;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Bench, Hands, fixture};
use crate::story::told::{Told, time};

const BEGIN: &str = "2026-11-21T12:00:00Z";
const MINUTE: Duration = Duration::from_secs(60);

const SETTINGS: &str = "
retry: { schedule: [30s], max_attempts: 3 }
receivers:
  oncall: { receipts: { enabled: true, ask_after: [1m] } }
  branch: { app: ops, open_conversation_id: cid-branch==, fallback: night, fallback_after: 10s }
";

/// Every field of the contract's answers that is told here.
const FIELDS: &str = "
delivery.id delivery.event.id delivery.event.source delivery.event.kind delivery.event.title delivery.event.received_at
delivery.source delivery.receiver delivery.state delivery.title delivery.severity delivery.created_at
delivery.delivered_at delivery.next_attempt_at delivery.attempts delivery.reason delivery.possibly_duplicate
delivery.fallback_of delivery.handed_to
delivery.message.id delivery.message.msg_key delivery.message.msg_param delivery.message.bytes
delivery.message.deliveries delivery.message.process_query_key delivery.message.send_status delivery.message.readers
delivery.attempt_log.at delivery.attempt_log.outcome delivery.attempt_log.code delivery.attempt_log.http_status
delivery.attempt_log.msg_key delivery.attempt_log.duration_ms delivery.attempt_log.may_have_arrived
delivery.attempt_log.hint
lane.receiver lane.state lane.queued lane.oldest_at lane.messages_per_minute lane.cooling_until
lane.blocked.code lane.blocked.reason lane.blocked.since lane.blocked.next_probe_at
app.app app.state app.token_expires_at app.calls_this_month app.calls_per_month app.projected_calls
app.blocked.code app.blocked.reason app.blocked.since app.blocked.next_probe_at
message.id message.app message.msg_key message.msg_param message.bytes message.process_query_key message.send_status
message.readers message.deliveries.id message.deliveries.event message.deliveries.receiver message.deliveries.state
message.deliveries.title message.attempt_log.at message.attempt_log.outcome message.attempt_log.http_status
message.receipts.asked_at message.receipts.next_at message.receipts.complete
receipts.send_status receipts.readers.user_id receipts.readers.seen_at receipts.asked_at receipts.complete
refreshed.send_status refreshed.readers.user_id refreshed.readers.seen_at refreshed.asked_at refreshed.complete
";

/// A bench, and what was told of it.
struct Story {
    bench: Bench,
    told: Told,
}

impl Story {
    async fn begin() -> Self {
        let by_hand = |hands: Hands| Options { clock: Arc::new(move || hands.now()), ..Options::default() };
        Self { bench: Bench::with(SETTINGS, BEGIN, by_hand).await, told: Told::default() }
    }

    fn now(&self) -> Timestamp {
        self.bench.clock.now()
    }

    /// Accepts an alert; the delivery as it is told then.
    async fn alert(&mut self, receiver: &str, body: &[u8]) -> Value {
        let accepted = self.bench.accept(receiver, body).await;
        let delivery = self.delivery(&accepted.deliveries[0].0.0).await;
        assert_eq!(delivery["event"]["id"], accepted.event.0);
        delivery
    }

    /// One delivery; the list says the same of it, but not its attempts and what holds it.
    async fn delivery(&self, id: &str) -> Value {
        let shown = self.bench.look(&format!("/api/v1/deliveries/{id}")).await;
        let mut listed = shown.clone();
        listed["event"] = shown["event"]["id"].clone();
        let fields = listed.as_object_mut().unwrap();
        fields.retain(|field, _| !["attempt_log", "waits_for"].contains(&field.as_str()));
        let list = self.bench.deliveries().await;
        assert!(list.contains(&listed), "the list says the same: {listed:#}");
        shown
    }

    /// The only app, at the bench's time: the answer of the API is of the month in which the test runs.
    async fn app(&self) -> Value {
        json!(self.bench.operator().apps(self.now()).await.unwrap()[0])
    }

    /// One delivery is as expected.
    #[track_caller]
    fn delivery_says(&mut self, shown: &Value, expected: &Value) {
        self.told.says("delivery", shown, expected);
    }

    async fn fail_and_work(&mut self, api: Api, answer: Answer, span: Duration) {
        self.bench.simulator.fault(api, 1, answer);
        self.bench.work_for(span).await;
    }

    /// The last message that DingTalk admitted.
    fn admitted(&self) -> Admitted {
        self.bench.simulator.messages().pop().unwrap()
    }
}

/// What the table says of a code.
fn hint(code: &str) -> &'static str {
    codes::explain(code).unwrap().hint(Language::En)
}

#[tokio::test]
async fn every_field_of_the_contract_is_told_truly_in_the_lives_of_deliveries() {
    let mut story = Story::begin().await;
    let message = lives(&mut story).await;
    is_read(&mut story, &message).await;
    dies_and_goes_elsewhere(&mut story).await;
    blocked::is_handed_over(&mut story).await;
    blocked::waits(&mut story).await;
    story.told.has_all(FIELDS);
}

/// Queued, throttled, tried again, delivered. Gives the delivery.
async fn lives(story: &mut Story) -> Value {
    let begin: Timestamp = BEGIN.parse().unwrap();
    let title = "🔴 1 critical firing: HighCPU · prod-bj";
    let queued = story.alert("oncall", &fixture("one-firing.json")).await;
    let id = queued["id"].clone();
    story.delivery_says(
        &queued,
        &json!({"id": id, "source": "alertmanager", "receiver": "oncall", "state": "queued", "attempts": 0,
        "severity": "critical", "title": title, "delivered_at": null, "next_attempt_at": null, "reason": null,
        "possibly_duplicate": false, "fallback_of": null, "handed_to": null, "message": null, "attempt_log": [],
        "event": {"id": queued["event"]["id"], "source": "alertmanager", "kind": "alertmanager", "title": "HighCPU (cluster=prod-bj)"}}),
    );
    story.told.says_when("delivery.created_at", &queued, begin, 0..=0);
    story.told.says_when("delivery.event.received_at", &queued["event"], begin, 0..=0);
    let lane = story.bench.lane("oncall").await;
    story.told.says(
        "lane",
        &lane,
        &json!({"receiver": "oncall", "state": "flowing", "queued": 1, "messages_per_minute": 20,
        "cooling_until": null, "blocked": null, "oldest_at": queued["created_at"]}),
    );
    let app = story.app().await;
    story.told.says(
        "app",
        &app,
        &json!({"app": "ops", "state": "flowing", "calls_this_month": 0, "calls_per_month": 5000,
        "projected_calls": 0, "token_expires_at": null, "blocked": null}),
    );

    story.fail_and_work(Api::Send, Answer::code(400, "send.too.fast"), Duration::from_secs(1)).await;
    let throttled = story.delivery(id.as_str().unwrap()).await;
    story.delivery_says(
        &throttled,
        &json!({"state": "queued", "attempts": 1, "reason": null, "possibly_duplicate": false, "attempt_log": [
        {"outcome": "throttled", "code": "send.too.fast", "http_status": 400, "msg_key": "sampleMarkdown",
        "may_have_arrived": false, "hint": hint("send.too.fast")}]}),
    );
    story.told.says_when("delivery.attempt_log.at", &throttled["attempt_log"][0], begin, 0..=1);
    let lane = story.bench.lane("oncall").await;
    let of_lane = json!({"state": "cooling", "queued": 1, "messages_per_minute": 10, "blocked": null});
    story.told.says("lane", &lane, &of_lane);
    // A minute, jittered by half of it either way.
    story.told.says_when("lane.cooling_until", &lane, begin, 30..=91);
    let app = story.app().await;
    story.told.says("app", &app, &json!({"state": "flowing", "calls_this_month": 0}));
    story.told.says_when("app.token_expires_at", &app, begin, 7_100..=7_201);

    let cooled = time(&lane["cooling_until"]);
    story.bench.clock.move_to(cooled);
    story.fail_and_work(Api::Send, Answer::ResetAfter, Duration::from_secs(2)).await;
    let cut_off = story.delivery(id.as_str().unwrap()).await;
    story.delivery_says(&cut_off, &json!({"state": "queued", "attempts": 2, "possibly_duplicate": true}));
    story.told.says(
        "delivery.attempt_log",
        &cut_off["attempt_log"][1],
        &json!({"outcome": "unavailable", "code": "connection_lost", "http_status": null, "may_have_arrived": true,
        "hint": hint("connection_lost")}),
    );
    story.told.says_when("delivery.attempt_log.at", &cut_off["attempt_log"][1], cooled, 0..=1);
    story.told.says_when("delivery.next_attempt_at", &cut_off, cooled, 20..=40);

    story.bench.work_for(Duration::from_secs(40)).await;
    is_delivered(story, id.as_str().unwrap(), cooled).await
}

async fn is_delivered(story: &mut Story, id: &str, cooled: Timestamp) -> Value {
    let delivered = story.delivery(id).await;
    let message = story.admitted();
    let param = delivered["message"]["msg_param"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(param).unwrap(), json!(message.msg_param));
    story.delivery_says(
        &delivered,
        &json!({"state": "delivered", "attempts": 3, "reason": null, "next_attempt_at": null, "possibly_duplicate": true,
        "message": {"msg_key": message.msg_key, "msg_param": param, "bytes": message.msg_param_bytes, "deliveries": 1,
        "process_query_key": message.process_query_key, "send_status": null, "readers": null}}),
    );
    story.told.says(
        "delivery.attempt_log",
        &delivered["attempt_log"][2],
        &json!({"outcome": "sent", "code": null, "http_status": 200, "may_have_arrived": false, "hint": null}),
    );
    story.told.says_when("delivery.delivered_at", &delivered, cooled, 20..=40);
    // The call ended when it was delivered, whole milliseconds later than it began.
    let last = &delivered["attempt_log"][2];
    let took = time(&delivered["delivered_at"]).duration_since(time(&last["at"])).as_millis();
    story.told.says("delivery.attempt_log", last, &json!({ "duration_ms": u64::try_from(took).unwrap() }));
    let lane = story.bench.lane("oncall").await;
    story.told.says("lane", &lane, &json!({"state": "flowing", "queued": 0, "oldest_at": null, "cooling_until": null}));
    // The call whose outcome is unknown may have been counted by DingTalk, so it counts; the throttled one does not.
    let app = story.app().await;
    story.told.says("app", &app, &json!({"calls_this_month": 2}));
    delivered
}

/// Its message is read by somebody, and both are told: by the message, its receipts, and the delivery.
async fn is_read(story: &mut Story, delivery: &Value) {
    let (sent, delivered_at) = (&delivery["message"], time(&delivery["delivered_at"]));
    let path = format!("/api/v1/messages/{}", sent["id"].as_str().unwrap());
    let carried = json!([{"id": delivery["id"], "event": delivery["event"]["id"], "receiver": "oncall",
        "state": "delivered", "title": delivery["title"]}]);
    let message = story.bench.look(&path).await;
    let mut expected = sent.clone();
    expected["deliveries"] = carried;
    expected["app"] = json!("ops");
    expected["receipts"] = json!({"asked_at": null, "complete": false});
    // A try that failed made a message of its own.
    expected["attempt_log"] = json!([delivery["attempt_log"][2]]);
    story.told.says("message", &message, &expected);
    story.told.says("delivery.message", sent, &json!({ "id": message["id"] }));
    story.told.says_when("message.receipts.next_at", &message["receipts"], delivered_at, 59..=60);
    let receipts = story.bench.look(&format!("{path}/receipts")).await;
    let nobody = json!({"send_status": null, "readers": [], "asked_at": null, "complete": false});
    story.told.says("receipts", &receipts, &nobody);

    let key = story.admitted().process_query_key;
    assert!(story.bench.simulator.read(&key, "li"));
    let asked = story.now();
    let id = sent["id"].as_str().unwrap();
    let refreshed = json!(story.bench.operator().refresh_receipts(id, asked).await.unwrap());
    let read = json!({"send_status": "SUCCESS", "readers": [{"user_id": "li"}], "complete": false});
    story.told.says("refreshed", &refreshed, &read);
    story.told.says_when("refreshed.asked_at", &refreshed, asked, 0..=0);
    story.told.says_when("refreshed.readers.seen_at", &refreshed["readers"][0], asked, 0..=0);

    story.bench.work_for(2 * MINUTE).await;
    let receipts = story.bench.look(&format!("{path}/receipts")).await;
    let complete = json!({"send_status": "SUCCESS", "readers": refreshed["readers"], "complete": true});
    story.told.says("receipts", &receipts, &complete);
    story.told.says_when("receipts.asked_at", &receipts, delivered_at, 60..=62);
    let message = story.bench.look(&path).await;
    let known = json!({"send_status": "SUCCESS", "readers": 1, "deliveries": [{"state": "delivered"}],
        "receipts": {"asked_at": receipts["asked_at"], "next_at": null, "complete": true}});
    story.told.says("message", &message, &known);
    let read = story.delivery(delivery["id"].as_str().unwrap()).await;
    story.delivery_says(&read, &json!({"message": {"send_status": "SUCCESS", "readers": 1}}));
}

async fn dies_and_goes_elsewhere(story: &mut Story) {
    let before = story.app().await["calls_this_month"].as_u64().unwrap();
    let accepted = story.alert("team", &fixture("one-firing.json")).await;
    let id = accepted["id"].as_str().unwrap();
    story.bench.simulator.fault(Api::Send, 3, Answer::code(400, "brand.new"));
    story.bench.work_for(2 * MINUTE).await;
    let dead = story.delivery(id).await;
    let last = &dead["attempt_log"][2];
    story.delivery_says(
        &dead,
        &json!({"state": "dead", "attempts": 3, "delivered_at": null, "next_attempt_at": null,
        "reason": format!("tried 3 times, the last time: brand.new ({})", last["hint"].as_str().unwrap()),
        "possibly_duplicate": false, "handed_to": null, "fallback_of": null,
        "message": {"process_query_key": null, "send_status": null, "readers": null}}),
    );
    story.told.says("delivery.attempt_log", last, &json!({"outcome": "unavailable", "code": "brand.new"}));

    let now = story.now();
    let heir = story.bench.operator().redrive(id, Some("night"), now).await.unwrap().id.0;
    story.bench.work_for(MINUTE).await;
    let left = story.delivery(id).await;
    story.delivery_says(&left, &json!({"state": "dead", "handed_to": heir, "reason": dead["reason"]}));
    let arrived = story.delivery(&heir).await;
    story.delivery_says(
        &arrived,
        &json!({"id": heir, "state": "delivered", "receiver": "night", "fallback_of": id, "handed_to": null,
        "reason": null, "attempts": 1, "title": dead["title"], "event": dead["event"],
        "message": {"process_query_key": story.admitted().process_query_key}}),
    );
    story.told.says_when("delivery.created_at", &arrived, now, 0..=0);
    let app = story.app().await;
    let (calls, month) = (before + 4, Month::of(story.now()));
    let seconds = |until: Timestamp| u64::try_from(until.duration_since(month.start()).as_secs()).unwrap();
    let projected = calls * seconds(month.end()) / seconds(story.now());
    assert!(projected > calls, "the month goes on");
    story.told.says("app", &app, &json!({"calls_this_month": calls, "projected_calls": projected}));
}
