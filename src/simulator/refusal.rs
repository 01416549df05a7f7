//! How the simulated DingTalk says no: an HTTP status, a code, a sentence for people.
//!
//! Every check of the simulator ends in a [`Refusal`] or in a pass. The codes are written out where each check is
//! made, as they stand in DingTalk's own documentation; this file only knows the shape
//! `{"code","message","requestid"}` and which refusals DingTalk does not count against the month.

use serde_json::{Value, json};

/// A call that was turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub(crate) status: u16,
    /// DingTalk's error code, which a client branches on.
    pub(crate) code: String,
    /// A sentence for people. The real one is Chinese on the mainland's host, so no client may read it.
    pub(crate) message: String,
    /// Whether a limit turned the call away: such calls do not count against the month.
    pub(crate) throttled: bool,
}

/// The code that says the app lacks a permission; it carries the scopes that are missing.
const PERMISSION_DENIED: &str = "Forbidden.AccessDenied.AccessTokenPermissionDenied";

impl Refusal {
    /// Status 400: something about the request.
    pub(crate) fn bad(code: &str, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into(), throttled: false }
    }

    /// A limit, with the status that this limit's code has.
    pub(crate) fn throttle(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), throttled: true }
    }

    /// Whatever a fault asked for.
    pub(crate) fn fault(status: u16, code: &str) -> Self {
        Self { status, code: code.into(), message: format!("simulated: {code}"), throttled: false }
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Value {
        let request_id = uuid::Uuid::now_v7().to_string().to_uppercase();
        let mut body = json!({ "code": self.code, "message": self.message, "requestid": request_id });
        if self.code == PERMISSION_DENIED {
            // An example: which scope DingTalk names for which call is not documented, and nobody may go by it.
            body["accessdenieddetail"] = json!({ "requiredScopes": ["qyapi_robot_sendmsg"] });
        }
        body
    }
}
