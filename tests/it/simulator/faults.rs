//! Faults on request: each kind as a client meets it, and what was kept of the message.

use std::time::Duration;

use dingtalk_relay::simulator::faults::{Answer, Api};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Bench, client, markdown};

const SEND: &str = "/v1.0/robot/groupMessages/send";

#[tokio::test]
async fn the_next_calls_draw_the_fault_and_the_one_after_them_does_not() {
    let bench = Bench::start().await;
    order(&bench, json!({ "status": 400, "code": "send.too.fast" }), 2).await;
    order(&bench, json!({ "status": 403, "code": "Forbidden.AccessDenied.AccessTokenPermissionDenied" }), 1).await;

    let first = bench.robot("send", &markdown("cid")).await;
    let second = bench.robot("send", &markdown("cid")).await;
    let third = bench.robot("send", &markdown("cid")).await;
    let fourth = bench.robot("send", &markdown("cid")).await;

    assert_eq!((first.status, first.code()), (400, "send.too.fast"));
    assert_eq!((second.status, second.code()), (400, "send.too.fast"));
    assert_eq!(third.status, 403);
    assert_eq!(third.body["accessdenieddetail"]["requiredScopes"], json!(["qyapi_robot_sendmsg"]));
    assert_eq!(fourth.status, 200);
    assert_eq!(bench.simulator.messages().len(), 1);
}

#[tokio::test]
async fn a_fault_of_one_api_leaves_the_others_alone() {
    let bench = Bench::start().await;
    bench.simulator.fault(Api::Query, 1, Answer::code(500, "system.error"));
    bench.simulator.fault(Api::Token, 1, Answer::code(400, "invalidClientIdOrSecret"));

    let token = bench.fetch_token().await;
    let sent = bench.robot("send", &markdown("cid")).await;
    let queried = bench.robot("query", &json!({})).await;

    assert_eq!(token.code(), "invalidClientIdOrSecret");
    assert_eq!(sent.status, 200);
    assert_eq!((queried.status, queried.code()), (500, "system.error"));
}

#[tokio::test]
async fn a_success_can_be_a_failure() {
    let bench = Bench::start().await;
    for (kind, body) in [
        ("punish", json!({ "status": 1111, "punish": "deny" })),
        ("empty_ok", json!({})),
        ("errcode_404", json!({ "errcode": 404, "errmsg": "this path does not exist" })),
    ] {
        order(&bench, json!({ "kind": kind }), 1).await;
        let answer = bench.robot("send", &markdown("cid")).await;
        assert_eq!((answer.status, answer.body), (200, body), "{kind}");
    }
    assert!(bench.simulator.messages().is_empty());
}

#[tokio::test]
async fn a_gateway_answers_with_a_page() {
    let bench = Bench::start().await;
    order(&bench, json!({ "kind": "html" }), 1).await;
    order(&bench, json!({ "kind": "html", "status": 500 }), 1).await;

    for status in [502, 500] {
        let answer = post(&bench).send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
        assert!(answer.text().await.unwrap().starts_with("<html>"));
    }
}

#[tokio::test]
async fn a_redirect_leads_to_where_following_it_shows() {
    let bench = Bench::start().await;
    order(&bench, json!({ "kind": "redirect" }), 2).await;

    let answer = post(&bench).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let calls = |bench: &Bench| bench.simulator.calls().iter().map(|call| call.path.clone()).collect::<Vec<_>>();
    assert_eq!(calls(&bench), [SEND], "it was not followed");

    let follower = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}{SEND}", bench.simulator.base_url());
    follower.post(url).header("x-acs-dingtalk-access-token", "secret").send().await.unwrap();
    assert_eq!(calls(&bench), [SEND, SEND, "/v1.0/redirected"]);
    assert!(bench.simulator.calls()[2].with_token, "a client that follows gives its token away");
}

#[tokio::test]
async fn a_hanging_call_is_answered_by_nothing_but_the_clients_own_timeout() {
    let bench = Bench::start().await;
    order(&bench, json!({ "kind": "hang" }), 1).await;

    let error = post(&bench).timeout(Duration::from_secs(1)).send().await.unwrap_err();

    assert!(error.is_timeout(), "{error:?}");
    assert!(bench.simulator.messages().is_empty());
    assert_eq!(bench.simulator.calls()[0].status, None);
}

#[tokio::test]
async fn a_dripping_answer_begins_and_never_ends() {
    let bench = Bench::start().await;
    order(&bench, json!({ "kind": "drip" }), 1).await;

    let mut answer = post(&bench).timeout(Duration::from_secs(1)).send().await.unwrap();
    let first = answer.chunk().await.unwrap().unwrap();
    let error = loop {
        match answer.chunk().await {
            Ok(chunk) => assert_eq!(chunk.unwrap().as_ref(), b" "),
            Err(error) => break error,
        }
    };

    assert_eq!((answer.status().as_u16(), first.as_ref()), (200, b"{".as_slice()));
    assert!(error.is_timeout(), "{error:?}");
}

#[tokio::test]
async fn a_reset_before_keeps_nothing_and_a_reset_after_keeps_the_message() {
    let bench = Bench::start().await;
    let token = bench.fetch_token().await.body["accessToken"].as_str().unwrap().to_owned();
    order(&bench, json!({ "kind": "reset_before" }), 1).await;
    order(&bench, json!({ "kind": "reset_after" }), 1).await;

    for kept in [0, 1] {
        let body = markdown("cid").to_string();
        let length = body.len();
        let request = format!(
            "POST {SEND} HTTP/1.1\r\nhost: x\r\nx-acs-dingtalk-access-token: {token}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let mut stream = tokio::net::TcpStream::connect(bench.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let error = stream.read_to_end(&mut answer).await.unwrap_err();

        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(answer, b"", "not a byte was written");
        assert_eq!(bench.simulator.messages().len(), kept);
    }
    assert_eq!(bench.robot("send", &markdown("cid")).await.status, 200, "it lives on");
}

#[tokio::test]
async fn half_an_answer_comes_of_a_call_that_was_served() {
    let bench = Bench::start().await;
    let token = bench.fetch_token().await.body["accessToken"].as_str().unwrap().to_owned();
    order(&bench, json!({ "kind": "half" }), 1).await;

    let mut answer = post(&bench).header("x-acs-dingtalk-access-token", token).send().await.unwrap();
    let first = answer.chunk().await.unwrap().unwrap();
    let error = answer.chunk().await.unwrap_err();

    assert_eq!((answer.status().as_u16(), first.as_ref()), (200, br#"{"processQueryKey":""#.as_slice()));
    assert!(!error.is_timeout(), "{error:?}");
    assert_eq!(bench.simulator.messages().len(), 1, "and the message is kept");
}

#[tokio::test]
async fn a_reset_after_does_not_keep_what_is_refused() {
    let bench = Bench::start().await;
    bench.simulator.fault(Api::Send, 1, Answer::ResetAfter);

    client().post(format!("{}{SEND}", bench.simulator.base_url())).send().await.unwrap_err();

    assert!(bench.simulator.messages().is_empty(), "it came without a token");
}

#[tokio::test]
async fn a_reset_spares_the_other_connections() {
    let bench = Bench::start().await;
    let other = client();
    let url = format!("{}/sim/messages", bench.simulator.base_url());
    other.get(&url).send().await.unwrap().bytes().await.unwrap();
    bench.simulator.fault(Api::Send, 1, Answer::ResetBefore);

    post(&bench).send().await.unwrap_err();

    assert_eq!(other.get(&url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_faults_that_wait_are_shown_as_they_were_ordered() {
    let bench = Bench::start().await;
    let orders: Vec<Value> = [
        json!({ "status": 400, "code": "group.disbanded" }),
        json!({ "kind": "html", "status": 500 }),
        json!({ "kind": "punish" }),
        json!({ "kind": "empty_ok" }),
        json!({ "kind": "errcode_404" }),
        json!({ "kind": "hang" }),
        json!({ "kind": "reset_before" }),
        json!({ "kind": "reset_after" }),
        json!({ "kind": "redirect" }),
        json!({ "kind": "drip" }),
        json!({ "kind": "half" }),
    ]
    .into_iter()
    .map(|answer| json!({ "api": "recall", "times": 3, "answer": answer }))
    .collect();

    for fault in &orders {
        bench.control("POST", "/sim/faults", Some(fault.clone())).await;
    }

    assert_eq!(bench.control("GET", "/sim/faults", None).await.body, json!(orders));
}

#[tokio::test]
async fn what_is_ordered_can_be_called_off_and_nothing_else_is_forgotten() {
    let bench = Bench::start().await;
    order(&bench, json!({ "kind": "html" }), 3).await;
    assert_eq!(post(&bench).send().await.unwrap().status(), 502);

    assert_eq!(bench.control("DELETE", "/sim/faults", None).await.body, json!([]));

    assert_eq!(bench.control("GET", "/sim/faults", None).await.body, json!([]));
    assert_ne!(post(&bench).send().await.unwrap().status(), 502);
    assert_eq!(bench.control("GET", "/sim/calls", None).await.body.as_array().unwrap().len(), 2);
}

async fn order(bench: &Bench, answer: Value, times: u32) {
    let ordered = json!({ "api": "send", "times": times, "answer": answer });
    assert_eq!(bench.control("POST", "/sim/faults", Some(ordered)).await.status, 200);
}

/// A send without a token: a fault is drawn before anything is looked at.
fn post(bench: &Bench) -> reqwest::RequestBuilder {
    bench.raw("POST", SEND, None, Some(markdown("cid").to_string()))
}
