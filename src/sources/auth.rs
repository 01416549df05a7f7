//! Whether a sender may post, by its headers alone.
//!
//! The first thing a webhook meets, before anything is parsed or stored. What the sender shows is compared with the
//! secret by the SHA-256 digests of both, in constant time, so neither the place of the first wrong byte nor the
//! length of the secret can be measured. A secret file is read again when it has changed. Law 8: nothing a sender
//! showed and nothing it should have shown ever reaches a log line or an error. Law 2: a secret of ours that cannot
//! be read is our own fault and is told apart, for a 401 would make Alertmanager throw the alert away.

use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::Auth;
use crate::config::problem::Problem;
use crate::config::secret::Secret;
use crate::model::name::Name;

/// Why a sender may not post now, named by what it is to be told.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum Unauthorised {
    /// The sender did not show what the source asks for: 401.
    #[error("the credentials are missing or wrong")]
    WrongCredentials,
    /// Our own secret is unreadable or empty, so nobody can be told right from wrong: 503, ask it to come again.
    #[error("the secret of this source cannot be read")]
    SecretUnreadable,
}

/// What a source asks its senders to show.
#[derive(Debug)]
pub struct Guard {
    auth: Auth,
    /// Whether the last reading of the secret failed, so that a broken file is logged once and not at every webhook.
    secret_is_unreadable: AtomicBool,
}

impl Guard {
    /// Makes the `auth` of the source at `path` ready. Reads no secret file: those may come later than the start.
    pub fn compile(auth: &Auth, path: &str) -> Result<Self, Problem> {
        if let Auth::Basic { username, .. } = auth
            && username.contains(':')
        {
            // RFC 7617 §2: the first colon ends the user, so this user could never come in.
            return Err(Problem::at(format!("{path}.auth.basic.username"), "a user of basic auth cannot hold a colon"));
        }
        let given = secret_of(auth).filter(|secret| secret.path().is_none()).and_then(|secret| secret.reveal().ok());
        if given.is_some_and(|secret| secret.expose_secret().is_empty()) {
            return Err(Problem::at(format!("{path}.auth"), "the secret is empty, so it would keep nobody out"));
        }
        Ok(Self { auth: auth.clone(), secret_is_unreadable: AtomicBool::new(false) })
    }

    /// Whether these headers open the source. `source` is for the log line about a secret that cannot be read.
    pub fn admit(&self, headers: &HeaderMap, source: &Name) -> Result<(), Unauthorised> {
        let Some(secret) = secret_of(&self.auth) else { return Ok(()) };
        let secret = self.reveal(secret, source)?;
        let expected = secret.expose_secret();
        let admitted = match &self.auth {
            Auth::Bearer(_) => shown_with(headers, "bearer").is_some_and(|shown| same(shown, expected.as_bytes())),
            Auth::Basic { username, .. } => {
                let shown = shown_with(headers, "basic").and_then(|shown| STANDARD.decode(shown).ok());
                shown.is_some_and(|shown| same(&shown, format!("{username}:{expected}").as_bytes()))
            }
            Auth::Header { name, .. } => only(headers, name).is_some_and(|shown| same(shown, expected.as_bytes())),
            Auth::None => true,
        };
        if admitted { Ok(()) } else { Err(Unauthorised::WrongCredentials) }
    }

    fn reveal(&self, secret: &Secret, source: &Name) -> Result<SecretString, Unauthorised> {
        let error = match secret.reveal() {
            Ok(secret) if !secret.expose_secret().is_empty() => {
                self.secret_is_unreadable.store(false, Ordering::Relaxed);
                return Ok(secret);
            }
            Ok(_) => "it is empty".to_owned(),
            Err(error) => error.to_string(),
        };
        if !self.secret_is_unreadable.swap(true, Ordering::Relaxed) {
            let path = secret.path().unwrap_or(std::path::Path::new("")).display();
            tracing::error!(%source, %path, error, "the secret of a source cannot be read: its webhooks get 503");
        }
        Err(Unauthorised::SecretUnreadable)
    }
}

fn secret_of(auth: &Auth) -> Option<&Secret> {
    match auth {
        Auth::Bearer(secret) => Some(secret),
        Auth::Basic { password, .. } => Some(password),
        Auth::Header { value, .. } => Some(value),
        Auth::None => None,
    }
}

/// What stands behind the scheme in `Authorization`. Schemes have no case (RFC 9110 §11.1).
fn shown_with<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h [u8]> {
    let value = only(headers, &AUTHORIZATION)?;
    let (word, rest) = value.split_at_checked(scheme.len())?;
    let shown = rest.trim_ascii_start();
    (word.eq_ignore_ascii_case(scheme.as_bytes()) && shown.len() < rest.len()).then_some(shown)
}

/// The value of a header that is there exactly once. Two values could be read one way here and another way by a
/// proxy in front of us, so they open nothing.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next()?, values.next());
    second.is_none().then_some(first.as_bytes())
}

fn same(shown: &[u8], expected: &[u8]) -> bool {
    Sha256::digest(shown).ct_eq(&Sha256::digest(expected)).into()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use Unauthorised::{SecretUnreadable, WrongCredentials};

    fn admit(auth: Auth, headers: &[(&'static str, &str)]) -> Result<(), Unauthorised> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Guard::compile(&auth, "sources.am").unwrap().admit(&map, &"am".parse().unwrap())
    }

    fn bearer() -> Auth {
        Auth::Bearer(Secret::given("opensesame"))
    }

    fn basic() -> Auth {
        Auth::Basic { username: "al".into(), password: Secret::given("a:b 密") }
    }

    #[test]
    fn a_bearer_token_opens_its_source_in_any_case_of_the_scheme() {
        for scheme in ["Bearer", "bearer", "BEARER", "Bearer  "] {
            assert_eq!(admit(bearer(), &[("authorization", &format!("{scheme} opensesame"))]), Ok(()), "{scheme}");
        }
    }

    #[test]
    fn whatever_is_not_the_token_opens_nothing() {
        for wrong in
            ["Bearer opensesam", "Bearer opensesame2", "Bearer Opensesame", "Bearer", "Bearer ", "", "opensesame"]
        {
            assert_eq!(admit(bearer(), &[("authorization", wrong)]), Err(WrongCredentials), "{wrong}");
        }
        for wrong in ["Beareropensesame", "Basic opensesame", "Token opensesame", "Bearer opensesame, Bearer x"] {
            assert_eq!(admit(bearer(), &[("authorization", wrong)]), Err(WrongCredentials), "{wrong}");
        }
        assert_eq!(admit(bearer(), &[]), Err(WrongCredentials));
    }

    #[test]
    fn two_authorization_headers_open_nothing() {
        let right = ("authorization", "Bearer opensesame");
        assert_eq!(admit(bearer(), &[right, right]), Err(WrongCredentials));
    }

    #[test]
    fn basic_credentials_are_compared_as_user_and_password() {
        let shown = |text: &str| format!("basic {}", STANDARD.encode(text));
        assert_eq!(admit(basic(), &[("authorization", &shown("al:a:b 密"))]), Ok(()));
        for wrong in ["al:a:b", "al:", "al", ":a:b 密", "AL:a:b 密", ""] {
            assert_eq!(admit(basic(), &[("authorization", &shown(wrong))]), Err(WrongCredentials), "{wrong}");
        }
        assert_eq!(admit(basic(), &[("authorization", "Basic !!!")]), Err(WrongCredentials));
    }

    #[test]
    fn a_header_of_its_own_must_hold_the_very_value() {
        let auth = || Auth::Header { name: HeaderName::from_static("x-token"), value: Secret::given("s3") };
        assert_eq!(admit(auth(), &[("x-token", "s3")]), Ok(()));
        assert_eq!(admit(auth(), &[("x-token", "S3")]), Err(WrongCredentials));
        assert_eq!(admit(auth(), &[("authorization", "s3")]), Err(WrongCredentials));
    }

    #[test]
    fn none_lets_everybody_in() {
        assert_eq!(admit(Auth::None, &[]), Ok(()));
    }

    #[test]
    fn a_secret_file_is_followed_and_an_unreadable_or_empty_one_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let guard = Guard::compile(&Auth::Bearer(Secret::in_file(&path)), "sources.am").unwrap();
        let try_with = |token: &str| {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            guard.admit(&HeaderMap::from_iter([(AUTHORIZATION, value)]), &"am".parse().unwrap())
        };
        assert_eq!(try_with("first"), Err(SecretUnreadable));
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(try_with(""), Err(SecretUnreadable));
        std::fs::write(&path, "first\n").unwrap();
        assert_eq!(try_with("first"), Ok(()));
        std::fs::write(&path, "the second\n").unwrap();
        assert_eq!((try_with("first"), try_with("the second")), (Err(WrongCredentials), Ok(())));
    }

    #[test]
    fn credentials_that_could_never_work_are_problems() {
        let colon = Auth::Basic { username: "a:b".into(), password: Secret::given("p") };
        assert_eq!(Guard::compile(&colon, "sources.am").unwrap_err().path, "sources.am.auth.basic.username");
        let empty = Auth::Bearer(Secret::given(""));
        assert_eq!(Guard::compile(&empty, "sources.am").unwrap_err().path, "sources.am.auth");
    }
}
