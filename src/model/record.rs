//! One message with everything that is known of it: what it carried, the tries to send it, who has read it.
//!
//! The delivery's counterpart stands with the delivery. Field names are the API's; absent values are `null`.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::content::Content;
use crate::model::delivery::State;
use crate::model::message::{Attempt, Message};
use crate::model::name::{ChannelKey, DeliveryId, EventId};

/// One message with everything the store knows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageRecord {
    /// The message.
    pub message: Message,
    /// The app that sent it; it may be configured no more.
    pub app: String,
    /// The channel it went through: only its robot may ask about it or take it back, in its group.
    pub channel: ChannelKey,
    /// When the call was made that sent it, or the last one that tried.
    pub called_at: Timestamp,
    /// The deliveries it carried, in the order of the lane.
    pub carried: Vec<Carried>,
    /// The tries, the first one first.
    pub attempt_log: Vec<Attempt>,
    /// How far its readers are known.
    pub receipts: Asking,
}

/// A delivery that a message carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// Its id.
    pub id: DeliveryId,
    /// The event it brings.
    pub event: EventId,
    /// The receiver it is brought to.
    pub receiver: String,
    /// Where it stands. What was delivered stays so when the message is taken back.
    pub state: State,
    /// What the push banner shows of it.
    pub title: String,
    /// The key it keeps its order by.
    #[serde(skip)]
    pub order_key: String,
    /// All that it says, if it can be read; the API has it by the delivery.
    #[serde(skip)]
    pub content: Option<Content>,
}

/// How far DingTalk was asked who has read a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Asking {
    /// When it answered last; `None`: never.
    pub asked_at: Option<Timestamp>,
    /// When it is asked next without a human; `None`: not at all.
    pub next_at: Option<Timestamp>,
    /// Whether the relay is done with it: all of `ask_after` was asked, or the message was taken back, or DingTalk has
    /// forgotten who has read it. Where receipts are off and nobody asked, it is not.
    pub complete: bool,
}

/// Somebody who has read a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reader {
    /// The person, as DingTalk names them.
    pub user_id: String,
    /// When we learned of it; DingTalk does not say when it was read.
    pub seen_at: Timestamp,
}
