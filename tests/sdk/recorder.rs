//! A listener in front of the simulator that hands every request on and keeps what it was.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method, Uri};
use serde_json::Value;

/// What a client asked for, as far as it must not differ from client to client.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    /// The method and the path with its query.
    pub(crate) line: String,
    /// Every header, in order of their names, but those that belong to the connection or name the client.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, as JSON.
    pub(crate) body: Value,
}

/// What every HTTP library sets as it likes.
const OF_THE_LIBRARY: [&str; 6] =
    ["accept-encoding", "connection", "content-length", "host", "transfer-encoding", "user-agent"];

/// The listener. It stays until the test process ends.
#[derive(Clone)]
pub(crate) struct Recorder {
    address: SocketAddr,
    behind: Arc<str>,
    http: reqwest::Client,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Recorder {
    /// Starts one in front of `behind`, a base URL.
    pub(crate) async fn before(behind: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let recorder = Self { address, behind: behind.into(), http, seen: Arc::default() };
        let router = Router::new().fallback(hand_on).with_state(recorder.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        recorder
    }

    /// Host and port, as the SDK wants them.
    pub(crate) fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// What was asked since this was called last.
    pub(crate) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

async fn hand_on(State(to): State<Recorder>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut kept: Vec<_> = headers
        .iter()
        .filter(|(name, _)| !OF_THE_LIBRARY.contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    kept.sort();
    let seen = Request {
        line: format!("{method} {uri}"),
        headers: kept.clone(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    to.seen.lock().unwrap().push(seen);
    let mut request = to.http.request(method, format!("{}{uri}", to.behind)).body(body);
    for (name, value) in kept {
        request = request.header(name, value);
    }
    let answer = request.send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    for name in ["content-type", "location"] {
        if let Some(value) = answer.headers().get(name) {
            response = response.header(name, value);
        }
    }
    response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
}
