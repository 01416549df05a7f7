//! `GET /messages/{id}`: one message with those who have read it, what it carried, and the buttons that ask DingTalk or
//! take it back. Looking costs no call: both are forms that post.

use axum::extract::{RawQuery, State};
use axum::response::Html;
use jiff::Timestamp;
use minijinja::{Value, context};

use crate::http::admin::Shared;
use crate::http::admin::actions::{Named, named, refused};
use crate::http::admin::page::listing::Query;
use crate::http::admin::page::moment::moment;
use crate::http::admin::page::{message, rows, show};
use crate::http::problem::ProblemAnswer;
use crate::model::message::RECALLED;
use crate::model::record::{Carried, MessageRecord, Reader};
use crate::operator::messages::Receipts;

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
    context! {
        message => message::shown(&record.message),
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
