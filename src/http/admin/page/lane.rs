//! `GET /lanes/{receiver}`: one lane, with the buttons for it and for many of its deliveries at once.
//!
//! The page is the confirmation: it says how many deliveries a button is for, and the button acts on those that were
//! there then, not on what has come since. It counts and changes nothing.

use axum::extract::{RawQuery, State};
use axum::response::Html;
use jiff::Timestamp;
use minijinja::{Value, context};

use crate::http::admin::Shared;
use crate::http::admin::actions::{Named, refused};
use crate::http::admin::api::store_is_away;
use crate::http::admin::page::forms::receiver;
use crate::http::admin::page::listing::Query;
use crate::http::admin::page::moment::counted;
use crate::http::admin::page::overview::{self, flows, is_configured};
use crate::http::admin::page::show as shown;
use crate::http::problem::ProblemAnswer;
use crate::model::delivery::State as Standing;
use crate::model::view::LaneView;
use crate::operator::selection::Selection;

/// The page.
pub(super) async fn show(
    State(operator): State<Shared>,
    lane: Named,
    RawQuery(query): RawQuery,
) -> Result<Html<String>, ProblemAnswer> {
    let lane = receiver(lane)?;
    let now = Timestamp::now();
    let lanes = operator.lanes(now).await.map_err(store_is_away)?;
    let view = lanes.iter().find(|view| view.lane.receiver == lane.as_str()).ok_or_else(no_such)?;
    let to = overview::others(&lanes, lane.as_str());
    let dead = dead(&operator, view, &to, now).await?;
    let query = query.unwrap_or_default();
    let page = context! { notice => Query::read(&query).notice(), ..page(view, &to, dead, now) };
    shown("lane.html", page, now)
}

/// What a lane is not that nobody has heard of.
pub(super) fn no_such() -> ProblemAnswer {
    ProblemAnswer::not_found("no lane has this name")
}

/// How many are dead. Nothing can become of those whose receiver is gone while there is no other one.
async fn dead(operator: &Shared, view: &LaneView, to: &[String], now: Timestamp) -> Result<u64, ProblemAnswer> {
    let to = if is_configured(view) { None } else { to.first().map(String::as_str) };
    if !is_configured(view) && to.is_none() {
        return Ok(0);
    }
    let receiver = Some(view.lane.receiver.clone());
    let which = Selection { receiver, state: Some(Standing::Dead), before: Some(now) };
    operator.redrive_many(which, to, true, now).await.map_err(refused)
}

/// What the template is given. `to` are the receivers that could take over.
pub(super) fn page(view: &LaneView, to: &[String], dead: u64, now: Timestamp) -> Value {
    context! {
        lane => overview::lane(view, now),
        is_configured => is_configured(view),
        flows => flows(view),
        to => to.to_vec(),
        dead => (dead > 0).then(|| counted(dead, "dead delivery", "dead deliveries")),
        queued => (view.queued > 0).then(|| counted(view.queued, "queued delivery", "queued deliveries")),
        before => now.to_string(),
    }
}
