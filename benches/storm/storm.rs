//! Many alerts for one DingTalk group, at once or within a minute.

use std::time::Duration;

use dingtalk_relay::model::delivery::{Delivery, State};
use dingtalk_relay::model::event::Severity;
use dingtalk_relay::simulator::Simulator;
use dingtalk_relay::simulator::faults::Api;
use dingtalk_relay::simulator::messages::Admitted;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::report::Report;
use crate::world::{Notification, World, begin};
use crate::{Storm, plainly, seconds};

/// The name of the critical alerts, which nothing else has.
pub(crate) const CRITICAL: &str = "PaymentsDown";
/// One alert in so many is critical.
const CRITICAL_ONE_IN: usize = 100;

/// What 10,000 alerts in 500 notifications may take at most.
const MOST_CALLS: usize = 25;
const ALL_WITHIN: Duration = Duration::from_secs(90);
const CRITICAL_WITHIN: Duration = Duration::from_secs(5);

/// Runs one storm through everybody; says whether ours lost nothing, met no limit and was done in time.
pub(crate) async fn run(storm: Storm) -> anyhow::Result<bool> {
    let Storm { alerts, groups, over } = storm;
    let when = if over == 0 { "at once".to_owned() } else { format!("within {over} s") };
    println!(
        "\n{alerts} alerts in {groups} notifications {when}, 1 in {CRITICAL_ONE_IN} critical, for one DingTalk group"
    );
    let notifications = notifications(storm);
    let ours = relay("dingtalk-relay", "{}", &notifications, alerts).await?;
    let alone =
        relay("dingtalk-relay, digest: never", r#"{"receiver": {"digest": "never"}}"#, &notifications, alerts).await?;
    let plainly = plainly::send(&notifications, alerts).await?;
    Report::head();
    [&ours, &alone, &plainly].into_iter().for_each(Report::print);
    let in_time = ours.calls <= MOST_CALLS
        && ours.all_after.is_some_and(|all| all <= ALL_WITHIN)
        && ours.critical_after.is_some_and(|critical| critical <= CRITICAL_WITHIN);
    let is_larger = alerts > Storm::DEFAULT.alerts || groups > Storm::DEFAULT.groups;
    Ok(ours.lost == 0 && ours.throttled == 0 && (in_time || is_larger))
}

async fn relay(
    who: &'static str,
    defaults: &str,
    notifications: &[Notification],
    alerts: usize,
) -> anyhow::Result<Report> {
    let mut world = World::new(1, 0, defaults).await?;
    world.live_through(notifications).await?;
    let deliveries = world.deliveries().await?;
    let told: usize = world.simulator.messages().iter().map(told).sum();
    let last = deliveries.iter().filter_map(|delivery| delivery.delivered_at).max();
    let all_told = told == alerts && deliveries.iter().all(|delivery| delivery.state == State::Delivered);
    Ok(Report {
        who,
        alerts,
        calls: world.simulator.count(Api::Send),
        all_after: last.filter(|_| all_told).map(since_the_beginning),
        critical_after: first_critical(&deliveries, &world.simulator),
        lost: alerts.abs_diff(told),
        throttled: world.simulator.calls().iter().filter(|call| call.status != Some(200)).count(),
    })
}

/// How many alerts a message accounts for: what its heading counts, `3 critical, 17 warning` in a digest, `20 warning
/// firing` and `20 firing (1 critical)` in one of its own. No alert of the bench is told twice, so the sum must be all.
fn told(message: &Admitted) -> usize {
    let text = message.msg_param.get("text").and_then(Value::as_str).unwrap_or_default();
    // Above the heading may stand that it comes late.
    text.lines().map(counted).find(|count| *count > 0).unwrap_or_default()
}

fn counted(line: &str) -> usize {
    let counts = line.split('(').next().unwrap_or_default();
    let words: Vec<_> = counts.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let counts = words.windows(2).filter(|pair| ["critical", "warning", "firing"].contains(&pair[1]));
    counts.filter_map(|pair| pair[0].parse::<usize>().ok()).sum()
}

/// From the arrival of the first critical alert until a message names it.
fn first_critical(deliveries: &[Delivery], simulator: &Simulator) -> Option<Duration> {
    let critical = deliveries.iter().filter(|delivery| delivery.severity == Severity::Critical);
    let came = critical.map(|delivery| delivery.created_at).min()?;
    let messages = simulator.messages();
    let names_it = |message: &&Admitted| Value::Object(message.msg_param.clone()).to_string().contains(CRITICAL);
    let told = messages.iter().find(names_it)?.at;
    Duration::try_from(told.duration_since(came)).ok()
}

fn since_the_beginning(at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(begin())).unwrap_or_default()
}

/// The storm as Alertmanager brings it: every notification with its share of the alerts, one service each.
fn notifications(storm: Storm) -> Vec<Notification> {
    let per_group = storm.alerts / storm.groups.max(1);
    let gap = seconds(storm.over).checked_div(u32::try_from(storm.groups).unwrap_or(u32::MAX)).unwrap_or_default();
    let mut notifications: Vec<_> = (0..storm.groups)
        .map(|group| {
            let first = group * per_group;
            let count = if group + 1 == storm.groups { storm.alerts - first } else { per_group };
            let wait = SignedDuration::try_from(gap * u32::try_from(group).unwrap_or(u32::MAX)).unwrap_or_default();
            Notification { at: begin() + wait, lane: 0, body: body(group, first..first + count) }
        })
        .collect();
    notifications.sort_by_key(|notification| notification.at);
    notifications
}

fn body(group: usize, alerts: std::ops::Range<usize>) -> Vec<u8> {
    let service = format!("service-{group}");
    let alerts: Vec<_> = alerts.map(|n| alert(n, &service)).collect();
    json!({
        "version": "4", "status": "firing", "receiver": "dingtalk", "truncatedAlerts": 0,
        "groupKey": format!("{{}}:{{service=\"{service}\"}}"), "groupLabels": {"service": service},
        "commonLabels": {"service": service, "cluster": "prod-1"}, "commonAnnotations": {},
        "externalURL": "https://alertmanager.example", "alerts": alerts,
    })
    .to_string()
    .into_bytes()
}

/// One alert. Which one is critical does not depend on how they are grouped.
pub(crate) fn alert(n: usize, service: &str) -> Value {
    const NAMES: [&str; 6] = ["InstanceDown", "HighLatency", "ErrorRate", "QueueGrows", "PodRestarts", "DiskFillsUp"];
    let (name, severity) = match n % CRITICAL_ONE_IN {
        0 => (CRITICAL, "critical"),
        _ => (NAMES[n % NAMES.len()], "warning"),
    };
    let instance = format!("10.{}.{}.{}:9100", n / 62_500, n / 250 % 250, n % 250);
    json!({
        "status": "firing", "fingerprint": format!("{n:016x}"), "startsAt": crate::world::BEGIN,
        "endsAt": "0001-01-01T00:00:00Z", "generatorURL": format!("https://prometheus.example/graph?n={n}"),
        "labels": {"alertname": name, "severity": severity, "service": service, "cluster": "prod-1", "instance": instance},
        "annotations": {"summary": format!("{name} on {instance}")},
    })
}
