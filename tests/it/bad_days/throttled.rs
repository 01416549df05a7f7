//! "Too fast": who cools down, for how long, at which rate it goes on, and that nobody else waits for it.

use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::json;

use crate::bad_days::{BEGIN, HOUR, SECOND, SPARE, app, begin, calls, gaps, only, seconds, simulated, states};
use crate::harness::{Bench, fixture_of_group};

/// Whether each wait lies between its first figure and a quarter more, which is the jitter, in seconds begun.
fn jittered(waits: &[i64], expected: &[i64]) -> bool {
    let within = |(wait, least): (&i64, &i64)| (*least..=((*least * 5 + 3) / 4).min(600)).contains(wait);
    waits.len() >= expected.len() && waits.iter().zip(expected).all(within)
}

#[tokio::test]
async fn a_group_cools_down_longer_each_time_at_half_the_rate_and_recovers_in_steps() {
    let mut bench = Bench::with(SPARE, BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, 5, Answer::code(400, "send.too.fast"));
    bench.accept("oncall", &fixture_of_group("one-firing.json", 0)).await;
    let mut rates = vec![];
    while only(&bench, "oncall").await["state"] != "delivered" {
        bench.work_for(SECOND * 50).await;
        rates.push(bench.lane("oncall").await["messages_per_minute"].as_u64().unwrap());
    }
    let waits = gaps(&seconds(&bench, "cid-oncall=="));
    assert!(jittered(&waits, &[60, 120, 240, 480, 600]), "{waits:?}");
    rates.dedup();
    assert_eq!(rates[..4], [10, 5, 2, 1], "never slower than one a minute");

    let mut recovered = vec![3];
    assert_eq!(bench.lane("oncall").await["messages_per_minute"], 3, "the first success is a step");
    for group in 1..30 {
        bench.accept("oncall", &fixture_of_group("one-firing.json", group)).await;
        bench.work_for(SECOND * 75).await;
        recovered.push(bench.lane("oncall").await["messages_per_minute"].as_u64().unwrap());
    }
    recovered.dedup();
    assert_eq!(recovered, [3, 5, 7, 9, 11, 13, 15, 17, 19, 20]);
    assert_eq!(bench.simulator.messages().len(), 30, "and all of it arrived");
}

#[tokio::test]
async fn while_one_group_cools_every_other_lane_delivers_at_once() {
    let mut bench = Bench::with(SPARE, BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, 1, Answer::code(400, "send.byToken.tooFast"));
    bench.accept("oncall", &fixture_of_group("one-firing.json", 0)).await;
    bench.work(begin() + SECOND / 2).await;
    for group in 0..5 {
        bench.accept("team", &fixture_of_group("one-firing.json", group)).await;
        bench.accept("spare", &fixture_of_group("one-firing.json", group)).await;
    }

    bench.work(begin() + SECOND).await;

    assert_eq!(bench.simulator.messages().len(), 10, "all ten within the second");
    let lane = bench.lane("night").await;
    assert_eq!((&lane["state"], &lane["queued"]), (&json!("cooling"), &json!(0)), "the same robot in the same group");
    assert!(lane["cooling_until"].is_string() && lane["blocked"].is_null() && lane["down"].is_null(), "{lane}");
}

#[tokio::test]
async fn a_cool_down_and_its_rate_outlive_a_restart_for_a_group_and_for_an_app() {
    for (code, status, group) in
        [("send.too.fast", 400, true), ("Forbidden.AccessDenied.QpmLimitForAppkeyAndApi", 403, false)]
    {
        let mut bench = Bench::new(BEGIN, simulated).await;
        bench.simulator.fault(Api::Send, 2, Answer::code(status, code));
        bench.accept("oncall", &fixture_of_group("one-firing.json", 0)).await;
        bench.work(begin() + SECOND * 100).await;
        let before = (bench.lane("oncall").await, app(&bench, "ops").await);
        assert_eq!(before.0["state"], "cooling", "the second time, for two minutes");
        let rates =
            [&before.0["messages_per_minute"], &before.1["calls_per_second"]].map(|rate| rate.as_u64().unwrap());
        assert_eq!(rates, if group { [5, 15] } else { [20, 3] }, "{code}");

        let mut bench = bench.restart().await;
        bench.work(begin() + SECOND * 150).await;

        let (lane, ops) = (bench.lane("oncall").await, app(&bench, "ops").await);
        for field in ["state", "cooling_until", "messages_per_minute"] {
            assert_eq!(lane[field], before.0[field], "{code}: {field}");
        }
        for field in ["state", "cooling_until", "calls_per_second"] {
            assert_eq!(ops[field], before.1[field], "{code}: {field}");
        }
        assert_eq!(calls(&bench, Api::Send).len(), 2, "{code}: nobody asks early");
        bench.work_for(HOUR).await;
        assert_eq!(only(&bench, "oncall").await["state"], "delivered");
    }
}

#[tokio::test]
async fn an_app_that_calls_too_often_cools_down_longer_each_time_and_recovers_in_steps() {
    for (code, status, first) in [
        ("Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", 403, 1),
        ("Forbidden.AccessDenied.QpmLimitForAppkeyAndApi", 403, 60),
        ("too.many.group", 400, 60),
    ] {
        let mut bench = Bench::with(SPARE, BEGIN, simulated).await;
        bench.simulator.fault(Api::Send, 4, Answer::code(status, code));
        bench.accept("oncall", &fixture_of_group("one-firing.json", 0)).await;
        bench.work(begin() + SECOND / 2).await;
        assert_eq!(states(&bench, &["oncall", "team", "night", "spare"]).await[1..], ["cooling", "cooling", "flowing"]);
        assert_eq!(app(&bench, "ops").await["calls_per_second"], 7);
        bench.work_for(HOUR).await;

        let waits = gaps(&seconds(&bench, "cid-oncall=="));
        assert!(jittered(&waits, &[first, first * 2, first * 4, first * 8]), "{code}: {waits:?}");
        assert_eq!(bench.lane("oncall").await["messages_per_minute"], 20, "{code}: it was not the group");

        let mut rates = vec![app(&bench, "ops").await["calls_per_second"].as_u64().unwrap()];
        for group in 1..20 {
            bench.accept("team", &fixture_of_group("one-firing.json", group)).await;
            bench.work_for(SECOND * 70).await;
            rates.push(app(&bench, "ops").await["calls_per_second"].as_u64().unwrap());
        }
        rates.dedup();
        let steps: Vec<u64> = (1..=15).collect();
        assert!(rates == steps || rates == steps[1..], "{code}: {rates:?}");
    }
}
