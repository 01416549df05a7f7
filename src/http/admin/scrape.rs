//! `GET /metrics`: what Prometheus reads.
//!
//! Counters and histograms are kept where things happen. The gauges of lanes and apps are made here, anew whenever
//! somebody looks: only the store knows how many wait and how many calls are left, an age that was set a minute ago is
//! wrong, and a receiver that is gone has none.

use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;

use crate::http::admin::Shared;
use crate::model::view::{AppView, LaneView, Standing};
use crate::telemetry::metrics;

/// Prometheus' text format, version 0.0.4.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How long the store may think about each of the two questions: well below what a scrape may take.
const PATIENCE: Duration = Duration::from_millis(450);

/// The scrape.
pub async fn scrape(State(operator): State<Shared>) -> impl IntoResponse {
    let now = Timestamp::now();
    // Of a store that cannot be asked nothing is told: an old depth or age would be a wrong one. Everything else is
    // still worth reading.
    let looking = async { tokio::join!(operator.queues(now), operator.apps(now)) };
    let (lanes, apps) = tokio::time::timeout(PATIENCE, looking).await.unwrap_or((Ok(vec![]), Ok(vec![])));
    let standing = metrics::momentary(|| {
        // Precise up to 2^53 deliveries.
        ::metrics::gauge!(metrics::QUEUE_LIMIT).set(operator.max_queued() as f64);
        lanes.unwrap_or_default().iter().for_each(|lane| set(lane, now));
        apps.unwrap_or_default().iter().for_each(|app| set_quota(app, now));
    });
    ([(CONTENT_TYPE, TEXT)], metrics::handle().render() + &standing)
}

fn set_quota(view: &AppView, now: Timestamp) {
    let Some(limits) = view.app.calls_allowed else { return };
    let left = limits.critical.saturating_sub(view.calls_this_month) as f64;
    ::metrics::gauge!(metrics::API_QUOTA_REMAINING, "app" => view.app.app.to_string()).set(left);
    let spacing = view.paced.as_ref().map_or(0.0, |paced| match (paced.every_seconds, paced.until) {
        (Some(seconds), _) => seconds as f64,
        (None, Some(until)) => until.duration_since(now).as_secs_f64(),
        (None, None) => 0.0,
    });
    ::metrics::gauge!(metrics::API_CALL_SPACING_SECONDS, "app" => view.app.app.to_string()).set(spacing);
}

fn set(view: &LaneView, now: Timestamp) {
    let seconds = |span: jiff::SignedDuration| span.as_secs_f64().max(0.0);
    let oldest = view.oldest_at.map_or(0.0, |at| seconds(now.duration_since(at)));
    let cooldown = view.lane.cooling_until.map_or(0.0, |until| seconds(until.duration_since(now)));
    let is = |state| if view.lane.state == state { 1.0 } else { 0.0 };
    let paused = if view.paused_until.is_some() { 1.0 } else { 0.0 };
    // Precise up to 2^53 deliveries.
    let depth = view.queued as f64;
    for (name, value) in [
        (metrics::QUEUE_DEPTH, depth),
        (metrics::QUEUE_OLDEST_SECONDS, oldest),
        (metrics::LANE_BLOCKED, is(Standing::Blocked)),
        (metrics::LANE_DOWN, is(Standing::Down)),
        (metrics::LANE_PAUSED, paused),
        (metrics::LANE_COOLDOWN_SECONDS, cooldown),
    ] {
        ::metrics::gauge!(name, "receiver" => view.lane.receiver.clone()).set(value);
    }
}
