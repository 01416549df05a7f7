//! The body of a webhook: whether it is of a type we read, and how it is read within a size and a time.
//!
//! Only so much of all bodies is in memory at once ([`budget`](crate::http::hooks::budget)); over it, a body is put off.
//! What was refused before it was read is thrown away for a while, and then the refusal is written. A body that
//! breaks off, or comes too slowly, is a 503 and not a 4xx: the network did it, and sending again can help (law 2).

use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT};
use http_body_util::BodyExt;

use crate::http::hooks::Patience;
use crate::http::hooks::budget::{Budget, Share};
use crate::http::problem::ProblemAnswer;

/// How much of a refused body is thrown away, in bytes, before the connection is closed on whoever sends more.
const GREATEST_WASTE: usize = 16 * 1024 * 1024;

/// Whether the headers announce a body that can be read: JSON, or a form where the source takes forms; not
/// compressed. One that says no type is believed to be JSON; decoding will tell.
pub(super) fn readable(headers: &HeaderMap, takes_forms: bool) -> Result<(), ProblemAnswer> {
    let plain = |coding: &str| coding.trim().is_empty() || coding.trim().eq_ignore_ascii_case("identity");
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    if !headers.get_all(CONTENT_ENCODING).iter().all(|value| text(value).split(',').all(plain)) {
        return Err(ProblemAnswer::unsupported("send the body as it is, without compression"));
    }
    let is_ours = |text: &str| is_json(text) || (takes_forms && is_form(text));
    if !headers.get_all(CONTENT_TYPE).iter().all(|value| is_ours(&text(value))) {
        return Err(ProblemAnswer::unsupported("send JSON, as content-type: application/json"));
    }
    Ok(())
}

fn is_json(content_type: &str) -> bool {
    let essence = essence(content_type);
    let Some((_, kind)) = essence.split_once('/') else { return false };
    kind == "json" || kind.ends_with("+json")
}

fn is_form(content_type: &str) -> bool {
    essence(content_type) == "application/x-www-form-urlencoded"
}

/// The type without its parameters, in lower case.
fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether the announced size is within the limit, in bytes.
pub(super) fn small_enough(body: &Body, limit: u64) -> Result<(), ProblemAnswer> {
    if body.size_hint().lower() > limit { Err(ProblemAnswer::too_large(limit)) } else { Ok(()) }
}

/// The whole body, of at most `limit` bytes, and its share of the budget.
pub(super) async fn read(
    mut body: Body,
    limit: u64,
    budget: &Budget,
    patience: &Patience,
) -> Result<(Bytes, Share), ProblemAnswer> {
    let slow = || ProblemAnswer::unavailable("the body came too slowly").and_close();
    let gathering = gather(&mut body, limit, budget.share());
    let whole = tokio::time::timeout(patience.body, gathering).await.map_err(|_elapsed| slow())?;
    if whole.is_err() {
        // Its share is given back by now: what is thrown away takes no memory.
        throw_away(body, patience.linger).await;
    }
    whole
}

async fn gather(body: &mut Body, limit: u64, mut share: Share) -> Result<(Bytes, Share), ProblemAnswer> {
    let broken = |error| ProblemAnswer::unavailable("the body broke off").and_close().because(error);
    let full = || ProblemAnswer::unavailable("too many large bodies are on their way; send it again").and_close();
    let limit_here = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if data.len() > limit_here - whole.len() {
            return Err(ProblemAnswer::too_large(limit));
        }
        if !share.grow(data.len()) {
            return Err(full());
        }
        whole.extend_from_slice(&data);
    }
    Ok((whole.freeze(), share))
}

/// Reads a refused body to its end as far as that is cheap, so that the refusal can be read.
pub(super) async fn discard(headers: &HeaderMap, body: Body, patience: Duration) {
    // A client that expects a "100 Continue" sends nothing before it: it is told the refusal instead.
    if !headers.contains_key(EXPECT) {
        throw_away(body, patience).await;
    }
}

async fn throw_away(mut body: Body, patience: Duration) {
    let to_the_end = async {
        let mut left = GREATEST_WASTE;
        while left > 0
            && let Some(Ok(frame)) = body.frame().await
        {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        }
    };
    let _whatever_is_left = tokio::time::timeout(patience, to_the_end).await;
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn judged(name: http::HeaderName, value: &'static str) -> Result<(), StatusCode> {
        let headers = HeaderMap::from_iter([(name, http::HeaderValue::from_static(value))]);
        readable(&headers, false).map_err(|problem| problem.status())
    }

    #[test]
    fn json_is_read_under_all_its_names() {
        assert!(readable(&HeaderMap::new(), false).is_ok());
        for name in ["application/json", "Application/JSON; charset=utf-8", "application/cloudevents+json", "text/json"]
        {
            assert_eq!(judged(CONTENT_TYPE, name), Ok(()), "{name}");
        }
        for name in ["text/plain", "application/x-www-form-urlencoded", "application/xml", "json", "", "a/jsonp"] {
            assert_eq!(judged(CONTENT_TYPE, name), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{name}");
        }
    }

    #[test]
    fn a_form_is_read_where_the_source_takes_forms() {
        for name in ["application/x-www-form-urlencoded", "Application/X-WWW-Form-URLencoded; charset=utf-8"] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, http::HeaderValue::from_static(name))]);
            assert_eq!((readable(&headers, true).is_ok(), readable(&headers, false).is_ok()), (true, false), "{name}");
        }
        let other = HeaderMap::from_iter([(CONTENT_TYPE, http::HeaderValue::from_static("multipart/form-data"))]);
        assert!(readable(&other, true).is_err());
    }

    #[test]
    fn a_compressed_body_is_not_read() {
        assert_eq!(judged(CONTENT_ENCODING, "identity"), Ok(()));
        for coding in ["gzip", "br", "deflate", "identity, gzip", "zstd"] {
            assert_eq!(judged(CONTENT_ENCODING, coding), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{coding}");
        }
    }
}
