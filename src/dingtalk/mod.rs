//! The other side of the wire: the only module that knows DingTalk.
//!
//! A lane first has [`Client::authorise`] see to a token (that may wait), then takes its permit, claims, and calls
//! [`Client::send`] (law 3). One send is one attempt, whatever it takes: a rejected token is replaced and the call
//! repeated once inside. Files: `wire` (bodies and answers), `transport` (one HTTP call), `token` (the access token),
//! `codes` (what every code means, as data) and `verdict` (what follows from an answer, law 7).
//!
//! This room keeps no rate, no state and no count; it knows neither deliveries nor the store. Nothing it returns
//! or prints holds a secret (law 8).

pub mod codes;
mod token;
mod transport;
pub mod verdict;
mod wire;

use std::fmt;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::config;
use crate::dingtalk::token::{Token, Tokens};
use crate::dingtalk::transport::Transport;
use crate::dingtalk::verdict::Rejection;
use crate::dingtalk::wire::{Api, SendRequest};
use crate::model::message::{Answer, Composed, Target};
use crate::model::name::Name;
use crate::model::outcome::Verdict;

/// One app's way to DingTalk: its credentials, its access token, its calls. Shared by all lanes of the app.
pub struct Client {
    app: Name,
    tokens: Tokens,
    transport: Transport,
}

impl Client {
    /// A client for an app. Connects nothing and reads no secret yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up; in practice, when there are no CA certificates on this machine and the
    /// base URL is `https`.
    pub fn new(name: Name, app: &config::App) -> Result<Self, reqwest::Error> {
        Ok(Self { tokens: Tokens::new(&name, app), transport: Transport::new(&name, app)?, app: name })
    }

    /// Sees to it that a valid access token is in hand, and renews it when it is soon to end. May take as long as
    /// the app's timeout, so it comes before everything that must not wait.
    ///
    /// # Errors
    /// The verdict on the token call: of scope app, never `refused`, never counted by DingTalk.
    pub async fn authorise(&self, now: Timestamp) -> Result<(), Verdict> {
        let token = self.tokens.in_hand(&self.transport, now).await?;
        self.tokens.renew_if_due(&token, &self.transport, now).await;
        Ok(())
    }

    /// Whether a valid access token is in hand that need not be renewed yet. If not, [`Client::authorise`] comes
    /// before everything that must not wait.
    pub async fn is_authorised(&self, now: Timestamp) -> bool {
        self.tokens.is_in_hand(now).await
    }

    /// When the access token in hand ends, if there is one.
    pub fn token_expires_at(&self) -> Option<Timestamp> {
        self.tokens.expires_at()
    }

    /// Sends one message to a group, with the token in hand. If DingTalk rejects the token, it is replaced and the
    /// call repeated once; rejected again, the app is `blocked`.
    ///
    /// The whole attempt has the app's timeout: a message arrives within it after `now`, or not at all. The limiter
    /// counts on that.
    pub async fn send(&self, to: &Target, message: &Composed, now: Timestamp) -> Answer {
        let started = Instant::now();
        let request = SendRequest {
            robot_code: &to.robot_code,
            open_conversation_id: &to.open_conversation_id,
            msg_key: message.msg_key.as_str(),
            msg_param: &message.msg_param,
            cool_app_code: to.cool_app_code.as_deref(),
        };
        let result = self.admit(&request, started, now).await;
        Answer { result, took: started.elapsed() }
    }

    async fn admit(&self, request: &SendRequest<'_>, started: Instant, now: Timestamp) -> Result<String, Verdict> {
        let token = self.tokens.in_hand(&self.transport, now).await?;
        match self.try_once(&token, request, started, now).await {
            Ok(key) => return Ok(key),
            Err(Rejection { verdict, token_rejected: false }) => return Err(verdict),
            Err(_) => self.tokens.give_up(&token).await,
        }
        // The rejected call was made, and whether DingTalk counts such a call is not known: so it counts.
        let counted = |verdict| Verdict { uncounted: false, ..verdict };
        let fresh = self.tokens.in_hand(&self.transport, now).await.map_err(counted)?;
        self.try_once(&fresh, request, started, now).await.map_err(|rejection| rejection.verdict)
    }

    async fn try_once(
        &self,
        token: &Token,
        request: &SendRequest<'_>,
        started: Instant,
        now: Timestamp,
    ) -> Result<String, Rejection> {
        let left = self.transport.timeout().saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(verdict::too_late());
        }
        let exchange = self.transport.post(Api::Send, Some(token.header()), request, left, now).await;
        verdict::of_send(&exchange)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({} at {})", self.app, self.transport.origin())
    }
}
