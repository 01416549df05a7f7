//! What came of an attempt, named by what we do next, and whom it concerns.

use std::fmt;

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
    pub fn as_str(self) -> &'static str {
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
    /// Every call of the app.
    App,
    /// Every call of the organisation until the month turns.
    Month,
}
