//! The body of a request that does something.
//!
//! Whatever its content type says, it is read as JSON: `curl -d` calls everything a form. What cannot be read is
//! refused with the place where it breaks and what would be right; nothing of it is echoed.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::http::problem::ProblemAnswer;

/// More bytes than any of the small bodies needs.
pub(in crate::http::admin) const SMALL: u64 = 16 * 1024;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// The whole body, of at most `most` bytes.
pub(in crate::http::admin) async fn whole(
    body: Body,
    most: u64,
    too_large: ProblemAnswer,
) -> Result<Bytes, ProblemAnswer> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let slow = |_elapsed| ProblemAnswer::unavailable("the body came too slowly").and_close();
    let reading = tokio::time::timeout(PATIENCE, Limited::new(body, most).collect());
    match reading.await.map_err(slow)? {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large.and_close()),
        Err(error) => Err(ProblemAnswer::unavailable("the body broke off").and_close().because(error)),
    }
}

/// What a small body says, such as `{"to": "team"}`; `None` if it is empty. `such_as` is one that would be right.
pub(in crate::http::admin) async fn said<T: DeserializeOwned>(
    body: Body,
    such_as: &str,
) -> Result<Option<T>, ProblemAnswer> {
    let right = format!("the body must be empty or JSON such as {such_as}");
    let whole = whole(body, SMALL, ProblemAnswer::bad_request(right.clone())).await?;
    if whole.trim_ascii().is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(&whole).map(Some).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        ProblemAnswer::bad_request(format!("{right}; what begins at line {line}, column {column} is something else"))
    })
}
