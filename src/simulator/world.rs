//! Everything the simulated DingTalk knows, and the one place where a call is decided.
//!
//! [`World`] is shared by all connections. A std mutex guards it: nothing awaits while holding it, and a call is
//! decided in one go, so that what two clients do at once happens one after the other. The tally is published under
//! the same lock, so that whoever waits for the third message finds three. Knows no HTTP beyond a status number.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::simulator::Options;
use crate::simulator::calls::{Call, Tally};
use crate::simulator::clock::Clock;
use crate::simulator::faults::{Answer, Api, Faults};
use crate::simulator::limits::{Limits, Meters};
use crate::simulator::messages::{Messages, Moments};
use crate::simulator::moderation::Moderation;
use crate::simulator::refusal::Refusal;
use crate::simulator::requests::{self, Caller};
use crate::simulator::strict::Strict;
use crate::simulator::tokens::Tokens;
use crate::simulator::wire::Reply;

/// The simulated DingTalk.
pub(crate) struct World {
    clock: Clock,
    state: Mutex<State>,
    tally: watch::Sender<Tally>,
}

/// What the lock guards.
pub(crate) struct State {
    strict: Option<Strict>,
    pub(crate) moments: Moments,
    pub(crate) limits: Limits,
    /// The limits it began with, to which forgetting everything leads back.
    first_limits: Limits,
    pub(crate) tokens: Tokens,
    pub(crate) messages: Messages,
    pub(crate) moderation: Moderation,
    pub(crate) faults: Faults,
    pub(crate) calls: Vec<Call>,
    meters: Meters,
}

/// A request to one of DingTalk's paths.
pub(crate) struct Request<'a> {
    pub(crate) path: &'a str,
    /// The header `x-acs-dingtalk-access-token`.
    pub(crate) token: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// How one of the robot's calls is served: for the app of this key, with this body.
type Serve = fn(&mut State, &str, &[u8], Timestamp) -> Result<Value, Refusal>;

/// The path of a third-party app's token, which is the same API as the internal app's to a fault and in the log.
pub(crate) const CORP_TOKEN_PATH: &str = "/v1.0/oauth2/corpAccessToken";

impl World {
    pub(crate) fn new(options: Options) -> Self {
        let Options { strict, limits, moments, clock } = options;
        let state = State {
            strict,
            moments,
            first_limits: limits.clone(),
            limits,
            tokens: Tokens::default(),
            messages: Messages::default(),
            moderation: Moderation::default(),
            faults: Faults::default(),
            calls: Vec::new(),
            meters: Meters::default(),
        };
        Self { clock, state: Mutex::new(state), tally: watch::Sender::new(Tally::default()) }
    }

    /// What the clock says.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The state, for as long as the guard lives. A panic elsewhere leaves nothing half done that would matter here.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody who wants to wait for the tally to grow.
    pub(crate) fn watch(&self) -> watch::Receiver<Tally> {
        self.tally.subscribe()
    }

    /// Decides a call of an API and logs it.
    pub(crate) fn call(&self, api: Api, request: &Request<'_>, now: Timestamp) -> Reply {
        let mut state = self.state();
        let drawn = state.faults.draw(api);
        let reply = match &drawn {
            None => state.serve(api, request, now),
            Some(answer) => {
                if answer.comes_after_serving() {
                    state.serve(api, request, now);
                }
                Reply::of(answer)
            }
        };
        state.log(Some(api), request, &reply, drawn.is_some(), now);
        self.tally.send_modify(|tally| {
            tally.count(api);
            tally.messages = state.messages.count();
        });
        reply
    }

    /// Answers a path that is not simulated, as DingTalk answers one it does not know: with a success that is none.
    pub(crate) fn unknown(&self, request: &Request<'_>, now: Timestamp) -> Reply {
        let reply = Reply::of(&Answer::Errcode404);
        self.state().log(None, request, &reply, false, now);
        reply
    }

    /// Forgets everything that happened and everything that was ordered; the limits are again those of the start.
    pub(crate) fn forget(&self) {
        let mut state = self.state();
        state.tokens = Tokens::default();
        state.messages = Messages::default();
        state.moderation = Moderation::default();
        state.faults = Faults::default();
        state.meters = Meters::default();
        state.calls = Vec::new();
        state.limits = state.first_limits.clone();
        self.tally.send_replace(Tally::default());
    }
}

impl State {
    fn log(&mut self, api: Option<Api>, request: &Request<'_>, reply: &Reply, fault: bool, now: Timestamp) {
        self.calls.push(Call {
            at: now,
            api,
            path: request.path.to_owned(),
            open_conversation_id: requests::named_group(request.body),
            with_token: request.token.is_some(),
            status: reply.status(),
            code: reply.code(),
            fault,
        });
    }

    fn serve(&mut self, api: Api, request: &Request<'_>, now: Timestamp) -> Reply {
        let answer = match api {
            Api::Token => self.token(request, now),
            Api::Send => self.robot(request, now, Self::send),
            Api::Query => self.robot(request, now, Self::query),
            Api::Recall => self.robot(request, now, Self::recall),
        };
        match answer {
            Ok(body) => Reply::Json { status: 200, body },
            Err(refusal) => Reply::Json { status: refusal.status, body: refusal.body() },
        }
    }

    fn token(&mut self, request: &Request<'_>, now: Timestamp) -> Result<Value, Refusal> {
        let fields = requests::object(request.body)?;
        let third_party = request.path == CORP_TOKEN_PATH;
        let (key, secret, wrong) = match third_party {
            true => ("suiteKey", "suiteSecret", "invalidSuiteKey"),
            false => ("appKey", "appSecret", "invalidClientIdOrSecret"),
        };
        let app_key = requests::text(&fields, key, wrong, wrong)?;
        let app_secret = requests::text(&fields, secret, wrong, wrong)?;
        if self.strict.as_ref().is_some_and(|strict| !strict.admits(app_key, app_secret)) {
            return Err(Refusal::bad(wrong, format!("there is no app of this {key} and {secret}")));
        }
        let lifetime = self.limits.token_lifetime;
        let token = if third_party {
            requests::text(&fields, "authCorpId", "invalidAuthInfo", "invalidAuthInfo")?;
            requests::text(&fields, "suiteTicket", "invalidSuiteTicket", "invalidSuiteTicket")?;
            self.tokens.issue(app_key, lifetime, now)
        } else {
            self.tokens.renew(app_key, lifetime, now)
        };
        Ok(json!({ "accessToken": token, "expireIn": lifetime.as_secs() }))
    }

    /// A call with a token. It counts against the month unless its token or a limit turned it away: a message that
    /// is refused for what it says has been a call all the same.
    fn robot(&mut self, request: &Request<'_>, now: Timestamp, serve: Serve) -> Result<Value, Refusal> {
        let app_key = self.authenticate(request.token, now)?;
        let answer = serve(self, &app_key, request.body, now);
        if !answer.as_ref().is_err_and(|refusal| refusal.throttled) {
            self.meters.count_in_month(now);
        }
        answer
    }

    fn authenticate(&self, token: Option<&str>, now: Timestamp) -> Result<String, Refusal> {
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            let message = "the header x-acs-dingtalk-access-token is missing";
            return Err(Refusal::bad("AuthenticationFailed.MissingParameter", message));
        };
        let app_key = self.tokens.app_of(token, now);
        app_key.map(str::to_owned).ok_or_else(|| Refusal::bad("InvalidAuthentication", "the access token is not valid"))
    }

    fn send(&mut self, app_key: &str, body: &[u8], now: Timestamp) -> Result<Value, Refusal> {
        let draft = self.caller(app_key).read_send(body)?;
        self.pass(app_key, Api::Send, now)?;
        self.meters.pass_group(&draft.robot_code, &draft.open_conversation_id, &self.limits, now)?;
        self.moderation.pass(&draft.msg_key, &draft.msg_param, draft.msg_param_bytes)?;
        Ok(json!({ "processQueryKey": self.messages.keep(draft, now) }))
    }

    fn query(&mut self, app_key: &str, body: &[u8], now: Timestamp) -> Result<Value, Refusal> {
        let question = self.caller(app_key).read_query(body)?;
        self.pass(app_key, Api::Query, now)?;
        self.messages.query(&question, &self.moments, now)
    }

    fn recall(&mut self, app_key: &str, body: &[u8], now: Timestamp) -> Result<Value, Refusal> {
        let recall = self.caller(app_key).read_recall(body)?;
        self.pass(app_key, Api::Recall, now)?;
        Ok(self.messages.recall(&recall.robot_code, &recall.open_conversation_id, &recall.process_query_keys))
    }

    fn caller<'a>(&'a self, app_key: &'a str) -> Caller<'a> {
        Caller { app_key, strict: self.strict.as_ref() }
    }

    /// The limits every robot call meets.
    fn pass(&mut self, app_key: &str, api: Api, now: Timestamp) -> Result<(), Refusal> {
        self.meters.pass_second(app_key, api, &self.limits, now)?;
        self.meters.pass_month(&self.limits, now)
    }
}
