//! Messages over the admin port of a running relay: the shapes of the contract (§5), and the status of every refusal.

use std::time::Duration;

use dingtalk_relay::simulator::faults::{Answer as Drawn, Api};
use dingtalk_relay::simulator::messages::Moments;
use dingtalk_relay::simulator::{Options, Simulator};
use serde_json::{Value, json};

use crate::harness::{World, client, configured, fixture_of_group, start_with};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_shown_asked_about_and_taken_back() {
    let world = world().await;
    let id = sent(&world, 1).await;
    let key = world.simulator.messages()[0].process_query_key.clone();
    insta::assert_json_snapshot!("a_message", steady(world.look(&path(&id, "")).await));
    insta::assert_json_snapshot!("nobody_has_asked", steady(world.look(&path(&id, "/receipts")).await));

    for user in ["zhang", "li"] {
        world.simulator.read(&key, user);
    }
    let (status, learned) = post(&world, &path(&id, "/receipts/refresh"), "").await;
    assert_eq!(status, 200, "{learned}");
    insta::assert_json_snapshot!("two_have_read_it", steady(learned.clone()));
    assert_eq!(world.look(&path(&id, "/receipts")).await, learned);

    let (status, recalled) = post(&world, &path(&id, "/recall"), "{}").await;
    assert_eq!(status, 200, "{recalled}");
    insta::assert_json_snapshot!("recalled", steady(recalled));
    assert_eq!(world.look(&path(&id, "")).await["send_status"], "RECALLED");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_taken_back_and_each_has_its_answer() {
    let world = world().await;
    let (one, two) = (sent(&world, 1).await, sent(&world, 2).await);

    let (status, done) = post(&world, MANY, json!({"messages": [one, two, "nobody"]}).to_string()).await;

    assert_eq!(status, 200);
    assert_eq!(done["recalled"].as_array().unwrap().len(), 2);
    assert_eq!(done["failed"], json!({"nobody": "no message has this id"}));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_status_and_says_when_to_come_again() {
    let world = world().await;
    let id = sent(&world, 1).await;
    for nobody in ["", "/receipts"] {
        assert_eq!(get(&world, &path("nobody", nobody)).await, 404);
    }
    for nobody in ["/recall", "/receipts/refresh"] {
        assert_eq!(post(&world, &path("nobody", nobody), "").await.0, 404);
        assert_eq!(get(&world, &path(&id, nobody)).await, 405, "reading does nothing");
        assert_eq!(post(&world, &path(&id, nobody), r#"{"messages": []}"#).await.0, 400, "it says something else");
    }
    for wrong in ["", "[]", r#"{"messages": []}"#, r#"{"messages": "x"}"#, r#"{"ids": ["x"]}"#] {
        assert_eq!(post(&world, MANY, wrong).await.0, 400, "{wrong}");
    }

    let denied = "Forbidden.AccessDenied.AccessTokenPermissionDenied";
    for (api, what) in [(Api::Recall, "/recall"), (Api::Query, "/receipts/refresh")] {
        world.simulator.fault(api, 1, Drawn::code(403, denied));
        let url = format!("http://{}{}", world.relay.admin(), path(&id, what));
        let answer = world.http.post(url).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 503);
        let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((55..=61).contains(&wait), "{wait}");
        assert!(answer.text().await.unwrap().contains(denied));
    }
    let other = World::with("receivers: { oncall: { limits: { messages_per_minute: 60 } } }").await;
    let id = sent(&other, 1).await;
    post(&other, &path(&id, "/recall"), "").await;
    let (status, again) = post(&other, &path(&id, "/recall"), "").await;
    assert_eq!((status, &again["detail"]), (409, &json!("it was taken back already")));
    other.end().await;
    world.end().await;
}

const MANY: &str = "/api/v1/messages/recall";

/// A relay beside a DingTalk that knows at once who has read what.
async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let moments = Moments { data_after: Duration::ZERO, success_after: Duration::ZERO, ..Moments::default() };
    let simulator = Simulator::start(Options { moments, ..Options::default() }).await.unwrap();
    let relay = start_with(configured(&simulator.base_url(), folder.path(), "")).await;
    World { simulator, relay, folder, http: client() }
}

fn path(id: &str, what: &str) -> String {
    format!("/api/v1/messages/{id}{what}")
}

/// Sends an alert to `oncall`; the id of its message.
async fn sent(world: &World, group: usize) -> String {
    world.post("/hooks/alertmanager/oncall", fixture_of_group("one-firing.json", group)).await;
    let list = world.deliveries(|list| list.len() == group && list.iter().all(|one| one["state"] == "delivered")).await;
    list[0]["message"]["id"].as_str().unwrap().to_owned()
}

async fn post(world: &World, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    world.command(path, body).await
}

async fn get(world: &World, path: &str) -> u16 {
    world.http.get(format!("http://{}{path}", world.relay.admin())).send().await.unwrap().status().as_u16()
}

/// The same answer with everything taken out that is another at every run.
fn steady(answer: Value) -> Value {
    const VOLATILE: [&str; 9] =
        ["id", "event", "message", "msg_param", "bytes", "process_query_key", "seen_at", "asked_at", "at"];
    match answer {
        Value::Array(values) => values.into_iter().map(steady).collect(),
        Value::Object(fields) => {
            let steady_field = |(name, value): (String, Value)| match value {
                Value::String(_) | Value::Number(_) if VOLATILE.contains(&name.as_str()) => {
                    (name.clone(), json!(format!("[{name}]")))
                }
                Value::Number(_) if name == "duration_ms" => (name, json!("[duration_ms]")),
                value => (name, steady(value)),
            };
            fields.into_iter().map(steady_field).collect::<serde_json::Map<_, _>>().into()
        }
        plain => plain,
    }
}
