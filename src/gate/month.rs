//! A month that is used up by our own count: since when it is, and how it stands for the app.
//!
//! The store counts, for all apps of an organisation and over restarts. What is kept here is only that somebody has
//! found the month used up, so that lanes need not ask for a permit they cannot use. Since when it is so, the store
//! tells too: since the last call was taken, whoever finds it out and whenever.

use jiff::Timestamp;

use crate::dingtalk::codes;
use crate::gate::Gate;
use crate::model::health::{Block, Cause, Health};
use crate::model::language::Language;
use crate::model::month::Month;
use crate::model::name::Name;
use crate::store::{Store, StoreError};

impl Gate {
    /// Whether the month's calls were used up when somebody last looked.
    pub fn is_used_up(&self, month: Month) -> bool {
        self.inner().used_up.is_some_and(|(used_up, _)| used_up == month)
    }

    /// Remembers that the month that `now` falls into has no call left.
    pub async fn note_used_up(&self, now: Timestamp) -> Result<(), StoreError> {
        let month = Month::of(now);
        if !self.is_used_up(month) {
            let since = since_the_last_call(self.store.as_ref(), &self.organisation, month, now).await?;
            self.inner().used_up = Some((month, since));
            tracing::warn!(app = %self.app, organisation = %self.organisation, %month, "the month's calls are used up; its queue is kept");
        }
        Ok(())
    }

    /// Remembers that it has calls. One that DingTalk did not count is given back, so even a month that was used up may
    /// have one again.
    pub fn note_calls_left(&self) {
        self.inner().used_up = None;
    }

    /// Blocked if the month that `now` falls into is used up by our own count, else flowing.
    pub fn month(&self, now: Timestamp) -> Health {
        match self.inner().used_up {
            Some((month, since)) if month == Month::of(now) => Health::Blocked(used_up(month, since)),
            _ => Health::Flowing,
        }
    }
}

/// The month of `now` and since when it has no call left, if that is so by our own count.
pub(in crate::gate) async fn used_up_since(
    store: &dyn Store,
    organisation: &Name,
    limit: u64,
    now: Timestamp,
) -> Result<Option<(Month, Timestamp)>, StoreError> {
    let month = Month::of(now);
    if store.calls(organisation, month).await? < limit {
        return Ok(None);
    }
    Ok(Some((month, since_the_last_call(store, organisation, month, now).await?)))
}

/// Not since somebody found it out, which another start would not know.
async fn since_the_last_call(
    store: &dyn Store,
    organisation: &Name,
    month: Month,
    now: Timestamp,
) -> Result<Timestamp, StoreError> {
    Ok(store.last_call(organisation, month).await?.map_or(now, |last| last.min(now)))
}

fn used_up(month: Month, since: Timestamp) -> Block {
    let code = "month_used_up";
    let reason = codes::explain(code).map(|known| known.hint(Language::En).to_owned()).unwrap_or_default();
    Block { since, probe_at: month.end(), times: 0, code: code.to_owned(), reason, cause: Cause::Month }
}
