//! A DingTalk that looks at what a message says: the delivery gets through without what it complains of, and a person
//! still reads what happened.

use dingtalk_relay::simulator::messages::Admitted;
use dingtalk_relay::simulator::moderation::Rule;
use serde_json::{Value, json};

use crate::harness::{Bench, World, fixture};
use crate::refused::{BEGIN, CARDS, HOUR, only, simulated, tries};

/// One firing alert with these annotations.
fn alert(annotations: &Value) -> Vec<u8> {
    let mut body: Value = serde_json::from_slice(&fixture("one-firing.json")).unwrap();
    body["alerts"][0]["annotations"] = annotations.clone();
    body.to_string().into_bytes()
}

/// What arrives if DingTalk keeps this rule: how it was tried, and the message.
async fn told(rule: Rule, body: &[u8]) -> String {
    let mut bench = Bench::with(CARDS, BEGIN, simulated).await;
    bench.simulator.moderate(rule);
    bench.accept("team", body).await;
    bench.work_for(HOUR).await;
    let delivery = only(&bench).await;
    assert_eq!(delivery["state"], "delivered", "{delivery}");
    let messages = bench.simulator.messages();
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    format!("{}\n\n{}", tries(&delivery), shown(message))
}

fn shown(message: &Admitted) -> String {
    let fields = message.msg_param.iter().map(|(name, value)| format!("{name}: {}", value.as_str().unwrap()));
    fields.collect::<Vec<_>>().join("\n").replace("  \n", "␠␠\n")
}

#[tokio::test]
async fn a_link_that_is_held_for_unsafe_is_left_out_wherever_it_stands() {
    let body = alert(&json!({
        "summary": "Disk full on db-1",
        "description": "Look at https://evil.example/disk?a=1 and the_log, then call.",
        "runbook_url": "https://evil.example/runbook",
    }));
    insta::assert_snapshot!(told(Rule::about("evil.example", "contain.unsafe.url"), &body).await);
}

#[tokio::test]
async fn words_that_are_not_liked_leave_the_title() {
    let body = alert(&json!({ "summary": "Disk full", "description": "the unspeakable word" }));
    insta::assert_snapshot!(told(Rule::about("unspeakable", "contain.notAllowed.text"), &body).await);
}

#[tokio::test]
async fn nobody_is_mentioned_who_may_not_be() {
    let body = alert(&json!({ "summary": "Disk full", "description": "@all look, @所有人" }));
    insta::assert_snapshot!(told(Rule::about("@all", "only.groupAdmin.canAtAll"), &body).await);
}

#[tokio::test]
async fn a_robot_that_sends_no_cards_sends_markdown() {
    let rule = Rule {
        code: "invalidParameter.msg.unsupport".into(),
        msg_key: Some("sampleActionCard".into()),
        ..Rule::default()
    };
    insta::assert_snapshot!(told(rule, &alert(&json!({ "summary": "Disk full" }))).await);
}

#[tokio::test]
async fn what_is_too_long_is_said_in_fewer_lines() {
    let code = "invalidParameter.msgParam.tooLong".to_owned();
    let mut bench = Bench::with(CARDS, BEGIN, simulated).await;
    bench.simulator.moderate(Rule { code, longer_than: Some(1_800), ..Rule::default() });
    bench.accept("team", &fixture("two-thousand.json.gz")).await;
    bench.work_for(HOUR).await;

    let delivery = only(&bench).await;
    // Half of what may be said would be all of this one, so that form is not tried.
    assert_eq!(tries(&delivery), "sampleActionCard3 refused, sampleActionCard3 sent");
    let message = &bench.simulator.messages()[0];
    assert!(message.msg_param_bytes <= 1_750, "{}", message.msg_param_bytes);
    let text = message.msg_param["text"].as_str().unwrap();
    assert!(text.contains("2000 warning firing") && text.contains("more**"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_is_not_allowed_leaves_its_description_and_the_buttons_stay() {
    let templates = tempfile::tempdir().unwrap();
    let mine =
        "{% extends \"alertmanager\" %}\n{% block item %}\n![the last hour](https://p.example/c.png)\n{% endblock %}";
    std::fs::write(templates.path().join("mine.md.j2"), mine).unwrap();
    let more = format!(
        "templates: ['{}']\nreceivers: {{ team: {{ template: mine, message: action_card, buttons: horizontal }} }}",
        templates.path().display()
    );
    let world = World::with(&more).await;
    world.simulator.moderate(Rule::about("p.example", "contain.notAllowed.picture"));

    world.post("/hooks/alertmanager/team", fixture("one-firing.json")).await;

    let message = world.simulator.arrived(1).await[0].clone();
    let list = world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    let whole = world.look(&format!("/api/v1/deliveries/{}", list[0]["id"].as_str().unwrap())).await;
    assert_eq!(tries(&whole), "sampleActionCard6 refused, sampleActionCard6 sent");
    assert!(message.msg_param["text"].as_str().unwrap().contains("the last hour"), "{}", shown(&message));
    world.end().await;
}
