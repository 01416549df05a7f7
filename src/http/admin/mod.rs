//! The operator's port: page, API, metrics and health.
//!
//! Health and metrics are open, everything else (a path that does not exist, too) is behind the [`guard`], and every
//! answer wears its shield against what a browser could be talked into. What is shown comes from `operator`; this
//! room knows no store and no gate.

pub mod api;
pub mod guard;
pub mod page;
pub mod scrape;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::get;

use crate::config;
use crate::http::admin::guard::Guard;
use crate::http::{health, problem};
use crate::operator::Operator;

/// What all handlers share.
pub type Shared = Arc<Operator>;

/// The paths of the admin port that listens at `address`.
pub fn router(operator: Shared, settings: &config::Admin, address: SocketAddr) -> Router {
    let guard = Guard::new(settings, address);
    let guarded = Router::new()
        .route("/", get(page::index))
        .route("/deliveries/{id}", get(page::delivery))
        .route("/style.css", get(page::style))
        .route("/api/v1/deliveries", get(api::list))
        .route("/api/v1/deliveries/{id}", get(api::show))
        .route("/api/v1/lanes", get(api::lanes))
        .route("/api/v1/apps", get(api::apps))
        .method_not_allowed_fallback(problem::only_for_reading)
        .fallback(problem::no_such_path)
        .layer(from_fn_with_state(guard, guard::watch))
        .layer(from_fn(page::refusal::for_people));
    let open = Router::new()
        .merge(health::router(operator.readiness().clone()))
        .route("/metrics", get(scrape::scrape))
        .method_not_allowed_fallback(problem::only_for_reading);
    open.merge(guarded).layer(map_response(guard::shield)).with_state(operator)
}
