//! Asking who has read a message: what goes over the wire, how pages are read, and that what a query draws stops sends
//! only where they share the trouble.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use dingtalk_relay::dingtalk::codes::codes;
use dingtalk_relay::model::message::Readers;
use dingtalk_relay::model::outcome::Verdict;
use dingtalk_relay::model::outcome::{Outcome, Scope};
use dingtalk_relay::telemetry::metrics::handle;
use serde_json::{Value, json};

use crate::dingtalk::server::{Reaction, Server, fails, grants, page, says};
use crate::dingtalk::{Client, Script, Secret, app, client, group, line, start};

#[tokio::test]
async fn a_query_names_the_message_and_after_the_first_page_the_place() {
    let server = Server::for_sends(|_| readers(json!({"readUserIds": []})));
    let client = client(&server);

    ask(&client, None).await.unwrap();
    ask(&client, Some("page/2+=")).await.unwrap();

    let calls: Vec<_> = server.calls().into_iter().filter(|call| !call.is_for_a_token()).collect();
    assert_eq!(calls[0].head[0], "POST /v1.0/robot/groupMessages/query HTTP/1.1");
    assert_eq!(calls[0].token(), Some("token-1"));
    insta::assert_snapshot!(calls.iter().map(|call| call.body.as_str()).collect::<Vec<_>>().join("\n"), @r#"
    {"robotCode":"ding-robot","openConversationId":"cidA+/b==","processQueryKey":"key+/=","maxResults":200}
    {"robotCode":"ding-robot","openConversationId":"cidA+/b==","processQueryKey":"key+/=","maxResults":200,"nextToken":"page/2+="}
    "#);
}

#[tokio::test]
async fn a_page_of_readers_is_read_and_the_last_one_has_no_next() {
    let status = |fields: Value| {
        let server = Server::for_sends(move |_| readers(fields.clone()));
        async move { ask(&client(&server), None).await.unwrap() }
    };
    let page = |user_ids: &[&str], next: Option<&str>| Readers {
        send_status: "SUCCESS".into(),
        user_ids: user_ids.iter().map(|id| (*id).to_owned()).collect(),
        next: next.map(str::to_owned),
    };
    let more = json!({"readUserIds": ["zhang", "", 7, "li"], "hasMore": true, "nextToken": "n"});
    assert_eq!(status(more).await, page(&["zhang", "li"], Some("n")));
    assert_eq!(status(json!({"readUserIds": ["li"], "hasMore": false, "nextToken": "n"})).await, page(&["li"], None));
    assert_eq!(status(json!({"readUserIds": ["li"], "hasMore": true, "nextToken": ""})).await, page(&["li"], None));
    assert_eq!(status(json!({"READUSERIDS": null})).await, page(&[], None));
}

#[tokio::test]
async fn a_rejected_token_is_replaced_and_the_query_repeated_once() {
    let server = Server::for_sends(|call| match call.token() {
        Some("token-1") => fails(400, "InvalidAuthentication"),
        _ => readers(json!({"readUserIds": ["li"]})),
    });
    assert_eq!(ask(&client(&server), None).await.unwrap().user_ids, ["li"]);
    assert_eq!(server.counts(), (2, 2));

    let server = Server::for_sends(|_| fails(400, "InvalidAuthentication"));
    let verdict = ask(&client(&server), None).await.unwrap_err();
    assert_eq!(line(&verdict), "HTTP 400 InvalidAuthentication → blocked app");
    assert_eq!(server.counts(), (2, 2));
}

#[tokio::test]
async fn what_every_code_means_for_a_query() {
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
        let verdict = ask(&client, None).await.unwrap_err();
        spares_the_sends(&verdict);
        writeln!(seen, "{}", line(&verdict)).unwrap();
    }
    insta::assert_snapshot!(seen);
}

#[tokio::test]
async fn what_the_table_does_not_know_of_a_query_gets_a_safe_class() {
    let answers: &[Script] = &[
        || fails(400, "brand.new.code"),
        || fails(403, "Forbidden.AccessDenied.SomethingNew"),
        || fails(404, "brand.new.code"),
        || Reaction::Answer(429, "retry-after: 7\r\n", String::new()),
        || fails(500, "brand.new.code"),
        || page(200),
        || says(200, json!({"status": 1111, "punish": "deny"})),
        || says(200, json!({})),
        || says(200, json!({"sendStatus": "<p>"})),
        || says(200, json!({"errcode": 404, "errmsg": "no such path"})),
        || Reaction::Close,
    ];
    let mut seen = String::new();
    for answer in answers {
        let server = Server::for_sends(|_| answer());
        let verdict = ask(&client(&server), None).await.unwrap_err();
        spares_the_sends(&verdict);
        writeln!(seen, "{}", line(&verdict)).unwrap();
    }
    insta::assert_snapshot!(seen, @r"
    HTTP 400 brand.new.code → unavailable api
    HTTP 403 Forbidden.AccessDenied.SomethingNew → blocked api
    HTTP 404 brand.new.code → blocked api
    HTTP 429 http_429 → throttled api, uncounted, wait 7 s
    HTTP 500 brand.new.code → unavailable api
    HTTP 200 html → throttled app, uncounted, wait 300 s
    HTTP 200 punish → throttled app, uncounted, wait 300 s
    HTTP 200 no_status → unavailable message
    HTTP 200 no_status → unavailable message
    HTTP 200 errcode_404 → blocked api
    connection_lost → unavailable api
    ");
}

#[tokio::test]
async fn queries_are_in_the_metrics() {
    let metrics = handle();
    let server = Server::for_sends(|_| readers(json!({})));
    let client = Client::new("asking".parse().unwrap(), &app(&server.url(), Secret::given("s"))).unwrap();
    ask(&client, None).await.unwrap();
    let seen = metrics.render();
    assert!(seen.contains(r#"dingtalk_relay_api_calls_total{app="asking",api="query"} 1"#), "{seen}");
}

/// A query never blocks a channel, never doubts whether a message arrived, and stops the app for few reasons only.
fn spares_the_sends(verdict: &Verdict) {
    assert!(!verdict.may_have_arrived, "{verdict:?}");
    assert_ne!(verdict.scope, Scope::Channel, "{verdict:?}");
    if verdict.outcome == Outcome::Unavailable {
        assert_ne!(verdict.scope, Scope::App, "{verdict:?}");
    }
}

/// A page of a message that is in the group.
fn readers(mut fields: Value) -> Reaction {
    fields["sendStatus"] = json!("SUCCESS");
    says(200, fields)
}

async fn ask(client: &Client, next_token: Option<&str>) -> Result<Readers, Verdict> {
    client.query(&group(), "key+/=", next_token, start()).await
}
