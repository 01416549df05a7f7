//! When a lane sends one by one, when it gathers, and for how long.

use crate::harness::Bench;
use crate::storm::{BEGIN, MINUTE, SECOND, all_is_well, carried, firing, moments, received, simulated};

const TEAM: &str = "cid-team==";

fn mode(mode: &str) -> String {
    format!("receivers: {{ team: {{ digest: {mode} }} }}")
}

#[tokio::test]
async fn what_trickles_in_is_told_one_by_one_and_at_once() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    for n in 0..60 {
        bench.accept("team", &firing(&format!("Trickle{n}"), "warning")).await;
        bench.work_for(SECOND * 10).await;
    }
    all_is_well(&bench).await;
    assert_eq!(carried(&bench).await, [1; 60]);
    let late = moments(&bench, TEAM).iter().enumerate().filter(|(n, at)| *at - *n as f64 * 10.0 > 0.5).count();
    assert_eq!(late, 0);
}

#[tokio::test]
async fn a_busy_lane_gathers_for_its_window_and_then_tells_all_at_once() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    for n in 0..5 {
        bench.accept("team", &firing(&format!("First{n}"), "warning")).await;
    }
    bench.work_for(SECOND).await;
    assert_eq!(carried(&bench).await, [1; 5], "five may go at once");
    for n in 0..6 {
        bench.accept("team", &firing(&format!("Then{n}"), "warning")).await;
        bench.work_for(SECOND).await;
    }
    bench.work_for(MINUTE).await;

    all_is_well(&bench).await;
    assert_eq!(carried(&bench).await, [1, 1, 1, 1, 1, 6]);
    assert_eq!(moments(&bench, TEAM)[5], 11.0, "ten seconds after the first of them");
}

#[tokio::test]
async fn what_is_critical_waits_for_a_permit_only_and_takes_all_along() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    for n in 0..8 {
        bench.accept("team", &firing(&format!("Warned{n}"), "warning")).await;
    }
    bench.work_for(SECOND).await;
    assert_eq!(carried(&bench).await, [0; 0], "eight are more than may go: they gather");
    bench.accept("team", &firing("Burning", "critical")).await;
    bench.work_for(MINUTE).await;

    all_is_well(&bench).await;
    assert_eq!(carried(&bench).await, [9]);
    assert_eq!(moments(&bench, TEAM), [1.0]);
    let title = bench.simulator.messages()[0].msg_param["title"].as_str().unwrap().to_owned();
    assert!(title.contains("Burning"), "the worst is named: {title}");
}

#[tokio::test]
async fn a_lane_that_always_gathers_does_so_when_idle_too_and_never_with_what_is_critical() {
    let mut bench = Bench::with(&mode("always"), BEGIN, simulated).await;
    for n in 0..3 {
        bench.accept("team", &firing(&format!("Warned{n}"), "warning")).await;
        bench.work_for(SECOND * 2).await;
    }
    bench.work_for(MINUTE - SECOND * 6).await;
    bench.accept("team", &firing("Burning", "critical")).await;
    bench.work_for(MINUTE).await;

    all_is_well(&bench).await;
    assert_eq!(carried(&bench).await, [3, 1]);
    assert_eq!(moments(&bench, TEAM), [10.0, 60.0]);
}

#[tokio::test]
async fn a_lane_that_never_gathers_tells_one_by_one_as_fast_as_it_may() {
    let mut bench = Bench::with(&mode("never"), BEGIN, simulated).await;
    for n in 0..25 {
        bench.accept("team", &firing(&format!("Warned{n}"), "warning")).await;
    }
    bench.work_for(MINUTE * 3).await;
    all_is_well(&bench).await;
    assert_eq!(carried(&bench).await, [1; 25]);
}

#[tokio::test]
async fn nothing_is_overtaken_by_worse_for_longer_than_its_receiver_allows() {
    let more = "receivers: { team: { digest: never, max_wait: 5m } }";
    let mut bench = Bench::with(more, BEGIN, simulated).await;
    // More than a group takes, and all of it critical.
    for n in 0..200 {
        bench.accept("team", &firing(&format!("Burning{n}"), "critical")).await;
        if n == 30 {
            bench.accept("team", &firing("Quiet", "info")).await;
        }
        bench.work_for(SECOND * 2).await;
    }
    let messages = received(&bench, TEAM);
    let quiet = messages.iter().find(|(_, text)| text.contains("Quiet")).unwrap().0;
    assert!((360.0..=375.0).contains(&quiet), "it came after a minute and gave way for five, no longer: {quiet}");
}
