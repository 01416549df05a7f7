//! Taking messages back: one, or many with what became of each.
//!
//! A recall names a robot, a group, and at most [`Undone::MOST`] of its messages; many are told apart by that, and each
//! such part is one call of the month. DingTalk decides what is too old. It takes back the *message*: of a digest, what
//! all of its deliveries brought. They stay `delivered`, because they were; the message says `RECALLED`, and one that
//! says so costs no further call. What was taken back is stored part by part, so what fails later undoes nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::gate::Gate;
use crate::gate::aside::{Failed, said};
use crate::model::call::{Call, Undone};
use crate::model::message::{RECALLED, Target};
use crate::model::name::MessageId;
use crate::model::outcome::{Outcome, Scope, Verdict};
use crate::model::record::{Carried, MessageRecord};
use crate::operator::Operator;
use crate::operator::actions::ActionError;
use crate::operator::messages::sent;
use crate::store::receipts::TakenBack;

/// How many messages may be recalled in one request.
pub const MOST: usize = 100;

/// What became of a recall.
#[derive(Debug, Default, Serialize)]
pub struct Recalled {
    /// Those that are taken back.
    pub recalled: Vec<RecalledMessage>,
    /// Why others are not, by message.
    pub failed: BTreeMap<String, String>,
}

/// A message that is taken back.
#[derive(Debug, Serialize)]
pub struct RecalledMessage {
    /// The message.
    pub message: MessageId,
    /// The deliveries it carried: nobody can read any of them in the group any more.
    pub deliveries: Vec<Carried>,
}

/// Messages that one call can take back: one robot's in one group.
struct Part {
    target: Target,
    messages: Vec<(String, MessageRecord)>,
}

impl Operator {
    /// Takes one message back. One that was taken back before, or that DingTalk never admitted, costs no call.
    pub async fn recall(&self, message_id: &str, now: Timestamp) -> Result<Recalled, ActionError> {
        let record = self.message(message_id).await?;
        let part = part_of(record)?;
        let mut done = Recalled::default();
        self.recall_part(part, &mut done, now).await?;
        match done.failed.pop_first() {
            Some((_, why)) => Err(ActionError::Conflict(format!("DingTalk did not take it back: {why}"))),
            None => Ok(done),
        }
    }

    /// Takes many messages back, at most [`MOST`], and says of each what became of it. Fails as a whole where nothing was
    /// taken back because no call could be made.
    pub async fn recall_many(&self, ids: &[String], now: Timestamp) -> Result<Recalled, ActionError> {
        if ids.is_empty() || ids.len() > MOST {
            return Err(ActionError::NotUnderstood(format!("`messages` must name from 1 to {MOST} messages")));
        }
        let mut done = Recalled::default();
        let each: BTreeSet<_> = ids.iter().collect();
        let parts = self.parts(&each, &mut done).await?;
        let mut put_off = None;
        for part in parts {
            let ids: Vec<_> = part.messages.iter().map(|(_, record)| record.message.id.0.clone()).collect();
            if let Err(why) = self.recall_part(part, &mut done, now).await {
                done.failed.extend(ids.into_iter().map(|id| (id, why.to_string())));
                put_off = Some(why);
            }
        }
        match put_off {
            Some(why) if done.recalled.is_empty() => Err(why),
            _ => Ok(done),
        }
    }

    /// The calls it takes. Those that need none are judged at once.
    async fn parts(&self, ids: &BTreeSet<&String>, done: &mut Recalled) -> Result<Vec<Part>, ActionError> {
        let mut parts: Vec<Part> = Vec::new();
        for id in ids {
            let part = match self.message(id).await.and_then(part_of) {
                Ok(part) => part,
                Err(ActionError::Store(error)) => return Err(error.into()),
                Err(why) => {
                    done.failed.insert((*id).clone(), why.to_string());
                    continue;
                }
            };
            let room = parts.iter_mut().find(|known| known.takes(&part));
            match room {
                Some(known) => known.messages.extend(part.messages),
                None => parts.push(part),
            }
        }
        Ok(parts)
    }

    async fn recall_part(&self, part: Part, done: &mut Recalled, mut now: Timestamp) -> Result<(), ActionError> {
        let Some((_, first)) = part.messages.first() else { return Ok(()) };
        let gate = self.gate_of(first)?;
        let paid = gate.by_hand(Call::Recall, &mut now).await?;
        let keys: Vec<_> = part.messages.iter().map(|(key, _)| key.clone()).collect();
        let answer = gate.recall(&paid, &part.target, &keys, now).await?;
        let undone = match answer {
            Ok(undone) => undone,
            Err(Failed { verdict, give_back }) => {
                let nothing = TakenBack { messages: vec![], give_back };
                self.store.save_recall(&paid.ownership, nothing).await.map_err(|error| gate.noticed(error))?;
                return Err(not_recalled(&gate, &verdict, now));
            }
        };
        let taken_back: Vec<_> = part.messages.iter().filter(|(key, _)| undone.recalled.contains(key)).collect();
        let messages: Vec<_> = taken_back.iter().map(|(_, record)| record.message.id.clone()).collect();
        tracing::warn!(app = %gate.app(), ?messages, failed = undone.failed.len(), "an operator took messages back");
        let taken_back = TakenBack { messages, give_back: None };
        if let Err(error) = self.store.save_recall(&paid.ownership, taken_back).await {
            let error = gate.noticed(error);
            tracing::error!(app = %gate.app(), %error, "messages were taken back, and that could not be stored");
            return Err(ActionError::NotNow { why: NOT_NOTED.to_owned(), until: None });
        }
        done.add(part, undone);
        Ok(())
    }
}

impl Part {
    fn takes(&self, other: &Self) -> bool {
        let channel = |of: &Self| of.messages.first().map(|(_, record)| record.channel.clone());
        self.messages.len() + other.messages.len() <= Undone::MOST && channel(self) == channel(other)
    }
}

impl Recalled {
    fn add(&mut self, part: Part, mut undone: Undone) {
        for (key, MessageRecord { message, carried, .. }) in part.messages {
            if undone.recalled.contains(&key) {
                self.recalled.push(RecalledMessage { message: message.id, deliveries: carried });
            } else {
                self.failed.insert(message.id.0, undone.failed.remove(&key).unwrap_or_default());
            }
        }
    }
}

const NOT_NOTED: &str = "it was taken back, and the store could not note it: it will go on being shown as sent";

/// The call that takes a message back, unless there is nothing to take back.
fn part_of(record: MessageRecord) -> Result<Part, ActionError> {
    if record.message.send_status.as_deref() == Some(RECALLED) {
        return Err(ActionError::Conflict("it was taken back already".to_owned()));
    }
    let sent = sent(&record)?;
    Ok(Part { target: sent.target, messages: vec![(sent.process_query_key, record)] })
}

fn not_recalled(gate: &Gate, verdict: &Verdict, now: Timestamp) -> ActionError {
    let (why, until) = (said(verdict), gate.open_again(Call::Recall, now));
    match (verdict.outcome, verdict.scope) {
        (Outcome::Refused | Outcome::Blocked, Scope::Message | Scope::Channel) => {
            ActionError::Conflict(format!("DingTalk did not take it back: {why}"))
        }
        (Outcome::Unavailable, _) if !verdict.uncounted => {
            let why = format!("nobody knows whether it was taken back: {why}; to recall it again harms nothing");
            ActionError::NotNow { why, until }
        }
        _ => ActionError::NotNow { why: format!("it was not taken back: {why}"), until },
    }
}
