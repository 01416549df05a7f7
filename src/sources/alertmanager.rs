//! Alertmanager's webhook, version 4 → [`Event`].
//!
//! The body is described at <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>. What a real
//! Alertmanager always sends and we cannot do without is demanded: `alerts`, at least one, each with `status`,
//! `labels` and `startsAt`. The rest may be missing or null, for losing an alert over a field that only decorates it
//! would be worse than showing it plainly. Unknown fields are ignored: versions add some. A refusal says where and
//! what was expected, and never repeats the body (see `wire`, which knows the JSON); this file knows what the
//! fields mean to us.

mod wire;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::model::event::{Event, Item, Labels, Status};
use crate::model::name::{EventId, Name};
use crate::sources::BadBody;
use crate::sources::alertmanager::wire::Alert;
use crate::sources::outside::{LONGEST_TITLE, hex, one_line, web_address};
use crate::sources::severity::Severities;

/// The kind, as matchers see it.
pub const KIND: &str = "alertmanager";

/// What a body of Alertmanager says.
pub fn decode(source: &Name, severities: &Severities, body: &[u8], received_at: Timestamp) -> Result<Event, BadBody> {
    let group = wire::read(body)?;
    let order_key = group.key.clone().unwrap_or_else(|| key_of(&group.labels));
    let dedup_key = dedup_key(&order_key, group.receiver.as_deref(), &group.alerts);
    let items: Vec<Item> = group.alerts.into_iter().map(|alert| item(alert, severities)).collect();
    let (title, count) = (title(&group.labels, &items), items.len());
    let title_in_chinese = title.is_none().then(|| format!("{count} 条告警"));
    Ok(Event {
        id: EventId::fresh(),
        source: source.clone(),
        kind: KIND,
        title: title.unwrap_or_else(|| format!("{count} alert{}", if count == 1 { "" } else { "s" })),
        title_in_chinese,
        url: group.external_url.as_deref().and_then(web_address),
        received_at,
        order_key,
        dedup_key,
        dedup_state: String::new(),
        facts: group.receiver.iter().map(|receiver| ("receiver".to_owned(), unquoted(receiver))).collect(),
        group: group.labels,
        items,
        truncated: group.truncated,
    })
}

fn item(alert: Alert, severities: &Severities) -> Item {
    Item {
        name: name(&alert.labels, &alert.annotations),
        status: alert.status,
        severity: severities.of(&alert.labels),
        since: alert.since,
        // While an alert fires, `endsAt` is the year 1, or in old versions the time at which it would be given up.
        until: alert.until.filter(|until| alert.status == Status::Resolved && !is_zero(*until)),
        url: alert.url.as_deref().and_then(web_address),
        fingerprint: alert.fingerprint,
        labels: alert.labels,
        annotations: alert.annotations,
    }
}

/// Go's zero time is how Alertmanager says "no time".
fn is_zero(time: Timestamp) -> bool {
    time.to_zoned(jiff::tz::TimeZone::UTC).year() == 1
}

/// What a person calls an alert: the `alertname`, which only alerts posted by hand lack; then the summary's first
/// line. Empty if there is none either: what then stands there is said in the reader's language.
fn name(labels: &Labels, annotations: &Labels) -> String {
    let words = [labels.get("alertname"), annotations.get("summary")];
    let lines = words.into_iter().flatten().filter_map(|text| text.lines().map(str::trim).find(|l| !l.is_empty()));
    lines.map(|line| one_line(line, LONGEST_TITLE)).next().unwrap_or_default()
}

/// What the group is about, in one line: the `alertname` it was grouped by, and the other group labels behind it. A
/// group without labels is called by its only item; `None` where only their number can be told.
fn title(group: &Labels, items: &[Item]) -> Option<String> {
    let others = group.iter().filter(|(name, _)| *name != "alertname").map(|(name, value)| format!("{name}={value}"));
    let others = others.collect::<Vec<_>>().join(", ");
    let title = match (group.get("alertname"), others.is_empty(), items) {
        (Some(name), true, _) => name.clone(),
        (Some(name), false, _) => format!("{name} ({others})"),
        (None, false, _) => others,
        (None, true, [only]) if !only.name.is_empty() => only.name.clone(),
        (None, true, _) => return None,
    };
    Some(one_line(&title, LONGEST_TITLE))
}

/// Alertmanager quotes the receiver's name as a regular expression (`team\.a`) before it sends it; people write the
/// name they configured, so the quoting is undone. See `Receiver` in
/// <https://prometheus.io/docs/alerting/latest/notifications/#data>.
fn unquoted(receiver: &str) -> String {
    let mut name = String::with_capacity(receiver.len());
    let mut letters = receiver.chars();
    while let Some(letter) = letters.next() {
        name.push(if letter == '\\' { letters.next().unwrap_or('\\') } else { letter });
    }
    name
}

/// The key of a group whose sender gives none: what it was grouped by.
fn key_of(group: &Labels) -> String {
    let pairs: Vec<_> = group.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// The same for two bodies exactly if they tell of the same group, for the same receiver, with the same alerts in
/// the same states since the same instants. Every part is written with its length, so that no two lists of parts
/// read alike.
fn dedup_key(group_key: &str, receiver: Option<&str>, alerts: &[Alert]) -> String {
    let mut states: Vec<_> = alerts.iter().map(|a| (&a.fingerprint, a.status.as_str(), a.since)).collect();
    states.sort_unstable();
    let mut hash = Sha256::new();
    let mut part = |text: &[u8]| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    part(group_key.as_bytes());
    part(receiver.unwrap_or_default().as_bytes());
    for (fingerprint, status, since) in states {
        part(fingerprint.as_bytes());
        part(status.as_bytes());
        part(&since.as_nanosecond().to_be_bytes());
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests;
