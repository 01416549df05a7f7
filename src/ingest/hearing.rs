//! What of an event its receivers want to hear, and what of it waits for company. Pure.
//!
//! Behind the routes and before the templates, so that a message never names what its receiver does not want to hear
//! of, and a preview, which goes the same way, can say that something came here and was left out.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::Receiver;
use crate::config::digest::{Mode, SendResolved};
use crate::model::event::{Item, Severity, Status};
use crate::model::name::Name;
use crate::routing::Group;

/// How long what is over waits for company where a receiver wants it merged.
pub const MERGED: Duration = Duration::from_secs(10 * 60);

/// Takes out of what goes to a receiver what it does not want to hear of.
pub(super) fn heard<'e>(group: Group<'e>, receivers: &BTreeMap<Name, Receiver>) -> Group<'e> {
    let wants = receivers.get(group.receiver).map_or(SendResolved::Always, |receiver| receiver.send_resolved);
    let (items, unheard) = group.items.into_iter().partition(|item| is_heard(wants, item));
    Group { items, unheard, ..group }
}

/// How long a delivery of these items waits for company, where its source waits for `source`. Not at all where nothing
/// is told together: none would come.
pub(super) fn gathers(receiver: Option<&Receiver>, items: &[&Item], source: Duration) -> Duration {
    if receiver.is_some_and(|receiver| receiver.digest.mode == Mode::Never) {
        return Duration::ZERO;
    }
    let merges = receiver.is_some_and(|receiver| receiver.send_resolved == SendResolved::Merged);
    let over = if merges && items.iter().all(|item| item.status == Status::Resolved) { MERGED } else { Duration::ZERO };
    let is_critical = items.iter().any(|item| item.severity == Severity::Critical);
    if is_critical { over } else { over.max(source) }
}

fn is_heard(wants: SendResolved, item: &Item) -> bool {
    item.status != Status::Resolved
        || match wants {
            SendResolved::Always | SendResolved::Merged => true,
            SendResolved::Critical => item.severity == Severity::Critical,
            SendResolved::Never => false,
        }
}
