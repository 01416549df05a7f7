//! What is worse goes first, and nothing waits for ever: whoever is the worst and whoever has waited too long take turns.

use dingtalk_relay::simulator::faults::{Answer, Api};

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
