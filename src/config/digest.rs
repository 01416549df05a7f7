//! What of a receiver's keys says how it is told: what of what is over, what together, and what again.
//!
//! Plain data in the shape of the file, and its reading. What may go alone and what gathers is decided in `dispatch`,
//! what an event's items come to in `ingest`, and what a digest looks like in `compose`.

use std::time::Duration;

use crate::config::scalar::{one_of, positive_u32, wait};
use crate::config::section::Section;
use crate::model::content::Unchanged;

/// What a receiver is told of what is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendResolved {
    /// All of it, at once.
    Always,
    /// All of it; a delivery that tells of nothing else waits for company for a while.
    Merged,
    /// Only what was critical.
    Critical,
    /// Nothing of it.
    Never,
}

/// What of a receiver's deliveries is told together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Whether they gather.
    pub mode: Mode,
    /// How long what is not critical gathers.
    pub window: Duration,
    /// How many items are shown one by one.
    pub max_items: usize,
    /// Nothing is overtaken by worse for longer than this, counted while the lane flows.
    pub max_wait: Duration,
    /// What has waited for longer is late, and is told after all that has not, unless it is critical or overdue.
    pub stale_after: Duration,
    /// What becomes of items that have not changed since the group was told of last.
    pub unchanged: Unchanged,
}

/// Whether deliveries gather.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// While more wait than may go.
    Auto,
    /// What is not critical always does.
    Always,
    /// Each goes by itself.
    Never,
}

/// `send_resolved`.
pub(crate) fn send_resolved(receiver: &Section<'_>) -> Option<SendResolved> {
    let words = [
        ("always", SendResolved::Always),
        ("merged", SendResolved::Merged),
        ("critical", SendResolved::Critical),
        ("never", SendResolved::Never),
    ];
    receiver.required("send_resolved", one_of(&words))
}

/// `digest` and the keys that belong to it.
pub(crate) fn digest(receiver: &Section<'_>) -> Option<Digest> {
    let modes = [("auto", Mode::Auto), ("always", Mode::Always), ("never", Mode::Never)];
    let unchanged = [("fold", Unchanged::Fold), ("show", Unchanged::Show), ("drop", Unchanged::Drop)];
    let mode = receiver.required("digest", one_of(&modes));
    let window = receiver.required("digest_window", wait);
    let max_items = receiver.required("digest_max_items", positive_u32);
    let max_wait = receiver.required("max_wait", wait);
    let stale_after = receiver.required("stale_after", wait);
    let unchanged = receiver.required("unchanged", one_of(&unchanged));
    Some(Digest {
        mode: mode?,
        window: window?,
        max_items: usize::try_from(max_items?.get()).unwrap_or(usize::MAX),
        max_wait: max_wait?,
        stale_after: stale_after?,
        unchanged: unchanged?,
    })
}
