//! The other side of the wire: the only module that knows DingTalk.
//!
//! A lane first has [`Client::authorise`] see to a token (that may wait), then takes its permit, claims, and calls
//! [`Client::send`] (law 3); [`Client::query`] and [`Client::recall`] are called in the same way. One send is one attempt,
//! whatever it takes: a rejected token is replaced and the call repeated once inside. Files: `wire` (bodies and
//! answers), `transport` (one HTTP call), `token` (the access token), `codes` (what every code means, as data) and `verdict` (what follows from an answer, law 7).
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
use serde::Serialize;
use tokio::time::Instant;

use crate::config;
use crate::dingtalk::token::{Token, Tokens};
use crate::dingtalk::transport::Transport;
use crate::dingtalk::verdict::Rejection;
use crate::dingtalk::wire::{Api, Exchange, QueryRequest, RecallRequest, SendRequest};
use crate::model::call::Undone;
use crate::model::message::{Answer, Composed, Readers, Target};
use crate::model::name::Name;
use crate::model::outcome::Verdict;

/// The most readers one answer lists.
const PAGE: u32 = 200;

/// A `processQueryKey` that DingTalk has given to nobody: its own are base64, which has no hyphen.
const OF_NO_MESSAGE: &str = "dingtalk-relay-check-online";

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

    /// Sees to it that a valid access token is in hand. May take as long as the app's timeout, so it comes before
    /// everything that must not wait.
    ///
    /// # Errors
    /// The verdict on the token call: of scope app, never `refused`, never counted by DingTalk.
    pub async fn authorise(&self, now: Timestamp) -> Result<(), Verdict> {
        self.tokens.in_hand(&self.transport, now).await.map(drop)
    }

    /// Whether a valid access token is in hand. If not, [`Client::authorise`] comes before everything that must not
    /// wait.
    pub fn is_authorised(&self, now: Timestamp) -> bool {
        self.tokens.is_in_hand(now)
    }

    /// Renews the access token in hand if it is soon to end, while calls go on with it. Says when to come again;
    /// `None`: there is none to renew.
    pub async fn renew(&self, now: Timestamp) -> Option<Timestamp> {
        self.tokens.renew_if_due(&self.transport, now).await
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
        let result = self.call(Api::Send, &request, verdict::of_send, started, now).await;
        Answer { result, took: started.elapsed() }
    }

    /// Asks for one page of those who have read a message that went `to` a group: the first page, or the one behind
    /// `next_token`. A rejected token is treated as in a send, and the whole call has the app's timeout too.
    ///
    /// # Errors
    /// The verdict, which never concerns a channel. Of scope message: DingTalk has no data of this message yet, or
    /// will not tell. Of scope API: queries of this app cannot be made now. Of scope app or month: sends share the
    /// trouble.
    pub async fn query(
        &self,
        to: &Target,
        process_query_key: &str,
        next_token: Option<&str>,
        now: Timestamp,
    ) -> Result<Readers, Verdict> {
        let request = QueryRequest {
            robot_code: &to.robot_code,
            open_conversation_id: &to.open_conversation_id,
            process_query_key,
            max_results: PAGE,
            next_token,
        };
        self.call(Api::Query, &request, verdict::of_query, Instant::now(), now).await
    }

    /// Asks a group's robot about a message that never was. If all is well, DingTalk complains of that message and of
    /// nothing else: then token, address, permission, robot and group stood before it without an objection, as far as
    /// it looked at them. Sends nothing, changes nothing, and is counted in the month like every query. That
    /// it needs the permission of sending is how both pages below describe it.
    ///
    /// <https://help.dingtalk.io/open/development/the-robot-sends-a-group-message>
    /// <https://help.dingtalk.io/open/development/chatbot-queries-the-read-status-of-a-message>
    ///
    /// # Errors
    /// The verdict, on which nobody acts: it is to be told. `blocked`: DingTalk says no, to this robot in this group
    /// if it is of scope channel. `throttled`, `unavailable`: nobody knows; of scope message, because DingTalk may
    /// mean the message. Every other scope says that the app's other groups will draw the same.
    pub async fn knock(&self, at: &Target, now: Timestamp) -> Result<(), Verdict> {
        let request = QueryRequest {
            robot_code: &at.robot_code,
            open_conversation_id: &at.open_conversation_id,
            process_query_key: OF_NO_MESSAGE,
            max_results: 1,
            next_token: None,
        };
        self.call(Api::Query, &request, verdict::of_knock, Instant::now(), now).await
    }

    /// Takes messages back that went `to` a group, at most [`Undone::MOST`] of them, each named by its
    /// `processQueryKey`. A rejected token is treated as in a send, and the whole call has the app's timeout too. To
    /// repeat it harms nothing: what was taken back already fails with a reason.
    ///
    /// # Errors
    /// The verdict, which never concerns a channel; its scopes are those of [`Client::query`]. No message was taken
    /// back, unless the outcome is `unavailable`: then nobody knows.
    pub async fn recall(&self, to: &Target, keys: &[String], now: Timestamp) -> Result<Undone, Verdict> {
        let request = RecallRequest {
            robot_code: &to.robot_code,
            open_conversation_id: &to.open_conversation_id,
            process_query_keys: keys,
        };
        let judge = |exchange: &Exchange| verdict::of_recall(exchange, keys);
        self.call(Api::Recall, &request, judge, Instant::now(), now).await
    }

    /// One call with the token in hand, repeated once with a fresh one if DingTalk rejects that.
    async fn call<T>(
        &self,
        api: Api,
        request: &impl Serialize,
        judge: impl Fn(&Exchange) -> Result<T, Rejection>,
        started: Instant,
        now: Timestamp,
    ) -> Result<T, Verdict> {
        let try_once = async |token: &Token| {
            let left = self.transport.timeout().saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(verdict::too_late(api));
            }
            judge(&self.transport.post(api, Some(token.header()), request, left, now).await)
        };
        let token = self.tokens.in_hand(&self.transport, now).await?;
        match try_once(&token).await {
            Ok(answer) => return Ok(answer),
            Err(Rejection { verdict, token_rejected: false }) => return Err(verdict),
            Err(_) => {}
        }
        let asked = self.tokens.give_up(&token);
        // The rejected call was made, and whether DingTalk counts such a call is not known: so it counts.
        let counted = |verdict| Verdict { uncounted: false, ..verdict };
        let mut fresh = self.tokens.in_hand(&self.transport, now).await.map_err(counted)?;
        if fresh.is_the_rejected(&token, asked) {
            self.tokens.give_up(&fresh);
            fresh = self.tokens.in_hand(&self.transport, now).await.map_err(counted)?;
        }
        try_once(&fresh).await.map_err(|rejection| rejection.verdict)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({} at {})", self.app, self.transport.origin())
    }
}
