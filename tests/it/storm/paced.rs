//! A month that runs ahead of the calendar, with real lanes and a real store: what is not critical gathers for longer,
//! a restart gains nothing by it, and what is critical goes at once.

use std::time::Duration;

use dingtalk_relay::model::call::Call;
use dingtalk_relay::model::month::Month;
use dingtalk_relay::model::view::{AppView, Standing};
use dingtalk_relay::simulator::faults::{Answer, Api};

use serde_json::json;

use super::{BEGIN, HOUR, MINUTE, SECOND, carried, firing, received, simulated};
use crate::harness::Bench;

/// On the evening of the 21st, the calendar has 55 of the 80 calls that are not kept.
const HUNDRED: &str = "organisations: { default: { calls_per_month: 100 } }";

async fn app(bench: &Bench) -> AppView {
    bench.operator().apps(bench.clock.now()).await.unwrap().remove(0)
}

#[tokio::test]
async fn what_is_not_critical_gathers_as_the_month_runs_ahead_and_a_restart_gains_nothing() {
    let mut bench = Bench::with(HUNDRED, BEGIN, simulated).await;
    for n in 0..58 {
        bench.accept(["oncall", "team"][n % 2], &firing(&format!("free-{n}"), "warning")).await;
        bench.work_for(MINUTE).await;
    }
    assert_eq!(bench.simulator.messages().len(), 58, "three days' worth ahead: they go as they come");
    assert_eq!(app(&bench).await.paced, None);

    for n in 0..40 {
        bench.accept(["oncall", "team"][n % 2], &firing(&format!("paced-{n}"), "warning")).await;
        bench.work_for(MINUTE).await;
    }
    let spaced = bench.simulator.messages().len();
    assert!((59..=61).contains(&spaced), "{spaced} messages");
    let seen = app(&bench).await;
    let paced = seen.paced.unwrap();
    assert!(paced.every_seconds.is_some_and(|seconds| seconds > 3_600) && paced.lanes == 2, "{paced:?}");
    assert_eq!(seen.app.state, Standing::Flowing);

    for _ in 0..5 {
        bench = bench.crash().await;
        bench.work_for(MINUTE * 5).await;
    }
    assert_eq!(bench.simulator.messages().len(), spaced, "who starts anew waits as long");

    bench.accept("team", &firing("fire", "critical")).await;
    bench.work_for(SECOND).await;
    let (_, told) = received(&bench, "cid-team==").pop().unwrap();
    assert_eq!(bench.simulator.messages().len(), spaced + 1);
    assert!(told.contains("fire"), "{told}");
    assert!(told.contains("\n> gathered since 1"), "and what rides along says how old it is: {told}");
    assert!(carried(&bench).await.last() > Some(&1), "what gathered rides along");
    assert_eq!((&bench.lane("team").await["queued"], bench.lane("oncall").await["queued"] == 0), (&json!(0), false));

    bench.work_for(24 * HOUR).await;
    assert_eq!(bench.lane("oncall").await["queued"], 0, "the other lane's turn came too");
    assert_eq!(bench.simulator.messages().len(), spaced + 2, "and one message told all of it");
}

#[tokio::test]
async fn what_is_critical_and_failed_is_tried_again_in_its_time_whatever_the_others_wait_for() {
    let mut bench = Bench::with(HUNDRED, BEGIN, simulated).await;
    for n in 0..61 {
        bench.accept("oncall", &firing(&format!("free-{n}"), "warning")).await;
        bench.work_for(MINUTE).await;
    }
    bench.simulator.fault(Api::Send, 1, Answer::code(500, "system.error"));
    bench.accept("team", &firing("fire", "critical")).await;
    bench.work_for(SECOND / 2).await;
    bench.accept("team", &firing("smoke", "warning")).await;

    bench.work_for(SECOND * 2).await;

    let told = received(&bench, "cid-team==");
    assert!(told.len() == 1 && told[0].1.contains("fire"), "its first retry is due after a second: {told:?}");
}

#[tokio::test]
async fn what_is_not_critical_lasts_to_the_end_and_the_reserve_beyond_it() {
    let mut bench = Bench::with(HUNDRED, BEGIN, simulated).await;
    let end = Month::of(bench.clock.now()).end();
    let mut n = 0;
    while bench.clock.now() < end - HOUR {
        for receiver in ["oncall", "team"] {
            n += 1;
            bench.accept(receiver, &firing(&format!("flood-{n}"), "warning")).await;
        }
        let left = Duration::try_from((end - HOUR).duration_since(bench.clock.now())).unwrap();
        bench.work_for(if n < 200 { MINUTE } else { HOUR.min(left) }).await;
    }
    let others = bench.simulator.messages().len();
    assert!((78..=80).contains(&others), "{others} calls: nothing is hoarded, and 20 are kept");
    let last = bench.simulator.messages().pop().unwrap().at;
    assert!(last > end - 24 * HOUR, "{last}");

    for n in 0..10 {
        bench.accept("team", &firing(&format!("fire-{n}"), "critical")).await;
        bench.work_for(MINUTE).await;
        assert_eq!(bench.simulator.messages().len(), others + 1 + n, "at once");
    }
}

#[tokio::test]
async fn lanes_that_never_gather_stop_at_the_reserve_and_what_is_critical_goes_on() {
    let never = format!("{HUNDRED}\nreceivers: {{ oncall: {{ digest: never }}, team: {{ digest: never }} }}");
    let mut bench = Bench::with(&never, BEGIN, simulated).await;
    for n in 0..90 {
        bench.accept("oncall", &firing(&format!("warning-{n}"), "warning")).await;
    }
    bench.work_for(HOUR).await;
    assert_eq!(bench.simulator.messages().len(), 80);
    let seen = app(&bench).await;
    assert_eq!((seen.app.state, seen.app.blocked.is_none()), (Standing::Flowing, true), "it does send");
    let paced = seen.paced.unwrap();
    assert_eq!((paced.every_seconds, paced.until), (None, Some(Month::of(bench.clock.now()).end())));

    for n in 0..25 {
        bench.accept("oncall", &firing(&format!("fire-{n}"), "critical")).await;
        bench.work_for(MINUTE).await;
    }
    assert_eq!(bench.simulator.messages().len(), 100, "the reserve is used, and not a call more");
    assert_eq!(bench.lane("oncall").await["blocked"]["code"], "month_used_up");
    assert_eq!(bench.lane("oncall").await["queued"], 15);

    bench.work(Month::of(bench.clock.now()).end() + HOUR).await;
    assert_eq!(bench.lane("oncall").await["queued"], 0, "nothing is lost");
}

#[tokio::test]
async fn receipts_rest_before_anything_has_to_gather_and_a_human_may_still_ask() {
    let asking = format!("{HUNDRED}\nreceivers: {{ team: {{ receipts: {{ enabled: true, ask_after: [1m] }} }} }}");
    for (made, asked) in [(50, 1), (57, 0)] {
        let mut bench = Bench::with(&asking, BEGIN, simulated).await;
        let (gate, mut now) = (bench.gate("team"), bench.clock.now());
        for _ in 0..made {
            gate.by_hand(Call::Query, &mut now).await.unwrap();
        }
        bench.clock.move_to(now);
        bench.accept("team", &firing("one", "warning")).await;
        bench.work_for(10 * MINUTE).await;
        assert_eq!(bench.simulator.messages().len(), 1, "it goes as it comes");
        assert_eq!(bench.simulator.count(Api::Query), asked, "after {made} calls");
        gate.by_hand(Call::Query, &mut bench.clock.now()).await.unwrap();
    }
}
