//! What is worse goes first, and nothing waits for ever: whoever is the worst and whoever has waited too long take turns.

use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::moderation::Rule;

use crate::harness::Bench;
use crate::storm::{BEGIN, MINUTE, SECOND, firing, received, simulated};

const TEAM: &str = "cid-team==";

/// When this came, in seconds since the bench's time began.
fn came(bench: &Bench, name: &str) -> f64 {
    let messages = received(bench, TEAM);
    messages.iter().find(|(_, text)| text.contains(name)).unwrap_or_else(|| panic!("{name} never came")).0
}

#[tokio::test]
async fn a_group_that_is_throttled_now_and_then_lets_nothing_be_overtaken_for_longer() {
    let mut bench = Bench::with("receivers: { team: { digest: never, max_wait: 5m } }", BEGIN, simulated).await;
    for minute in 0..12 {
        if minute > 0 && minute % 4 == 0 {
            bench.simulator.fault(Api::Send, 1, Answer::code(400, "send.too.fast"));
        }
        match minute {
            1 => drop(bench.accept("team", &firing("Quiet", "info")).await),
            3 => {
                let changed = "receivers: { team: { digest: never, max_wait: 5m, display_name: x } }";
                assert_eq!(bench.reload(changed).await, ["night", "oncall"], "it has another lane now");
            }
            _ => {}
        }
        // More than a group takes, and all of it critical.
        for n in 0..30 {
            bench.accept("team", &firing(&format!("Burning{minute}-{n}"), "critical")).await;
            bench.work_for(SECOND * 2).await;
        }
    }
    let (quiet, cool_down) = (came(&bench, "Quiet") - 60.0, MINUTE.as_secs_f64());
    assert!((300.0 + cool_down..=330.0 + cool_down).contains(&quiet), "five minutes without the cool-down: {quiet}");
}

/// A critical that comes in the fifth minute of a backlog that goes one by one; when it came, in seconds after that.
async fn a_critical_in_the_backlog(bench: &mut Bench) -> f64 {
    for n in 0..150 {
        bench.accept("team", &firing(&format!("Disk{n}"), "warning")).await;
    }
    bench.work_for(MINUTE * 5).await;
    bench.accept("team", &firing("Burning", "critical")).await;
    bench.work_for(MINUTE * 10).await;
    let singles = received(bench, TEAM).len();
    assert!(singles > 150, "each by itself: {singles}");
    came(bench, "Burning") - 300.0
}

#[tokio::test]
async fn what_is_critical_waits_for_one_message_at_most_however_many_that_go_one_by_one_are_overdue() {
    // One every 3.6 seconds or so: most are overdue by then.
    let mut bench = Bench::with("receivers: { team: { digest: never, max_wait: 2m } }", BEGIN, simulated).await;
    let after = a_critical_in_the_backlog(&mut bench).await;
    assert!(after <= 8.0, "it has to wait for one message: {after}");
}

#[tokio::test]
async fn nor_does_it_wait_for_those_whose_digest_was_refused() {
    let mut bench = Bench::with("receivers: { team: { max_wait: 2m } }", BEGIN, simulated).await;
    bench.simulator.moderate(Rule::about("Poison", "invalidParameter.msgParam.invalid"));
    bench.accept("team", &firing("Poison", "warning")).await;
    let after = a_critical_in_the_backlog(&mut bench).await;
    assert!(after <= 8.0, "it has to wait for one message: {after}");
}
