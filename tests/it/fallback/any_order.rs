//! Whatever happens in whatever order, every delivery ends in exactly one group, or dead with a reason.

use dingtalk_relay::simulator::faults::{Answer, Api};
use proptest::prelude::*;

use crate::fallback::{HOUR, SECOND, Town, arrived, to};

#[derive(Debug, Clone)]
enum Step {
    /// An alert of this group of alerts.
    Arrives(usize),
    /// The next so many calls of the group's app find this.
    Breaks(u32, &'static str),
    /// The same in the fallback's.
    BreaksThere(u32, &'static str),
    /// So many seconds pass.
    Passes(u32),
    /// The process is killed and starts again.
    Restarts,
}

/// What channels, apps and messages can suffer from; the last one is a message's own fault.
const CODES: [&str; 4] =
    ["group.disbanded", "Forbidden.AccessDenied.IpNotInWhiteList", "system.error", "invalidParameter.msg.unsupport"];

fn step() -> impl Strategy<Value = Step> {
    let code = || prop::sample::select(CODES.to_vec());
    prop_oneof![
        4 => (0..3usize).prop_map(Step::Arrives),
        2 => (1..4u32, code()).prop_map(|(times, code)| Step::Breaks(times, code)),
        1 => (1..3u32, code()).prop_map(|(times, code)| Step::BreaksThere(times, code)),
        3 => (1..400u32).prop_map(Step::Passes),
        1 => Just(Step::Restarts),
    ]
}

async fn run(steps: Vec<Step>) {
    let mut town = Town::with("", "retry: { schedule: [1s, 5s], max_attempts: 2 }").await;
    let mut accepted = 0;
    for step in steps {
        match step {
            Step::Arrives(group) => {
                accepted += 1;
                // No twins: each is an alert of its own, of one of three groups.
                town.arrives(group, accepted).await;
            }
            Step::Breaks(times, code) => town.bench.simulator.fault(Api::Send, times, broken(code)),
            Step::BreaksThere(times, code) => town.refuge.fault(Api::Send, times, broken(code)),
            Step::Passes(seconds) => town.work_for(seconds * SECOND).await,
            Step::Restarts => town = town.restart().await,
        }
    }
    town.work_for(12 * HOUR).await;
    check(&town, accepted).await;
}

fn broken(code: &str) -> Answer {
    let status = if code == "system.error" { 500 } else { 400 };
    Answer::code(status, code)
}

async fn check(town: &Town, accepted: usize) {
    let list = town.bench.deliveries().await;
    let (first, heirs) = (to(&list, "oncall"), to(&list, "refuge"));
    assert_eq!(first.len(), accepted);
    for delivery in &first {
        let heir = heirs.iter().find(|heir| heir["fallback_of"] == delivery["id"]);
        assert_eq!(delivery["handed_to"], heir.map_or(serde_json::Value::Null, |heir| heir["id"].clone()));
        let states = (delivery["state"].as_str().unwrap(), heir.map(|heir| heir["state"].as_str().unwrap()));
        let ends = [
            ("delivered", None),
            ("handed_over", Some("delivered")),
            ("handed_over", Some("dead")),
            ("dead", Some("delivered")),
            ("dead", Some("dead")),
        ];
        assert!(ends.contains(&states), "{states:?}: {delivery:#}");
        assert_eq!(delivery["reason"].is_null(), states.0 == "delivered", "{delivery:#}");
        assert!(heir.is_none_or(|heir| heir["reason"].is_null() == (heir["state"] == "delivered")));
    }
    assert_eq!(heirs.iter().filter(|heir| heir["handed_to"].is_null()).count(), heirs.len(), "never handed on");
    let shown = |simulator: &dingtalk_relay::simulator::Simulator| arrived(&list, &simulator.messages()).len();
    let delivered = list.iter().filter(|delivery| delivery["state"] == "delivered").count();
    assert_eq!(shown(&town.bench.simulator) + shown(&town.refuge), delivered, "each message is one delivery's");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_delivery_ends_in_exactly_one_group_or_dead_with_a_reason(steps in prop::collection::vec(step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
