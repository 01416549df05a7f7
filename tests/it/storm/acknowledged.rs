//! A critical alert that everybody knows of, in a group that goes on changing, in a month that runs out of calls.

use dingtalk_relay::model::month::Month;
use dingtalk_relay::store::Store;
use serde_json::Value;

use super::{BEGIN, MINUTE, SECOND, Stands, firing, group, received, simulated};
use crate::harness::Bench;

const TEAM: &str = "cid-team==";
const HUNDRED: &str = "organisations: { default: { calls_per_month: 100 } }";
const DOWN: Stands<'static> = ("db-1", "firing", "critical");

/// How the group stands: what is down, and a lamp that is on or off.
fn flapping(n: usize, more: &[Stands<'static>]) -> Vec<u8> {
    let lamp = ("lamp", if n.is_multiple_of(2) { "firing" } else { "resolved" }, "info");
    group("Payments", &[&[lamp], more].concat())
}

/// The same with another beginning of its last alert.
fn begun_at(body: &[u8], at: &str) -> Vec<u8> {
    let mut body: Value = serde_json::from_slice(body).unwrap();
    let alerts = body["alerts"].as_array_mut().unwrap();
    alerts.last_mut().unwrap()["startsAt"] = at.into();
    body.to_string().into_bytes()
}

async fn critical_calls(bench: &Bench) -> u64 {
    bench.store.critical_calls(&"default".parse().unwrap(), Month::of(bench.clock.now())).await.unwrap()
}

/// Accepted now and told within a second, by a call of what is kept for the critical.
async fn goes_at_once(bench: &mut Bench, body: &[u8], says: &str) {
    let (before, critical) = (received(bench, TEAM).len(), critical_calls(bench).await);
    bench.accept("team", body).await;
    bench.work_for(SECOND).await;
    let messages = received(bench, TEAM);
    assert_eq!((messages.len(), critical_calls(bench).await), (before + 1, critical + 1), "{says}");
    assert!(messages[before].1.contains(says), "{}", messages[before].1);
}

#[tokio::test]
async fn an_acknowledged_critical_with_a_flapping_lamp_waits_for_its_turns_and_news_of_the_critical_does_not() {
    let mut bench = Bench::with(HUNDRED, BEGIN, simulated).await;
    for n in 0..58 {
        bench.accept("oncall", &firing(&format!("before-{n}"), "warning")).await;
        bench.work_for(MINUTE).await;
    }
    goes_at_once(&mut bench, &flapping(0, &[DOWN]), "db-1").await;

    for n in 1..=24 * 12 {
        bench.accept("team", &flapping(n, &[DOWN])).await;
        bench.work_for(5 * MINUTE).await;
    }

    let of_the_day = received(&bench, TEAM).len() - 1;
    assert!((1..=6).contains(&of_the_day), "{of_the_day} messages in a day: the month has some five left for it");
    assert_eq!(critical_calls(&bench).await, 1, "nothing of the reserve was used");

    let worse = [("cache-1", "firing", "critical"), DOWN];
    goes_at_once(&mut bench, &flapping(1, &worse), "cache-1").await;
    let over = [worse[0], ("db-1", "resolved", "critical")];
    goes_at_once(&mut bench, &flapping(2, &over), "resolved").await;
    let again = begun_at(&flapping(3, &worse), "2026-11-22T12:59:00Z");
    goes_at_once(&mut bench, &again, "db-1").await;

    let known = critical_calls(&bench).await;
    bench.accept("team", &begun_at(&flapping(4, &worse), "2026-11-22T12:59:00Z")).await;
    bench.work_for(MINUTE).await;
    assert_eq!(critical_calls(&bench).await, known, "now it is known again");
}
