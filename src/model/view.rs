//! How lanes and apps stand, as people and scripts see it.
//!
//! Field names are the API's (contract §5), absent values are `null`. The gate knows a [`LaneState`] and an
//! [`AppState`]; the operator's room joins them with what the store counts. The words of [`Standing`] are the same
//! in the API, the metrics and the page. Nothing here knows where the figures come from.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::budget::{Budget, Calls};
use crate::model::health::{Block, Health};
use crate::model::name::Name;

/// Whether calls flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Calls may be made.
    Flowing,
    /// DingTalk said "too fast".
    Cooling,
    /// The app cannot be reached.
    Down,
    /// Someone must mend a setting.
    Blocked,
}

impl Standing {
    /// The word for a state of health.
    pub fn of(health: &Health) -> Self {
        match health {
            Health::Flowing | Health::Failing { .. } => Self::Flowing,
            Health::Cooling { .. } => Self::Cooling,
            Health::Down { .. } => Self::Down,
            Health::Blocked(_) => Self::Blocked,
        }
    }

    /// The word the API, the metrics and the page use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flowing => "flowing",
            Self::Cooling => "cooling",
            Self::Down => "down",
            Self::Blocked => "blocked",
        }
    }
}

/// What keeps a lane or an app from sending: a block, or that DingTalk cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlockView {
    /// DingTalk's code, or `not_configured`.
    pub code: String,
    /// What the code means and how to mend it.
    pub reason: String,
    /// Since when; `None` where nobody knows.
    pub since: Option<Timestamp>,
    /// When it is tried again; `None` where only a human can help.
    pub next_probe_at: Option<Timestamp>,
}

impl BlockView {
    /// The code of a lane whose receiver is configured no more.
    pub const NOT_CONFIGURED: &'static str = "not_configured";

    /// What a person is told of a block; `None` if there is none.
    pub fn of_a_block(health: &Health) -> Option<Self> {
        let Health::Blocked(Block { code, reason, since, probe_at, .. }) = health else { return None };
        Some(Self::because(code, reason, *since, *probe_at))
    }

    /// What a person is told of an app that is down; `None` if it is not.
    pub fn of_an_outage(health: &Health) -> Option<Self> {
        let Health::Down { code, reason, since, probe_at, .. } = health else { return None };
        Some(Self::because(code, reason, *since, *probe_at))
    }

    fn because(code: &str, reason: &str, since: Timestamp, probe_at: Timestamp) -> Self {
        let (code, reason) = (code.to_owned(), reason.to_owned());
        Self { code, reason, since: Some(since), next_probe_at: Some(probe_at) }
    }
}

/// How a lane stands, apart from what waits in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LaneState {
    /// The receiver.
    pub receiver: String,
    /// Shown beside the name.
    pub display_name: Option<String>,
    /// The app it goes through; `None` for a receiver that is configured no more.
    pub app: Option<Name>,
    /// Whether it flows: the worse one of its channel and its app.
    pub state: Standing,
    /// The rate it goes at now; `None` for a receiver that is configured no more.
    pub messages_per_minute: Option<u32>,
    /// The configured rate, while the lane goes slower because DingTalk said "too fast".
    pub slowed_down_from: Option<u32>,
    /// When the cool-down ends, while there is one.
    pub cooling_until: Option<Timestamp>,
    /// Why its app is down, while it is.
    pub down: Option<BlockView>,
    /// What blocks it, while something does.
    pub blocked: Option<BlockView>,
    /// Who takes over when it has been blocked for too long, or a delivery died.
    pub fallback: Option<String>,
}

/// A lane with what waits in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LaneView {
    /// How it stands.
    #[serde(flatten)]
    pub lane: LaneState,
    /// How many deliveries are open.
    pub queued: u64,
    /// When the oldest of them was accepted.
    pub oldest_at: Option<Timestamp>,
    /// When the pause ends that a human has put it into, while there is one. Its state is what it would be without.
    pub paused_until: Option<Timestamp>,
    /// What holds its queue although the lane flows; `None`: nothing but its limits, or its state and its pause say it.
    pub waits_for: Option<Wait>,
}

/// How full the queue is: all lanes share its places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Fullness {
    /// How many deliveries are open.
    pub queued: u64,
    /// How many may be (`store.max_queued`).
    pub limit: u64,
}

impl Fullness {
    /// From here on it is nearly full, in percent.
    pub const NEARLY: u64 = 90;

    /// How full these lanes make it.
    pub fn of(lanes: &[LaneView], limit: u64) -> Self {
        Self { queued: lanes.iter().map(|view| view.queued).sum(), limit }
    }

    /// Whether so many percent of it are taken.
    pub fn is_at_least(self, percent: u64) -> bool {
        u128::from(self.queued) * 100 >= u128::from(self.limit) * u128::from(percent)
    }
}

/// What holds the queue of a lane that flows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// What it waits for.
    pub why: WaitsFor,
    /// When that comes by itself: a turn of the month about then, anything else exactly.
    pub until: Timestamp,
    /// The same for a person.
    pub reason: String,
    /// Whether it is for a turn of the month, for which what a person or the relay itself wrote does not wait.
    #[serde(skip)]
    pub by_turns: bool,
}

/// What a lane that flows can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WaitsFor {
    /// The calls of the month: it has none left for what is not critical, or the lane's turn has not come.
    Month,
    /// Company: everything in it may wait for another message to go along with.
    Company,
    /// The next try of what has failed.
    Retry,
}

/// How an app stands, apart from its calls of this month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppState {
    /// The app.
    pub app: Name,
    /// Whose month it shares.
    pub organisation: Name,
    /// Whether it flows.
    pub state: Standing,
    /// The rate it goes at now.
    pub calls_per_second: u32,
    /// When the cool-down ends, while there is one.
    pub cooling_until: Option<Timestamp>,
    /// When its access token expires, if it has one.
    pub token_expires_at: Option<Timestamp>,
    /// How many calls its organisation may make in a month; `None`: no quota.
    pub calls_per_month: Option<u64>,
    /// How far the count of this relay may go, for what is critical and for the rest.
    pub calls_allowed: Option<Calls>,
    /// What the month is made of.
    #[serde(skip)]
    pub budget: Option<Budget>,
    /// Why it is down, while it is.
    pub down: Option<BlockView>,
    /// What blocks it, while something does.
    pub blocked: Option<BlockView>,
}

/// An app with the calls of its organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppView {
    /// How it stands.
    #[serde(flatten)]
    pub app: AppState,
    /// The calls its organisation has made this month.
    pub calls_this_month: u64,
    /// The calls it will have made when the month ends, if it goes on like this.
    pub projected_calls: u64,
    /// What holds messages back that are not critical, while the month does.
    pub paced: Option<Paced>,
}

/// A month that runs ahead of the calendar, or whose rest is kept for what is critical: what is not critical gathers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Paced {
    /// How far apart messages that are not critical go, over all lanes of the organisation; `None`: none goes.
    pub every_seconds: Option<u64>,
    /// How many lanes wait for the month's sake.
    pub lanes: usize,
    /// When it ends by itself, if nothing goes before.
    pub until: Option<Timestamp>,
    /// Why, for a person.
    pub reason: String,
}
