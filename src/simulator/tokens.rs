//! Access tokens: given out, renewed, forgotten.
//!
//! An internal app that asks again while its token is valid gets the same token, renewed
//! (<https://open.dingtalk.com/document/orgapp/obtain-the-access_token-of-an-internal-app>). A third-party app gets a
//! new one at every call, and the older ones live on until they expire. Who may ask is not decided here.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::simulator::clock::later;

/// What DingTalk gives a token, unless told otherwise.
pub(crate) const DEFAULT_LIFETIME: Duration = Duration::from_secs(7200);

/// Every token that was given out and not forgotten.
#[derive(Default)]
pub(crate) struct Tokens {
    /// By the token itself: a caller shows nothing else.
    grants: HashMap<String, Grant>,
    /// The token an internal app gets again.
    current: HashMap<String, String>,
}

/// What a token stands for.
struct Grant {
    app_key: String,
    expires_at: Timestamp,
}

impl Tokens {
    /// The internal app's token: the one it has, renewed, or a new one if that is gone.
    pub(crate) fn renew(&mut self, app_key: &str, lifetime: Duration, now: Timestamp) -> String {
        let kept = self.current.get(app_key).filter(|token| self.app_of(token, now).is_some()).cloned();
        let token = kept.unwrap_or_else(|| self.issue(app_key, lifetime, now));
        if let Some(grant) = self.grants.get_mut(&token) {
            grant.expires_at = later(now, lifetime);
        }
        self.current.insert(app_key.to_owned(), token.clone());
        token
    }

    /// A new token, which leaves the earlier ones valid.
    pub(crate) fn issue(&mut self, app_key: &str, lifetime: Duration, now: Timestamp) -> String {
        self.grants.retain(|_, grant| now < grant.expires_at);
        let token: String = std::iter::repeat_with(fastrand::alphanumeric).take(32).collect();
        let grant = Grant { app_key: app_key.to_owned(), expires_at: later(now, lifetime) };
        self.grants.insert(token.clone(), grant);
        token
    }

    /// Whose token this is, if it is valid.
    pub(crate) fn app_of(&self, token: &str, now: Timestamp) -> Option<&str> {
        self.grants.get(token).filter(|grant| now < grant.expires_at).map(|grant| grant.app_key.as_str())
    }

    /// Makes every token invalid.
    pub(crate) fn revoke(&mut self) {
        *self = Self::default();
    }
}
