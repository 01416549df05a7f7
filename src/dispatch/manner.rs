//! How a lane makes its messages: what was claimed, as its receiver wants to be told.
//!
//! Between the claim and the call, and again after a refusal, when the same deliveries are to be said more plainly. What
//! a message looks like is `compose`'s affair; here it is given what a lane knows: its receiver's settings, what was
//! told before, whether it comes late, and where the page shows all of it. Pure.

use jiff::Timestamp;
use url::Url;

use crate::compose::{self, Part, Setting};
use crate::config::Receiver;
use crate::config::digest::Digest;
use crate::model::form::{Form, Style};
use crate::model::health::earlier;
use crate::model::message::Composed;
use crate::model::name::MessageId;
use crate::model::outcome::Verdict;
use crate::store::{Claimed, ClaimedDelivery};

/// How a receiver wants to be told.
#[derive(Debug, Clone)]
pub struct Manner {
    style: Style,
    digest: Digest,
    /// Where the operator's page is.
    page: Option<Url>,
}

/// A message that is ready for the wire, and what it was made of.
#[derive(Debug)]
pub struct Message<'c> {
    /// What goes over the wire.
    pub composed: Composed,
    parts: Vec<Part<'c>>,
    form: &'c Form,
    late: bool,
    page: Option<String>,
    made_at: Timestamp,
}

/// What was claimed, in the form it goes in: what goes by itself does not pay for what a digest was refused with.
pub fn in_its_form(mut claimed: Claimed) -> Claimed {
    if let [one] = claimed.deliveries.as_mut_slice() {
        one.form = std::mem::take(&mut one.form).by_itself();
    }
    claimed
}

impl Manner {
    /// The manner of a receiver; `page` is what the operator's page is reached as from outside, if it is.
    pub fn of(settings: &Receiver, page: Option<Url>) -> Self {
        Self { style: settings.style.clone(), digest: settings.digest.clone(), page }
    }

    /// What is told together.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What was claimed as one message made at `now`; `None` if there is nothing to say: nothing has changed since the
    /// message before, and the receiver does not want to hear that.
    pub fn message<'c>(&self, claimed: &'c Claimed, late_before: Timestamp, now: Timestamp) -> Option<Message<'c>> {
        let form = &claimed.deliveries.first()?.form;
        let parts: Vec<_> = claimed.deliveries.iter().map(part).collect();
        if parts.iter().all(|part| compose::says_nothing(part, self.digest.unchanged)) {
            return None;
        }
        let page = self.page.as_ref().map(|page| shown_at(page, &claimed.message));
        let late = claimed.late || parts.iter().all(|part| part.received_at < late_before);
        let setting = self.setting(form, late, page.as_deref(), now);
        let composed = compose::message(&parts, &setting, compose::BUDGET).composed;
        Some(Message { composed, parts, form, late, page, made_at: now })
    }

    /// The form to try next after DingTalk refused a message, if a plainer one may do: all it carries takes it.
    pub fn plainer(&self, message: &Message<'_>, verdict: &Verdict) -> Option<Form> {
        let setting = self.setting(message.form, message.late, message.page.as_deref(), message.made_at);
        let parts = &message.parts;
        let plainer = compose::plainer(parts, &setting, &message.composed, verdict.complaint?, &verdict.code)?;
        Some(Form { together: parts.len() > 1, ..plainer })
    }

    fn setting<'s>(&'s self, form: &'s Form, late: bool, page: Option<&'s str>, now: Timestamp) -> Setting<'s> {
        let Digest { unchanged, max_items, stale_after, .. } = self.digest;
        let stale_before = earlier(now, stale_after);
        Setting { style: &self.style, form, unchanged, max_items, late, stale_before, page, now }
    }
}

fn part(delivery: &ClaimedDelivery) -> Part<'_> {
    let ClaimedDelivery { content, order_key, received_at, known, .. } = delivery;
    Part { content, order_key, received_at: *received_at, known: known.as_deref() }
}

/// `page` never ends with a slash.
fn shown_at(page: &Url, message: &MessageId) -> String {
    format!("{}/messages/{message}", page.as_str().trim_end_matches('/'))
}
