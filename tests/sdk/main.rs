//! DingTalk's official Python SDK as the judge, of two things nobody else can tell us: whether the simulator speaks so
//! that DingTalk's own client understands it, and whether our client asks as DingTalk's own does.
//!
//! Needs Python and the packages of `requirements.txt` in `.venv` in this folder: `scripts/test` sees to both.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(unreachable_pub, reason = "nothing is outside of a test binary")]

mod official;
mod recorder;

use std::time::Duration;

use dingtalk_relay::config;
use dingtalk_relay::dingtalk::Client;
use dingtalk_relay::model::message::{Composed, MsgKey, Target};
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::messages::Moments;
use dingtalk_relay::simulator::{Options, Simulator};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::official::Official;
use crate::recorder::Recorder;

const GROUP: &str = "cidA+/b==";
const MESSAGE: &str = r#"{"title":"磁盘","text":"**磁盘** & \"90 %\" 🔥"}"#;
/// More than one page.
const READERS: usize = 250;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_sdk_understands_the_simulator() {
    let (simulator, recorder) = simulated().await;
    let mut sdk = Sdk::start(&recorder);

    let token = sdk.ok("token", json!({"app_key": "ding-key", "app_secret": "of-the-simulator"}));
    assert_eq!(token["expireIn"], 7200);
    sdk.token = token["accessToken"].as_str().unwrap().to_owned();
    let keys: Vec<_> = [None, Some("COOLAPP-1")].map(|cool_app| sdk.ok("send", message(cool_app))).to_vec();
    let [first, second] = [0, 1].map(|at: usize| keys[at]["processQueryKey"].as_str().unwrap().to_owned());
    let admitted = simulator.messages();
    assert_eq!(admitted.iter().map(|it| &it.process_query_key).collect::<Vec<_>>(), [&first, &second]);
    assert_eq!(admitted[1].cool_app_code.as_deref(), Some("COOLAPP-1"));
    assert_eq!(json!(admitted[0].msg_param), serde_json::from_str::<Value>(MESSAGE).unwrap());

    (0..READERS).for_each(|user| assert!(simulator.read(&first, &format!("user-{user}"))));
    let page = sdk.ok("query", question(&first, None));
    assert_eq!((&page["sendStatus"], page["readUserIds"].as_array().unwrap().len()), (&json!("SUCCESS"), 200));
    assert_eq!(page["hasMore"], true);
    let rest = sdk.ok("query", question(&first, page["nextToken"].as_str()));
    assert_eq!((rest["readUserIds"].as_array().unwrap().len(), rest["hasMore"].as_bool()), (50, Some(false)));

    let recalled = sdk.ok("recall", taking_back(&[&first, "key-of-nobody"]));
    assert_eq!(recalled["successResult"], json!([first]));
    assert!(recalled["failedResult"]["key-of-nobody"].is_string(), "{recalled}");
    assert_eq!(sdk.ok("query", question(&first, None))["sendStatus"], "RECALLED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_sdk_reads_the_simulators_errors() {
    let (simulator, recorder) = simulated().await;
    let mut sdk = Sdk::start(&recorder);
    let credentials = json!({"app_key": "ding-key", "app_secret": "of-the-simulator"});
    sdk.token = sdk.ok("token", credentials.clone())["accessToken"].as_str().unwrap().to_owned();

    simulator.revoke_tokens();
    assert_eq!(sdk.error("send", message(None)), (json!("InvalidAuthentication"), json!(400)));
    for (api, call, asked, status, code) in [
        (Api::Token, "token", credentials, 400, "invalidClientIdOrSecret"),
        (Api::Send, "send", message(None), 400, "send.too.fast"),
        (Api::Send, "send", message(None), 403, "Forbidden.AccessDenied.ApiCountLimitForOrg"),
        (Api::Query, "query", question("k", None), 400, "processQueryKey.expireTime"),
        (Api::Recall, "recall", taking_back(&["k"]), 403, "Forbidden.AccessDenied.AccessTokenPermissionDenied"),
    ] {
        let answer = json!({"status": status, "code": code});
        simulator.fault(api, 1, serde_json::from_value::<Answer>(answer).unwrap());
        assert_eq!(sdk.error(call, asked), (json!(code), json!(status)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_client_asks_as_the_official_sdk_does() {
    let (simulator, recorder) = simulated().await;
    let mut sdk = Sdk::start(&recorder);
    let now = Timestamp::now();

    let ours = client(&recorder);
    ours.authorise(now).await.unwrap();
    let composed = Composed { msg_key: MsgKey::Markdown, msg_param: MESSAGE.to_owned() };
    let key = ours.send(&group(None), &composed, now).await.result.unwrap();
    ours.send(&group(Some("COOLAPP-1")), &composed, now).await.result.unwrap();
    (0..READERS).for_each(|user| assert!(simulator.read(&key, &format!("user-{user}"))));
    let page = ours.query(&group(None), &key, None, now).await.unwrap();
    ours.query(&group(None), &key, page.next.as_deref(), now).await.unwrap();
    let keys = [key.clone(), "key-of-nobody".to_owned()];
    ours.recall(&group(None), &keys, now).await.unwrap();
    let ours = recorder.take();

    // The same token comes back while it is valid, so the requests must not differ in it either.
    sdk.token = sdk.ok("token", json!({"app_key": "ding-key", "app_secret": "of-the-simulator"}))["accessToken"]
        .as_str()
        .unwrap()
        .to_owned();
    sdk.ok("send", message(None));
    sdk.ok("send", message(Some("COOLAPP-1")));
    sdk.ok("query", question(&key, None));
    sdk.ok("query", question(&key, page.next.as_deref()));
    sdk.ok("recall", taking_back(&[&key, "key-of-nobody"]));
    let theirs = recorder.take();

    assert_eq!(ours.len(), 6);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.len(), theirs.len());
}

/// A simulator that knows at once who has read what, and the recorder before it.
async fn simulated() -> (Simulator, Recorder) {
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    let moments = Moments { data_after: Duration::ZERO, success_after: Duration::ZERO, ..Moments::default() };
    let simulator = Simulator::start(Options { moments, ..Options::default() }).await.unwrap();
    let recorder = Recorder::before(&simulator.base_url()).await;
    (simulator, recorder)
}

/// The official SDK with the access token in hand.
struct Sdk {
    official: Official,
    endpoint: String,
    token: String,
}

impl Sdk {
    fn start(recorder: &Recorder) -> Self {
        Self { official: Official::start(), endpoint: recorder.endpoint(), token: String::new() }
    }

    fn call(&mut self, what: &str, mut asked: Value) -> Result<Value, Value> {
        asked["do"] = json!(what);
        asked["endpoint"] = json!(self.endpoint);
        if what != "token" {
            asked["access_token"] = json!(self.token);
        }
        tokio::task::block_in_place(|| self.official.call(&asked))
    }

    fn ok(&mut self, what: &str, asked: Value) -> Value {
        self.call(what, asked).unwrap()
    }

    fn error(&mut self, what: &str, asked: Value) -> (Value, Value) {
        let mut error = self.call(what, asked).unwrap_err();
        (error["code"].take(), error["status"].take())
    }
}

fn message(cool_app_code: Option<&str>) -> Value {
    json!({"robot_code": "ding-robot", "open_conversation_id": GROUP, "cool_app_code": cool_app_code,
           "msg_key": "sampleMarkdown", "msg_param": MESSAGE})
}

fn question(key: &str, next_token: Option<&str>) -> Value {
    json!({"robot_code": "ding-robot", "open_conversation_id": GROUP, "process_query_key": key, "max_results": 200,
           "next_token": next_token})
}

fn taking_back(keys: &[&str]) -> Value {
    json!({"robot_code": "ding-robot", "open_conversation_id": GROUP, "process_query_keys": keys})
}

fn group(cool_app_code: Option<&str>) -> Target {
    Target {
        robot_code: "ding-robot".to_owned(),
        open_conversation_id: GROUP.to_owned(),
        cool_app_code: cool_app_code.map(str::to_owned),
    }
}

fn client(recorder: &Recorder) -> Client {
    let text = format!(
        "apps: {{ ops: {{ base_url: 'http://{}', app_key: ding-key, app_secret: of-the-simulator }} }}",
        recorder.endpoint()
    );
    let config = config::from_text(&text).unwrap();
    Client::new("ops".parse().unwrap(), config.apps.values().next().unwrap()).unwrap()
}
