//! The messages that were admitted: kept in order, queried, recalled, read.
//!
//! Every message stays until everything is forgotten (`DELETE /sim`): memory grows with what is sent, and that is
//! wanted, because the list is what a test or a person came to see. What a query says depends on the message's age:
//! first no data, then `PROCESSING`, then `SUCCESS`, a day later no data again, under the same code as at first.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::simulator::clock::age;
use crate::simulator::refusal::Refusal;

/// The ages at which a query's answer changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moments {
    /// A message younger than this has no data yet: `processQueryKey.expireTime`.
    pub data_after: Duration,
    /// A message younger than this is `PROCESSING`, afterwards it is a `SUCCESS`.
    pub success_after: Duration,
    /// A message of this age has no data any more: `processQueryKey.expireTime` again.
    pub expired_after: Duration,
}

impl Default for Moments {
    fn default() -> Self {
        Self {
            data_after: Duration::from_secs(1),
            success_after: Duration::from_secs(2),
            expired_after: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// What DingTalk says of a message. There is no word for a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SendStatus {
    /// Admitted a moment ago.
    Processing,
    /// In the group.
    Success,
    /// Taken back.
    Recalled,
}

/// A message that was admitted, as `GET /sim/messages` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Admitted {
    /// The receipt of admission, different for every message.
    pub process_query_key: String,
    /// The robot that spoke.
    pub robot_code: String,
    /// The group it spoke to.
    pub open_conversation_id: String,
    /// The group cool app, if one was named.
    pub cool_app_code: Option<String>,
    /// The template.
    pub msg_key: String,
    /// The template's parameters, decoded.
    pub msg_param: Map<String, Value>,
    /// How long the parameters were in their encoded form, in bytes; DingTalk takes 15,000.
    pub msg_param_bytes: usize,
    /// When it was admitted.
    pub at: Timestamp,
    /// What a query would say of it now.
    pub send_status: SendStatus,
}

/// What a send asks to be kept.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) robot_code: String,
    pub(crate) open_conversation_id: String,
    pub(crate) cool_app_code: Option<String>,
    pub(crate) msg_key: String,
    pub(crate) msg_param: Map<String, Value>,
    pub(crate) msg_param_bytes: usize,
}

/// What a query asks.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) robot_code: String,
    pub(crate) open_conversation_id: String,
    pub(crate) process_query_key: String,
    pub(crate) max_results: usize,
    pub(crate) next_token: Option<String>,
}

/// Every message, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    kept: Vec<Kept>,
    by_key: HashMap<String, usize>,
}

#[derive(Debug)]
struct Kept {
    process_query_key: String,
    draft: Draft,
    at: Timestamp,
    recalled: bool,
    readers: Vec<String>,
}

impl Kept {
    fn status(&self, moments: &Moments, now: Timestamp) -> SendStatus {
        if self.recalled {
            return SendStatus::Recalled;
        }
        if age(self.at, now) < moments.success_after { SendStatus::Processing } else { SendStatus::Success }
    }

    /// The cursor of a page. It names the message, so that one of another message is not taken for it.
    fn token_of(&self, start: usize) -> String {
        format!("{start:x}.{}", self.process_query_key)
    }

    fn start_of(&self, token: &str) -> Option<usize> {
        let (start, key) = token.split_once('.')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        (key == self.process_query_key && start < self.readers.len()).then_some(start)
    }
}

impl Messages {
    /// Keeps a message and gives it a key.
    pub(crate) fn keep(&mut self, draft: Draft, now: Timestamp) -> String {
        let process_query_key = self.fresh_key();
        self.by_key.insert(process_query_key.clone(), self.kept.len());
        let (recalled, readers) = (false, Vec::new());
        self.kept.push(Kept { process_query_key: process_query_key.clone(), draft, at: now, recalled, readers });
        process_query_key
    }

    /// A key of the alphabet DingTalk uses, so that a client which forgets to escape `+/=` is found out.
    fn fresh_key(&self) -> String {
        let mut letter = || match fastrand::u8(0..64) {
            62 => '+',
            63 => '/',
            _ => fastrand::alphanumeric(),
        };
        loop {
            let key: String = std::iter::repeat_with(&mut letter).take(43).chain(['=']).collect();
            if !self.by_key.contains_key(&key) {
                return key;
            }
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.kept.len()
    }

    /// All of them, in the order of their admission.
    pub(crate) fn show(&self, moments: &Moments, now: Timestamp) -> Vec<Admitted> {
        let show = |kept: &Kept| Admitted {
            process_query_key: kept.process_query_key.clone(),
            robot_code: kept.draft.robot_code.clone(),
            open_conversation_id: kept.draft.open_conversation_id.clone(),
            cool_app_code: kept.draft.cool_app_code.clone(),
            msg_key: kept.draft.msg_key.clone(),
            msg_param: kept.draft.msg_param.clone(),
            msg_param_bytes: kept.draft.msg_param_bytes,
            at: kept.at,
            send_status: kept.status(moments, now),
        };
        self.kept.iter().map(show).collect()
    }

    /// Notes that somebody has read a message; false if there is no such message.
    pub(crate) fn read(&mut self, process_query_key: &str, user_id: &str) -> bool {
        let Some(kept) = self.by_key.get(process_query_key).and_then(|at| self.kept.get_mut(*at)) else {
            return false;
        };
        if !kept.readers.iter().any(|reader| reader == user_id) {
            kept.readers.push(user_id.to_owned());
        }
        true
    }

    /// One page of those who have read a message.
    pub(crate) fn query(&self, question: &Question, moments: &Moments, now: Timestamp) -> Result<Value, Refusal> {
        let kept = self.find(question)?;
        let age = age(kept.at, now);
        if age < moments.data_after || age >= moments.expired_after {
            return Err(Refusal::bad("processQueryKey.expireTime", "there is no data yet, or no more"));
        }
        let start = match &question.next_token {
            None => 0,
            Some(token) => kept.start_of(token).ok_or_else(|| {
                Refusal::bad("invalidParameter.cursor.invalid", "this nextToken was not given for this message")
            })?,
        };
        let end = kept.readers.len().min(start + question.max_results);
        let mut page = json!({
            "sendStatus": kept.status(moments, now),
            "readUserIds": kept.readers[start..end],
            "hasMore": end < kept.readers.len(),
        });
        if end < kept.readers.len() {
            page["nextToken"] = json!(kept.token_of(end));
        }
        Ok(page)
    }

    fn find(&self, question: &Question) -> Result<&Kept, Refusal> {
        let kept = self.by_key.get(&question.process_query_key).map(|at| &self.kept[*at]);
        let Some(kept) = kept.filter(|kept| kept.draft.robot_code == question.robot_code) else {
            return Err(Refusal::bad("invalid.processQueryKey", "this robot sent no message of this key"));
        };
        if kept.draft.open_conversation_id != question.open_conversation_id {
            return Err(Refusal::bad("invalid.openConversationId", "the message went to another group"));
        }
        Ok(kept)
    }

    /// Takes messages back, each by itself: those that were, and why the others were not.
    pub(crate) fn recall(&mut self, robot_code: &str, conversation: &str, keys: &[String]) -> Value {
        let (mut done, mut failed) = (Vec::new(), BTreeMap::new());
        for key in keys {
            let kept = self.by_key.get(key).and_then(|at| self.kept.get_mut(*at));
            match kept.filter(|it| it.draft.robot_code == robot_code && it.draft.open_conversation_id == conversation) {
                Some(kept) if !kept.recalled => {
                    kept.recalled = true;
                    done.push(key);
                }
                Some(_) => drop(failed.insert(key, "the message was recalled before")),
                None => drop(failed.insert(key, "this robot sent no message of this key into this group")),
            }
        }
        json!({ "successResult": done, "failedResult": failed })
    }
}
