//! The limits DingTalk keeps, and the meters that keep them.
//!
//! Three meters stand one behind the other, as a call meets them: calls per second of one app and API, calls per
//! calendar month of the whole organisation, messages per minute of one robot in one group. The windows truly slide,
//! because a fixed minute would let a sender through that DingTalk stops. The figures for the second and the month are
//! those of DingTalk's standard edition; the group's is unpublished, and twenty a minute is a guess. Knows nothing of
//! HTTP or of what a message says.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::simulator::clock::{age, later};
use crate::simulator::faults::Api;
use crate::simulator::refusal::Refusal;
use crate::simulator::tokens::DEFAULT_LIFETIME;

/// How much a caller may do. A count of 0 is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Messages of one robot in one group in any 60 seconds.
    pub messages_per_minute: u32,
    /// Calls of one app to one API in any second.
    pub calls_per_second: u32,
    /// Calls of everybody in a calendar month (Asia/Shanghai): sends, queries and recalls. Token calls and calls that
    /// a limit turned away do not count.
    pub calls_per_month: u64,
    /// How long a group refuses everything from a robot once it went over `messages_per_minute`.
    #[serde(serialize_with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required::serialize")]
    pub penalty: Duration,
    /// How long an access token is valid. A token that was given out keeps its own time until it is renewed.
    #[serde(serialize_with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required::serialize")]
    pub token_lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            messages_per_minute: 20,
            calls_per_second: 20,
            calls_per_month: 5000,
            penalty: MINUTE,
            token_lifetime: DEFAULT_LIFETIME,
        }
    }
}

/// Some of the limits, as `POST /sim/limits` takes them; what is left out stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    messages_per_minute: Option<u32>,
    calls_per_second: Option<u32>,
    calls_per_month: Option<u64>,
    penalty: Option<Length>,
    token_lifetime: Option<Length>,
}

/// A duration as a person writes it: `"90s"`, `"2h"`, or a number of seconds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "Value")]
struct Length(Duration);

impl TryFrom<Value> for Length {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        let length = match &value {
            Value::String(text) => text.parse::<jiff::SignedDuration>().ok().and_then(|it| Duration::try_from(it).ok()),
            Value::Number(seconds) => seconds.as_f64().and_then(|it| Duration::try_from_secs_f64(it).ok()),
            _ => None,
        };
        length.map(Self).ok_or("a duration is written \"90s\" or as a number of seconds")
    }
}

impl Limits {
    /// Takes over what `change` names.
    pub(crate) fn change(&mut self, change: Change) {
        let Change { messages_per_minute, calls_per_second, calls_per_month, penalty, token_lifetime } = change;
        self.messages_per_minute = messages_per_minute.unwrap_or(self.messages_per_minute);
        self.calls_per_second = calls_per_second.unwrap_or(self.calls_per_second);
        self.calls_per_month = calls_per_month.unwrap_or(self.calls_per_month);
        self.penalty = penalty.map_or(self.penalty, |it| it.0);
        self.token_lifetime = token_lifetime.map_or(self.token_lifetime, |it| it.0);
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// What has been used of the limits.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    seconds: HashMap<(String, Api), Window>,
    groups: HashMap<(String, String), Group>,
    month: Month,
}

/// One robot in one group.
#[derive(Debug, Default)]
struct Group {
    window: Window,
    closed_until: Option<Timestamp>,
}

impl Meters {
    /// Lets a call of `app` to `api` pass, or says that there were too many in the last second.
    pub(crate) fn pass_second(&mut self, app: &str, api: Api, limits: &Limits, now: Timestamp) -> Result<(), Refusal> {
        let window = self.seconds.entry((app.to_owned(), api)).or_default();
        if window.take(SECOND, limits.calls_per_second, now) {
            return Ok(());
        }
        let code = "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi";
        Err(Refusal::throttle(403, code, "the app calls this API too often in one second"))
    }

    /// Says whether the month has a call left. Does not take it: see [`Meters::count_in_month`].
    pub(crate) fn pass_month(&mut self, limits: &Limits, now: Timestamp) -> Result<(), Refusal> {
        if limits.calls_per_month == 0 || self.month.at(now) < limits.calls_per_month {
            return Ok(());
        }
        let code = "Forbidden.AccessDenied.ApiCountLimitForOrg";
        Err(Refusal::throttle(403, code, "the organisation has used up its calls of this month"))
    }

    /// Takes one call of the month.
    pub(crate) fn count_in_month(&mut self, now: Timestamp) {
        self.month.add(now);
    }

    /// Lets one message into a group, or closes the group to this robot for the penalty. Calling on while it is
    /// closed does not prolong the penalty.
    pub(crate) fn pass_group(
        &mut self,
        robot_code: &str,
        conversation: &str,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let group = self.groups.entry((robot_code.to_owned(), conversation.to_owned())).or_default();
        let closed = group.closed_until.is_some_and(|until| now < until);
        if !closed && group.window.take(MINUTE, limits.messages_per_minute, now) {
            return Ok(());
        }
        if !closed {
            group.closed_until = Some(later(now, limits.penalty));
        }
        Err(Refusal::throttle(400, "send.too.fast", "the robot sends too fast into this group"))
    }
}

/// The moments of what passed lately: a window that slides with every look at it.
#[derive(Debug, Default)]
struct Window(VecDeque<Timestamp>);

impl Window {
    /// Takes one place at `now` unless `limit` places were taken during `length` before. Two takes exactly `length`
    /// apart do not share a window.
    fn take(&mut self, length: Duration, limit: u32, now: Timestamp) -> bool {
        while self.0.front().is_some_and(|first| age(*first, now) >= length) {
            self.0.pop_front();
        }
        let free = limit == 0 || self.0.len() < limit as usize;
        if free {
            self.0.push_back(now);
        }
        free
    }
}

/// The calls of one calendar month.
#[derive(Debug, Default)]
struct Month {
    /// Year and month in Asia/Shanghai.
    name: (i16, i8),
    calls: u64,
}

impl Month {
    fn at(&mut self, now: Timestamp) -> u64 {
        // China has kept UTC+8 without summer time since 1991: a fixed offset needs no time zone database.
        let there = jiff::tz::offset(8).to_datetime(now);
        let name = (there.year(), there.month());
        if self.name != name {
            *self = Self { name, calls: 0 };
        }
        self.calls
    }

    fn add(&mut self, now: Timestamp) {
        self.calls = self.at(now).saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    proptest! {
        #[test]
        fn no_sixty_second_window_ever_holds_more_than_the_limit(
            gaps in prop::collection::vec(0i64..9_000, 1..200),
            limit in 1u32..8,
        ) {
            let (mut window, mut now, mut passed) = (Window::default(), 0, Vec::new());
            for gap in gaps {
                now += gap;
                if window.take(MINUTE, limit, at(now)) {
                    passed.push(now);
                }
            }
            for (index, first) in passed.iter().enumerate() {
                let within = passed[index..].iter().filter(|it| **it - first < 60_000).count();
                prop_assert!(within <= limit as usize, "{within} from {first}");
            }
        }
    }

    #[test]
    fn the_month_turns_at_midnight_in_shanghai() {
        let mut month = Month::default();
        month.add("2026-01-31T15:59:59Z".parse().unwrap());

        assert_eq!(month.at("2026-01-31T15:59:59Z".parse().unwrap()), 1);
        assert_eq!(month.at("2026-01-31T16:00:00Z".parse().unwrap()), 0);
    }

    #[test]
    fn a_penalty_is_written_as_text_or_as_seconds() {
        for (written, seconds) in [(serde_json::json!("2m"), 120.0), (serde_json::json!(1.5), 1.5)] {
            assert_eq!(Length::try_from(written).unwrap().0, Duration::from_secs_f64(seconds));
        }
        for wrong in [serde_json::json!("-1s"), serde_json::json!(-1), serde_json::json!("soon"), serde_json::json!([])]
        {
            Length::try_from(wrong).unwrap_err();
        }
    }
}
