//! The simulator, driven as a client drives DingTalk: over HTTP, with a clock the test moves.
//!
//! What stands here is the story (a token, a message, what is shown of it) and the harness; `checks`, `strict`, `limits`,
//! `life` and `faults` hold one subject each. The client is reqwest, or bare TCP where the bytes themselves matter.

#![allow(clippy::unwrap_used, reason = "the harness is part of the tests: a failure in it fails them")]

mod checks;
mod faults;
mod life;
mod limits;
mod moderated;
mod strict;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use dingtalk_relay::simulator::faults::Api;
use dingtalk_relay::simulator::{Options, Simulator};
use jiff::Timestamp;
use serde_json::{Value, json};

#[tokio::test]
async fn an_admitted_message_is_shown_under_the_contracts_names() {
    let bench = Bench::start().await;
    let mut message = markdown("cid/one+two==");
    message["coolAppCode"] = json!("COOLAPP-1");

    let sent = bench.robot("send", &message).await;

    let mut shown = bench.control("GET", "/sim/messages", None).await.body;
    assert_eq!(sent.status, 200);
    assert_eq!(shown[0]["process_query_key"], sent.body["processQueryKey"]);
    shown[0]["process_query_key"] = json!("[key]");
    insta::assert_json_snapshot!(shown, @r#"
    [
      {
        "at": "2026-03-01T00:00:00Z",
        "cool_app_code": "COOLAPP-1",
        "msg_key": "sampleMarkdown",
        "msg_param": {
          "text": "**hello**",
          "title": "hello"
        },
        "msg_param_bytes": 36,
        "open_conversation_id": "cid/one+two==",
        "process_query_key": "[key]",
        "robot_code": "robot",
        "send_status": "PROCESSING"
      }
    ]
    "#);
}

#[tokio::test]
async fn whoever_waits_for_messages_finds_them_in_order() {
    let bench = Bench::start().await;
    let conversations = ["cid1", "cid2", "cid3"];

    let send = async {
        for conversation in conversations {
            bench.robot("send", &markdown(conversation)).await;
        }
    };
    let (arrived, ()) = tokio::join!(bench.simulator.arrived(3), send);

    let to: Vec<&str> = arrived.iter().map(|message| message.open_conversation_id.as_str()).collect();
    let keys: std::collections::BTreeSet<&str> = arrived.iter().map(|it| it.process_query_key.as_str()).collect();
    assert_eq!(to, conversations);
    assert_eq!(keys.len(), 3, "every message has a key of its own");
}

#[tokio::test]
async fn every_call_is_logged_with_what_it_drew() {
    let bench = Bench::start().await;
    bench.robot("send", &markdown("cid")).await;
    bench.post("/v1.0/robot/groupMessages/send", None, &markdown("cid")).await;
    bench.post("/v1.0/robot/oToMessages/batchSend", None, &json!({})).await;

    let calls = bench.control("GET", "/sim/calls", None).await.body;

    let lines: Vec<String> =
        calls.as_array().unwrap().iter().map(|it| format!("{} {} {}", it["api"], it["status"], it["code"])).collect();
    assert_eq!(
        lines,
        [
            r#""token" 200 null"#,
            r#""send" 200 null"#,
            r#""send" 400 "AuthenticationFailed.MissingParameter""#,
            "null 200 null",
        ]
    );
    assert_eq!(bench.simulator.count(Api::Send), 2, "refused calls are counted too");
}

#[tokio::test]
async fn a_path_that_is_not_simulated_draws_a_success_that_is_none() {
    let bench = Bench::start().await;

    let posted = bench.post("/v1.0/robot/privateChatMessages/send", None, &json!({})).await;
    let got = bench.request("GET", "/v1.0/robot/groupMessages/send", None, None).await;

    for answer in [posted, got] {
        assert_eq!((answer.status, &answer.body["errcode"]), (200, &json!(404)));
    }
}

#[tokio::test]
async fn a_valid_token_is_given_again_and_renewed() {
    let bench = Bench::start().await;
    let first = bench.fetch_token().await;

    bench.advance(Duration::from_secs(7000));
    let second = bench.fetch_token().await;
    bench.advance(Duration::from_secs(7199));

    assert_eq!(first.body, second.body);
    assert_eq!(first.body["expireIn"], 7200);
    assert_eq!(bench.send_with(&second, "cid").await.status, 200, "it was renewed");
    bench.advance(Duration::from_secs(1));
    assert_eq!(bench.send_with(&second, "cid").await.code(), "InvalidAuthentication", "it has expired");
    assert_ne!(bench.fetch_token().await.body["accessToken"], second.body["accessToken"]);
}

#[tokio::test]
async fn a_revoked_token_is_refused_and_a_new_one_works() {
    let bench = Bench::start().await;
    let first = bench.fetch_token().await;

    bench.control("POST", "/sim/tokens/revoke", None).await;
    let refused = bench.send_with(&first, "cid").await;
    let second = bench.fetch_token().await;

    assert_eq!((refused.status, refused.code()), (400, "InvalidAuthentication"));
    assert_eq!(bench.send_with(&second, "cid").await.status, 200);
}

#[tokio::test]
async fn a_token_lives_as_long_as_it_was_told_to() {
    let bench = Bench::start().await;
    bench.control("POST", "/sim/limits", Some(json!({ "token_lifetime": "30s" }))).await;

    let token = bench.fetch_token().await;
    bench.advance(Duration::from_secs(30));

    assert_eq!(token.body["expireIn"], 30);
    assert_eq!(bench.send_with(&token, "cid").await.code(), "InvalidAuthentication");
}

#[tokio::test]
async fn a_third_party_app_gets_another_token_every_time_and_all_of_them_work() {
    let bench = Bench::start().await;
    let request = json!({ "suiteKey": "suite", "suiteSecret": "s", "authCorpId": "corp", "suiteTicket": "ticket" });

    let first = bench.post("/v1.0/oauth2/corpAccessToken", None, &request).await;
    let second = bench.post("/v1.0/oauth2/corpAccessToken", None, &request).await;

    assert_ne!(first.body["accessToken"], second.body["accessToken"]);
    for token in [first, second] {
        assert_eq!(bench.send_with(&token, "cid").await.status, 200);
    }
}

#[tokio::test]
async fn a_wrong_control_request_says_what_is_wrong() {
    let bench = Bench::start().await;
    let wrong = [
        ("/sim/faults", r#"{"api":"sned","times":1,"answer":{"kind":"html"}}"#),
        ("/sim/faults", r#"{"api":"send","times":1,"answer":{"kind":"htlm"}}"#),
        ("/sim/faults", r#"{"api":"send","times":1,"answer":{"status":400}}"#),
        ("/sim/faults", r#"{"api":"send","times":1,"answer":{"status":99,"code":"x"}}"#),
        ("/sim/faults", r#"{"api":"send","times":1,"answer":{"kind":"hang","code":"x"}}"#),
        ("/sim/limits", r#"{"per_minute":1}"#),
        ("/sim/limits", r#"{"penalty":"soon"}"#),
        ("/sim/limits", ""),
        ("/sim/moderation", r#"{"contains":"evil.example"}"#),
        ("/sim/moderation", r#"{"code":"contain.unsafe.url","says":"evil.example"}"#),
        ("/sim/read", r#"{"process_query_key":"none","user_id":"u"}"#),
    ];

    let mut told = String::new();
    for (path, body) in wrong {
        let answer = bench.request("POST", path, None, Some(body.to_owned())).await;
        assert_eq!(answer.status, 400, "{body}");
        told += &format!("{path} {body}\n  {}\n", answer.body["error"].as_str().unwrap());
    }

    insta::assert_snapshot!(told);
    assert_eq!(bench.control("GET", "/sim/nothing", None).await.status, 404);
    assert_eq!(bench.control("GET", "/sim", None).await.status, 405);
}

#[tokio::test]
async fn everything_is_forgotten_on_request() {
    let bench = Bench::start().await;
    bench.robot("send", &markdown("cid")).await;
    bench.control("POST", "/sim/limits", Some(json!({ "messages_per_minute": 1 }))).await;
    bench.simulator.fault(Api::Send, 3, dingtalk_relay::simulator::faults::Answer::EmptyOk);

    bench.control("DELETE", "/sim", None).await;

    assert_eq!(bench.control("GET", "/sim/messages", None).await.body, json!([]));
    assert_eq!(bench.control("GET", "/sim/calls", None).await.body, json!([]));
    assert_eq!(bench.control("GET", "/sim/faults", None).await.body, json!([]));
    assert_eq!(bench.control("GET", "/sim/limits", None).await.body["messages_per_minute"], 20);
    assert_eq!(bench.simulator.count(Api::Send), 0);
    bench.robot("send", &markdown("cid")).await;
    assert_eq!(bench.simulator.arrived(1).await.len(), 1);
}

#[tokio::test]
async fn a_simulator_that_is_dropped_is_gone() {
    let bench = Bench::start().await;
    let address = bench.address();
    drop(bench);

    // The port closes when the runtime next turns to the accepting task.
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_served_simulator_ends_with_its_shutdown() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async move { drop(stopped.await) };

    let serving = tokio::spawn(dingtalk_relay::simulator::serve(listener, Options::default(), shutdown));
    stop.send(()).unwrap();

    serving.await.unwrap().unwrap();
}

/// A simulator, a client and a clock that only the test moves.
struct Bench {
    simulator: Simulator,
    client: reqwest::Client,
    millis: Arc<AtomicI64>,
}

/// What came back.
struct Answered {
    status: u16,
    body: Value,
}

impl Answered {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_else(|| panic!("no code in {} {}", self.status, self.body))
    }
}

impl Bench {
    async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let begin: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        let millis = Arc::new(AtomicI64::new(begin.as_millisecond()));
        let hands = millis.clone();
        let clock = Arc::new(move || Timestamp::from_millisecond(hands.load(Ordering::SeqCst)).unwrap());
        let mut options = Options { clock, ..Options::default() };
        change(&mut options);
        let simulator = Simulator::start(options).await.unwrap();
        Self { simulator, client: client(), millis }
    }

    fn advance(&self, by: Duration) {
        self.millis.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    fn address(&self) -> String {
        self.simulator.base_url().replace("http://", "")
    }

    async fn fetch_token(&self) -> Answered {
        self.post("/v1.0/oauth2/accessToken", None, &json!({ "appKey": "key", "appSecret": "secret" })).await
    }

    /// One of the robot's calls, with a token fetched for it.
    async fn robot(&self, call: &str, body: &Value) -> Answered {
        let token = self.fetch_token().await.body["accessToken"].as_str().unwrap().to_owned();
        self.post(&format!("/v1.0/robot/groupMessages/{call}"), Some(&token), body).await
    }

    async fn send_with(&self, token: &Answered, conversation: &str) -> Answered {
        let token = token.body["accessToken"].as_str().unwrap();
        self.post("/v1.0/robot/groupMessages/send", Some(token), &markdown(conversation)).await
    }

    async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answered {
        self.request("POST", path, token, Some(body.to_string())).await
    }

    async fn control(&self, method: &str, path: &str, body: Option<Value>) -> Answered {
        self.request(method, path, None, body.map(|body| body.to_string())).await
    }

    async fn request(&self, method: &str, path: &str, token: Option<&str>, body: Option<String>) -> Answered {
        let answer = self.raw(method, path, token, body).send().await.unwrap();
        Answered { status: answer.status().as_u16(), body: answer.json().await.unwrap() }
    }

    fn raw(&self, method: &str, path: &str, token: Option<&str>, body: Option<String>) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.simulator.base_url());
        let mut request = self.client.request(method.parse().unwrap(), url);
        if let Some(token) = token {
            request = request.header("x-acs-dingtalk-access-token", token);
        }
        request.body(body.unwrap_or_default())
    }
}

fn client() -> reqwest::Client {
    // reqwest was built without a TLS provider of its own; whoever comes first in this process installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

fn markdown(conversation: &str) -> Value {
    json!({
        "robotCode": "robot",
        "openConversationId": conversation,
        "msgKey": "sampleMarkdown",
        "msgParam": json!({ "title": "hello", "text": "**hello**" }).to_string(),
    })
}
