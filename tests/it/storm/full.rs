//! A queue that is full: the sender is told to come again, and what was accepted stays.

use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::{Value, json};

use crate::harness::{TOKEN, World, groups};
use crate::storm::firing;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_sends_webhooks_away_with_a_503_until_dingtalk_is_back_and_loses_none_it_took() {
    let world = World::with("store: { max_queued: 3 }\nretry: { schedule: [50ms] }\n").await;
    world.simulator.fault(Api::Send, u32::MAX, Answer::ResetBefore);
    for n in 0..3 {
        let (status, answer) = world.post("/hooks/alertmanager", firing(&format!("Kept{n}"), "warning")).await;
        assert_eq!(status, 202, "{answer}");
    }

    let refused = posted(&world, firing("TooMany", "critical")).await;
    let said = (refused.status().as_u16(), refused.headers().contains_key("retry-after"));
    let problem: Value = refused.json().await.unwrap();
    let (twin, of_twin) = world.post("/hooks/alertmanager", firing("Kept1", "warning")).await;

    assert_eq!(said, (503, true), "Alertmanager comes again after a 5xx only: {problem}");
    assert!(problem["detail"].as_str().unwrap().contains("queue is full"), "{problem}");
    assert_eq!((twin, &of_twin["duplicate"]), (202, &Value::from(true)), "a twin takes no room: {of_twin}");
    assert_eq!(world.deliveries(|list| list.len() == 3).await.len(), 3, "what was sent away is not stored");

    world.simulator.forget();
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    let (status, answer) = world.post("/hooks/alertmanager", firing("TooMany", "critical")).await;
    assert_eq!(status, 202, "there is room again: {answer}");
    world.deliveries(|list| list.len() == 4 && list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    let told: String = world.simulator.messages().iter().map(|message| format!("{:?}", message.msg_param)).collect();
    assert!(["Kept0", "Kept1", "Kept2", "TooMany"].iter().all(|name| told.contains(name)), "{told}");
    assert_eq!(groups(&world.simulator.messages()).last(), Some(&"cid-oncall=="), "the critical one came again");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_one_paused_lane_fills_says_so_on_the_page_in_the_api_and_in_the_metrics_and_stays_ready() {
    let world = World::with("store: { max_queued: 3 }").await;
    let (status, answer) = world.ask("/api/v1/lanes/oncall/pause", &json!({ "for": "1h" })).await;
    assert_eq!(status, 200, "{answer}");
    for n in 0..3 {
        world.post("/hooks/alertmanager/oncall", firing(&format!("Kept{n}"), "warning")).await;
    }

    let (of_a_lane_that_works, _) = world.post("/hooks/alertmanager/team", firing("Other", "warning")).await;
    let page = read(&world, "/").await;
    let metrics = read(&world, "/metrics").await;
    let lanes = world.look("/api/v1/lanes").await;

    assert_eq!(of_a_lane_that_works, 503, "all lanes share the places");
    assert!(page.contains("full: 3 of 3 places are taken, and webhooks are sent away with 503"), "{page}");
    assert!(page.contains(">oncall</a> (paused) has 3.") && page.contains("3 of 3 queued"), "{page}");
    assert!(metrics.contains("\ndingtalk_relay_queue_limit 3\n"), "{metrics}");
    assert_eq!(lanes["queue"], json!({ "queued": 3, "limit": 3 }));
    assert_eq!(read(&world, "/-/ready").await, "ready\n", "who asks would take the page away, and help no sender");
    world.ask("/api/v1/lanes/oncall/resume", &json!({})).await;
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    assert!(!read(&world, "/").await.contains("places are taken"));
    world.end().await;
}

/// Reads a path of the admin port, whatever it is.
async fn read(world: &World, path: &str) -> String {
    let answer = world.http.get(format!("http://{}{path}", world.relay.admin())).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{path}");
    answer.text().await.unwrap()
}

async fn posted(world: &World, body: Vec<u8>) -> reqwest::Response {
    let url = format!("http://{}/hooks/alertmanager", world.relay.hooks());
    let request = world.http.post(url).bearer_auth(TOKEN).header("content-type", "application/json");
    request.body(body).send().await.unwrap()
}
