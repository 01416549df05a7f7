//! The access token in the whole relay: what a revoked one costs fifty lanes, that no send waits for a renewal, and
//! that wrong credentials block their app until the secret's file is mended, without a restart. What a token proves of
//! an app that is blocked stands in `proof`.

mod proof;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dingtalk_relay::dispatch::lane::Step;
use dingtalk_relay::model::outcome::Outcome;
use dingtalk_relay::simulator::Options;
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::simulator::limits::Limits;
use serde_json::{Value, json};

use crate::harness::{Bench, Hands, World, fixture_of_group};

const BEGIN: &str = "2026-11-21T12:00:00Z";
const LANES: usize = 50;

fn simulated(clock: Hands) -> Options {
    Options { clock: Arc::new(move || clock.now()), ..Options::default() }
}

/// Fifty groups, and no limit of their own or of the app's that would spread their calls.
fn fifty_groups() -> String {
    let mut more = "apps: { ops: { limits: { calls_per_second: 10000 } } }\nreceivers:\n".to_owned();
    for n in 0..LANES {
        writeln!(more, "  lane-{n}: {{ app: ops, open_conversation_id: 'cid-{n}==' }}").unwrap();
    }
    more
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_lanes_that_hit_a_revoked_token_under_load_cost_one_refresh() {
    let world = World::with(&fifty_groups()).await;
    world.simulator.limits(Limits { calls_per_second: 0, ..Limits::default() });
    let burst = async |group: usize| {
        for n in 0..LANES {
            let path = format!("/hooks/alertmanager/lane-{n}");
            assert_eq!(world.post(&path, fixture_of_group("one-firing.json", group)).await.0, 202);
        }
    };
    burst(0).await;
    world.simulator.arrived(LANES).await;
    assert_eq!(world.simulator.count(Api::Token), 1);

    // In the middle of the second burst: some lanes have calls under way, some are about to, some have nothing yet.
    let revoked = async {
        world.simulator.arrived(LANES + LANES / 3).await;
        world.simulator.revoke_tokens();
    };
    tokio::join!(
        async {
            burst(1).await;
            burst(2).await;
        },
        revoked
    );

    world.simulator.arrived(3 * LANES).await;
    let list = world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    assert!(list.iter().all(|delivery| delivery["attempts"] == 1), "{list:?}");
    assert_eq!(world.simulator.messages().len(), 3 * LANES, "nothing twice");
    let calls = asked_over_http(&world, "/sim/calls").await;
    let tokens = calls.as_array().unwrap().iter().filter(|call| call["api"] == "token").count();
    assert_eq!(tokens, 2, "one at the start, one for all fifty lanes");
    world.end().await;
}

#[tokio::test]
async fn no_send_waits_for_the_renewal_of_a_token_that_is_soon_to_end() {
    let patient = "apps: { ops: { timeout: 10m } }";
    let mut bench = Bench::with(patient, BEGIN, simulated).await;
    bench.accept("team", &fixture_of_group("one-firing.json", 1)).await;
    bench.work_for(Duration::from_secs(2 * 60 * 60 - 9 * 60)).await;
    bench.simulator.fault(Api::Token, 1, Answer::Hang);
    let (gate, now) = (bench.gate("team"), bench.clock.now());
    let renewal = tokio::spawn(async move { gate.renew(now).await });
    bench.simulator.called(Api::Token, 2).await;

    bench.accept("team", &fixture_of_group("one-firing.json", 2)).await;
    assert_eq!(bench.step("team").await, Ok(Step::Tried(Outcome::Sent)));

    assert_eq!(bench.simulator.count(Api::Token), 2, "the renewal still hangs, and nobody asked for another one");
    renewal.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_kept_fresh_also_while_nothing_is_sent() {
    let world = World::start().await;
    world.simulator.limits(Limits { token_lifetime: Duration::from_secs(1), ..Limits::default() });
    world.post("/hooks/alertmanager/team", fixture_of_group("one-firing.json", 1)).await;

    let renewed = tokio::time::timeout(Duration::from_secs(10), world.simulator.called(Api::Token, 2)).await;

    assert!(renewed.is_ok());
    assert_eq!(world.simulator.count(Api::Send), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_block_their_app_and_a_mended_secret_file_opens_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app-secret");
    // As the kubelet mounts a Secret: the file is a link, and what it leads to is swapped.
    publish(folder.path(), "..1", "mistyped");
    std::os::unix::fs::symlink("..data/app-secret", &file).unwrap();
    let vault = format!(
        "
apps: {{ vault: {{ base_url: SIMULATOR, app_key: ding-vault, app_secret_file: '{}' }} }}
receivers: {{ safe: {{ app: vault, open_conversation_id: cid-safe== }} }}
",
        file.display()
    );
    let world = World::with(&vault).await;
    world.simulator.fault(Api::Token, 1, Answer::code(400, "invalidClientIdOrSecret"));
    world.post("/hooks/alertmanager/safe", fixture_of_group("one-firing.json", 1)).await;
    world.simulator.called(Api::Token, 1).await;
    let blocked = world.until("/api/v1/apps", |apps| app(apps, "vault")["state"] == "blocked").await;
    assert_eq!(app(&blocked, "vault")["blocked"]["code"], "invalidClientIdOrSecret");
    assert_eq!(app(&blocked, "ops")["state"], "flowing", "only its own app");

    publish(folder.path(), "..2", "the right one");

    // The next probe would be half a minute away.
    let arrived = tokio::time::timeout(Duration::from_secs(10), world.simulator.arrived(1)).await;
    assert_eq!(arrived.expect("the mended file is noticed")[0].open_conversation_id, "cid-safe==");
    world.deliveries(|list| list.iter().all(|delivery| delivery["state"] == "delivered")).await;
    assert_eq!(app(&world.look("/api/v1/apps").await, "vault")["blocked"], json!(null));
    world.end().await;
}

/// A new version of a mounted Secret with one file, as the kubelet writes it.
fn publish(volume: &Path, version: &str, secret: &str) {
    std::fs::create_dir(volume.join(version)).unwrap();
    std::fs::write(volume.join(version).join("app-secret"), secret).unwrap();
    std::os::unix::fs::symlink(version, volume.join("..data_tmp")).unwrap();
    std::fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
}

fn app<'v>(apps: &'v Value, name: &str) -> &'v Value {
    apps["apps"].as_array().unwrap().iter().find(|app| app["app"] == name).unwrap()
}

async fn asked_over_http(world: &World, path: &str) -> Value {
    let answer = world.http.get(format!("{}{path}", world.simulator.base_url())).send().await.unwrap();
    answer.json().await.unwrap()
}
