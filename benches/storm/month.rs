//! Many notifications in a month of few calls, for one DingTalk group and for many.

use std::time::Duration;

use dingtalk_relay::model::delivery::{Delivery, State};
use dingtalk_relay::model::event::Severity;
use dingtalk_relay::simulator::faults::Api;
use jiff::SignedDuration;
use serde_json::json;

use crate::Month;
use crate::report::spoken;
use crate::world::{Notification, World, begin};

/// December in seconds.
const LENGTH: u64 = 31 * 24 * 60 * 60;
/// Within this, a critical alert must have been told.
const CRITICAL_WITHIN: Duration = Duration::from_secs(60);

/// Runs the month; says whether nothing was lost, no call was too many and every critical alert was told in time.
pub(crate) async fn run(month: Month) -> anyhow::Result<bool> {
    let mut sound = true;
    for lanes in month.lanes.map_or(vec![1, 40], |lanes| vec![lanes]) {
        sound &= with_lanes(month, lanes).await?;
    }
    Ok(sound)
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
    let end = begin() + SignedDuration::from_secs(LENGTH.cast_signed());
    let made = world.simulator.messages().iter().filter(|message| message.at < end).count();
    let lost = deliveries.iter().filter(|delivery| delivery.state != State::Delivered).count();
    let critical = delays(&deliveries, |severity| severity == Severity::Critical);
    let others = delays(&deliveries, |severity| severity != Severity::Critical);
    println!("calls in the month {made} (in all {}), refused {refused}, lost {lost}", world.simulator.count(Api::Send));
    print_delays("critical", &critical);
    print_delays("others", &others);
    println!("others may have to wait {}", spoken(allowed(month, lanes, critical.len())));
    Ok(lost == 0
        && refused == 0
        && made as u64 <= calls
        && critical.last().is_none_or(|worst| *worst <= CRITICAL_WITHIN))
}

/// What the arithmetic allows: the month's length over the calls that are left to what is not critical, once for every
/// lane. Each of them waits so long at most, if they come evenly and none goes along with a critical one.
fn allowed(month: Month, lanes: usize, critical: usize) -> Duration {
    let for_others = month.calls.saturating_sub(critical as u64).max(1);
    Duration::from_secs(LENGTH * lanes as u64 / for_others)
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
