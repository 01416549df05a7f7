//! The operator's port: page, API, metrics and health.
//!
//! Health and metrics are open, everything else (a path that does not exist, too) is behind the [`guard`], and every
//! answer wears its shield against what a browser could be talked into. What is shown comes from `operator`; this
//! room knows no store and no gate.

pub mod actions;
pub mod api;
mod body;
pub mod by_hand;
pub mod guard;
pub mod messages;
pub mod page;
pub mod reload;
pub mod scrape;

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::FromRef;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::{get, post};

use crate::config;
use crate::http::admin::guard::Guard;
use crate::http::hooks::Live;
use crate::http::{health, problem};
use crate::operator::Operator;

/// What all handlers share.
pub type Shared = Arc<Operator>;

/// What is configured now; a reload swaps the whole of it.
pub type Swapped = Arc<ArcSwap<Live>>;

/// What a handler may ask for.
#[derive(Clone)]
struct Desk {
    operator: Shared,
    live: Swapped,
}

impl FromRef<Desk> for Shared {
    fn from_ref(desk: &Desk) -> Self {
        Arc::clone(&desk.operator)
    }
}

impl FromRef<Desk> for Swapped {
    fn from_ref(desk: &Desk) -> Self {
        Arc::clone(&desk.live)
    }
}

/// The paths of the admin port that listens at `address`. What is `live` at the time of a request is what a preview
/// shows and a message is sent by.
pub fn router(operator: Shared, live: Swapped, settings: &config::Admin, address: SocketAddr) -> Router {
    let guard = Guard::new(settings, address);
    let guarded = Router::new()
        .route("/", get(page::index))
        .route("/deliveries/{id}", get(page::delivery))
        .route("/style.css", get(page::style))
        .route("/api/v1/deliveries", get(api::list))
        .route("/api/v1/deliveries/{id}", get(api::show))
        .route("/api/v1/lanes", get(api::lanes))
        .route("/api/v1/apps", get(api::apps))
        .route("/api/v1/preview", post(by_hand::preview).fallback(problem::only_for_posting))
        .route("/api/v1/send", post(by_hand::send).fallback(problem::only_for_posting))
        .route("/-/reload", post(reload::reload).fallback(problem::only_for_posting))
        .merge(actions::router())
        .merge(page::forms::router())
        .merge(messages::router())
        .method_not_allowed_fallback(problem::only_for_reading)
        .fallback(problem::no_such_path)
        .layer(from_fn_with_state(guard, guard::watch))
        .layer(from_fn(page::refusal::for_people));
    let open = Router::new()
        .merge(health::router(operator.readiness().clone()))
        .route("/metrics", get(scrape::scrape))
        .method_not_allowed_fallback(problem::only_for_reading);
    open.merge(guarded).layer(map_response(guard::shield)).with_state(Desk { operator, live })
}
