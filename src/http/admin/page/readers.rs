//! `GET /messages/{id}`: one message with every alert it tells of, those who have read it, what it carried, and the
//! buttons that ask DingTalk or take it back. "Show all" of a digest leads here. Looking costs no call: both are forms that post.

use axum::extract::{RawQuery, State};
use axum::response::Html;
use jiff::Timestamp;
use minijinja::{Value, context};

use crate::http::admin::Shared;
use crate::http::admin::actions::{Named, named, refused};
use crate::http::admin::page::listing::Query;
use crate::http::admin::page::markdown::is_web;
use crate::http::admin::page::moment::{counted, grouped, moment};
use crate::http::admin::page::{message, rows, show};
use crate::http::problem::ProblemAnswer;
use crate::model::event::Status;
use crate::model::message::RECALLED;
use crate::model::record::{Carried, MessageRecord, Reader};
use crate::operator::alerts::{self, Alert};
use crate::operator::messages::Receipts;

/// So many alerts are a page that a phone can show; the rest stands in its deliveries.
const MOST_ALERTS: usize = 1_000;

/// The page.
pub(super) async fn message(
    State(operator): State<Shared>,
    id: Named,
    RawQuery(query): RawQuery,
) -> Result<Html<String>, ProblemAnswer> {
    let id = named(id);
    let record = operator.message(&id).await.map_err(refused)?;
    let receipts = operator.receipts(&id).await.map_err(refused)?;
    let (query, now) = (query.unwrap_or_default(), Timestamp::now());
    let page = context! { notice => Query::read(&query).notice(), ..page(&record, &receipts, now) };
    show("message.html", page, now)
}

/// What the template is given.
pub(super) fn page(record: &MessageRecord, receipts: &Receipts, now: Timestamp) -> Value {
    let here = format!("/messages/{}", record.message.id);
    let alerts = alerts::of(record);
    let shown = alerts.all.iter().take(MOST_ALERTS);
    context! {
        message => message::shown(&record.message, Some(&here)),
        alerts => shown.map(|alert| line(alert, now)).collect::<Vec<_>>(),
        alerts_in_words => counted(alerts.all.len() as u64, "alert", "alerts"),
        more => alerts.all.len().checked_sub(MOST_ALERTS).filter(|more| *more > 0).map(|more| grouped(more as u64)),
        truncated => (alerts.truncated > 0).then(|| grouped(alerts.truncated)),
        unreadable => (alerts.unreadable > 0).then(|| counted(alerts.unreadable as u64, "delivery", "deliveries")),
        is_recalled => record.message.send_status.as_deref() == Some(RECALLED),
        app => record.app.as_str(),
        readers => receipts.readers.iter().map(|reader| seen(reader, now)).collect::<Vec<_>>(),
        asked => receipts.asked_at.map(|at| moment(at, now)),
        next => record.receipts.next_at.map(|at| moment(at, now)),
        complete => receipts.complete,
        attempts => rows::attempts(&record.attempt_log, now),
        carried => record.carried.iter().map(carried).collect::<Vec<_>>(),
    }
}

/// An alert as its line shows it.
fn line(alert: &Alert<'_>, now: Timestamp) -> Value {
    let item = alert.item;
    context! {
        name => item.name.as_str(),
        severity => item.severity.as_str(),
        is_over => item.status == Status::Resolved,
        labels => item.labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" · "),
        since => moment(item.since, now),
        until => item.until.map(|at| moment(at, now)),
        link => item.url.as_deref().filter(|url| is_web(url)),
        delivery => alert.delivery.id.to_string(),
    }
}

fn seen(reader: &Reader, now: Timestamp) -> Value {
    context! { user_id => reader.user_id.as_str(), seen => moment(reader.seen_at, now) }
}

fn carried(delivery: &Carried) -> Value {
    context! {
        id => delivery.id.to_string(),
        title => delivery.title.as_str(),
        state => delivery.state.as_str(),
        receiver => delivery.receiver.as_str(),
    }
}
