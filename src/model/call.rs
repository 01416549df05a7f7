//! The calls that send nothing, and what DingTalk says to the second of them.
//!
//! They share the month, the access token and the app's limit with the sends; nothing else of a send's story is
//! theirs. `gate` lets them pass, `store` counts them, `dingtalk` makes them.

use std::collections::{BTreeMap, BTreeSet};

/// A call that sends nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// Asking who has read a message.
    Query,
    /// Taking messages back.
    Recall,
}

impl Call {
    /// The word in the metrics and in the count of the month.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Recall => "recall",
        }
    }
}

/// What came of a recall, message by message, each named by its `processQueryKey`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Undone {
    /// Those that were taken back.
    pub recalled: BTreeSet<String>,
    /// Why others were not, in DingTalk's words: one line, at most [`Undone::LONGEST_REASON`] characters.
    pub failed: BTreeMap<String, String>,
}

impl Undone {
    /// How many messages one call takes back at most.
    pub const MOST: usize = 20;
    /// How much of a reason is kept.
    pub const LONGEST_REASON: usize = 200;
}
