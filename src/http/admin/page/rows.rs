//! What the templates of deliveries are given, made of what `operator` says. Pure; `now` is an argument.
//!
//! The words shown are the contract's own: states, severities, outcomes. A link is made of an `http(s)` address only,
//! whatever the sender called one.

use jiff::Timestamp;
use minijinja::{Value, context};

use crate::http::admin::page::markdown::is_web;
use crate::http::admin::page::message;
use crate::http::admin::page::moment::{counted, moment, utc};
use crate::http::admin::page::overview::{flows, is_configured, lane, others};
use crate::model::delivery::{Delivery, DeliveryRecord, State};
use crate::model::message::Attempt;
use crate::model::view::LaneView;
use crate::operator::waits;

/// The page of one delivery. `of_event` are those of its event, itself among them.
pub(super) fn delivery(record: &DeliveryRecord, of_event: &[Delivery], lanes: &[LaneView], now: Timestamp) -> Value {
    let url = record.event_url.as_deref();
    let own = lanes.iter().find(|view| view.lane.receiver == record.delivery.receiver);
    // Why it waits is the lane's to say, unless only others go before it.
    let waits_in = own.filter(|view| record.delivery.state == State::Queued && !flows(view));
    let siblings = of_event.iter().filter(|other| other.id != record.delivery.id);
    context! {
        delivery => row(&record.delivery, now),
        buttons => buttons(&record.delivery, lanes),
        has_lane => own.is_some(),
        is_held => waits::of(&record.delivery, lanes).is_some(),
        waits_in => waits_in.map(|view| lane(view, now)),
        event => context! {
            id => record.delivery.event.to_string(),
            title => record.event_title.as_str(),
            source => record.delivery.source.as_str(),
            kind => record.kind.as_str(),
            received_at => moment(record.received_at, now),
            url,
            link => url.filter(|url| is_web(url)),
        },
        others => siblings.map(|other| row(other, now)).collect::<Vec<_>>(),
        whole => record.content.as_ref().map(|content| message::whole(content, record.delivery.message.as_ref())),
        message => record.delivery.message.as_ref().map(|message| message::shown(message, None)),
        attempts => attempts(&record.attempt_log, now),
    }
}

/// What a human may do with it now. The store decides again when the button is pressed.
fn buttons(delivery: &Delivery, lanes: &[LaneView]) -> Value {
    let own = lanes.iter().find(|view| view.lane.receiver == delivery.receiver);
    let is_configured = own.is_some_and(is_configured);
    let to = others(lanes, &delivery.receiver);
    let is_over = matches!(delivery.state, State::Dead | State::Cancelled) && delivery.handed_to.is_none();
    let waits = delivery.state == State::Queued;
    context! {
        redrive => is_over && (is_configured || !to.is_empty()),
        hand_over => waits && !to.is_empty() && !own.is_some_and(flows),
        cancel => waits,
        home => is_configured.then_some(delivery.receiver.as_str()),
        to,
    }
}

/// One delivery as the lists show it, and the top of its own page.
pub(super) fn row(delivery: &Delivery, now: Timestamp) -> Value {
    context! {
        id => delivery.id.to_string(),
        state => delivery.state.as_str(),
        severity => delivery.severity.as_str(),
        title => delivery.title.as_str(),
        source => delivery.source.as_str(),
        receiver => delivery.receiver.as_str(),
        created => moment(delivery.created_at, now),
        delivered => delivery.delivered_at.map(|at| moment(at, now)),
        next_attempt => delivery.next_attempt_at.map(|at| moment(at, now)),
        attempts => counted(delivery.attempts, "attempt", "attempts"),
        possibly_duplicate => delivery.possibly_duplicate,
        fallback_of => delivery.fallback_of.as_ref().map(ToString::to_string),
        handed_to => delivery.handed_to.as_ref().map(ToString::to_string),
        reason => delivery.reason.as_deref(),
    }
}

/// The tries, the first one first.
pub(super) fn attempts(log: &[Attempt], now: Timestamp) -> Vec<Value> {
    log.iter().map(|attempt| try_of(attempt, now)).collect()
}

fn try_of(attempt: &Attempt, now: Timestamp) -> Value {
    let facts = [
        attempt.http_status.map(|status| format!("HTTP {status}")),
        attempt.msg_key.clone(),
        attempt.duration_ms.map(|ms| format!("{ms} ms")),
    ];
    context! {
        at => moment(attempt.at, now),
        clock => utc(attempt.at),
        outcome => attempt.outcome.map(|outcome| outcome.as_str()),
        code => attempt.code.as_deref(),
        facts => facts.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        may_have_arrived => attempt.may_have_arrived,
        hint => attempt.hint.as_deref(),
    }
}
