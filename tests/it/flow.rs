//! The story: one alert, all the way, and what may happen to it on the way. Read this first.

use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::{Value, json};

use crate::harness::{ONE_BY_ONE, TOKEN, World, answer, fixture, fixture_of_group, groups};

const FIXTURES: &[&str] = &[
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

/// DingTalk's own limit of an encoded `msgParam`.
const DINGTALK_TAKES: u64 = 15_000;

#[tokio::test(flavor = "multi_thread")]
async fn one_alert_goes_all_the_way() {
    let world = World::start().await;

    let (status, accepted) = world.post("/hooks/alertmanager", fixture("one-firing.json")).await;
    assert_eq!(status, 202, "{accepted}");
    assert_eq!(accepted["duplicate"], false);
    assert_eq!(accepted["deliveries"][0]["receiver"], "oncall");
    assert_eq!(accepted["deliveries"][0]["state"], "queued");

    let messages = world.simulator.arrived(1).await;
    assert_eq!(groups(&messages), ["cid-oncall=="]);
    assert_eq!(messages[0].msg_key, "sampleMarkdown");
    let title = messages[0].msg_param["title"].as_str().unwrap();
    assert!(title.contains("HighCPU"), "{title}");

    let list = world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    let key = &list[0]["message"]["process_query_key"];
    assert_eq!(key, &Value::from(messages[0].process_query_key.clone()));

    let id = accepted["deliveries"][0]["id"].as_str().unwrap();
    let one = world.look(&format!("/api/v1/deliveries/{id}")).await;
    assert_eq!(one["event"]["source"], "alertmanager");
    assert_eq!(one["attempt_log"][0]["outcome"], "sent");
    assert_eq!(one["attempts"], 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_captured_body_is_accepted_and_delivered_within_the_size_limit() {
    let world = World::start().await;
    for name in FIXTURES {
        // Each to a group of its own, so that the rate makes nobody wait.
        let receiver = if FIXTURES.iter().position(|f| f == name).unwrap() % 2 == 0 { "oncall" } else { "team" };
        let (status, answer) = world.post(&format!("/hooks/alertmanager/{receiver}"), fixture(name)).await;
        assert_eq!(status, 202, "{name}: {answer}");
    }
    let list = world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    assert_eq!(list.len(), FIXTURES.len());
    for delivery in &list {
        let bytes = delivery["message"]["bytes"].as_u64().unwrap();
        assert!(bytes <= DINGTALK_TAKES, "{bytes}: {}", delivery["title"]);
        assert!(delivery["message"]["process_query_key"].as_str().is_some_and(|key| !key.is_empty()));
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_routed_one_by_one_and_stay_together_for_each_receiver() {
    let world = World::start().await;
    let mut body: Value = serde_json::from_slice(&fixture("fifty-firing.json")).unwrap();
    for alert in body["alerts"].as_array_mut().unwrap().iter_mut().take(7) {
        alert["labels"]["severity"] = json!("critical");
    }

    let (_, accepted) = world.post("/hooks/alertmanager", body.to_string()).await;

    let receivers: Vec<_> = accepted["deliveries"].as_array().unwrap().iter().map(|d| &d["receiver"]).collect();
    assert_eq!(receivers, ["oncall", "team"]);
    let messages = world.simulator.arrived(2).await;
    let title = |group: &str| {
        let message = messages.iter().find(|message| message.open_conversation_id == group).unwrap();
        message.msg_param["title"].as_str().unwrap().to_owned()
    };
    assert!(title("cid-oncall==").contains('7'), "{}", title("cid-oncall=="));
    assert!(title("cid-team==").contains("43"), "{}", title("cid-team=="));
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_is_told_of_the_first_one_and_brings_nothing() {
    let world = World::start().await;
    let (_, first) = world.post("/hooks/alertmanager", fixture("one-firing.json")).await;
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;

    let (status, twin) = world.post("/hooks/alertmanager", fixture("one-firing.json")).await;

    assert_eq!((status, &twin["duplicate"], &twin["event"]), (202, &json!(true), &first["event"]));
    assert_eq!(twin["deliveries"][0]["state"], "delivered");
    assert_eq!(world.simulator.messages().len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_of_prometheus_webhook_dingtalk_answers_ok() {
    let world = World::start().await;
    let url = format!("http://{}/dingtalk/team/send", world.relay.hooks());
    let request = world.http.post(url).bearer_auth(TOKEN).body(fixture("one-firing.json"));
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    assert_eq!(answer.text().await.unwrap(), "OK");
    assert_eq!(groups(&world.simulator.arrived(1).await), ["cid-team=="]);
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_gets_the_contracts_answers_and_nothing_is_stored() {
    let world = World::start().await;
    let whole = fixture("one-firing.json");
    let truncated = whole[..whole.len() / 2].to_vec();
    let five_mib = vec![b' '; 5 * 1024 * 1024];

    for (what, path, body, expected) in [
        ("junk", "/hooks/alertmanager", b"certainly not JSON".to_vec(), 400),
        ("a truncated body", "/hooks/alertmanager", truncated, 400),
        ("a 5 MiB body", "/hooks/alertmanager", five_mib, 413),
        ("an unknown source", "/hooks/nobody", whole.clone(), 404),
        ("an unknown receiver", "/hooks/alertmanager/nobody", whole.clone(), 404),
    ] {
        let (status, problem) = world.post(path, body).await;
        assert_eq!(status, expected, "{what}: {problem}");
        assert!(problem["title"].is_string(), "{what} is answered by a problem: {problem}");
    }
    let url = format!("http://{}/hooks/alertmanager", world.relay.hooks());
    let (status, _) = answer(world.http.post(url).bearer_auth("wrong").body(whole)).await;
    assert_eq!(status, 401);

    assert_eq!(world.look("/api/v1/deliveries").await["deliveries"], json!([]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_lane_does_not_delay_another_and_loses_nothing() {
    let world = World::start().await;
    world.simulator.fault(Api::Send, 1, Answer::code(400, "send.too.fast"));
    world.post("/hooks/alertmanager/oncall", fixture("one-firing.json")).await;
    world.deliveries(|list| list.iter().any(|delivery| delivery["attempts"] == 1)).await;

    world.post("/hooks/alertmanager/team", fixture("one-firing.json")).await;

    assert_eq!(groups(&world.simulator.arrived(1).await), ["cid-team=="]);
    let lanes = world.look("/api/v1/lanes").await;
    let lane = |name: &str| lanes["lanes"].as_array().unwrap().iter().find(|l| l["receiver"] == name).unwrap().clone();
    assert_eq!((&lane("oncall")["state"], &lane("team")["state"]), (&json!("cooling"), &json!("flowing")));
    assert_eq!(lane("oncall")["messages_per_minute"], 10, "the rate is halved");
    assert_eq!(lane("night")["state"], "cooling", "it shares the channel");
    let waiting = world.deliveries(|list| list.iter().any(|delivery| delivery["state"] == "delivered")).await;
    assert!(waiting.iter().any(|delivery| delivery["state"] == "queued" && delivery["receiver"] == "oncall"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_token_is_refreshed_inside_the_same_attempt() {
    let world = World::start().await;
    world.post("/hooks/alertmanager/team", fixture_of_group("one-firing.json", 1)).await;
    world.simulator.arrived(1).await;
    world.simulator.revoke_tokens();

    world.post("/hooks/alertmanager/team", fixture_of_group("one-firing.json", 2)).await;

    world.simulator.arrived(2).await;
    let list = world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    assert!(list.iter().all(|delivery| delivery["attempts"] == 1), "{list:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dingtalk_refuses_in_every_form_dies_with_a_reason_and_the_next_one_goes() {
    let world = World::start().await;
    world.simulator.fault(Api::Send, 4, Answer::code(400, "contain.notAllowed.content"));
    world.post("/hooks/alertmanager/team", fixture_of_group("one-firing.json", 1)).await;
    let list = world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "dead")).await;
    assert!(list[0]["reason"].as_str().unwrap().contains("contain.notAllowed.content"), "{}", list[0]);

    world.post("/hooks/alertmanager/team", fixture_of_group("one-firing.json", 2)).await;

    world.simulator.arrived(1).await;
    world.deliveries(|list| list.iter().any(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_down_is_probed_and_opens_again_with_everything_in_order() {
    let world = World::with(ONE_BY_ONE).await;
    world.simulator.fault(Api::Send, 4, Answer::Html { status: 502 });
    for group in 1..=3 {
        world.post("/hooks/alertmanager/team", fixture_of_group("one-firing.json", group)).await;
    }
    let messages = world.simulator.arrived(3).await;
    assert_eq!(messages.len(), 3);
    let list = world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    assert_eq!(list.len(), 3);
    let apps = world.look("/api/v1/apps").await;
    assert_eq!(apps["apps"][0]["state"], "flowing");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_what_is_in_flight_and_the_rest_stays_stored() {
    let world = World::with(ONE_BY_ONE).await;
    for group in 0..12 {
        world.post("/hooks/alertmanager/team", fixture_of_group("one-firing.json", group)).await;
    }
    world.relay.stop().await;
    let sent = world.simulator.messages().len();
    assert!(sent < 12, "the rate leaves some for later");

    let settings = crate::harness::settings(&world.simulator.base_url(), world.folder.path());
    let again = crate::harness::start(&settings).await;
    let list = answer(world.http.get(format!("http://{}/api/v1/deliveries", again.admin()))).await.1;
    let state = |state: &str| list["deliveries"].as_array().unwrap().iter().filter(|d| d["state"] == state).count();
    assert_eq!(state("delivered"), sent);
    assert_eq!(state("delivered") + state("queued") + state("sending"), 12);
    assert!(list["deliveries"].as_array().unwrap().iter().all(|d| d["possibly_duplicate"] == false));
    again.stop().await;
}
