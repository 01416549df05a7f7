//! Requests that are wrong before their body begins.

use crate::harness::{TOKEN, World, fixture};
use crate::hostile::{converse, health, statuses};

/// A head with these lines between the request line and the empty one.
fn head(line: &str, more: &str) -> Vec<u8> {
    format!("{line}\r\nhost: relay\r\nauthorization: Bearer {TOKEN}\r\n{more}\r\n").into_bytes()
}

fn post(more: &str) -> Vec<u8> {
    head("POST /hooks/alertmanager HTTP/1.1", more)
}

/// Says each of these to a relay and compares the statuses; whatever they were, the next client is served at once.
async fn compare(cases: Vec<(&str, Vec<u8>, &[u16])>) {
    let world = World::start().await;
    let mut wrong = vec![];
    for (name, said, expected) in cases {
        let heard = converse(world.relay.hooks(), &said).await;
        if statuses(&heard) != expected {
            wrong.push(format!("{name}: {:?} instead of {expected:?}\n{heard}", statuses(&heard)));
        }
        health(world.relay.hooks()).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let listed = world.look("/api/v1/deliveries").await;
    assert_eq!(listed["deliveries"], serde_json::json!([]), "nothing of it is stored");
    world.end().await;
}

#[tokio::test]
async fn a_length_that_is_none_is_400() {
    let long = "a".repeat(100);
    compare(vec![
        ("negative", post("content-length: -1\r\n"), &[400]),
        ("signed", post("content-length: +5\r\n"), &[400]),
        ("hexadecimal", post("content-length: 0x10\r\n"), &[400]),
        ("two in one", post("content-length: 5, 6\r\n"), &[400]),
        ("empty", post("content-length: \r\n"), &[400]),
        ("beyond every number", post("content-length: 99999999999999999999999\r\n"), &[400]),
        ("two that differ", post("content-length: 5\r\ncontent-length: 6\r\n"), &[400]),
        ("a blank before the colon", post("content-length : 5\r\n"), &[400]),
        ("a coding that is not chunked", post("transfer-encoding: gzip\r\n"), &[400]),
        ("chunked twice over", post(&format!("transfer-encoding: chunked, {long}\r\n")), &[400]),
        ("too large, announced", post("content-length: 5242880\r\nexpect: 100-continue\r\n"), &[413]),
        ("too large beyond reason", post("content-length: 9000000000000000000\r\nexpect: 100-continue\r\n"), &[413]),
    ])
    .await;
}

#[tokio::test]
async fn a_body_of_another_length_than_announced_is_no_webhook_and_what_follows_it_no_request() {
    let body = fixture("one-firing.json");
    let short = [post("content-length: 100\r\n"), body.clone()].concat();
    let no_chunk = [post("transfer-encoding: chunked\r\n"), b"zz\r\n{}".to_vec()].concat();
    let no_end = [post("transfer-encoding: chunked\r\n"), b"fffffffffffffffffff\r\n{}".to_vec()].concat();
    compare(vec![
        ("shorter", short, &[400, 400]),
        // It could be the network's doing, so it is not the sender's last word (law 2).
        ("a chunk without a size", no_chunk, &[503]),
        ("a chunk beyond every number", no_end, &[503]),
    ])
    .await;
}

#[tokio::test]
async fn a_length_beside_chunks_smuggles_nothing() {
    let world = World::start().await;
    let body = fixture("one-firing.json");
    let smuggled = String::from_utf8(head("GET /-/healthy HTTP/1.1", "")).unwrap();
    let chunk = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    let length = format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", chunk.len() + smuggled.len());

    let heard = converse(world.relay.hooks(), &[&post(&length), &chunk, smuggled.as_bytes()].concat()).await;

    // The chunks count, and the connection ends: a proxy that counted the length would take what follows for a body.
    assert_eq!(statuses(&heard), [202], "{heard}");
    world.deliveries(|list| list.len() == 1).await;
}

#[tokio::test]
async fn a_head_beyond_reason_is_refused() {
    let many = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    compare(vec![
        ("one huge header", post(&format!("x: {}\r\n", "a".repeat(70_000))), &[431]),
        ("two hundred headers", post(&many), &[431]),
        ("a huge target", head(&format!("POST /hooks/{} HTTP/1.1", "a".repeat(70_000)), ""), &[431]),
        ("no end of a line", vec![b'a'; 100_000], &[431]),
    ])
    .await;
}

#[tokio::test]
async fn what_is_no_http_is_400_or_nothing() {
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
    compare(vec![
        ("a TLS hello", hello, &[400]),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &[]),
        ("HTTP/0.9", b"GET /\r\n\r\n".to_vec(), &[400]),
        ("HTTP/3.7", head("GET / HTTP/3.7", ""), &[400]),
        ("a null in the path", head("POST /hooks/a\0b HTTP/1.1", ""), &[400]),
        ("a null in a header", post("x: a\0b\r\n"), &[400]),
        ("a header without a name", post(": a\r\n"), &[400]),
        ("a blank in the target", head("POST /hooks/alert manager HTTP/1.1", ""), &[400]),
        ("nonsense", b"\r\n\r\n\r\n?\r\n\r\n".to_vec(), &[400]),
    ])
    .await;
}

#[tokio::test]
async fn a_target_that_names_nothing_is_404() {
    let close = "connection: close\r\ncontent-length: 0\r\n";
    let to = |target: &str| head(&format!("POST {target} HTTP/1.1"), close);
    compare(vec![
        ("a null", to("/hooks/alertmanager%00"), &[404]),
        ("an encoded slash", to("/hooks/alertmanager%2Foncall"), &[404]),
        ("an encoded slash behind a receiver", to("/hooks/alertmanager/oncall%2f"), &[404]),
        ("a way up", to("/hooks/../../etc/passwd"), &[404]),
        ("an encoded way up", to("/hooks/%2e%2e%2f%2e%2e%2fetc"), &[404]),
        ("two slashes", to("//hooks/alertmanager"), &[404]),
        ("no UTF-8", to("/hooks/%ff%fe"), &[404]),
        ("half an escape", to("/hooks/alertmanager%2"), &[404]),
        ("the asterisk", to("*"), &[404]),
        ("OPTIONS *", head("OPTIONS * HTTP/1.1", close), &[404]),
        ("an authority", head("CONNECT relay:8060 HTTP/1.1", close), &[404]),
        ("no path at all", to("http://relay"), &[404]),
        ("a method nobody knows", head("BREW /hooks/alertmanager HTTP/1.1", close), &[405]),
        ("credentials twice", post(&format!("authorization: Bearer {TOKEN}\r\n{close}")), &[401]),
    ])
    .await;
}

#[tokio::test]
async fn what_is_unusual_and_right_is_served() {
    let world = World::start().await;
    let body = fixture("one-firing.json");
    let length = format!("content-length: {}\r\n", body.len());
    let closing = format!("connection: close\r\n{length}");
    for (name, head) in [
        ("HTTP/1.0", head("POST /hooks/alertmanager HTTP/1.0", &length)),
        ("an absolute target", head("POST http://elsewhere/hooks/alertmanager HTTP/1.1", &closing)),
        ("an escape that need not be", head("POST /hooks/alert%6danager HTTP/1.1", &closing)),
        ("a query", head("POST /hooks/alertmanager?team=a%00 HTTP/1.1", &closing)),
        ("the same length twice", post(&format!("{closing}{length}"))),
        ("an upgrade", post(&format!("{closing}upgrade: h2c\r\n"))),
    ] {
        let heard = converse(world.relay.hooks(), &[head, body.clone()].concat()).await;
        assert_eq!(statuses(&heard), [202], "{name}: {heard}");
    }
    world.deliveries(|list| list.len() == 1).await;
}

#[tokio::test]
async fn requests_that_come_all_at_once_are_answered_one_after_another() {
    let world = World::start().await;
    let body = fixture("one-firing.json");
    let good = [post(&format!("content-length: {}\r\n", body.len())), body].concat();
    let bad = [post("content-length: 2\r\n"), b"{]".to_vec()].concat();
    let last = head("GET /-/healthy HTTP/1.1", "connection: close\r\n");

    let heard = converse(world.relay.hooks(), &[&good[..], &bad, &good, &last, &good].concat()).await;

    assert_eq!(statuses(&heard), [202, 400, 202, 200], "nothing is served behind the end: {heard}");
    world.deliveries(|list| list.len() == 1).await;
}
