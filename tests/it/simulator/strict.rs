//! `--strict`: a list of what exists, and what is said to whoever names something else.

use std::path::Path;

use dingtalk_relay::simulator::strict::Strict;
use serde_json::json;

use super::{Bench, markdown};

const LIST: &str = "
apps:
- app_key: key
  app_secret: right
  robots:
  - { robot_code: robot, groups: [cid1] }
- app_key: other
  app_secret: right
  robots:
  - { robot_code: stranger, groups: [cid2] }
";

#[tokio::test]
async fn only_what_the_list_holds_exists() {
    let bench = strict_bench().await;
    let token = bench.post("/v1.0/oauth2/accessToken", None, &json!({ "appKey": "key", "appSecret": "right" })).await;
    let token = token.body["accessToken"].as_str().unwrap();

    for (robot, conversation, code) in [
        ("nobody", "cid1", "invalidParameter.robotCode.notExsit"),
        ("stranger", "cid2", "invalidParameter.robotCode.auth"),
        ("robot", "cid2", "invalidParameter.robotCode.notExsit"),
        ("robot", "cid3", "invalid.openConversationId"),
    ] {
        let mut message = markdown(conversation);
        message["robotCode"] = json!(robot);
        let answer = bench.post("/v1.0/robot/groupMessages/send", Some(token), &message).await;
        assert_eq!((answer.status, answer.code()), (400, code), "{robot} into {conversation}");
    }
    let admitted = bench.post("/v1.0/robot/groupMessages/send", Some(token), &markdown("cid1")).await;
    assert_eq!(admitted.status, 200);
}

#[tokio::test]
async fn only_an_app_of_the_list_gets_a_token() {
    let bench = strict_bench().await;

    for (path, request, code) in [
        ("accessToken", json!({ "appKey": "key", "appSecret": "wrong" }), "invalidClientIdOrSecret"),
        ("accessToken", json!({ "appKey": "nobody", "appSecret": "right" }), "invalidClientIdOrSecret"),
        ("accessToken", json!({ "appKey": "key" }), "invalidClientIdOrSecret"),
        ("corpAccessToken", json!({ "suiteKey": "key", "suiteSecret": "wrong" }), "invalidSuiteKey"),
        ("corpAccessToken", json!({ "suiteKey": "key", "suiteSecret": "right" }), "invalidAuthInfo"),
        (
            "corpAccessToken",
            json!({ "suiteKey": "key", "suiteSecret": "right", "authCorpId": "corp" }),
            "invalidSuiteTicket",
        ),
    ] {
        let answer = bench.post(&format!("/v1.0/oauth2/{path}"), None, &request).await;
        assert_eq!((answer.status, answer.code()), (400, code), "{request}");
    }
}

#[test]
fn a_list_in_json_is_read_like_one_in_yaml() {
    let folder = tempfile::tempdir().unwrap();
    let list = json!({ "apps": [{ "app_key": "key", "app_secret": "right", "robots": [{ "robot_code": "robot" }] }] });

    let strict = Strict::load(&written(folder.path(), "list.json", &list.to_string())).unwrap();

    assert_eq!(strict.apps[0].robots[0].robot_code, "robot");
    assert!(!format!("{strict:?}").contains("right"), "not even a made-up secret is printable");
}

#[test]
fn a_list_that_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let twice = r#"{"apps": [{"app_key": "k", "app_secret": "s"}, {"app_key": "k", "app_secret": "t"}]}"#;
    let lists = [
        ("none.yaml", "apps: []"),
        ("secretless.yaml", "apps: [{ app_key: key }]"),
        ("unknown.json", r#"{"apps": [], "robots": []}"#),
        ("twice.json", twice),
        ("nameless.yaml", "apps: [{ app_key: k, app_secret: s, robots: [{ robot_code: '' }] }]"),
        ("torn.yaml", "apps: ["),
    ];

    let mut told = String::new();
    for (name, text) in lists {
        let error = Strict::load(&written(folder.path(), name, text)).unwrap_err();
        told += &format!("{error}\n");
    }
    told += &format!("{}\n", Strict::load(&folder.path().join("gone.yaml")).unwrap_err());

    insta::assert_snapshot!(told.replace(&folder.path().display().to_string(), "…"));
}

async fn strict_bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let strict = Strict::load(&written(folder.path(), "list.yaml", LIST)).unwrap();
    Bench::start_with(|options| options.strict = Some(strict)).await
}

fn written(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
