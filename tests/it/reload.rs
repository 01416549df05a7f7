//! The configuration is read again while the relay runs: all or nothing, nothing lost and nothing sent twice, no limit
//! broken, and what is the same as before does not notice.

mod process;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use dingtalk_relay::simulator::Options;
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::limits::Limits;
use dingtalk_relay::simulator::messages::Admitted;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Bench, Hands, ONE_BY_ONE, World, fixture, fixture_of_group};

const BEGIN: &str = "2026-11-21T12:00:00Z";
const MINUTE: Duration = Duration::from_secs(60);
fn simulated(clock: Hands) -> Options {
    Options { clock: Arc::new(move || clock.now()), ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_added_changed_and_removed_is_taken_and_told() {
    let world = World::start().await;
    world.write(
        "
http: { max_body: 1MiB }
receivers: { dev: { app: ops, open_conversation_id: cid-dev== }, oncall: { display_name: 值班群 } }
sources: { second: { kind: generic, auth: { none: true } } }
retry: { max_attempts: 5 }
route: { routes: [ { matchers: ['source=second'], receiver: dev } ] }
",
    );

    let (status, told) = world.reload().await;

    assert_eq!(status, 200, "{told}");
    let changes: Vec<_> = told["changed"].as_array().unwrap().iter().map(change).collect();
    let expected =
        ["receivers.dev added", "receivers.oncall changed", "sources.second added", "route changed", "retry changed"];
    assert_eq!(changes, expected);
    let warned: Vec<_> = told["warnings"].as_array().unwrap().iter().map(|warning| &warning["path"]).collect();
    assert!(warned.contains(&&json!("http")), "a listener's settings need a restart: {told}");
    let (status, answer) = world.post("/hooks/second", r#"{"title":"hello"}"#).await;
    assert_eq!((status, &answer["deliveries"][0]["receiver"]), (202, &json!("dev")));
    assert_eq!(world.simulator.arrived(1).await[0].open_conversation_id, "cid-dev==");
    assert_eq!(lane(&world, "oncall").await["display_name"], "值班群");

    let (_, again) = world.reload().await;
    assert_eq!(again["changed"], json!([]), "the same again is no change");
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_problem_keeps_the_last_good_configuration_and_all_of_them_are_told() {
    let world = World::start().await;
    world.write(
        "
receivers: { dev: { app: opps, open_conversation_id: cid-dev== } }
route: { routes: [ { matchers: ['severity=~\"(\"'], receiver: team } ] }
retry: { max_attempts: never }
",
    );

    let (status, problem) = world.reload().await;

    assert_eq!((status, &problem["status"]), (422, &json!(422)), "{problem}");
    let places: Vec<_> = problem["problems"].as_array().unwrap().iter().map(|problem| &problem["path"]).collect();
    assert_eq!(places, ["receivers.dev.app", "retry.max_attempts", "route.routes[1].matchers[0]"]);
    assert_eq!(world.post("/hooks/alertmanager/dev", fixture("one-firing.json")).await.0, 404);
    assert_eq!(world.post("/hooks/alertmanager/team", fixture("one-firing.json")).await.0, 202);
    world.simulator.arrived(1).await;
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;

    world.write("receivers: { dev: { app: ops, open_conversation_id: cid-dev== } }");
    assert_eq!(world.reload().await.0, 200);
    assert_eq!(world.post("/hooks/alertmanager/dev", fixture("one-firing.json")).await.0, 202);
    world.simulator.arrived(2).await;
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_in_the_middle_of_a_burst_lose_nothing_and_send_nothing_twice() {
    // Another rate for one group each time, another timeout for the app every other time, and a group that comes and
    // goes.
    let settings = |round: usize| {
        let (rate, timeout) = (90_000 + round, 2 + round % 2);
        let dev = if round.is_multiple_of(2) { "dev: { app: ops, open_conversation_id: cid-dev== }" } else { "" };
        format!(
            "
apps: {{ ops: {{ timeout: {timeout}s, limits: {{ calls_per_second: 10000 }} }} }}
defaults: {{ receiver: {{ limits: {{ messages_per_minute: 100000 }} }} }}
receivers: {{ team: {{ limits: {{ messages_per_minute: {rate} }} }}, {dev} }}"
        )
    };
    let world = World::with(&settings(0)).await;
    world.simulator.limits(Limits { messages_per_minute: 0, calls_per_second: 0, ..Limits::default() });
    let posting = async {
        let mut accepted = 0;
        for group in 0..60 {
            for receiver in ["oncall", "team", "night", "dev"] {
                let path = format!("/hooks/alertmanager/{receiver}");
                let (status, answer) = world.post(&path, fixture_of_group("one-firing.json", group)).await;
                assert!(status == 202 || (receiver, status) == ("dev", 404), "{receiver}: {status} {answer}");
                accepted += usize::from(status == 202);
            }
        }
        accepted
    };
    let reloading = async {
        for round in 1..=20 {
            world.write(&settings(round));
            let (status, answer) = world.reload().await;
            assert_eq!(status, 200, "{answer}");
        }
    };

    let (accepted, ()) = tokio::join!(posting, reloading);

    let list = world.deliveries(|list| list.len() == accepted && list.iter().all(is_delivered)).await;
    assert!(list.iter().all(|delivery| delivery["possibly_duplicate"] == false), "{list:?}");
    assert_eq!(world.simulator.messages().len(), accepted, "each exactly once");
    world.end().await;
}

#[tokio::test]
async fn law_6_holds_over_reloads_that_change_the_limits() {
    let rate = |n: u32| format!("{ONE_BY_ONE}receivers: {{ oncall: {{ limits: {{ messages_per_minute: {n} }} }} }}");
    let mut bench = Bench::with(ONE_BY_ONE, BEGIN, simulated).await;
    for n in 0..120 {
        let receiver = if n % 3 == 0 { "night" } else { "oncall" };
        bench.accept(receiver, &fixture_of_group("one-firing.json", n)).await;
    }
    // Several in the same minute: each fresh limiter has to know what the ones before it let through.
    for limit in [20, 19, 20, 18, 20, 19, 20] {
        bench.reload(&rate(limit)).await;
        bench.work_for(Duration::from_secs(8)).await;
    }
    let mut since = bench.clock.now();
    for limit in [20, 7, 19, 3, 20] {
        bench.reload(&rate(limit)).await;
        bench.work_for(Duration::from_secs(95)).await;
        assert!(fullest(&bench.simulator.messages(), since) <= limit as usize, "{limit} a minute");
        since = bench.clock.now();
    }
    bench.work_for(30 * MINUTE).await;

    assert_eq!(bench.simulator.messages().len(), 120);
    let refused: Vec<_> = bench.simulator.calls().into_iter().filter(|call| call.status != Some(200)).collect();
    assert!(refused.is_empty(), "no window, also over a reload, held more than DingTalk takes: {refused:?}");
}

#[tokio::test]
async fn what_is_the_same_as_before_goes_on_with_its_token_and_its_window() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    for group in 0..6 {
        bench.accept("team", &fixture_of_group("one-firing.json", group)).await;
    }
    bench.work(bench.clock.now() + Duration::from_secs(2)).await;
    let before = bench.gate("team");

    // `night` shares oncall's group and is the stricter one now: both have another channel.
    let more = "
receivers:
  night: { limits: { messages_per_minute: 3 } }
  dev: { app: ops, open_conversation_id: cid-dev== }
sources: { second: { kind: generic, auth: { none: true } } }";
    assert_eq!(bench.reload(more).await, ["team"]);
    assert!(Arc::ptr_eq(&before, &bench.gate("dev")), "a new group is no new app");

    let faster = format!("{more}\napps: {{ ops: {{ limits: {{ calls_per_second: 19 }} }} }}");
    assert_eq!(bench.reload(&faster).await, Vec::<String>::new());
    bench.accept("dev", &fixture("one-firing.json")).await;
    bench.work_for(MINUTE).await;
    assert_eq!(bench.simulator.count(Api::Token), 1, "the way to DingTalk is the same, so the token is");

    let other = format!("{more}\napps: {{ ops: {{ app_secret: another, limits: {{ calls_per_second: 19 }} }} }}");
    bench.reload(&other).await;
    bench.accept("dev", &fixture_of_group("one-firing.json", 9)).await;
    bench.work_for(MINUTE).await;
    assert_eq!(bench.simulator.count(Api::Token), 2, "other credentials, another token");
}

#[tokio::test]
async fn the_queue_of_a_removed_receiver_is_kept_and_flows_when_it_comes_back() {
    let dev = "receivers: { dev: { app: ops, open_conversation_id: cid-dev== } }";
    let mut bench = Bench::with(dev, BEGIN, simulated).await;
    bench.accept("dev", &fixture("one-firing.json")).await;

    bench.reload("").await;
    bench.work_for(MINUTE).await;
    let left = bench.lane("dev").await;
    assert_eq!((&left["state"], &left["queued"]), (&json!("blocked"), &json!(1)));
    assert_eq!(left["blocked"]["code"], "not_configured");
    assert_eq!(bench.simulator.count(Api::Send), 0);

    bench.reload(dev).await;
    bench.work_for(MINUTE).await;
    assert_eq!(bench.simulator.messages().len(), 1);
    assert_eq!(bench.lane("dev").await["state"], "flowing");
}

#[tokio::test]
async fn a_raised_calls_per_month_opens_a_month_that_was_used_up() {
    let quota = |calls: u32| {
        format!("organisations: {{ main: {{ calls_per_month: {calls} }} }}\napps: {{ ops: {{ organisation: main }} }}")
    };
    // By our own count, and because DingTalk says so before our count does.
    for (ours, dingtalks) in [(3, 5000), (4000, 3)] {
        let limits = Limits { calls_per_month: dingtalks, ..Limits::default() };
        let options = |clock| Options { limits, ..simulated(clock) };
        let mut bench = Bench::with(&quota(ours), BEGIN, options).await;
        for group in 0..5 {
            bench.accept("team", &fixture_of_group("one-firing.json", group)).await;
        }
        bench.work_for(10 * MINUTE).await;
        assert_eq!(bench.simulator.messages().len(), 3);
        assert_eq!(bench.lane("team").await["state"], "blocked");

        bench.simulator.limits(Limits::default());
        bench.reload(&quota(5000)).await;
        bench.work_for(MINUTE).await;

        assert_eq!(bench.simulator.messages().len(), 5, "it does not wait for the month to turn");
        assert_eq!(bench.lane("team").await["state"], "flowing");
    }
}

#[tokio::test]
async fn a_blocked_group_is_tried_at_once_when_its_receiver_was_changed() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, 1, Answer::code(400, "invalidParameter.robotCode.coolApp"));
    bench.accept("team", &fixture("one-firing.json")).await;
    bench.work_for(Duration::from_secs(5)).await;
    assert_eq!(bench.lane("team").await["state"], "blocked");

    bench.reload("receivers: { oncall: { display_name: x } }").await;
    bench.work_for(Duration::from_secs(5)).await;
    assert_eq!(bench.simulator.count(Api::Send), 1, "what was changed elsewhere mends nothing here");

    bench.reload("receivers: { team: { cool_app_code: COOLAPP-1 } }").await;
    bench.work_for(Duration::from_secs(5)).await;
    assert_eq!(bench.simulator.messages().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_blocked_is_tried_at_once_after_a_reload() {
    let world = World::start().await;
    world.simulator.fault(Api::Token, 1, Answer::code(403, "Forbidden.AccessDenied.IpNotInWhiteList"));
    world.post("/hooks/alertmanager/team", fixture("one-firing.json")).await;
    world.until("/api/v1/apps", |apps| apps["apps"][0]["state"] == "blocked").await;

    assert_eq!(world.reload().await.0, 200);

    // The next probe would be half a minute away.
    let arrived = tokio::time::timeout(Duration::from_secs(10), world.simulator.arrived(1)).await;
    assert!(arrived.is_ok());
    world.deliveries(|list| list.iter().all(is_delivered)).await;
    world.end().await;
}

/// The most messages to one group in any minute that begins at `since` or later.
fn fullest(messages: &[Admitted], since: Timestamp) -> usize {
    let times: Vec<_> = messages.iter().map(|message| message.at).filter(|at| *at >= since).collect();
    let in_minute = |from: Timestamp| times.iter().filter(|at| **at >= from && **at < from + MINUTE).count();
    times.iter().map(|at| in_minute(*at)).max().unwrap_or(0)
}

fn change(change: &Value) -> String {
    format!("{} {}", change["path"].as_str().unwrap(), change["change"].as_str().unwrap())
}

fn is_delivered(delivery: &Value) -> bool {
    delivery["state"] == "delivered"
}

async fn lane(world: &World, receiver: &str) -> Value {
    let lanes = world.look("/api/v1/lanes").await;
    lanes["lanes"].as_array().unwrap().iter().find(|lane| lane["receiver"] == receiver).unwrap().clone()
}
