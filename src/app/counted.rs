//! What is counted begins with 0: every label that a configuration makes likely is there before anything happens.
//!
//! `rate()` and `increase()` do not see the step from nothing to the first 1, and an alert on the first dead delivery
//! would never fire. So the labels are made at the start and at every reload; what is there already keeps its count.
//! The codes of failures are too many for that: what DingTalk never said is not told. What became of a receiver that
//! is configured no more stays counted, as a counter does.

use metrics::{counter, histogram};

use crate::app::check::Compiled;
use crate::config::Config;
use crate::model::delivery::State;
use crate::model::outcome::Outcome;
use crate::telemetry::metrics as names;
use crate::telemetry::panics::PARTS;

/// The answers of the webhook port that people compute rates from.
const ANSWERS: [&str; 4] = ["202", "400", "401", "503"];
/// The calls we make.
const APIS: [&str; 4] = ["token", "send", "query", "recall"];
/// What may come of asking for an access token.
const RESULTS: [&str; 4] =
    ["ok", Outcome::Throttled.as_str(), Outcome::Unavailable.as_str(), Outcome::Blocked.as_str()];

/// Makes the counters and histograms of a configuration that runs from now on.
pub fn begin(config: &Config, compiled: &Compiled) {
    let _there_from_now_on = histogram!(names::ACCEPT_SECONDS);
    let _there_from_now_on = histogram!(names::DIGEST_DELIVERIES);
    for part in PARTS {
        counter!(names::PANICS, "part" => part).increment(0);
    }
    counter!(names::WEBHOOKS, "source" => "", "code" => "404").increment(0);
    for source in config.sources.keys() {
        counter!(names::DUPLICATES, "source" => source.to_string()).increment(0);
        for code in ANSWERS {
            counter!(names::WEBHOOKS, "source" => source.to_string(), "code" => code).increment(0);
        }
    }
    for receiver in config.receivers.keys() {
        let receiver = receiver.to_string();
        let _there_from_now_on = histogram!(names::DELIVERY_SECONDS, "receiver" => receiver.clone());
        let sent = [("receiver", receiver.clone()), ("outcome", Outcome::Sent.to_string()), ("code", String::new())];
        counter!(names::ATTEMPTS, &sent).increment(0);
        // Nobody counts how often one is on its way.
        for state in State::ALL.into_iter().filter(|state| *state != State::Sending) {
            counter!(names::DELIVERIES, "receiver" => receiver.clone(), "state" => state.as_str()).increment(0);
        }
    }
    for app in config.apps.keys() {
        for api in APIS {
            counter!(names::API_CALLS, "app" => app.to_string(), "api" => api).increment(0);
        }
        for result in RESULTS {
            counter!(names::TOKEN_REFRESHES, "app" => app.to_string(), "result" => result).increment(0);
        }
    }
    for template in compiled.renderer.templates() {
        counter!(names::RENDER_FALLBACKS, "template" => template.to_owned()).increment(0);
    }
}
