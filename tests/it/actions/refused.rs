//! What is refused, with which status, and what is said: the state things are in, and what would be right.

use dingtalk_relay::model::delivery::State;
use serde_json::Value;

use crate::http::relay::{Answer, ONE_FIRING, OPERATOR, Relay, ask};
use crate::troubled::Trouble;

async fn command(relay: &Relay, path: &str, body: &str) -> Answer {
    ask(relay.admin(), "POST", path, &[OPERATOR], body.to_owned()).await
}

/// What was said no to, in the form of a problem; with its status.
async fn refused(relay: &Relay, path: &str, body: &str) -> (u16, String) {
    let answer = command(relay, path, body).await;
    assert_eq!(answer.header("content-type"), "application/problem+json", "{path}: {answer:?}");
    (answer.status.as_u16(), answer.json()["detail"].as_str().unwrap().to_owned())
}

/// A relay with one queued delivery of `oncall`; its id. Nothing sends.
async fn relay_with_one() -> (Relay, String) {
    let relay = Relay::new();
    let accepted = relay.post("/hooks/am", ONE_FIRING).await.json();
    let id = accepted["deliveries"][0]["id"].as_str().unwrap().to_owned();
    (relay, id)
}

#[tokio::test]
async fn a_wrong_state_is_409_and_says_which_it_is() {
    let (relay, id) = relay_with_one().await;
    let (redrive, cancel) = (format!("/api/v1/deliveries/{id}/redrive"), format!("/api/v1/deliveries/{id}/cancel"));
    let mut said = vec![];
    let mut say = |what: &str, (status, detail): (u16, String)| said.push(format!("{what}: {status} {detail}"));

    say("redrive of a queued one", refused(&relay, &redrive, "").await);
    say("the same to another receiver", refused(&relay, &redrive, r#"{"to":"dev"}"#).await);
    say("the same to its own", refused(&relay, &redrive, r#"{"to":"oncall"}"#).await);
    relay.claim_one().await;
    say("cancel of a sending one", refused(&relay, &cancel, "").await);
    say("redrive of a sending one", refused(&relay, &redrive, r#"{"to":"dev"}"#).await);

    let (relay, id) = relay_with_one().await;
    let (redrive, cancel) = (format!("/api/v1/deliveries/{id}/redrive"), format!("/api/v1/deliveries/{id}/cancel"));
    assert_eq!(command(&relay, &cancel, "").await.json()["state"], "cancelled");
    say("cancel of a cancelled one", refused(&relay, &cancel, "").await);
    let over = command(&relay, &redrive, r#"{"to":"dev"}"#).await.json();
    let successor = over["id"].as_str().unwrap();
    command(&relay, &format!("/api/v1/deliveries/{successor}/redrive"), r#"{"to":"oncall"}"#).await;
    let (status, detail) = refused(&relay, &format!("/api/v1/deliveries/{successor}/redrive"), "").await;
    let third = relay.look(&format!("/api/v1/deliveries/{successor}")).await.json()["handed_to"].clone();
    say("redrive of one that was handed over", (status, detail.replace(third.as_str().unwrap(), "[id]")));

    insta::assert_snapshot!(said.join("\n"), @r"
    redrive of a queued one: 409 it is queued: it waits for its turn and needs no redrive; while its lane does not flow, it can be redriven to another receiver with `to`
    the same to another receiver: 409 it is queued and its lane flows, so it goes by itself; to send it elsewhere, cancel it and redrive it with `to`, or pause the lane
    the same to its own: 409 it is queued: it waits for its turn and needs no redrive; while its lane does not flow, it can be redriven to another receiver with `to`
    cancel of a sending one: 409 it is sending: the call is under way; look again when it has its answer
    redrive of a sending one: 409 it is sending: the call is under way; look again when it has its answer
    cancel of a cancelled one: 409 it is cancelled already
    redrive of one that was handed over: 409 it is handed over: what goes on is the delivery [id]
    ");
}

#[tokio::test]
async fn what_does_not_exist_is_404_or_named_with_what_does() {
    let (relay, id) = relay_with_one().await;
    for path in ["/api/v1/deliveries/nobody/redrive", "/api/v1/deliveries/%FF/cancel"] {
        assert_eq!(refused(&relay, path, "").await, (404, "no delivery has this id".into()));
    }
    let unknown = "no such receiver: did you mean `oncall`? there are `oncall`, `dev`".to_owned();
    let redrive = format!("/api/v1/deliveries/{id}/redrive");
    assert_eq!(refused(&relay, &redrive, r#"{"to":"oncal"}"#).await, (400, format!("`to`: {unknown}")));
    for path in ["/api/v1/lanes/oncal/pause", "/api/v1/lanes/oncal/resume", "/api/v1/deliveries/cancel?receiver=oncal"]
    {
        assert_eq!(refused(&relay, path, "").await, (404, unknown.clone()), "{path}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_understood_is_400_and_not_echoed() {
    let (relay, id) = relay_with_one().await;
    let redrive = format!("/api/v1/deliveries/{id}/redrive");
    let (pause, cancel) = ("/api/v1/lanes/oncall/pause", "/api/v1/deliveries/cancel?receiver=oncall");
    for (path, body) in [
        (redrive.as_str(), r#"{"to": planted}"#),
        (&redrive, r#"{"two": "planted"}"#),
        (&redrive, r#"["planted"]"#),
        (&redrive, r#"{"to": {"planted": 1}}"#),
        ("/api/v1/deliveries/redrive?receiver=oncall", "planted"),
        (cancel, r#"{"to": "planted"}"#),
        (pause, r#"{"for": 3600}"#),
        (pause, r#"{"for": "planted"}"#),
        (pause, r#"{"for": "0s"}"#),
        (pause, r#"{"for": "8d"}"#),
        (pause, r#"{"until": "planted"}"#),
        ("/api/v1/lanes/oncall/resume", r#"{"planted": 1}"#),
        (pause, &format!("\"{}\"", "planted ".repeat(4000))),
    ] {
        let (status, detail) = refused(&relay, path, body).await;
        assert_eq!(status, 400, "{path} {body:.60}: {detail}");
        assert!(!detail.contains("planted"), "{detail}");
    }
    let detail = refused(&relay, &redrive, "{\"to\":\n  planted}").await.1;
    let says =
        r#"the body must be empty or JSON such as {"to": "team"}; what begins at line 2, column 3 is something else"#;
    assert_eq!(detail, says);
    assert_eq!(command(&relay, &redrive, " \n").await.status.as_u16(), 409, "an empty body is fine");
}

#[tokio::test]
async fn an_action_on_many_wants_to_know_on_which() {
    let (relay, _id) = relay_with_one().await;
    let states =
        "state must be dead or cancelled; queued only together with receiver and `to`, to hand over what waits there";
    let filters = "say which: at least one of receiver, state and before";
    let to = r#"{"to":"dev"}"#;
    for (path, body, status, says) in [
        ("redrive", "", 400, filters),
        ("cancel?dry_run=true", "", 400, filters),
        ("cancel?receiver=&state=", "", 400, filters),
        ("redrive?reciever=oncall", "", 400, "the parameters are receiver, state, before, dry_run, each at most once"),
        ("cancel?state=dead", "", 400, "state must be queued: nothing else can be cancelled"),
        ("redrive?state=delivered", "", 400, states),
        ("redrive?state=queued&receiver=oncall", "", 400, states),
        ("redrive?state=queued", to, 400, states),
        ("redrive?state=sending&receiver=oncall", to, 400, states),
        ("redrive?state=dead", r#"{"to":"night"}"#, 400, "`to`: no such receiver: there are `oncall`, `dev`"),
    ] {
        let path = format!("/api/v1/deliveries/{path}");
        assert_eq!(refused(&relay, &path, body).await, (status, says.to_owned()), "{path}");
    }
    let (status, detail) = refused(&relay, "/api/v1/deliveries/redrive?state=queued&receiver=oncall", to).await;
    assert!(status == 409 && detail.contains("its lane flows"), "{status} {detail}");
    assert_eq!(relay.look("/api/v1/deliveries?state=queued").await.json()["deliveries"].as_array().unwrap().len(), 1);
    command(&relay, "/api/v1/lanes/oncall/pause", "").await;
    let over = command(&relay, "/api/v1/deliveries/redrive?state=queued&receiver=oncall", to).await;
    assert_eq!(over.json()["count"], 1, "a paused lane does not flow");
}

#[tokio::test]
async fn only_a_post_of_our_own_does_anything() {
    let (relay, id) = relay_with_one().await;
    for path in [
        "/api/v1/deliveries/redrive".to_owned(),
        "/api/v1/deliveries/cancel".to_owned(),
        format!("/api/v1/deliveries/{id}/redrive"),
        format!("/api/v1/deliveries/{id}/cancel"),
        "/api/v1/lanes/oncall/pause".to_owned(),
        "/api/v1/lanes/oncall/resume".to_owned(),
    ] {
        for method in ["GET", "DELETE"] {
            let answer = ask(relay.admin(), method, &path, &[OPERATOR], "").await;
            assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"), "{method} {path}");
        }
        let foreign = [OPERATOR, ("host", "relay"), ("origin", "http://evil.example")];
        assert_eq!(ask(relay.admin(), "POST", &path, &foreign, "").await.status.as_u16(), 403, "{path}");
        assert_eq!(ask(relay.admin(), "POST", &path, &[("host", "relay")], "").await.status.as_u16(), 401, "{path}");
    }
    let all: Value = relay.look(&format!("/api/v1/deliveries/{id}")).await.json();
    assert_eq!(all["state"], State::Queued.as_str());
}

#[tokio::test]
async fn a_store_that_will_not_is_our_own_fault() {
    let (relay, id) = relay_with_one().await;
    relay.store.fail(Trouble::Unavailable);
    for path in [format!("/api/v1/deliveries/{id}/cancel"), "/api/v1/lanes/oncall/pause".to_owned()] {
        let (status, detail) = refused(&relay, &path, "").await;
        assert_eq!((status, detail.as_str()), (503, "the store cannot be asked now"), "{path}");
    }
}
