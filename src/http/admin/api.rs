//! The admin API as JSON: deliveries, lanes, apps. Shapes are the contract's (§5); they come from `operator` and
//! `model`, this file only puts them on the wire. It reads and changes nothing; what does something stands in
//! `actions`.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::http::admin::Shared;
use crate::http::problem::ProblemAnswer;
use crate::model::delivery::DeliveryRecord;
use crate::model::view::Fullness;
use crate::operator::Operator;
use crate::operator::deliveries::{self, Listed, Listing};

/// `GET /api/v1/deliveries`
pub async fn list(State(operator): State<Shared>, RawQuery(query): RawQuery) -> Result<Json<Listed>, ProblemAnswer> {
    let query = query.unwrap_or_default();
    let listing = Listing::asked(url::form_urlencoded::parse(query.as_bytes()));
    let listing = listing.map_err(|bad| ProblemAnswer::bad_request(bad.to_string()))?;
    operator.deliveries(listing).await.map(Json).map_err(store_is_away)
}

/// `GET /api/v1/deliveries/{id}`
pub async fn show(
    State(operator): State<Shared>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, ProblemAnswer> {
    let no_such = || ProblemAnswer::not_found("no delivery has this id");
    let Path(id) = id.map_err(|_not_utf8| no_such())?;
    let record = operator.delivery(&id).await.map_err(store_is_away)?.ok_or_else(no_such)?;
    whole(&operator, &record).await.map(Json)
}

/// One delivery with all that is known of it, and what holds it.
pub(super) async fn whole(operator: &Operator, record: &DeliveryRecord) -> Result<Value, ProblemAnswer> {
    let mut shown = deliveries::shown(record);
    shown["waits_for"] = json!(operator.waits_for(&record.delivery, Timestamp::now()).await.map_err(store_is_away)?);
    Ok(shown)
}

/// `GET /api/v1/lanes`
pub async fn lanes(State(operator): State<Shared>) -> Result<Json<Value>, ProblemAnswer> {
    let lanes = operator.lanes(Timestamp::now()).await.map_err(store_is_away)?;
    let queue = Fullness::of(&lanes, operator.max_queued());
    Ok(Json(json!({ "lanes": lanes, "queue": queue })))
}

/// `GET /api/v1/apps`
pub async fn apps(State(operator): State<Shared>) -> Result<Json<Value>, ProblemAnswer> {
    let apps = operator.apps(Timestamp::now()).await.map_err(store_is_away)?;
    Ok(Json(json!({ "apps": apps })))
}

/// The store failed us; what it said goes into the log.
pub(in crate::http::admin) fn store_is_away(error: impl std::error::Error) -> ProblemAnswer {
    tracing::warn!(%error, "the operator could not be answered");
    ProblemAnswer::unavailable("the store cannot be asked now").because(error)
}
