//! Real connections: slow ones, idle ones, too many of them, and those that are open when the port stops.
//!
//! Nothing sleeps here. A test waits for what the port does, and the port's own patience is made short.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http::relay::{ONE_FIRING, Relay};

/// Long enough to say something on a busy machine.
const SHORT: Duration = Duration::from_millis(500);
/// Longer than any test: what is not to happen does not.
const LONG: Duration = Duration::from_secs(600);

fn relay() -> Relay {
    let mut relay = Relay::new();
    relay.patience.body = LONG;
    relay.limits.head = LONG;
    relay.limits.drain = LONG;
    relay
}

/// The head of a webhook whose body has `length` bytes.
fn head(length: usize) -> String {
    format!(
        "POST /hooks/am HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer opensesame\r\ncontent-length: {length}\r\n\r\n"
    )
}

async fn say(connection: &mut TcpStream, text: &str) {
    connection.write_all(text.as_bytes()).await.unwrap();
}

/// Everything the port says until it closes the connection.
async fn hear_all(mut connection: TcpStream) -> String {
    let mut heard = Vec::new();
    connection.read_to_end(&mut heard).await.unwrap();
    String::from_utf8(heard).unwrap()
}

/// What the port says first, whole enough to tell its status.
async fn hear_status(connection: &mut TcpStream) -> String {
    let mut heard = [0; 12];
    connection.read_exact(&mut heard).await.unwrap();
    String::from_utf8(heard.to_vec()).unwrap()
}

#[tokio::test]
async fn a_webhook_over_a_real_connection() {
    let relay = relay();
    let mut connection = relay.listen().await.connect().await;

    say(&mut connection, &head(ONE_FIRING.len())).await;
    say(&mut connection, ONE_FIRING).await;

    assert_eq!(hear_status(&mut connection).await, "HTTP/1.1 202");
    assert_eq!(relay.stored().await, 1);
}

#[tokio::test]
async fn law_2_a_slow_head_is_503_and_a_closed_connection() {
    let mut relay = relay();
    relay.limits.head = SHORT;
    let mut connection = relay.listen().await.connect().await;

    say(&mut connection, "POST /hooks/am HTTP/1.1\r\nhost: rel").await;

    let heard = hear_all(connection).await;
    assert!(heard.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{heard}");
    assert!(heard.contains("retry-after: 10\r\n") && heard.contains("connection: close\r\n"), "{heard}");
    let (head, body) = heard.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())), "{heard}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["status"], 503);
}

#[tokio::test]
async fn an_idle_connection_is_closed_whether_it_said_something_before_or_not() {
    let mut relay = relay();
    relay.limits.head = SHORT;
    let port = relay.listen().await;
    let mut talked = port.connect().await;
    say(&mut talked, "GET /-/healthy HTTP/1.1\r\nhost: relay\r\n\r\n").await;

    assert!(hear_all(talked).await.ends_with("healthy\n"));
    assert_eq!(hear_all(port.connect().await).await, "");
}

#[tokio::test]
async fn law_2_a_slow_body_is_503_and_a_closed_connection() {
    let mut relay = relay();
    relay.patience.body = SHORT;
    let mut connection = relay.listen().await.connect().await;

    say(&mut connection, &head(ONE_FIRING.len())).await;
    say(&mut connection, &ONE_FIRING[..10]).await;

    let heard = hear_all(connection).await;
    assert!(heard.starts_with("HTTP/1.1 503"), "{heard}");
    assert!(heard.contains("retry-after: 10\r\n") && heard.contains("connection: close\r\n"), "{heard}");
    assert_eq!(relay.stored().await, 0);
}

#[tokio::test]
async fn nothing_is_stored_of_a_body_that_breaks_off() {
    let relay = relay();
    let port = relay.listen().await;
    let mut connection = port.connect().await;

    say(&mut connection, &head(ONE_FIRING.len())).await;
    say(&mut connection, &ONE_FIRING[..10]).await;
    connection.shutdown().await.unwrap();

    let heard = hear_all(connection).await;
    assert!(!heard.contains("HTTP/1.1 4") && !heard.contains("HTTP/1.1 2"), "{heard}");
    port.stop().await.unwrap();
    assert_eq!(relay.stored().await, 0);
}

#[tokio::test]
async fn a_client_that_writes_all_of_a_refused_body_first_can_read_why() {
    let relay = relay();
    let port = relay.listen().await;
    // More than the system would take off our hands by itself.
    let large = " ".repeat(12 * 1024 * 1024);
    let wrong = head(large.len()).replace("opensesame", "wrong");
    let unannounced = head(0).replace("content-length: 0", "transfer-encoding: chunked");
    let one_chunk = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    for (head, body, status) in [
        (head(large.len()), &large, "HTTP/1.1 413"),
        (wrong, &large, "HTTP/1.1 401"),
        (unannounced, &one_chunk, "HTTP/1.1 413"),
    ] {
        let mut connection = port.connect().await;

        say(&mut connection, &head).await;
        say(&mut connection, body).await;

        assert_eq!(hear_status(&mut connection).await, status);
    }
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_a_body_is_refused_without_it() {
    let relay = relay();
    let mut connection = relay.listen().await.connect().await;
    let asks = "content-length: 5242880\r\nexpect: 100-continue\r\n";

    say(&mut connection, &head(0).replace("content-length: 0\r\n", asks)).await;

    assert_eq!(hear_status(&mut connection).await, "HTTP/1.1 413");
}

#[tokio::test]
async fn a_connection_whose_life_is_over_ends_with_the_request_it_is_at() {
    let mut relay = relay();
    relay.limits.life = SHORT;
    let mut connection = relay.listen().await.connect().await;
    say(&mut connection, "GET /-/healthy HTTP/1.1\r\nhost: relay\r\n\r\n").await;

    assert!(hear_all(connection).await.ends_with("healthy\n"));
}

#[tokio::test]
async fn a_port_that_stops_finishes_what_is_under_way_and_closes_the_rest() {
    let relay = relay();
    let port = relay.listen().await;
    let address = port.address;
    let silent = port.connect().await;
    let mut idle = port.connect().await;
    say(&mut idle, "GET /-/healthy HTTP/1.1\r\nhost: relay\r\n\r\n").await;
    hear_status(&mut idle).await;
    let mut under_way = port.connect().await;
    let asks = head(ONE_FIRING.len()).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    say(&mut under_way, &asks).await;
    assert_eq!(hear_status(&mut under_way).await, "HTTP/1.1 100");

    let stopped = port.stop();

    hear_all(idle).await;
    assert_eq!(hear_all(silent).await, "");
    assert!(TcpStream::connect(address).await.is_err());
    assert!(!stopped.is_finished());
    say(&mut under_way, ONE_FIRING).await;
    let heard = hear_all(under_way).await;
    assert!(heard.contains("HTTP/1.1 202"), "{heard}");
    stopped.await.unwrap();
    assert_eq!(relay.stored().await, 1);
}

#[tokio::test]
async fn a_port_that_stops_does_not_wait_for_ever() {
    let mut relay = relay();
    relay.limits.drain = SHORT;
    let port = relay.listen().await;
    let mut under_way = port.connect().await;
    let asks = head(ONE_FIRING.len()).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    say(&mut under_way, &asks).await;
    hear_status(&mut under_way).await;

    port.stop().await.unwrap();

    assert_eq!(relay.stored().await, 0);
}
