//! `GET /metrics`: what Prometheus reads.
//!
//! Counters and histograms are kept where things happen. The gauges of lanes and apps are set here, when somebody
//! looks: only the store knows how many wait and how many calls are left, and an age that was set a minute ago is
//! wrong.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
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

/// What is set for every lane, in the order of the values.
const LANE_GAUGES: [&str; 6] = [
    metrics::QUEUE_DEPTH,
    metrics::QUEUE_OLDEST_SECONDS,
    metrics::LANE_BLOCKED,
    metrics::LANE_DOWN,
    metrics::LANE_PAUSED,
    metrics::LANE_COOLDOWN_SECONDS,
];

/// Whose gauges the last scrape has set. A gauge that nobody sets stays in the recorder as it was, so those of a receiver
/// or an app that is configured no more would tell for ever of a block that is long over.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<[BTreeSet<String>; 2]>>);

impl Seen {
    /// Those of the last scrape that are not there any more.
    fn gone(&self, there: [BTreeSet<String>; 2]) -> [Vec<String>; 2] {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = [0, 1].map(|n| seen[n].difference(&there[n]).cloned().collect());
        *seen = there;
        gone
    }
}

/// The scrape.
pub async fn scrape(State(operator): State<Shared>, Extension(seen): Extension<Seen>) -> impl IntoResponse {
    let now = Timestamp::now();
    // A store that cannot be asked leaves the gauges as they were; everything else is still worth reading.
    let looking = async { tokio::join!(operator.lanes(now), operator.apps(now)) };
    if let Ok((Ok(lanes), Ok(apps))) = tokio::time::timeout(PATIENCE, looking).await {
        lanes.iter().for_each(|lane| set(lane, now));
        apps.iter().for_each(set_quota);
        let limited = apps.iter().filter(|view| view.app.calls_per_month.is_some());
        let there = [
            lanes.iter().map(|view| view.lane.receiver.clone()).collect(),
            limited.map(|view| view.app.app.to_string()).collect(),
        ];
        let [receivers, apps] = seen.gone(there);
        receivers.iter().for_each(|receiver| set_all(receiver, [0.0; LANE_GAUGES.len()]));
        // Not 0, which would mean that nothing is left.
        apps.iter().for_each(|app| ::metrics::gauge!(metrics::API_QUOTA_REMAINING, "app" => app.clone()).set(f64::NAN));
    }
    ([(CONTENT_TYPE, TEXT)], metrics::handle().render())
}

fn set_quota(view: &AppView) {
    let Some(limit) = view.app.calls_per_month else { return };
    let left = limit.saturating_sub(view.calls_this_month) as f64;
    ::metrics::gauge!(metrics::API_QUOTA_REMAINING, "app" => view.app.app.to_string()).set(left);
}

fn set(view: &LaneView, now: Timestamp) {
    let seconds = |span: jiff::SignedDuration| span.as_secs_f64().max(0.0);
    let oldest = view.oldest_at.map_or(0.0, |at| seconds(now.duration_since(at)));
    let cooldown = view.lane.cooling_until.map_or(0.0, |until| seconds(until.duration_since(now)));
    let is = |state| if view.lane.state == state { 1.0 } else { 0.0 };
    let paused = if view.paused_until.is_some() { 1.0 } else { 0.0 };
    // Precise up to 2^53 deliveries.
    let depth = view.queued as f64;
    let (blocked, down) = (is(Standing::Blocked), is(Standing::Down));
    set_all(&view.lane.receiver, [depth, oldest, blocked, down, paused, cooldown]);
}

fn set_all(receiver: &str, values: [f64; LANE_GAUGES.len()]) {
    for (name, value) in LANE_GAUGES.into_iter().zip(values) {
        ::metrics::gauge!(name, "receiver" => receiver.to_owned()).set(value);
    }
}
