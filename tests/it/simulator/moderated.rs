//! Moderation on order: a rule looks at the message, and lets it pass once what it complains of is gone.

use serde_json::{Value, json};

use super::Bench;

fn send(msg_key: &str, msg_param: &Value) -> Value {
    json!({ "robotCode": "r", "openConversationId": "cid", "msgKey": msg_key, "msgParam": msg_param.to_string() })
}

async fn code(bench: &Bench, body: &Value) -> Value {
    bench.robot("send", body).await.body["code"].clone()
}

#[tokio::test]
async fn a_rule_complains_of_what_a_message_says_wherever_it_says_it() {
    let bench = Bench::start().await;
    let rule = json!({ "code": "contain.unsafe.url", "contains": "evil.example" });
    assert_eq!(bench.control("POST", "/sim/moderation", Some(rule.clone())).await.body, json!([rule]));
    let (good, bad) = ("https://good.example", "https://EVIL.example/x");
    let card = |url: &str| json!({ "title": "t", "text": "x", "singleTitle": "Graph", "singleURL": url });

    for (msg_key, msg_param, drawn) in [
        ("sampleMarkdown", json!({ "title": "t", "text": format!("[x]({bad})") }), json!("contain.unsafe.url")),
        ("sampleMarkdown", json!({ "title": bad, "text": "x" }), json!("contain.unsafe.url")),
        ("sampleActionCard", card(bad), json!("contain.unsafe.url")),
        ("sampleActionCard", card(good), Value::Null),
        ("sampleText", json!({ "content": "x" }), Value::Null),
    ] {
        assert_eq!(code(&bench, &send(msg_key, &msg_param)).await, drawn, "{msg_param}");
    }
    assert_eq!(bench.simulator.messages().len(), 2);
}

#[tokio::test]
async fn a_rule_may_be_about_templates_or_lengths_and_everything_it_names_has_to_be_met() {
    let bench = Bench::start().await;
    let rules = [
        json!({ "code": "invalidParameter.msg.unsupport", "msg_key": "sampleActionCard" }),
        json!({ "code": "invalidParameter.msgParam.tooLong", "msg_key": "sampleText", "longer_than": 30 }),
    ];
    for rule in rules {
        bench.control("POST", "/sim/moderation", Some(rule)).await;
    }
    let long = "long enough to be too long, twice";
    let card = json!({ "title": "t", "text": "x", "singleTitle": "Graph", "singleURL": "https://a.example" });
    assert_eq!(code(&bench, &send("sampleActionCard", &card)).await, "invalidParameter.msg.unsupport");
    assert_eq!(
        code(&bench, &send("sampleText", &json!({ "content": long }))).await,
        "invalidParameter.msgParam.tooLong"
    );
    assert_eq!(code(&bench, &send("sampleText", &json!({ "content": "short" }))).await, Value::Null);
    assert_eq!(code(&bench, &send("sampleMarkdown", &json!({ "title": "t", "text": long }))).await, Value::Null);
}

#[tokio::test]
async fn what_is_refused_for_what_it_says_is_a_call_of_the_month_all_the_same() {
    let bench = Bench::start().await;
    bench.control("POST", "/sim/limits", Some(json!({ "calls_per_month": 1 }))).await;
    bench
        .control("POST", "/sim/moderation", Some(json!({ "code": "contain.notAllowed.text", "contains": "word" })))
        .await;
    let word = send("sampleText", &json!({ "content": "a word" }));

    let drawn = [code(&bench, &word).await, code(&bench, &word).await];

    assert_eq!(drawn, ["contain.notAllowed.text", "Forbidden.AccessDenied.ApiCountLimitForOrg"]);
    bench.control("DELETE", "/sim", None).await;
    assert_eq!(bench.control("GET", "/sim/moderation", None).await.body, json!([]));
}
