//! More connections than a port has places.
//!
//! The ports here have two places. Nothing sleeps: a test waits for what the port does.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::hostile::{health, hear, statuses};
use crate::http::relay::{ONE_FIRING, Port, Relay};
use crate::troubled::Trouble;

/// Longer than any test: the port's own patience decides nothing here.
const LONG: Duration = Duration::from_secs(600);
const MOMENT: Duration = Duration::from_millis(100);

fn relay() -> Relay {
    let mut relay = Relay::new();
    relay.patience.body = LONG;
    relay.patience.answer = LONG;
    relay.patience.linger = LONG;
    relay.limits.head = LONG;
    relay.limits.connections = 2;
    relay
}

/// A connection that has said this, and that the port has heard.
async fn having_said(port: &Port, said: &str) -> TcpStream {
    let mut connection = port.connect().await;
    connection.write_all(said.as_bytes()).await.unwrap();
    connection
}

fn webhook(sent: usize, credentials: &str) -> String {
    let (length, body) = (ONE_FIRING.len(), &ONE_FIRING[..sent]);
    format!(
        "POST /hooks/am HTTP/1.1\r\nhost: x\r\nauthorization: {credentials}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn whoever_says_nothing_makes_room_and_is_told_nothing() {
    let port = relay().listen().await;
    let (first, second) = (port.connect().await, port.connect().await);
    let mut third = port.connect().await;

    assert_eq!(hear(first).await, "", "the one that has said nothing for longest");
    health(port.address).await;
    assert_eq!(hear(second).await, "");
    third.write_all(b"GET /-/healthy HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    assert_eq!(statuses(&hear(third).await), [200], "the one that came last has its place still");
}

#[tokio::test]
async fn law_2_whoever_began_a_request_is_told_to_come_again() {
    for begun in [
        "POST /hooks/am HTT".to_owned(),
        webhook(10, "Bearer opensesame"),
        webhook(10, "Bearer wrong"),
        "POST /hooks/nobody HTTP/1.1\r\ncontent-length: 5\r\n\r\n".to_owned(),
    ] {
        let relay = relay();
        let port = relay.listen().await;
        let first = having_said(&port, &begun).await;
        // What was said has been heard when somebody who came later is answered.
        health(port.address).await;
        relay.store.fail(Trouble::Hangs);
        let _at_work = having_said(&port, &webhook(ONE_FIRING.len(), "Bearer opensesame")).await;
        relay.store.hanging(1).await;
        health(port.address).await;

        let heard = hear(first).await;
        assert_eq!(statuses(&heard), [503], "{begun}");
        assert!(heard.contains("retry-after: 10\r\n") && heard.contains("connection: close\r\n"), "{heard}");
    }
}

#[tokio::test]
async fn a_crowd_that_keeps_coming_shuts_nobody_out() {
    let relay = relay();
    let port = relay.listen().await;
    let mut crowd = vec![];
    for n in 0..500 {
        crowd.push(having_said(&port, "POST /hooks/am HTTP/1.1\r\nhost: ").await);
        if n % 100 == 99 {
            health(port.address).await;
            let answered = having_said(&port, &webhook(ONE_FIRING.len(), "Bearer opensesame")).await;
            assert_eq!(status_of(answered).await, "HTTP/1.1 202");
        }
    }
    assert_eq!(relay.stored().await, 1, "the others were twins");
}

#[tokio::test]
async fn whoever_is_sending_a_body_keeps_the_place_against_any_number_that_say_nothing() {
    let relay = relay();
    let port = relay.listen().await;
    let mut sender = having_said(&port, &webhook(10, "Bearer opensesame")).await;
    health(port.address).await;
    let mut crowd = vec![];
    for _ in 0..10 {
        crowd.push(port.connect().await);
        health(port.address).await;
    }

    sender.write_all(&ONE_FIRING.as_bytes()[10..]).await.unwrap();
    assert_eq!(status_of(sender).await, "HTTP/1.1 202");
    assert_eq!(relay.stored().await, 1);
}

#[tokio::test]
async fn whoever_waits_for_us_keeps_the_place_and_the_newcomer_waits() {
    let relay = relay();
    let port = relay.listen().await;
    relay.store.fail(Trouble::Hangs);
    let whole = webhook(ONE_FIRING.len(), "Bearer opensesame");
    let (first, _second) = (having_said(&port, &whole).await, having_said(&port, &whole).await);
    relay.store.hanging(2).await;

    let mut third = having_said(&port, "GET /-/healthy HTTP/1.1\r\n\r\n").await;
    assert!(tokio::time::timeout(MOMENT, third.read_u8()).await.is_err(), "both places are at work");
    drop(first);
    assert_eq!(status_of(third).await, "HTTP/1.1 200");
}

/// The first twelve bytes of the answer.
async fn status_of(mut connection: TcpStream) -> String {
    let mut heard = [0; 12];
    connection.read_exact(&mut heard).await.unwrap();
    String::from_utf8(heard.to_vec()).unwrap()
}
