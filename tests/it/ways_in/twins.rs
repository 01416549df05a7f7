//! What is a twin: the same source, the same path, the same key, within the window of the first.

use std::collections::BTreeSet;
use std::time::Duration;

use dingtalk_relay::simulator::Options;
use dingtalk_relay::simulator::faults::{Answer, Api};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Bench, TOKEN, answer, fixture};
use crate::ways_in::{SOURCES, world};

#[tokio::test(flavor = "multi_thread")]
async fn fifty_twins_at_once_make_one_event_for_each_source_and_path() {
    let world = world(SOURCES).await;
    let paths =
        ["alertmanager", "second"].map(|source| ["", "/oncall", "/team"].map(|to| format!("/hooks/{source}{to}")));
    let paths = paths.concat();
    let posts: Vec<_> = (0..50 * paths.len())
        .map(|n| {
            let path = paths[n % paths.len()].clone();
            let url = format!("http://{}{path}", world.relay.hooks());
            let request = world.http.post(url).bearer_auth(TOKEN).body(fixture("one-firing.json"));
            tokio::spawn(async move { (path, answer(request).await) })
        })
        .collect();

    let mut answers = Vec::new();
    for post in posts {
        answers.push(post.await.unwrap());
    }

    let mut events = BTreeSet::new();
    for path in &paths {
        let here: Vec<_> = answers.iter().filter(|(to, _)| to == path).map(|(_, answer)| answer).collect();
        assert!(here.iter().all(|(status, _)| *status == 202), "{path}: {here:?}");
        let first: Vec<_> = here.iter().filter(|(_, said)| said["duplicate"] == false).collect();
        assert_eq!((here.len(), first.len()), (50, 1), "{path}");
        let first = &first[0].1;
        assert!(here.iter().all(|(_, said)| said["event"] == first["event"]), "{path}");
        assert!(here.iter().all(|(_, said)| said["deliveries"][0]["id"] == first["deliveries"][0]["id"]), "{path}");
        events.insert(first["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(events.len(), paths.len());
    let list = world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    assert_eq!((list.len(), world.simulator.messages().len()), (paths.len(), paths.len()));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_never_stops_is_heard_again_when_the_window_of_the_first_is_over() {
    let world = world("sources: { am: { kind: alertmanager, auth: { none: true }, dedup_window: 500ms } }").await;
    let began = std::time::Instant::now();
    let (_, first) = world.post("/hooks/am/team", fixture("one-firing.json")).await;

    // Every post is within the window of the one before. Did that one count, none would ever be heard.
    let heard = async {
        loop {
            let (_, said) = world.post("/hooks/am/team", fixture("one-firing.json")).await;
            if said["duplicate"] == false {
                return said;
            }
            assert_eq!(said["event"], first["event"]);
        }
    };
    let second = tokio::time::timeout(Duration::from_secs(10), heard).await.expect("it is heard again");

    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
    assert_ne!(second["event"], first["event"]);
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}

#[tokio::test]
async fn the_window_is_six_minutes_from_the_first_event_to_the_millisecond() {
    let bench = Bench::new("2026-11-21T12:00:00Z", |_| Options::default()).await;
    let at = |time: &str| time.parse::<Timestamp>().unwrap();
    let first = bench.accept("team", &fixture("one-firing.json")).await;
    for (time, duplicate) in
        [("2026-11-21T12:05:00Z", true), ("2026-11-21T12:05:59.998Z", true), ("2026-11-21T12:06:00Z", false)]
    {
        bench.clock.move_to(at(time));
        let twin = bench.accept("team", &fixture("one-firing.json")).await;
        assert_eq!((twin.duplicate, twin.event == first.event), (duplicate, duplicate), "{time}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_of_an_event_that_died_is_a_new_one() {
    let world = world(SOURCES).await;
    world.simulator.fault(Api::Send, 4, Answer::code(400, "contain.notAllowed.content"));
    let (_, first) = world.post("/hooks/alertmanager/team", fixture("one-firing.json")).await;
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "dead")).await;

    let (status, second) = world.post("/hooks/alertmanager/team", fixture("one-firing.json")).await;

    assert_eq!((status, &second["duplicate"]), (202, &json!(false)));
    assert_ne!(second["event"], first["event"]);
    world.simulator.arrived(1).await;
    world.deliveries(|list| list.iter().any(|delivery| delivery["state"] == "delivered")).await;
    let (_, third) = world.post("/hooks/alertmanager/team", fixture("one-firing.json")).await;
    assert_eq!((&third["duplicate"], &third["event"]), (&json!(true), &second["event"]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alertmanagers_twins_may_differ_in_all_but_what_happened() {
    let world = world(SOURCES).await;
    let sent: Value = serde_json::from_slice(&fixture("fifty-mixed.json")).unwrap();
    let (_, first) = world.post("/hooks/alertmanager/team", sent.to_string()).await;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut body = sent.clone();
        change(&mut body);
        body.to_string()
    };
    let twins = [
        backwards(&sent),
        serde_json::to_string_pretty(&sent).unwrap(),
        changed(&|body| body["externalURL"] = json!("http://other-replica:9093")),
        changed(&|body| body["alerts"].as_array_mut().unwrap().reverse()),
        changed(&|body| body["alerts"][0]["annotations"]["summary"] = json!("said another way")),
        changed(&|body| body["alerts"][0]["generatorURL"] = json!("http://other-prometheus:9090/graph")),
        changed(&|body| body["truncatedAlerts"] = json!(3)),
        changed(&|body| body["anything"] = json!("new in a later version")),
    ];
    for (n, twin) in twins.into_iter().enumerate() {
        let (_, said) = world.post("/hooks/alertmanager/team", twin).await;
        assert_eq!((&said["duplicate"], &said["event"]), (&json!(true), &first["event"]), "twin {n}");
    }
    let others = [
        changed(&|body| body["groupKey"] = json!("{}:{other=\"group\"}")),
        changed(&|body| body["receiver"] = json!("another")),
        changed(&|body| body["alerts"][0]["fingerprint"] = json!("0000000000000000")),
        changed(&|body| body["alerts"][0]["startsAt"] = json!("2001-01-01T00:00:00Z")),
        changed(&|body| {
            let other = if body["alerts"][0]["status"] == "firing" { "resolved" } else { "firing" };
            body["alerts"][0]["status"] = json!(other);
        }),
        changed(&|body| drop(body["alerts"].as_array_mut().unwrap().pop())),
    ];
    for (n, other) in others.into_iter().enumerate() {
        let (status, said) = world.post("/hooks/alertmanager/team", other).await;
        assert_eq!((status, &said["duplicate"]), (202, &json!(false)), "other {n}");
    }
    world.relay.stop().await;
}

/// The same JSON with the members of every object in the opposite order.
fn backwards(json: &Value) -> String {
    match json {
        Value::Object(map) => {
            let members: Vec<_> =
                map.iter().rev().map(|(key, value)| format!("{}:{}", json!(key), backwards(value))).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(backwards).collect::<Vec<_>>().join(",")),
        plain => plain.to_string(),
    }
}
