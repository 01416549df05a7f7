//! A reload that comes at the wrong moment: while a call is under way, while the store is away, while the process ends,
//! and while a webhook is half read.

use std::sync::Arc;

use dingtalk_relay::app::alarm::Alarm;
use dingtalk_relay::app::running::Running;
use dingtalk_relay::operator::reload::{By, Refused};
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::{Options, Simulator};
use dingtalk_relay::store::{Store, sqlite};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Bench, TOKEN, World, configured, fixture, fixture_of_group};
use crate::reload::is_delivered;
use crate::troubled::{Trouble, Troubled};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_under_way_is_finished_and_stored_before_its_lane_is_replaced() {
    let world = World::start().await;
    world.simulator.fault(Api::Send, 1, Answer::Hang);
    world.post("/hooks/alertmanager/team", fixture("one-firing.json")).await;
    world.simulator.called(Api::Send, 1).await;

    // Its call ends with the app's timeout, after two seconds.
    world.write("receivers: { team: { limits: { messages_per_minute: 10 } } }");
    let (status, told) = world.reload().await;

    assert_eq!(status, 200, "{told}");
    let list = world.deliveries(|list| list.iter().all(is_delivered)).await;
    let id = list[0]["id"].as_str().unwrap();
    let log = world.look(&format!("/api/v1/deliveries/{id}")).await["attempt_log"].clone();
    let codes: Vec<_> = log.as_array().unwrap().iter().map(|attempt| &attempt["code"]).collect();
    assert_eq!(codes, [&json!("timeout"), &json!(null)], "how it ended is known: it was not interrupted");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_away_the_old_lanes_go_on_and_nothing_is_half_done() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let before = Arc::new(configured(&simulator.base_url(), folder.path(), ""));
    let store = Troubled::over(sqlite::open(&folder.path().join("relay.db"), 1000).unwrap());
    let mut running = Running::start(&before, Arc::clone(&store) as Arc<dyn Store>, Alarm::default()).await.unwrap();
    let slower = "receivers: { team: { limits: { messages_per_minute: 10 } } }";
    let after = Arc::new(configured(&simulator.base_url(), folder.path(), slower));

    store.fail(Trouble::Unavailable);
    running.change_to(&after).await.unwrap_err();
    assert_eq!(rate(&running, "team"), 20);
    store.fail(None);
    running.change_to(&after).await.unwrap();

    assert_eq!((rate(&running, "team"), rate(&running, "oncall")), (10, 20));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_could_not_be_stored_is_stored_before_its_lane_is_replaced() {
    let bench = Bench::new(&jiff::Timestamp::now().to_string(), |_| Options::default()).await;
    let with = |more| Arc::new(configured(&bench.simulator.base_url(), bench.folder(), more));
    let slower = "receivers: { team: { limits: { messages_per_minute: 10 } } }";
    bench.accept("team", &fixture("one-firing.json")).await;
    bench.store.fail(Trouble::NoFinish);
    let mut running =
        Running::start(&with(""), Arc::clone(&bench.store) as Arc<dyn Store>, Alarm::default()).await.unwrap();
    bench.simulator.arrived(1).await;

    running.change_to(&with(slower)).await.unwrap_err();
    bench.store.fail(None);
    running.change_to(&with(slower)).await.unwrap();

    let delivery = bench.deliveries().await[0].clone();
    assert_eq!((&delivery["state"], &delivery["attempts"]), (&json!("delivered"), &json!(1)));
    assert_eq!(bench.simulator.messages().len(), 1, "it was not sent again");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_stopping_does_not_reload() {
    let world = World::start().await;
    let reloading = world.relay.reloading().clone();
    world.end().await;
    assert_eq!(reloading.ask(By::Signal).await, Err(Refused::Stopping));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_reload_at_once_are_answered_one_after_another() {
    let world = World::start().await;
    world.write("receivers: { dev: { app: ops, open_conversation_id: cid-dev== } }");

    let answers = tokio::join!(world.reload(), world.reload(), world.reload(), world.reload());

    let answers = [answers.0, answers.1, answers.2, answers.3];
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    let changed = answers.iter().filter(|(_, told)| told["changed"] != json!([])).count();
    assert_eq!(changed, 1, "the first one found the change, the others nothing: {answers:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_half_read_keeps_the_configuration_it_began_with() {
    let dev = "receivers: { dev: { app: ops, open_conversation_id: cid-dev== } }";
    let world = World::with(dev).await;
    let body = fixture_of_group("one-firing.json", 1);
    let mut slow = TcpStream::connect(world.relay.hooks()).await.unwrap();
    let head = format!(
        "POST /hooks/alertmanager/dev HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    // Asked to go on: the credentials were right, and the receiver is known.
    let mut line = [0; 25];
    slow.read_exact(&mut line).await.unwrap();
    assert!(line.starts_with(b"HTTP/1.1 100"));

    world.write("");
    assert_eq!(world.reload().await.0, 200);
    slow.write_all(&body).await.unwrap();

    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert_eq!(world.post("/hooks/alertmanager/dev", body).await.0, 404, "the next one meets the new configuration");
    let left = world.until("/api/v1/lanes", |lanes| lanes["lanes"].to_string().contains("not_configured")).await;
    assert!(left["lanes"].to_string().contains("\"dev\""), "what was accepted is kept: {left}");
    world.end().await;
}

fn rate(running: &Running, receiver: &str) -> u32 {
    let lanes = running.watch().lanes(jiff::Timestamp::now());
    lanes.iter().find(|lane| lane.receiver == receiver).unwrap().messages_per_minute.unwrap()
}
