//! Asking about a message that never was: what goes over the wire, and what every code says of the robot and the group
//! that were named with it.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use dingtalk_relay::dingtalk::codes::codes;
use dingtalk_relay::model::outcome::{Outcome, Scope};
use serde_json::json;

use crate::dingtalk::server::{Server, fails, grants, says};
use crate::dingtalk::{client, group, line, start};

#[tokio::test]
async fn a_knock_is_a_query_with_a_key_that_no_message_can_have() {
    let server = Server::for_sends(|_| fails(400, "invalid.processQueryKey"));
    client(&server).knock(&group(), start()).await.unwrap();

    let call = server.calls().into_iter().find(|call| !call.is_for_a_token()).unwrap();
    assert_eq!(call.head[0], "POST /v1.0/robot/groupMessages/query HTTP/1.1");
    insta::assert_snapshot!(call.body, @r#"{"robotCode":"ding-robot","openConversationId":"cidA+/b==","processQueryKey":"dingtalk-relay-check-online","maxResults":1}"#);
}

#[tokio::test]
async fn a_page_of_readers_is_no_objection_either() {
    let server = Server::for_sends(|_| says(200, json!({"sendStatus": "PROCESSING"})));
    client(&server).knock(&group(), start()).await.unwrap();
}

#[tokio::test]
async fn what_every_code_says_of_robot_and_group() {
    let next = Arc::new(Mutex::new((0, "")));
    let script = next.clone();
    let server = Server::start(move |call| match *script.lock().unwrap() {
        _ if call.is_for_a_token() => grants("token"),
        (status, code) => fails(status, code),
    });
    let client = client(&server);
    let documented = codes().filter(|row| ["any", "query", "send+query"].contains(&row.api));
    let documented = documented.filter_map(|row| Some((row.http_status?, row.code)));
    let mut seen = String::new();
    for (status, code) in documented.chain([(400, "brand.new.code"), (403, "brand.new.code"), (404, "brand.new.code")])
    {
        *next.lock().unwrap() = (status, code);
        let Err(verdict) = client.knock(&group(), start()).await else {
            writeln!(seen, "HTTP {status} {code} → no objection").unwrap();
            continue;
        };
        assert!(!verdict.may_have_arrived && verdict.outcome != Outcome::Refused, "{verdict:?}");
        // A complaint of a message that never was says nothing of the group, and is told so.
        let is_doubtful = (verdict.outcome, verdict.scope) == (Outcome::Unavailable, Scope::Message);
        assert_eq!(verdict.hint.contains("made-up message"), is_doubtful, "{verdict:?}");
        writeln!(seen, "{}", line(&verdict)).unwrap();
    }
    insta::assert_snapshot!(seen);
}
