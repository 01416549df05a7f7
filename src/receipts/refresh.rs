//! Asking now, because a human wants to know who has read a message.
//!
//! All pages at once, whatever the receiver's `receipts` say, and without disturbing what is planned for the message. It
//! costs a call a page. Such calls count as queries, but a human is not held to the share of the month that receipts
//! have: they may go beyond it, never beyond the month. Where the app rests or is blocked nothing is asked, and the
//! human is told why and until when.

use std::time::Duration;

use jiff::Timestamp;

use crate::gate::Gate;
use crate::gate::aside::{Failed, Paid, PutOff, said};
use crate::model::call::Call;
use crate::model::health::later;
use crate::model::message::{REMEMBERED_FOR, Readers, Target};
use crate::model::name::MessageId;
use crate::model::outcome::{Outcome, Scope, Verdict};
use crate::receipts::place::Place;
use crate::store::receipts::{Learned, Purse, Then};
use crate::store::{Store, StoreError};

/// When to ask again for what DingTalk does not know yet.
const SOON: Duration = Duration::from_secs(30);

/// A message that DingTalk has admitted.
#[derive(Debug)]
pub struct Sent {
    /// Its id.
    pub message: MessageId,
    /// Where it went.
    pub target: Target,
    /// DingTalk's receipt of admission.
    pub process_query_key: String,
    /// When the call was made.
    pub sent_at: Timestamp,
    /// Whether DingTalk has said before who has read it.
    pub answered: bool,
}

/// Why nothing was learned, or not all. What was learned before is kept.
#[derive(Debug, thiserror::Error)]
pub enum Unlearned {
    /// It may be later; when, if that is known.
    #[error("{why}")]
    NotNow {
        /// Why not now.
        why: String,
        /// When to ask again.
        until: Option<Timestamp>,
    },
    /// DingTalk will not tell of this message.
    #[error("{0}")]
    Never(String),
    /// The store failed us.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PutOff> for Unlearned {
    fn from(put_off: PutOff) -> Self {
        match put_off {
            PutOff::NotNow(not_now) => Self::NotNow { why: not_now.why, until: Some(not_now.until) },
            PutOff::Store(error) => Self::Store(error),
        }
    }
}

/// Asks for every page and keeps what it learns.
pub async fn refresh(gate: &Gate, store: &dyn Store, sent: &Sent, mut now: Timestamp) -> Result<(), Unlearned> {
    let mut place: Option<Place> = None;
    loop {
        let paid = gate.by_hand(Call::Query, &mut now).await?;
        let token = place.as_ref().map(|place| place.token.as_str());
        let answer = gate.query(&paid, &sent.target, &sent.process_query_key, token, now).await?;
        let page = match answer {
            Ok(page) => page,
            Err(failed) => return Err(unlearned(gate, store, sent, &paid, failed, now).await?),
        };
        place = Place::behind(place.as_ref(), &sent.message, &page);
        let is_last = place.is_none();
        keep(gate, store, &paid, learned(sent, page, is_last), now).await?;
        if is_last {
            return Ok(());
        }
    }
}

fn learned(sent: &Sent, page: Readers, is_last: bool) -> Learned {
    let is_over = is_last && page.is_recalled();
    Learned {
        message: sent.message.clone(),
        send_status: Some(page.send_status),
        readers: page.user_ids,
        then: if is_over { Then::Never } else { Then::AsPlanned },
        give_back: None,
    }
}

async fn unlearned(
    gate: &Gate,
    store: &dyn Store,
    sent: &Sent,
    paid: &Paid,
    failed: Failed,
    now: Timestamp,
) -> Result<Unlearned, StoreError> {
    let Failed { verdict, give_back } = failed;
    let is_forgotten = has_no_data(&verdict) && now >= later(sent.sent_at, REMEMBERED_FOR);
    let nothing = nothing(sent, if is_forgotten { Then::Never } else { Then::AsPlanned }, give_back);
    keep(gate, store, paid, nothing, now).await?;
    let said = said(&verdict);
    Ok(match (verdict.outcome, verdict.scope) {
        _ if is_forgotten || (has_no_data(&verdict) && sent.answered) => {
            Unlearned::Never(format!("DingTalk says no more who has read this message; what is known stays: {said}"))
        }
        _ if has_no_data(&verdict) => {
            let why = format!("DingTalk does not know yet who has read this message: {said}");
            Unlearned::NotNow { why, until: Some(later(now, SOON)) }
        }
        (Outcome::Refused | Outcome::Blocked, Scope::Message | Scope::Channel) => {
            Unlearned::Never(format!("DingTalk does not say who has read this message: {said}"))
        }
        _ => {
            let why = format!("DingTalk could not be asked: {said}");
            Unlearned::NotNow { why, until: gate.open_again(Call::Query, now) }
        }
    })
}

/// It is about this message, and may be otherwise later: there is no data yet, or no more.
fn has_no_data(verdict: &Verdict) -> bool {
    verdict.outcome == Outcome::Unavailable && verdict.scope == Scope::Message
}

fn nothing(sent: &Sent, then: Then, give_back: Option<Purse>) -> Learned {
    Learned { message: sent.message.clone(), send_status: None, readers: vec![], then, give_back }
}

async fn keep(gate: &Gate, store: &dyn Store, paid: &Paid, what: Learned, now: Timestamp) -> Result<(), StoreError> {
    store.save_receipts(&paid.ownership, what, now).await.map_err(|error| gate.noticed(error))
}
