//! Taking messages back: what goes over the wire, how an answer is read that is good for some and not for others, and
//! that what a recall draws stops sends only where they share the trouble.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use dingtalk_relay::dingtalk::codes::codes;
use dingtalk_relay::model::call::Undone;
use dingtalk_relay::model::outcome::{Outcome, Scope, Verdict};
use dingtalk_relay::telemetry::metrics::handle;
use serde_json::{Value, json};

use crate::dingtalk::server::{Reaction, Server, fails, grants, page, says};
use crate::dingtalk::{Client, Script, Secret, app, client, group, line, start};

#[tokio::test]
async fn a_recall_names_the_robot_the_group_and_every_message() {
    let server = Server::for_sends(|_| says(200, json!({"successResult": ["key+/=", "key-2"], "failedResult": {}})));
    let undone = take_back(&client(&server), &["key+/=", "key-2"]).await.unwrap();

    assert_eq!(undone.recalled.iter().collect::<Vec<_>>(), ["key+/=", "key-2"]);
    assert_eq!(undone.failed, BTreeMap::new());
    let calls: Vec<_> = server.calls().into_iter().filter(|call| !call.is_for_a_token()).collect();
    assert_eq!(calls[0].head[0], "POST /v1.0/robot/groupMessages/recall HTTP/1.1");
    assert_eq!(calls[0].token(), Some("token-1"));
    insta::assert_snapshot!(calls[0].body, @r#"{"robotCode":"ding-robot","openConversationId":"cidA+/b==","processQueryKeys":["key+/=","key-2"]}"#);
}

#[tokio::test]
async fn what_was_asked_for_decides_what_is_read_of_the_answer() {
    let read = |fields: Value| {
        let server = Server::for_sends(move |_| says(200, fields.clone()));
        async move { take_back(&client(&server), &["a", "b", "c"]).await.unwrap() }
    };
    let some = read(json!({"successResult": ["a"], "failedResult": {"b": "it is too old", "z": "who asked"}})).await;
    assert_eq!(some.recalled.into_iter().collect::<Vec<_>>(), ["a"]);
    let reasons: Vec<_> = some.failed.iter().map(|(key, why)| (key.as_str(), why.as_str())).collect();
    assert_eq!(reasons, [("b", "it is too old"), ("c", "DingTalk's answer says nothing of it")]);

    let both = read(json!({"successResult": ["a", "b", "c", "z"], "failedResult": {"a": "no"}})).await;
    assert_eq!(both.recalled.into_iter().collect::<Vec<_>>(), ["b", "c"], "what failed too is not believed");

    let cased = read(json!({"SuccessResult": ["a", "b", "c"], "failedResult": null})).await;
    assert_eq!(cased.recalled.len(), 3);
    let long = read(json!({"failedResult": {"a": format!("line\n\u{1b}[2J{}", "长".repeat(500)), "b": 7}})).await;
    assert_eq!(long.failed["a"].chars().count(), Undone::LONGEST_REASON);
    assert!(!long.failed["a"].contains(char::is_control), "{:?}", long.failed["a"]);
    assert_eq!(long.failed["b"], "7");
}

#[tokio::test]
async fn a_rejected_token_is_replaced_and_the_recall_repeated_once() {
    let server = Server::for_sends(|call| match call.token() {
        Some("token-1") => fails(400, "InvalidAuthentication"),
        _ => says(200, json!({"successResult": ["a"]})),
    });
    assert!(take_back(&client(&server), &["a"]).await.unwrap().recalled.contains("a"));
    assert_eq!(server.counts(), (2, 2));
}

#[tokio::test]
async fn what_every_code_means_for_a_recall() {
    let next = Arc::new(Mutex::new((0, "")));
    let script = next.clone();
    let server = Server::start(move |call| match *script.lock().unwrap() {
        _ if call.is_for_a_token() => grants("token"),
        (status, code) => fails(status, code),
    });
    let client = client(&server);
    let mut seen = String::new();
    for row in codes().filter(|row| row.api != "token") {
        let Some(status) = row.http_status else { continue };
        *next.lock().unwrap() = (status, row.code);
        let verdict = take_back(&client, &["a"]).await.unwrap_err();
        spares_the_sends(&verdict);
        assert!(!verdict.hint.contains("is not known"), "the table knows it: {verdict:?}");
        writeln!(seen, "{}", line(&verdict)).unwrap();
    }
    insta::assert_snapshot!(seen);
}

#[tokio::test]
async fn what_the_table_does_not_know_of_a_recall_gets_a_safe_class() {
    let answers: &[Script] = &[
        || fails(400, "brand.new.code"),
        || fails(403, "Forbidden.AccessDenied.SomethingNew"),
        || fails(404, "brand.new.code"),
        || Reaction::Answer(429, "retry-after: 7\r\n", String::new()),
        || fails(500, "brand.new.code"),
        || page(200),
        || says(200, json!({"status": 1111, "punish": "deny"})),
        || says(200, json!({})),
        || says(200, json!({"successResult": null, "failedResult": null})),
        || says(200, json!({"errcode": 404, "errmsg": "no such path"})),
        || Reaction::Close,
    ];
    let mut seen = String::new();
    for answer in answers {
        let server = Server::for_sends(|_| answer());
        let verdict = take_back(&client(&server), &["a"]).await.unwrap_err();
        spares_the_sends(&verdict);
        writeln!(seen, "{}", line(&verdict)).unwrap();
    }
    insta::assert_snapshot!(seen, @r"
    HTTP 400 brand.new.code → refused message
    HTTP 403 Forbidden.AccessDenied.SomethingNew → blocked api
    HTTP 404 brand.new.code → blocked api
    HTTP 429 http_429 → throttled api, uncounted, wait 7 s
    HTTP 500 brand.new.code → unavailable api
    HTTP 200 html → throttled app, uncounted, wait 300 s
    HTTP 200 punish → throttled app, uncounted, wait 300 s
    HTTP 200 no_result → unavailable message
    HTTP 200 no_result → unavailable message
    HTTP 200 errcode_404 → blocked api
    connection_lost → unavailable api
    ");
}

#[tokio::test]
async fn recalls_are_in_the_metrics() {
    let metrics = handle();
    let server = Server::for_sends(|_| says(200, json!({"successResult": ["a"]})));
    let client = Client::new("recalling".parse().unwrap(), &app(&server.url(), Secret::given("s"))).unwrap();
    take_back(&client, &["a"]).await.unwrap();
    let seen = metrics.render();
    assert!(seen.contains(r#"dingtalk_relay_api_calls_total{app="recalling",api="recall"} 1"#), "{seen}");
}

/// A recall never blocks a channel, never doubts whether a message arrived, and stops the app for few reasons only.
fn spares_the_sends(verdict: &Verdict) {
    assert!(!verdict.may_have_arrived, "{verdict:?}");
    assert_ne!(verdict.scope, Scope::Channel, "{verdict:?}");
    if verdict.outcome == Outcome::Unavailable {
        assert_ne!(verdict.scope, Scope::App, "{verdict:?}");
    }
}

async fn take_back(client: &Client, keys: &[&str]) -> Result<Undone, Verdict> {
    let keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
    client.recall(&group(), &keys, start()).await
}
