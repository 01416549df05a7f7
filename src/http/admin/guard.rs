//! Who may look in at the admin port, and what a browser may do with what it is shown.
//!
//! With a token, whoever shows it. Without one, only this machine: a listener that others can reach serves nothing
//! behind the guard, and on loopback the `Host` must be loopback too, or a page from outside could have its own name
//! resolved to 127.0.0.1 and read along (DNS rebinding). A request that would change something must not come from a
//! page of another origin. The token is compared in constant time and never shown (laws 2 and 8).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;

use crate::config;
use crate::config::secret::Secret;
use crate::http::problem::ProblemAnswer;

const SCHEMES: [&str; 2] = ["Bearer", "Basic realm=\"dingtalk-relay\", charset=\"UTF-8\""];

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

const NOT_LOOPBACK: &str = "without admin.token only requests to a loopback host are served";
const FOREIGN: &str = "a page of another origin may change nothing here; \
    behind a proxy, admin.external_url says what the origin of this page is";
const NO_TOKEN: &str = "without admin.token only health and metrics are served here";

/// What every answer of the admin port tells a browser: run nothing, load nothing but the style sheet, post forms
/// nowhere else, be framed by nobody, guess no types, keep nothing, and tell no other site where one came from. Not
/// "no-referrer": a browser then sends `Origin: null` with the page's own forms, as if a stranger had sent them.
const SHIELD: [(&str, &str); 7] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// Who may pass.
#[derive(Clone)]
pub struct Guard {
    door: Door,
    /// The origin of the page as a proxy shows it.
    outside: Option<Arc<str>>,
}

#[derive(Clone)]
enum Door {
    /// Whoever shows the token.
    Token(Secret),
    /// Whoever is on this machine and means it.
    ThisMachine,
    /// Nobody.
    Shut,
}

impl Guard {
    /// The guard of a listener at this address. That it may let nobody pass is told where the configuration is checked.
    pub fn new(settings: &config::Admin, address: SocketAddr) -> Self {
        let door = match &settings.token {
            Some(token) => Door::Token(token.clone()),
            None if address.ip().is_loopback() => Door::ThisMachine,
            None => Door::Shut,
        };
        Self { door, outside: settings.external_url.as_ref().map(origin_of) }
    }

    /// Whether a request may pass.
    pub fn admit(&self, method: &Method, headers: &HeaderMap) -> Result<(), ProblemAnswer> {
        match &self.door {
            Door::Token(token) => shows(token, headers)?,
            Door::ThisMachine if is_for_this_machine(headers) => {}
            Door::ThisMachine => return Err(ProblemAnswer::forbidden(NOT_LOOPBACK)),
            Door::Shut => return Err(ProblemAnswer::forbidden(NO_TOKEN)),
        }
        if method.is_safe() || self.is_from_our_page(headers) {
            return Ok(());
        }
        Err(ProblemAnswer::forbidden(FOREIGN))
    }

    /// Whether no browser says that another page made the request. Programs send neither header.
    fn is_from_our_page(&self, headers: &HeaderMap) -> bool {
        // "none": the person behind the browser made it, no page did.
        let ours = |site: &HeaderValue| site == "same-origin" || site == "none";
        headers.get_all(SEC_FETCH_SITE).iter().all(ours)
            && headers.get_all(ORIGIN).iter().all(|origin| self.is_ours(origin, headers))
    }

    fn is_ours(&self, origin: &HeaderValue, headers: &HeaderMap) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        if self.outside.as_deref() == Some(origin) {
            return true;
        }
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        let (Some(host), Some(ours)) = (host, host_of(headers)) else { return false };
        host.eq_ignore_ascii_case(ours)
    }
}

/// Lets pass what the guard admits.
pub async fn watch(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.admit(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Puts the shield on an answer.
pub async fn shield(mut response: Response) -> Response {
    for (name, value) in SHIELD {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn shows(token: &Secret, headers: &HeaderMap) -> Result<(), ProblemAnswer> {
    // The person at the door is told, not the log: strangers could fill it.
    let unreadable = |_error| ProblemAnswer::unavailable("the secret of admin.token cannot be read");
    let token = token.reveal().map_err(unreadable)?;
    let wanted = token.expose_secret().as_bytes();
    let shown = only(headers, &AUTHORIZATION).and_then(|value| shown(value.as_bytes()));
    let right = shown.is_some_and(|shown| same(&shown, wanted));
    // An empty secret file must not open the door to an empty token.
    if right && !wanted.is_empty() { Ok(()) } else { Err(ProblemAnswer::unauthorised(&SCHEMES)) }
}

/// What `Authorization` holds: the token of Bearer, the password of Basic, whoever the user is.
fn shown(authorization: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = authorization.split_at(authorization.iter().position(|byte| *byte == b' ')?);
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(rest.to_vec());
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let pair = BASE64_STANDARD.decode(rest).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[colon + 1..].to_vec())
}

/// Compares digests, so that the time tells not even the length.
fn same(shown: &[u8], wanted: &[u8]) -> bool {
    Sha256::digest(shown).ct_eq(&Sha256::digest(wanted)).into()
}

/// The value of a header that is there exactly once: several could be read another way by a proxy in front of us.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

fn host_of(headers: &HeaderMap) -> Option<&str> {
    only(headers, &HOST)?.to_str().ok()
}

fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let Some(authority) = host_of(headers).and_then(|host| host.parse::<Authority>().ok()) else { return false };
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn origin_of(url: &Url) -> Arc<str> {
    url.origin().ascii_serialization().into()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    const HERE: &str = "127.0.0.1:8061";
    const EVERYWHERE: &str = "0.0.0.0:8061";

    fn guard(token: Option<&str>, address: &str) -> Guard {
        let external_url = Some("https://relay.example.com/".parse().unwrap());
        let listen = address.parse().unwrap();
        Guard::new(&config::Admin { listen, token: token.map(Secret::given), external_url }, listen)
    }

    fn answer(guard: &Guard, method: &Method, headers: &[(&'static str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let admitted = guard.admit(method, &map);
        admitted.map_or_else(|problem| problem.status(), |()| StatusCode::OK).as_u16()
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }

    #[test]
    fn the_token_opens_and_nothing_else_does() {
        let guard = guard(Some("open sesame"), EVERYWHERE);
        for (authorization, status) in [
            ("Bearer open sesame", 200),
            ("bearer open sesame", 200),
            (&basic(":open sesame"), 200),
            (&basic("anyone:open sesame"), 200),
            ("Bearer open", 401),
            ("Bearer open sesame!", 401),
            ("Bearer ", 401),
            ("Bearer", 401),
            ("", 401),
            ("open sesame", 401),
            ("Digest open sesame", 401),
            (&basic("open sesame"), 401),
            (&basic("open sesame:"), 401),
            ("Basic !", 401),
        ] {
            assert_eq!(answer(&guard, &Method::GET, &[("authorization", authorization)]), status, "{authorization}");
        }
        let right = ("authorization", "Bearer open sesame");
        assert_eq!(answer(&guard, &Method::GET, &[right, right]), 401);
        assert_eq!(answer(&guard, &Method::GET, &[("host", "localhost")]), 401);
    }

    #[test]
    fn an_empty_token_opens_nothing_and_one_that_cannot_be_read_is_our_own_fault() {
        let empty = guard(Some(""), HERE);
        assert_eq!(answer(&empty, &Method::GET, &[("authorization", "Bearer ")]), 401);
        let listen = HERE.parse().unwrap();
        let token = Some(Secret::in_file("/nowhere/at/all"));
        let unreadable = Guard::new(&config::Admin { listen, token, external_url: None }, listen);
        assert_eq!(answer(&unreadable, &Method::GET, &[("authorization", "Bearer x")]), 503);
    }

    #[test]
    fn without_a_token_only_this_machine_is_served_and_only_under_its_own_names() {
        let here = guard(None, HERE);
        for host in ["127.0.0.1", "127.0.0.1:8061", "localhost", "LOCALHOST:80", "[::1]:8061", "[::1]", "127.9.9.9"] {
            assert_eq!(answer(&here, &Method::GET, &[("host", host)]), 200, "{host}");
        }
        for host in ["relay.example.com", "localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "0.0.0.0", ""] {
            assert_eq!(answer(&here, &Method::GET, &[("host", host)]), 403, "{host}");
        }
        assert_eq!(answer(&here, &Method::GET, &[]), 403);
        assert_eq!(answer(&here, &Method::GET, &[("host", "localhost"), ("host", "evil.example")]), 403);
        assert_eq!(answer(&guard(None, "[::1]:8061"), &Method::GET, &[("host", "localhost")]), 200);
        assert_eq!(answer(&guard(None, EVERYWHERE), &Method::GET, &[("host", "localhost")]), 403);
    }

    #[test]
    fn a_page_of_another_origin_changes_nothing() {
        let guard = guard(Some("t"), EVERYWHERE);
        let post = |more: &[(&'static str, &str)]| {
            let headers = [&[("authorization", "Bearer t"), ("host", "relay:8061")], more].concat();
            answer(&guard, &Method::POST, &headers)
        };
        assert_eq!(post(&[]), 200);
        assert_eq!(post(&[("origin", "http://relay:8061"), ("sec-fetch-site", "same-origin")]), 200);
        assert_eq!(post(&[("origin", "https://relay.example.com")]), 200);
        for foreign in ["http://evil.example", "null", "http://relay:8062", "http://relay:8061.evil.example", "relay"] {
            assert_eq!(post(&[("origin", foreign)]), 403, "{foreign}");
        }
        for site in ["cross-site", "same-site"] {
            assert_eq!(post(&[("sec-fetch-site", site)]), 403, "{site}");
        }
        let reading = [("authorization", "Bearer t"), ("origin", "http://evil.example")];
        assert_eq!(answer(&guard, &Method::GET, &reading), 200);
    }
}
