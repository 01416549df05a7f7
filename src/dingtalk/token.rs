//! The access token of one app: fetched once for all lanes, renewed before it ends, given up when it is rejected.
//!
//! Every token has a number. Whoever finds no valid one, whoever had one rejected, and whoever renews one before its
//! end asks for the number behind it, and moka's `try_get_with` makes one flight of all who ask for the same number:
//! fifty lanes that hit a revoked token cost one refresh, also while it is being renewed. The number is looked for
//! again inside the flight, so that one who comes when it has just landed does not start another. A rejected token is
//! given up by its number too, and takes no newer one with it.
//!
//! Nothing here has a time limit of its own; a token says when it ends, and that is compared with `now` (law 10). The
//! flight is all that anybody waits for: no lock of ours is held while a call is under way (law 3), and nothing here
//! can be printed (law 8).

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use jiff::Timestamp;
use moka::future::Cache;
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
/// After a renewal has failed, or hangs, the next one waits so long, or half of what is left if that is less.
const NEXT_RENEWAL: Duration = Duration::from_secs(60);

/// An access token.
pub(crate) struct Token {
    number: u64,
    header: HeaderValue,
    expires_at: Timestamp,
    /// How long before the end the renewal begins.
    ahead: Duration,
    /// In milliseconds since 1970. Whoever moves it on renews the token.
    renew_at: AtomicI64,
    rejected: AtomicBool,
}

impl Token {
    fn granted(number: u64, grant: &Grant<'_>, now: Timestamp) -> Option<Self> {
        let mut header = HeaderValue::from_str(grant.token).ok()?;
        header.set_sensitive(true);
        // One that has ended when it comes would be asked for again at once, for ever.
        if grant.lifetime.is_zero() {
            return None;
        }
        let ahead = AHEAD.min(grant.lifetime / 10);
        let renew_at = later(now, grant.lifetime.saturating_sub(ahead)).as_millisecond().into();
        let expires_at = later(now, grant.lifetime);
        Some(Self { number, header, expires_at, ahead, renew_at, rejected: AtomicBool::new(false) })
    }

    /// The value of the header that carries it.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }

    /// Whether it is the very token that was rejected, when `asked` was the number asked for last. DingTalk grants the
    /// same one as long as it is valid, so a renewal that was asked for before may bring one that has been revoked since.
    pub(crate) fn is_the_rejected(&self, rejected: &Self, asked: u64) -> bool {
        self.header == rejected.header && self.number <= asked
    }

    fn is_valid(&self, now: Timestamp) -> bool {
        !self.rejected.load(Ordering::Relaxed) && now < self.expires_at
    }

    /// When its renewal is to be tried.
    fn renew_at(&self) -> Timestamp {
        Timestamp::from_millisecond(self.renew_at.load(Ordering::Relaxed)).unwrap_or(self.expires_at)
    }

    /// Whether the caller is the one to renew it now.
    fn take_renewal(&self, now: Timestamp) -> bool {
        let due = self.renew_at.load(Ordering::Relaxed);
        let next = later(now, NEXT_RENEWAL.min(self.ahead / 2)).as_millisecond();
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
    /// The newest. Nothing awaits while holding the lock.
    newest: Mutex<Option<Arc<Token>>>,
    /// The number that was asked for last.
    asked: AtomicU64,
    flights: Cache<u64, Arc<Token>>,
}

impl Tokens {
    /// Fetches nothing yet.
    pub(crate) fn new(app: &Name, config: &config::App) -> Self {
        Self {
            app: app.clone(),
            app_key: config.app_key.clone(),
            app_secret: config.app_secret.clone(),
            newest: Mutex::new(None),
            asked: AtomicU64::new(0),
            flights: Cache::new(1),
        }
    }

    /// Whether a valid token is in hand.
    pub(crate) fn is_in_hand(&self, now: Timestamp) -> bool {
        self.newest().as_ref().is_some_and(|token| token.is_valid(now))
    }

    /// When the token in hand ends.
    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        let newest = self.newest();
        newest.as_ref().filter(|token| !token.rejected.load(Ordering::Relaxed)).map(|token| token.expires_at)
    }

    /// The valid token in hand, or a fresh one.
    pub(crate) async fn in_hand(&self, transport: &Transport, now: Timestamp) -> Result<Arc<Token>, Verdict> {
        let newest = self.newest().clone();
        match newest {
            Some(token) if token.is_valid(now) => Ok(token),
            old => self.after(old.map_or(0, |token| token.number), transport, now).await,
        }
    }

    /// Renews the token in hand if it is soon to end and nobody else does. Says when to come again; `None`: there is
    /// no token to renew. A failure is nobody's: the token is still valid.
    pub(crate) async fn renew_if_due(&self, transport: &Transport, now: Timestamp) -> Option<Timestamp> {
        let token = self.newest().clone().filter(|token| token.is_valid(now))?;
        if !token.take_renewal(now) {
            return Some(token.renew_at());
        }
        match self.after(token.number, transport, now).await {
            Ok(fresh) => Some(fresh.renew_at()),
            Err(verdict) => {
                tracing::warn!(
                    app = %self.app, outcome = %verdict.outcome, code = verdict.code, hint = verdict.hint,
                    "the access token could not be renewed early; the old one is used until it ends",
                );
                Some(token.renew_at())
            }
        }
    }

    /// Forgets a token that was rejected. By its number, not by its value: DingTalk may grant the same token again,
    /// and that grant is newer. Says which number was asked for last by then.
    pub(crate) fn give_up(&self, token: &Token) -> u64 {
        token.rejected.store(true, Ordering::Relaxed);
        self.asked.load(Ordering::SeqCst)
    }

    /// A token newer than that one: the newest if it is, or the one flight's that brings it.
    async fn after(&self, number: u64, transport: &Transport, now: Timestamp) -> Result<Arc<Token>, Verdict> {
        let bring = async {
            if let Some(newer) = self.newest().clone().filter(|token| token.number > number) {
                return Ok(newer);
            }
            let fresh = self.fetch(number + 1, transport, now).await?;
            *self.newest() = Some(Arc::clone(&fresh));
            Ok(fresh)
        };
        let flight = self.flights.try_get_with(number + 1, bring);
        flight.await.map_err(|verdict: Arc<Verdict>| verdict.as_ref().clone())
    }

    async fn fetch(&self, number: u64, transport: &Transport, now: Timestamp) -> Result<Arc<Token>, Verdict> {
        self.asked.fetch_max(number, Ordering::SeqCst);
        let fetched = self.ask(number, transport, now).await;
        let result = fetched.as_ref().map_or_else(|verdict| verdict.outcome.as_str(), |_| "ok");
        metrics::counter!(TOKEN_REFRESHES, "app" => self.app.to_string(), "result" => result).increment(1);
        fetched.map(Arc::new)
    }

    async fn ask(&self, number: u64, transport: &Transport, now: Timestamp) -> Result<Token, Verdict> {
        let secret = self.app_secret.reveal().map_err(|error| verdict::of_secret(&error))?;
        let request = TokenRequest { app_key: &self.app_key, app_secret: secret.expose_secret() };
        let exchange = transport.post(Api::Token, None, &request, transport.timeout(), now).await;
        let grant = verdict::of_token(&exchange, transport.host())?;
        Token::granted(number, &grant, now).ok_or_else(verdict::of_unusable_token)
    }

    fn newest(&self) -> MutexGuard<'_, Option<Arc<Token>>> {
        // A panic cannot leave it half-written: it is assigned whole.
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(seconds: u64) -> Token {
        let grant = Grant { token: "t", lifetime: Duration::from_secs(seconds) };
        Token::granted(1, &grant, Timestamp::UNIX_EPOCH).unwrap()
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
    fn one_caller_renews_and_the_next_may_after_a_minute_or_sooner_if_its_life_is_short() {
        for (lifetime, due, next) in [(7200, 6600, 6660), (60, 54, 57)] {
            let token = granted(lifetime);
            assert_eq!([(); 3].map(|()| token.take_renewal(at(due))), [true, false, false]);
            assert_eq!(token.renew_at(), at(next));
            assert!(!token.take_renewal(at(next - 1)));
            assert!(token.take_renewal(at(next)));
        }
    }

    #[test]
    fn a_token_that_no_header_can_hold_or_that_has_ended_is_none() {
        for (token, seconds) in [("a\nb", 60), ("t", 0)] {
            let grant = Grant { token, lifetime: Duration::from_secs(seconds) };
            assert!(Token::granted(1, &grant, Timestamp::UNIX_EPOCH).is_none());
        }
    }
}
