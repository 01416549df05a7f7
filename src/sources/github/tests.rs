//! What decoding makes of headers and bodies; what whole payloads come to is in `tests/it/github` and `tests/github`.

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::*;
use crate::model::event::Severity;

fn decoded(headers: &[(&'static str, &str)], body: &[u8]) -> Result<Decoded, BadBody> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_str(value).unwrap());
    }
    decode(&"github".parse().unwrap(), &map, body, Timestamp::UNIX_EPOCH)
}

fn event(name: &str, payload: &Value) -> Event {
    let body = payload.to_string();
    match decoded(&[("x-github-event", name), ("x-github-delivery", "72d3162e")], body.as_bytes()).unwrap() {
        Decoded::Event(event) => event,
        Decoded::Ping => panic!("a ping"),
    }
}

/// The payload, in a repository and by somebody.
fn in_repo(mut payload: Value) -> Value {
    payload["repository"] =
        json!({"full_name": "octo/repo", "name": "repo", "html_url": "https://github.com/octo/repo"});
    payload["sender"] = json!({"login": "mona", "type": "User"});
    payload
}

fn form(body: &[u8]) -> Result<Decoded, BadBody> {
    decoded(&[("x-github-event", "star"), ("content-type", "Application/x-www-form-urlencoded; charset=utf-8")], body)
}

#[test]
fn a_refusal_says_where_and_never_repeats_the_body() {
    let star = [("x-github-event", "star")];
    let said = |refused: Result<Decoded, BadBody>| refused.unwrap_err().to_string();
    assert_eq!(said(decoded(&[], b"{}")), "X-GitHub-Event: this header is missing");
    assert_eq!(said(decoded(&[("x-github-event", " ")], b"{}")), "X-GitHub-Event: this header is missing");
    assert_eq!(said(decoded(&star, b"{\"hunter2\":")), ".: the JSON ends too early");
    assert_eq!(said(decoded(&star, b"hunter2")), ".: expected JSON; it breaks at line 1, column 1");
    assert_eq!(said(decoded(&star, b"[\"hunter2\"]")), ".: expected a JSON object");
    assert_eq!(said(decoded(&star, &b"{\"a\":".repeat(500))), ".: expected JSON; it breaks at line 1, column 636");
    assert_eq!(said(form(b"hunter2=1")), "payload: this form field is missing");
    assert_eq!(said(form(b"payload=hunter2")), "payload: expected JSON; it breaks at line 1, column 1");
}

#[test]
fn a_form_says_what_its_payload_says() {
    let payload = in_repo(json!({"action": "created", "note": "a+b & c=d 支付"})).to_string();
    let body: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload).finish();
    let Decoded::Event(event) = form(body.as_bytes()).unwrap() else { panic!("a ping") };
    assert_eq!(event.title, "octo/repo: starred by mona");
}

#[test]
fn a_ping_is_no_event() {
    assert!(matches!(decoded(&[("x-github-event", "ping")], b"{\"zen\":\"Speak like a human.\"}"), Ok(Decoded::Ping)));
}

#[test]
fn the_id_of_the_delivery_tells_twins_and_without_one_the_body_does() {
    let key = |headers: &[(&'static str, &str)], body: &[u8]| match decoded(headers, body).unwrap() {
        Decoded::Event(event) => event.dedup_key,
        Decoded::Ping => panic!("a ping"),
    };
    assert_eq!(key(&[("x-github-event", "star"), ("x-github-delivery", "72d3162e")], b"{}"), "72d3162e");
    let nameless = [("x-github-event", "star")];
    assert_eq!(key(&nameless, b"{}"), key(&nameless, b"{}"));
    assert_ne!(key(&nameless, b"{}"), key(&nameless, b"{ }"));
}

#[test]
fn an_event_nobody_has_heard_of_is_readable() {
    let payload =
        in_repo(json!({"action": "frobnicated", "quantum_gate": {"id": 7, "name": "Hadamard", "title": "A gate",
        "body": "It **spins**.", "html_url": "https://github.com/octo/repo/gates/7"}}));
    let event = event("quantum_gate", &payload);
    assert_eq!(event.title, "octo/repo: quantum gate Hadamard frobnicated by mona");
    assert_eq!(event.order_key, "octo/repo/quantum_gate/7");
    assert_eq!(event.url.as_deref(), Some("https://github.com/octo/repo/gates/7"));
    assert_eq!(event.items[0].annotations["summary"], "A gate");
}

#[test]
fn a_payload_that_says_nothing_still_has_a_title() {
    assert_eq!(event("deploy_key", &json!({})).title, "GitHub: deploy key");
    assert_eq!(event("push", &json!({"ref": 7, "commits": "none"})).title, "GitHub: branch 7 pushed");
    for nonsense in
        [json!({"action": {}, "issue": [], "repository": "x"}), json!({"sender": null, "issue": {"title": {}}})]
    {
        assert_eq!(event("issues", &nonsense).title, "GitHub: issue");
    }
}

#[test]
fn a_title_is_told_even_where_the_repository_is_called_alike() {
    let event = event("issues", &in_repo(json!({"action": "closed", "issue": {"number": 1, "title": "repo"}})));
    assert_eq!(event.items[0].annotations["summary"], "repo");
}

#[test]
fn only_web_addresses_are_taken() {
    let release = json!({"html_url": "javascript:alert(1)", "tag_name": "v1"});
    let event = event("release", &in_repo(json!({"action": "published", "release": release})));
    assert_eq!(event.url.as_deref(), Some("https://github.com/octo/repo"));
}

#[test]
fn what_belongs_together_stays_in_order() {
    let key = |name: &str, payload: Value| event(name, &in_repo(payload)).order_key;
    let issue = json!({"number": 12});
    assert_eq!(key("issues", json!({"issue": issue})), "octo/repo#12");
    assert_eq!(key("issue_comment", json!({"issue": issue, "comment": {"id": 5}})), "octo/repo#12");
    let pull = json!({"number": 3, "base": {"ref": "main"}});
    assert_eq!(key("pull_request_review", json!({"pull_request": pull, "review": {"id": 1}})), "octo/repo#3");
    assert_eq!(key("push", json!({"ref": "refs/heads/main"})), "octo/repo@refs/heads/main");
    assert_eq!(key("delete", json!({"ref": "main", "ref_type": "branch"})), "octo/repo@refs/heads/main");
    assert_eq!(key("workflow_job", json!({"workflow_job": {"id": 2, "run_id": 123}})), "octo/repo/run/123");
    assert_eq!(key("workflow_run", json!({"workflow_run": {"id": 123}})), "octo/repo/run/123");
    assert_eq!(
        key("deployment_status", json!({"deployment": {"id": 4}, "deployment_status": {"id": 9}})),
        "octo/repo/deployment/4"
    );
    assert_eq!(key("dependabot_alert", json!({"alert": {"number": 12}})), "octo/repo/dependabot_alert/12");
    assert_eq!(key("star", json!({})), "octo/repo/star");
}

#[test]
fn a_push_says_what_was_pushed_where() {
    let commits = |n: usize| {
        vec![
            json!({"id": "6113728f27ae82c7b1a177c8d03f9e96e0adf246", "message": "Fix it\n\nReally.", "author": {"username": "ada"}});
            n
        ]
    };
    let pushed = |more: Value| {
        let mut payload = json!({"ref": "refs/heads/main", "commits": []});
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event("push", &in_repo(payload))
    };
    let title = |more: Value| pushed(more).title;
    assert_eq!(title(json!({"commits": commits(1)})), "octo/repo: 1 commit pushed to main by mona");
    assert_eq!(
        title(json!({"commits": commits(3), "forced": true})),
        "octo/repo: 3 commits force-pushed to main by mona"
    );
    assert_eq!(title(json!({"created": true})), "octo/repo: branch main created by mona");
    assert_eq!(title(json!({"deleted": true})), "octo/repo: branch main deleted by mona");
    assert_eq!(title(json!({"ref": "refs/tags/v1", "commits": commits(1)})), "octo/repo: tag v1 pushed by mona");
    let text = &pushed(json!({"commits": commits(7)})).items[0].annotations["description"];
    assert_eq!(text.lines().next(), Some("6113728 Fix it (ada)"));
    assert_eq!((text.lines().count(), text.lines().last()), (6, Some("… +2")));
}

#[test]
fn matchers_see_a_tag_or_a_branch_and_never_both() {
    let facts = |name: &str, payload: Value| event(name, &in_repo(payload)).facts;
    let tag = facts("push", json!({"ref": "refs/tags/v1"}));
    assert_eq!((tag.get("tag").map(String::as_str), tag.get("branch")), (Some("v1"), None));
    let branch = facts("push", json!({"ref": "refs/heads/feature/x"}));
    assert_eq!((branch.get("branch").map(String::as_str), branch.get("tag")), (Some("feature/x"), None));
    let created = facts("create", json!({"ref": "v2", "ref_type": "tag"}));
    assert_eq!((created.get("tag").map(String::as_str), created.get("branch")), (Some("v2"), None));
}

#[test]
fn a_run_is_of_the_branch_it_runs_on_unless_it_is_for_a_pull_request() {
    let branches = |run: Value| {
        let facts = event("workflow_run", &in_repo(json!({"workflow_run": run}))).facts;
        ["branch", "head_branch"].map(|name| facts.get(name).cloned().unwrap_or_default())
    };
    assert_eq!(branches(json!({"event": "push", "head_branch": "main"})), ["main", "main"]);
    let pulls = json!([{"base": {"ref": "main"}}]);
    assert_eq!(branches(json!({"event": "pull_request", "head_branch": "x", "pull_requests": pulls})), ["main", "x"]);
    // A pull request from a fork: its base is not said, and its own `main` is not ours.
    assert_eq!(branches(json!({"event": "pull_request", "head_branch": "main", "pull_requests": []})), ["", "main"]);
}

#[test]
fn a_fact_the_payload_does_not_have_is_absent() {
    let facts = event("issues", &in_repo(json!({"action": "", "issue": {"number": 1, "state": null}}))).facts;
    assert_eq!(facts.keys().collect::<Vec<_>>(), ["event", "number", "repo", "sender", "sender_type"]);
}

#[test]
fn what_failed_is_a_warning_and_only_what_is_critical_is_critical() {
    use Severity::{Critical, Info, Warning};
    let run = |conclusion: &str| json!({"action": "completed", "workflow_run": {"conclusion": conclusion}});
    let alert = |action: &str, severity: &str| json!({"action": action, "alert": {"security_advisory": {"severity": severity}}});
    for (name, payload, severity) in [
        ("workflow_run", run("failure"), Warning),
        ("workflow_run", run("timed_out"), Warning),
        ("workflow_run", run("startup_failure"), Warning),
        ("workflow_run", run("success"), Info),
        ("workflow_run", run("cancelled"), Info),
        ("deployment_status", json!({"action": "created", "deployment_status": {"state": "error"}}), Warning),
        ("status", json!({"state": "failure"}), Warning),
        ("status", json!({"state": "success"}), Info),
        ("dependabot_alert", alert("created", "critical"), Critical),
        ("dependabot_alert", alert("created", "high"), Warning),
        ("dependabot_alert", alert("created", "low"), Info),
        ("dependabot_alert", alert("reopened", "critical"), Critical),
        ("dependabot_alert", alert("fixed", "critical"), Info),
        ("dependabot_alert", alert("auto_dismissed", "critical"), Info),
        ("secret_scanning_alert", json!({"action": "created", "alert": {"number": 1}}), Critical),
        ("secret_scanning_alert", json!({"action": "resolved", "alert": {"number": 1}}), Info),
        (
            "code_scanning_alert",
            json!({"action": "created", "alert": {"rule": {"severity": "error", "security_severity_level": "critical"}}}),
            Critical,
        ),
        ("code_scanning_alert", json!({"action": "created", "alert": {"rule": {"severity": "error"}}}), Warning),
        ("issues", json!({"action": "opened"}), Info),
    ] {
        assert_eq!(event(name, &in_repo(payload.clone())).items[0].severity, severity, "{name} {payload}");
    }
}
