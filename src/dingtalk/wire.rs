//! What goes over the wire and what comes back: request bodies, and answers read as far as they can be.
//!
//! Pure: bytes in, facts out. An [`Exchange`] says what happened, never what follows from it; that is `verdict`'s
//! (law 7). Keys of an answer are read whatever their case, because DingTalk itself writes `code` and `Code`. The
//! free text of an answer (`message`) is not even read: its language depends on the region, and it may repeat what
//! was sent.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::model::call::Call;

/// The calls this program makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// Asking for an access token.
    ///
    /// <https://open.dingtalk.com/document/orgapp/obtain-the-access_token-of-an-internal-app>
    Token,
    /// Sending a message to a group.
    ///
    /// <https://open.dingtalk.com/document/orgapp/the-robot-sends-a-group-message>
    Send,
    /// Asking who has read a message.
    ///
    /// <https://help.dingtalk.io/open/development/chatbot-queries-the-read-status-of-a-message>
    Query,
    /// Taking messages back.
    ///
    /// <https://open.dingtalk.com/document/orgapp/batch-withdrawal-of-internal-group-chat-messages>
    Recall,
}

impl Api {
    /// The word in metrics and in the table of codes.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Send => "send",
            Self::Query => Call::Query.as_str(),
            Self::Recall => Call::Recall.as_str(),
        }
    }

    /// The path below the base URL.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Token => "/v1.0/oauth2/accessToken",
            Self::Send => "/v1.0/robot/groupMessages/send",
            Self::Query => "/v1.0/robot/groupMessages/query",
            Self::Recall => "/v1.0/robot/groupMessages/recall",
        }
    }
}

/// The body of a call for an access token.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenRequest<'a> {
    pub(crate) app_key: &'a str,
    pub(crate) app_secret: &'a str,
}

/// The body of a send. What is not set is left out, never null, as in the official SDKs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SendRequest<'a> {
    pub(crate) robot_code: &'a str,
    pub(crate) open_conversation_id: &'a str,
    pub(crate) msg_key: &'a str,
    /// JSON, encoded: a string on the wire.
    pub(crate) msg_param: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cool_app_code: Option<&'a str>,
}

/// The body of a query. Without a `nextToken` it asks for the first page.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueryRequest<'a> {
    pub(crate) robot_code: &'a str,
    pub(crate) open_conversation_id: &'a str,
    pub(crate) process_query_key: &'a str,
    pub(crate) max_results: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<&'a str>,
}

/// The body of a recall: one robot's messages in one group.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecallRequest<'a> {
    pub(crate) robot_code: &'a str,
    pub(crate) open_conversation_id: &'a str,
    pub(crate) process_query_keys: &'a [String],
}

/// What happened to one call.
#[derive(Debug)]
pub(crate) enum Exchange {
    /// There was no connection; nothing was written.
    NotConnected {
        /// At which step.
        step: Step,
        /// The innermost error, for a person; holds neither a URL nor a secret.
        cause: String,
    },
    /// It ended after the request was, or may have been, written and before the answer was whole.
    CutOff {
        /// Whether time ran out; otherwise the connection broke.
        timed_out: bool,
        /// The status line, if that much of an answer was there.
        http_status: Option<u16>,
    },
    /// A whole answer.
    Answered(Reply),
}

/// The step at which a connection failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Finding the address of the name.
    Dns,
    /// Reaching the address, or the proxy.
    Connect,
    /// Agreeing on a secure connection.
    Tls,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The HTTP status.
    pub(crate) http_status: u16,
    /// How long the answer asks to wait.
    pub(crate) retry_after: Option<Duration>,
    /// What it says.
    pub(crate) body: Body,
}

/// The body of an answer.
pub(crate) enum Body {
    /// A JSON object.
    Object(Map<String, Value>),
    /// A web page.
    Html,
    /// More than an answer may have.
    TooLarge,
    /// Nothing, or anything else.
    Unreadable,
}

impl Body {
    /// Reads a body; `whole` is false when it was cut because it was too long.
    pub(crate) fn read(content_type: &str, bytes: &[u8], whole: bool) -> Self {
        let begins_as_page = bytes.trim_ascii_start().starts_with(b"<");
        if begins_as_page || content_type.trim_start().to_ascii_lowercase().starts_with("text/html") {
            return Self::Html;
        }
        if !whole {
            return Self::TooLarge;
        }
        serde_json::from_slice(bytes).map_or(Self::Unreadable, Self::Object)
    }

    fn field(&self, name: &str) -> Option<&Value> {
        let Self::Object(fields) = self else { return None };
        fields.get(name).or_else(|| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v))
    }

    /// A text that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.field(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// A whole number, written as a number or as a text.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        let value = self.field(name)?;
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    }

    /// A text that may be shown as it is.
    pub(crate) fn plain_text(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|text| is_plain(text))
    }

    /// Whether a flag is there and down.
    pub(crate) fn says_no(&self, name: &str) -> bool {
        self.field(name).and_then(Value::as_bool) == Some(false)
    }

    /// The texts of a list; empty if there is none.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let list = self.field(name).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned).collect()
    }

    /// Whether a field is there.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.field(name).is_some_and(|value| !value.is_null())
    }

    /// The members of an object as texts; empty if there is none.
    pub(crate) fn members(&self, name: &str) -> impl Iterator<Item = (&str, String)> {
        let members = self.field(name).and_then(Value::as_object).into_iter().flatten();
        members.map(|(key, value)| (key.as_str(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
    }

    /// The error code, if it is one that can be shown: letters, digits, `.`, `_`, `-`, at most 80 of them.
    pub(crate) fn code(&self) -> Option<&str> {
        self.plain_text("code")
    }

    /// Whether this is the notice of an address ban: `{"status":1111,"punish":"deny"}`.
    pub(crate) fn is_ban(&self) -> bool {
        self.field("punish").is_some() || self.number("status") == Some(1111)
    }

    /// The permissions the app lacks, if DingTalk names them.
    pub(crate) fn required_scopes(&self) -> Vec<&str> {
        let detail = self.field("accessdenieddetail").and_then(Value::as_object);
        let scopes = detail.and_then(|d| d.iter().find(|(key, _)| key.eq_ignore_ascii_case("requiredScopes")));
        let named = scopes.and_then(|(_, scopes)| scopes.as_array()).into_iter().flatten();
        named.filter_map(Value::as_str).filter(|scope| is_plain(scope)).take(5).collect()
    }

    /// What DingTalk's support asks for.
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.plain_text("requestid")
    }
}

/// The kind of body and nothing of its content, which may hold an access token (law 8).
impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Object(_) => "Object",
            Self::Html => "Html",
            Self::TooLarge => "TooLarge",
            Self::Unreadable => "Unreadable",
        })
    }
}

/// A string from outside that may stand in a log, a metric or a hint as it is.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=80).contains(&text.len()) && text.bytes().all(plain)
}

/// `Retry-After`: seconds, or a date. At most an hour: more is taken for a mistake, and asking once an hour harms
/// nobody.
pub(crate) fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    let wait = match header.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = jiff::fmt::rfc2822::parse(header).ok()?.timestamp();
            Duration::try_from(until.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wait.min(Duration::from_secs(60 * 60)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Body {
        Body::read("application/json", text.as_bytes(), true)
    }

    #[test]
    fn keys_are_read_whatever_their_case() {
        for text in [
            r#"{"code":"a.b","requestid":"r-1","accessdenieddetail":{"requiredScopes":["s"]}}"#,
            r#"{"Code":"a.b","RequestId":"r-1","AccessDeniedDetail":{"RequiredScopes":["s"]}}"#,
        ] {
            let body = json(text);
            assert_eq!((body.code(), body.request_id(), body.required_scopes()), (Some("a.b"), Some("r-1"), vec!["s"]));
        }
    }

    #[test]
    fn a_code_that_cannot_be_shown_is_no_code() {
        let long = "x".repeat(81);
        for code in ["", "a b", "<b>", "a\\nb", "代码", &long] {
            assert_eq!(json(&format!(r#"{{"code":"{code}"}}"#)).code(), None, "{code}");
        }
        assert_eq!(json(r#"{"code":null}"#).code(), None);
    }

    #[test]
    fn a_page_is_a_page_even_when_it_is_long_or_says_it_is_json() {
        assert!(matches!(Body::read("application/json", b"\n <!DOCTYPE html>", false), Body::Html));
        assert!(matches!(Body::read("Text/HTML; charset=utf-8", b"", true), Body::Html));
        assert!(matches!(Body::read("application/json", b"{\"a\":", false), Body::TooLarge));
        for text in ["", "{", "[]", "null", "\"ok\""] {
            assert!(matches!(json(text), Body::Unreadable), "{text}");
        }
    }

    #[test]
    fn a_wait_is_read_as_seconds_or_as_a_date_and_is_never_longer_than_an_hour() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let wait = |header| retry_after(header, now).map(|wait| wait.as_secs());
        assert_eq!(wait(" 90 "), Some(90));
        assert_eq!(wait("Sat, 21 Nov 2026 12:02:00 GMT"), Some(120));
        assert_eq!(wait("Sat, 21 Nov 2026 11:00:00 GMT"), Some(0));
        assert_eq!(wait("999999999"), Some(3600));
        assert_eq!(wait("soon"), None);
    }
}
