//! The log of calls: every request to a DingTalk path, what it drew, and how many there were.
//!
//! The list of messages shows what got through; this one shows what did not, so that a test can say "no call was ever
//! too fast" and a person can see why nothing arrives. A request that breaks off before its
//! end is no call. Like the messages the calls are kept until everything is forgotten.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::simulator::faults::Api;

/// One call, as `GET /sim/calls` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// When it was answered.
    pub at: Timestamp,
    /// The API; null for a path that is not simulated.
    pub api: Option<Api>,
    /// The path, without its query.
    pub path: String,
    /// The group it named, if it did so in JSON.
    pub open_conversation_id: Option<String>,
    /// Whether the header `x-acs-dingtalk-access-token` came with it. Where a redirect leads, it should not.
    pub with_token: bool,
    /// The status of the answer; null if no answer was written.
    pub status: Option<u16>,
    /// The error code of the answer, if it has one.
    pub code: Option<String>,
    /// Whether a fault was drawn.
    pub fault: bool,
}

/// How much has happened, for those who wait for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Messages admitted.
    pub(crate) messages: usize,
    token: usize,
    send: usize,
    query: usize,
    recall: usize,
}

impl Tally {
    /// Calls of an API, refused ones and faults included.
    pub(crate) fn calls(&self, api: Api) -> usize {
        match api {
            Api::Token => self.token,
            Api::Send => self.send,
            Api::Query => self.query,
            Api::Recall => self.recall,
        }
    }

    /// Counts one call.
    pub(crate) fn count(&mut self, api: Api) {
        let calls = match api {
            Api::Token => &mut self.token,
            Api::Send => &mut self.send,
            Api::Query => &mut self.query,
            Api::Recall => &mut self.recall,
        };
        *calls += 1;
    }
}
