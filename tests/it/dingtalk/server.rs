//! A server that records what it is asked and answers as a test wants it: also wrongly, slowly, or not at all.
//!
//! Plain sockets and threads, because an HTTP library would not let a test break a connection at a chosen moment.
//! It knows nothing of DingTalk but two paths, so that it cannot share a mistake with the client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// What the server was asked.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The request line and the headers, as they came.
    pub(crate) head: Vec<String>,
    /// The body, as it came.
    pub(crate) body: String,
    /// How many calls of the same path came before.
    pub(crate) before: usize,
}

impl Call {
    /// Whether it asks for an access token.
    pub(crate) fn is_for_a_token(&self) -> bool {
        self.head[0].starts_with("POST /v1.0/oauth2/accessToken ")
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&String| line.split(':').next().is_some_and(|key| key.eq_ignore_ascii_case(name));
        self.head[1..].iter().find(named).and_then(|line| line.split_once(": ")).map(|(_, value)| value)
    }

    /// The access token it carries.
    pub(crate) fn token(&self) -> Option<&str> {
        self.header("x-acs-dingtalk-access-token")
    }

    /// A field of its JSON body.
    pub(crate) fn field(&self, name: &str) -> Value {
        serde_json::from_str::<Value>(&self.body).unwrap()[name].clone()
    }
}

/// What the server does about it.
pub(crate) enum Reaction {
    /// A whole answer: status, further header lines, body.
    Answer(u16, &'static str, String),
    /// Silence until the client gives up.
    Hang,
    /// An answer that comes byte by byte and never ends.
    Drip,
    /// The connection is closed without an answer.
    Close,
}

/// A JSON answer.
pub(crate) fn says(status: u16, body: Value) -> Reaction {
    Reaction::Answer(status, "content-type: application/json\r\n", body.to_string())
}

/// A web page.
pub(crate) fn page(status: u16) -> Reaction {
    Reaction::Answer(status, "content-type: text/html\r\n", "<html>".into())
}

/// An error as DingTalk writes it.
pub(crate) fn fails(status: u16, code: &str) -> Reaction {
    says(status, json!({"code": code, "message": "a text in some language", "requestid": "R-1"}))
}

/// A token for two hours.
pub(crate) fn grants(token: &str) -> Reaction {
    says(200, json!({"accessToken": token, "expireIn": 7200}))
}

/// A receipt of admission.
pub(crate) fn admits() -> Reaction {
    says(200, json!({"processQueryKey": "key-1"}))
}

/// The server. It stays until the test process ends.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Server {
    /// Starts one on a free port.
    pub(crate) fn start(react: impl Fn(&Call) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (calls, react) = (Arc::new(Mutex::new(Vec::new())), Arc::new(react));
        let recorded = calls.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let (calls, react) = (recorded.clone(), react.clone());
                std::thread::spawn(move || serve(&socket.unwrap(), &calls, &*react));
            }
        });
        Self { address, calls }
    }

    /// One that grants `token-1`, `token-2`, … and reacts to sends as the test says.
    pub(crate) fn for_sends(react: impl Fn(&Call) -> Reaction + Send + Sync + 'static) -> Self {
        Self::start(move |call| match call.is_for_a_token() {
            true => grants(&format!("token-{}", call.before + 1)),
            false => react(call),
        })
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// How many token calls and how many others came.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let calls = self.calls();
        let tokens = calls.iter().filter(|call| call.is_for_a_token()).count();
        (tokens, calls.len() - tokens)
    }
}

/// A port behind which nobody speaks TLS.
pub(crate) fn speaks_no_tls() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(b"SSH-2.0-not-what-you-want\r\n").unwrap();
        while socket.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
    });
    address
}

fn serve(socket: &TcpStream, calls: &Mutex<Vec<Call>>, react: &dyn Fn(&Call) -> Reaction) {
    let mut reader = BufReader::new(socket);
    while let Some(mut call) = read_call(&mut reader) {
        {
            let mut calls = calls.lock().unwrap();
            call.before = calls.iter().filter(|earlier| earlier.head[0] == call.head[0]).count();
            calls.push(call.clone());
        }
        match react(&call) {
            Reaction::Answer(status, headers, body) => {
                let length = body.len();
                let answer = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}");
                // At once: several small writes would each wait for the client's acknowledgement.
                (&*socket).write_all(answer.as_bytes()).ok();
            }
            Reaction::Hang => wait_for_the_client_to_leave(socket),
            Reaction::Drip => drip(socket),
            Reaction::Close => return,
        }
    }
}

fn read_call(reader: &mut impl BufRead) -> Option<Call> {
    let mut head = Vec::new();
    loop {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).ok()?;
        match String::from_utf8_lossy(&line).trim_end() {
            "" if head.is_empty() => return None,
            "" => break,
            text => head.push(text.to_owned()),
        }
    }
    let call = Call { head, body: String::new(), before: 0 };
    let mut body = vec![0; call.header("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Call { body: String::from_utf8(body).unwrap(), ..call })
}

fn wait_for_the_client_to_leave(mut socket: &TcpStream) {
    while socket.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
}

fn drip(mut socket: &TcpStream) {
    // The time limit of a read is the pause between two drops; a read that ends says that the client has left.
    socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    write!(socket, "HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n").ok();
    while socket.write_all(b" ").is_ok() && socket.read(&mut [0]).is_err() {}
}
