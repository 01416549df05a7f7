//! What an action came to, told on the page it leads to.
//!
//! There is no session: the word travels in the query. It is one of a closed set, so nobody can make the page say
//! something else by a link.

/// An action that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// A delivery waits again.
    Redriven,
    /// Another delivery brings the event to another receiver.
    HandedOver,
    /// A delivery was called off.
    Cancelled,
    /// Many deliveries go on.
    RedrivenMany,
    /// Many deliveries were called off.
    CancelledMany,
    /// A message was taken back.
    Recalled,
    /// DingTalk was asked who has read a message.
    Refreshed,
    /// A lane was paused.
    Paused,
    /// A lane goes on.
    Resumed,
}

impl Notice {
    const ALL: [Self; 9] = [
        Self::Redriven,
        Self::HandedOver,
        Self::Cancelled,
        Self::RedrivenMany,
        Self::CancelledMany,
        Self::Recalled,
        Self::Refreshed,
        Self::Paused,
        Self::Resumed,
    ];

    /// The word in the query.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Redriven => "redriven",
            Self::HandedOver => "handed_over",
            Self::Cancelled => "cancelled",
            Self::RedrivenMany => "redriven_many",
            Self::CancelledMany => "cancelled_many",
            Self::Recalled => "recalled",
            Self::Refreshed => "refreshed",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
        }
    }

    /// The notice of that word.
    pub(super) fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notice| notice.as_str() == word)
    }

    /// What the person is told.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Redriven => "The delivery is back in the queue.",
            Self::HandedOver => "This delivery has taken over and is in the queue of its receiver.",
            Self::Cancelled => "The delivery was cancelled.",
            Self::RedrivenMany => "The deliveries are in the queue.",
            Self::CancelledMany => "The deliveries were cancelled.",
            Self::Recalled => "The message was taken back.",
            Self::Refreshed => "DingTalk was asked; this is its latest answer.",
            Self::Paused => "The lane is paused. What arrives for it waits.",
            Self::Resumed => "The lane goes on.",
        }
    }
}
