//! A hand on deliveries: what a human does to one of them, and what its record says of its whole life.
//!
//! Many at once are in `many`, paused lanes in `pausing`, and what is refused, and how, in `refused`.

mod many;
mod pausing;
mod refused;

use std::sync::Arc;
use std::time::Duration;

use dingtalk_relay::config::Config;
use dingtalk_relay::operator::actions::ActionError;
use dingtalk_relay::simulator::Options;
use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::{Value, json};

use crate::harness::{Bench, Hands, World, fixture, fixture_of_group, groups};

const BEGIN: &str = "2026-11-21T12:00:00Z";

/// One failed attempt is the last.
const ONE_TRY: &str = "retry: { max_attempts: 1 }";

/// The robot is not the app's: the channel is blocked, and nothing dies of it.
const WRONG_ROBOT: &str = "invalidParameter.robotCode.auth";

fn broken() -> Answer {
    Answer::code(500, "system.error")
}

/// A bench whose DingTalk lives by the test's clock.
async fn bench(more: &str) -> Bench {
    let by_hand = |hands: Hands| Options { clock: Arc::new(move || hands.now()), ..Options::default() };
    Bench::with(more, BEGIN, by_hand).await
}

/// Somebody takes a receiver out of the configuration, and the routes that name it.
fn forget(config: &mut Config, receiver: &str) {
    config.receivers.retain(|name, _| name.as_str() != receiver);
    config.route = None;
}

/// A world in which one delivery of `oncall` has died; its id.
async fn world_with_a_dead_one() -> (World, String) {
    let world = World::with(ONE_TRY).await;
    world.simulator.fault(Api::Send, 1, broken());
    let (_, accepted) = world.post("/hooks/alertmanager/oncall", fixture("one-firing.json")).await;
    world.deliveries(|list| list[0]["state"] == "dead").await;
    let id = accepted["deliveries"][0]["id"].as_str().unwrap().to_owned();
    (world, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_died_is_redriven_and_arrives() {
    let (world, id) = world_with_a_dead_one().await;

    let (status, redriven) = world.command(&format!("/api/v1/deliveries/{id}/redrive"), "").await;

    assert_eq!((status, &redriven["id"], &redriven["reason"]), (200, &json!(id), &Value::Null), "{redriven}");
    let list = world.deliveries(|list| list[0]["state"] == "delivered").await;
    assert_eq!((list.len(), &list[0]["id"], &list[0]["attempts"]), (1, &json!(id), &json!(2)));
    assert_eq!(groups(&world.simulator.messages()), ["cid-oncall=="]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_died_is_redriven_to_another_receiver_and_both_say_so() {
    let (world, id) = world_with_a_dead_one().await;
    let before = world.look(&format!("/api/v1/deliveries/{id}")).await;

    let (status, new) = world.command(&format!("/api/v1/deliveries/{id}/redrive"), r#"{"to": "team"}"#).await;

    assert_eq!((status, &new["receiver"], &new["fallback_of"]), (200, &json!("team"), &json!(id)), "{new}");
    world.deliveries(|list| list[0]["state"] == "delivered").await;
    assert_eq!(groups(&world.simulator.messages()), ["cid-team=="]);
    let mut after = world.look(&format!("/api/v1/deliveries/{id}")).await;
    assert_eq!((&after["state"], &after["handed_to"]), (&json!("dead"), &new["id"]));
    after["handed_to"] = Value::Null;
    assert_eq!(after, before, "nothing else was changed");
    let arrived = world.look(&format!("/api/v1/deliveries/{}", new["id"].as_str().unwrap())).await;
    for same in ["event", "source", "title", "severity"] {
        assert_eq!(arrived[same], before[same], "{same}");
    }
    assert_eq!((&arrived["attempts"], &arrived["possibly_duplicate"]), (&json!(1), &json!(false)));
    world.end().await;
}

#[tokio::test]
async fn the_record_of_a_delivery_tells_its_whole_life() {
    let mut bench = bench("").await;
    bench.simulator.fault(Api::Send, 1, Answer::code(400, "send.too.fast"));
    let accepted = bench.accept("oncall", &fixture("one-firing.json")).await;
    let path = format!("/api/v1/deliveries/{}", accepted.deliveries[0].0);
    assert_eq!(bench.look(&path).await["attempt_log"], json!([]));

    bench.work_for(Duration::from_secs(1)).await;
    let throttled = bench.look(&path).await;
    bench.simulator.fault(Api::Send, 1, broken());
    bench.work_for(Duration::from_secs(90)).await;

    let delivered = bench.look(&path).await;
    assert_eq!((&throttled["state"], &throttled["attempts"]), (&json!("queued"), &json!(1)));
    assert_eq!((&delivered["state"], &delivered["attempts"]), (&json!("delivered"), &json!(3)));
    assert!(delivered["delivered_at"].is_string());
    let log = delivered["attempt_log"].as_array().unwrap();
    let facts: Vec<_> = log.iter().map(|a| [&a["outcome"], &a["code"], &a["http_status"]].map(Clone::clone)).collect();
    let expected = [
        [json!("throttled"), json!("send.too.fast"), json!(400)],
        [json!("unavailable"), json!("system.error"), json!(500)],
        [json!("sent"), Value::Null, json!(200)],
    ];
    assert_eq!(facts, expected);
    for (attempt, is_last) in log.iter().zip([false, false, true]) {
        assert!(attempt["at"].is_string() && attempt["duration_ms"].is_u64(), "{attempt}");
        assert_eq!((&attempt["msg_key"], attempt["hint"].is_null()), (&json!("sampleMarkdown"), is_last), "{attempt}");
    }
    assert_eq!(log[0]["may_have_arrived"], false);
}

#[tokio::test]
async fn what_may_have_arrived_stays_marked_when_it_is_redriven() {
    let hold = "receivers: { oncall: { on_unknown_outcome: hold } }";
    let mut bench = bench(hold).await;
    bench.simulator.fault(Api::Send, 1, Answer::ResetAfter);
    bench.accept("oncall", &fixture("one-firing.json")).await;
    bench.work_for(Duration::from_secs(1)).await;
    let held = bench.deliveries().await.remove(0);
    assert_eq!((&held["state"], &held["possibly_duplicate"]), (&json!("dead"), &json!(true)), "{held}");

    bench.operator().redrive(held["id"].as_str().unwrap(), None, bench.clock.now()).await.unwrap();
    bench.work_for(Duration::from_secs(60)).await;

    let sent = bench.deliveries().await.remove(0);
    assert_eq!((&sent["state"], &sent["possibly_duplicate"]), (&json!("delivered"), &json!(true)));
}

#[tokio::test]
async fn what_waits_in_a_blocked_lane_is_cancelled_or_goes_elsewhere() {
    let mut bench = bench("").await;
    bench.simulator.fault(Api::Send, 1, Answer::code(400, WRONG_ROBOT));
    for group in 0..3 {
        bench.accept("oncall", &fixture_of_group("one-firing.json", group)).await;
    }
    bench.work_for(Duration::from_secs(1)).await;
    assert_eq!(bench.lane("oncall").await["state"], "blocked");
    let ids: Vec<_> = bench.deliveries().await.iter().map(|d| d["id"].as_str().unwrap().to_owned()).collect();
    let (operator, now) = (bench.operator(), bench.clock.now());

    operator.cancel(&ids[0], now).await.unwrap();
    let new = operator.redrive(&ids[1], Some("team"), now).await.unwrap();
    bench.work_for(Duration::from_secs(5)).await;

    assert_eq!(groups(&bench.simulator.messages()), ["cid-team=="]);
    let list = bench.deliveries().await;
    let states: Vec<_> = list.iter().map(|delivery| delivery["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["cancelled", "handed_over", "queued", "delivered"]);
    assert_eq!((&list[1]["handed_to"], &list[3]["fallback_of"]), (&json!(new.id), &json!(ids[1])));
    assert_eq!(bench.lane("oncall").await["queued"], 1);
}

#[tokio::test]
async fn what_waits_for_a_receiver_that_is_configured_no_more_goes_where_a_human_says() {
    let bench = bench(ONE_TRY).await;
    for group in 0..2 {
        bench.accept("oncall", &fixture_of_group("one-firing.json", group)).await;
    }
    let mut bench = bench.restart_with(|config| forget(config, "oncall")).await;
    let lane = bench.lane("oncall").await;
    assert_eq!((&lane["blocked"]["code"], &lane["queued"]), (&json!("not_configured"), &json!(2)));
    let ids: Vec<_> = bench.deliveries().await.iter().map(|d| d["id"].as_str().unwrap().to_owned()).collect();
    let (operator, now) = (bench.operator(), bench.clock.now());

    operator.cancel(&ids[0], now).await.unwrap();
    let home = operator.redrive(&ids[0], None, now).await.unwrap_err();
    operator.redrive(&ids[0], Some("team"), now).await.unwrap();
    operator.redrive(&ids[1], Some("team"), now).await.unwrap();
    bench.work_for(Duration::from_secs(60)).await;

    let ActionError::Conflict(says) = home else { panic!("{home}") };
    assert!(says.contains("configured no more") && says.contains("`night`, `team`"), "{says}");
    assert_eq!(groups(&bench.simulator.messages()), ["cid-team==", "cid-team=="]);
    let lanes = bench.look("/api/v1/lanes").await;
    assert!(!lanes.to_string().contains("not_configured"), "nothing is left there");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_human_does_is_counted() {
    let more = "receivers: { counted: { app: ops, open_conversation_id: cid-counted== } }";
    let world = World::with(more).await;
    assert_eq!(world.command("/api/v1/lanes/counted/pause", "").await.0, 200);
    for group in 0..2 {
        world.post("/hooks/alertmanager/counted", fixture_of_group("one-firing.json", group)).await;
    }
    let list = world.deliveries(|list| list.len() == 2).await;
    let path = |place: usize, what: &str| format!("/api/v1/deliveries/{}/{what}", list[place]["id"].as_str().unwrap());

    assert_eq!(world.command(&path(0, "cancel"), "").await.0, 200);
    assert_eq!(world.command(&path(0, "redrive"), "").await.0, 200);
    assert_eq!(world.command(&path(1, "redrive"), r#"{"to":"team"}"#).await.0, 200);

    world.look("/api/v1/lanes").await;
    let url = format!("http://{}/metrics", world.relay.admin());
    let scrape = world.http.get(url).send().await.unwrap().text().await.unwrap();
    for line in [
        "dingtalk_relay_deliveries_total{receiver=\"counted\",state=\"queued\"} 3\n",
        "dingtalk_relay_deliveries_total{receiver=\"counted\",state=\"cancelled\"} 1\n",
        "dingtalk_relay_deliveries_total{receiver=\"counted\",state=\"handed_over\"} 1\n",
        "dingtalk_relay_lane_paused{receiver=\"counted\"} 1\n",
    ] {
        assert!(scrape.contains(line), "{line} is not in:\n{scrape}");
    }
    // What went to the other receiver is on its way: it is not paused.
    world.deliveries(|list| list.iter().any(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}
