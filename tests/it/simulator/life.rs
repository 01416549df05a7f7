//! The life of a message after it was admitted: queried, read, recalled.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Answered, Bench, markdown};

#[tokio::test]
async fn a_message_has_no_data_at_first_then_is_processing_then_a_success_and_expires() {
    let bench = Bench::start().await;
    let key = send(&bench, "cid").await;

    let mut told = Vec::new();
    for wait in [0, 999, 1, 999, 1, 24 * 3600 * 1000 - 2001, 1] {
        bench.advance(Duration::from_millis(wait));
        let answer = query(&bench, "cid", &key, json!({})).await;
        told.push(answer.body.get("code").or(answer.body.get("sendStatus")).unwrap().as_str().unwrap().to_owned());
    }

    let gone = "processQueryKey.expireTime";
    assert_eq!(told, [gone, gone, "PROCESSING", "PROCESSING", "SUCCESS", "SUCCESS", gone]);
}

#[tokio::test]
async fn readers_are_told_page_by_page() {
    let bench = Bench::start().await;
    let key = send(&bench, "cid").await;
    for user in ["u1", "u2", "u2", "u3", "u4", "u5"] {
        let read = json!({ "process_query_key": key, "user_id": user });
        assert_eq!(bench.control("POST", "/sim/read", Some(read)).await.status, 200);
    }
    bench.advance(Duration::from_secs(5));

    let first = query(&bench, "cid", &key, json!({ "maxResults": 3 })).await.body;
    let second = query(&bench, "cid", &key, json!({ "maxResults": 3, "nextToken": first["nextToken"] })).await.body;

    assert_eq!((&first["readUserIds"], &first["hasMore"]), (&json!(["u1", "u2", "u3"]), &json!(true)));
    assert_eq!(second, json!({ "sendStatus": "SUCCESS", "readUserIds": ["u4", "u5"], "hasMore": false }));
}

#[tokio::test]
async fn a_cursor_is_good_for_the_message_it_was_given_for_only() {
    let bench = Bench::start().await;
    let (one, two) = (send(&bench, "cid").await, send(&bench, "cid").await);
    for (key, user) in [(&one, "u1"), (&one, "u2"), (&two, "u1"), (&two, "u2")] {
        bench.simulator.read(key, user);
    }
    bench.advance(Duration::from_secs(5));
    let cursor = query(&bench, "cid", &one, json!({ "maxResults": 1 })).await.body["nextToken"].clone();

    for wrong in [cursor, json!("made up"), json!("ff")] {
        let answer = query(&bench, "cid", &two, json!({ "nextToken": wrong })).await;
        assert_eq!((answer.status, answer.code()), (400, "invalidParameter.cursor.invalid"));
    }
}

#[tokio::test]
async fn a_recall_tells_of_every_message_by_itself() {
    let bench = Bench::start().await;
    let (here, elsewhere) = (send(&bench, "cid").await, send(&bench, "another").await);
    bench.advance(Duration::from_secs(5));
    let request = json!({
        "robotCode": "robot", "openConversationId": "cid", "processQueryKeys": [here, elsewhere, "made up"],
    });

    let first = bench.robot("recall", &request).await;
    let again = bench.robot("recall", &request).await;

    assert_eq!(first.status, 200);
    assert_eq!(first.body["successResult"], json!([here]));
    let failed: Vec<&String> = first.body["failedResult"].as_object().unwrap().keys().collect();
    assert_eq!(failed.len(), 2);
    assert_eq!(again.body["successResult"], json!([]), "what is recalled cannot be recalled");
    assert_eq!(query(&bench, "cid", &here, json!({})).await.body["sendStatus"], "RECALLED");
    let shown = bench.control("GET", "/sim/messages", None).await.body;
    assert_eq!((&shown[0]["send_status"], &shown[1]["send_status"]), (&json!("RECALLED"), &json!("SUCCESS")));
}

async fn send(bench: &Bench, conversation: &str) -> String {
    bench.robot("send", &markdown(conversation)).await.body["processQueryKey"].as_str().unwrap().to_owned()
}

async fn query(bench: &Bench, conversation: &str, key: &str, more: Value) -> Answered {
    let mut question = json!({ "robotCode": "robot", "openConversationId": conversation, "processQueryKey": key });
    for (name, value) in more.as_object().unwrap() {
        question[name] = value.clone();
    }
    bench.robot("query", &question).await
}
