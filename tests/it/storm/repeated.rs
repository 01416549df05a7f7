//! What Alertmanager tells again because something else of its group has changed.

use serde_json::json;

use crate::harness::Bench;
use crate::storm::{BEGIN, MINUTE, Stands, group, moments, received, simulated};

const TEAM: &str = "cid-team==";
const STILL: [Stands<'static>; 3] =
    [("node-1", "firing", "warning"), ("node-2", "firing", "warning"), ("node-3", "firing", "warning")];

fn unchanged(how: &str) -> String {
    format!("receivers: {{ team: {{ unchanged: {how} }} }}\nsources: {{ alertmanager: {{ dedup_window: 0s }} }}")
}

fn and<'a>(more: &[Stands<'a>]) -> Vec<u8> {
    let all: Vec<Stands<'a>> = STILL.iter().chain(more).copied().collect();
    group("Disk", &all)
}

/// Three notifications of one group: three fire, then a fourth, then that is over.
async fn three(how: &str) -> Vec<String> {
    let mut bench = Bench::with(&unchanged(how), BEGIN, simulated).await;
    for body in [and(&[]), and(&[("node-4", "firing", "critical")]), and(&[("node-4", "resolved", "critical")])] {
        bench.accept("team", &body).await;
        bench.work_for(MINUTE * 5).await;
    }
    received(&bench, TEAM).into_iter().map(|(_, text)| text).collect()
}

#[tokio::test]
async fn what_has_not_changed_is_counted_and_the_change_told_in_full() {
    let told = three("fold").await;
    insta::assert_snapshot!(told.join("\n\n─────\n").replace("  \n", "␠␠\n"));
}

#[tokio::test]
async fn what_has_not_changed_is_shown_or_left_out_as_its_receiver_wants() {
    let named = |text: &str| ["node-1", "node-4"].map(|name| text.contains(name));
    let shown: Vec<_> = three("show").await.iter().map(|text| named(text)).collect();
    assert_eq!(shown, [[true, false], [true, true], [true, true]]);
    let dropped: Vec<_> = three("drop").await.iter().map(|text| named(text)).collect();
    assert_eq!(dropped, [[true, false], [false, true], [false, true]]);
}

#[tokio::test]
async fn where_nothing_has_changed_and_that_is_dropped_no_call_is_made_and_the_page_says_why() {
    let mut bench = Bench::with(&unchanged("drop"), BEGIN, simulated).await;
    for _ in 0..3 {
        bench.accept("team", &and(&[])).await;
        bench.work_for(MINUTE * 5).await;
    }
    assert_eq!(moments(&bench, TEAM), [0.0]);
    let deliveries = bench.deliveries().await;
    let told = |n: usize| ["state", "reason", "message", "attempts"].map(|field| deliveries[n][field].clone());
    assert_eq!(deliveries[0]["attempts"], 1);
    let why = "nothing has changed since the message before";
    for n in [1, 2] {
        assert_eq!(told(n), [json!("delivered"), json!(why), json!(null), json!(0)]);
        let page = bench.read(&format!("/deliveries/{}", deliveries[n]["id"].as_str().unwrap())).await;
        assert!(page.contains(why), "{page}");
    }
    let apps = bench.look("/api/v1/apps").await;
    assert_eq!(apps["apps"][0]["calls_this_month"], 1, "what was not said costs nothing");

    bench.accept("team", &group("Disk", &STILL[..2])).await;
    bench.accept("team", &and(&[("node-4", "firing", "warning")])).await;
    bench.work_for(MINUTE).await;
    assert_eq!(received(&bench, TEAM).len(), 2, "what changes is told");
}
