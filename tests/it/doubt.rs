//! What the relay does when it cannot know, or cannot go on: an answer that never came, a group that is gone, a
//! secret that is wrong, a month that is used up, a DingTalk that is away, an owner that is no more. Nothing may be
//! lost, and nothing sent that must not be.
//!
//! No test here takes the time it tells of: the lanes are stepped with a clock that the simulator reads too.

use std::sync::Arc;
use std::time::Duration;

use dingtalk_relay::dispatch::lane::Step;
use dingtalk_relay::model::health::Health;
use dingtalk_relay::model::outcome::Outcome;
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::limits::Limits;
use dingtalk_relay::simulator::strict::{App, Robot, Strict};
use dingtalk_relay::simulator::{Options, calls::Call};
use dingtalk_relay::store::{Store, StoreError};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Bench, Hands, fixture, fixture_of_group, step};
use crate::troubled::Trouble;

const BEGIN: &str = "2026-11-21T12:00:00Z";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// "Always", for a fault.
const EVERY_CALL: u32 = u32::MAX;

fn simulated(clock: Hands) -> Options {
    Options { clock: Arc::new(move || clock.now()), ..Options::default() }
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again_and_the_doubt_is_shown() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, 1, Answer::ResetAfter);
    bench.accept("team", &fixture("one-firing.json")).await;

    bench.work_for(MINUTE).await;

    assert_eq!(bench.simulator.messages().len(), 2, "DingTalk kept the first one too");
    let delivery = only(&bench).await;
    assert_eq!((&delivery["state"], &delivery["attempts"]), (&json!("delivered"), &json!(2)));
    assert_eq!(delivery["possibly_duplicate"], true);
    let log = bench.look(&format!("/api/v1/deliveries/{}", delivery["id"].as_str().unwrap())).await;
    let lost = &log["attempt_log"][0];
    assert_eq!((&lost["outcome"], &lost["may_have_arrived"]), (&json!("unavailable"), &json!(true)));
    assert_eq!(log["attempt_log"][1]["outcome"], "sent");
}

#[tokio::test]
async fn what_dingtalk_turned_away_leaves_no_doubt() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, 1, Answer::code(403, "Forbidden.AccessDenied.QpsLimitForApi"));
    bench.accept("team", &fixture("one-firing.json")).await;

    bench.work_for(MINUTE).await;

    let delivery = only(&bench).await;
    assert_eq!((&delivery["state"], &delivery["possibly_duplicate"]), (&json!("delivered"), &json!(false)));
}

#[tokio::test]
async fn what_must_not_be_shown_twice_is_held_with_a_reason_and_the_next_one_goes() {
    let hold = "receivers: { team: { on_unknown_outcome: hold } }";
    let mut bench = Bench::with(hold, BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, 1, Answer::ResetAfter);
    bench.accept("team", &fixture_of_group("one-firing.json", 1)).await;
    bench.accept("team", &fixture_of_group("one-firing.json", 2)).await;

    bench.work_for(HOUR).await;

    assert_eq!(bench.simulator.messages().len(), 2, "one of each");
    let list = bench.deliveries().await;
    assert_eq!(fields(&list, "state"), ["dead", "delivered"]);
    assert_eq!((&list[0]["attempts"], &list[0]["possibly_duplicate"]), (&json!(1), &json!(true)));
    let reason = list[0]["reason"].as_str().unwrap();
    assert!(reason.contains("may have arrived") && reason.contains("connection_lost"), "{reason}");
}

#[tokio::test]
async fn a_group_that_is_gone_keeps_its_queue_and_flows_when_it_is_back() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, 1, Answer::code(400, "group.disbanded"));
    for group in 0..3 {
        bench.accept("oncall", &fixture_of_group("one-firing.json", group)).await;
    }
    bench.work_for(30 * SECOND).await;

    let lane = bench.lane("oncall").await;
    assert_eq!((&lane["state"], &lane["queued"]), (&json!("blocked"), &json!(3)));
    assert_eq!(lane["blocked"]["code"], "group.disbanded");
    assert!(lane["blocked"]["reason"].as_str().unwrap().contains("group"), "{lane}");
    let (since, probe) = (time(&lane["blocked"]["since"]), time(&lane["blocked"]["next_probe_at"]));
    assert!(near(since, BEGIN.parse().unwrap()), "{lane}");
    assert!(near(probe, since + MINUTE), "{lane}");
    assert_eq!(bench.lane("night").await["state"], "blocked", "it is the same group");
    assert_eq!(bench.lane("team").await["state"], "flowing");
    assert_eq!(bench.simulator.count(Api::Send), 1, "nothing goes before the probe");

    bench.work_for(HOUR).await;

    assert_eq!(bench.lane("oncall").await["state"], "flowing");
    let list = bench.deliveries().await;
    assert_eq!(fields(&list, "state"), ["delivered"; 3]);
    assert!(near(bench.simulator.messages()[0].at, probe), "the first probe opened it");
}

#[tokio::test]
async fn a_block_outlives_a_restart_and_is_not_probed_early() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, 1, Answer::code(400, "bot.stopped"));
    bench.accept("oncall", &fixture("one-firing.json")).await;
    bench.work_for(10 * SECOND).await;
    let before = bench.lane("oncall").await["blocked"].clone();

    let mut bench = bench.restart().await;
    bench.work_for(10 * SECOND).await;

    assert_eq!(bench.lane("oncall").await["blocked"], before);
    assert_eq!(bench.simulator.count(Api::Send), 1);
}

#[tokio::test]
async fn a_wrong_secret_blocks_the_app_and_a_mended_file_opens_it_at_the_next_probe() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "mistyped\n").unwrap();
    let vault = format!(
        "
apps: {{ vault: {{ base_url: SIMULATOR, app_key: ding-vault, app_secret_file: '{}' }} }}
receivers: {{ safe: {{ app: vault, open_conversation_id: cid-safe== }} }}
",
        file.display()
    );
    let mut bench = Bench::with(&vault, BEGIN, |clock| Options { strict: Some(strict()), ..simulated(clock) }).await;
    bench.accept("safe", &fixture("one-firing.json")).await;

    bench.work_for(20 * SECOND).await;

    let apps = bench.look("/api/v1/apps").await;
    let vault = apps["apps"].as_array().unwrap().iter().find(|app| app["app"] == "vault").unwrap().clone();
    assert_eq!((&vault["state"], &vault["blocked"]["code"]), (&json!("blocked"), &json!("invalidClientIdOrSecret")));
    let probe = time(&vault["blocked"]["next_probe_at"]);
    assert!(near(probe, BEGIN.parse::<Timestamp>().unwrap() + 30 * SECOND), "{vault}");
    let lane = bench.lane("safe").await;
    assert_eq!((&lane["state"], &lane["queued"]), (&json!("blocked"), &json!(1)));
    let waiting = only(&bench).await;
    assert_eq!((&waiting["state"], &waiting["attempts"]), (&json!("queued"), &json!(0)), "nothing was claimed");
    assert_eq!(bench.simulator.count(Api::Token), 1, "nobody hammers at the token");

    std::fs::write(&file, "the right one\n").unwrap();
    bench.work_for(HOUR).await;

    assert!(near(bench.simulator.messages()[0].at, probe), "the next probe opens it");
    assert_eq!(only(&bench).await["state"], "delivered");
    assert_eq!(bench.lane("safe").await["state"], "flowing");
}

#[tokio::test]
async fn a_month_that_is_used_up_makes_no_call_too_many_and_loses_nothing() {
    let quota =
        "organisations: { main: { calls_per_month: 5, critical_reserve: 0% } }\napps: { ops: { organisation: main } }";
    let limits = Limits { calls_per_month: 5, ..Limits::default() };
    let begin = "2026-11-30T15:00:00Z";
    let mut bench = Bench::with(quota, begin, |clock| Options { limits, ..simulated(clock) }).await;
    for group in 0..8 {
        let receiver = if group % 2 == 0 { "oncall" } else { "team" };
        bench.accept(receiver, &fixture_of_group("one-firing.json", group)).await;
    }

    bench.work("2026-11-30T15:59:00Z".parse().unwrap()).await;

    assert_eq!(bench.simulator.count(Api::Send), 5, "never a sixth call");
    let list = bench.deliveries().await;
    assert_eq!(list.iter().filter(|delivery| delivery["state"] == "delivered").count(), 5);
    let waiting: Vec<_> = list.iter().filter(|delivery| delivery["state"] == "queued").collect();
    assert_eq!(waiting.len(), 3);
    assert!(waiting.iter().all(|delivery| delivery["attempts"] == 0), "{waiting:?}");

    for receiver in ["oncall", "team"] {
        let lane = bench.lane(receiver).await;
        let blocked = &lane["blocked"];
        assert_eq!((&lane["state"], &blocked["code"]), (&json!("blocked"), &json!("month_used_up")), "{lane}");
        assert_eq!(time(&blocked["next_probe_at"]), "2026-11-30T16:00:00Z".parse().unwrap());
    }

    // In Shanghai it is December from 16:00 UTC on.
    bench.work("2026-11-30T17:00:00Z".parse().unwrap()).await;

    let list = bench.deliveries().await;
    assert_eq!(fields(&list, "state"), ["delivered"; 8]);
    let turn: Timestamp = "2026-11-30T16:00:00Z".parse().unwrap();
    assert!(bench.simulator.messages()[5..].iter().all(|message| message.at >= turn));
    assert_eq!(refused(&bench), [], "DingTalk never had to say so");
    assert_eq!(bench.lane("oncall").await["state"], "flowing");
}

#[tokio::test]
async fn a_call_that_is_given_back_is_made_although_the_month_was_used_up() {
    let quota = "organisations: { main: { calls_per_month: 1 } }\napps: { ops: { organisation: main } }";
    let mut bench = Bench::with(quota, BEGIN, simulated).await;
    bench.accept("oncall", &fixture("one-firing.json")).await;
    bench.accept("team", &fixture("one-firing.json")).await;
    bench.store.fail(Trouble::NoFinish);
    bench.simulator.fault(Api::Send, 1, Answer::code(400, "send.too.fast"));
    bench.step("oncall").await.unwrap();
    bench.step("oncall").await.unwrap_err();
    bench.step("team").await.unwrap();
    assert_eq!(bench.lane("team").await["blocked"]["code"], "month_used_up");

    bench.store.fail(None);
    assert_eq!(bench.step("oncall").await, Ok(Step::Finished), "DingTalk does not count what it throttles");

    assert_eq!(bench.step("team").await, Ok(Step::Tried(Outcome::Sent)));
    assert_eq!(bench.lane("team").await["state"], "flowing");
}

#[tokio::test]
async fn an_hour_without_dingtalk_loses_nothing_and_ends_within_half_a_minute_of_its_return() {
    let mut bench =
        Bench::with("retry: { max_attempts: 4 }\ndefaults: { receiver: { digest: never } }", BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, EVERY_CALL, Answer::ResetBefore);
    for group in 0..20 {
        bench.accept("team", &fixture_of_group("one-firing.json", group)).await;
    }
    for group in 0..20 {
        bench.accept("team", &fixture_of_group("one-resolved.json", group)).await;
    }
    bench.work_for(HOUR).await;
    let lane = bench.lane("team").await;
    assert_eq!((&lane["state"], &lane["queued"]), (&json!("down"), &json!(40)), "nothing died: probes do not count");

    // It comes back as new: no faults, and the token is one it does not know any more.
    bench.simulator.forget();
    let back = bench.clock.now();
    bench.work_for(HOUR).await;

    let messages = bench.simulator.messages();
    assert!(messages[0].at.duration_since(back).as_secs() <= 30, "{back} {}", messages[0].at);
    let list = bench.deliveries().await;
    assert_eq!(fields(&list, "state"), ["delivered"; 40]);
    assert!(refused(&bench).iter().all(|call| call.code.as_deref() == Some("InvalidAuthentication")));
    let arrived: Vec<usize> = messages
        .iter()
        .map(|message| {
            let key = json!(message.process_query_key);
            list.iter().position(|delivery| delivery["message"]["process_query_key"] == key).unwrap()
        })
        .collect();
    // The probe is whichever waits longest for its turn; from then on it is first come, first served, and inside a
    // group of alerts it always was.
    assert!(arrived[1..].is_sorted(), "{arrived:?}");
    let place = |wanted: usize| arrived.iter().position(|found| *found == wanted).unwrap();
    assert!((0..20).all(|group| place(group) < place(group + 20)), "{arrived:?}");
}

#[tokio::test]
async fn every_lane_that_waits_gets_its_turn_to_probe_an_app_that_is_down() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, EVERY_CALL, Answer::ResetBefore);
    for receiver in ["night", "oncall", "team"] {
        bench.accept(receiver, &fixture("one-firing.json")).await;
    }

    bench.work_for(HOUR).await;

    let attempts: Vec<u64> = bench.deliveries().await.iter().map(|d| d["attempts"].as_u64().unwrap()).collect();
    let (most, least) = (attempts.iter().max().unwrap(), attempts.iter().min().unwrap());
    assert!(most - least <= 2, "{attempts:?}: else one bad group could keep the others from ever trying");
}

#[tokio::test]
async fn law_4_an_owner_that_was_replaced_during_its_call_finishes_nothing() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.accept("team", &fixture("one-firing.json")).await;
    bench.store.fail(Trouble::NoFinish);
    assert_eq!(bench.step("team").await, Ok(Step::Authorised));
    bench.step("team").await.unwrap_err();
    bench.store.fail(None);
    assert_eq!(bench.simulator.messages().len(), 1, "the call was made, and its end is not stored");

    let mut before = bench.taken_over().await;
    let lane = before.iter_mut().find(|lane| lane.receiver().as_str() == "team").unwrap();
    assert_eq!(step(lane, bench.clock.now()).await, Err(StoreError::StaleEpoch));

    let waiting = only(&bench).await;
    assert_eq!((&waiting["state"], &waiting["possibly_duplicate"]), (&json!("queued"), &json!(true)));
    assert_eq!(waiting["message"]["process_query_key"], Value::Null);
    assert_eq!(bench.step("team").await, Ok(Step::Authorised));
    assert_eq!(bench.step("team").await, Ok(Step::Tried(Outcome::Sent)));
    let delivered = only(&bench).await;
    assert_eq!((&delivered["state"], &delivered["attempts"]), (&json!("delivered"), &json!(2)));
    assert_eq!(delivered["message"]["process_query_key"], json!(bench.simulator.messages()[1].process_query_key));
}

#[tokio::test]
async fn what_is_stored_late_does_not_bring_an_old_state_back() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.accept("oncall", &fixture("one-firing.json")).await;
    bench.accept("team", &fixture("one-firing.json")).await;
    bench.store.fail(Trouble::NoFinish);
    bench.simulator.fault(Api::Send, 1, Answer::code(403, "Forbidden.AccessDenied.IpNotInWhiteList"));
    bench.step("oncall").await.unwrap();
    bench.step("oncall").await.unwrap_err();
    bench.clock.move_to(bench.clock.now() + MINUTE);
    bench.step("team").await.unwrap_err();
    bench.store.fail(None);

    assert_eq!(bench.step("team").await, Ok(Step::Finished), "the probe that opened the app");
    assert_eq!(bench.step("oncall").await, Ok(Step::Finished), "the call that had found it blocked");

    let bench = bench.restart().await;
    assert_eq!(bench.lane("team").await["state"], "flowing");
}

#[tokio::test]
async fn one_token_that_fails_is_one_failure_however_many_lanes_wait_for_it() {
    let third = "receivers: { third: { app: ops, open_conversation_id: cid-third== } }";
    let mut bench = Bench::with(third, BEGIN, simulated).await;
    bench.simulator.fault(Api::Token, 1, Answer::Hang);
    for receiver in ["oncall", "team", "third"] {
        bench.accept(receiver, &fixture("one-firing.json")).await;
    }

    bench.step_together().await;

    assert_eq!(bench.simulator.count(Api::Token), 1);
    let apps = bench.store.apps().await.unwrap();
    assert_eq!(apps[0].health, Health::Failing { failures: 1 }, "not down yet");
}

#[tokio::test]
async fn a_probe_that_waits_for_a_permit_does_not_spin() {
    let one_a_minute = "limits: { messages_per_minute: 1 }";
    let limits = format!("receivers: {{ oncall: {{ {one_a_minute} }}, team: {{ {one_a_minute} }} }}");
    let begin = Timestamp::now() - 10 * SECOND;
    let mut bench = Bench::with(&limits, &begin.to_string(), simulated).await;
    bench.simulator.fault(Api::Send, EVERY_CALL, Answer::ResetBefore);
    bench.simulator.fault(Api::Token, 1, Answer::ResetBefore);
    for receiver in ["oncall", "team"] {
        bench.accept(receiver, &fixture("one-firing.json")).await;
    }
    bench.work(bench.clock.now() + SECOND).await;
    assert_eq!(bench.lane("team").await["state"], "down");
    assert_eq!(bench.simulator.count(Api::Send), 2, "no permit is left");

    // From here on in real time, in which a probe has been due for some seconds.
    let asked = bench.store.asked();
    bench.run_until(tokio::time::sleep(Duration::from_millis(300))).await;

    let asked = bench.store.asked() - asked;
    assert!(asked < 30, "the lanes have looked {asked} times for what is due");
}

/// The one delivery there is.
async fn only(bench: &Bench) -> Value {
    let [delivery] = <[Value; 1]>::try_from(bench.deliveries().await).unwrap();
    delivery
}

fn fields<'v>(list: &'v [Value], field: &str) -> Vec<&'v str> {
    list.iter().map(|value| value[field].as_str().unwrap()).collect()
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap_or_else(|| panic!("{value} is a time")).parse().unwrap()
}

/// Calls take real milliseconds, which the bench's time contains.
fn near(one: Timestamp, other: Timestamp) -> bool {
    one.duration_since(other).abs() < (2 * SECOND).try_into().unwrap()
}

/// The calls that were answered by anything but success, faults on order not counted.
fn refused(bench: &Bench) -> Vec<Call> {
    bench.simulator.calls().into_iter().filter(|call| call.status != Some(200) && !call.fault).collect()
}

/// A DingTalk that knows one app with one group.
fn strict() -> Strict {
    let robots = vec![Robot { robot_code: "ding-vault".to_owned(), groups: vec!["cid-safe==".to_owned()] }];
    let secret = "the right one".to_owned();
    Strict { apps: vec![App { app_key: "ding-vault".to_owned(), app_secret: secret, robots }] }
}
