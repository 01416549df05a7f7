//! Sources whose senders sign the body: to a stranger they say 401 and nothing else, and nothing of his is stored.

use std::time::Duration;

use axum::body::Body;
use dingtalk_relay::config::secret::Secret;
use dingtalk_relay::config::{Auth, SeverityRules, Source, SourceKind};
use dingtalk_relay::model::event::Severity;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::http::relay::{AUTHORISED, Answer, Relay, ask, name};

const SECRET: &str = "It's a Secret to Everybody";
const BODY: &str = r#"{"title":"deployed","app":"api"}"#;
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn a_signed_body_is_accepted_with_and_without_the_prefix() {
    let relay = relay();
    for (prefix, duplicate) in [("", false), ("sha256=", true)] {
        let answer = post(&relay, "/hooks/deploys", &format!("{prefix}{}", signature(BODY)), &[], BODY).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["duplicate"]), (202, &duplicate.into()), "{answer:?}");
    }
    assert_eq!(relay.stored().await, 1);
}

#[tokio::test]
async fn one_flipped_bit_of_body_or_signature_is_401_and_nothing_is_stored() {
    let relay = relay();
    for at in 0..BODY.len() {
        for bit in [0, 6] {
            let mut body = BODY.as_bytes().to_vec();
            body[at] ^= 1 << bit;
            let answer = post(&relay, "/hooks/deploys", &signature(BODY), &[], body).await;
            assert_eq!(answer.status.as_u16(), 401, "byte {at}, bit {bit}");
        }
    }
    let right = signature(BODY);
    for at in 0..right.len() {
        let other = if &right[at..=at] == "0" { "8" } else { "0" };
        let wrong = format!("{}{other}{}", &right[..at], &right[at + 1..]);
        let answer = post(&relay, "/hooks/deploys", &wrong, &[], BODY).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (401, "application/problem+json"));
        assert!(answer.headers.contains_key("www-authenticate"));
    }
    assert_eq!(relay.stored().await, 0);
}

#[tokio::test]
async fn a_stranger_learns_nothing_but_that_he_is_one() {
    let relay = relay();
    let (wrong, large) = (signature("other"), " ".repeat(5 * 1024 * 1024));
    for path in ["/hooks/deploys", "/hooks/deploys/oncall", "/hooks/deploys/nobody", "/hooks/github/nobody"] {
        for shown in [wrong.as_str(), "sha256=", "zz", &wrong[1..]] {
            for (headers, body) in [(&[][..], BODY), (&[FORM], "junk"), (&[("content-encoding", "gzip")], "junk")] {
                let answer = post(&relay, path, shown, headers, body).await;
                assert_eq!(answer.status.as_u16(), 401, "{path} {shown} {headers:?}");
            }
        }
        for headers in [&[][..], &[AUTHORISED]] {
            let unsigned = ask(relay.hooks(), "POST", path, headers, BODY).await;
            assert_eq!(unsigned.status.as_u16(), 401, "{path}: not signed at all");
        }
    }
    let answer = post(&relay, "/hooks/deploys/nobody", &wrong, &[], large).await;
    assert_eq!(answer.status.as_u16(), 413, "what is too large is not read to its end to check it");
    assert_eq!(relay.stored().await, 0);
}

#[tokio::test]
async fn who_signs_is_told_what_is_wrong() {
    let relay = relay();
    let zipped = ("content-encoding", "gzip");
    for (path, headers, body, status) in [
        ("/hooks/deploys/nobody", &[][..], BODY, 404),
        ("/hooks/deploys", &[FORM], BODY, 415),
        ("/hooks/deploys", &[zipped], BODY, 415),
        ("/hooks/deploys", &[], "junk", 400),
        ("/hooks/deploys", &[], "", 400),
        ("/hooks/deploys", &[], "[]", 400),
        ("/hooks/github", &[("content-type", "text/plain")], BODY, 415),
        ("/hooks/github/nobody", &[FORM], BODY, 404),
    ] {
        let answer = post(&relay, path, &signature(body), headers, body).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {headers:?}: {answer:?}");
    }
    assert_eq!(relay.stored().await, 0);
}

#[tokio::test]
async fn law_2_a_signing_secret_that_cannot_be_read_is_our_own_fault() {
    let mut relay = relay();
    let unreadable = Secret::in_file("/nowhere/at/all");
    let header = ::http::HeaderName::from_static("x-signature");
    relay.config.sources.get_mut("deploys").unwrap().auth = Auth::Hmac { secret: unreadable, header };
    let answer = post(&relay, "/hooks/deploys", &signature(BODY), &[], BODY).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "10"));
}

/// The ports with `deploys`, which signs in `X-Signature`, and `github`.
fn relay() -> Relay {
    let mut relay = Relay::new();
    relay.config.sources.insert(name("deploys"), signing(SourceKind::Generic, "x-signature"));
    relay.config.sources.insert(name("github"), signing(SourceKind::Github, "x-hub-signature-256"));
    relay
}

fn signing(kind: SourceKind, header: &'static str) -> Source {
    let header = ::http::HeaderName::from_static(header);
    Source {
        kind,
        auth: Auth::Hmac { secret: Secret::given(SECRET), header },
        dedup_window: Duration::from_secs(360),
        gather: Duration::ZERO,
        severity: SeverityRules { labels: vec![], map: Default::default(), default: Severity::Warning },
        fields: Default::default(),
    }
}

/// The signature in hex.
fn signature(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Posts with that signature, in the header of either source.
async fn post(relay: &Relay, path: &str, shown: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let signed = [("x-signature", shown), ("x-hub-signature-256", shown)];
    let headers: Vec<_> = signed.iter().chain(headers).copied().collect();
    ask(relay.hooks(), "POST", path, &headers, body).await
}
