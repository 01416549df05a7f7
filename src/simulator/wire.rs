//! From a decided reply to what goes over the wire, the odd kinds included.
//!
//! `world` decides without HTTP; here a [`Reply`] becomes a response. Two kinds cannot be said in a response: one that
//! hangs simply never comes, and one that resets carries the mark [`Cut`], by which `connection` knows to drop the
//! connection before a byte is written.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, header};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::time::Interval;

use crate::simulator::faults::Answer;
use crate::simulator::refusal::Refusal;

/// Where a redirect leads: a path that is not simulated, so that a client which follows shows up in the log of calls.
const REDIRECTED: &str = "/v1.0/redirected";

/// How long a dripping answer takes for each byte. Shorter than any sensible read timeout: only a timeout of the whole
/// call helps against it.
const DRIP: Duration = Duration::from_millis(50);

/// What a call is answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    Json { status: u16, body: Value },
    Html { status: u16 },
    Redirect,
    Hang,
    Reset,
    Drip,
    Half,
}

/// The mark of a response that must not be written: the connection is reset instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut;

impl Reply {
    /// What a fault says by itself.
    pub(crate) fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Code { status, code } => Self::Json { status: *status, body: Refusal::fault(*status, code).body() },
            Answer::Html { status } => Self::Html { status: *status },
            Answer::Punish => Self::Json { status: 200, body: json!({ "status": 1111, "punish": "deny" }) },
            Answer::EmptyOk => Self::Json { status: 200, body: json!({}) },
            Answer::Errcode404 => {
                Self::Json { status: 200, body: json!({ "errcode": 404, "errmsg": "this path does not exist" }) }
            }
            Answer::Hang => Self::Hang,
            Answer::ResetBefore | Answer::ResetAfter => Self::Reset,
            Answer::Redirect => Self::Redirect,
            Answer::Drip => Self::Drip,
            Answer::Half => Self::Half,
        }
    }

    /// The status that is written, if an answer is.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Json { status, .. } | Self::Html { status } => Some(*status),
            Self::Redirect => Some(302),
            Self::Drip | Self::Half => Some(200),
            Self::Hang | Self::Reset => None,
        }
    }

    /// The error code, if the answer carries one.
    pub(crate) fn code(&self) -> Option<String> {
        match self {
            Self::Json { body, .. } => body.get("code").and_then(Value::as_str).map(str::to_owned),
            Self::Html { .. } | Self::Redirect | Self::Hang | Self::Reset | Self::Drip | Self::Half => None,
        }
    }

    /// The response, when it comes: a hanging one is waited for until the client has gone and the wait is dropped.
    pub(crate) async fn into_response(self) -> Response {
        match self {
            Self::Json { status, body } => (status_of(status), axum::Json(body)).into_response(),
            Self::Html { status } => {
                let status = status_of(status);
                let page = format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n");
                (status, axum::response::Html(page)).into_response()
            }
            Self::Redirect => (StatusCode::FOUND, [(header::LOCATION, REDIRECTED)]).into_response(),
            Self::Hang => std::future::pending().await,
            Self::Reset => {
                let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
                response.extensions_mut().insert(Cut);
                response
            }
            Self::Drip => {
                let body = Drip { begun: false, pace: tokio::time::interval(DRIP) };
                ([(header::CONTENT_TYPE, "application/json")], Body::new(body)).into_response()
            }
            Self::Half => {
                let length = HALF.len() * 2;
                let head = [(header::CONTENT_TYPE, "application/json"), (header::CONTENT_LENGTH, &length.to_string())];
                (head, Body::new(Half { begun: false, pace: tokio::time::interval(DRIP) })).into_response()
            }
        }
    }
}

/// The status of this number, or 500 for a number that is none.
fn status_of(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// `{`, and then white space for ever: at every moment the beginning of good JSON.
struct Drip {
    begun: bool,
    pace: Interval,
}

impl hyper::body::Body for Drip {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        ready!(self.pace.poll_tick(context));
        let byte: &'static [u8] = if self.begun { b" " } else { b"{" };
        self.begun = true;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(byte)))))
    }
}

/// What is there of an answer that breaks off; it says that as much again would follow.
const HALF: &str = r#"{"processQueryKey":""#;

/// The first half of an answer, and then a connection that is gone: a moment later, so that the half is on its way.
struct Half {
    begun: bool,
    pace: Interval,
}

impl hyper::body::Body for Half {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        ready!(self.pace.poll_tick(context));
        Poll::Ready(Some(match std::mem::replace(&mut self.begun, true) {
            false => Ok(Frame::data(Bytes::from_static(HALF.as_bytes()))),
            true => Err(std::io::ErrorKind::ConnectionAborted.into()),
        }))
    }
}
