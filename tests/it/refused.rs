//! What DingTalk refuses comes in a plainer form, or dies with the reason: nothing is sent again as it was refused,
//! nothing is tried for ever, and a delivery that was given up shows what was tried.
//!
//! No test here takes the time it tells of: the lanes are stepped with a clock that the simulator reads too.

mod moderated;

use std::sync::Arc;
use std::time::Duration;

use dingtalk_relay::dingtalk::codes::{self, Class};
use dingtalk_relay::dispatch::lane::Step;
use dingtalk_relay::model::form::Form;
use dingtalk_relay::model::outcome::Outcome;
use dingtalk_relay::simulator::Options;
use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::{Value, json};

use crate::harness::{Bench, Hands, fixture, fixture_of_group};

const BEGIN: &str = "2026-11-21T12:00:00Z";
const HOUR: Duration = Duration::from_secs(60 * 60);
/// "Always", for a fault.
const EVERY_CALL: u32 = u32::MAX;
/// A group whose robot sends cards.
const CARDS: &str = "receivers: { team: { message: action_card } }";

fn simulated(clock: Hands) -> Options {
    Options { clock: Arc::new(move || clock.now()), ..Options::default() }
}

/// Every code that refuses a message.
fn refused() -> impl Iterator<Item = &'static str> {
    let of_send = |api: &str| api == "any" || api.split('+').any(|api| api == "send");
    codes::codes().filter(move |row| row.class == Class::Refused && of_send(row.api)).map(|row| row.code)
}

/// The only delivery, with its attempts.
async fn only(bench: &Bench) -> Value {
    let list = bench.deliveries().await;
    let [delivery] = list.as_slice() else { panic!("{list:?}") };
    bench.look(&format!("/api/v1/deliveries/{}", delivery["id"].as_str().unwrap())).await
}

/// `sampleActionCard5 refused, sampleMarkdown sent`
fn tries(delivery: &Value) -> String {
    let log = delivery["attempt_log"].as_array().unwrap().iter();
    let tried = log.map(|try_| format!("{} {}", try_["msg_key"].as_str().unwrap(), try_["outcome"].as_str().unwrap()));
    tried.collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn every_code_that_refuses_is_met_with_a_plainer_form_and_at_last_with_a_reason() {
    assert!(refused().count() > 50, "the table is read");
    let mut shown = String::new();
    for code in refused() {
        let mut bench = Bench::with(CARDS, BEGIN, simulated).await;
        bench.simulator.fault(Api::Send, 1, Answer::code(400, code));
        bench.accept("team", &fixture("one-firing.json")).await;
        bench.work_for(HOUR).await;
        let once = only(&bench).await;
        assert_eq!((&once["state"], &once["attempts"]), (&json!("delivered"), &json!(2)), "{code}: {once}");
        assert_eq!(once["attempt_log"][0]["code"], code);
        assert_eq!(bench.simulator.messages().len(), 1, "{code}");

        let mut bench = Bench::with(CARDS, BEGIN, simulated).await;
        bench.simulator.fault(Api::Send, EVERY_CALL, Answer::code(400, code));
        bench.accept("team", &fixture("one-firing.json")).await;
        bench.work_for(HOUR).await;
        let always = only(&bench).await;
        assert_eq!(always["state"], "dead", "{code}: {always}");
        let reason = always["reason"].as_str().unwrap();
        assert!(reason.contains(code), "{reason}");
        assert_eq!(always["next_attempt_at"], Value::Null);
        let calls = bench.simulator.count(Api::Send);
        assert!(calls > 1 && calls <= Form::MOST, "{code}: {calls} calls");
        assert_eq!(always["attempts"], calls);
        assert_eq!(bench.lane("team").await["state"], "flowing", "{code}: it is about this message alone");

        shown += &format!("{code}\n    once: {}\n    always: {}\n", tries(&once), tries(&always));
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn the_next_form_goes_at_once_and_counts_for_no_retry() {
    let once = "retry: { max_attempts: 1 }";
    let mut bench = Bench::with(once, BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, 1, Answer::code(400, "contain.unsafe.url"));
    bench.simulator.fault(Api::Send, 1, Answer::code(400, "contain.notAllowed.text"));
    bench.accept("team", &fixture("one-firing.json")).await;

    bench.work_for(Duration::from_secs(1)).await;

    let delivery = only(&bench).await;
    assert_eq!((&delivery["state"], &delivery["attempts"]), (&json!("delivered"), &json!(3)), "{delivery}");
    assert_eq!(delivery["possibly_duplicate"], false);
}

#[tokio::test]
async fn the_form_outlives_a_restart() {
    let mut bench = Bench::with(CARDS, BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, 1, Answer::code(400, "contain.unsafe.url"));
    bench.accept("team", &fixture("one-firing.json")).await;
    while bench.step("team").await.unwrap() != Step::Tried(Outcome::Refused) {}

    let mut bench = bench.restart().await;
    bench.work_for(HOUR).await;

    let delivery = only(&bench).await;
    assert_eq!(tries(&delivery), "sampleActionCard4 refused, sampleMarkdown sent");
    let text = bench.simulator.messages()[0].msg_param["text"].as_str().unwrap().to_owned();
    assert!(!text.contains("://") && text.contains("10.0.0.1:9100"), "{text}");
}

#[tokio::test]
async fn what_failed_on_the_way_stays_in_its_plainer_form() {
    let mut bench = Bench::with(CARDS, BEGIN, simulated).await;
    bench.simulator.fault(Api::Send, 1, Answer::code(400, "invalidParameter.msg.unsupport"));
    bench.simulator.fault(Api::Send, 1, Answer::Html { status: 502 });
    bench.accept("team", &fixture("one-firing.json")).await;

    bench.work_for(HOUR).await;

    let delivery = only(&bench).await;
    assert_eq!(tries(&delivery), "sampleActionCard4 refused, sampleMarkdown unavailable, sampleMarkdown sent");
}

#[tokio::test]
async fn what_is_given_up_names_every_code_and_delays_nobody() {
    let mut bench = Bench::with(CARDS, BEGIN, simulated).await;
    for code in ["contain.unsafe.url", "contain.notAllowed.text", "contain.notAllowed.content"] {
        bench.simulator.fault(Api::Send, 1, Answer::code(400, code));
    }
    bench.simulator.fault(Api::Send, 1, Answer::code(400, "contain.notAllowed.content"));
    bench.accept("team", &fixture_of_group("one-firing.json", 1)).await;
    bench.accept("team", &fixture_of_group("one-firing.json", 2)).await;

    bench.work_for(HOUR).await;

    let list = bench.deliveries().await;
    assert_eq!((&list[0]["state"], &list[1]["state"]), (&json!("dead"), &json!("delivered")));
    insta::assert_snapshot!(list[0]["reason"].as_str().unwrap());
}
