//! The paths of DingTalk that are simulated, and the answer for all others.
//!
//! Each handler reads the body, reads the clock once, and lets `world` decide. The body is read whole before anything
//! is decided, with a length or in chunks, so that a reset or a hang always meets a client that has said everything.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, Uri};

use crate::simulator::faults::Api;
use crate::simulator::refusal::Refusal;
use crate::simulator::wire::Reply;
use crate::simulator::world::{CORP_TOKEN_PATH, Request, World};

/// The header that carries the access token.
const TOKEN_HEADER: &str = "x-acs-dingtalk-access-token";

/// More than any call needs; what is longer is refused before it fills the memory.
const LARGEST_BODY: usize = 1 << 20;

/// DingTalk's paths.
pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/v1.0/oauth2/accessToken", post(token))
        .route(CORP_TOKEN_PATH, post(token))
        .route("/v1.0/robot/groupMessages/send", post(send))
        .route("/v1.0/robot/groupMessages/query", post(query))
        .route("/v1.0/robot/groupMessages/recall", post(recall))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
}

async fn token(State(world): State<Arc<World>>, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    answer(&world, Api::Token, &uri, &headers, body).await
}

async fn send(State(world): State<Arc<World>>, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    answer(&world, Api::Send, &uri, &headers, body).await
}

async fn query(State(world): State<Arc<World>>, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    answer(&world, Api::Query, &uri, &headers, body).await
}

async fn recall(State(world): State<Arc<World>>, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    answer(&world, Api::Recall, &uri, &headers, body).await
}

async fn answer(world: &World, api: Api, uri: &Uri, headers: &HeaderMap, body: Body) -> Response {
    let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await else {
        let refusal = Refusal::bad("Invalidbody", "the body broke off or is far too long");
        return Reply::Json { status: refusal.status, body: refusal.body() }.into_response().await;
    };
    let request = Request { path: uri.path(), token: token_of(headers), body: &body };
    let reply = world.call(api, &request, world.now());
    reply.into_response().await
}

async fn unknown(State(world): State<Arc<World>>, uri: Uri, headers: HeaderMap) -> impl IntoResponse {
    let request = Request { path: uri.path(), token: token_of(&headers), body: &[] };
    let reply = world.unknown(&request, world.now());
    reply.into_response().await
}

/// The token as it was sent; one that is not text is not valid, and is not missing either.
fn token_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(TOKEN_HEADER).map(|value| value.to_str().unwrap_or("not text"))
}
