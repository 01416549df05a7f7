//! What the store is told and asked of receipts: whom to ask about next, what pays for it, what was learned.
//!
//! Plain data between the room of receipts and the store. A message stands here with what it takes to ask DingTalk
//! about it; how that is asked and when again is not known here.

use jiff::Timestamp;

use crate::model::month::Month;
use crate::model::name::{ChannelKey, MessageId, Name};

/// A message whose readers are to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The message.
    pub message: MessageId,
    /// The receiver it was sent for.
    pub receiver: String,
    /// The channel it went through: only its robot may ask, in its group.
    pub channel: ChannelKey,
    /// DingTalk's receipt of admission, by which it knows the message.
    pub process_query_key: String,
    /// When the call was made that sent it.
    pub sent_at: Timestamp,
    /// When it is to be asked.
    pub due_at: Timestamp,
}

/// What pays for one query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purse {
    /// Whose month.
    pub organisation: Name,
    /// Which month.
    pub month: Month,
    /// How many calls that month may make in all; `None`: no quota.
    pub calls_per_month: Option<u64>,
    /// How many of them may be queries.
    pub receipt_calls_per_month: u64,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// The message.
    pub message: MessageId,
    /// How it stands, in DingTalk's word; `None`: there was no answer, and what is known stays.
    pub send_status: Option<String>,
    /// Who has read it, by user id: a page of them. Those that are known already keep their time.
    pub readers: Vec<String>,
    /// When to ask again; `None`: never, it is complete.
    pub ask_at: Option<Timestamp>,
    /// The purse of a query that DingTalk did not count: its unit is given back.
    pub give_back: Option<Purse>,
}
