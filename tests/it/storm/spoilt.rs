//! A digest that goes wrong: what it carried is neither lost nor blamed for another.

use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::moderation::Rule;
use serde_json::{Value, json};

use crate::harness::Bench;
use crate::storm::{BEGIN, HOUR, MINUTE, SECOND, carried, firing, received, simulated};

#[tokio::test]
async fn one_poison_alert_dies_and_everything_it_was_told_with_arrives() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.simulator.moderate(Rule::about("Poison", "invalidParameter.msgParam.invalid"));
    for n in 0..7 {
        bench.accept("team", &firing(&format!("Disk{n}"), "warning")).await;
    }
    bench.accept("team", &firing("Poison", "warning")).await;
    bench.work_for(HOUR).await;

    let deliveries = bench.deliveries().await;
    let (dead, others): (Vec<_>, Vec<_>) = deliveries.iter().partition(|delivery| delivery["state"] == "dead");
    let [dead] = dead.as_slice() else { panic!("{dead:?}") };
    assert!(dead["title"].as_str().unwrap().contains("Poison"), "{dead}");
    let reason = dead["reason"].as_str().unwrap();
    assert!(reason.starts_with("DingTalk refused the message in "), "{reason}");
    assert!(others.iter().all(|delivery| delivery["state"] == "delivered"), "{others:?}");
    assert_eq!(carried(&bench).await, [1; 7], "each by itself, since together they were refused in every form");

    let log = attempts(&bench, &deliveries[0]).await;
    let refused = log.iter().take_while(|attempt| attempt["outcome"] == "refused").count();
    assert!(refused > 1, "plainer forms were tried of all together: {log:?}");
    assert_eq!(log.len(), refused + 1);
    assert_eq!(log.last().unwrap()["msg_key"], "sampleMarkdown", "by itself it goes in its full form again");
    let page = bench.read(&format!("/deliveries/{}", deliveries[0]["id"].as_str().unwrap())).await;
    assert!(page.contains("Disk0"), "{page}");
}

#[tokio::test]
async fn what_a_digest_became_is_not_what_one_of_it_is_when_it_goes_by_itself() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    for n in 0..8 {
        bench.accept("team", &firing(&format!("Disk{n}"), "warning")).await;
    }
    bench.simulator.fault(Api::Send, 1, Answer::code(400, "invalidParameter.msgParam.invalid"));
    bench.simulator.fault(Api::Send, 20, Answer::Html { status: 502 });
    bench.work_for(MINUTE).await;
    assert_eq!(bench.lane("team").await["state"], "down");
    bench.simulator.forget();
    bench.work_for(HOUR).await;

    assert_eq!(carried(&bench).await, [1, 7], "the probe, and the others together");
    let forms: Vec<_> = bench.simulator.messages().into_iter().map(|message| message.msg_key).collect();
    assert_eq!(forms, ["sampleMarkdown", "sampleText"], "by itself it begins in its full form");
}

#[tokio::test]
async fn the_last_of_a_digest_that_a_human_has_cancelled_begins_in_its_full_form_too() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    for n in 0..8 {
        bench.accept("team", &firing(&format!("Disk{n}"), "warning")).await;
    }
    bench.simulator.fault(Api::Send, 1, Answer::code(400, "invalidParameter.msgParam.invalid"));
    bench.simulator.fault(Api::Send, 1, Answer::code(400, "send.too.fast"));
    bench.work_for(SECOND * 20).await;
    assert_eq!(bench.lane("team").await["state"], "cooling");
    let (operator, now) = (bench.operator(), bench.clock.now());
    for delivery in &bench.deliveries().await[1..] {
        operator.cancel(delivery["id"].as_str().unwrap(), now).await.unwrap();
    }
    bench.work_for(HOUR).await;

    let [message] = &bench.simulator.messages()[..] else { panic!("{:?}", bench.simulator.messages()) };
    assert_eq!(message.msg_key, "sampleMarkdown");
}

async fn attempts(bench: &Bench, delivery: &Value) -> Vec<Value> {
    let whole = bench.look(&format!("/api/v1/deliveries/{}", delivery["id"].as_str().unwrap())).await;
    whole["attempt_log"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_digest_brings_all_of_it_back_in_doubt() {
    let bench = Bench::new(BEGIN, simulated).await;
    for n in 0..9 {
        bench.accept("team", &firing(&format!("Disk{n}"), "warning")).await;
    }
    let mut bench = bench.crash_in_a_send("team").await;
    let back = bench.deliveries().await;
    let stands = |delivery: &Value| (delivery["state"].clone(), delivery["possibly_duplicate"].clone());
    assert!(back.iter().all(|delivery| stands(delivery) == (json!("queued"), json!(true))), "{back:?}");
    bench.work_for(MINUTE).await;

    assert_eq!(carried(&bench).await, [9]);
    let deliveries = bench.deliveries().await;
    assert!(deliveries.iter().all(|delivery| stands(delivery) == (json!("delivered"), json!(true))), "{deliveries:?}");
}

#[tokio::test]
async fn a_digest_is_one_message_everywhere_it_is_looked_at() {
    let mut bench = Bench::with("admin: { external_url: 'https://relay.example.com' }", BEGIN, simulated).await;
    for n in 0..30 {
        bench.accept("team", &firing(&format!("Disk{n}"), "warning")).await;
    }
    bench.work_for(SECOND * 30).await;
    let deliveries = bench.deliveries().await;
    let id = deliveries[0]["message"]["id"].as_str().unwrap().to_owned();
    assert!(deliveries.iter().all(|delivery| delivery["message"]["id"] == id.as_str()), "{deliveries:?}");

    let message = bench.look(&format!("/api/v1/messages/{id}")).await;
    assert_eq!(message["deliveries"].as_array().unwrap().len(), 30, "{message}");
    let page = bench.read(&format!("/messages/{id}")).await;
    assert!((0..30).all(|n| page.contains(&format!("Disk{n}"))), "{page}");
    let [(_, text)] = received(&bench, "cid-team==").try_into().unwrap();
    assert!(text.contains(&format!("https://relay.example.com/messages/{id}")), "{text}");
}
