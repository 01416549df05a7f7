//! What DingTalk looks at before it takes a call, in which order, and the code of each complaint.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Bench, markdown};

#[tokio::test]
async fn the_checks_of_a_send_come_in_their_order() {
    let bench = Bench::start().await;
    bench.control("POST", "/sim/limits", Some(json!({ "calls_per_month": 1 }))).await;
    let used_up = bench.robot("send", &markdown("cid")).await;
    let token = bench.fetch_token().await.body["accessToken"].as_str().unwrap().to_owned();
    let long = json!({ "text": "x".repeat(15_000) }).to_string();
    // Each row mends what the row above complained of; everything that comes later is still wrong.
    let rows: [(Option<&str>, String, &str); 14] = [
        (None, "nonsense".into(), "AuthenticationFailed.MissingParameter"),
        (Some(""), "nonsense".into(), "AuthenticationFailed.MissingParameter"),
        (Some("made up"), "nonsense".into(), "InvalidAuthentication"),
        (Some(&token), String::new(), "Missingbody"),
        (Some(&token), "[]".into(), "Invalidbody"),
        (Some(&token), "{}".into(), "invalidParameter.robotCode.empty"),
        (Some(&token), json!({ "robotCode": 7 }).to_string(), "invalidParameter.robotCode.invalid"),
        (Some(&token), json!({ "robotCode": "r" }).to_string(), "invalidParameter.msgKey.empty"),
        (Some(&token), with("sampleNothing", json!({})).to_string(), "invalidParameter.msgKey.invalid"),
        (Some(&token), with("sampleMarkdown", json!({})).to_string(), "invalidParameter.msgParam.invalid"),
        (Some(&token), with("sampleMarkdown", json!("[]")).to_string(), "invalidParameter.msgParam.invalid"),
        (Some(&token), with("sampleMarkdown", json!(long)).to_string(), "invalidParameter.msgParam.tooLong"),
        (Some(&token), with("sampleMarkdown", json!("{\"text\":\"t\"}")).to_string(), "miss.param.markdownTotitle"),
        (
            Some(&token),
            with("sampleMarkdown", json!("{\"text\":\"t\",\"title\":\"t\"}")).to_string(),
            "miss.openConversationId",
        ),
    ];

    assert_eq!(used_up.status, 200);
    for (token, body, code) in rows {
        let answer = bench.request("POST", "/v1.0/robot/groupMessages/send", token, Some(body.clone())).await;
        assert_eq!((answer.status, answer.code()), (400, code), "{body}");
        assert!(answer.body["message"].is_string() && answer.body["requestid"].is_string());
    }
    let whole = bench.post("/v1.0/robot/groupMessages/send", Some(&token), &markdown("cid")).await;
    assert_eq!((whole.status, whole.code()), (403, "Forbidden.AccessDenied.ApiCountLimitForOrg"));
    assert_eq!(bench.simulator.messages().len(), 1, "nothing that was refused is kept");
}

#[tokio::test]
async fn every_template_wants_its_fields_and_says_which_is_missing() {
    let bench = Bench::start().await;
    bench.simulator.limits(unlimited());
    let templates: [(&str, &[&str]); 13] = [
        ("sampleText", &["content"]),
        ("sampleMarkdown", &["title", "text"]),
        ("sampleImageMsg", &["photoURL"]),
        ("sampleLink", &["title", "text", "messageUrl"]),
        ("sampleActionCard", &["title", "text", "singleTitle", "singleURL"]),
        ("sampleActionCard2", &["title", "text", "actionTitle1", "actionURL1", "actionTitle2", "actionURL2"]),
        ("sampleActionCard3", &["title", "text", "actionTitle1", "actionURL1", "actionTitle2", "actionURL2"]),
        ("sampleActionCard4", &["title", "text", "actionTitle1", "actionURL1", "actionTitle2", "actionURL2"]),
        ("sampleActionCard5", &["title", "text", "actionTitle1", "actionURL1", "actionTitle2", "actionURL2"]),
        ("sampleActionCard6", &["title", "text", "buttonTitle1", "buttonUrl1", "buttonTitle2", "buttonUrl2"]),
        ("sampleAudio", &["mediaId", "duration"]),
        ("sampleFile", &["mediaId", "fileName", "fileType"]),
        ("sampleVideo", &["duration", "videoMediaId", "videoType"]),
    ];

    let mut told = String::new();
    for (msg_key, names) in templates {
        let names = names.iter().map(|it| (*it).to_owned()).chain(further_buttons(msg_key)).collect::<Vec<_>>();
        let whole: serde_json::Map<String, Value> = names.iter().map(|name| (name.clone(), json!("x"))).collect();
        let admitted = bench.robot("send", &with(msg_key, json!(Value::Object(whole.clone()).to_string()))).await;
        assert_eq!(admitted.code(), "miss.openConversationId", "{msg_key} is whole but for the group");
        for name in names {
            let mut lacking = whole.clone();
            lacking.remove(&name);
            let answer = bench.robot("send", &with(msg_key, json!(Value::Object(lacking).to_string()))).await;
            told += &format!("{msg_key} {name}: {}\n", answer.code());
        }
    }

    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn fifteen_thousand_bytes_fit_and_one_more_does_not() {
    let bench = Bench::start().await;
    // Three bytes each, as a Chinese text has them: bytes are counted, not characters.
    let of = |bytes: usize| {
        let shell = json!({ "title": "t", "text": "" }).to_string().len();
        let text = "警".repeat((bytes - shell) / 3) + &"x".repeat((bytes - shell) % 3);
        let mut message = markdown("cid");
        message["msgParam"] = json!(json!({ "title": "t", "text": text }).to_string());
        message
    };

    assert_eq!(bench.robot("send", &of(15_000)).await.status, 200);
    assert_eq!(bench.robot("send", &of(15_001)).await.code(), "invalidParameter.msgParam.tooLong");
    assert_eq!(bench.simulator.messages()[0].msg_param_bytes, 15_000);
}

#[tokio::test]
async fn a_query_and_a_recall_are_checked_field_by_field() {
    let bench = Bench::start().await;
    bench.simulator.limits(unlimited());
    let key = bench.robot("send", &markdown("cid")).await.body["processQueryKey"].clone();
    let question = |name: &str, value: Value| {
        let mut body = json!({ "robotCode": "robot", "openConversationId": "cid", "processQueryKey": key });
        body[name] = value;
        body
    };
    let recall = |name: &str, value: Value| {
        let mut body = json!({ "robotCode": "robot", "openConversationId": "cid", "processQueryKeys": [key] });
        body[name] = value;
        body
    };
    let rows = [
        ("query", question("robotCode", Value::Null), "invalidParameter.robotCode.missing"),
        ("query", question("processQueryKey", json!("")), "invalidParameter.processQueryKey.missing"),
        ("query", question("processQueryKey", json!("nobody's")), "invalid.processQueryKey"),
        ("query", question("robotCode", json!("another")), "invalid.processQueryKey"),
        ("query", question("openConversationId", json!("another")), "invalid.openConversationId"),
        ("query", question("openConversationId", Value::Null), "openConversationId.notExisted"),
        ("query", question("maxResults", json!(201)), "invalidParameter.pageSize.invalid"),
        ("query", question("maxResults", json!(0)), "invalidParameter.pageSize.invalid"),
        ("query", question("maxResults", json!("5")), "invalidParameter.pageSize.invalid"),
        ("query", question("nextToken", json!(5)), "invalidParameter.cursor.invalid"),
        ("recall", recall("robotCode", Value::Null), "invalidParameter.robotCode.missing"),
        ("recall", recall("processQueryKeys", json!([])), "invalidParameter.processQueryKey.missing"),
        ("recall", recall("processQueryKeys", json!("one")), "invalidParameter.param.invalid"),
        ("recall", recall("processQueryKeys", json!(vec!["k"; 21])), "invalidParameter.param.invalid"),
        ("recall", recall("openConversationId", Value::Null), "miss.openConversationId"),
    ];

    for (call, body, code) in rows {
        let answer = bench.robot(call, &body).await;
        assert_eq!((answer.status, answer.code()), (400, code), "{call} {body}");
    }
}

#[tokio::test]
async fn a_body_in_chunks_is_read_like_one_with_a_length() {
    let bench = Bench::start().await;
    let token = bench.fetch_token().await.body["accessToken"].as_str().unwrap().to_owned();
    let body = markdown("cid").to_string();
    let (first, second) = body.split_at(10);
    let request = format!(
        "POST /v1.0/robot/groupMessages/send HTTP/1.1\r\nhost: x\r\nx-acs-dingtalk-access-token: {token}\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n\
         {:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );

    let mut stream = tokio::net::TcpStream::connect(bench.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();

    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(bench.simulator.messages().len(), 1);
}

/// A send without a group.
fn with(msg_key: &str, msg_param: Value) -> Value {
    json!({ "robotCode": "r", "msgKey": msg_key, "msgParam": msg_param })
}

/// The buttons beyond the second of a card with that many.
fn further_buttons(msg_key: &str) -> Vec<String> {
    let last = match msg_key {
        "sampleActionCard3" => 3,
        "sampleActionCard4" => 4,
        "sampleActionCard5" => 5,
        _ => 2,
    };
    (3..=last).flat_map(|number| [format!("actionTitle{number}"), format!("actionURL{number}")]).collect()
}

fn unlimited() -> dingtalk_relay::simulator::limits::Limits {
    let (messages_per_minute, calls_per_second, calls_per_month) = (0, 0, 0);
    dingtalk_relay::simulator::limits::Limits {
        messages_per_minute,
        calls_per_second,
        calls_per_month,
        ..Default::default()
    }
}
