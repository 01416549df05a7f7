//! What came of an attempt, named by what we do next, and whom it concerns.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What came of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Delivered; the `processQueryKey` is stored.
    Sent,
    /// Back in the queue, not counted; the channel or the app cools down.
    Throttled,
    /// Back in the queue by the retry schedule; possibly duplicated if the call may have arrived.
    Unavailable,
    /// The channel or app cannot send until someone mends a setting; the queue is kept.
    Blocked,
    /// This message only: a plainer form, then dead.
    Refused,
}

impl Outcome {
    /// The word the API, the metrics and the store use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Blocked => "blocked",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whom an outcome concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// This message alone.
    Message,
    /// This robot in this group.
    Channel,
    /// Every call of this API by the app, and no other: nobody who sends has to know.
    Api,
    /// Every call of the app.
    App,
    /// Every call of the organisation until the month turns.
    Month,
}

/// What DingTalk complains of when it refuses a message: what a plainer form has to leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Complaint {
    /// The template, its fields, or something that no form can be blamed for.
    Template,
    /// An address.
    Links,
    /// A picture.
    Pictures,
    /// The length.
    Length,
    /// A mention of everybody.
    Mentions,
    /// What it says.
    Words,
}

impl Complaint {
    /// Every complaint.
    pub const ALL: [Self; 6] = [Self::Template, Self::Links, Self::Pictures, Self::Length, Self::Mentions, Self::Words];
}

/// What an answer of DingTalk's other than success means, or what happened on the way. Only `dingtalk` makes one
/// (law 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What we do next; never `Sent`, and never `Refused` where no message was involved.
    pub outcome: Outcome,
    /// Whom it concerns.
    pub scope: Scope,
    /// DingTalk's code, or our word for what happened on the way. Safe to print.
    pub code: String,
    /// The code as a metric's label: one of a closed set, `other` for a code that is not documented.
    pub label: &'static str,
    /// The HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// Whether the message may have been shown all the same. False for every call that carried none.
    pub may_have_arrived: bool,
    /// Whether DingTalk did not count the call in the month: it was throttled, never reached DingTalk, or was a token
    /// call. In doubt a call counts.
    pub uncounted: bool,
    /// Whether it was the call for an access token that drew it, and not the call that was to be made with one.
    pub of_token: bool,
    /// Of a refused message, what DingTalk complains of. `None` for every other outcome.
    pub complaint: Option<Complaint>,
    /// The least wait before the next call: what DingTalk asked for, or what the kind of limit needs.
    pub retry_after: Option<Duration>,
    /// What it means and how to mend it: finished English sentences, safe to print.
    pub hint: String,
}

impl Verdict {
    /// Whether DingTalk itself turned the call away with a 4xx: it lives, so a failure is this call's own.
    pub fn is_turned_away(&self) -> bool {
        self.http_status.is_some_and(|status| (400..500).contains(&status))
    }
}
