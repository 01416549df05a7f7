//! The access token of one app: fetched once for all lanes, renewed before it ends, given up when it is rejected.
//!
//! moka holds it, and its `try_get_with` is the single flight: whoever needs a token while one is being fetched
//! waits for that one. The cache has no time limit of its own; the token says when it ends, and that is compared
//! with `now` (law 10). A token that is soon to end is renewed by one caller while the others go on with it, so a
//! token endpoint in trouble stops nobody as long as the old token is valid. A rejected token is given up only if
//! it is still the one in hand: fifty lanes that hit a revoked one cost one refresh.
//!
//! The flight is all that anybody waits for: no lock of ours is held while a call is under way (law 3), and nothing
//! here can be printed (law 8).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use http::HeaderValue;
use jiff::Timestamp;
use moka::future::Cache;
use moka::ops::compute::Op;
use secrecy::ExposeSecret;

use crate::config;
use crate::config::secret::Secret;
use crate::dingtalk::transport::Transport;
use crate::dingtalk::verdict::{self, Grant};
use crate::dingtalk::wire::{Api, TokenRequest};
use crate::model::health::later;
use crate::model::name::Name;
use crate::model::outcome::Verdict;
use crate::telemetry::metrics::TOKEN_REFRESHES;

/// DingTalk's advice: renew so long before the end.
const AHEAD: Duration = Duration::from_secs(10 * 60);
/// After a renewal has failed, or hangs, the next one waits so long.
const NEXT_RENEWAL: Duration = Duration::from_secs(60);

/// An access token.
pub(crate) struct Token {
    header: HeaderValue,
    expires_at: Timestamp,
    /// In milliseconds since 1970. Whoever moves it on renews the token.
    renew_at: AtomicI64,
}

impl Token {
    fn granted(grant: &Grant<'_>, now: Timestamp) -> Option<Self> {
        let mut header = HeaderValue::from_str(grant.token).ok()?;
        header.set_sensitive(true);
        // One that has ended when it comes would be asked for again at once, for ever.
        if grant.lifetime.is_zero() {
            return None;
        }
        let ahead = AHEAD.min(grant.lifetime / 10);
        let renew_at = later(now, grant.lifetime.saturating_sub(ahead)).as_millisecond().into();
        Some(Self { header, expires_at: later(now, grant.lifetime), renew_at })
    }

    /// The value of the header that carries it.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }

    fn is_valid(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.renew_at.load(Ordering::Relaxed) <= now.as_millisecond()
    }

    /// Whether the caller is the one to renew it now.
    fn take_renewal(&self, now: Timestamp) -> bool {
        let due = self.renew_at.load(Ordering::Relaxed);
        let next = later(now, NEXT_RENEWAL).as_millisecond();
        due <= now.as_millisecond()
            && self.renew_at.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// The one token of an app, and what is needed to get it.
pub(crate) struct Tokens {
    app: Name,
    app_key: String,
    /// Read at each call, so that a mended file works at once.
    app_secret: Secret,
    held: Cache<Name, Arc<Token>>,
}

impl Tokens {
    /// Fetches nothing yet.
    pub(crate) fn new(app: &Name, config: &config::App) -> Self {
        Self {
            app: app.clone(),
            app_key: config.app_key.clone(),
            app_secret: config.app_secret.clone(),
            held: Cache::builder().initial_capacity(1).build(),
        }
    }

    /// Whether a valid token is in hand that is not due for renewal.
    pub(crate) async fn is_in_hand(&self, now: Timestamp) -> bool {
        self.held.get(&self.app).await.is_some_and(|token| token.is_valid(now) && !token.is_due(now))
    }

    /// When the token in hand ends.
    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        self.held.iter().next().map(|(_, token)| token.expires_at)
    }

    /// The valid token in hand, or a fresh one.
    pub(crate) async fn in_hand(&self, transport: &Transport, now: Timestamp) -> Result<Arc<Token>, Verdict> {
        if let Some(token) = self.held.get(&self.app).await {
            if token.is_valid(now) {
                return Ok(token);
            }
            self.give_up(&token).await;
        }
        let flight = self.held.try_get_with(self.app.clone(), self.fetch(transport, now));
        flight.await.map_err(|verdict| verdict.as_ref().clone())
    }

    /// Renews the token in hand if it is soon to end and nobody else does. A failure is not the caller's: the token
    /// is still valid.
    pub(crate) async fn renew_if_due(&self, token: &Arc<Token>, transport: &Transport, now: Timestamp) {
        if !token.take_renewal(now) {
            return;
        }
        match self.fetch(transport, now).await {
            Ok(fresh) => self.replace(token, Op::Put(fresh)).await,
            Err(verdict) => tracing::warn!(
                app = %self.app, outcome = %verdict.outcome, code = verdict.code,
                "the access token could not be renewed early; the old one is used until it ends",
            ),
        }
    }

    /// Forgets a token that was rejected, unless another has taken its place already.
    pub(crate) async fn give_up(&self, token: &Arc<Token>) {
        self.replace(token, Op::Remove).await;
    }

    /// By identity, not by value: DingTalk may grant the same token again, and that grant is newer.
    async fn replace(&self, token: &Arc<Token>, change: Op<Arc<Token>>) {
        let entry = self.held.entry_by_ref(&self.app);
        let change = entry.and_compute_with(|held| {
            let is_same = held.is_some_and(|held| Arc::ptr_eq(held.value(), token));
            std::future::ready(if is_same { change } else { Op::Nop })
        });
        change.await;
    }

    async fn fetch(&self, transport: &Transport, now: Timestamp) -> Result<Arc<Token>, Verdict> {
        let fetched = self.ask(transport, now).await;
        let result = fetched.as_ref().map_or_else(|verdict| verdict.outcome.as_str(), |_| "ok");
        metrics::counter!(TOKEN_REFRESHES, "app" => self.app.to_string(), "result" => result).increment(1);
        fetched.map(Arc::new)
    }

    async fn ask(&self, transport: &Transport, now: Timestamp) -> Result<Token, Verdict> {
        let secret = self.app_secret.reveal().map_err(|error| verdict::of_secret(&error))?;
        let request = TokenRequest { app_key: &self.app_key, app_secret: secret.expose_secret() };
        let exchange = transport.post(Api::Token, None, &request, transport.timeout(), now).await;
        Token::granted(&verdict::of_token(&exchange)?, now).ok_or_else(verdict::of_unusable_token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(seconds: u64) -> Token {
        let grant = Grant { token: "t", lifetime: Duration::from_secs(seconds) };
        Token::granted(&grant, Timestamp::UNIX_EPOCH).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_token_is_due_ten_minutes_before_its_end_or_a_tenth_if_its_life_is_short() {
        for (lifetime, due) in [(7200, 6600), (60, 54)] {
            let token = granted(lifetime);
            assert!(!token.take_renewal(at(due - 1)), "{lifetime}");
            assert!(token.take_renewal(at(due)), "{lifetime}");
        }
    }

    #[test]
    fn one_caller_renews_and_the_next_may_after_a_minute() {
        let token = granted(7200);
        assert_eq!([(); 3].map(|()| token.take_renewal(at(6600))), [true, false, false]);
        assert!(!token.take_renewal(at(6659)));
        assert!(token.take_renewal(at(6660)));
    }

    #[test]
    fn a_token_that_no_header_can_hold_or_that_has_ended_is_none() {
        for (token, seconds) in [("a\nb", 60), ("t", 0)] {
            let grant = Grant { token, lifetime: Duration::from_secs(seconds) };
            assert!(Token::granted(&grant, Timestamp::UNIX_EPOCH).is_none());
        }
    }
}
