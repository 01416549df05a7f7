//! Messages are taken back: one, many, those of several groups; what DingTalk refuses of them; what it costs, and that
//! nothing which goes wrong with it stops a send.

use std::sync::Arc;
use std::time::Duration;

use dingtalk_relay::gate::Gate;
use dingtalk_relay::gate::aside::PutOff;
use dingtalk_relay::model::call::Call;
use dingtalk_relay::model::health::Health;
use dingtalk_relay::model::message::Target;
use dingtalk_relay::model::outcome::Outcome;
use dingtalk_relay::operator::actions::ActionError;
use dingtalk_relay::operator::recall::Recalled;
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::messages::SendStatus;
use dingtalk_relay::store::Store;
use serde_json::json;

use crate::harness::{Bench, answer, client, configured, fixture_of_group};
use crate::receipts::{BEGIN, after, asked, bench_that_asks, calls, minutes, sent, simulated};
use crate::refresh::{conflict, message, put_off};

#[tokio::test]
async fn a_message_is_taken_back_and_its_delivery_stays_delivered() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    sent(&mut bench).await;
    let id = message(&bench).await;

    let done = recall(&bench).await.unwrap();

    let [recalled] = &done.recalled[..] else { panic!("{done:?}") };
    let shown = &bench.deliveries().await[0];
    assert_eq!(
        (recalled.message.0.as_str(), recalled.deliveries[0].id.0.as_str()),
        (&*id, shown["id"].as_str().unwrap())
    );
    assert_eq!(statuses(&bench), [SendStatus::Recalled]);
    assert_eq!((&shown["state"], &shown["message"]["send_status"]), (&json!("delivered"), &json!("RECALLED")));
    assert_eq!(calls(&bench).await, 2, "the send and the recall");
}

#[tokio::test]
async fn what_a_recall_learns_after_a_reload_is_not_stored_over_what_the_new_gate_knows() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    let key = sent(&mut bench).await;
    let (old, mut now) = (bench.gate("team"), bench.clock.now());
    let paid = old.by_hand(Call::Recall, &mut now).await.unwrap();

    let config = configured(&bench.simulator.base_url(), bench.folder(), "");
    let (client, store) = (Arc::clone(old.client()), Arc::clone(&bench.store) as Arc<dyn Store>);
    let new = Gate::open(old.app(), &config, client, Arc::default(), store, "0", now).await.unwrap();
    new.succeeds(&old, now);
    bench.simulator.fault(Api::Recall, 2, Answer::code(403, "Forbidden.AccessDenied.IpNotInWhiteList"));
    let to = Target { robot_code: "ding-test".into(), open_conversation_id: "cid-team==".into(), cool_app_code: None };
    let answer = old.recall(&paid, &to, &[key], now).await.unwrap();

    assert_eq!(answer.unwrap_err().verdict.outcome, Outcome::Blocked);
    assert_eq!((bench.store.apps().await.unwrap()[0].health.clone(), new.health()), (Health::Flowing, Health::Flowing));
    let PutOff::NotNow(not_now) = old.by_hand(Call::Recall, &mut now).await.unwrap_err() else { panic!() };
    assert_eq!(not_now.why, "the configuration was read again meanwhile; ask again");
}

#[tokio::test]
async fn what_was_taken_back_before_says_so_without_a_call() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    sent(&mut bench).await;
    recall(&bench).await.unwrap();

    let bench = bench.restart().await;
    assert_eq!(conflict(recall(&bench).await), "it was taken back already");

    assert_eq!((bench.simulator.count(Api::Recall), calls(&bench).await), (1, 2));
}

#[tokio::test]
async fn the_last_asking_tells_who_had_read_it_and_nobody_asks_again() {
    let mut bench = bench_that_asks().await;
    let key = sent(&mut bench).await;
    bench.simulator.read(&key, "li");
    recall(&bench).await.unwrap();

    bench.work(minutes(60 * 24)).await;

    assert_eq!(asked(&bench), [1]);
    let receipts = bench.operator().receipts(&message(&bench).await).await.unwrap();
    assert_eq!((receipts.send_status.as_deref(), receipts.readers.len()), (Some("RECALLED"), 1));
    assert!(receipts.complete);
}

#[tokio::test]
async fn twenty_three_messages_are_two_calls_and_what_failed_is_named() {
    let mut bench = Bench::with(FAST, BEGIN, simulated).await;
    let ids = many(&mut bench, "oncall", 23).await;
    let gone = bench.simulator.messages()[3].process_query_key.clone();
    recalled_elsewhere(&bench, &gone).await;
    let asked_for: Vec<_> = ids.iter().chain(&ids[..1]).cloned().chain(["nobody".to_owned()]).collect();

    let done = recall_many(&bench, &asked_for).await.unwrap();

    assert_eq!((done.recalled.len(), done.failed.len()), (22, 2));
    assert_eq!(done.failed[&ids[3]], "the message was recalled before", "DingTalk's words");
    assert_eq!(done.failed["nobody"], "no message has this id");
    assert!(statuses(&bench).iter().all(|status| *status == SendStatus::Recalled));
    assert_eq!(bench.simulator.count(Api::Recall), 1 + 2, "one of them was not ours");
    assert_eq!(calls(&bench).await, 23 + 2);

    let again = recall_many(&bench, &ids).await.unwrap();
    assert_eq!((again.recalled.len(), again.failed.len()), (0, 23));
    assert_eq!(bench.simulator.count(Api::Recall), 1 + 2 + 1, "DingTalk was asked of the one that failed");
}

#[tokio::test]
async fn each_robot_in_each_group_is_a_call_of_its_own() {
    let two = "
apps: { second: { base_url: SIMULATOR, app_key: ding-second, app_secret: not-a-secret, timeout: 2s } }
receivers: { far: { app: second, open_conversation_id: cid-far== } }
";
    let mut bench = Bench::with(two, BEGIN, simulated).await;
    let mut ids = many(&mut bench, "oncall", 2).await;
    ids.extend(many(&mut bench, "team", 2).await);
    ids.extend(many(&mut bench, "far", 1).await);
    bench.simulator.fault(Api::Recall, 1, Answer::code(400, "recall.timeout.exceeded"));

    let done = recall_many(&bench, &ids).await.unwrap();

    assert_eq!(bench.simulator.count(Api::Recall), 3);
    assert_eq!((done.recalled.len(), done.failed.len()), (5 - done.failed.len(), done.failed.len()));
    assert!(
        done.failed.values().all(|why| why == "DingTalk did not take it back: recall.timeout.exceeded"),
        "{done:?}"
    );
    assert!(!done.failed.is_empty() && !done.recalled.is_empty());
}

#[tokio::test]
async fn what_one_message_is_refused_is_said_and_nothing_rests() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    let key = sent(&mut bench).await;
    bench.simulator.fault(Api::Recall, 1, Answer::code(400, "recall.timeout.exceeded"));
    assert_eq!(conflict(recall(&bench).await), "DingTalk did not take it back: recall.timeout.exceeded");

    recalled_elsewhere(&bench, &key).await;
    assert_eq!(conflict(recall(&bench).await), "DingTalk did not take it back: the message was recalled before");
}

#[tokio::test]
async fn a_missing_permission_rests_the_recalls_alone_and_for_a_minute() {
    let mut bench = bench_that_asks().await;
    sent(&mut bench).await;
    let denied = "Forbidden.AccessDenied.AccessTokenPermissionDenied";
    bench.simulator.fault(Api::Recall, 1, Answer::code(403, denied));

    let (why, until) = put_off(recall(&bench).await);
    assert!(why.starts_with("it was not taken back: ") && why.contains(denied), "{why}");
    assert_eq!(until, Some(bench.clock.now() + Duration::from_secs(60)));
    put_off(recall(&bench).await);
    assert_eq!(bench.simulator.count(Api::Recall), 1);

    bench.accept("oncall", &fixture_of_group("one-firing.json", 2)).await;
    bench.work(minutes(2)).await;
    assert_eq!(bench.simulator.messages().len(), 2, "sends go on");
    assert_eq!(asked(&bench), [1, 1], "and so do queries");
    assert_eq!(bench.lane("oncall").await["state"], "flowing");
    recall(&bench).await.unwrap();
}

#[tokio::test]
async fn where_nobody_knows_whether_it_was_taken_back_that_is_said() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    sent(&mut bench).await;
    bench.simulator.fault(Api::Recall, 1, Answer::ResetAfter);

    let (why, until) = put_off(recall(&bench).await);
    assert!(why.starts_with("nobody knows whether it was taken back: connection_lost"), "{why}");
    assert_eq!(bench.deliveries().await[0]["message"]["send_status"], json!(null));
    assert_eq!(calls(&bench).await, 2, "it may count");

    bench.clock.move_to(until.unwrap());
    assert_eq!(conflict(recall(&bench).await), "DingTalk did not take it back: the message was recalled before");
}

#[tokio::test]
async fn a_month_that_is_used_up_or_an_app_that_is_blocked_puts_a_recall_off() {
    let small = "organisations: { default: { calls_per_month: 1 } }";
    let mut bench = Bench::with(small, BEGIN, simulated).await;
    sent(&mut bench).await;
    let (why, until) = put_off(recall(&bench).await);
    assert_eq!(why, "the calls of organisation default in 2026-11 are used up");
    assert_eq!(until, Some("2026-11-30T16:00:00Z".parse().unwrap()));

    let mut bench = Bench::new(BEGIN, simulated).await;
    sent(&mut bench).await;
    for group in 2..6 {
        bench.accept("oncall", &fixture_of_group("one-firing.json", group)).await;
    }
    bench.simulator.fault(Api::Send, 9, Answer::code(500, "system.error"));
    bench.work(after(10)).await;
    assert_eq!(bench.lane("oncall").await["state"], "down");
    let first = bench.deliveries().await[0]["message"]["id"].as_str().unwrap().to_owned();
    let (why, _) = put_off(bench.operator().recall(&first, bench.clock.now()).await);
    assert!(why.starts_with("the app cannot be reached: system.error"), "{why}");
    assert_eq!(bench.simulator.count(Api::Recall), 0);
}

#[tokio::test]
async fn a_throttled_recall_is_given_back_and_waits_as_long_as_dingtalk_wants() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    sent(&mut bench).await;
    bench.simulator.fault(Api::Recall, 1, Answer::code(403, "Forbidden.AccessDenied.QpmLimitForAppkeyAndApi"));
    let (_, until) = put_off(recall(&bench).await);
    assert_eq!(until, Some(bench.clock.now() + Duration::from_secs(60)));
    assert_eq!(calls(&bench).await, 1);
}

#[tokio::test]
async fn how_many_may_be_named_is_bounded() {
    let bench = Bench::new(BEGIN, simulated).await;
    for count in [0, 101] {
        let ids: Vec<_> = (0..count).map(|n| n.to_string()).collect();
        let refused = recall_many(&bench, &ids).await.unwrap_err();
        assert_eq!(refused.to_string(), "`messages` must name from 1 to 100 messages");
    }
    let unknown = recall_many(&bench, &["nobody".to_owned()]).await.unwrap();
    assert_eq!((unknown.recalled.len(), unknown.failed.len()), (0, 1));
}

const FAST: &str = "receivers: { oncall: { digest: never, limits: { messages_per_minute: 100 } } }";

async fn recall(bench: &Bench) -> Result<Recalled, ActionError> {
    bench.operator().recall(&message(bench).await, bench.clock.now()).await
}

async fn recall_many(bench: &Bench, ids: &[String]) -> Result<Recalled, ActionError> {
    bench.operator().recall_many(ids, bench.clock.now()).await
}

/// Sends so many messages to a receiver; their ids, in order.
async fn many(bench: &mut Bench, receiver: &str, count: usize) -> Vec<String> {
    let before = bench.deliveries().await.len();
    for n in 0..count {
        bench.accept(receiver, &fixture_of_group("one-firing.json", before + n)).await;
    }
    bench.work_for(Duration::from_secs(5 * 60)).await;
    let all = bench.deliveries().await;
    all[before..].iter().map(|delivery| delivery["message"]["id"].as_str().unwrap().to_owned()).collect()
}

/// Somebody takes a message back without us.
async fn recalled_elsewhere(bench: &Bench, key: &str) {
    let base = bench.simulator.base_url();
    let credentials = json!({"appKey": "ding-test", "appSecret": "not-a-secret"}).to_string();
    let (_, granted) = answer(client().post(format!("{base}/v1.0/oauth2/accessToken")).body(credentials)).await;
    let body = json!({"robotCode": "ding-test", "openConversationId": "cid-oncall==", "processQueryKeys": [key]});
    let url = format!("{base}/v1.0/robot/groupMessages/recall");
    let token = granted["accessToken"].as_str().unwrap();
    let request = client().post(url).header("x-acs-dingtalk-access-token", token).body(body.to_string());
    assert_eq!(answer(request).await.1["successResult"], json!([key]));
}

fn statuses(bench: &Bench) -> Vec<SendStatus> {
    bench.simulator.messages().iter().map(|message| message.send_status).collect()
}
