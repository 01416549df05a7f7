//! A token that is granted opens an app that was blocked for want of one, also when nothing waits that could find it out;
//! and what could not be stored of an app's state is stored in the end.

use std::sync::Arc;
use std::time::Duration;

use dingtalk_relay::dispatch::lane::Step;
use dingtalk_relay::gate::aside::{By, Ready};
use dingtalk_relay::gate::renewal;
use dingtalk_relay::model::call::Call;
use dingtalk_relay::model::health::Health;
use dingtalk_relay::model::message::Target;
use dingtalk_relay::simulator::faults::{Answer, Api};
use dingtalk_relay::store::Store;
use serde_json::json;
use tokio::sync::watch;

use crate::harness::{Bench, World, fixture};
use crate::tokens::{BEGIN, app, publish, simulated};
use crate::troubled::Trouble;

const EVERY_CALL: u32 = u32::MAX;

fn wrong_credentials() -> Answer {
    Answer::code(400, "invalidClientIdOrSecret")
}

#[tokio::test(flavor = "multi_thread")]
async fn mended_credentials_open_their_app_although_a_fallback_has_taken_all_that_waited() {
    let folder = tempfile::tempdir().unwrap();
    publish(folder.path(), "..1", "mistyped");
    let more = format!(
        "
apps: {{ vault: {{ base_url: SIMULATOR, app_key: ding-vault, app_secret_file: '{}/..data/app-secret' }} }}
receivers: {{ safe: {{ app: vault, open_conversation_id: cid-safe==, fallback: team, fallback_after: 1s }} }}
",
        folder.path().display()
    );
    let world = World::with(&more).await;
    world.simulator.fault(Api::Token, 1, wrong_credentials());
    world.post("/hooks/alertmanager/safe", fixture("one-firing.json")).await;
    world.deliveries(|list| list.iter().any(|one| one["receiver"] == "team" && one["state"] == "delivered")).await;
    let lanes = world.look("/api/v1/lanes").await;
    let safe = lanes["lanes"].as_array().unwrap().iter().find(|lane| lane["receiver"] == "safe").unwrap();
    assert_eq!((&safe["state"], &safe["queued"]), (&json!("blocked"), &json!(0)), "nothing waits to find it out");

    publish(folder.path(), "..2", "the right one");

    // The next probe would be half a minute away.
    let apps = world.until("/api/v1/apps", |apps| app(apps, "vault")["state"] == "flowing").await;
    assert_eq!(app(&apps, "vault")["blocked"], json!(null));
    assert!(app(&apps, "vault")["token_expires_at"].is_string());
    let metrics = world.http.get(format!("http://{}/metrics", world.relay.admin())).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("dingtalk_relay_lane_blocked{receiver=\"safe\"} 0"), "{metrics}");
    let sends = world.simulator.calls().into_iter().filter(|call| call.api == Some(Api::Send));
    assert!(sends.into_iter().all(|call| call.open_conversation_id.as_deref() != Some("cid-safe==")));
    world.deliveries(|list| list.iter().all(|one| one["state"] == "delivered" || one["state"] == "handed_over")).await;
    world.end().await;
}

#[tokio::test]
async fn the_want_of_a_token_is_probed_by_asking_for_one_at_the_times_of_the_contract() {
    let mut bench = Bench::new(BEGIN, simulated).await;
    bench.simulator.fault(Api::Token, EVERY_CALL, wrong_credentials());
    let delivery = bench.accept("team", &fixture("one-firing.json")).await.deliveries.remove(0).0;
    assert_eq!(bench.step("team").await, Ok(Step::Authorised));
    let cancelled = dingtalk_relay::store::action::Action::Cancel;
    bench.store.act(&delivery, cancelled, bench.clock.now()).await.unwrap();
    let gate = bench.gate("team");

    let mut waits = vec![];
    for _ in 0..8 {
        let next = gate.probe_by_token(bench.clock.now()).await.unwrap().unwrap();
        waits.push(next.duration_since(bench.clock.now()).as_secs_f64().round() as i64);
        bench.clock.move_to(next);
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600, 600]);
    assert_eq!(bench.simulator.count(Api::Token), 8);
    assert_eq!(bench.store.apps().await.unwrap()[0], gate.row(), "and each is stored");

    bench.simulator.forget();
    assert_eq!(gate.probe_by_token(bench.clock.now()).await, Ok(None));

    assert_eq!(gate.health(), Health::Flowing);
    assert_eq!(bench.store.apps().await.unwrap()[0].health, Health::Flowing);
    assert_eq!(gate.probe_by_token(bench.clock.now()).await, Ok(None));
    assert_eq!(bench.simulator.count(Api::Token), 1, "what flows is not asked about");
}

#[tokio::test]
async fn a_token_proves_nothing_of_what_a_send_has_drawn() {
    for code in ["Forbidden.AccessDenied.AccessTokenPermissionDenied", "Forbidden.AccessDenied.IpNotInWhiteList"] {
        let mut bench = Bench::new(BEGIN, simulated).await;
        bench.simulator.fault(Api::Send, 1, Answer::code(403, code));
        bench.accept("team", &fixture("one-firing.json")).await;
        bench.work_for(Duration::from_secs(1)).await;
        let gate = bench.gate("team");
        let blocked = gate.health();

        bench.clock.move_to(bench.clock.now() + Duration::from_secs(3 * 60 * 60));
        assert!(!gate.is_authorised(bench.clock.now()), "the token has ended");

        assert_eq!(gate.probe_by_token(bench.clock.now()).await, Ok(None), "{code}");
        assert_eq!((gate.health(), bench.simulator.count(Api::Token)), (blocked, 1), "{code}");
    }
}

#[tokio::test]
async fn a_state_that_the_store_did_not_take_is_stored_in_the_end() {
    let bench = Bench::new(BEGIN, simulated).await;
    let (gate, now) = (bench.gate("team"), bench.clock.now());
    gate.authorise(now).await.unwrap();
    let Ready::Go(paid) = gate.ready(Call::Query, By::Hand, now).await.unwrap() else { panic!("it may go") };
    let to = Target { robot_code: "r".into(), open_conversation_id: "c".into(), cool_app_code: None };
    bench.simulator.fault(Api::Query, 1, Answer::code(403, "Forbidden.AccessDenied.IpNotInWhiteList"));
    bench.store.fail(Trouble::NoSave);
    assert!(gate.query(&paid, &to, "key", None, now).await.is_err());
    assert_eq!(bench.store.apps().await.unwrap()[0].health, Health::Flowing);
    assert!(matches!(gate.health(), Health::Blocked(_)));

    let mut moves = bench.store.moves();
    let (stop, stopped) = watch::channel(false);
    let seen_to = tokio::spawn(renewal::run(Arc::clone(&gate), stopped));
    bench.store.fail(None);

    let stored = async {
        while bench.store.apps().await.unwrap()[0] != gate.row() {
            moves.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(10), stored).await.expect("it is tried again");
    stop.send_replace(true);
    seen_to.await.unwrap();
}
