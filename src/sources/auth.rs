//! Whether a sender may post, by its headers, or by a signature of the body in one of them.
//!
//! The first thing a webhook meets, before anything is parsed or stored. What the sender shows is compared with the
//! secret by the SHA-256 digests of both, in constant time, so neither the place of the first wrong byte nor the
//! length of the secret can be measured; an HMAC is compared in constant time as it is. A secret file is read again when it has changed. Law 8: nothing a sender
//! showed and nothing it should have shown ever reaches a log line or an error. Law 2: a secret of ours that cannot
//! be read is our own fault and is told apart, for a 401 would make Alertmanager throw the alert away.

use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
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
        if given.as_ref().is_some_and(|secret| secret.expose_secret().is_empty()) {
            return Err(Problem::at(format!("{path}.auth"), "the secret is empty, so it would keep nobody out"));
        }
        if matches!(auth, Auth::Bearer(_) | Auth::Header { .. })
            && given.is_some_and(|secret| !fits_a_header(secret.expose_secret()))
        {
            let message = "begins or ends with white space, or holds a control character, so no header can match it";
            return Err(Problem::at(format!("{path}.auth"), format!("the secret {message}")));
        }
        Ok(Self { auth: auth.clone(), secret_is_unreadable: AtomicBool::new(false) })
    }

    /// Whether these headers open the source; of a signature, whether there is one at all. `source` is for the log
    /// line about a secret that cannot be read.
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
            Auth::Hmac { header, .. } => signature(headers, header).is_some(),
            Auth::None => true,
        };
        if admitted { Ok(()) } else { Err(Unauthorised::WrongCredentials) }
    }

    /// Whether the body shows who sends it.
    pub fn wants_a_signature(&self) -> bool {
        matches!(self.auth, Auth::Hmac { .. })
    }

    /// Whether the body has the signature the source asks for. Where it asks for none, [`Self::admit`] has decided.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8], source: &Name) -> Result<(), Unauthorised> {
        let Auth::Hmac { secret, header } = &self.auth else { return Ok(()) };
        let key = self.reveal(secret, source)?;
        let shown = signature(headers, header).ok_or(Unauthorised::WrongCredentials)?;
        // HMAC takes keys of any length, so the error cannot come; a refusal is its safe side all the same.
        let mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes());
        let mut mac = mac.map_err(|_| Unauthorised::WrongCredentials)?;
        mac.update(body);
        mac.verify_slice(&shown).map_err(|_| Unauthorised::WrongCredentials)
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
        Auth::Hmac { secret, .. } => Some(secret),
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

/// The SHA-256 HMAC that a header shows: 64 hex digits, with or without `sha256=` before them.
fn signature(headers: &HeaderMap, name: &HeaderName) -> Option<[u8; 32]> {
    let shown = only(headers, name)?;
    let digits = shown.strip_prefix(b"sha256=").unwrap_or(shown);
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect();
    bytes?.try_into().ok()
}

fn same(shown: &[u8], expected: &[u8]) -> bool {
    Sha256::digest(shown).ct_eq(&Sha256::digest(expected)).into()
}

/// RFC 9110 §5.5: white space around a header's value is not part of it.
fn fits_a_header(secret: &str) -> bool {
    secret.trim() == secret && !secret.chars().any(char::is_control)
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

    /// GitHub's own example, see
    /// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation>.
    const SIGNED: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn verify(header: Option<&str>, body: &str) -> Result<(), Unauthorised> {
        let secret = Secret::given("It's a Secret to Everybody");
        let header_name = HeaderName::from_static("x-hub-signature-256");
        let guard = Guard::compile(&Auth::Hmac { secret, header: header_name.clone() }, "sources.gh").unwrap();
        assert!(guard.wants_a_signature());
        let header = header.map(|value| (header_name, HeaderValue::from_str(value).unwrap()));
        let (headers, source) = (HeaderMap::from_iter(header), "gh".parse().unwrap());
        guard.admit(&headers, &source).and_then(|()| guard.verify(&headers, body.as_bytes(), &source))
    }

    #[test]
    fn githubs_own_example_of_a_signature_is_right_with_and_without_its_prefix() {
        assert_eq!(verify(Some(&format!("sha256={SIGNED}")), "Hello, World!"), Ok(()));
        assert_eq!(verify(Some(SIGNED), "Hello, World!"), Ok(()));
        assert_eq!(verify(Some(&SIGNED.to_uppercase()), "Hello, World!"), Ok(()));
    }

    #[test]
    fn one_flipped_bit_of_a_signature_or_a_body_opens_nothing() {
        for at in 0..SIGNED.len() {
            let other = if &SIGNED[at..=at] == "0" { "1" } else { "0" };
            let flipped = format!("sha256={}{other}{}", &SIGNED[..at], &SIGNED[at + 1..]);
            assert_eq!(verify(Some(&flipped), "Hello, World!"), Err(WrongCredentials), "{flipped}");
        }
        for body in ["Hello, World?", "hello, World!", "Hello, World", "Hello, World!\n", ""] {
            assert_eq!(verify(Some(SIGNED), body), Err(WrongCredentials), "{body}");
        }
    }

    #[test]
    fn what_is_no_signature_opens_nothing() {
        let short = &SIGNED[..62];
        let long = format!("{SIGNED}00");
        let odd = &SIGNED[..63];
        let not_hex = format!("{odd}g");
        let other = format!("sha1={SIGNED}");
        let twice = format!("sha256=sha256={SIGNED}");
        for wrong in ["", "sha256=", short, &long, odd, &not_hex, &other, &twice, "+1"] {
            assert_eq!(verify(Some(wrong), "Hello, World!"), Err(WrongCredentials), "{wrong}");
        }
        assert_eq!(verify(None, "Hello, World!"), Err(WrongCredentials));
    }

    #[test]
    fn two_signatures_open_nothing() {
        let header = HeaderName::from_static("x-signature");
        let auth = Auth::Hmac { secret: Secret::given("It's a Secret to Everybody"), header: header.clone() };
        let guard = Guard::compile(&auth, "sources.gh").unwrap();
        let mut headers = HeaderMap::new();
        headers.append(&header, HeaderValue::from_static(SIGNED));
        assert_eq!(guard.verify(&headers, b"Hello, World!", &"gh".parse().unwrap()), Ok(()));
        headers.append(&header, HeaderValue::from_static(SIGNED));
        assert_eq!(guard.verify(&headers, b"Hello, World!", &"gh".parse().unwrap()), Err(WrongCredentials));
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

    #[test]
    fn a_secret_that_no_header_can_match_is_a_problem() {
        for secret in ["tok ", " tok", "to\nk"] {
            let problem = Guard::compile(&Auth::Bearer(Secret::given(secret)), "sources.am").err().unwrap();
            assert!(problem.message.contains("no header can match"), "{problem}");
        }
        assert!(Guard::compile(&Auth::Bearer(Secret::given("two words")), "sources.am").is_ok());
    }
}
