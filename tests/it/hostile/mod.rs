//! Clients that mean harm, or are broken in ways nobody would write down: what contract §4 answers them, and that the
//! others do not notice.
//!
//! `requests` and `bodies` speak to the whole relay over bare sockets. `crowds` fills a port whose places are few.
//! `binary` holds ten thousand connections against the real program and weighs it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod binary;
mod bodies;
mod crowds;
mod requests;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than any answer here takes on a busy machine, shorter than the port's own patience: who waits for more than
/// this waits for a client, and that is what the test is about.
const PROMPT: Duration = Duration::from_secs(5);

/// Says it over a connection of its own and answers what comes back until the port closes.
async fn converse(address: SocketAddr, said: &[u8]) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    // The port may refuse and close before it has heard everything.
    let _refused = connection.write_all(said).await;
    hear(connection).await
}

/// Everything the port says until it closes the connection.
async fn hear(mut connection: TcpStream) -> String {
    let mut heard = Vec::new();
    // A connection that is reset after the answer is as good as closed.
    let reading = tokio::time::timeout(PROMPT, connection.read_to_end(&mut heard)).await;
    let heard = String::from_utf8_lossy(&heard).into_owned();
    assert!(reading.is_ok(), "the port keeps the connection; so far it said: {heard}");
    heard
}

/// The statuses in what was heard, in order.
fn statuses(heard: &str) -> Vec<u16> {
    let answers = heard.replace("HTTP/1.0 ", "HTTP/1.1 ");
    answers.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].parse().unwrap()).collect()
}

/// Asks for health as anybody does, and answers how long that took.
async fn health(address: SocketAddr) -> Duration {
    let began = std::time::Instant::now();
    let heard = converse(address, b"GET /-/healthy HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n").await;
    assert!(heard.ends_with("healthy\n"), "{heard}");
    began.elapsed()
}
