//! One message: shown whole, who has read it, and asking DingTalk for that now.
//!
//! The design has recalls and refreshes as commands stored for the process that owns the app. With SQLite that is always
//! this one, so they are done at once, under the app's ownership like a send, and nothing is stored before: whoever asks
//! hears what came of it. Shapes are the API's; HTTP is not known here.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::gate::Gate;
use crate::gate::aside::PutOff;
use crate::model::message::Target;
use crate::model::name::MessageId;
use crate::model::outcome::Outcome;
use crate::model::record::{MessageRecord, Reader};
use crate::operator::Operator;
use crate::operator::actions::ActionError;
use crate::receipts::refresh::{self, Sent, Unlearned};

/// Who has read a message, as far as DingTalk was asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Receipts {
    /// How the message stands, in DingTalk's word; `None`: it never said.
    pub send_status: Option<String>,
    /// Who has read it, those we learned of first before the others.
    pub readers: Vec<Reader>,
    /// When DingTalk answered last; `None`: never, so nothing is known of readers.
    pub asked_at: Option<Timestamp>,
    /// Whether the relay is done with it: see [`crate::model::record::Asking::complete`].
    pub complete: bool,
}

/// One message as the API shows it: as in a delivery, with `deliveries` as a list, its `attempt_log`, and `receipts`.
pub fn shown(record: &MessageRecord) -> Value {
    let mut shown = json!(record.message);
    shown["app"] = json!(record.app);
    shown["deliveries"] = json!(record.carried);
    shown["attempt_log"] = json!(record.attempt_log);
    shown["receipts"] = json!(record.receipts);
    shown
}

impl Operator {
    /// One message with its deliveries and attempts.
    pub async fn message(&self, id: &str) -> Result<MessageRecord, ActionError> {
        let record = self.store.message(&MessageId(id.to_owned())).await?;
        record.ok_or_else(|| ActionError::NoSuch(NO_SUCH.to_owned()))
    }

    /// Who has read a message, as far as is known. Asks nobody.
    pub async fn receipts(&self, id: &str) -> Result<Receipts, ActionError> {
        let record = self.message(id).await?;
        let readers = self.store.readers(&record.message.id).await?;
        let (asked_at, complete) = (record.receipts.asked_at, record.receipts.complete);
        Ok(Receipts { send_status: record.message.send_status, readers, asked_at, complete })
    }

    /// The same after asking DingTalk now, whether the receiver wants receipts or not: a call of the month for every 200
    /// readers. A human's asking may go beyond the share of the month that receipts have, never beyond the month.
    pub async fn refresh_receipts(&self, id: &str, now: Timestamp) -> Result<Receipts, ActionError> {
        let record = self.message(id).await?;
        let (sent, gate) = (sent(&record)?, self.gate_of(&record)?);
        refresh::refresh(&gate, &*self.store, &sent, now).await?;
        self.receipts(id).await
    }

    /// The gate of the app that sent a message.
    pub(in crate::operator) fn gate_of(&self, record: &MessageRecord) -> Result<Arc<Gate>, ActionError> {
        let gate = record.app.parse().ok().and_then(|app| (self.gates)(&app));
        gate.ok_or_else(|| {
            ActionError::Conflict(format!(
                "app {} sent it, and is configured no more: no other may touch it",
                record.app
            ))
        })
    }
}

pub(in crate::operator) const NO_SUCH: &str = "no message has this id";

/// What a message must have to be asked about or taken back.
pub(in crate::operator) fn sent(record: &MessageRecord) -> Result<Sent, ActionError> {
    let Some(key) = record.message.process_query_key.clone() else {
        let last = record.attempt_log.last().and_then(|attempt| attempt.outcome);
        return Err(ActionError::Conflict(not_sent(last).to_owned()));
    };
    let Some((robot_code, conversation)) = record.channel.robot_and_group() else {
        return Err(ActionError::Conflict("it did not go through an app robot".to_owned()));
    };
    let (robot_code, open_conversation_id) = (robot_code.to_owned(), conversation.to_owned());
    Ok(Sent {
        message: record.message.id.clone(),
        target: Target { robot_code, open_conversation_id, cool_app_code: None },
        process_query_key: key,
        sent_at: record.called_at,
        answered: record.receipts.asked_at.is_some(),
    })
}

fn not_sent(last: Option<Outcome>) -> &'static str {
    match last {
        None => "it is being sent: DingTalk has not admitted it yet",
        Some(_) => "DingTalk did not admit it, so it has no processQueryKey by which it could be named",
    }
}

impl From<Unlearned> for ActionError {
    fn from(unlearned: Unlearned) -> Self {
        match unlearned {
            Unlearned::NotNow { why, until } => Self::NotNow { why, until },
            Unlearned::Never(why) => Self::Conflict(why),
            Unlearned::Store(error) => Self::Store(error),
        }
    }
}

impl From<PutOff> for ActionError {
    fn from(put_off: PutOff) -> Self {
        match put_off {
            PutOff::NotNow(not_now) => Self::NotNow { why: not_now.why, until: Some(not_now.until) },
            PutOff::Store(error) => Self::Store(error),
        }
    }
}
