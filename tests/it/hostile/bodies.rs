//! Bodies that are wrong in themselves, or too many at once.

use std::task::Poll;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use crate::harness::{TOKEN, World, answer, fixture};
use crate::hostile::{PROMPT, converse, health, hear, statuses};
use crate::http::relay::{ONE_FIRING, Port, Relay};

const MOMENT: Duration = Duration::from_millis(100);
const GREATEST: usize = 4 << 20;

fn nested(open: &str, close: &str) -> Vec<u8> {
    format!("{}{}", open.repeat(100_000), close.repeat(100_000)).into_bytes()
}

/// The captured alert with one part of its text replaced.
fn altered(what: &str, with: &str) -> Vec<u8> {
    let text = String::from_utf8(fixture("one-firing.json")).unwrap();
    assert!(text.contains(what), "{what} is not in {text}");
    text.replacen(what, with, 1).into_bytes()
}

#[tokio::test]
async fn a_body_that_is_no_webhook_is_400_says_where_and_echoes_nothing() {
    let world = World::start().await;
    let whole = fixture("one-firing.json");
    let (alerts, label) = ("\"alerts\":", "\"alertname\":");
    let utf16: Vec<u8> = String::from_utf8(whole.clone()).unwrap().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("blanks", b" \n ".to_vec()),
        ("a hundred thousand lists", nested("[", "]")),
        ("a hundred thousand lists, never closed", nested("[", "")),
        ("a hundred thousand maps", nested("{\"planted\":", "}")),
        ("depth where nobody looks", altered(alerts, &format!("\"planted\":{},{alerts}", "[".repeat(100_000)))),
        ("the same key twice", altered(alerts, &format!("\"alerts\":[],{alerts}"))),
        ("no UTF-8", [b"{\"planted\":\"\xff\xfe\"}".as_slice(), &whole].concat()),
        ("half a surrogate", altered(label, &format!("\"planted\":\"\\ud800\",{label}"))),
        ("UTF-16", utf16),
        ("a byte order mark", [b"\xef\xbb\xbf".as_slice(), &whole].concat()),
        ("two documents", [whole.clone(), whole.clone()].concat()),
        ("what is no number", altered("\"version\"", "\"planted\":NaN,\"version\"")),
        ("gzip without saying so", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0]),
        ("nulls", vec![0; 1000]),
    ];
    for (name, body) in cases {
        let (status, problem) = world.post("/hooks/alertmanager", body).await;
        assert_eq!((status, &problem["status"]), (400, &json!(400)), "{name}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(':') && !detail.contains("planted"), "{name}: {detail}");
        health(world.relay.hooks()).await;
    }
    let listed = world.look("/api/v1/deliveries").await;
    assert_eq!(listed["deliveries"], json!([]), "nothing of it is stored");
    world.end().await;
}

#[tokio::test]
async fn a_body_that_is_strange_and_a_webhook_is_delivered() {
    let world = World::start().await;
    let label = "\"alertname\":";
    let bodies = [
        altered(label, &format!("\"nulls\":\"a\\u0000b\",{label}")),
        altered(label, &format!("\"\\u202eexe\":\"\\u0007\\u001b[31m\",{label}")),
        altered(label, &format!("\"long\":\"{}\",{label}", "\u{1F525}".repeat(100_000))),
        altered(label, &format!("\"a\":\"1\",\"a\":\"2\",{label}")),
    ];
    for (n, body) in bodies.iter().enumerate() {
        // Another group each, or all but the first would be twins.
        let mut body: Value = serde_json::from_slice(body).unwrap();
        body["groupKey"] = json!(format!("{{}}:{{n=\"{n}\"}}"));
        let (status, told) = world.post("/hooks/alertmanager", body.to_string()).await;
        assert_eq!(status, 202, "{n}: {told}");
    }
    let delivered = |list: &[Value]| list.len() == 4 && list.iter().all(|one| one["state"] == "delivered");
    world.deliveries(delivered).await;
    world.end().await;
}

#[tokio::test]
async fn a_body_that_is_packed_is_415_and_is_never_unpacked() {
    let world = World::start().await;
    let url = format!("http://{}/hooks/alertmanager", world.relay.hooks());
    let mut bomb = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
    std::io::Write::write_all(&mut bomb, &vec![b' '; 64 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    for coding in ["gzip", "deflate", "br", "zstd", "x-gzip", "gzip, identity", "nonsense"] {
        let request = world.http.post(&url).bearer_auth(TOKEN).header("content-encoding", coding);
        let (status, problem) = answer(request.body(bomb.clone())).await;
        assert_eq!((status, &problem["status"]), (415, &json!(415)), "{coding}");
    }
    world.end().await;
}

/// Sends a webhook's head and all but the last byte of a body of the greatest size.
async fn almost_whole(port: &Port) -> TcpStream {
    let mut connection = port.connect().await;
    let head = format!(
        "POST /hooks/am HTTP/1.1\r\nauthorization: Bearer opensesame\r\nconnection: close\r\n\
         content-length: {GREATEST}\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(&vec![b' '; GREATEST - 1]).await.unwrap();
    connection
}

/// The memory for bodies is bounded: eight of the greatest have all of it, the ninth is put off, and a small one never
/// is.
#[tokio::test]
async fn law_2_too_many_large_bodies_at_once_are_503_and_small_ones_pass() {
    let mut relay = Relay::new();
    relay.patience.body = PROMPT * 100;
    // What is put off is read on for so long, or it could not be written to its end.
    relay.patience.linger = PROMPT / 5;
    let port = relay.listen().await;
    let mut held = vec![];
    for _ in 0..9 {
        held.push(almost_whole(&port).await);
    }
    // Which one comes last is chance: what was written has not been read yet.
    let told = tokio::time::timeout(PROMPT, first_told(&held)).await.expect("nobody is put off");
    let put_off = hear(held.swap_remove(told)).await;
    assert_eq!(statuses(&put_off), [503], "{put_off}");
    let another = tokio::time::timeout(MOMENT, first_told(&held)).await;
    assert!(another.is_err(), "who is not put off is waited for");
    assert!(put_off.contains("retry-after: 10\r\n") && put_off.contains("too many large bodies"), "{put_off}");
    assert_eq!(relay.stored().await, 0);

    let mut small = port.connect().await;
    let length = ONE_FIRING.len();
    let head = format!("POST /hooks/am HTTP/1.1\r\nauthorization: Bearer opensesame\r\ncontent-length: {length}");
    small.write_all(format!("{head}\r\nconnection: close\r\n\r\n{ONE_FIRING}").as_bytes()).await.unwrap();
    assert_eq!(statuses(&hear(small).await), [202]);

    // Those that are held were let in, and are heard to their end: blanks are no webhook.
    for connection in held {
        assert_eq!(end_of(connection).await, [400]);
    }
    assert_eq!(end_of(almost_whole(&port).await).await, [400], "there is room again");
}

/// Which one of them is told something first.
async fn first_told(connections: &[TcpStream]) -> usize {
    std::future::poll_fn(|context| {
        let is_told = |connection: &TcpStream| connection.poll_peek(context, &mut ReadBuf::new(&mut [0])).is_ready();
        connections.iter().position(is_told).map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// Sends the last byte.
async fn end_of(mut connection: TcpStream) -> Vec<u16> {
    connection.write_all(b" ").await.unwrap();
    statuses(&hear(connection).await)
}

#[tokio::test]
async fn a_refusal_is_heard_by_whoever_sends_on_regardless() {
    let world = World::start().await;
    let body = vec![b' '; GREATEST];
    for (line, more, status) in [
        ("POST /hooks/nobody HTTP/1.1", "", 404),
        ("POST /hooks/alertmanager HTTP/1.1", "", 401),
        ("POST /hooks/alertmanager/nobody HTTP/1.1", "authorization: Bearer from-the-test\r\n", 404),
        ("PUT /hooks/alertmanager HTTP/1.1", "", 405),
    ] {
        let head = format!("{line}\r\nhost: x\r\nconnection: close\r\n{more}content-length: {GREATEST}\r\n\r\n");
        let heard = converse(world.relay.hooks(), &[head.as_bytes(), &body].concat()).await;
        assert_eq!(statuses(&heard), [status], "{line}: {heard}");
    }
}
