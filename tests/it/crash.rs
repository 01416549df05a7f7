//! The real binary, killed with SIGKILL at a bad moment and started again at once: nothing is lost, and nobody waits
//! for a lease.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::{Options, Simulator};
use serde_json::{Value, json};

use crate::harness::{TOKEN, answer, client, fixture_of_group, settings};

#[tokio::test(flavor = "multi_thread")]
async fn law_1_a_process_that_is_killed_between_202_and_delivery_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let config = folder.path().join("relay.yaml");
    std::fs::write(&config, settings(&simulator.base_url(), folder.path())).unwrap();
    // The first send never comes back, so the kill finds one delivery `sending` and the others `queued`.
    simulator.fault(Api::Send, 1, Answer::Hang);

    let mut relay = Process::start(&config);
    let http = client();
    let mut accepted = vec![];
    for group in 0..4 {
        let url = format!("http://{}/hooks/alertmanager/team", relay.hooks);
        let request = http.post(url).bearer_auth(TOKEN).body(fixture_of_group("one-firing.json", group));
        let (status, body) = answer(request).await;
        assert_eq!(status, 202, "{body}");
        accepted.push(body["deliveries"][0]["id"].clone());
    }
    let sending = format!("http://{}/api/v1/deliveries?state=sending", relay.admin);
    while answer(http.get(&sending)).await.1["deliveries"] == json!([]) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    relay.kill();

    let began = Instant::now();
    let relay = Process::start(&config);
    simulator.arrived(4).await;
    assert!(began.elapsed() < Duration::from_secs(8), "no lease is waited for: {:?}", began.elapsed());

    let list = loop {
        let list = answer(http.get(format!("http://{}/api/v1/deliveries", relay.admin))).await.1;
        let list = list["deliveries"].as_array().unwrap().clone();
        if list.iter().all(|delivery| delivery["state"] == "delivered") {
            break list;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let ids: Vec<Value> = list.iter().rev().map(|delivery| delivery["id"].clone()).collect();
    assert_eq!(ids, accepted, "every accepted one arrived");
    let doubtful: Vec<bool> = list.iter().rev().map(|d| d["possibly_duplicate"].as_bool().unwrap()).collect();
    assert_eq!(doubtful, [true, false, false, false], "only the one that was under way may be shown twice");
}

/// A running `serve`; it is killed when the value goes.
struct Process {
    child: Child,
    hooks: String,
    admin: String,
}

impl Process {
    /// Starts the binary and waits for the line that says it is ready.
    fn start(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dingtalk-relay"))
            .args(["serve", "--log-format", "json", "--config"])
            .arg(config)
            .env("RUST_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| serde_json::from_str::<Value>(&line).ok().filter(|line| line["hooks"].is_string()))
            .expect("the relay says that it is ready");
        // Somebody must go on reading, or the process would wait for it one day.
        std::thread::spawn(move || lines.for_each(drop));
        let address = |key: &str| ready[key].as_str().unwrap().to_owned();
        Self { child, hooks: address("hooks"), admin: address("admin") }
    }

    /// SIGKILL: no handler runs, nothing is finished.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
