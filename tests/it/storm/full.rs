//! A queue that is full: the sender is told to come again, and what was accepted stays.

use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::Value;

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

async fn posted(world: &World, body: Vec<u8>) -> reqwest::Response {
    let url = format!("http://{}/hooks/alertmanager", world.relay.hooks());
    let request = world.http.post(url).bearer_auth(TOKEN).header("content-type", "application/json");
    request.body(body).send().await.unwrap()
}
