//! GitHub's webhooks through the real port: a ping, a push as JSON and as a form, a redelivery, the severity rules.

use reqwest::Body;
use serde_json::{Value, json};

use crate::harness::{World, answer, groups};
use crate::ways_in::{signature, world};

const SOURCES: &str = "
sources:
  gh: { kind: github, secret: s3 }
  strict: { kind: github, secret: s3, severity: { labels: [conclusion], map: { failure: critical } } }
  open: { kind: generic, auth: { none: true } }
route:
  receiver: team
  routes:
    - { matchers: [severity=critical], receiver: oncall }
    - { matchers: [severity=warning], receiver: night }
    - { matchers: [event=star], drop: true }
";

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_is_answered_and_nothing_is_kept() {
    let world = world(SOURCES).await;
    let ping = json!({ "zen": "Design for failure.", "hook_id": 1 }).to_string();
    for id in ["one", "two"] {
        let (status, said) = post(&world, "/hooks/gh", "ping", id, &ping, "application/json").await;
        assert_eq!((status, said), (202, json!({ "event": null, "duplicate": false, "deliveries": [] })));
    }
    assert_eq!(world.look("/api/v1/deliveries").await["deliveries"], json!([]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_githubs_alone_and_a_redelivery_is_a_twin() {
    let world = world(SOURCES).await;
    let issue = issue().to_string();
    let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &issue).finish();
    let forms = "application/x-www-form-urlencoded";

    let (status, first) = post(&world, "/hooks/gh", "issues", "one", &form, forms).await;
    let (_, again) = post(&world, "/hooks/gh", "issues", "one", &form, forms).await;
    let (_, json) = post(&world, "/hooks/gh", "issues", "two", &issue, "application/json").await;

    assert_eq!((status, &first["deliveries"][0]["receiver"]), (202, &json!("team")));
    assert_eq!((&again["duplicate"], &again["event"]), (&json!(true), &first["event"]));
    assert_eq!(json["duplicate"], false);
    assert_eq!(post(&world, "/hooks/open", "issues", "one", &form, forms).await.0, 415);
    let messages = world.simulator.arrived(2).await;
    assert_eq!(groups(&messages), ["cid-team==", "cid-team=="]);
    assert!(messages[0].msg_param["text"].as_str().unwrap().contains("A bug"), "{:?}", messages[0].msg_param);
    assert_eq!(messages[0].msg_param["title"], messages[1].msg_param["title"]);
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sources_map_wins_over_what_we_think_of_an_event() {
    let world = world(SOURCES).await;
    for (source, conclusion, expected) in [
        ("gh", "failure", "night"),
        ("gh", "success", "team"),
        ("strict", "failure", "oncall"),
        ("strict", "timed_out", "night"),
        ("strict", "success", "team"),
    ] {
        let run = json!({ "action": "completed", "repository": { "full_name": "o/r" },
                          "workflow_run": { "id": 1, "name": "CI", "conclusion": conclusion } });
        let id = format!("{source}-{conclusion}");
        let (_, said) =
            post(&world, &format!("/hooks/{source}"), "workflow_run", &id, &run.to_string(), "application/json").await;
        assert_eq!(said["deliveries"][0]["receiver"], expected, "{id}: {said}");
    }
    let (status, dropped) = post(&world, "/hooks/gh", "star", "star", &issue().to_string(), "application/json").await;
    assert_eq!((status, &dropped["deliveries"]), (202, &json!([])));
    assert!(dropped["event"].is_string());
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    world.end().await;
}

fn issue() -> Value {
    json!({ "action": "opened", "issue": { "number": 7, "title": "A bug", "html_url": "https://github.com/o/r/issues/7" },
            "repository": { "full_name": "o/r" }, "sender": { "login": "octocat" } })
}

/// Posts what GitHub would, signed.
async fn post(world: &World, path: &str, event: &str, id: &str, body: &str, content_type: &str) -> (u16, Value) {
    let request = world.http.post(format!("http://{}{path}", world.relay.hooks()));
    let request = request.header("content-type", content_type).header("x-github-event", event);
    let request = request.header("x-github-delivery", id);
    let signed = request.header("x-hub-signature-256", format!("sha256={}", signature("s3", body)));
    answer(signed.body(Body::from(body.to_owned()))).await
}
