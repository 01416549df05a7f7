//! The one place where DingTalk's answers are judged (law 7): from what happened to a call to what follows.
//!
//! Success is a 2xx with a non-empty `processQueryKey` (a token call: with a token; a query: with a `sendStatus`; a
//! recall: with a `successResult` or a `failedResult`), nothing else. Anything else becomes a [`Verdict`] by a row of the table in `codes`: by DingTalk's code where it is known, by its
//! `Forbidden.AccessDenied.` suffix, by our word for what happened on the way, and at last by the HTTP status. Only
//! codes decide, never DingTalk's messages: their language depends on the region.
//!
//! What is unknown gets the class that loses least. An unknown 4xx is `unavailable`: as `refused` it would let one
//! alert after another die if it concerned the channel in truth, as `blocked` one bad message would shut a channel
//! again and again. So it is tried by the schedule, other messages pass, and only what fails to the end is dead. An
//! unknown 401, 403 or 404, and any unknown 4xx of a token call, concerns a setting and blocks the app: nothing dies.
//!
//! A query or a recall may not harm a send. What it draws concerns its message or the calls of its kind, and never a
//! channel; only what sends surely share is the app's: its credentials, the banned or unlisted address, the month.
//! DingTalk counts calls a second for each API by itself, so a query that was too fast says nothing of sends. Nothing
//! dies of a recall and a human waits for its answer: every code that is known at all is believed there, and an unknown
//! 4xx is `refused`.

use std::collections::HashMap;
use std::time::Duration;

use crate::config::secret::SecretError;
use crate::dingtalk::Readers;
use crate::dingtalk::codes::{self, Class, Explanation};
use crate::dingtalk::wire::{Api, Body, Exchange, Reply, Step};
use crate::model::call::Undone;
use crate::model::language::Language;
use crate::model::outcome::{Complaint, Outcome, Scope, Verdict};

/// How long DingTalk bans an address that called too often.
const BAN: Duration = Duration::from_secs(5 * 60);
/// The least wait after a limit per minute.
const MINUTE: Duration = Duration::from_secs(60);
/// The least wait after a limit per second.
const SECOND: Duration = Duration::from_secs(1);

/// An access token as DingTalk grants it.
pub(crate) struct Grant<'a> {
    /// The token.
    pub(crate) token: &'a str,
    /// How long it is valid, from the answer on.
    pub(crate) lifetime: Duration,
}

/// Why a call came to nothing: a message was not admitted, a query not answered.
pub(crate) struct Rejection {
    /// What follows, if this is the end of it.
    pub(crate) verdict: Verdict,
    /// Whether the access token is at fault: a fresh one may help.
    pub(crate) token_rejected: bool,
}

/// Judges a send: the `processQueryKey`, or why there is none.
pub(crate) fn of_send(exchange: &Exchange) -> Result<String, Rejection> {
    match success(exchange).and_then(|body| body.text("processQueryKey")) {
        Some(key) => Ok(key.to_owned()),
        None => Err(rejection(Api::Send, exchange)),
    }
}

/// Judges a query: a page of readers, or why there is none.
pub(crate) fn of_query(exchange: &Exchange) -> Result<Readers, Rejection> {
    success(exchange).and_then(readers).ok_or_else(|| rejection(Api::Query, exchange))
}

fn readers(body: &Body) -> Option<Readers> {
    let send_status = body.plain_text("sendStatus")?.to_owned();
    let next = body.text("nextToken").filter(|_| !body.says_no("hasMore")).map(str::to_owned);
    Some(Readers { send_status, user_ids: body.texts("readUserIds"), next })
}

/// Judges a query about a message that never was: that DingTalk does not know it is what should be said. Nothing
/// follows from this verdict, so unlike a real query's it may concern the channel, and it never says `refused`.
pub(crate) fn of_knock(exchange: &Exchange) -> Result<(), Rejection> {
    let Err(Rejection { mut verdict, token_rejected }) = of_query(exchange) else { return Ok(()) };
    let is_unknown = find(Api::Query, exchange).is_unknown_complaint();
    (verdict.outcome, verdict.scope) = match (verdict.code.as_str(), verdict.outcome, verdict.scope) {
        ("processQueryKey.expireTime" | "invalid.processQueryKey", ..) => return Ok(()),
        ("openConversationId.notExisted", ..) => (Outcome::Blocked, Scope::Channel),
        (code, outcome, _) if is_unknown || code == "resource.not.found" || outcome == Outcome::Refused => {
            verdict.hint += " It may mean the made-up message that was asked about.";
            (Outcome::Unavailable, Scope::Message)
        }
        (_, Outcome::Blocked, Scope::Message) => (Outcome::Blocked, Scope::Channel),
        (_, outcome, scope) => (outcome, scope),
    };
    Err(Rejection { verdict, token_rejected })
}

/// Whether an app's credentials were not accepted, which may work in the other region.
pub fn is_of_credentials(verdict: &Verdict) -> bool {
    ["invalidClientIdOrSecret", "invalid.client"].contains(&verdict.code.as_str())
}

/// Judges a recall of these messages: which were taken back and which not, or why the call came to nothing.
pub(crate) fn of_recall(exchange: &Exchange, keys: &[String]) -> Result<Undone, Rejection> {
    let body = success(exchange).filter(|body| body.holds("successResult") || body.holds("failedResult"));
    body.map(|body| undone(body, keys)).ok_or_else(|| rejection(Api::Recall, exchange))
}

/// What was asked for decides what is read: a key that nobody asked for is nobody's, one that stands on both sides or
/// on none was not taken back.
fn undone(body: &Body, keys: &[String]) -> Undone {
    let done = body.texts("successResult");
    let reasons: HashMap<_, _> = body.members("failedResult").collect();
    let mut undone = Undone::default();
    for key in keys {
        match reasons.get(key.as_str()) {
            Some(reason) => drop(undone.failed.insert(key.clone(), one_line(reason))),
            None if done.contains(key) => drop(undone.recalled.insert(key.clone())),
            None => drop(undone.failed.insert(key.clone(), "DingTalk's answer says nothing of it".to_owned())),
        }
    }
    undone
}

/// A text of DingTalk's, to be shown.
fn one_line(text: &str) -> String {
    let plain = text.chars().map(|char| if char.is_control() { ' ' } else { char });
    plain.take(Undone::LONGEST_REASON).collect()
}

fn rejection(api: Api, exchange: &Exchange) -> Rejection {
    let finding = find(api, exchange);
    Rejection { token_rejected: finding.row.class == Class::Token, verdict: finding.verdict(api) }
}

/// Judges a call for an access token that was made to this host.
pub(crate) fn of_token<'e>(exchange: &'e Exchange, host: &str) -> Result<Grant<'e>, Verdict> {
    let body = success(exchange);
    let token = body.and_then(|body| body.text("accessToken"));
    let seconds = body.and_then(|body| body.number("expireIn")).and_then(|seconds| u64::try_from(seconds).ok());
    match (token, seconds) {
        (Some(token), Some(seconds)) => Ok(Grant { token, lifetime: Duration::from_secs(seconds) }),
        _ => Err(find(Api::Token, exchange).said_by(host).verdict(Api::Token)),
    }
}

/// Where credentials that are right elsewhere may belong: they work in one region only.
fn other_region(host: &str) -> Option<&'static str> {
    match host {
        "api.dingtalk.io" => Some("They were shown to region intl; an app of dingtalk.com needs region: cn."),
        "api.dingtalk.com" => Some("They were shown to region cn; an international app needs region: intl."),
        _ => None,
    }
}

/// A token that no header can hold.
pub(crate) fn of_unusable_token() -> Verdict {
    Finding::word("no_token", Some(200)).verdict(Api::Token)
}

/// The time of a call went by before it could be made again: nothing has arrived.
pub(crate) fn too_late(api: Api) -> Rejection {
    let finding = Finding { reached: false, ..Finding::word("timeout", None) };
    // The call whose token was rejected was made, and may count.
    Rejection { verdict: Verdict { uncounted: false, ..finding.verdict(api) }, token_rejected: false }
}

/// A mistake of ours broke a send off, before the call or when it had begun.
pub(crate) fn of_broken_off(called: bool) -> Verdict {
    Finding { reached: called, ..Finding::word("internal_error", None) }.verdict(Api::Send)
}

/// A secret that cannot be read: no call was made.
pub(crate) fn of_secret(error: &SecretError) -> Verdict {
    let mut verdict = Finding::word("secret", None).verdict(Api::Token);
    verdict.hint = format!("{} ({})", verdict.hint, error.to_string().escape_debug());
    verdict
}

fn success(exchange: &Exchange) -> Option<&Body> {
    match exchange {
        Exchange::Answered(reply) if (200..300).contains(&reply.http_status) => Some(&reply.body),
        _ => None,
    }
}

/// The row that speaks of what happened, and what of this call belongs to it.
struct Finding<'a> {
    row: Explanation,
    code: String,
    http_status: Option<u16>,
    /// Whether the request was, or may have been, written.
    reached: bool,
    reply: Option<&'a Reply>,
    /// What the hint adds to the row's.
    remark: Option<String>,
}

fn find(api: Api, exchange: &Exchange) -> Finding<'_> {
    match exchange {
        Exchange::NotConnected { step, cause } => {
            let word = match step {
                Step::Dns => "dns",
                Step::Connect => "connect",
                Step::Tls => "tls",
            };
            let remark = (!cause.is_empty()).then(|| format!("The cause: {cause}."));
            Finding { reached: false, remark, ..Finding::word(word, None) }
        }
        Exchange::CutOff { timed_out, http_status } => {
            Finding::word(if *timed_out { "timeout" } else { "connection_lost" }, *http_status)
        }
        Exchange::Answered(reply) => Finding { reply: Some(reply), ..answered(api, reply) },
    }
}

fn answered(api: Api, reply: &Reply) -> Finding<'_> {
    let status = Some(reply.http_status);
    let Some(code) = reply.body.code() else {
        return Finding::word(&word_for(api, reply), status).seen_as_status(reply.http_status);
    };
    match known(api, code) {
        Some(row) => {
            // DingTalk's spelling of the row, so that a metric's label has one spelling too.
            let code = if row.code.eq_ignore_ascii_case(code) { row.code } else { code };
            let scopes = reply.body.required_scopes();
            let remark = (!scopes.is_empty()).then(|| format!("It asks for: {}.", scopes.join(", ")));
            Finding { row, code: code.to_owned(), remark, ..Finding::word(row.code, status) }
        }
        None => {
            let remark = Some("What DingTalk's own code means for this call is not known.".to_owned());
            Finding { code: code.to_owned(), remark, ..Finding::word(&word_for(api, reply), status) }
        }
    }
}

/// The row of a code, or of its kin. A code documented for another call is believed too, unless it would let the
/// message die: `openConversationId.notExisted`, say, is about a message when it comes from a query.
fn known(api: Api, code: &str) -> Option<Explanation> {
    let harmless = |row: &Explanation| row.class != Class::Refused || api == Api::Recall;
    let believed = |row: &Explanation| harmless(row) || row.is_documented_for(api.as_str());
    let row = codes::explain(code).filter(|row| row.is_dingtalks() && believed(row));
    row.or_else(|| codes::explain(kin(code.strip_prefix("Forbidden.AccessDenied.")?)))
}

/// `Forbidden.AccessDenied.` stands before limits and before permissions: its suffix tells.
fn kin(suffix: &str) -> &'static str {
    match () {
        () if suffix.contains("CountLimit") => "Forbidden.AccessDenied.ApiCountLimitForOrg",
        () if suffix.contains("QpmLimit") => "Forbidden.AccessDenied.QpmLimitForAppkeyAndApi",
        () if suffix.contains("Limit") => "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi",
        () => "http_403",
    }
}

/// Our word for an answer without a known code.
fn word_for(api: Api, reply: &Reply) -> String {
    let word = match (reply.http_status, &reply.body) {
        (_, body) if body.is_ban() => "punish",
        (300..=399, _) => "redirect",
        (404, _) => "http_404",
        (status @ (429 | 500..), _) => return format!("http_{status}"),
        (_, Body::Html) => "html",
        (200..=299, Body::TooLarge) => "too_large",
        (200..=299, Body::Unreadable) => "unreadable",
        (200..=299, body) => match (body.number("errcode"), api) {
            (Some(404), _) => "errcode_404",
            (_, Api::Token) => "no_token",
            (_, Api::Send) => "no_key",
            (_, Api::Query) => "no_status",
            (_, Api::Recall) => "no_result",
        },
        (401 | 403, _) => return format!("http_{}", reply.http_status),
        (400..=499, _) if api == Api::Token => "http_401",
        (400..=499, _) => "http_4xx",
        // 1xx never ends a call; a status beyond HTTP's own is no answer of DingTalk's.
        _ => "unreadable",
    };
    word.to_owned()
}

impl Finding<'_> {
    fn word(word: &str, http_status: Option<u16>) -> Self {
        let row = codes::explain(word).or_else(|| codes::explain("http_5xx"));
        let row = row.expect("the table has a row for every word of this file: a test judges them all");
        Self { row, code: word.to_owned(), http_status, reached: true, reply: None, remark: None }
    }

    /// A bare status is shown as it came, whichever row stands for it.
    fn seen_as_status(self, status: u16) -> Self {
        let by_status = self.row.code.starts_with("http_");
        if by_status { Self { code: format!("http_{status}"), ..self } } else { self }
    }

    /// Credentials that this host does not know may be known to the other region's.
    fn said_by(self, host: &str) -> Self {
        match other_region(host) {
            Some(remark) if self.row.code == "invalidClientIdOrSecret" => {
                Self { remark: Some(remark.to_owned()), ..self }
            }
            _ => self,
        }
    }

    fn verdict(self, api: Api) -> Verdict {
        let outcome = match (self.row.class, api) {
            (Class::Throttled, _) => Outcome::Throttled,
            (Class::Unavailable, Api::Recall) if self.is_unknown_complaint() => Outcome::Refused,
            (Class::Unavailable, _) => Outcome::Unavailable,
            (Class::Refused, Api::Send | Api::Query | Api::Recall) => Outcome::Refused,
            (Class::Refused, Api::Token) | (Class::Blocked | Class::Token, _) => Outcome::Blocked,
        };
        let label = codes::explain(&self.code).map_or("other", |row| row.code);
        Verdict {
            outcome,
            scope: self.scope(api),
            http_status: self.http_status,
            may_have_arrived: api == Api::Send && outcome == Outcome::Unavailable && self.may_have_arrived(),
            uncounted: api == Api::Token || outcome == Outcome::Throttled || !self.reached,
            of_token: api == Api::Token,
            complaint: (outcome == Outcome::Refused && api == Api::Send).then(|| complaint(self.row.code)),
            retry_after: least_wait(self.row.code).max(self.reply.and_then(|reply| reply.retry_after)),
            hint: self.hint(),
            label,
            code: self.code,
        }
    }

    fn hint(&self) -> String {
        let hint = self.row.hint(Language::En);
        self.remark.as_ref().map_or_else(|| hint.to_owned(), |more| format!("{hint} {more}"))
    }

    fn scope(&self, api: Api) -> Scope {
        match (api, self.row.scope) {
            // A token call is the app's, whatever it trips over.
            (Api::Token, Scope::Message | Scope::Channel) => Scope::App,
            (Api::Recall, _) if self.is_unknown_complaint() => Scope::Message,
            (Api::Query | Api::Recall, scope) => self.scope_beside_sends(scope),
            (Api::Token | Api::Send, scope) => scope,
        }
    }

    fn scope_beside_sends(&self, of_code: Scope) -> Scope {
        match (self.row.class, of_code) {
            (_, Scope::Month) => Scope::Month,
            (_, Scope::App) if self.is_shared() => Scope::App,
            (Class::Throttled, _) | (_, Scope::App | Scope::Api) => Scope::Api,
            // What is known of these calls alone is about the message; a failure on the way is not.
            (Class::Unavailable, _) if !["query", "recall"].contains(&self.row.api) => Scope::Api,
            (_, Scope::Message | Scope::Channel) => Scope::Message,
        }
    }

    /// Whether DingTalk turned the call away and we do not know why.
    fn is_unknown_complaint(&self) -> bool {
        self.row.code == "http_4xx"
    }

    /// Whether what such a call drew stops sends too: the credentials, or the address the calls come from.
    fn is_shared(&self) -> bool {
        let address = ["Forbidden.AccessDenied.IpNotInWhiteList", "html", "punish"];
        self.row.class == Class::Token || address.contains(&self.row.code)
    }

    /// A 4xx was turned away before it could be shown, but for the one that says it does not know.
    fn may_have_arrived(&self) -> bool {
        let turned_away = self.http_status.is_some_and(|status| (400..500).contains(&status));
        self.reached && (!turned_away || self.row.code == "unknown.send.result")
    }
}

/// The least wait after a code, where the kind of limit needs one.
pub fn least_wait(code: &str) -> Option<Duration> {
    match code {
        "html" | "punish" => Some(BAN),
        code if code.contains("QpmLimit") => Some(MINUTE),
        code if code.contains("QpsLimit") => Some(SECOND),
        _ => None,
    }
}

/// What the code of a refused message is about. Most say that the template or one of its fields will not do; the few
/// about people, which no message of ours can draw, are met in the same way.
pub fn complaint(code: &str) -> Complaint {
    match code {
        "contain.unsafe.url" => Complaint::Links,
        "contain.notAllowed.picture" => Complaint::Pictures,
        "invalidParameter.msgParam.tooLong" => Complaint::Length,
        "only.groupAdmin.canAtAll" => Complaint::Mentions,
        "contain.notAllowed.text" | "contain.notAllowed.content" => Complaint::Words,
        _ => Complaint::Template,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_whatever_it_is_gets_a_verdict_that_can_be_explained() {
        let bodies = ["", "{}", "<p>", r#"{"errcode":404}"#, r#"{"status":1111}"#, r#"{"code":"brand.new"}"#];
        let bodies = bodies.map(|body| (body, true)).into_iter().chain([("{", false)]);
        for ((body, whole), http_status) in bodies.flat_map(|body| (100..1000).map(move |status| (body, status))) {
            for api in [Api::Token, Api::Send, Api::Query, Api::Recall] {
                let body = Body::read("application/json", body.as_bytes(), whole);
                let exchange = Exchange::Answered(Reply { http_status, retry_after: None, body });
                let verdict = find(api, &exchange).verdict(api);
                assert!(verdict.outcome != Outcome::Refused || api == Api::Recall, "{verdict:?}");
                let explained = codes::explain(&verdict.code).is_some();
                assert!(explained || verdict.code == "brand.new" || http_status >= 600, "{verdict:?}");
            }
        }
    }

    #[test]
    fn every_way_a_call_can_fail_gets_a_verdict_that_can_be_explained() {
        let cause = || "connection refused".to_owned();
        let cut_off = |timed_out| Exchange::CutOff { timed_out, http_status: None };
        let not_connected = |step| Exchange::NotConnected { step, cause: cause() };
        for (exchange, word) in [
            (not_connected(Step::Dns), "dns"),
            (not_connected(Step::Connect), "connect"),
            (not_connected(Step::Tls), "tls"),
            (cut_off(true), "timeout"),
            (cut_off(false), "connection_lost"),
        ] {
            let Err(Rejection { verdict, token_rejected: false }) = of_send(&exchange) else { panic!("{word}") };
            assert_eq!((verdict.outcome, verdict.code.as_str()), (Outcome::Unavailable, word));
            assert_eq!(verdict.may_have_arrived, verdict.hint.contains("may have arrived"), "{}", verdict.hint);
            assert_eq!(verdict.hint.contains(&cause()), !verdict.may_have_arrived, "{}", verdict.hint);
            assert!(codes::explain(word).is_some());
        }
    }

    #[test]
    fn credentials_that_are_not_known_in_one_region_are_looked_for_in_the_other() {
        let hint = |code: &str, host| {
            let body = Body::read("application/json", format!("{{\"code\":\"{code}\"}}").as_bytes(), true);
            let exchange = Exchange::Answered(Reply { http_status: 400, retry_after: None, body });
            of_token(&exchange, host).err().map(|verdict| verdict.hint).unwrap_or_default()
        };
        assert!(hint("invalidClientIdOrSecret", "api.dingtalk.io").ends_with("needs region: cn."));
        assert!(hint("invalidClientIdOrSecret", "api.dingtalk.com").ends_with("needs region: intl."));
        for (code, host) in [("invalidClientIdOrSecret", "127.0.0.1"), ("system.error", "api.dingtalk.io")] {
            assert!(!hint(code, host).contains("needs region"), "{code} {host}");
        }
    }

    #[test]
    fn a_status_that_was_cut_off_still_tells_whether_the_message_may_have_arrived() {
        let arrived = |http_status| {
            let exchange = Exchange::CutOff { timed_out: true, http_status };
            of_send(&exchange).is_err_and(|rejection| rejection.verdict.may_have_arrived)
        };
        assert_eq!([Some(200), Some(400), Some(502), None].map(arrived), [true, false, true, true]);
    }
}
