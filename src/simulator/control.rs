//! `/sim`: what a person or a test may ask of the simulator itself, over HTTP.
//!
//! | request | |
//! |---|---|
//! | `GET /sim/messages` | every message that was admitted, in order |
//! | `GET /sim/calls` | every call that was made, with what it drew |
//! | `POST /sim/faults` | order a [`Fault`]; answers with all that wait, as `GET` does |
//! | `DELETE /sim/faults` | call those off that wait, and nothing else |
//! | `POST /sim/limits` | change some of [`crate::simulator::limits::Limits`]; answers with all, as `GET` does |
//! | `POST /sim/moderation` | add a [`Rule`] about what messages may not say; answers with all, as `GET` does |
//! | `POST /sim/tokens/revoke` | make every access token invalid |
//! | `POST /sim/read` | `{"process_query_key","user_id"}`: somebody reads a message |
//! | `DELETE /sim` | forget everything |
//!
//! A request that cannot be understood draws 400 and `{"error"}`. Nothing here counts as a call.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use bytes::Bytes;
use http::{StatusCode, Uri};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::simulator::calls::Call;
use crate::simulator::faults::Fault;
use crate::simulator::limits::Change;
use crate::simulator::messages::Admitted;
use crate::simulator::moderation::Rule;
use crate::simulator::world::World;

/// The paths below `/sim`.
pub(crate) fn routes() -> Router<Arc<World>> {
    let inside = Router::new()
        .route("/", delete(forget))
        .route("/messages", get(messages))
        .route("/calls", get(calls))
        .route("/faults", get(faults).post(order_fault).delete(call_faults_off))
        .route("/limits", get(limits).post(change_limits))
        .route("/moderation", get(moderation).post(moderate))
        .route("/tokens/revoke", post(revoke_tokens))
        .route("/read", post(read))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method);
    Router::new().nest("/sim", inside)
}

/// A control request that is turned away.
struct Wrong(StatusCode, String);

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// Reads a body whatever its content type says: these requests are typed by hand.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Wrong> {
    let reader = &mut serde_json::Deserializer::from_slice(body);
    let read: Result<T, String> = serde_path_to_error::deserialize(&mut *reader).map_err(|err| err.to_string());
    let whole = read.and_then(|value| reader.end().map(|()| value).map_err(|err| err.to_string()));
    whole.map_err(|problem| Wrong(StatusCode::BAD_REQUEST, problem))
}

async fn messages(State(world): State<Arc<World>>) -> Json<Vec<Admitted>> {
    let now = world.now();
    let state = world.state();
    Json(state.messages.show(&state.moments, now))
}

async fn calls(State(world): State<Arc<World>>) -> Json<Vec<Call>> {
    Json(world.state().calls.clone())
}

async fn faults(State(world): State<Arc<World>>) -> Json<Value> {
    Json(json!(world.state().faults.waiting()))
}

async fn order_fault(State(world): State<Arc<World>>, body: Bytes) -> Result<Json<Value>, Wrong> {
    let fault: Fault = parse(&body)?;
    let mut state = world.state();
    state.faults.order(fault);
    Ok(Json(json!(state.faults.waiting())))
}

async fn call_faults_off(State(world): State<Arc<World>>) -> Json<Value> {
    world.state().faults.call_off();
    Json(json!([]))
}

async fn limits(State(world): State<Arc<World>>) -> Json<Value> {
    Json(json!(world.state().limits))
}

async fn change_limits(State(world): State<Arc<World>>, body: Bytes) -> Result<Json<Value>, Wrong> {
    let change: Change = parse(&body)?;
    let mut state = world.state();
    state.limits.change(change);
    Ok(Json(json!(state.limits)))
}

async fn moderation(State(world): State<Arc<World>>) -> Json<Value> {
    Json(json!(world.state().moderation.rules()))
}

async fn moderate(State(world): State<Arc<World>>, body: Bytes) -> Result<Json<Value>, Wrong> {
    let rule: Rule = parse(&body)?;
    let mut state = world.state();
    state.moderation.add(rule);
    Ok(Json(json!(state.moderation.rules())))
}

async fn revoke_tokens(State(world): State<Arc<World>>) -> Json<Value> {
    world.state().tokens.revoke();
    Json(json!({}))
}

/// Somebody reads a message.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reading {
    process_query_key: String,
    user_id: String,
}

async fn read(State(world): State<Arc<World>>, body: Bytes) -> Result<Json<Value>, Wrong> {
    let Reading { process_query_key, user_id } = parse(&body)?;
    if world.state().messages.read(&process_query_key, &user_id) {
        return Ok(Json(json!({})));
    }
    let problem = format!("no message has the process_query_key {process_query_key:?}");
    Err(Wrong(StatusCode::BAD_REQUEST, problem))
}

async fn forget(State(world): State<Arc<World>>) -> Json<Value> {
    world.forget();
    Json(json!({}))
}

async fn unknown(uri: Uri) -> Wrong {
    Wrong(StatusCode::NOT_FOUND, format!("there is no {} here", uri.path()))
}

async fn wrong_method() -> Wrong {
    Wrong(StatusCode::METHOD_NOT_ALLOWED, "this path is asked in another way".into())
}
