//! The probe table of the contract (§1), line by line, on the wire: what stays wrong is tried at these times and at no
//! other.

use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::Value;

use crate::bad_days::{
    BEGIN, EVERY_CALL, HOUR, SECOND, SPARE, begin, calls, gaps, only, rounded, seconds, simulated, states,
};
use crate::harness::{Bench, ONE_BY_ONE, fixture_of_group};

/// The waits between the calls into the group in trouble, when every call draws the same.
async fn waits_of(answer: Answer) -> Vec<i64> {
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, EVERY_CALL, answer);
    for group in 0..4 {
        bench.accept("oncall", &fixture_of_group("one-firing.json", group)).await;
    }
    bench.work_for(HOUR * 20).await;
    let open = bench.deliveries().await.iter().filter(|delivery| delivery["state"] == "queued").count();
    assert_eq!(open, 4, "nothing dies of it");
    let mut waits = gaps(&seconds(&bench, "cid-oncall=="));
    waits.truncate(10);
    waits
}

#[tokio::test]
async fn a_blocked_group_is_probed_after_a_minute_doubling_to_half_an_hour() {
    let waits = waits_of(Answer::code(400, "group.disbanded")).await;
    assert_eq!(waits, [60, 120, 240, 480, 960, 1800, 1800, 1800, 1800, 1800]);
}

#[tokio::test]
async fn a_blocked_app_is_probed_after_half_a_minute_doubling_to_ten_minutes() {
    let waits = waits_of(Answer::code(403, "Forbidden.AccessDenied.IpNotInWhiteList")).await;
    assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600, 600, 600, 600]);
}

#[tokio::test]
async fn an_app_that_is_down_is_probed_after_a_second_doubling_to_half_a_minute() {
    // The first three calls make it down; another order key does not wait for the retry of the first.
    let waits = waits_of(Answer::ResetBefore).await;
    assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 30, 30, 30]);
}

#[tokio::test]
async fn a_month_that_dingtalk_calls_used_up_is_asked_for_every_six_hours() {
    let waits = waits_of(Answer::code(403, "Forbidden.AccessDenied.ApiCountLimitForOrg")).await;
    assert_eq!(waits, [6 * 3600; 3]);
}

#[tokio::test]
async fn a_month_that_dingtalk_calls_used_up_is_asked_for_when_it_turns() {
    let mut bench = Bench::new("2026-11-30T14:00:00Z", simulated).await;
    bench.simulator.fault(Api::Send, 1, Answer::code(403, "Forbidden.AccessDenied.ApiCountLimitForOrg"));
    bench.accept("oncall", &fixture_of_group("one-firing.json", 0)).await;
    bench.work_for(HOUR * 24).await;
    assert_eq!(seconds(&bench, "cid-oncall=="), [0, 2 * 3600], "it is December in Shanghai");
}

#[tokio::test]
async fn what_a_probe_of_a_blocked_group_draws_instead_does_not_bring_the_next_one_forward() {
    for other in [
        Answer::code(400, "brand.new"),
        Answer::code(400, "unknown.send.result"),
        Answer::code(400, "send.too.fast"),
        Answer::code(500, "system.error"),
        Answer::EmptyOk,
    ] {
        let mut bench = Bench::with(ONE_BY_ONE, BEGIN, simulated).await;
        bench.simulator.fault(Api::Send, 1, Answer::code(400, "bot.stopped"));
        bench.simulator.fault(Api::Send, 2, other.clone());
        for group in 0..3 {
            bench.accept("oncall", &fixture_of_group("one-firing.json", group)).await;
        }
        bench.work_for(HOUR).await;
        let times = seconds(&bench, "cid-oncall==");
        assert_eq!(times[..4], [0, 60, 180, 420], "{other:?}");
        assert_eq!(bench.simulator.messages().len(), 3, "{other:?}: all open again with the first success");
    }
}

#[tokio::test]
async fn a_lane_whose_receiver_is_gone_is_not_probed_and_flows_when_it_is_back() {
    let mut bench = Bench::with(SPARE, BEGIN, simulated).await;
    bench.accept("spare", &fixture_of_group("one-firing.json", 0)).await;
    let gone = "spare".parse().unwrap();
    let mut kept = None;
    bench = bench.restart_with(|config| kept = config.receivers.remove(&gone)).await;
    bench.work_for(HOUR).await;
    let lane = bench.lane("spare").await;
    assert_eq!((&lane["state"], &lane["blocked"]["code"]), (&"blocked".into(), &"not_configured".into()));
    assert_eq!((&lane["blocked"]["next_probe_at"], &lane["queued"]), (&Value::Null, &1.into()));
    assert_eq!(bench.simulator.count(Api::Send), 0);

    bench = bench.restart_with(|config| drop(config.receivers.insert(gone, kept.unwrap()))).await;
    bench.work_for(HOUR).await;
    assert_eq!(only(&bench, "spare").await["state"], "delivered");
}

#[tokio::test]
async fn one_probe_at_a_time_goes_out_for_an_app_however_many_lanes_wait() {
    let mut bench = Bench::with(SPARE, BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, 8, Answer::code(403, "Forbidden.AccessDenied.AccessTokenPermissionDenied"));
    for receiver in ["oncall", "team", "night"] {
        bench.accept(receiver, &fixture_of_group("one-firing.json", 0)).await;
    }
    bench.work_for(HOUR * 3).await;
    let times: Vec<_> =
        calls(&bench, Api::Send).iter().map(|call| rounded(call.at.duration_since(begin()).as_secs_f64())).collect();
    assert_eq!(gaps(&times)[..8], [30, 60, 120, 240, 480, 600, 600, 600]);
    assert_eq!(states(&bench, &["oncall", "team", "night"]).await, ["flowing"; 3]);
    assert_eq!(bench.simulator.messages().len(), 3);
}

#[tokio::test]
async fn a_clock_that_is_set_back_puts_no_probe_off() {
    for (answer, within) in [
        (Answer::ResetBefore, 31),
        (Answer::code(403, "Forbidden.AccessDenied.IpNotInWhiteList"), 601),
        (Answer::code(400, "group.disbanded"), 1801),
        (Answer::code(400, "send.too.fast"), 601),
    ] {
        let mut bench = Bench::with("retry: { schedule: [1s] }", BEGIN, simulated).await;
        bench.simulator.fault(Api::Send, EVERY_CALL, answer.clone());
        bench.accept("oncall", &fixture_of_group("one-firing.json", 0)).await;
        bench.work_for(HOUR * 3).await;
        bench.step("oncall").await.unwrap();

        bench.clock.set(begin());
        let before = bench.simulator.count(Api::Send);
        bench.work_for(SECOND * within).await;

        assert!(bench.simulator.count(Api::Send) > before, "{answer:?}");
    }
}
