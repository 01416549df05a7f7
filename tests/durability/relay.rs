//! A relay as a process of its own, under `strace` or not, with a simulated DingTalk in this one.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use dingtalk_relay::simulator::limits::Limits;
use dingtalk_relay::simulator::{Options, Simulator};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::trace::TRACED;

/// What every sender in these tests shows.
const TOKEN: &str = "from-the-test";

/// An answer's status and body; `None`: none came.
pub type Posted = Option<(u16, Value)>;

/// A folder with a configuration, and a DingTalk.
pub struct House {
    pub simulator: Simulator,
    folder: TempDir,
    http: reqwest::Client,
}

impl House {
    /// A house whose database will lie in a folder that does not exist yet. `pace` is how many messages a minute its
    /// only group takes.
    pub async fn new(pace: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { messages_per_minute: pace, calls_per_second: 1000, ..Limits::default() };
        let simulator = Simulator::start(Options { limits, ..Options::default() }).await.unwrap();
        let settings = format!(
            "
http: {{ listen: '127.0.0.1:0' }}
admin: {{ listen: '127.0.0.1:0' }}
store: {{ url: 'sqlite:{folder}/data/relay.db' }}
organisations: {{ default: {{ calls_per_month: 0 }} }}
apps:
  ops:
    base_url: '{base_url}'
    app_key: ding-test
    app_secret: not-a-secret
    timeout: 2s
    limits: {{ calls_per_second: 1000 }}
receivers:
  team: {{ app: ops, open_conversation_id: cid-team==, limits: {{ messages_per_minute: {pace} }} }}
sources:
  alertmanager: {{ kind: alertmanager, auth: {{ bearer_token: {TOKEN} }} }}
",
            folder = folder.path().display(),
            base_url = simulator.base_url(),
        );
        fs::write(folder.path().join("relay.yaml"), settings).unwrap();
        // reqwest wants a TLS provider even where there is no TLS.
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { simulator, folder, http }
    }

    /// Its folder, as the kernel calls it.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    /// Its database.
    pub fn database(&self) -> PathBuf {
        self.folder().join("data/relay.db")
    }

    /// A relay, as it is.
    pub fn start(&self) -> Relay {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dingtalk-relay"));
        Relay::start(command.args(["serve", "--log-format", "json", "--config"]).arg(self.config()), None)
    }

    /// A relay whose calls are written down in the file `trace`; `more` goes to strace.
    pub fn start_traced(&self, trace: &Path, more: &[&str]) -> Relay {
        let mut command = Command::new("strace");
        command.args(TRACED).arg("-o").arg(trace).args(more);
        command.arg(env!("CARGO_BIN_EXE_dingtalk-relay")).args(["serve", "--log-format", "json", "--config"]);
        Relay::start(command.arg(self.config()), Some(trace))
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("relay.yaml")
    }

    /// Posts the event of this name.
    pub async fn post(&self, relay: &Relay, name: &str) -> Posted {
        self.posting(relay, name).await
    }

    /// Posts these events at once, each on a connection of its own.
    pub fn burst(&self, relay: &Relay, names: impl IntoIterator<Item = String>) -> JoinSet<(String, Posted)> {
        let posting = |name: String| {
            let posting = self.posting(relay, &name);
            async move { (name, posting.await) }
        };
        names.into_iter().map(posting).collect()
    }

    fn posting(&self, relay: &Relay, name: &str) -> impl Future<Output = Posted> + use<> {
        let url = format!("http://{}/hooks/alertmanager/team", relay.hooks);
        let request = self.http.post(url).bearer_auth(TOKEN).header("content-type", "application/json");
        let request = request.body(event(name));
        async move {
            let answer = request.send().await.ok()?;
            let status = answer.status().as_u16();
            Some((status, serde_json::from_slice(&answer.bytes().await.ok()?).ok()?))
        }
    }

    /// Reads a path of the admin port.
    pub async fn look(&self, relay: &Relay, path: &str) -> Posted {
        let answer = self.http.get(format!("http://{}{path}", relay.admin)).send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, serde_json::from_slice(&answer.bytes().await.ok()?).unwrap_or_default()))
    }

    /// Every delivery there is.
    pub async fn deliveries(&self, relay: &Relay) -> Vec<Value> {
        let mut all = vec![];
        let mut cursor = String::new();
        loop {
            let path = format!("/api/v1/deliveries?limit=500{cursor}");
            let (status, mut page) = self.look(relay, &path).await.unwrap();
            assert_eq!(status, 200, "{page}");
            all.append(page["deliveries"].as_array_mut().unwrap());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }
}

/// A captured body as if it were of another group and another alert. The name is what a message's title shows.
fn event(name: &str) -> String {
    let mut body: Value = serde_json::from_str(include_str!("../fixtures/alertmanager/one-firing.json")).unwrap();
    body["groupKey"] = json!(name);
    for place in ["/alerts/0/labels/alertname", "/groupLabels/alertname", "/commonLabels/alertname"] {
        *body.pointer_mut(place).unwrap() = json!(name);
    }
    body.to_string()
}

/// A running `serve`; it is killed when the value goes.
pub struct Relay {
    child: Child,
    /// The relay itself; the child may be the strace above it.
    pid: String,
    pub hooks: String,
    pub admin: String,
    log: Option<JoinHandle<String>>,
}

impl Relay {
    fn start(command: &mut Command, trace: Option<&Path>) -> Self {
        let started = command.env("RUST_LOG", "info").stderr(Stdio::piped()).spawn();
        let missing = |error| panic!("cannot run {:?}: {error} (scripts/test installs strace)", command.get_program());
        let mut child = started.unwrap_or_else(missing);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut before = String::new();
        let ready = lines.by_ref().find_map(|line| {
            before += &(line.clone() + "\n");
            serde_json::from_str::<Value>(&line).ok().filter(|line| line["hooks"].is_string())
        });
        let Some(ready) = ready else { panic!("the relay did not get ready:\n{before}") };
        // Somebody must go on reading, or the process would wait for it one day.
        let log = std::thread::spawn(move || lines.fold(String::new(), |log, line| log + &line + "\n"));
        let pid = trace.map_or_else(|| child.id().to_string(), first_pid);
        let address = |key: &str| ready[key].as_str().unwrap().to_owned();
        Self { child, pid, hooks: address("hooks"), admin: address("admin"), log: Some(log) }
    }

    /// SIGKILL: no handler runs, nothing is finished.
    pub fn kill(mut self) {
        self.signal("KILL");
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits until it has ended by itself.
    pub fn stop(self) {
        self.signal("TERM");
        let (status, log) = self.ended();
        assert!(status.success(), "{status}\n{log}");
    }

    /// Waits until it has ended by itself, and gives what it logged since it was ready.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        (status, self.log.take().unwrap().join().unwrap())
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{signal} {}", self.pid)).status().unwrap();
        assert!(sent.success(), "the relay is there to be told {signal}");
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // A strace that is killed lets its child go on, so the relay goes first.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("KILL");
        }
        let _reaped = self.child.wait();
    }
}

/// The process that strace started: every line begins with a process, and the first line is about the first one.
fn first_pid(trace: &Path) -> String {
    let first = BufReader::new(fs::File::open(trace).unwrap()).lines().next().unwrap().unwrap();
    first.split(' ').next().unwrap().to_owned()
}
