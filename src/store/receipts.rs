//! What the store is told and asked of receipts and recalls: whom to ask about next, what pays for a call, what came of
//! it.
//!
//! Plain data between those who call and the store. A message stands here with what it takes to ask DingTalk about it;
//! how that is asked and when again is not known here.

use jiff::Timestamp;

use crate::model::call::Call;
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
    /// Whether DingTalk has answered before.
    pub answered: bool,
}

/// What pays for one call that sends nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purse {
    /// What the call is for.
    pub call: Call,
    /// Whose month.
    pub organisation: Name,
    /// Which month.
    pub month: Month,
    /// How many calls that month may make in all; `None`: no quota.
    pub calls_per_month: Option<u64>,
    /// How many of them may be calls of this kind before this one is too many; `None`: it asks the month alone.
    pub share: Option<u64>,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// The message.
    pub message: MessageId,
    /// How it stands, in DingTalk's word; `None`: there was no answer, and what is known stays. A message that was
    /// taken back stays so: an answer may have been on its way when it was.
    pub send_status: Option<String>,
    /// Who has read it, by user id: a page of them. Those that are known already keep their time.
    pub readers: Vec<String>,
    /// When to ask again.
    pub then: Then,
    /// The purse of a query that DingTalk did not count: its unit is given back.
    pub give_back: Option<Purse>,
}

/// When a message is asked about again without a human.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// At this time.
    At(Timestamp),
    /// Never: it is complete.
    Never,
    /// When it would have been anyway.
    AsPlanned,
}

/// What came of a recall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBack {
    /// The messages that are taken back; may be none.
    pub messages: Vec<MessageId>,
    /// The purse of a call that DingTalk did not count: its unit is given back.
    pub give_back: Option<Purse>,
}
