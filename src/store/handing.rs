//! What a lane says when another one takes over: whose queue, to whom, and what a person is to read about it.
//!
//! The texts are made by `dispatch`; the store writes them down and knows nothing of blocks and fallbacks. What it
//! does keep is that a delivery is handed over once: one that took over another, or that was taken over, stays.

use crate::model::name::Name;

/// Who takes over a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heir {
    /// The receiver.
    pub receiver: Name,
    /// Markdown that its message shows above the footer: why it is there. May be empty.
    pub note: String,
}

impl Heir {
    /// A receiver whose message says nothing of it: a human hands over, and knows why.
    pub fn told_nothing(receiver: &Name) -> Self {
        Self { receiver: receiver.clone(), note: String::new() }
    }
}

/// What waits in a lane is to be handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOver {
    /// The lane.
    pub receiver: Name,
    /// Who takes over.
    pub to: Heir,
    /// What the deliveries that are handed over say of themselves.
    pub reason: String,
    /// Whether every order key stays of which something is critical: the month still has calls for those.
    pub keeps_critical: bool,
    /// At most so many at a time: a transaction must not keep webhooks waiting.
    pub limit: usize,
}
