//! The real binary, killed with SIGKILL at a bad moment and started again at once: nothing is lost, and nobody waits
//! for a lease.

use std::time::{Duration, Instant};

use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::{Options, Simulator};
use serde_json::{Value, json};

use crate::harness::{TOKEN, answer, client, fixture_of_group, settings};
use crate::process::Process;

#[tokio::test(flavor = "multi_thread")]
async fn law_1_a_process_that_is_killed_between_202_and_delivery_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let config = folder.path().join("relay.yaml");
    std::fs::write(&config, settings(&simulator.base_url(), folder.path())).unwrap();
    // The first send never comes back, so the kill finds one delivery `sending` and the others `queued`.
    simulator.fault(Api::Send, 1, Answer::Hang);

    let mut relay = Process::start(&config, "info");
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
    let relay = Process::start(&config, "info");
    simulator.arrived(4).await;
    assert!(began.elapsed() < Duration::from_secs(20), "no lease is waited for: {:?}", began.elapsed());

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
