//! What one DingTalk call carries, and the log of the tries to send it.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::name::MessageId;
use crate::model::outcome::{Outcome, Verdict};

/// DingTalk's message template.
///
/// Source: <https://open.dingtalk.com/document/orgapp/types-of-messages-sent-by-robots>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MsgKey {
    /// `content`: plain text, which the push banner shows the beginning of.
    #[serde(rename = "sampleText")]
    Text,
    /// `title` (the push banner) and `text` (markdown).
    #[serde(rename = "sampleMarkdown")]
    Markdown,
    /// `title`, `text`, and one button: `singleTitle`, `singleURL`.
    #[serde(rename = "sampleActionCard")]
    ActionCard,
    /// `title`, `text`, and two buttons, one below the other: `actionTitle1`, `actionURL1`, and so on.
    #[serde(rename = "sampleActionCard2")]
    ActionCard2,
    /// The same with three.
    #[serde(rename = "sampleActionCard3")]
    ActionCard3,
    /// The same with four.
    #[serde(rename = "sampleActionCard4")]
    ActionCard4,
    /// The same with five.
    #[serde(rename = "sampleActionCard5")]
    ActionCard5,
    /// `title`, `text`, and two buttons side by side: `buttonTitle1`, `buttonUrl1` (so spelt), and so on.
    #[serde(rename = "sampleActionCard6")]
    ActionCard6,
}

impl MsgKey {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "sampleText",
            Self::Markdown => "sampleMarkdown",
            Self::ActionCard => "sampleActionCard",
            Self::ActionCard2 => "sampleActionCard2",
            Self::ActionCard3 => "sampleActionCard3",
            Self::ActionCard4 => "sampleActionCard4",
            Self::ActionCard5 => "sampleActionCard5",
            Self::ActionCard6 => "sampleActionCard6",
        }
    }
}

impl fmt::Display for MsgKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A message as `compose` makes it: ready for the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The template.
    pub msg_key: MsgKey,
    /// The template's fields as DingTalk wants them: a JSON object, encoded.
    pub msg_param: String,
}

/// A message as the store remembers it. Field names are the API's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The template; `None` when the process ended before the message was composed.
    pub msg_key: Option<String>,
    /// The template's fields, encoded as on the wire.
    pub msg_param: Option<String>,
    /// UTF-8 bytes of `msg_param`.
    pub bytes: Option<u64>,
    /// How many deliveries it carries.
    pub deliveries: u64,
    /// DingTalk's receipt of admission.
    pub process_query_key: Option<String>,
    /// What DingTalk last said of it when asked: `SUCCESS`, `PROCESSING`; `RECALLED` also once a human has taken it back.
    pub send_status: Option<String>,
    /// How many have read it, as far as asked.
    pub readers: Option<u64>,
}

/// One try to send a message, as the store remembers it. Field names are the API's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempt {
    /// When the call was about to be made.
    pub at: Timestamp,
    /// What came of it; `None` while the call is under way.
    pub outcome: Option<Outcome>,
    /// DingTalk's code, or our word for what happened on the way (`timeout`, `connect`, …).
    pub code: Option<String>,
    /// The HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// The template it was sent as.
    pub msg_key: Option<String>,
    /// From the call to its answer, in milliseconds.
    pub duration_ms: Option<u64>,
    /// Whether DingTalk may have shown the message although it did not say so.
    pub may_have_arrived: bool,
    /// What the code means and how to mend it.
    pub hint: Option<String>,
}

/// Where a message goes.
#[derive(Debug, Clone)]
pub struct Target {
    /// The robot.
    pub robot_code: String,
    /// The group.
    pub open_conversation_id: String,
    /// The cool app, if the robot was installed through one.
    pub cool_app_code: Option<String>,
}

/// How a call ended.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The `processQueryKey`, DingTalk's receipt of admission; or what its answer means.
    pub result: Result<String, Verdict>,
    /// From the call to its answer, a repeat with a fresh token included.
    pub took: Duration,
}

/// How long after a send DingTalk says who has read the message; then it has forgotten. For groups this is inferred
/// and not documented; asking a little too long costs calls and harms nothing.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// One page of those who have read a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readers {
    /// How the message stands, in DingTalk's word: `SUCCESS`, `PROCESSING` or `RECALLED`.
    pub send_status: String,
    /// The user ids of this page, at most 200.
    pub user_ids: Vec<String>,
    /// What to ask with for the next page, if there is one.
    pub next: Option<String>,
}

/// DingTalk's word for a message that was taken back. It is final.
pub const RECALLED: &str = "RECALLED";

impl Readers {
    /// Whether DingTalk is not done with the message: it does not know all of its readers.
    pub fn is_processing(&self) -> bool {
        self.send_status == "PROCESSING"
    }

    /// Whether the message was taken back: nobody will read it any more.
    pub fn is_recalled(&self) -> bool {
        self.send_status == RECALLED
    }
}
