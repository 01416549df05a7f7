//! A lane that could send and is held all the same says what holds it and until when, in the lane's own time: whoever
//! looks at night must not take a queue that waits for days for one that flows.

use std::time::Duration;

use dingtalk_relay::model::call::Call;
use dingtalk_relay::model::month::Month;
use dingtalk_relay::model::view::{AppView, LaneView, Standing, Wait, WaitsFor};
use dingtalk_relay::operator::deliveries::Listing;
use dingtalk_relay::simulator::faults::{Answer, Api};

use super::{BEGIN, MINUTE, SECOND, firing, group, resolved, simulated};
use crate::harness::Bench;

/// 48 of them for what is not critical.
const SIXTY: &str = "organisations: { default: { calls_per_month: 60 } }";

async fn lane(bench: &Bench, receiver: &str) -> LaneView {
    let lanes = bench.operator().lanes(bench.clock.now()).await.unwrap();
    lanes.into_iter().find(|view| view.lane.receiver == receiver).unwrap()
}

async fn app(bench: &Bench) -> AppView {
    bench.operator().apps(bench.clock.now()).await.unwrap().remove(0)
}

/// What is said of the latest delivery of a receiver.
async fn of_latest(bench: &Bench, receiver: &str) -> Option<Wait> {
    let operator = bench.operator();
    let listing = Listing::asked([("receiver".into(), receiver.into())]).unwrap();
    let latest = operator.deliveries(listing).await.unwrap().deliveries.remove(0);
    operator.waits_for(&latest, bench.clock.now()).await.unwrap()
}

/// So many calls of the month are made.
async fn used(bench: &Bench, calls: usize) {
    let (gate, mut now) = (bench.gate("team"), bench.clock.now());
    for _ in 0..calls {
        gate.by_hand(Call::Query, &mut now).await.unwrap();
    }
    bench.clock.move_to(now);
}

#[tokio::test]
async fn what_waits_until_the_month_turns_says_so_in_its_lane_its_delivery_and_the_month() {
    let mut bench = Bench::with(SIXTY, BEGIN, simulated).await;
    used(&bench, 48).await;

    bench.accept("team", &firing("disk", "warning")).await;
    bench.work_for(MINUTE).await;

    let seen = lane(&bench, "team").await;
    let held = seen.waits_for.clone().expect("it waits for the month");
    let until = Month::of(bench.clock.now()).end();
    assert_eq!((seen.lane.state, held.why, held.until), (Standing::Flowing, WaitsFor::Month, until));
    assert!(held.reason.contains("no critical news, and 48 of 60 calls are used"), "{}", held.reason);
    assert_eq!(of_latest(&bench, "team").await, Some(held));
    assert_eq!(lane(&bench, "oncall").await.waits_for, None, "nothing waits there");
    assert_eq!(app(&bench).await.paced.unwrap().lanes, 1);

    bench.accept("team", &firing("fire", "critical")).await;
    assert_eq!(of_latest(&bench, "team").await, None, "it goes at once");
    assert_eq!(lane(&bench, "team").await.waits_for, None, "and takes along what waits");
    bench.work_for(MINUTE).await;
    assert_eq!(lane(&bench, "team").await.queued, 0);
    assert_eq!(app(&bench).await.paced.unwrap().lanes, 0);
}

#[tokio::test]
async fn a_group_whose_critical_alert_is_known_says_that_it_waits_and_news_of_it_does_not() {
    let mut bench = Bench::with(SIXTY, BEGIN, simulated).await;
    let (down, lamp) = (("db-1", "firing", "critical"), ("lamp", "firing", "info"));
    bench.accept("team", &group("Payments", &[down, lamp])).await;
    bench.work_for(SECOND).await;
    used(&bench, 47).await;

    bench.accept("team", &group("Payments", &[down, ("lamp", "resolved", "info")])).await;
    bench.work_for(MINUTE).await;
    let held = of_latest(&bench, "team").await.expect("it waits for the month");
    assert_eq!(held.why, WaitsFor::Month);

    bench.accept("team", &group("Payments", &[("db-1", "resolved", "critical"), lamp])).await;
    assert_eq!(of_latest(&bench, "team").await, None, "it goes at once");
    bench.work_for(SECOND).await;
    assert_eq!(lane(&bench, "team").await.queued, 0);
}

#[tokio::test]
async fn what_waits_for_its_turn_says_about_when_that_is() {
    let mut bench = Bench::with(SIXTY, BEGIN, simulated).await;
    used(&bench, 39).await;
    for receiver in ["oncall", "team"] {
        bench.accept(receiver, &firing("first", "warning")).await;
        bench.work_for(MINUTE).await;
        bench.accept(receiver, &firing("second", "warning")).await;
    }
    bench.work_for(MINUTE).await;
    let sent = bench.simulator.messages().len();

    let mut turns = Vec::new();
    for receiver in ["oncall", "team"] {
        let held = lane(&bench, receiver).await.waits_for.expect("it waits for its turn");
        assert_eq!(held.why, WaitsFor::Month);
        assert!(held.reason.contains("ahead of the calendar"), "{}", held.reason);
        turns.push(held.until);
    }
    turns.sort();
    assert_eq!(app(&bench).await.paced.unwrap().lanes, 2);
    bench.work(turns[0] - MINUTE).await;
    assert_eq!(bench.simulator.messages().len(), sent, "not before");
    bench.work(turns[0] + MINUTE).await;
    assert_eq!(bench.simulator.messages().len(), sent + 1, "and then");
    assert!(turns[0] < turns[1], "one after the other: {turns:?}");
}

#[tokio::test]
async fn what_waits_for_company_or_a_retry_says_until_when() {
    let merged = "receivers: { team: { send_resolved: merged } }";
    let mut bench = Bench::with(merged, BEGIN, simulated).await;
    let begin = bench.clock.now();
    bench.accept("team", &resolved("disk", "warning")).await;
    bench.work_for(SECOND).await;

    let held = lane(&bench, "team").await.waits_for.unwrap();

    let ten_minutes = begin + Duration::from_secs(600);
    assert_eq!((held.why, held.until), (WaitsFor::Company, ten_minutes), "{}", held.reason);
    assert_eq!(of_latest(&bench, "team").await, None, "its own next_attempt_at says it");
    bench.work_for(11 * MINUTE).await;
    assert_eq!(lane(&bench, "team").await.waits_for, None);

    bench.simulator.fault(Api::Send, 1, Answer::code(500, "system.error"));
    bench.accept("oncall", &firing("disk", "warning")).await;
    bench.step("oncall").await.unwrap();
    let held = lane(&bench, "oncall").await.waits_for.unwrap();
    assert_eq!((held.why, held.until > bench.clock.now()), (WaitsFor::Retry, true));
}
