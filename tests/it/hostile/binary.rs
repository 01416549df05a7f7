//! The real program under a crowd: how much it weighs, and whether it serves others.
//!
//! Its figures are printed, and the bounds here are loose: `--nocapture` shows them. The crowd is as large as the
//! system allows this process, up to ten thousand.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::{TOKEN, answer, client, fixture_of_group, settings};
use crate::hostile::{PROMPT, health};

/// For so long the program reads on of what it has refused, so that the refusal can be read.
const LINGER: Duration = Duration::from_secs(2);

/// A relay in a process of its own, killed when dropped.
struct Process {
    child: Child,
    hooks: SocketAddr,
    _folder: TempDir,
}

impl Process {
    /// Starts the program with so many file descriptors, if that is said. Nothing listens where DingTalk should be.
    fn start(descriptors: Option<u32>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("relay.yaml");
        std::fs::write(&file, settings("http://127.0.0.1:9", folder.path())).unwrap();
        let limit = descriptors.map(|n| format!("ulimit -n {n}; ")).unwrap_or_default();
        let mut child = Command::new("sh")
            .args(["-c", &format!("{limit}exec \"$0\" serve --log-format json --config \"$1\"")])
            .args([env!("CARGO_BIN_EXE_dingtalk-relay"), file.to_str().unwrap()])
            .env("RUST_LOG", "dingtalk_relay=info")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let hooks = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the relay has ended");
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if let Some(hooks) = line["hooks"].as_str() {
                break hooks.parse().unwrap();
            }
        };
        // Somebody must go on reading, or the relay would stop at a full pipe.
        std::thread::spawn(move || log.read_to_end(&mut vec![]));
        Self { child, hooks, _folder: folder }
    }

    /// What the process holds of the machine's memory, in kB.
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Posts a webhook as its sender does, over a connection of its own, and answers how long that took.
    async fn webhook(&self, group: usize) -> Duration {
        let began = Instant::now();
        let request = client().post(format!("http://{}/hooks/alertmanager", self.hooks)).bearer_auth(TOKEN);
        let request = request.header("content-type", "application/json");
        let (status, told) = answer(request.body(fixture_of_group("one-firing.json", group))).await;
        assert_eq!(status, 202, "{told}");
        began.elapsed()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// As many connections as may be, and no more than ten thousand: the tests beside this one need descriptors too.
fn crowd() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft: usize = line.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX);
    (soft / 2).min(10_000)
}

/// Opens so many connections and says this over each; they stay open as long as the answer lives.
async fn connect(address: SocketAddr, count: usize, say: &'static [u8]) -> Vec<TcpStream> {
    let mut opening = JoinSet::new();
    let mut open = Vec::with_capacity(count);
    for n in 0..count {
        opening.spawn(async move {
            let mut connection = TcpStream::connect(address).await.unwrap();
            // It may have been closed for another one by now.
            let _closed = connection.write_all(say).await;
            connection
        });
        // A hundred at a time: more would wait for the kernel, not for the relay.
        if n >= 100 {
            open.extend(opening.join_next().await.map(Result::unwrap));
        }
    }
    open.extend(opening.join_all().await);
    open
}

#[tokio::test]
async fn ten_thousand_that_say_nothing_weigh_nothing_and_shut_nobody_out() {
    let relay = Process::start(None);
    relay.webhook(0).await;
    let before = relay.resident();
    let crowd = crowd();

    let silent = connect(relay.hooks, crowd, b"").await;
    let (with_silent, served) = (relay.resident(), relay.webhook(1).await);
    let begun = connect(relay.hooks, crowd.min(5_000), b"POST /hooks/alertmanager HTTP/1.1\r\nhost: ").await;
    let (with_begun, served_again) = (relay.resident(), relay.webhook(2).await);
    let healthy = health(relay.hooks).await;
    drop((silent, begun));
    relay.webhook(3).await;
    let after = relay.resident();

    println!(
        "{crowd} silent connections: VmRSS {before} kB before, {with_silent} kB with them, {with_begun} kB with \
         {} more that began a request, {after} kB after; a webhook took {served:?} and {served_again:?}, health {healthy:?}",
        crowd.min(5_000)
    );
    assert!(with_silent.max(with_begun).max(after) < before + 32 * 1024, "the memory is not flat");
    assert!([served, served_again, healthy].iter().all(|took| *took < PROMPT), "others waited");
}

#[tokio::test]
async fn a_crowd_that_takes_every_descriptor_shuts_nobody_out() {
    let relay = Process::start(Some(64));
    let crowd = connect(relay.hooks, crowd().min(300), b"POST ").await;

    let (served, healthy) = (relay.webhook(1).await, health(relay.hooks).await);

    println!("{} connections for 64 descriptors: a webhook took {served:?}, health {healthy:?}", crowd.len());
    assert!(served.max(healthy) < PROMPT, "others waited");
}

/// Sends the head and half of a large body, and goes on holding the connection.
async fn half_a_body(address: SocketAddr) -> TcpStream {
    const LENGTH: usize = 4 << 20;
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /hooks/alertmanager HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer {TOKEN}\r\n\
         content-length: {LENGTH}\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    // Whoever is put off hears so while it writes.
    let _put_off = connection.write_all(&vec![b' '; LENGTH - 1]).await;
    connection
}

/// Whether the relay has said so by now; what it is still willing to hear, it is silent about.
async fn is_put_off(mut connection: TcpStream) -> bool {
    let mut heard = [0; 12];
    let hearing = tokio::time::timeout(2 * LINGER, connection.read_exact(&mut heard)).await;
    hearing.is_ok_and(|read| read.is_ok()) && heard.ends_with(b"503")
}

#[tokio::test]
async fn two_hundred_large_bodies_at_once_stay_within_bounds() {
    let relay = Process::start(None);
    relay.webhook(0).await;
    let before = relay.resident();

    let mut sending = JoinSet::new();
    (0..200).for_each(|_| drop(sending.spawn(half_a_body(relay.hooks))));
    let held = sending.join_all().await;
    let (with, served) = (relay.resident(), relay.webhook(1).await);

    let mut hearing = JoinSet::new();
    held.into_iter().for_each(|connection| drop(hearing.spawn(is_put_off(connection))));
    let put_off = hearing.join_all().await.into_iter().filter(|put_off| *put_off).count();
    println!(
        "200 bodies of 4 MiB, all but their last byte: VmRSS {before} kB before, {with} kB with them; {put_off} were \
         put off; a webhook took {served:?}"
    );
    assert!(with < before + 96 * 1024, "the memory is not bounded: {before} kB, then {with} kB");
    assert!(put_off > 150, "{put_off} of 200 were put off");
    assert!(served < PROMPT);
}
