//! What a group sees of GitHub: real payloads as the messages DingTalk shows.
//!
//! The snapshots are the messages; whoever changes one reads it as somebody who glances at a phone. A hard break is
//! shown as `␠␠`.

pub mod shown;

use dingtalk_relay::sources::Decoded;
use serde_json::{Value, json};

use crate::github::shown::Bench;

#[test]
fn a_push() {
    insta::assert_snapshot!(page("push"));
}

#[test]
fn a_pull_request_is_opened() {
    insta::assert_snapshot!(page("pull_request"));
}

#[test]
fn an_issue_is_opened() {
    insta::assert_snapshot!(page("issues"));
}

#[test]
fn a_workflow_fails() {
    insta::assert_snapshot!(page("workflow_run"));
}

#[test]
fn a_release_is_published() {
    insta::assert_snapshot!(page("release"));
}

#[test]
fn a_dependency_is_vulnerable() {
    insta::assert_snapshot!(page("dependabot_alert"));
}

#[test]
fn a_star() {
    insta::assert_snapshot!(page("star"));
}

#[test]
fn a_ping_is_not_told() {
    assert!(Bench::new().event("ping", &fixture("ping")).is_none());
}

#[test]
fn a_form_is_told_as_its_json_is() {
    let (bench, payload) = (Bench::new(), fixture("issues"));
    let form =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish();
    let headers = [("x-github-event", "issues"), ("content-type", "application/x-www-form-urlencoded")];
    let Decoded::Event(told) = bench.decode(&headers, form.as_bytes()).unwrap() else { panic!("a ping") };
    assert_eq!(bench.message(&told).text, bench.message(&bench.event("issues", &payload).unwrap()).text);
}

#[test]
fn matchers_see_what_the_contract_names() {
    let mut said = String::new();
    for name in ["push", "pull_request", "issues", "workflow_run", "release", "dependabot_alert", "star"] {
        let event = Bench::new().event(name, &fixture(name)).unwrap();
        said += &format!("{} · {}\n", event.order_key, event.items[0].severity);
        for (fact, value) in &event.facts {
            said += &format!("    {fact}: {value}\n");
        }
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_hostile_text_stays_text_and_a_giant_one_fits() {
    let mut payload = fixture("issues");
    payload["issue"]["title"] = json!("</b> [click](javascript:x) **now** @all\u{202e}");
    payload["issue"]["body"] =
        json!("<script>alert(1)</script>\n\n[the fix](dingtalk://x)\n\n".to_owned() + &"字".repeat(100_000));
    payload["issue"]["html_url"] = json!("javascript:alert(1)");
    payload["sender"]["login"] = json!("mona\n# heading ".repeat(100));
    insta::assert_snapshot!(page_of(&payload, "issues"));
}

fn page(fixture: &str) -> String {
    page_of(&self::fixture(fixture), fixture)
}

/// The message as text: how big it is, its banner, and what the group sees.
fn page_of(payload: &Value, event: &str) -> String {
    let bench = Bench::new();
    let shown = bench.message(&bench.event(event, payload).unwrap());
    format!("{} bytes\nbanner: {}\n\n{}\n", shown.bytes, shown.title, shown.text.replace("  \n", "␠␠\n"))
}

fn fixture(name: &str) -> Value {
    let file = format!("{}/tests/fixtures/github/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}
