//! A human wants to know now who has read a message: what is asked, what it costs, when it is put off and what is said
//! then, and that the plan of the message and the sends go on as they would have.

use std::time::Duration;

use dingtalk_relay::operator::actions::ActionError;
use dingtalk_relay::operator::messages::Receipts;
use dingtalk_relay::simulator::Options;
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::messages::Moments;
use jiff::Timestamp;

use crate::harness::{Bench, fixture_of_group};
use crate::receipts::{ASKING, BEGIN, after, asked, bench_that_asks, calls, minutes, sent, simulated};

#[tokio::test]
async fn a_human_learns_who_has_read_what_nobody_wanted_receipts_of_page_by_page() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    let key = sent(&mut bench).await;
    for n in 0..450 {
        bench.simulator.read(&key, &format!("user-{n}"));
    }
    bench.clock.move_to(after(90));
    let before = known(&bench).await;
    assert_eq!((before.send_status, before.readers, before.asked_at, before.complete), (None, vec![], None, false));

    let learned = refresh(&bench).await.unwrap();

    assert_eq!((learned.send_status.as_deref(), learned.readers.len()), (Some("SUCCESS"), 450));
    assert_eq!((learned.asked_at, learned.complete), (Some(bench.clock.now()), false));
    assert_eq!(known(&bench).await, learned, "it is kept");
    assert_eq!((bench.simulator.count(Api::Query), calls(&bench).await), (3, 1 + 3));
    bench.work(minutes(60 * 24)).await;
    assert_eq!(bench.simulator.count(Api::Query), 3, "the receiver still wants none");
}

#[tokio::test]
async fn what_was_planned_is_asked_all_the_same_and_a_reader_keeps_the_time() {
    let mut bench = bench_that_asks().await;
    let key = sent(&mut bench).await;
    bench.simulator.read(&key, "li");
    bench.clock.move_to(after(30));
    let first = refresh(&bench).await.unwrap();
    assert!(!first.complete);

    bench.simulator.read(&key, "chen");
    bench.work(minutes(60 * 24)).await;

    assert_eq!(asked(&bench), [0, 1, 10, 60]);
    let last = known(&bench).await;
    assert_eq!(last.readers[0], first.readers[0], "li keeps the time");
    assert_eq!((last.readers.len(), last.complete), (2, true));
    assert!(refresh(&bench).await.unwrap().complete, "what is complete stays so");
}

#[tokio::test]
async fn what_dingtalk_does_not_know_yet_is_put_off_and_what_it_is_at_work_on_is_shown() {
    let moments =
        Moments { data_after: Duration::from_secs(20), success_after: Duration::from_secs(60), ..Moments::default() };
    let mut bench = Bench::with("", BEGIN, |clock| Options { moments, ..simulated(clock) }).await;
    sent(&mut bench).await;

    let (why, until) = put_off(refresh(&bench).await);
    assert!(why.starts_with("DingTalk does not know yet who has read this message"), "{why}");
    assert_eq!(until, Some(bench.clock.now() + Duration::from_secs(30)));
    assert_eq!(known(&bench).await.asked_at, None, "that was no answer");

    bench.clock.move_to(after(40));
    assert_eq!(refresh(&bench).await.unwrap().send_status.as_deref(), Some("PROCESSING"));
    bench.clock.move_to(after(90));
    assert_eq!(refresh(&bench).await.unwrap().send_status.as_deref(), Some("SUCCESS"));
}

#[tokio::test]
async fn what_dingtalk_has_forgotten_is_said_to_be_so_and_complete() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    let key = sent(&mut bench).await;
    bench.simulator.read(&key, "li");
    bench.clock.move_to(after(60));
    refresh(&bench).await.unwrap();

    bench.clock.move_to(minutes(60 * 24 + 1));
    let why = conflict(refresh(&bench).await);

    assert!(why.starts_with("DingTalk says no more who has read this message; what is known stays"), "{why}");
    let known = known(&bench).await;
    assert_eq!((known.readers.len(), known.complete), (1, true));
}

#[tokio::test]
async fn a_human_may_ask_beyond_the_share_of_receipts_but_never_beyond_the_month() {
    let small = format!("{ASKING}organisations: {{ default: {{ calls_per_month: 4, receipt_calls_per_month: 1 }} }}\n");
    let mut bench = Bench::with(&small, BEGIN, simulated).await;
    sent(&mut bench).await;
    bench.work(minutes(30)).await;
    assert_eq!(asked(&bench), [1], "the share is used up");

    refresh(&bench).await.unwrap();
    refresh(&bench).await.unwrap();
    let (why, until) = put_off(refresh(&bench).await);

    assert_eq!(why, "the calls of organisation default in 2026-11 are used up");
    assert_eq!(until, Some("2026-11-30T16:00:00Z".parse().unwrap()));
    assert_eq!((bench.simulator.count(Api::Query), calls(&bench).await), (3, 4));
}

#[tokio::test]
async fn a_missing_permission_is_named_and_costs_one_call_a_minute_while_the_sends_go_on() {
    let mut bench = bench_that_asks().await;
    sent(&mut bench).await;
    bench.clock.move_to(after(10));
    let denied = "Forbidden.AccessDenied.AccessTokenPermissionDenied";
    bench.simulator.fault(Api::Query, 1, Answer::code(403, denied));

    let (why, until) = put_off(refresh(&bench).await);
    assert!(why.contains(denied) && why.contains("permission"), "{why}");
    assert_eq!(until, Some(bench.clock.now() + Duration::from_secs(60)));

    let (again, _) = put_off(refresh(&bench).await);
    assert!(again.contains(denied), "{again}");
    assert_eq!(bench.simulator.count(Api::Query), 1, "that cost no call");
    bench.accept("oncall", &fixture_of_group("one-firing.json", 2)).await;
    bench.work(after(20)).await;
    assert_eq!(bench.simulator.messages().len(), 2, "a send goes as ever");

    bench.clock.move_to(after(75));
    refresh(&bench).await.unwrap();
    bench.work(minutes(9)).await;
    assert!(asked(&bench).len() > 2, "and the loop does not wait longer than the human did");
}

#[tokio::test]
async fn an_app_that_is_down_or_blocked_is_not_asked_and_the_human_hears_why() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    sent(&mut bench).await;
    let id = message(&bench).await;
    bench.accept("oncall", &fixture_of_group("one-firing.json", 2)).await;
    bench.simulator.fault(Api::Send, 1, Answer::code(403, "Forbidden.AccessDenied.IpNotInWhiteList"));
    bench.work(after(5)).await;

    let (why, until) = put_off(bench.operator().refresh_receipts(&id, bench.clock.now()).await);

    assert!(why.starts_with("the app is blocked: Forbidden.AccessDenied.IpNotInWhiteList ("), "{why}");
    assert!(until.is_some_and(|until| until > bench.clock.now()));
    assert_eq!(bench.simulator.count(Api::Query), 0);
}

#[tokio::test]
async fn where_nothing_is_to_be_sent_a_human_finds_out_whether_the_app_works_again() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    let key = sent(&mut bench).await;
    bench.simulator.read(&key, "li");
    bench.clock.move_to(after(10));
    let not_listed = Answer::code(403, "Forbidden.AccessDenied.IpNotInWhiteList");
    bench.simulator.fault(Api::Query, 1, not_listed);
    put_off(refresh(&bench).await);
    put_off(refresh(&bench).await);
    assert_eq!(bench.simulator.count(Api::Query), 1);

    bench.clock.move_to(after(60));
    assert_eq!(refresh(&bench).await.unwrap().readers.len(), 1);
}

#[tokio::test]
async fn a_call_that_dingtalk_did_not_count_is_given_back() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    sent(&mut bench).await;
    bench.clock.move_to(after(10));
    bench.simulator.fault(Api::Query, 1, Answer::code(403, "Forbidden.AccessDenied.QpmLimitForAppkeyAndApi"));

    let (_, until) = put_off(refresh(&bench).await);

    assert_eq!(until, Some(bench.clock.now() + Duration::from_secs(60)));
    assert_eq!(calls(&bench).await, 1, "the send's");
}

#[tokio::test]
async fn pages_wait_for_the_calls_a_second_that_the_app_may_make() {
    let slow = "apps: { ops: { limits: { calls_per_second: 1 } } }";
    let mut bench = Bench::with(slow, BEGIN, simulated).await;
    let key = sent(&mut bench).await;
    for n in 0..201 {
        bench.simulator.read(&key, &format!("user-{n}"));
    }
    bench.clock.move_to(after(60));
    let begun = std::time::Instant::now();
    assert_eq!(refresh(&bench).await.unwrap().readers.len(), 201);
    assert!(begun.elapsed() >= Duration::from_secs(1), "two calls are a second apart");
}

#[tokio::test]
async fn what_was_not_sent_does_not_exist_or_belongs_to_an_app_that_is_gone_is_not_asked_about() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    let nobody = bench.operator().refresh_receipts("nobody", bench.clock.now()).await;
    assert!(matches!(nobody, Err(ActionError::NoSuch(_))), "{nobody:?}");

    sent(&mut bench).await;
    let bench = bench.restart_with(|config| {
        config.route = None;
        config.receivers.clear();
        config.apps.clear();
    });
    let why = conflict(refresh(&bench.await).await);
    assert!(why.starts_with("app ops sent it, and is configured no more"), "{why}");

    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, 1, Answer::code(400, "group.disbanded"));
    bench.accept("oncall", &fixture_of_group("one-firing.json", 1)).await;
    bench.work(after(5)).await;
    let why = conflict(refresh(&bench).await);
    assert!(why.contains("did not admit it"), "{why}");
}

#[tokio::test]
async fn a_message_of_a_receiver_that_has_moved_is_asked_about_where_it_went() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    let key = sent(&mut bench).await;
    bench.simulator.read(&key, "li");
    let moved = bench.restart_with(|config| {
        config.receivers.values_mut().for_each(|receiver| receiver.open_conversation_id += "elsewhere");
    });
    let bench = moved.await;
    bench.clock.move_to(after(60));
    assert_eq!(refresh(&bench).await.unwrap().readers.len(), 1);
}

#[tokio::test]
async fn a_dingtalk_that_is_away_is_not_taken_for_an_app_that_is_down() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    sent(&mut bench).await;
    bench.clock.move_to(after(10));
    for _ in 0..4 {
        bench.simulator.fault(Api::Query, 1, Answer::code(500, "system.error"));
        let (why, until) = put_off(refresh(&bench).await);
        assert_eq!(why, "DingTalk could not be asked: system.error");
        assert_eq!(until, Some(bench.clock.now() + Duration::from_secs(60)), "however often it fails");
        bench.clock.move_to(until.unwrap());
    }
    assert_eq!(bench.lane("oncall").await["state"], "flowing");
}

/// The id of the message that was sent, or tried, last.
pub async fn message(bench: &Bench) -> String {
    let last = bench.deliveries().await.pop().unwrap();
    last["message"]["id"].as_str().unwrap().to_owned()
}

async fn refresh(bench: &Bench) -> Result<Receipts, ActionError> {
    bench.operator().refresh_receipts(&message(bench).await, bench.clock.now()).await
}

async fn known(bench: &Bench) -> Receipts {
    bench.operator().receipts(&message(bench).await).await.unwrap()
}

/// Why something was put off, and until when.
pub fn put_off<T: std::fmt::Debug>(result: Result<T, ActionError>) -> (String, Option<Timestamp>) {
    match result {
        Err(ActionError::NotNow { why, until }) => (why, until),
        other => panic!("{other:?}"),
    }
}

/// Why something cannot be.
pub fn conflict<T: std::fmt::Debug>(result: Result<T, ActionError>) -> String {
    match result {
        Err(ActionError::Conflict(why)) => why,
        other => panic!("{other:?}"),
    }
}
