//! A hand on deliveries and lanes, in HTTP: redrive, cancel, pause, resume.
//!
//! What may be done, and what is said where it may not, stands in `operator`; here are the paths, the bodies and the
//! status codes. Only POST does anything, and the guard has seen to it that no foreign page sent it. An action on many
//! runs as long as somebody waits for its answer: who hangs up stops it, and to ask again does the rest.

use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::routing::post;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::admin::{Desk, Shared, body};
use crate::http::problem::{self, ProblemAnswer};
use crate::model::delivery::Delivery;
use crate::model::view::LaneView;
use crate::operator::actions::{self, ActionError};
use crate::operator::selection::Selection;

/// The paths that do something.
pub(in crate::http::admin) fn router() -> Router<Desk> {
    let only_post = problem::only_for_posting;
    Router::new()
        .route("/api/v1/deliveries/redrive", post(redrive_many).fallback(only_post))
        .route("/api/v1/deliveries/cancel", post(cancel_many).fallback(only_post))
        .route("/api/v1/deliveries/{id}/redrive", post(redrive).fallback(only_post))
        .route("/api/v1/deliveries/{id}/cancel", post(cancel).fallback(only_post))
        .route("/api/v1/lanes/{receiver}/pause", post(pause).fallback(only_post))
        .route("/api/v1/lanes/{receiver}/resume", post(resume).fallback(only_post))
}

/// What a path may name.
pub(in crate::http::admin) type Named = Result<Path<String>, PathRejection>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Redrive {
    to: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pause {
    #[serde(rename = "for")]
    how_long: Option<String>,
}

/// A body that says nothing, so that one which says something is not overheard.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::admin) struct Nothing {}

async fn redrive(State(operator): State<Shared>, id: Named, body: Body) -> Result<Json<Delivery>, ProblemAnswer> {
    let Redrive { to } = body::said(body, r#"{"to": "team"}"#).await?.unwrap_or_default();
    operator.redrive(&named(id), to.as_deref(), Timestamp::now()).await.map(Json).map_err(refused)
}

async fn cancel(State(operator): State<Shared>, id: Named, body: Body) -> Result<Json<Delivery>, ProblemAnswer> {
    let _nothing: Option<Nothing> = body::said(body, "{}").await?;
    operator.cancel(&named(id), Timestamp::now()).await.map(Json).map_err(refused)
}

async fn redrive_many(
    State(operator): State<Shared>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Json<Value>, ProblemAnswer> {
    let (which, dry_run) = selected(query)?;
    let Redrive { to } = body::said(body, r#"{"to": "team"}"#).await?.unwrap_or_default();
    let redriving = operator.redrive_many(which, to.as_deref(), dry_run, Timestamp::now());
    redriving.await.map(counted).map_err(refused)
}

async fn cancel_many(
    State(operator): State<Shared>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Json<Value>, ProblemAnswer> {
    let (which, dry_run) = selected(query)?;
    let _nothing: Option<Nothing> = body::said(body, "{}").await?;
    operator.cancel_many(which, dry_run, Timestamp::now()).await.map(counted).map_err(refused)
}

async fn pause(State(operator): State<Shared>, lane: Named, body: Body) -> Result<Json<LaneView>, ProblemAnswer> {
    let Pause { how_long } = body::said(body, r#"{"for": "1h"}"#).await?.unwrap_or_default();
    let how_long = actions::how_long(how_long.as_deref()).map_err(refused)?;
    operator.pause(&named(lane), how_long, Timestamp::now()).await.map(Json).map_err(refused)
}

async fn resume(State(operator): State<Shared>, lane: Named, body: Body) -> Result<Json<LaneView>, ProblemAnswer> {
    let _nothing: Option<Nothing> = body::said(body, "{}").await?;
    operator.resume(&named(lane), Timestamp::now()).await.map(Json).map_err(refused)
}

/// What a path names. What is no UTF-8 is nobody's name, like the empty one.
pub(in crate::http::admin) fn named(path: Named) -> String {
    path.map(|Path(name)| name).unwrap_or_default()
}

fn selected(query: Option<String>) -> Result<(Selection, bool), ProblemAnswer> {
    let query = query.unwrap_or_default();
    let asked = Selection::asked(url::form_urlencoded::parse(query.as_bytes()));
    asked.map_err(|bad| ProblemAnswer::bad_request(bad.to_string()))
}

fn counted(count: u64) -> Json<Value> {
    Json(json!({ "count": count }))
}

/// Why it was not done, in HTTP.
pub(in crate::http::admin) fn refused(error: ActionError) -> ProblemAnswer {
    let detail = error.to_string();
    match error {
        ActionError::NoSuch(_) => ProblemAnswer::not_found(detail),
        ActionError::Conflict(_) => ProblemAnswer::conflict(detail),
        ActionError::NotUnderstood(_) => ProblemAnswer::bad_request(detail),
        ActionError::NotNow { until: Some(until), .. } => {
            let wait = Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default();
            ProblemAnswer::not_before(format!("{detail}; try again at {until:.0} or later"), wait)
        }
        ActionError::NotNow { until: None, .. } => ProblemAnswer::unavailable(detail),
        ActionError::Store(cause) => ProblemAnswer::unavailable(detail).because(cause),
        ActionError::Stopped { source, .. } => ProblemAnswer::unavailable(detail).because(source),
    }
}
