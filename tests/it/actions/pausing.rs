//! Paused lanes: they take nothing, they say so, and they flow again by themselves.

use std::time::Duration;

use dingtalk_relay::model::view::Standing;
use dingtalk_relay::operator::Operator;
use dingtalk_relay::simulator::faults::{Answer, Api};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{WRONG_ROBOT, bench};
use crate::harness::{World, fixture, fixture_of_group, groups};

const HOUR: Duration = Duration::from_secs(3600);

async fn stands(operator: &Operator, receiver: &str, now: Timestamp) -> (Standing, Option<Timestamp>, u64) {
    let lanes = operator.lanes(now).await.unwrap();
    let view = lanes.into_iter().find(|view| view.lane.receiver == receiver).unwrap();
    (view.lane.state, view.paused_until, view.queued)
}

#[tokio::test]
async fn a_paused_lane_takes_nothing_and_flows_again_by_itself() {
    let mut bench = bench("").await;
    let until = bench.clock.now() + HOUR;
    let paused = bench.operator().pause("oncall", HOUR, bench.clock.now()).await.unwrap();
    assert_eq!((paused.lane.state, paused.paused_until), (Standing::Flowing, Some(until)), "its state stays true");

    bench.accept("oncall", &fixture_of_group("one-firing.json", 1)).await;
    bench.accept("team", &fixture_of_group("one-firing.json", 2)).await;
    bench.work_for(Duration::from_secs(3599)).await;
    assert_eq!(groups(&bench.simulator.messages()), ["cid-team=="], "only the other lane");
    assert_eq!(stands(&bench.operator(), "oncall", bench.clock.now()).await, (Standing::Flowing, Some(until), 1));

    bench.work_for(Duration::from_secs(10)).await;
    assert_eq!(groups(&bench.simulator.messages()), ["cid-team==", "cid-oncall=="]);
    assert_eq!(stands(&bench.operator(), "oncall", bench.clock.now()).await, (Standing::Flowing, None, 0));
}

#[tokio::test]
async fn a_pause_outlives_a_restart() {
    let bench = bench("").await;
    bench.operator().pause("oncall", HOUR, bench.clock.now()).await.unwrap();
    bench.accept("oncall", &fixture("one-firing.json")).await;

    let mut bench = bench.restart().await;
    bench.work_for(Duration::from_secs(600)).await;

    assert_eq!(bench.simulator.messages().len(), 0);
    assert!(stands(&bench.operator(), "oncall", bench.clock.now()).await.1.is_some());
}

#[tokio::test]
async fn a_paused_lane_that_is_blocked_is_not_probed_and_its_neighbour_is() {
    let mut bench = bench("").await;
    bench.simulator.fault(Api::Send, 1, Answer::code(400, WRONG_ROBOT));
    bench.accept("oncall", &fixture("one-firing.json")).await;
    bench.work_for(Duration::from_secs(1)).await;
    bench.operator().pause("oncall", HOUR, bench.clock.now()).await.unwrap();

    bench.work_for(Duration::from_secs(1800)).await;
    assert_eq!(bench.simulator.messages().len(), 0, "a probe is a message too");
    let (state, until, _) = stands(&bench.operator(), "oncall", bench.clock.now()).await;
    assert_eq!((state, until.is_some()), (Standing::Blocked, true), "both are said");

    // `night` is the same robot in the same group: the channel is theirs together, the pause is not.
    bench.accept("night", &fixture_of_group("one-firing.json", 2)).await;
    bench.work_for(Duration::from_secs(60)).await;
    assert_eq!(bench.simulator.messages().len(), 1);
    assert_eq!(stands(&bench.operator(), "oncall", bench.clock.now()).await.2, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_lane_stops_at_a_pause_and_goes_on_at_once_when_it_is_resumed() {
    let world = World::start().await;
    let (status, paused) = world.command("/api/v1/lanes/team/pause", r#"{"for": "36h"}"#).await;
    assert_eq!(status, 200, "{paused}");
    let until: Timestamp = paused["paused_until"].as_str().unwrap().parse().unwrap();
    let left = until.duration_since(Timestamp::now()).as_secs();
    assert!((36 * 3600 - 60..=36 * 3600).contains(&left), "{until}");

    let (accepted, _) = world.post("/hooks/alertmanager/team", fixture("one-firing.json")).await;
    world.post("/hooks/alertmanager/oncall", fixture("one-firing.json")).await;
    world.simulator.arrived(1).await;
    assert_eq!((accepted, groups(&world.simulator.messages())), (202, vec!["cid-oncall=="]));
    let lanes = world.look("/api/v1/lanes").await;
    let lane = |receiver: &str| -> Value {
        lanes["lanes"].as_array().unwrap().iter().find(|lane| lane["receiver"] == receiver).unwrap().clone()
    };
    assert_eq!((&lane("team")["state"], &lane("team")["queued"]), (&json!("flowing"), &json!(1)));
    assert_eq!(lane("team")["paused_until"], paused["paused_until"]);
    assert_eq!(lane("oncall")["paused_until"], Value::Null);

    let (status, resumed) = world.command("/api/v1/lanes/team/resume", "").await;

    assert_eq!((status, &resumed["paused_until"]), (200, &Value::Null));
    assert_eq!(groups(&world.simulator.arrived(2).await), ["cid-oncall==", "cid-team=="]);
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_lane_wakes_by_itself_when_its_pause_is_over() {
    let world = World::start().await;
    assert_eq!(world.command("/api/v1/lanes/team/pause", r#"{"for": "1s"}"#).await.0, 200);
    let begin = std::time::Instant::now();
    world.post("/hooks/alertmanager/team", fixture("one-firing.json")).await;
    world.simulator.arrived(1).await;
    assert!(begin.elapsed() < Duration::from_secs(20), "it did not sleep as long as an idle lane does");
    world.deliveries(|list| list[0]["state"] == "delivered").await;
    world.end().await;
}
