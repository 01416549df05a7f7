//! Faults on request: what the next calls of an API draw instead of the answer they would get.
//!
//! A fault is ordered through `POST /sim/faults` or [`crate::simulator::Simulator::fault`] and waits in its API's
//! queue; each call draws from the front before anything else is looked at. A call that draws one keeps no message,
//! counts against no limit and meets no check, with two exceptions: [`Answer::ResetAfter`] and [`Answer::Half`] are
//! served whole and only then lose their answer, or half of it. How the odd ones reach the wire is the affair of `wire` and `connection`.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

/// The APIs that are simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// `POST /v1.0/oauth2/accessToken` and `…/corpAccessToken`.
    Token,
    /// `POST /v1.0/robot/groupMessages/send`.
    Send,
    /// `POST /v1.0/robot/groupMessages/query`.
    Query,
    /// `POST /v1.0/robot/groupMessages/recall`.
    Recall,
}

/// What a call draws.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Answer {
    /// An error body with this code.
    Code {
        /// The HTTP status, 200 to 599.
        status: u16,
        /// DingTalk's code.
        code: String,
    },
    /// A gateway's page: HTML where JSON was expected.
    Html {
        /// The HTTP status, 200 to 599; 502 unless said.
        status: u16,
    },
    /// The address ban: `200 {"status":1111,"punish":"deny"}`.
    Punish,
    /// `200 {}`: a success without a key.
    EmptyOk,
    /// `200 {"errcode":404,…}`, what DingTalk says to a path it does not know.
    Errcode404,
    /// No answer for as long as the client keeps the connection.
    Hang,
    /// The connection is reset; no message is kept.
    ResetBefore,
    /// The call is served whole, then the connection is reset before a byte of the answer is written.
    ResetAfter,
    /// 302 to another path of the simulator.
    Redirect,
    /// An answer that begins well and never ends, a byte at a time.
    Drip,
    /// The call is served whole, then the connection is closed in the middle of the answer.
    Half,
}

/// An answer as it is written in JSON: `{"status","code"}` or `{"kind"}`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Html,
    Punish,
    EmptyOk,
    #[serde(rename = "errcode_404")]
    Errcode404,
    Hang,
    ResetBefore,
    ResetAfter,
    Redirect,
    Drip,
    Half,
}

impl TryFrom<Written> for Answer {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written { kind, status, code } = written;
        if status.is_some_and(|status| !(200..600).contains(&status)) {
            return Err("an answer's status lies between 200 and 599");
        }
        match (kind, status, code) {
            (None, Some(status), Some(code)) => Ok(Self::Code { status, code }),
            (None, _, _) => Err("an answer has a status and a code, or a kind"),
            (Some(Kind::Html), status, None) => Ok(Self::Html { status: status.unwrap_or(502) }),
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                Err("an answer of a kind has no code, and only html has a status")
            }
            (Some(Kind::Punish), None, None) => Ok(Self::Punish),
            (Some(Kind::EmptyOk), None, None) => Ok(Self::EmptyOk),
            (Some(Kind::Errcode404), None, None) => Ok(Self::Errcode404),
            (Some(Kind::Hang), None, None) => Ok(Self::Hang),
            (Some(Kind::ResetBefore), None, None) => Ok(Self::ResetBefore),
            (Some(Kind::ResetAfter), None, None) => Ok(Self::ResetAfter),
            (Some(Kind::Redirect), None, None) => Ok(Self::Redirect),
            (Some(Kind::Drip), None, None) => Ok(Self::Drip),
            (Some(Kind::Half), None, None) => Ok(Self::Half),
        }
    }
}

impl From<Answer> for Written {
    fn from(answer: Answer) -> Self {
        let of = |kind| Self { kind: Some(kind), ..Self::default() };
        match answer {
            Answer::Code { status, code } => Self { kind: None, status: Some(status), code: Some(code) },
            Answer::Html { status } => Self { status: Some(status), ..of(Kind::Html) },
            Answer::Punish => of(Kind::Punish),
            Answer::EmptyOk => of(Kind::EmptyOk),
            Answer::Errcode404 => of(Kind::Errcode404),
            Answer::Hang => of(Kind::Hang),
            Answer::ResetBefore => of(Kind::ResetBefore),
            Answer::ResetAfter => of(Kind::ResetAfter),
            Answer::Redirect => of(Kind::Redirect),
            Answer::Drip => of(Kind::Drip),
            Answer::Half => of(Kind::Half),
        }
    }
}

impl Answer {
    /// Whether the call is served before it draws this: the message is kept, and the client cannot know.
    pub(crate) fn comes_after_serving(&self) -> bool {
        matches!(self, Self::ResetAfter | Self::Half)
    }

    /// An error of DingTalk's with this status and code.
    pub fn code(status: u16, code: &str) -> Self {
        Self::Code { status, code: code.to_owned() }
    }
}

/// An order: the next `times` calls of `api` draw `answer`, after the orders before it are used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Whose calls.
    pub api: Api,
    /// How many of them. 0 orders nothing.
    pub times: u32,
    /// What they draw.
    pub answer: Answer,
}

/// The orders that are not used up.
#[derive(Debug, Default)]
pub(crate) struct Faults(HashMap<Api, VecDeque<Fault>>);

impl Faults {
    /// Puts an order behind those of its API.
    pub(crate) fn order(&mut self, fault: Fault) {
        if fault.times > 0 {
            self.0.entry(fault.api).or_default().push_back(fault);
        }
    }

    /// What a call of `api` draws, if anything is ordered.
    pub(crate) fn draw(&mut self, api: Api) -> Option<Answer> {
        let queue = self.0.get_mut(&api)?;
        let first = queue.front_mut()?;
        first.times -= 1;
        let answer = first.answer.clone();
        if first.times == 0 {
            queue.pop_front();
        }
        Some(answer)
    }

    /// Nothing is ordered any more.
    pub(crate) fn call_off(&mut self) {
        self.0.clear();
    }

    /// The orders that wait, API by API.
    pub(crate) fn waiting(&self) -> Vec<&Fault> {
        [Api::Token, Api::Send, Api::Query, Api::Recall].iter().filter_map(|api| self.0.get(api)).flatten().collect()
    }
}
