//! Many deliveries at once, and the list while it changes under the reader.

use std::collections::BTreeSet;
use std::time::Duration;

use dingtalk_relay::operator::actions::ActionError;
use dingtalk_relay::operator::selection::Selection;
use dingtalk_relay::simulator::faults::Api;
use dingtalk_relay::store::StoreError;
use serde_json::{Value, json};

use super::{ONE_TRY, bench, broken, forget};
use crate::harness::{World, fixture_of_group};
use crate::http::relay::{ONE_FIRING, OPERATOR, Relay, ask};
use crate::troubled::Trouble;

/// So many calls fail; then the app is down, and nothing dies any more.
const DEAD: usize = 2;

/// A world in which some deliveries of `oncall` have died.
async fn world_with_dead_ones() -> World {
    let world = World::with(ONE_TRY).await;
    world.simulator.fault(Api::Send, DEAD as u32, broken());
    for group in 0..DEAD {
        world.post("/hooks/alertmanager/oncall", fixture_of_group("one-firing.json", group)).await;
    }
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "dead")).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dead_of_a_night_are_counted_first_and_then_redriven() {
    let world = world_with_dead_ones().await;
    world.post("/hooks/alertmanager/team", fixture_of_group("one-firing.json", 9)).await;
    world.simulator.arrived(1).await;
    let path = "/api/v1/deliveries/redrive?receiver=oncall";

    let dry = world.command(&format!("{path}&dry_run=true"), "").await;
    assert_eq!(dry, (200, json!({ "count": DEAD })));
    assert_eq!(world.look("/api/v1/deliveries?state=dead").await["deliveries"].as_array().unwrap().len(), DEAD);

    assert_eq!(world.command(path, "").await, (200, json!({ "count": DEAD })));
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    assert_eq!(world.command(path, "").await, (200, json!({ "count": 0 })), "what was delivered is not sent again");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_go_to_another_receiver_and_many_are_called_off() {
    let world = world_with_dead_ones().await;
    assert_eq!(world.command("/api/v1/lanes/team/pause", "").await.0, 200);

    let over = world.command("/api/v1/deliveries/redrive?state=dead", r#"{"to": "team"}"#).await;
    let off = world.command("/api/v1/deliveries/cancel?receiver=team&before=2999-01-01T00:00:00Z", "").await;

    assert_eq!((over, off), ((200, json!({ "count": DEAD })), (200, json!({ "count": DEAD }))));
    let states: BTreeSet<_> =
        world.deliveries(|list| list.len() == 2 * DEAD).await.iter().map(|d| d["state"].to_string()).collect();
    assert_eq!(states, BTreeSet::from(["\"cancelled\"".to_owned(), "\"dead\"".to_owned()]));
    assert_eq!(world.simulator.messages().len(), 0);
    world.end().await;
}

#[tokio::test]
async fn without_a_word_where_to_only_configured_receivers_get_their_dead_back() {
    let bench = bench("").await;
    let (operator, now) = (bench.operator(), bench.clock.now());
    for (group, receiver) in ["oncall", "team", "team"].into_iter().enumerate() {
        bench.accept(receiver, &fixture_of_group("one-firing.json", group)).await;
    }
    let everything = || Selection { before: Some(now + Duration::from_secs(9)), ..Selection::default() };
    assert_eq!(operator.cancel_many(everything(), false, now).await.unwrap(), 3);
    let bench = bench.restart_with(|config| forget(config, "team")).await;
    let (operator, now) = (bench.operator(), bench.clock.now());
    let cancelled = || Selection { state: Some(dingtalk_relay::model::delivery::State::Cancelled), ..everything() };

    assert_eq!(operator.redrive_many(cancelled(), None, true, now).await.unwrap(), 1);
    assert_eq!(operator.redrive_many(cancelled(), None, false, now).await.unwrap(), 1);
    let of_team = Selection { receiver: Some("team".into()), ..cancelled() };
    let home = operator.redrive_many(of_team.clone(), None, false, now).await.unwrap_err();
    assert!(matches!(home, ActionError::Conflict(_)), "{home}");
    assert_eq!(operator.redrive_many(of_team, Some("night"), false, now).await.unwrap(), 2);
}

#[tokio::test]
async fn what_was_done_before_the_store_gave_up_is_told() {
    let relay = Relay::new();
    relay.post("/hooks/am", ONE_FIRING).await;
    relay.store.fail(Trouble::QueueFull);
    let answer = ask(relay.admin(), "POST", "/api/v1/deliveries/cancel?state=queued", &[OPERATOR], "").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "10"));
    let says = "0 are done and stay so, but then the queue is full (store.max_queued); ask again for the rest";
    assert_eq!(answer.json()["detail"], says);
    let stopped = ActionError::Stopped { done: 300, source: StoreError::Unavailable("/srv/planted".into()) };
    assert!(!stopped.to_string().contains("planted"), "{stopped}");
}

/// Rows arrive, move and are handed over while somebody turns the pages: each of those that were there at the
/// beginning is seen once.
#[tokio::test]
async fn the_pages_of_the_list_stay_right_while_rows_arrive_and_are_redriven() {
    let bench = bench("").await;
    let accept = async |group: usize| {
        let accepted = bench.accept("oncall", &fixture_of_group("one-firing.json", group)).await;
        accepted.deliveries[0].0.clone()
    };
    let mut there = vec![];
    for group in 0..25 {
        there.push(accept(group).await);
    }
    let (operator, now) = (bench.operator(), bench.clock.now());
    for id in there.iter().step_by(2) {
        operator.cancel(&id.0, now).await.unwrap();
    }
    let mut seen: Vec<Value> = vec![];
    let (mut next, mut turned) = (String::new(), 0);
    loop {
        let page = bench.look(&format!("/api/v1/deliveries?limit=4&cursor={next}")).await;
        seen.extend(page["deliveries"].as_array().unwrap().iter().map(|delivery| delivery["id"].clone()));
        let Some(cursor) = page["next"].as_str() else { break };
        next = cursor.to_owned();
        accept(100 + turned).await;
        operator.redrive(&there[2 * turned].0, None, now).await.unwrap();
        operator.redrive(&there[24 - 2 * turned].0, Some("team"), now).await.unwrap();
        turned += 1;
    }
    let expected: Vec<_> = there.iter().rev().map(|id| json!(id)).collect();
    assert_eq!((seen, turned), (expected, 6));
}
