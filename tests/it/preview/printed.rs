//! `render` as a person runs it: the real program, what it prints for captured bodies, and its exit codes. No relay, no
//! store, no secret.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const SETTINGS: &str = "
store: { url: sqlite:never/relay.db }
apps: { ops: { region: intl, app_key: k, app_secret_file: nowhere } }
receivers:
  oncall: { display_name: 值班群, app: ops, open_conversation_id: cid-oncall==, timezone: Asia/Shanghai }
  team: { app: ops, open_conversation_id: cid-team== }
  cards: { app: ops, open_conversation_id: cid-cards==, message: action_card }
sources:
  alertmanager: { kind: alertmanager, auth: { bearer_token_file: nowhere } }
  github: { kind: github, secret_file: nowhere }
  deploys: { kind: generic, auth: { bearer_token_file: nowhere } }
route:
  receiver: team
  routes:
    - { matchers: [alertname=Watchdog], drop: true }
    - { matchers: ['severity=\"critical\"'], receiver: oncall }
";

#[test]
fn an_alert() {
    insta::assert_snapshot!(page(&["--source", "alertmanager"], "alertmanager/one-firing.json"));
}

#[test]
fn an_alert_as_a_card() {
    insta::assert_snapshot!(page(&["--source", "alertmanager", "--receiver", "cards"], "alertmanager/one-firing.json"));
}

#[test]
fn a_storm_for_one_receiver() {
    insta::assert_snapshot!(page(
        &["--source", "alertmanager", "--receiver", "oncall"],
        "alertmanager/fifty-mixed.json"
    ));
}

#[test]
fn what_alertmanager_left_out_is_told() {
    insta::assert_snapshot!(page(&["--source", "alertmanager"], "alertmanager/truncated-by-max-alerts.json"));
}

#[test]
fn what_a_route_drops() {
    insta::assert_snapshot!(page(&["--source", "alertmanager"], "alertmanager/watchdog.json"), @"Nobody would get it: a route drops it.");
}

#[test]
fn a_pull_request() {
    insta::assert_snapshot!(page(&["--source", "github", "--event", "pull_request"], "github/pull_request.json"));
}

#[test]
fn a_ping() {
    insta::assert_snapshot!(page(&["--source", "github", "--event", "ping"], "github/ping.json"), @"This is GitHub's ping: it is answered 202, and nobody is told.");
}

#[test]
fn two_receivers_of_one_webhook() {
    let mut body: Value =
        serde_json::from_slice(&std::fs::read(fixture("alertmanager/from-prometheus.json")).unwrap()).unwrap();
    body["alerts"][0]["labels"]["severity"] = "nobody knows".into();
    let bench = Bench::new();
    let file = bench.0.path().join("body.json");
    std::fs::write(&file, body.to_string()).unwrap();
    insta::assert_snapshot!(printed(&bench.render(&["--source", "alertmanager", file.to_str().unwrap()])));
}

#[test]
fn json_is_what_the_api_answers_and_standard_input_is_a_payload() {
    let bench = Bench::new();
    let output = bench.fed(&["--source", "deploys", "--json", "-"], r#"{"title":"x","b":1,"a":2}"#);
    assert!(output.status.success(), "{output:?}");
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["receivers"][0]["receiver"], "team");
    assert_eq!(shown["receivers"][0]["messages"][0]["title"], "🟠 x");
    assert_eq!(shown["receivers"][0]["warnings"], serde_json::json!([]));
    assert!(!bench.0.path().join("never").exists(), "no store is opened");
}

#[test]
fn a_payload_that_is_not_the_sources_is_1_and_bad_usage_2() {
    let bench = Bench::new();
    let alert = fixture("alertmanager/one-firing.json");
    let alert = alert.to_str().unwrap();
    let push = fixture("github/push.json");
    for (arguments, code, says) in [
        (&["--source", "alertmanager", push.to_str().unwrap()][..], 1, "not what source `alertmanager` sends: alerts"),
        (&["--source", "nobody", alert], 2, "there are `alertmanager`, `deploys`, `github`"),
        (&["--source", "alertmanager", "--receiver", "teem", alert], 2, "did you mean `team`?"),
        (&["--source", "alertmanager", "--template", "mine", alert], 2, "there is no such template"),
        (&["--source", "github", push.to_str().unwrap()], 2, "--event is missing"),
        (&["--source", "alertmanager", "--event", "push", alert], 2, "takes no --event"),
        (&["--source", "alertmanager", "/nowhere/at/all"], 2, "cannot read /nowhere/at/all"),
        (&["--source", "alertmanager"], 2, "<PAYLOAD>"),
    ] {
        let output = bench.render(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(code), 0), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
    let without_route = SETTINGS.split("route:").next().unwrap();
    std::fs::write(bench.0.path().join("relay.yaml"), without_route).unwrap();
    let output = bench.render(&["--source", "alertmanager", alert]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no route is configured: name a receiver"));
    std::fs::write(bench.0.path().join("relay.yaml"), "planted: 1").unwrap();
    assert_eq!(bench.render(&["--source", "alertmanager", alert]).status.code(), Some(2));
}

#[test]
fn whoever_reads_only_the_beginning_breaks_nothing() {
    let bench = Bench::new();
    let storm = fixture("alertmanager/fifty-mixed.json");
    let mut command = bench.command(&["--source", "alertmanager", "--json", storm.to_str().unwrap()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

/// A folder with a configuration.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("relay.yaml"), SETTINGS).unwrap();
        Self(folder)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dingtalk-relay"));
        command.current_dir(self.0.path()).args(["render", "--config", "relay.yaml"]).args(arguments).env_clear();
        command
    }

    fn render(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn fed(&self, arguments: &[&str], payload: &str) -> Output {
        let pipes = self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = pipes.unwrap();
        child.stdin.take().unwrap().write_all(payload.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }
}

fn page(arguments: &[&str], name: &str) -> String {
    let file = fixture(name);
    printed(&Bench::new().render(&[arguments, &[file.to_str().unwrap()]].concat()))
}

/// Standard output, with another time where the time is that of the test.
fn printed(output: &Output) -> String {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let now = regex::Regex::new(r"(?m)^  at \d{4}-\d\d-\d\d \d\d:\d\d UTC$").unwrap();
    now.replace_all(std::str::from_utf8(&output.stdout).unwrap(), "  at 2026-11-21 12:00 UTC").into_owned()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}
