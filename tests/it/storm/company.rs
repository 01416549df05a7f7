//! What waits for company by itself: what is over where it is to be merged, and sources that need not ring.

use serde_json::{Value, json};

use crate::harness::{Bench, World};
use crate::storm::{BEGIN, MINUTE, SECOND, all_is_well, carried, firing, moments, received, resolved, simulated};

const TEAM: &str = "cid-team==";

const MERGED: &str = "receivers: { team: { send_resolved: merged } }";
const GITHUB: &str = "sources: { github: { kind: github, secret: s, gather: 10m } }";

#[tokio::test]
async fn what_is_over_waits_ten_minutes_where_nobody_comes() {
    let mut bench = Bench::with(MERGED, BEGIN, simulated).await;
    bench.accept("team", &resolved("Disk", "critical")).await;
    bench.work_for(MINUTE * 2).await;
    bench.accept("team", &resolved("Memory", "warning")).await;
    assert_eq!(bench.deliveries().await[0]["next_attempt_at"], "2026-11-21T12:10:00Z");
    bench.work_for(MINUTE * 20).await;

    all_is_well(&bench).await;
    assert_eq!(carried(&bench).await, [2], "the second goes along with the first");
    assert_eq!(moments(&bench, TEAM), [600.0]);
}

#[tokio::test]
async fn what_is_over_goes_along_with_the_next_message_and_never_makes_it_wait() {
    let mut bench = Bench::with(MERGED, BEGIN, simulated).await;
    bench.accept("team", &resolved("Disk", "warning")).await;
    bench.work_for(MINUTE).await;
    bench.accept("team", &firing("Memory", "warning")).await;
    bench.work_for(MINUTE).await;

    all_is_well(&bench).await;
    assert_eq!(carried(&bench).await, [2]);
    assert_eq!(moments(&bench, TEAM), [60.0]);
}

#[tokio::test]
async fn what_fires_again_lets_its_own_end_go_before_it_at_once() {
    let more = format!("{MERGED}\nsources: {{ alertmanager: {{ dedup_window: 0s }} }}");
    let mut bench = Bench::with(&more, BEGIN, simulated).await;
    bench.accept("team", &firing("Disk", "warning")).await;
    bench.work_for(MINUTE).await;
    bench.accept("team", &resolved("Disk", "warning")).await;
    bench.work_for(MINUTE).await;
    bench.accept("team", &firing("Disk", "critical")).await;
    bench.work_for(MINUTE).await;

    all_is_well(&bench).await;
    assert_eq!(carried(&bench).await, [1, 1, 1]);
    assert_eq!(moments(&bench, TEAM), [0.0, 120.0, 120.0]);
    let last = received(&bench, TEAM).pop().unwrap().1;
    assert!(last.contains("firing"), "{last}");
}

#[tokio::test]
async fn pushes_are_told_together_and_a_leaked_secret_at_once() {
    let mut bench = Bench::with(GITHUB, BEGIN, simulated).await;
    for n in 0..8 {
        bench.accept_through("github", Some("push"), "team", &push(n)).await;
        bench.work_for(MINUTE).await;
    }
    assert_eq!(carried(&bench).await, [0; 0]);
    bench.work_for(MINUTE * 3).await;
    assert_eq!(carried(&bench).await, [8], "ten minutes after the first, all together");
    assert_eq!(moments(&bench, TEAM), [600.0]);

    bench.accept_through("github", Some("push"), "team", &push(8)).await;
    bench.work_for(MINUTE).await;
    bench.accept("team", &firing("Disk", "critical")).await;
    bench.work_for(SECOND).await;
    all_is_well(&bench).await;
    assert_eq!(carried(&bench).await, [8, 2], "the next message takes the ninth along");
}

#[tokio::test]
async fn nobody_waits_for_company_where_nothing_is_told_together() {
    let more = format!("{GITHUB}\nreceivers: {{ team: {{ send_resolved: merged, digest: never }} }}");
    let mut bench = Bench::with(&more, BEGIN, simulated).await;
    bench.accept("team", &resolved("Disk", "warning")).await;
    bench.accept_through("github", Some("push"), "team", &push(0)).await;
    bench.work_for(SECOND).await;
    assert_eq!(carried(&bench).await, [1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_writes_is_there_before_the_digest_that_gathers_and_no_line_of_it() {
    let world = World::with("receivers: { team: { digest: always, digest_window: 1h } }").await;
    for name in ["Disk", "Memory"] {
        let (status, answer) = world.post("/hooks/alertmanager/team", firing(name, "warning")).await;
        assert_eq!(status, 202, "{answer}");
    }
    let letter = json!({ "receiver": "team", "title": "Change tonight", "text": "The database moves.", "wait": "20s" });
    let (_, delivery) = world.ask("/api/v1/send", &letter).await;
    assert_eq!((&delivery["state"], &delivery["message"]["deliveries"]), (&json!("delivered"), &json!(1)));

    let messages = world.simulator.messages();
    let texts: Vec<_> = messages.iter().map(|message| message.msg_param["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["The database moves."]);
    world.end().await;
}

/// A push to a repository of its own.
fn push(n: usize) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/github/push.json");
    let mut body: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    body["repository"]["full_name"] = json!(format!("acme/shop-{n}"));
    body["after"] = json!(format!("{n:040}"));
    body.to_string().into_bytes()
}
