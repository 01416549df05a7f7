//! What a port answers when it does not do what it was asked to: `application/problem+json` (RFC 9457).
//!
//! One function for each reason, named by it, so that a status never travels without its headers: a 401 without a
//! challenge, a 405 without `Allow`, a 503 without `Retry-After` cannot be made. Law 2: whatever is our own fault or
//! state is [`ProblemAnswer::unavailable`], never a 4xx. Nothing of the request is echoed; the texts are ours.

use std::borrow::Cow;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

/// When the sender may come again after a 503, in seconds. Short: most of what makes us answer so passes quickly.
const COME_AGAIN: HeaderValue = HeaderValue::from_static("10");

/// The type of what is answered.
const PROBLEM: &str = "application/problem+json";

/// A refusal with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct ProblemAnswer {
    status: StatusCode,
    detail: Cow<'static, str>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
    /// Everything that is wrong, where that is more than one thing.
    problems: Option<Value>,
}

/// What stands in the body of a refusal, carried beside it as an extension of the response: whoever shows it to a
/// person need not read it back out of JSON.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Why, in our own words.
    pub detail: Cow<'static, str>,
}

impl ProblemAnswer {
    fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), headers: Vec::new(), cause: None, problems: None }
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// 400: what was sent cannot be understood.
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401, with every scheme that may be the right one.
    pub fn unauthorised(schemes: &[&'static str]) -> Self {
        let detail = "the credentials are missing or wrong";
        let answer = Self::new(StatusCode::UNAUTHORIZED, detail);
        schemes.iter().fold(answer, |a, scheme| a.with(WWW_AUTHENTICATE, HeaderValue::from_static(scheme)))
    }

    /// 403: nobody may do this from there.
    pub fn forbidden(detail: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404: what was named does not exist.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 405, with the methods there are.
    pub fn wrong_method(allowed: &'static str) -> Self {
        let detail = format!("this path takes {allowed}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail).with(ALLOW, HeaderValue::from_static(allowed))
    }

    /// 409: it cannot be done in the state things are in.
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 413: the body is larger than `limit` bytes.
    pub fn too_large(limit: u64) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body may have {limit} bytes (http.max_body)"))
    }

    /// 415: the body is of another type, or compressed.
    pub fn unsupported(detail: &'static str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
    }

    /// 422: what was asked is understood, and cannot be done with this configuration.
    pub fn unprocessable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// The same, with everything that is wrong as `problems`.
    pub fn listing(mut self, problems: Value) -> Self {
        self.problems = Some(problems);
        self
    }

    /// 503, and when to come again: our own fault or state, sending again can help.
    pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(RETRY_AFTER, COME_AGAIN)
    }

    /// 503 for what the store would not take, and why in words.
    pub fn not_stored(why: &str) -> Self {
        Self::unavailable(format!("{why}, so it is not stored; send it again"))
    }

    /// 503 where we know for how long: the wait is rounded up to whole seconds.
    pub fn not_before(detail: impl Into<Cow<'static, str>>, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// The same, and the connection ends: what the client still has to say can no longer be told from a new request.
    pub fn and_close(self) -> Self {
        self.with(CONNECTION, HeaderValue::from_static("close"))
    }

    /// The same, and what our own log is to say about it; the one who asked is not told.
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// As it goes over a connection that no longer speaks HTTP for us.
    pub fn in_words(self) -> String {
        let (status, body) = (self.status, self.body());
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap_or("")));
        format!(
            "HTTP/1.1 {status}\r\n{CONTENT_TYPE}: {PROBLEM}\r\n{}{CONTENT_LENGTH}: {}\r\n\r\n{body}",
            headers.collect::<String>(),
            body.len()
        )
    }

    fn body(&self) -> String {
        let mut problem = json!({
            // The address that says "nothing beyond the status" (RFC 9457 §4.2.1).
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(problems) = &self.problems {
            problem["problems"] = problems.clone();
        }
        problem.to_string()
    }

    /// What our own log says about it.
    pub fn cause(&self) -> &str {
        self.cause.as_deref().unwrap_or(&self.detail)
    }
}

impl IntoResponse for ProblemAnswer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        response.extensions_mut().insert(Refusal { detail: self.detail });
        response
    }
}

/// The answer on a path that does not exist.
pub async fn no_such_path() -> ProblemAnswer {
    ProblemAnswer::not_found("there is no such path here")
}

/// The answer to a method that a path for reading does not take.
pub async fn only_for_reading() -> ProblemAnswer {
    ProblemAnswer::wrong_method("GET, HEAD")
}

/// The answer to a method that a path for doing something does not take.
pub async fn only_for_posting() -> ProblemAnswer {
    ProblemAnswer::wrong_method("POST")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_what_its_status_asks_for() {
        let header = |answer: ProblemAnswer, name| answer.into_response().headers()[name].clone();
        assert_eq!(header(ProblemAnswer::unauthorised(&["Bearer"]), WWW_AUTHENTICATE), "Bearer");
        assert_eq!(header(ProblemAnswer::wrong_method("POST"), ALLOW), "POST");
        assert_eq!(header(ProblemAnswer::unavailable("x"), RETRY_AFTER), "10");
        assert_eq!(header(ProblemAnswer::unavailable("x").and_close(), CONNECTION), "close");
        assert_eq!(header(ProblemAnswer::not_before("x", Duration::from_millis(59_001)), RETRY_AFTER), "60");
        assert_eq!(header(ProblemAnswer::not_before("x", Duration::ZERO), RETRY_AFTER), "1");
        assert_eq!(header(ProblemAnswer::not_found("x"), CONTENT_TYPE), "application/problem+json");
    }
}
