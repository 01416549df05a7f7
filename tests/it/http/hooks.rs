//! The webhook port: every answer of the contract (§4), and that nothing is stored but what was accepted.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::Frame;
use serde_json::json;

use crate::http::relay::{AUTHORISED, ONE_FIRING, Relay, ask};
use crate::troubled::Trouble;

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn an_accepted_webhook_is_answered_with_what_was_stored() {
    let relay = Relay::new();

    let answer = relay.post("/hooks/am", ONE_FIRING).await;

    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (202, "application/json"));
    let (said, listed) = (answer.json(), relay.look("/api/v1/deliveries").await.json());
    let stored = &listed["deliveries"][0];
    assert_eq!(said["duplicate"], false);
    assert_eq!(said["event"], stored["event"]);
    assert_eq!(said["deliveries"], json!([{"id": stored["id"], "receiver": "oncall", "state": "queued"}]));
}

#[tokio::test]
async fn a_twin_is_answered_with_the_first_events_ids() {
    let relay = Relay::new();
    let first = relay.post("/hooks/am", ONE_FIRING).await.json();

    let second = relay.post("/hooks/am", ONE_FIRING).await;

    assert_eq!(second.status.as_u16(), 202);
    let second = second.json();
    assert_eq!(second["duplicate"], true);
    assert_eq!((&second["event"], &second["deliveries"]), (&first["event"], &first["deliveries"]));
    assert_eq!(relay.stored().await, 1);
}

#[tokio::test]
async fn a_direct_path_goes_straight_to_its_receiver_even_without_a_route() {
    let mut relay = Relay::new();
    relay.config.route = None;

    let answer = relay.post("/hooks/am/dev", ONE_FIRING).await;

    assert_eq!(answer.status.as_u16(), 202);
    assert_eq!(answer.json()["deliveries"][0]["receiver"], "dev");
    let routed = relay.post("/hooks/am", ONE_FIRING).await;
    assert_eq!(routed.status.as_u16(), 404);
    assert_eq!(routed.json()["detail"], "no route is configured; post straight to /hooks/{source}/{receiver}");
}

#[tokio::test]
async fn the_path_of_prometheus_webhook_dingtalk_answers_ok() {
    let mut relay = Relay::new();

    let answer = relay.post("/dingtalk/dev/send", ONE_FIRING).await;

    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "OK"));
    assert_eq!(relay.post("/hooks/am/dev", ONE_FIRING).await.json()["duplicate"], true);
    assert_eq!(ask(relay.hooks(), "POST", "/dingtalk/dev/send", &[], ONE_FIRING).await.status.as_u16(), 401);
    relay.config.http.dingtalk_path = None;
    assert_eq!(relay.post("/dingtalk/dev/send", ONE_FIRING).await.status.as_u16(), 404);
}

#[tokio::test]
async fn what_is_refused_is_told_why_and_nothing_of_it_is_stored() {
    let relay = Relay::new();
    let wrong = ("authorization", "Bearer opensesam");
    let truncated = &ONE_FIRING[..ONE_FIRING.len() / 2];
    let deep = format!("{{\"alerts\":{}", "[".repeat(100_000));
    let text = ("content-type", "text/plain");
    let zipped = ("content-encoding", "gzip");
    type Case<'c> = (&'c str, &'c str, &'c [(&'c str, &'c str)], &'c [u8], u16);
    let cases: &[Case<'_>] = &[
        ("POST", "/hooks/nobody", &[AUTHORISED], ONE_FIRING.as_bytes(), 404),
        ("GET", "/hooks/nobody", &[], b"", 404),
        ("GET", "/hooks/am", &[], b"", 405),
        ("PUT", "/hooks/am/oncall", &[AUTHORISED], ONE_FIRING.as_bytes(), 405),
        ("POST", "/hooks/am", &[], ONE_FIRING.as_bytes(), 401),
        ("POST", "/hooks/am", &[wrong], ONE_FIRING.as_bytes(), 401),
        ("POST", "/hooks/am", &[wrong, text], b"junk", 401),
        ("POST", "/hooks/am/nobody", &[wrong], ONE_FIRING.as_bytes(), 401),
        ("POST", "/hooks/am/nobody", &[AUTHORISED], ONE_FIRING.as_bytes(), 404),
        ("POST", "/hooks/am", &[AUTHORISED, text], ONE_FIRING.as_bytes(), 415),
        ("POST", "/hooks/am", &[AUTHORISED, JSON, zipped], ONE_FIRING.as_bytes(), 415),
        ("POST", "/hooks/am", &[AUTHORISED, JSON], b"junk", 400),
        ("POST", "/hooks/am", &[AUTHORISED, JSON], b"", 400),
        ("POST", "/hooks/am", &[AUTHORISED, JSON], b"null", 400),
        ("POST", "/hooks/am", &[AUTHORISED, JSON], b"{\"alerts\": \"\xff\"}", 400),
        ("POST", "/hooks/am", &[AUTHORISED, JSON], truncated.as_bytes(), 400),
        ("POST", "/hooks/am", &[AUTHORISED, JSON], deep.as_bytes(), 400),
        ("POST", "/hooks/am/", &[AUTHORISED], ONE_FIRING.as_bytes(), 404),
        ("POST", "/hooks/%FF", &[AUTHORISED], ONE_FIRING.as_bytes(), 404),
        ("POST", "/", &[AUTHORISED], ONE_FIRING.as_bytes(), 404),
        ("POST", "/-/healthy", &[], b"", 405),
    ];
    for (method, path, headers, body, status) in cases {
        let answer = ask(relay.hooks(), method, path, headers, Body::from(body.to_vec())).await;

        let case = format!("{method} {path} {headers:?}: {answer:?}");
        assert_eq!(answer.status.as_u16(), *status, "{case}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{case}");
        let problem = answer.json();
        assert_eq!(problem["status"], *status, "{case}");
        assert!(problem["type"].is_string() && problem["title"].is_string() && problem["detail"].is_string(), "{case}");
        assert_eq!(answer.headers.contains_key("www-authenticate"), *status == 401, "{case}");
        assert!(!answer.headers.contains_key("retry-after"), "{case}");
        let allowed = if path.starts_with("/-/") { "GET, HEAD" } else { "POST" };
        assert_eq!(answer.header("allow"), if *status == 405 { allowed } else { "" }, "{case}");
        assert!(answer.headers.get_all("allow").iter().count() <= 1, "{case}");
    }
    assert_eq!(relay.stored().await, 0);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_whether_it_says_so_or_not() {
    let relay = Relay::new();
    let large = vec![b' '; 5 * 1024 * 1024];
    let unannounced = Body::new(Chunks(large.chunks(64 * 1024).map(Bytes::copy_from_slice).collect()));

    for body in [Body::from(large.clone()), unannounced] {
        let answer = relay.post("/hooks/am", body).await;
        assert_eq!(answer.status.as_u16(), 413);
        assert_eq!(answer.json()["detail"], "a body may have 4194304 bytes (http.max_body)");
    }
    assert_eq!(relay.stored().await, 0);
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read() {
    let mut relay = Relay::new();
    relay.config.http.max_body = ONE_FIRING.len() as u64;
    assert_eq!(relay.post("/hooks/am", ONE_FIRING).await.status.as_u16(), 202);
    relay.config.http.max_body -= 1;
    assert_eq!(relay.post("/hooks/am", ONE_FIRING).await.status.as_u16(), 413);
}

#[tokio::test]
async fn law_2_our_own_trouble_is_never_the_senders_fault() {
    let troubles = [
        (Trouble::QueueFull, "the queue is full (store.max_queued), so it is not stored; send it again"),
        (Trouble::NoRoom, "there is no room left on the disk, so it is not stored; send it again"),
        (Trouble::Unavailable, "the store cannot be asked now, so it is not stored; send it again"),
        (Trouble::StaleEpoch, "the store cannot be asked now, so it is not stored; send it again"),
        (Trouble::Hangs, "it could not be stored in time; send it again"),
    ];
    for (trouble, says) in troubles {
        let mut relay = Relay::new();
        let patience = std::mem::replace(&mut relay.patience.answer, Duration::from_millis(20));
        relay.store.fail(trouble);

        for path in ["/hooks/am", "/hooks/am/dev", "/dingtalk/dev/send"] {
            let answer = relay.post(path, ONE_FIRING).await;

            assert_eq!(answer.status.as_u16(), 503, "{trouble:?}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
            assert!(!answer.text.contains("planted") && answer.text.contains(says), "{}", answer.text);
        }
        relay.patience.answer = patience;
        relay.store.fail(None);
        assert_eq!(relay.post("/hooks/am", ONE_FIRING).await.status.as_u16(), 202, "{trouble:?}");
    }
}

#[tokio::test]
async fn law_2_a_secret_of_ours_that_cannot_be_read_is_not_the_senders_fault() {
    let mut relay = Relay::new();
    let unreadable = dingtalk_relay::config::secret::Secret::in_file("/nowhere/at/all");
    let am = relay.config.sources.values_mut().next().unwrap();
    am.auth = dingtalk_relay::config::Auth::Bearer(unreadable);

    let answer = relay.post("/hooks/am", ONE_FIRING).await;

    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "10"));
}

#[tokio::test]
async fn a_refusal_echoes_nothing() {
    let relay = Relay::new();
    let planted = "{\"version\":\"4\",\"alerts\":\"planted\",\"planted\":1}";

    for path in ["/hooks/am", "/hooks/planted", "/hooks/am/planted", "/planted"] {
        let answer = relay.post(path, planted).await;
        assert!(answer.status.is_client_error());
        assert!(!answer.text.contains("planted"), "{}", answer.text);
    }
}

#[tokio::test]
async fn health_is_the_process_and_readiness_is_the_store() {
    let relay = Relay::new();
    let get = async |path: &str| ask(relay.hooks(), "GET", path, &[], "").await;
    assert_eq!(get("/-/healthy").await.status.as_u16(), 200);
    assert_eq!(get("/-/ready").await.status.as_u16(), 200);

    relay.store.fail(Trouble::NoRoom);
    assert_eq!(get("/-/healthy").await.status.as_u16(), 200);
    assert_eq!(get("/-/ready").await.status.as_u16(), 503);

    relay.store.fail(None);
    relay.readiness.stop();
    let answer = get("/-/ready").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "10"));
    assert_eq!(answer.json()["detail"], "the relay is shutting down");
}

#[tokio::test]
async fn law_2_a_relay_that_stops_asks_the_sender_to_come_again() {
    let relay = Relay::new();
    relay.readiness.stop();
    let answer = relay.post("/hooks/am", ONE_FIRING).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "10"));
}

#[tokio::test]
async fn every_answer_is_counted_and_a_strangers_path_makes_no_label() {
    let relay = Relay::new();
    let scrape = async || ask(relay.admin(), "GET", "/metrics", &[], "").await.text;
    scrape().await;

    relay.post("/hooks/am", ONE_FIRING).await;
    relay.post("/hooks/am", ONE_FIRING).await;
    relay.post("/hooks/am", "junk").await;
    relay.post("/hooks/stranger", ONE_FIRING).await;

    let text = scrape().await;
    for line in [
        "dingtalk_relay_webhooks_total{source=\"am\",code=\"202\"}",
        "dingtalk_relay_webhooks_total{source=\"am\",code=\"400\"}",
        "dingtalk_relay_webhooks_total{source=\"\",code=\"404\"}",
        "dingtalk_relay_duplicates_total{source=\"am\"}",
        "dingtalk_relay_deliveries_total{receiver=\"oncall\",state=\"queued\"}",
        "dingtalk_relay_accept_seconds_bucket{le=\"0.5\"}",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
    assert!(!text.contains("stranger"));
}

/// A body that does not say how long it is.
struct Chunks(VecDeque<Bytes>);

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }
}
