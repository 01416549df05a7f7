//! Flowing, cooling, down, blocked: one small state machine for every app and every channel.
//!
//! Pure: [`Health::after`] takes what happened and when, and says what follows; [`Health::go`] says whether a call
//! may be made now. The waits are the probe table of the contract (§1). A cooling one is not probed, it waits out
//! its cool-down. An app is down after [`FAILURES_UNTIL_DOWN`] failures in a row; a channel is never down.
//!
//! Of calls that are under way together some end when others have closed or opened what they pass through. Such an
//! [`News::Overtaken`] one closes nothing that has opened since, and opens nothing that has closed since: only a call
//! that began afterwards knows. Not the clock tells which began when, but the [spell](Health::is_same_spell) they began in.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::month::Month;

/// How many calls of an app fail one after another until the app is down.
pub const FAILURES_UNTIL_DOWN: u32 = 3;

/// The waits for the probes of an app that is down.
pub const DOWN: Backoff = Backoff { first: Duration::from_secs(1), last: Duration::from_secs(30) };
/// The waits for the probes of a blocked channel.
pub const BLOCKED_CHANNEL: Backoff = Backoff { first: Duration::from_secs(60), last: Duration::from_secs(30 * 60) };
/// The waits for the probes of an app that is blocked by credentials, permission or address.
pub const BLOCKED_APP: Backoff = Backoff { first: Duration::from_secs(30), last: Duration::from_secs(10 * 60) };
/// The wait for a probe when DingTalk says that the month is used up; shorter if it turns before.
pub const MONTH_USED_UP: Duration = Duration::from_secs(6 * 60 * 60);
/// The least of these waits: a month that has just turned is asked for again when it is twice as old.
const YOUNG_MONTH: Duration = Duration::from_secs(60);
/// No state waits longer.
const LONGEST_WAIT: Duration = MONTH_USED_UP;

/// A wait that doubles from `first` to `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub last: Duration,
}

impl Backoff {
    /// The wait after it has been waited `times` times already.
    pub fn wait(self, times: u32) -> Duration {
        self.first.saturating_mul(2u32.saturating_pow(times.min(30))).min(self.last)
    }
}

/// The state of one app or one channel.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Health {
    /// Calls may be made.
    #[default]
    Flowing,
    /// DingTalk said "too fast": nothing goes until then.
    Cooling {
        /// When calls may be made again.
        until: Timestamp,
        /// How many cool-downs there were in a row, this one not counted.
        times: u32,
    },
    /// Calls fail one after another. Below [`FAILURES_UNTIL_DOWN`] calls are still made.
    Failing {
        /// How many in a row.
        failures: u32,
    },
    /// The app cannot be reached.
    Down {
        /// Since when.
        since: Timestamp,
        /// When one call may be made to find out.
        probe_at: Timestamp,
        /// How many probes have failed.
        times: u32,
        /// What the last call came to.
        code: String,
        /// What the code means and how to mend it.
        reason: String,
    },
    /// Someone must mend a setting.
    Blocked(Block),
}

/// What blocks an app or a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Since when.
    pub since: Timestamp,
    /// When one call may be made to find out.
    pub probe_at: Timestamp,
    /// How many probes have failed.
    pub times: u32,
    /// DingTalk's code.
    pub code: String,
    /// What the code means and how to mend it.
    pub reason: String,
    /// What the waits between probes follow.
    pub cause: Cause,
}

/// What a block is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The robot, the group, the template: this channel.
    Channel,
    /// Credentials, permission, address: the whole app.
    App,
    /// The same, found by the call for an access token: one that is granted disproves it.
    Token,
    /// DingTalk says that the organisation's calls of this month are used up.
    Month,
}

/// Whether a call may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    /// As many as the limits allow.
    Freely,
    /// One, to find out.
    Probe,
    /// None before then.
    Wait(Timestamp),
}

/// How old what a call came to is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// The call began in the spell that lasts still.
    Fresh,
    /// The app or channel has closed or opened since the call began.
    Overtaken,
}

/// What happened to an app or a channel.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// DingTalk answered as it does when nothing is wrong with this app or channel.
    Answered,
    /// It said "too fast".
    Throttled {
        /// The configured cool-down.
        cooldown: Backoff,
        /// Lengthens the wait by up to a quarter: from 0 to 1.
        jitter: f64,
        /// What DingTalk asked for, if it did.
        at_least: Option<Duration>,
    },
    /// The call failed, or its outcome is unknown.
    Failed {
        /// DingTalk's code, or our word for what happened on the way.
        code: String,
        /// What it means and how to mend it.
        reason: String,
    },
    /// A setting is wrong.
    Blocked {
        /// DingTalk's code.
        code: String,
        /// What it means and how to mend it.
        reason: String,
        /// What it is about.
        cause: Cause,
    },
}

impl Health {
    /// Whether a call may be made at `now`.
    pub fn go(&self, now: Timestamp) -> Go {
        let (at, then) = match self {
            Self::Flowing | Self::Failing { .. } => return Go::Freely,
            Self::Cooling { until, .. } => (*until, Go::Freely),
            Self::Down { probe_at, .. } => (*probe_at, Go::Probe),
            Self::Blocked(block) => (block.probe_at, Go::Probe),
        };
        if now < at { Go::Wait(at) } else { then }
    }

    /// When one call may be made to find out whether it works again, while it does not.
    pub fn probe_at(&self) -> Option<Timestamp> {
        match self {
            Self::Flowing | Self::Failing { .. } | Self::Cooling { .. } => None,
            Self::Down { probe_at, .. } | Self::Blocked(Block { probe_at, .. }) => Some(*probe_at),
        }
    }

    /// Why nothing can be sent, as a code and what it means: of what is down or blocked.
    pub fn why(&self) -> Option<(&str, &str)> {
        match self {
            Self::Flowing | Self::Failing { .. } | Self::Cooling { .. } => None,
            Self::Down { code, reason, .. } | Self::Blocked(Block { code, reason, .. }) => Some((code, reason)),
        }
    }

    /// A stored state, as a process that starts at `now` takes it up. The configuration has just been read, so what
    /// it may have mended (credentials, a larger month) is tried at once. No wait is longer than it could have become by itself: the clock may have
    /// been wrong when it was written.
    pub fn taken_up(self, now: Timestamp) -> Self {
        let soon = |at: Timestamp| at.min(later(now, LONGEST_WAIT));
        match self.mended(Cause::App, now).mended(Cause::Month, now) {
            flowing @ (Self::Flowing | Self::Failing { .. }) => flowing,
            Self::Cooling { until, times } => Self::Cooling { until: soon(until), times },
            Self::Down { since, probe_at, times, code, reason } => {
                Self::Down { since, probe_at: soon(probe_at), times, code, reason }
            }
            Self::Blocked(block) => Self::Blocked(Block { probe_at: soon(block.probe_at), ..block }),
        }
    }

    /// The same when the clock was set back by so much: what waits, waits no longer for that.
    pub fn set_back_by(self, span: Duration) -> Self {
        let back = |at: Timestamp| at.checked_sub(span).unwrap_or(Timestamp::MIN);
        match self {
            flowing @ (Self::Flowing | Self::Failing { .. }) => flowing,
            Self::Cooling { until, times } => Self::Cooling { until: back(until), times },
            Self::Down { since, probe_at, times, code, reason } => {
                Self::Down { since: back(since), probe_at: back(probe_at), times, code, reason }
            }
            Self::Blocked(block) => {
                Self::Blocked(Block { since: back(block.since), probe_at: back(block.probe_at), ..block })
            }
        }
    }

    /// The state when somebody may have mended this cause of a block: it is tried at once.
    pub fn mended(self, cause: Cause, now: Timestamp) -> Self {
        match self {
            Self::Blocked(block) if block.cause.is_mended_with(cause) => {
                Self::Blocked(Block { probe_at: block.probe_at.min(now), ..block })
            }
            other => other,
        }
    }

    /// Whether one follows from the other without having closed or opened in between: calls that began under the one
    /// are no news from before the other.
    pub fn is_same_spell(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Flowing | Self::Failing { .. }, Self::Flowing | Self::Failing { .. }) => true,
            (Self::Cooling { until, .. }, Self::Cooling { until: then, .. }) => until == then,
            (Self::Down { since, .. }, Self::Down { since: then, .. }) => since == then,
            (Self::Blocked(block), Self::Blocked(then)) => block.since == then.since,
            _ => false,
        }
    }

    /// The state after something happened at `now`.
    pub fn after(&self, what: Happening, news: News, now: Timestamp) -> Self {
        match what {
            Happening::Answered => self.after_an_answer(news, now),
            // Obeyed however late it comes: to wait costs little, and who goes on gets the address banned.
            Happening::Throttled { cooldown, jitter, at_least } => {
                self.after_a_throttle(cooldown, jitter, at_least.unwrap_or_default(), news, now)
            }
            // It works again, and this call is from before: it would be told, and counted, as a second outage.
            Happening::Failed { .. } | Happening::Blocked { .. } if self.is_open() && news == News::Overtaken => {
                self.clone()
            }
            Happening::Failed { code, reason } => self.after_a_failure(code, reason, news, now),
            // What is known already: another call said it, and this one is no probe.
            Happening::Blocked { .. } if matches!(self, Self::Blocked(_)) && news == News::Overtaken => self.clone(),
            Happening::Blocked { code, reason, cause } => self.after_a_block(code, reason, cause, now),
        }
    }

    fn is_open(&self) -> bool {
        matches!(self, Self::Flowing | Self::Failing { .. })
    }

    /// That DingTalk took a call which began before says nothing of what it has said since: not of a setting, and not of
    /// whether a new call reaches it, for a way that is being closed lets pass what is on it.
    fn after_an_answer(&self, news: News, now: Timestamp) -> Self {
        match self {
            Self::Cooling { until, .. } if now < *until => self.clone(),
            closed if !closed.is_open() && news == News::Overtaken => closed.clone(),
            _ => Self::Flowing,
        }
    }

    fn after_a_throttle(&self, cooldown: Backoff, jitter: f64, at_least: Duration, news: News, now: Timestamp) -> Self {
        let times = match self {
            // Ten calls that were under way together were one too many, not ten: the cool-down does not double.
            Self::Cooling { until, times } if now < *until || news == News::Overtaken => {
                return Self::Cooling { until: later(now, at_least).max(*until), times: *times };
            }
            Self::Cooling { times, .. } => times.saturating_add(1),
            // That it may not call so often says nothing of the setting that somebody must mend.
            Self::Blocked(block) => {
                let cooled = later(now, cooldown.wait(0).max(at_least));
                let block = if news == News::Fresh { block.probed_again(now) } else { block.clone() };
                return Self::Blocked(block.not_before(cooled));
            }
            Self::Down { since, probe_at, times, code, reason } if news == News::Overtaken => {
                let probe_at = later(now, cooldown.wait(0).max(at_least)).max(*probe_at);
                let (code, reason) = (code.clone(), reason.clone());
                return Self::Down { since: *since, probe_at, times: *times, code, reason };
            }
            Self::Flowing | Self::Failing { .. } | Self::Down { .. } => 0,
        };
        let wait = cooldown.wait(times);
        let wait = wait.saturating_add(wait.mul_f64(jitter.clamp(0.0, 1.0) / 4.0)).min(cooldown.last);
        Self::Cooling { until: later(now, wait.max(at_least)), times }
    }

    fn after_a_failure(&self, code: String, reason: String, news: News, now: Timestamp) -> Self {
        let down = |since, times| Self::Down { since, probe_at: later(now, DOWN.wait(times)), times, code, reason };
        match self {
            // A call that was under way when the cool-down began does not end it.
            Self::Cooling { until, .. } if now < *until || news == News::Overtaken => self.clone(),
            Self::Flowing | Self::Cooling { .. } => Self::Failing { failures: 1 },
            Self::Failing { failures } if failures + 1 < FAILURES_UNTIL_DOWN => {
                Self::Failing { failures: failures + 1 }
            }
            Self::Failing { .. } => down(now, 0),
            // A call that was under way when the app went down is no probe, even if one is due by now.
            Self::Down { probe_at, .. } if now < *probe_at || news == News::Overtaken => self.clone(),
            Self::Down { since, times, .. } => down(*since, times.saturating_add(1)),
            Self::Blocked(_) if news == News::Overtaken => self.clone(),
            Self::Blocked(block) => Self::Blocked(block.probed_again(now)),
        }
    }

    fn after_a_block(&self, code: String, reason: String, cause: Cause, now: Timestamp) -> Self {
        let fresh = Block { since: now, probe_at: cause.probe_at(0, now), times: 0, code, reason, cause };
        Self::Blocked(match self {
            Self::Blocked(block) if block.cause.is_mended_with(cause) => {
                let Block { code, reason, .. } = fresh;
                Block { code, reason, cause, ..block.probed_again(now) }
            }
            // Another call was told to wait, and a probe is a call.
            Self::Cooling { until, .. } => fresh.not_before(*until),
            _ => fresh,
        })
    }
}

impl Block {
    /// A probe that is not due changes nothing: a call that was under way says what is known already.
    fn probed_again(&self, now: Timestamp) -> Self {
        if now < self.probe_at {
            return self.clone();
        }
        let times = self.times.saturating_add(1);
        Self { times, probe_at: self.cause.probe_at(times, now), ..self.clone() }
    }

    fn not_before(self, at: Timestamp) -> Self {
        Self { probe_at: self.probe_at.max(at), ..self }
    }
}

impl Cause {
    /// Whether who mends the one mends the other: what an app needs stands in one place, whichever call finds it missing.
    fn is_mended_with(self, other: Self) -> bool {
        let place = |cause| if cause == Self::Token { Self::App } else { cause };
        place(self) == place(other)
    }

    fn probe_at(self, times: u32, now: Timestamp) -> Timestamp {
        match self {
            Self::Channel => later(now, BLOCKED_CHANNEL.wait(times)),
            Self::App | Self::Token => later(now, BLOCKED_APP.wait(times)),
            // As long as the month is young it may have turned here and not there yet: clocks differ.
            Self::Month => {
                let month = Month::of(now);
                let age = Duration::try_from(now.duration_since(month.start())).unwrap_or_default();
                later(now, age.clamp(YOUNG_MONTH, MONTH_USED_UP)).min(month.end())
            }
        }
    }
}

/// `now` and a wait, however long.
pub fn later(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// `now` less a wait, however long.
pub fn earlier(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_sub(wait).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests;
