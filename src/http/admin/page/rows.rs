//! What the page's templates are given, made of what `operator` says. Pure; `now` is an argument.
//!
//! The words shown are the contract's own: states, severities, outcomes. A link is made of an `http(s)` address only,
//! whatever the sender called one.

use jiff::Timestamp;
use minijinja::{Value, context};

use crate::model::delivery::{Delivery, DeliveryRecord};
use crate::model::message::{Attempt, Message};
use crate::model::view::{BlockView, LaneView};

/// A moment as people read it, in UTC.
pub(super) fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The page of lanes and latest deliveries.
pub(super) fn index(lanes: &[LaneView], deliveries: &[Delivery], now: Timestamp) -> Value {
    context! {
        lanes => lanes.iter().map(|view| lane(view, now)).collect::<Vec<_>>(),
        deliveries => deliveries.iter().map(|delivery| row(delivery, now)).collect::<Vec<_>>(),
    }
}

/// The page of one delivery.
pub(super) fn delivery(record: &DeliveryRecord, now: Timestamp) -> Value {
    let url = record.event_url.as_deref();
    context! {
        delivery => row(&record.delivery, now),
        event => context! {
            id => record.delivery.event.to_string(),
            title => record.event_title.as_str(),
            source => record.delivery.source.as_str(),
            kind => record.kind.as_str(),
            received_at => utc(record.received_at),
            url,
            link => url.filter(|url| is_web(url)),
        },
        message => record.delivery.message.as_ref().map(message),
        attempts => record.attempt_log.iter().map(attempt).collect::<Vec<_>>(),
    }
}

fn lane(view: &LaneView, now: Timestamp) -> Value {
    context! {
        name => view.lane.receiver.as_str(),
        display_name => view.lane.display_name.as_deref(),
        state => view.lane.state.as_str(),
        queued => view.queued,
        oldest => view.oldest_at.map(|at| moment(at, now)),
        rate => view.lane.messages_per_minute,
        cooling_until => view.lane.cooling_until.map(utc),
        blocked => view.lane.blocked.as_ref().map(block),
    }
}

fn block(block: &BlockView) -> Value {
    context! {
        code => block.code.as_str(),
        reason => block.reason.as_str(),
        since => block.since.map(utc),
        next => block.next_probe_at.map(utc),
    }
}

fn row(delivery: &Delivery, now: Timestamp) -> Value {
    context! {
        id => delivery.id.to_string(),
        state => delivery.state.as_str(),
        severity => delivery.severity.as_str(),
        title => delivery.title.as_str(),
        receiver => delivery.receiver.as_str(),
        created => moment(delivery.created_at, now),
        delivered_at => delivery.delivered_at.map(utc),
        next_attempt_at => delivery.next_attempt_at.map(utc),
        attempts => counted(delivery.attempts, "attempt", "attempts"),
        attempts_count => delivery.attempts,
        possibly_duplicate => delivery.possibly_duplicate,
        reason => delivery.reason.as_deref(),
    }
}

fn message(message: &Message) -> Value {
    let text = message.msg_param.as_deref().map(read);
    context! {
        id => message.id.to_string(),
        msg_key => message.msg_key.as_deref(),
        bytes => message.bytes,
        deliveries => message.deliveries,
        process_query_key => message.process_query_key.as_deref(),
        send_status => message.send_status.as_deref(),
        readers => message.readers.map(|readers| counted(readers, "person", "people")),
        title => text.as_ref().and_then(|(title, _)| title.clone()),
        text => text.map(|(_, text)| text),
    }
}

/// Title and text of a `msgParam`; all of it as text, if it is of a template that has neither.
fn read(msg_param: &str) -> (Option<String>, String) {
    let fields: serde_json::Value = serde_json::from_str(msg_param).unwrap_or_default();
    let field = |name: &str| fields[name].as_str().map(str::to_owned);
    field("text").map_or_else(|| (None, msg_param.to_owned()), |text| (field("title"), text))
}

fn attempt(attempt: &Attempt) -> Value {
    let facts = [
        attempt.code.clone(),
        attempt.http_status.map(|status| format!("HTTP {status}")),
        attempt.msg_key.clone(),
        attempt.duration_ms.map(|ms| format!("{ms} ms")),
        attempt.may_have_arrived.then(|| "may have arrived".to_owned()),
    ];
    context! {
        at => utc(attempt.at),
        outcome => attempt.outcome.map(|outcome| outcome.as_str()),
        facts => facts.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        hint => attempt.hint.as_deref(),
    }
}

fn is_web(url: &str) -> bool {
    url.parse::<url::Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

fn moment(at: Timestamp, now: Timestamp) -> Value {
    context! { at => utc(at), iso => at.to_string(), age => age(at, now) }
}

/// How long ago, in the largest unit that says enough.
fn age(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => counted(seconds.unsigned_abs() / 86_400, "day", "days"),
    }
}

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
