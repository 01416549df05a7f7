//! `GET /lanes/{receiver}`: one lane, with the buttons for it and for many of its deliveries at once.
//!
//! The page is the confirmation: it says how many deliveries a button is for, and the button acts on those that were
//! there then, not on what has come since. What is under way is none of them. It counts and changes nothing.

use axum::extract::{RawQuery, State};
use axum::response::Html;
use jiff::{SignedDuration, Timestamp};
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
    // What came in this very millisecond is there: the store's times are whole ones, and `before` leaves its own out.
    let before = now.saturating_add(SignedDuration::from_millis(1)).unwrap_or(Timestamp::MAX);
    let (dead, queued) = (dead(&operator, view, &to, before).await?, queued(&operator, view, before).await?);
    let query = query.unwrap_or_default();
    let page = context! { notice => Query::read(&query).notice(), before => before.to_string(), ..page(view, &to, [dead, queued], now) };
    shown("lane.html", page, now)
}

/// What a lane is not that nobody has heard of.
pub(super) fn no_such() -> ProblemAnswer {
    ProblemAnswer::not_found("no lane has this name")
}

/// How many are dead. Nothing can become of those whose receiver is gone while there is no other one.
async fn dead(operator: &Shared, view: &LaneView, to: &[String], before: Timestamp) -> Result<u64, ProblemAnswer> {
    let to = if is_configured(view) { None } else { to.first().map(String::as_str) };
    if !is_configured(view) && to.is_none() {
        return Ok(0);
    }
    let receiver = Some(view.lane.receiver.clone());
    let which = Selection { receiver, state: Some(Standing::Dead), before: Some(before) };
    operator.redrive_many(which, to, true, before).await.map_err(refused)
}

/// How many wait for their turn; the lane's own count holds what is under way too.
async fn queued(operator: &Shared, view: &LaneView, before: Timestamp) -> Result<u64, ProblemAnswer> {
    let receiver = Some(view.lane.receiver.clone());
    let which = Selection { receiver, state: Some(Standing::Queued), before: Some(before) };
    operator.cancel_many(which, true, before).await.map_err(refused)
}

/// What the template is given beside the notice and the time the buttons act on. `to` are the receivers that could take over.
pub(super) fn page(view: &LaneView, to: &[String], [dead, queued]: [u64; 2], now: Timestamp) -> Value {
    context! {
        lane => overview::lane(view, now),
        is_configured => is_configured(view),
        flows => flows(view),
        to => to.to_vec(),
        dead => (dead > 0).then(|| counted(dead, "dead delivery", "dead deliveries")),
        queued => (queued > 0).then(|| counted(queued, "queued delivery", "queued deliveries")),
    }
}
