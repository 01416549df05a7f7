//! Many notifications in a month of few calls, for one DingTalk group and for many.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use dingtalk_relay::model::budget::{Budget, Spacing, Used};
use dingtalk_relay::model::delivery::{Delivery, State};
use dingtalk_relay::model::event::Severity;
use dingtalk_relay::model::name::MessageId;
use dingtalk_relay::simulator::faults::Api;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::Month;
use crate::report::spoken;
use crate::world::{Notification, World, begin};

/// December in seconds.
const LENGTH: u64 = 31 * 24 * 60 * 60;
/// Within this, a critical alert must have been told.
const CRITICAL_WITHIN: Duration = Duration::from_secs(60);

/// What may be lost when a turn is passed on: a lane that is expected is waited for.
const PASSED_ON: Duration = Duration::from_secs(5);

/// Runs the month; says whether nothing was lost, no call was too many, every critical alert was told
/// in time and every other one after a turn of all lanes at most.
pub(crate) async fn run(month: Month) -> anyhow::Result<bool> {
    let mut sound = true;
    for lanes in month.lanes.map_or(vec![1, 40], |lanes| vec![lanes]) {
        sound &= with_lanes(month, lanes).await?;
    }
    Ok(sound)
}

/// When the month ends.
fn end() -> Timestamp {
    begin() + SignedDuration::from_secs(LENGTH.cast_signed())
}

async fn with_lanes(month: Month, lanes: usize) -> anyhow::Result<bool> {
    let Month { notifications, calls, critical_one_in, .. } = month;
    println!(
        "\n{notifications} notifications in a month of {calls} calls, 1 in {critical_one_in} critical, for {lanes} DingTalk group(s)"
    );
    let mut world = World::new(lanes, calls, "{}").await?;
    world.live_through(&coming(month, lanes)).await?;
    let deliveries = world.deliveries().await?;
    let refused = world.simulator.calls().iter().filter(|call| call.status != Some(200)).count();
    let made = world.simulator.messages().iter().filter(|message| message.at < end()).count();
    let lost = deliveries.iter().filter(|delivery| delivery.state != State::Delivered).count();
    let critical = delays(&deliveries, |severity| severity == Severity::Critical);
    let others = delays(&deliveries, |severity| severity != Severity::Critical);
    println!("calls in the month {made} (in all {}), refused {refused}, lost {lost}", world.simulator.count(Api::Send));
    print_delays("critical", &critical);
    print_delays("others", &others);
    let turn = Turn::of(&deliveries, world.budget().context("the month has no quota")?, lanes);
    println!("a turn of every lane takes {} on average, {} at its widest", spoken(turn.average), spoken(turn.widest));
    Ok(lost == 0
        && refused == 0
        && made as u64 <= calls
        && critical.last().is_none_or(|worst| *worst <= CRITICAL_WITHIN)
        && others.last().is_none_or(|worst| *worst <= turn.widest))
}

/// How long it takes until every lane has had its turn: what is not critical waits for no longer.
struct Turn {
    /// The month over the calls that told of nothing critical.
    average: Duration,
    /// What the arithmetic asked for when it asked for most, and what lanes lose in passing their turns on.
    widest: Duration,
}

impl Turn {
    fn of(deliveries: &[Delivery], budget: Budget, lanes: usize) -> Self {
        let calls = calls(deliveries);
        let others = calls.values().filter(|(_, critical)| !critical).count().max(1);
        let mut used = Used::default();
        let mut widest = Duration::ZERO;
        let mut in_order: Vec<_> = calls.into_values().collect();
        in_order.sort_unstable();
        for (at, critical) in in_order.into_iter().take_while(|(at, _)| *at < end()) {
            if let Spacing::Every(gap) = budget.spacing(used, at) {
                widest = widest.max(gap);
            }
            used.calls += 1;
            used.critical += u64::from(critical);
        }
        let each = |gap: Duration| gap.saturating_mul(u32::try_from(lanes).unwrap_or(u32::MAX));
        Self {
            average: each(Duration::from_secs(LENGTH) / u32::try_from(others).unwrap_or(1)),
            widest: each(widest + PASSED_ON),
        }
    }
}

/// Each call by its message: when it was made, and whether it told of something critical.
fn calls(deliveries: &[Delivery]) -> HashMap<&MessageId, (Timestamp, bool)> {
    let mut calls = HashMap::new();
    for delivery in deliveries {
        let (Some(message), Some(at)) = (&delivery.message, delivery.delivered_at) else { continue };
        let (_, critical) = calls.entry(&message.id).or_insert((at, false));
        *critical |= delivery.severity == Severity::Critical;
    }
    calls
}

/// The delays of these, the shortest first.
fn delays(deliveries: &[Delivery], which: impl Fn(Severity) -> bool) -> Vec<Duration> {
    let of = |delivery: &Delivery| Duration::try_from(delivery.delivered_at?.duration_since(delivery.created_at)).ok();
    let mut delays: Vec<_> = deliveries.iter().filter(|it| which(it.severity)).filter_map(of).collect();
    delays.sort_unstable();
    delays
}

fn print_delays(who: &str, delays: &[Duration]) {
    let at = |share: f64| delays.get(((delays.len() as f64 * share) as usize).min(delays.len().saturating_sub(1)));
    let told = |delay: Option<&Duration>| delay.map_or("none".to_owned(), |delay| spoken(*delay));
    println!(
        "{who:<9} {:>7}: median {}, 99 in 100 within {}, the longest {}",
        delays.len(),
        told(at(0.5)),
        told(at(0.99)),
        told(delays.last())
    );
}

/// Evenly at random over the month, each of a group of its own.
fn coming(month: Month, lanes: usize) -> Vec<Notification> {
    let mut random = fastrand::Rng::with_seed(20_261_201);
    let mut coming: Vec<_> = (0..month.notifications)
        .map(|n| {
            let at = begin() + SignedDuration::from_millis((random.u64(..LENGTH * 1_000)).cast_signed());
            Notification { at, lane: random.usize(..lanes), body: body(n, n % month.critical_one_in == 0) }
        })
        .collect();
    coming.sort_by_key(|notification| notification.at);
    coming
}

fn body(n: usize, is_critical: bool) -> Vec<u8> {
    let (name, severity) = if is_critical { ("PaymentsDown", "critical") } else { ("HighLatency", "warning") };
    let service = format!("service-{n}");
    let labels = json!({"alertname": name, "severity": severity, "service": service});
    json!({
        "version": "4", "status": "firing", "receiver": "dingtalk", "truncatedAlerts": 0,
        "groupKey": format!("{{}}:{{service=\"{service}\"}}"), "groupLabels": labels, "commonLabels": labels,
        "commonAnnotations": {}, "externalURL": "https://alertmanager.example",
        "alerts": [{
            "status": "firing", "fingerprint": format!("{n:016x}"), "startsAt": crate::world::BEGIN,
            "endsAt": "0001-01-01T00:00:00Z", "labels": labels, "annotations": {"summary": "too slow"},
        }],
    })
    .to_string()
    .into_bytes()
}
