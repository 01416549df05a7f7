//! `send_resolved`: what of what is over is told to whom, and that a preview says why something is not.

use serde_json::{Value, json};

use crate::harness::{Bench, World};
use crate::storm::{BEGIN, MINUTE, group, received, simulated};

const RECEIVERS: &str = "
receivers:
  all: { app: ops, open_conversation_id: cid-all==, send_resolved: always }
  some: { app: ops, open_conversation_id: cid-some==, send_resolved: critical }
  none: { app: ops, open_conversation_id: cid-none==, send_resolved: never }
";

fn mixed() -> Vec<u8> {
    let alerts = [
        ("node-firing", "firing", "warning"),
        ("node-over", "resolved", "warning"),
        ("node-critical-over", "resolved", "critical"),
    ];
    group("Disk", &alerts)
}

#[tokio::test]
async fn a_receiver_is_told_what_is_over_as_far_as_it_wants_to_hear_of_it_and_nothing_names_the_rest() {
    let mut bench = Bench::with(RECEIVERS, BEGIN, simulated).await;
    for receiver in ["all", "some", "none"] {
        bench.accept(receiver, &mixed()).await;
    }
    bench.work_for(MINUTE).await;

    let names = ["node-firing", "node-over", "node-critical-over"];
    let named = |group: &str| -> Vec<&str> {
        let [(_, message)] = received(&bench, group).try_into().expect("one message");
        names.into_iter().filter(|name| message.contains(name)).collect()
    };
    assert_eq!(named("cid-all=="), names);
    assert_eq!(named("cid-some=="), ["node-firing", "node-critical-over"]);
    assert_eq!(named("cid-none=="), ["node-firing"]);
    let title = received(&bench, "cid-none==").remove(0).1.lines().next().unwrap().to_owned();
    assert!(!title.contains("resolved") && !title.contains("critical"), "{title}");
}

#[tokio::test]
async fn where_nothing_is_left_to_hear_of_no_delivery_is_made() {
    let bench = Bench::with(RECEIVERS, BEGIN, simulated).await;
    let over = group("Disk", &[("node-over", "resolved", "warning")]);
    let mut made = vec![];
    for receiver in ["all", "some", "none"] {
        made.push(bench.accept(receiver, &over).await.deliveries.len());
    }
    assert_eq!(made, [1, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_shows_what_is_told_and_says_why_something_is_not() {
    let world = World::with(RECEIVERS).await;
    let over = ("node-over", "resolved", "warning");
    let critical = ("node-critical-over", "resolved", "critical");
    let mixed = group("Disk", &[("node-firing", "firing", "warning"), over, critical]);

    let some = "1 of 3 alerts are left out: they are resolved and not critical, and `send_resolved` is `critical`";
    let none = "2 of 3 alerts are left out: they are resolved, and `send_resolved` is `never`";
    assert_eq!(previewed(&world, "all", &mixed).await, (1, json!([])));
    assert_eq!(previewed(&world, "some", &mixed).await, (1, json!([some])));
    assert_eq!(previewed(&world, "none", &mixed).await, (1, json!([none])));

    let one = "nothing is sent: the alert is resolved, and `send_resolved` is `never`";
    assert_eq!(previewed(&world, "none", &group("Disk", &[over])).await, (0, json!([one])));
    let all = "nothing is sent: all 2 alerts are resolved, and `send_resolved` is `never`";
    assert_eq!(previewed(&world, "none", &group("Disk", &[over, critical])).await, (0, json!([all])));
    world.end().await;
}

/// How many messages a preview shows, and what it warns of.
async fn previewed(world: &World, receiver: &str, body: &[u8]) -> (usize, Value) {
    let payload: Value = serde_json::from_slice(body).unwrap();
    let asked = json!({ "source": "alertmanager", "receiver": receiver, "payload": payload });
    let (status, shown) = world.ask("/api/v1/preview", &asked).await;
    assert_eq!(status, 200, "{shown}");
    let [one] = shown["receivers"].as_array().unwrap().as_slice() else { panic!("{shown}") };
    (one["messages"].as_array().unwrap().len(), one["warnings"].clone())
}
