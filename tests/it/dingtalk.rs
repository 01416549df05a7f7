//! The client against a server that answers as a test wants it: what goes over the wire, what every answer means,
//! and what the access token costs. Real sockets; times are arguments, so two hours pass at once.

#![allow(clippy::unwrap_used)]

mod knock;
mod query;
mod recall;
mod server;
mod token;

use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dingtalk_relay::config;
use dingtalk_relay::config::secret::Secret;
use dingtalk_relay::dingtalk::Client;
use dingtalk_relay::dingtalk::codes::codes;
use dingtalk_relay::model::language::Language;
use dingtalk_relay::model::message::{Composed, MsgKey, Target};
use dingtalk_relay::model::outcome::{Outcome, Verdict};
use dingtalk_relay::telemetry::metrics::handle;
use jiff::{Timestamp, ToSpan};
use serde_json::json;

use crate::dingtalk::server::{Reaction, Server, admits, fails, grants, page, says};
use crate::harness::nowhere::Nowhere;

#[tokio::test]
async fn a_send_looks_on_the_wire_as_the_official_sdk_writes_it() {
    let server = Server::for_sends(|_| admits());
    let client = client(&server);

    let key = client.send(&group(), &message(), start()).await.result.unwrap();
    let installed = Target { cool_app_code: Some("COOLAPP-1".into()), ..group() };
    client.send(&installed, &message(), start()).await.result.unwrap();

    assert_eq!(key, "key-1");
    let mut seen = String::new();
    for call in server.calls() {
        let host = format!("host: {}", server.address);
        let head = call.head.iter().map(|line| if *line == host { "host: HOST" } else { line });
        writeln!(seen, "{}\n\n{}\n", head.collect::<Vec<_>>().join("\n"), call.body).unwrap();
    }
    insta::assert_snapshot!(seen.replace(env!("CARGO_PKG_VERSION"), "VERSION"), @r#"
    POST /v1.0/oauth2/accessToken HTTP/1.1
    accept: application/json
    content-type: application/json; charset=utf-8
    user-agent: dingtalk-relay/VERSION
    host: HOST
    content-length: 46

    {"appKey":"ding-key","appSecret":"the-secret"}

    POST /v1.0/robot/groupMessages/send HTTP/1.1
    accept: application/json
    content-type: application/json; charset=utf-8
    x-acs-dingtalk-access-token: token-1
    user-agent: dingtalk-relay/VERSION
    host: HOST
    content-length: 160

    {"robotCode":"ding-robot","openConversationId":"cidA+/b==","msgKey":"sampleMarkdown","msgParam":"{\"title\":\"磁盘\",\"text\":\"**磁盘** & \\\"90 %\\\"\"}"}

    POST /v1.0/robot/groupMessages/send HTTP/1.1
    accept: application/json
    content-type: application/json; charset=utf-8
    x-acs-dingtalk-access-token: token-1
    user-agent: dingtalk-relay/VERSION
    host: HOST
    content-length: 186

    {"robotCode":"ding-robot","openConversationId":"cidA+/b==","msgKey":"sampleMarkdown","msgParam":"{\"title\":\"磁盘\",\"text\":\"**磁盘** & \\\"90 %\\\"\"}","coolAppCode":"COOLAPP-1"}
    "#);
}

#[tokio::test]
async fn every_code_of_the_table_has_its_outcome() {
    let next = Arc::new(Mutex::new((0, "", false)));
    let script = next.clone();
    let server = Server::start(move |call| match *script.lock().unwrap() {
        (status, code, true) if call.is_for_a_token() => fails(status, code),
        _ if call.is_for_a_token() => grants("token"),
        (status, code, _) => fails(status, code),
    });
    let at_work = client(&server);
    let mut seen = String::new();
    for row in codes() {
        let Some(status) = row.http_status else { continue };
        *next.lock().unwrap() = (status, row.code, row.api == "token");
        // What DingTalk says to a token call needs a client without a token.
        let client = if row.api == "token" { &client(&server) } else { &at_work };
        let verdict = client.send(&group(), &message(), start()).await.result.unwrap_err();
        assert_eq!(verdict.code, row.code);
        // What is documented for queries alone is not believed when it would let a message die.
        let believed = row.api != "query" || verdict.outcome.as_str() == row.class.as_str();
        assert_eq!(verdict.hint.starts_with(row.hint(Language::En)), believed, "{verdict:?}");
        writeln!(seen, "{}", line(&verdict)).unwrap();
    }
    insta::assert_snapshot!(seen);
}

#[tokio::test]
async fn what_the_table_does_not_know_gets_a_safe_class() {
    let answers: &[Script] = &[
        || fails(400, "brand.new.code"),
        || fails(400, "not a <code>"),
        || fails(400, "openConversationId.notExisted"),
        || fails(400, "timeout"),
        || says(400, json!({"Code": "SEND.TOO.FAST", "Message": "", "RequestId": ""})),
        || fails(403, "Forbidden.AccessDenied.QpsLimitForSomethingNew"),
        || fails(403, "Forbidden.AccessDenied.QpmLimitForSomethingNew"),
        || fails(403, "Forbidden.AccessDenied.ApiCountLimitForSomethingNew"),
        || fails(403, "Forbidden.AccessDenied.SomethingNew"),
        || fails(401, "brand.new.code"),
        || fails(404, "brand.new.code"),
        || fails(408, "brand.new.code"),
        || fails(429, "brand.new.code"),
        || Reaction::Answer(429, "retry-after: 7\r\n", String::new()),
        || fails(500, "brand.new.code"),
        || Reaction::Answer(503, "retry-after: 30\r\n", String::new()),
        || page(502),
        || page(200),
        || page(405),
        || page(404),
        || says(200, json!({"status": 1111, "punish": "deny"})),
        || says(200, json!({})),
        || says(200, json!({"processQueryKey": ""})),
        || says(200, json!({"processQueryKey": 7})),
        || says(200, json!({"errcode": 404, "errmsg": "no such path"})),
        || says(200, json!({"code": "group.disbanded"})),
        || Reaction::Answer(200, "", "ok".into()),
        || Reaction::Answer(200, "", format!("{{\"a\":\"{}\"}}", "x".repeat(70_000))),
    ];
    let mut seen = String::new();
    for answer in answers {
        let server = Server::for_sends(|_| answer());
        let verdict = client(&server).send(&group(), &message(), start()).await.result.unwrap_err();
        writeln!(seen, "{}", line(&verdict)).unwrap();
    }
    insta::assert_snapshot!(seen);
}

#[tokio::test]
async fn what_could_not_be_connected_has_not_arrived_and_does_not_count() {
    let nowhere = Nowhere::taken();
    for (base, expected) in [
        (format!("http://{}", nowhere.address), "connect → unavailable app, uncounted"),
        (format!("https://{}", server::speaks_no_tls()), "tls → unavailable app, uncounted"),
    ] {
        let verdict = client_at(&base, Secret::given("s")).authorise(start()).await.unwrap_err();
        assert_eq!(line(&verdict), expected, "{}", verdict.hint);
    }
}

#[tokio::test]
async fn what_was_cut_off_may_have_arrived() {
    let reactions: [(Script, &str); 3] = [
        (|| Reaction::Hang, "timeout → unavailable message, may have arrived"),
        (|| Reaction::Drip, "HTTP 200 timeout → unavailable message, may have arrived"),
        (|| Reaction::Close, "connection_lost → unavailable message, may have arrived"),
    ];
    for (react, expected) in reactions {
        let server = Server::for_sends(move |_| react());
        let app = config::App { timeout: TIMEOUT, ..app(&server.url(), Secret::given("s")) };
        let client = Client::new("ops".parse().unwrap(), &app).unwrap();
        let answer = client.send(&group(), &message(), start()).await;
        assert_eq!(line(&answer.result.unwrap_err()), expected);
        assert!(answer.took < TIMEOUT * 10, "{:?}", answer.took);
        assert_eq!(server.counts(), (1, 1), "a call is made once");
    }
}

#[tokio::test]
async fn a_redirect_is_never_followed_so_the_token_stays_here() {
    let elsewhere = Server::for_sends(|_| admits());
    let location = format!("content-length: 0\r\nlocation: http://{}/\r\n", elsewhere.address);
    for status in [301, 302, 303, 307, 308] {
        let headers: &'static str = location.clone().leak();
        let server = Server::for_sends(move |_| Reaction::Answer(status, headers, String::new()));
        let verdict = client(&server).send(&group(), &message(), start()).await.result.unwrap_err();
        assert_eq!(line(&verdict), format!("HTTP {status} redirect → blocked app"));
    }
    assert_eq!(elsewhere.counts(), (0, 0));
}

#[tokio::test]
async fn a_token_call_blocks_or_delays_the_app_and_refuses_nothing() {
    let answers: [(Script, &str); 6] = [
        (|| fails(400, "brand.new.code"), "HTTP 400 brand.new.code → blocked app, uncounted"),
        (
            || fails(400, "invalidParameter.param.invalid"),
            "HTTP 400 invalidParameter.param.invalid → blocked app, uncounted",
        ),
        (|| fails(400, "InvalidAuthentication"), "HTTP 400 InvalidAuthentication → blocked app, uncounted"),
        (|| Reaction::Answer(400, "", String::new()), "HTTP 400 http_400 → blocked app, uncounted"),
        (|| says(200, json!({"accessToken": "t"})), "HTTP 200 no_token → unavailable app, uncounted"),
        (|| says(200, json!({"accessToken": "a\nb", "expireIn": 9})), "HTTP 200 no_token → unavailable app, uncounted"),
    ];
    for (answer, expected) in answers {
        let server = Server::start(move |_| answer());
        let verdict = client(&server).authorise(start()).await.unwrap_err();
        assert_eq!(line(&verdict), expected);
    }
}

#[tokio::test]
async fn every_call_is_in_the_metrics() {
    let metrics = handle();
    let server = Server::for_sends(|call| match call.before {
        0 => fails(400, "InvalidAuthentication"),
        _ => admits(),
    });
    let client = Client::new("measured".parse().unwrap(), &app(&server.url(), Secret::given("s"))).unwrap();
    client.send(&group(), &message(), start()).await.result.unwrap();
    let seen = metrics.render();
    for line in [
        r#"dingtalk_relay_api_calls_total{app="measured",api="token"} 2"#,
        r#"dingtalk_relay_api_calls_total{app="measured",api="send"} 2"#,
        r#"dingtalk_relay_token_refreshes_total{app="measured",result="ok"} 2"#,
    ] {
        assert!(seen.lines().any(|seen| seen == line), "{line} is not in\n{seen}");
    }
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let detail = json!({"requiredScopes": ["qyapi_robot_sendmsg", "<b>"]});
    let code = "Forbidden.AccessDenied.AccessTokenPermissionDenied";
    let server = Server::for_sends(move |_| says(403, json!({"code": code, "accessdenieddetail": detail})));
    let verdict = client(&server).send(&group(), &message(), start()).await.result.unwrap_err();
    assert!(verdict.hint.ends_with("It asks for: qyapi_robot_sendmsg."), "{}", verdict.hint);
}

#[tokio::test]
async fn no_secret_is_shown_whatever_dingtalk_answers() {
    let echo = |text: &str| json!({"code": text, "message": text, "requestid": text, "accessToken": text});
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    // While there is one subscriber only, tracing asks that of whichever thread comes to a log line first, and other
    // tests, which have none, would switch our lines off. So there are two.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let mut shown = String::new();
    for status in [200, 302, 400, 403, 500] {
        let server = Server::start(move |call| match (call.is_for_a_token(), call.before) {
            (true, 0) => grants("PLANTED token"),
            (true, _) => says(status, echo("PLANTED secret")),
            (false, 0) => fails(400, "InvalidAuthentication"),
            (false, _) => says(status, echo("PLANTED token")),
        });
        let client = client_at(&server.url(), Secret::given("PLANTED secret"));
        for seconds in [0, 6600, 7200] {
            let now = start() + seconds.seconds();
            write!(shown, "{:?} {:?}", client.send(&group(), &message(), now).await, client.authorise(now).await)
                .unwrap();
        }
        write!(shown, "{client:?} {:?}", app(&server.url(), Secret::given("PLANTED secret"))).unwrap();
    }
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("call send was answered with HTTP 400, request id R-1"), "{logged}");
    assert!(!shown.contains("PLANTED"), "{shown}");
    assert!(!logged.contains("PLANTED"), "{logged}");
}

type Script = fn() -> Reaction;

/// Of the calls that are meant to be cut off.
const TIMEOUT: Duration = Duration::from_secs(1);

fn start() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn group() -> Target {
    Target { robot_code: "ding-robot".into(), open_conversation_id: "cidA+/b==".into(), cool_app_code: None }
}

fn message() -> Composed {
    Composed { msg_key: MsgKey::Markdown, msg_param: r#"{"title":"磁盘","text":"**磁盘** & \"90 %\""}"#.into() }
}

fn client(server: &Server) -> Client {
    client_at(&server.url(), Secret::given("the-secret"))
}

fn client_at(base: &str, secret: Secret) -> Client {
    Client::new("ops".parse().unwrap(), &app(base, secret)).unwrap()
}

fn app(base: &str, app_secret: Secret) -> config::App {
    config::App {
        organisation: "default".parse().unwrap(),
        region: None,
        base_url: base.parse().unwrap(),
        app_key: "ding-key".into(),
        app_secret,
        robot_code: "ding-robot".into(),
        timeout: Duration::from_secs(30),
        calls_per_second: NonZeroU32::MIN,
    }
}

/// A verdict in one line; the hint is left out.
fn line(verdict: &Verdict) -> String {
    assert_ne!(verdict.outcome, Outcome::Sent);
    let status = verdict.http_status.map(|status| format!("HTTP {status} ")).unwrap_or_default();
    let scope = format!("{:?}", verdict.scope).to_lowercase();
    let mut line = format!("{status}{} → {} {scope}", verdict.code, verdict.outcome);
    if verdict.may_have_arrived {
        line += ", may have arrived";
    }
    if verdict.uncounted {
        line += ", uncounted";
    }
    if let Some(wait) = verdict.retry_after {
        write!(line, ", wait {} s", wait.as_secs()).unwrap();
    }
    line
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
