//! What an action came to, told on the page it leads to.
//!
//! There is no session: the word travels in the query. It is one of a closed set, so nobody can make the page say
//! something else by a link.

/// An action that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// A delivery waits again.
    Redriven,
    /// Deliveries wait again.
    RedrivenAll,
    /// A delivery was called off.
    Cancelled,
    /// A lane was paused.
    Paused,
    /// A lane goes on.
    Resumed,
    /// A message was taken back.
    Recalled,
    /// DingTalk was asked who has read a message.
    Refreshed,
}

impl Notice {
    const ALL: [Self; 7] = [
        Self::Redriven,
        Self::RedrivenAll,
        Self::Cancelled,
        Self::Paused,
        Self::Resumed,
        Self::Recalled,
        Self::Refreshed,
    ];

    /// The word in the query.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Redriven => "redriven",
            Self::RedrivenAll => "redriven_all",
            Self::Cancelled => "cancelled",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Recalled => "recalled",
            Self::Refreshed => "refreshed",
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
            Self::RedrivenAll => "The dead deliveries are back in the queue.",
            Self::Cancelled => "The delivery was cancelled.",
            Self::Paused => "The lane is paused. What arrives for it waits.",
            Self::Resumed => "The lane goes on.",
            Self::Recalled => "The message was recalled.",
            Self::Refreshed => "DingTalk was asked; this is its latest answer.",
        }
    }
}
