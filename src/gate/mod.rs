//! The gate every DingTalk call passes: one per app.
//!
//! A lane that wants to send asks in this order: [`Gate::ownership`] (law 4: one sender per app), [`Gate::admit`] (is
//! the app or the channel cooling, down, blocked?), the access token, and last [`Gate::permit`] (law 6). After the
//! call it tells the gate what came of it: [`observe`] moves the two state machines and says what to store. Calls
//! that are no sends have a way of their own, in [`aside`]; what an app shares with its
//! organisation is in [`month`]; [`renewal`] keeps the access token fresh, and finds out by
//! it whether wrong credentials were mended. Of DingTalk's calls that count the gate makes none that nobody asked it for,
//! and it knows nothing of deliveries.

pub mod aside;
pub mod channel;
pub mod limiter;
mod line;
pub mod month;
pub mod observe;
mod pace;
pub mod renewal;
pub mod turns;
pub mod view;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use crate::config;
use crate::dingtalk::{Client, verdict};
use crate::gate::aside::Pauses;
use crate::gate::channel::Channel;
use crate::gate::limiter::set_back;
use crate::gate::line::Line;
use crate::gate::month::UsedUp;
use crate::gate::pace::Pace;
use crate::gate::turns::Turns;
use crate::model::budget::Budget;
use crate::model::health::{Cause, Go, Health, later};
use crate::model::message::{Answer, Composed, Target};
use crate::model::name::Name;
use crate::model::outcome::Verdict;
use crate::store::{AppRow, Ownership, Store, StoreError};

/// How long an ownership lasts unless it is renewed.
const OWNED_FOR: Duration = Duration::from_secs(30);
/// How soon a lane looks again while another one's probe or errand is under way.
const UNDER_WAY: Duration = Duration::from_secs(1);
/// The app's limit is DingTalk's "calls a second"; how far calls may bunch up on the way is allowed for.
const APP_WINDOW: Duration = Duration::from_millis(1_200);

/// The gate of one app.
pub struct Gate {
    app: Name,
    organisation: Name,
    budget: Option<Budget>,
    turns: Arc<Turns>,
    receipt_calls_per_month: u64,
    client: Arc<Client>,
    store: Arc<dyn Store>,
    /// Who this process is, as an owner.
    owner: String,
    inner: Mutex<Inner>,
    /// Changes whenever a state does, so that waiting lanes look again.
    changed: watch::Sender<()>,
    /// Rung when a message was sent whose readers are to be asked for.
    to_ask: Notify,
}

/// How often an app had closed or opened when a call began; see [`Health::is_same_spell`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gate) struct Spell(u64);

struct Inner {
    health: Health,
    /// The latest time by which the state was looked at.
    looked_at: Timestamp,
    spell: Spell,
    /// The row as the store has it, as far as we know.
    stored: AppRow,
    probing: bool,
    /// The lanes that wait to probe the app.
    line: Line,
    /// Whether a lane is fetching an access token.
    fetching: bool,
    /// What is used up of the month by our own count.
    used_up: Option<UsedUp>,
    /// Whether it was told that messages are spaced out.
    paced: bool,
    pace: Pace,
    ownership: Option<Ownership>,
    /// Whether another gate has taken this one's place: only a human's call that began before is still under way here.
    succeeded: bool,
    pauses: Pauses,
}

impl Inner {
    /// The state at `now`. Where the clock was set back, what it waits for comes as soon as it would have.
    fn look(&mut self, now: Timestamp) -> &Health {
        if let Some(back) = set_back(self.looked_at, now) {
            self.health = std::mem::take(&mut self.health).set_back_by(back);
            self.looked_at = now;
        }
        self.looked_at = self.looked_at.max(now);
        &self.health
    }

    /// Replaces the state; gives the one before.
    fn turn_to(&mut self, health: Health) -> Health {
        let before = std::mem::replace(&mut self.health, health);
        if !before.is_same_spell(&self.health) {
            self.spell.0 += 1;
        }
        before
    }
}

/// The leave to make a call now. While it lives, no other lane probes the app.
pub struct Pass<'g> {
    /// The call is to find out whether the app or the channel works again: a failure counts against nobody.
    pub probe: bool,
    probing: Option<&'g Gate>,
    spell: Spell,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        // Nobody is told: what came of the probe has been told, and a probe that was put off (no permit, no call left
        // in the month) would wake the lane that put it off, again and again. Others look again by themselves.
        if let Some(gate) = self.probing {
            gate.inner().probing = false;
        }
    }
}

/// The one errand to fetch an access token. Others that need the token wait for its end instead of joining it: what
/// one call came to must not be taken for the failure of many.
pub struct Errand<'g>(&'g Gate);

impl Drop for Errand<'_> {
    fn drop(&mut self) {
        self.0.inner().fetching = false;
        self.0.changed.send_replace(());
    }
}

impl Gate {
    /// The gate of an app as it stands at `now`. It shares the turns of its organisation's lanes with its sisters.
    pub async fn open(
        app: &Name,
        config: &config::Config,
        client: Arc<Client>,
        turns: Arc<Turns>,
        store: Arc<dyn Store>,
        owner: &str,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let settings = &config.apps[app];
        let organisation = &config.organisations[&settings.organisation];
        let row = store.apps().await?.into_iter().find(|row| row.app == *app);
        let (health, lowered) = row.map(|row| (row.health, row.rate)).unwrap_or_default();
        let pace = Pace::new(settings.calls_per_second, lowered, APP_WINDOW, [], now);
        let health = health.taken_up(now);
        // What a start makes of the row needs no writing: another start makes the same of it.
        let stored = AppRow { app: app.clone(), health: health.clone(), rate: pace.lowered() };
        let inner = Inner {
            health,
            looked_at: now,
            stored,
            spell: Spell(0),
            probing: false,
            line: Line::default(),
            fetching: false,
            used_up: None,
            paced: false,
            pace,
            ownership: None,
            succeeded: false,
            pauses: Pauses::default(),
        };
        let gate = Self {
            app: app.clone(),
            organisation: settings.organisation.clone(),
            budget: organisation.budget(),
            turns,
            receipt_calls_per_month: organisation.receipt_calls_per_month,
            client,
            store,
            owner: owner.to_owned(),
            inner: Mutex::new(inner),
            changed: watch::Sender::new(()),
            to_ask: Notify::new(),
        };
        gate.left(now).await?;
        Ok(gate)
    }

    /// Takes over from the gate of the same app under other settings, through which no call goes any more. The calls
    /// it let through a moment ago count still; what those under way teach it is not stored over what this one knows. What the month of other calls says of this one's, DingTalk is asked.
    pub fn succeeds(&self, before: &Self, now: Timestamp) {
        let mut inner = self.inner();
        let mut before_it = before.inner();
        inner.pace.succeed(&before_it.pace, now);
        before_it.succeeded = true;
        drop(before_it);
        if self.may_call_more_often_than(before) {
            inner.health = inner.health.clone().mended(Cause::Month, now);
        }
    }

    fn may_call_more_often_than(&self, before: &Self) -> bool {
        let raised = match (before.budget, self.budget) {
            (Some(before), Some(now)) => before.calls().critical < now.calls().critical,
            (before, now) => before.is_some() && now.is_none(),
        };
        raised || self.organisation != before.organisation
    }

    /// The app it is for.
    pub fn app(&self) -> &Name {
        &self.app
    }

    /// Whose month pays.
    pub fn organisation(&self) -> &Name {
        &self.organisation
    }

    /// Whether a valid access token is in hand. If not, [`Gate::authorise`] comes before everything that must not wait.
    pub fn is_authorised(&self, now: Timestamp) -> bool {
        self.client.is_authorised(now)
    }

    /// When the access token in hand ends, if there is one.
    pub fn token_expires_at(&self) -> Option<Timestamp> {
        self.client.token_expires_at()
    }

    /// Sees to it that a valid access token is in hand.
    ///
    /// # Errors
    /// The verdict on the token call.
    pub async fn authorise(&self, now: Timestamp) -> Result<(), Verdict> {
        self.client.authorise(now).await
    }

    /// Renews the access token in hand if it is soon to end. Says when to come again; `None`: there is none to renew.
    pub async fn renew(&self, now: Timestamp) -> Option<Timestamp> {
        self.client.renew(now).await
    }

    /// Someone may have mended what blocks the app: the secret's file has changed, or the configuration was read again.
    /// What waits for a human is tried at once.
    pub fn mended(&self, now: Timestamp) {
        let mut inner = self.inner();
        let mended = inner.health.clone().mended(Cause::App, now);
        if mended == inner.health {
            return;
        }
        inner.health = mended;
        drop(inner);
        tracing::info!(app = %self.app, "what blocks the app may have been mended: it is tried at once");
        self.changed.send_replace(());
    }

    /// Sends one message; [`Gate::permit`] came before.
    pub async fn send(&self, to: &Target, message: &Composed, now: Timestamp) -> Answer {
        self.client.send(to, message, now).await
    }

    /// What a send came to that a mistake of ours broke off, before the call or when it had begun.
    pub fn broke_off(&self, called: bool) -> Verdict {
        verdict::of_broken_off(called)
    }

    /// The way to DingTalk.
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// The app's state.
    pub fn health(&self) -> Health {
        self.inner().health.clone()
    }

    /// Tells of every change of a state.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The right to send for this app, taken anew if it was lost. `None`: another process has it.
    pub async fn ownership(&self, now: Timestamp) -> Result<Option<Ownership>, StoreError> {
        let held = self.inner().ownership.clone();
        if held.is_some() {
            return Ok(held);
        }
        let taken = self.store.own(&self.app, &self.owner, OWNED_FOR, now).await?;
        self.inner().ownership.clone_from(&taken);
        Ok(taken)
    }

    /// The epoch is gone: the next lane that asks takes a new one, or learns that another process has it.
    pub fn lost_ownership(&self) {
        self.inner().ownership = None;
    }

    /// Whether the lane of `receiver` may make a call through this channel at `now`, or when to ask again. Of several
    /// lanes that wait for a closed app, the one that has waited longest probes it.
    pub fn admit(&self, receiver: &Name, channel: &Channel, now: Timestamp) -> Result<Pass<'_>, Timestamp> {
        let channel = channel.go(now);
        if let Go::Wait(until) = channel {
            return Err(until);
        }
        let mut inner = self.inner();
        let app = inner.look(now).go(now);
        let Some(due) = inner.health.probe_at() else {
            inner.line.disperse();
            return match app {
                Go::Wait(until) => Err(until),
                Go::Freely | Go::Probe => Ok(Pass { probe: channel == Go::Probe, probing: None, spell: inner.spell }),
            };
        };
        inner.line.join(receiver);
        if let Go::Wait(until) = app {
            return Err(until);
        }
        if inner.probing {
            return Err(later(now, UNDER_WAY));
        }
        inner.line.step_out(receiver, due, now)?;
        inner.probing = true;
        Ok(Pass { probe: true, probing: Some(self), spell: inner.spell })
    }

    /// One call through this channel at `now` within all limits, or when to ask again.
    pub fn permit(&self, channel: &Channel, now: Timestamp) -> Result<(), Timestamp> {
        channel.take(now)?;
        self.inner().pace.limiter().take(now).inspect_err(|_| channel.keep())
    }

    /// Sets out to fetch an access token, or says when to ask again because another lane has.
    pub fn errand(&self, now: Timestamp) -> Result<Errand<'_>, Timestamp> {
        if std::mem::replace(&mut self.inner().fetching, true) {
            return Err(later(now, UNDER_WAY));
        }
        Ok(Errand(self))
    }

    /// The app's state as it is now, to be stored.
    pub fn row(&self) -> AppRow {
        self.row_of(&self.inner())
    }

    /// The same, if the store has another one. Where another gate has taken this one's place, the row is that one's.
    pub(in crate::gate) fn unsaved(&self) -> Option<AppRow> {
        let inner = self.inner();
        Some(self.row_of(&inner)).filter(|row| !inner.succeeded && *row != inner.stored)
    }

    /// The store has this row now.
    pub fn note_stored(&self, row: AppRow) {
        self.inner().stored = row;
    }

    /// Stores the app's state, if the store has another one. What it does not take now is stored with the next attempt,
    /// or by [`renewal`].
    pub async fn save(&self, ownership: &Ownership, now: Timestamp) -> Result<(), StoreError> {
        let Some(row) = self.unsaved() else { return Ok(()) };
        let saved = self.store.save_app(ownership, row.clone(), now).await;
        saved.map_err(|error| self.noticed(error))?;
        self.note_stored(row);
        Ok(())
    }

    /// The same for one who may not own the app. What another owner has to say of it counts more.
    pub async fn save_what_changed(&self, now: Timestamp) -> Result<(), StoreError> {
        if self.unsaved().is_some()
            && let Some(ownership) = self.ownership(now).await?
        {
            self.save(&ownership, now).await?;
        }
        Ok(())
    }

    /// Calls a second, as lowered by throttling.
    pub fn calls_per_second(&self) -> u32 {
        self.inner().pace.rate().get()
    }

    fn row_of(&self, inner: &Inner) -> AppRow {
        AppRow { app: self.app.clone(), health: inner.health.clone(), rate: inner.pace.lowered() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic cannot leave the fields half-written: each is assigned whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
