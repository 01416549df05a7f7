//! A refusal as a page, for the person whose browser asked. Programs get `application/problem+json` as everywhere.
//!
//! It stands around the guard, so that who may not come in is told so in words too. Status and headers (the challenge
//! of a 401, when to come again) stay what they are: only the body is made anew.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use minijinja::context;

use crate::http::admin::page::show;
use crate::http::problem::Refusal;

/// Turns a refusal into a page where a browser asked.
pub async fn for_people(request: Request, next: Next) -> Response {
    let is_for_a_person = wants_a_page(request.headers()) && !request.uri().path().starts_with("/api/");
    let whence = (request.method() == Method::POST).then(|| page_of(request.uri().path())).flatten();
    let response = next.run(request).await;
    match response.extensions().get::<Refusal>().cloned() {
        Some(refusal) if is_for_a_person => as_a_page(response, &refusal, whence),
        _ => response,
    }
}

/// The page a button stands on.
fn page_of(path: &str) -> Option<String> {
    let mut parts = path.splitn(4, '/').skip(1);
    let (of, id) = (parts.next()?, parts.next()?);
    ["deliveries", "lanes", "messages"].contains(&of).then(|| format!("/{of}/{id}"))
}

fn as_a_page(response: Response, refusal: &Refusal, whence: Option<String>) -> Response {
    let status = response.status();
    let (title, what_now) = in_words(status);
    let page = context! { title, status => status.as_u16(), detail => refusal.detail.as_ref(), what_now, whence };
    let Ok(page) = show("refusal.html", page, Timestamp::now()) else { return response };
    let (mut parts, _problem) = response.into_parts();
    parts.headers.remove(CONTENT_TYPE);
    parts.headers.remove(CONTENT_LENGTH);
    (parts, page).into_response()
}

/// A browser names HTML among what it takes; what takes anything is a program.
fn wants_a_page(headers: &HeaderMap) -> bool {
    let takes_html = |value: &http::HeaderValue| value.to_str().is_ok_and(|text| text.contains("text/html"));
    headers.get_all(ACCEPT).iter().any(takes_html)
}

/// What a status means to a person, and what to do about it.
fn in_words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::BAD_REQUEST => ("That is not understood", ""),
        StatusCode::UNAUTHORIZED => {
            ("The token is missing or wrong", "The name is free; the password is the token of admin.token.")
        }
        StatusCode::FORBIDDEN => ("This may not be done from here", ""),
        StatusCode::NOT_FOUND => {
            ("There is no such thing", "What is finished is forgotten after store.retention; a link may be older.")
        }
        StatusCode::CONFLICT => {
            ("It cannot be done now", "Something has happened in the meantime: look again before you decide.")
        }
        StatusCode::SERVICE_UNAVAILABLE => ("Not now", "Try again in a few seconds."),
        _ => (status.canonical_reason().unwrap_or("Refused"), ""),
    }
}
