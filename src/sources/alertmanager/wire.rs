//! The JSON of Alertmanager's webhook, and what is said of a body that is not it.
//!
//! [`read`] is the only door: bytes in, a [`Group`] whose demanded fields are there, or a [`BadBody`]. The texts of
//! serde's errors repeat the value they complain of (`invalid type: string "…"`), and a path may hold a label's name;
//! so neither is used: a refusal is put together from *our* field names and from what the field should have held.
//! Good bodies are read in one pass; only a refused one is read a second time, to learn where.

use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_path_to_error::Segment;

use crate::model::event::{Labels, Status};
use crate::sources::BadBody;
use crate::sources::outside::broken_json;

/// A body, checked.
#[derive(Debug)]
pub(super) struct Group {
    /// `groupKey`.
    pub(super) key: Option<String>,
    /// `receiver`, as sent.
    pub(super) receiver: Option<String>,
    /// `groupLabels`.
    pub(super) labels: Labels,
    /// `externalURL`, whatever it holds.
    pub(super) external_url: Option<String>,
    /// `truncatedAlerts`.
    pub(super) truncated: u64,
    /// `alerts`; at least one.
    pub(super) alerts: Vec<Alert>,
}

/// One alert, checked.
#[derive(Debug)]
pub(super) struct Alert {
    /// `fingerprint`; worked out as Alertmanager does it where the sender leaves it out.
    pub(super) fingerprint: String,
    /// `status`.
    pub(super) status: Status,
    /// `labels`.
    pub(super) labels: Labels,
    /// `annotations`.
    pub(super) annotations: Labels,
    /// `startsAt`.
    pub(super) since: Timestamp,
    /// `endsAt`, as sent.
    pub(super) until: Option<Timestamp>,
    /// `generatorURL`, whatever it holds.
    pub(super) url: Option<String>,
}

/// `Message` of Alertmanager, as far as we read it. Every field is optional here, so that whatever is missing is
/// reported by its own path.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireGroup {
    version: Option<String>,
    group_key: Option<String>,
    receiver: Option<String>,
    group_labels: Option<Labels>,
    #[serde(rename = "externalURL")]
    external_url: Option<String>,
    truncated_alerts: Option<u64>,
    alerts: Option<Vec<Object<WireAlert>>>,
}

/// `Alert` of Alertmanager, as far as we read it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAlert {
    fingerprint: Option<String>,
    status: Option<AlertStatus>,
    labels: Option<Labels>,
    annotations: Option<Labels>,
    starts_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "if_readable")]
    ends_at: Option<Timestamp>,
    #[serde(rename = "generatorURL")]
    generator_url: Option<String>,
}

/// The end of an alert is decoration, and senders put odd years into it: what cannot be read is none.
fn if_readable<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let end = Option::<String>::deserialize(from)?;
    Ok(end.and_then(|end| end.parse().ok()))
}

/// What Alertmanager says of an alert; nothing else is a status of one.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum AlertStatus {
    Firing,
    Resolved,
}

impl From<AlertStatus> for Status {
    fn from(status: AlertStatus) -> Self {
        match status {
            AlertStatus::Firing => Self::Firing,
            AlertStatus::Resolved => Self::Resolved,
        }
    }
}

/// The group a body holds, or where and why it holds none.
pub(super) fn read(body: &[u8]) -> Result<Group, BadBody> {
    match serde_json::from_slice(body) {
        Ok(Object(group)) => checked(group),
        Err(error) => Err(refusal(body, &error)),
    }
}

fn checked(group: WireGroup) -> Result<Group, BadBody> {
    if group.version.is_some_and(|version| version != "4") {
        return Err(expected("version".to_owned()));
    }
    let alerts = group.alerts.ok_or_else(|| missing("alerts"))?;
    if alerts.is_empty() {
        // Alertmanager never sends an empty group, and an empty message would puzzle whoever reads it.
        return Err(BadBody { at: "alerts".to_owned(), message: "expected at least one alert".to_owned() });
    }
    let alerts = alerts.into_iter().enumerate().map(|(i, Object(alert))| checked_alert(i, alert));
    Ok(Group {
        alerts: alerts.collect::<Result<_, _>>()?,
        key: group.group_key,
        receiver: group.receiver,
        labels: group.group_labels.unwrap_or_default(),
        external_url: group.external_url,
        truncated: group.truncated_alerts.unwrap_or(0),
    })
}

fn checked_alert(index: usize, alert: WireAlert) -> Result<Alert, BadBody> {
    let field = |name: &str| missing(&format!("alerts[{index}].{name}"));
    let labels = alert.labels.ok_or_else(|| field("labels"))?;
    Ok(Alert {
        fingerprint: alert.fingerprint.filter(|f| !f.is_empty()).unwrap_or_else(|| fingerprint(&labels)),
        status: alert.status.ok_or_else(|| field("status"))?.into(),
        since: alert.starts_at.ok_or_else(|| field("startsAt"))?,
        until: alert.ends_at,
        annotations: alert.annotations.unwrap_or_default(),
        url: alert.generator_url,
        labels,
    })
}

/// Alertmanager's own fingerprint of a label set: FNV-1a, 64 bits, over names and values in name order, each followed
/// by the byte 255. The same, so that an alert stays itself when an old sender that gives none is upgraded.
pub(super) fn fingerprint(labels: &Labels) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let texts = labels.iter().flat_map(|(name, value)| [name, value]);
    let bytes = texts.flat_map(|text| text.bytes().chain([255]));
    format!("{:016x}", bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME)))
}

/// What is said of a body that serde refused.
fn refusal(body: &[u8], error: &serde_json::Error) -> BadBody {
    match error.classify() {
        Category::Data => expected(place(body)),
        Category::Eof | Category::Syntax | Category::Io => BadBody { at: ".".to_owned(), message: broken_json(error) },
    }
}

/// Where the body is not of the right shape. Stops at the last name that is ours: behind it come names of labels.
fn place(body: &[u8]) -> String {
    let mut json = serde_json::Deserializer::from_slice(body);
    let Err(error) = serde_path_to_error::deserialize::<_, Object<WireGroup>>(&mut json) else { return ".".to_owned() };
    let mut at = String::new();
    for segment in error.path() {
        match segment {
            Segment::Seq { index } => at.push_str(&format!("[{index}]")),
            Segment::Map { key } => {
                at.push_str(if at.is_empty() { "" } else { "." });
                at.push_str(key);
                if holds_labels(key) {
                    break;
                }
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    if at.is_empty() { ".".to_owned() } else { at }
}

fn holds_labels(field: &str) -> bool {
    matches!(field, "labels" | "annotations" | "groupLabels")
}

fn missing(at: &str) -> BadBody {
    BadBody { at: at.to_owned(), message: "it is missing".to_owned() }
}

/// The refusal of what stands at `at`, by what should have stood there.
fn expected(at: String) -> BadBody {
    let message = match at.rsplit('.').next().unwrap_or_default() {
        "version" => "expected \"4\", the only version there is so far",
        "alerts" => "expected a list of alerts",
        "status" => "expected \"firing\" or \"resolved\"",
        "startsAt" | "endsAt" => "expected a time such as \"2026-11-21T12:00:00Z\"",
        "truncatedAlerts" => "expected a whole number",
        field if holds_labels(field) => "expected an object of strings",
        "groupKey" | "receiver" | "externalURL" | "generatorURL" | "fingerprint" => "expected a string",
        _ => "expected an object that holds each name once",
    };
    BadBody { at, message: message.to_owned() }
}

/// A JSON object, and nothing else: serde's derived structs would take a list of their fields' values as well.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}
