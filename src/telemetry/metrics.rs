//! Every metric of the relay (contract §6). Base units; labels are names from the configuration or closed sets, so
//! their number is bounded.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Webhook requests answered. Labels: `source` (empty: no such source), `code` (the HTTP status).
pub const WEBHOOKS: &str = "dingtalk_relay_webhooks_total";
/// Deliveries that entered a state. Labels: `receiver`, `state`.
pub const DELIVERIES: &str = "dingtalk_relay_deliveries_total";
/// Attempts that ended. Labels: `receiver`, `outcome`, `code` (empty when sent).
pub const ATTEMPTS: &str = "dingtalk_relay_attempts_total";
/// Deliveries that wait. Label: `receiver`.
pub const QUEUE_DEPTH: &str = "dingtalk_relay_queue_depth";
/// How many deliveries may wait, over all receivers.
pub const QUEUE_LIMIT: &str = "dingtalk_relay_queue_limit";
/// Age of the oldest delivery that waits. Label: `receiver`.
pub const QUEUE_OLDEST_SECONDS: &str = "dingtalk_relay_queue_oldest_seconds";
/// From a webhook's arrival to its durable answer.
pub const ACCEPT_SECONDS: &str = "dingtalk_relay_accept_seconds";
/// From acceptance to DingTalk's admission. What was delivered without a message, because it had nothing to say, is not
/// in it: DingTalk admitted nothing. Label: `receiver`.
pub const DELIVERY_SECONDS: &str = "dingtalk_relay_delivery_seconds";
/// 1 while a lane's channel or app is blocked. Label: `receiver`.
pub const LANE_BLOCKED: &str = "dingtalk_relay_lane_blocked";
/// 1 while a lane's app is down: its calls fail one after another. Label: `receiver`.
pub const LANE_DOWN: &str = "dingtalk_relay_lane_down";
/// 1 while a human has paused the lane. Label: `receiver`.
pub const LANE_PAUSED: &str = "dingtalk_relay_lane_paused";
/// How many deliveries a message carried that was sent: 1, or more in a digest.
pub const DIGEST_DELIVERIES: &str = "dingtalk_relay_digest_deliveries";
/// How long a lane still cools down. Label: `receiver`.
pub const LANE_COOLDOWN_SECONDS: &str = "dingtalk_relay_lane_cooldown_seconds";
/// Calls made to DingTalk. Labels: `app`, `api` (`token`, `send`, `query`, `recall`).
pub const API_CALLS: &str = "dingtalk_relay_api_calls_total";
/// Calls that are left this month, where there is a quota. Label: `app`.
pub const API_QUOTA_REMAINING: &str = "dingtalk_relay_api_quota_remaining";
/// How far apart messages go that are not critical, because the month runs ahead of the calendar; 0: as they come.
/// Label: `app`.
pub const API_CALL_SPACING_SECONDS: &str = "dingtalk_relay_api_call_spacing_seconds";
/// Access tokens asked for. Labels: `app`, `result` (`ok` or the outcome).
pub const TOKEN_REFRESHES: &str = "dingtalk_relay_token_refreshes_total";
/// Renderings for which the plain built-in stood in. Label: `template`.
pub const RENDER_FALLBACKS: &str = "dingtalk_relay_render_fallbacks_total";
/// Webhooks that were twins of one accepted before. Label: `source`.
pub const DUPLICATES: &str = "dingtalk_relay_duplicates_total";
/// 1 if the configuration was taken when it was read last, 0 if it was refused and the last good one goes on.
pub const RELOAD_SUCCESSFUL: &str = "dingtalk_relay_config_last_reload_successful";
/// When a configuration was taken last, in seconds since 1970.
pub const RELOADED_AT: &str = "dingtalk_relay_config_last_reload_success_timestamp_seconds";
/// Pieces of a loop's work that a panic broke off: mistakes of ours. Label: `part`.
pub const PANICS: &str = "dingtalk_relay_panics_total";
/// 1, with the `version`.
pub const BUILD_INFO: &str = "dingtalk_relay_build_info";

const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 9.0];
const DELIVERY: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0];
const TOGETHER: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// What a scrape reads. The first call sets the process's recorder up.
pub fn handle() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(ACCEPT_SECONDS.into()), SECONDS)
            .and_then(|b| b.set_buckets_for_metric(Matcher::Full(DELIVERY_SECONDS.into()), DELIVERY))
            .and_then(|b| b.set_buckets_for_metric(Matcher::Full(DIGEST_DELIVERIES.into()), TOGETHER))
            .expect("the bucket lists above are not empty")
            .build_recorder();
        let handle = recorder.handle();
        // Somebody else's recorder in this process would stay; ours then shows nothing, which harms nobody.
        let _ours = ::metrics::set_global_recorder(recorder);
        describe();
        handle
    })
}

/// What a scrape reads of the gauges that are true only now: those that `set` sets, and no other. So one whose receiver
/// is gone vanishes; the recorder of the process would tell its last value for ever.
pub fn momentary(set: impl FnOnce()) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    ::metrics::with_local_recorder(&recorder, || {
        describe_momentary();
        set();
    });
    recorder.handle().render()
}

fn describe() {
    use ::metrics::{describe_counter as counter, describe_gauge as gauge, describe_histogram as histogram};
    counter!(
        WEBHOOKS,
        "Webhook requests answered, by HTTP status; the source is empty where there is none of that name"
    );
    counter!(DELIVERIES, "Deliveries that were accepted (queued), and how they ended");
    counter!(ATTEMPTS, "Calls for a message that ended, by outcome and DingTalk's code");
    histogram!(ACCEPT_SECONDS, "From a webhook's arrival to its durable answer");
    histogram!(DELIVERY_SECONDS, "From acceptance to DingTalk's admission");
    histogram!(DIGEST_DELIVERIES, "Deliveries in each message that was sent");
    counter!(API_CALLS, "Calls made to DingTalk");
    counter!(TOKEN_REFRESHES, "Access tokens asked for, by what came of it");
    counter!(RENDER_FALLBACKS, "Renderings for which the plain built-in stood in");
    counter!(DUPLICATES, "Webhooks that were twins of one accepted before");
    counter!(PANICS, "Pieces of work that a mistake of the relay's own broke off");
    gauge!(RELOAD_SUCCESSFUL, "Whether the configuration was taken when it was read last");
    gauge!(RELOADED_AT, "When a configuration was taken last");
    gauge!(BUILD_INFO, "The version that runs");
    ::metrics::gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

fn describe_momentary() {
    use ::metrics::describe_gauge as gauge;
    gauge!(QUEUE_DEPTH, "Deliveries that wait");
    gauge!(QUEUE_LIMIT, "Deliveries that may wait, over all receivers: above it webhooks are answered 503");
    gauge!(QUEUE_OLDEST_SECONDS, "Age of the oldest delivery that waits, 0 if none does");
    gauge!(LANE_BLOCKED, "1 while the lane's channel or app is blocked");
    gauge!(LANE_DOWN, "1 while the lane's app cannot be reached");
    gauge!(LANE_PAUSED, "1 while somebody has paused the lane");
    gauge!(LANE_COOLDOWN_SECONDS, "How long the lane still cools down");
    gauge!(API_QUOTA_REMAINING, "Calls left this month, by our own count");
    gauge!(API_CALL_SPACING_SECONDS, "How far apart messages go that are not critical, for the month's sake");
}
