//! The loop that sees to an app's access token and its state while nobody sends.
//!
//! It renews the token in hand before it ends, so that no send waits for one. An app that has never sent has no token, and
//! gets none; one that has sent keeps its token for the first alert of a quiet night. A renewal that fails is tried again
//! until the token ends; then the next lane fetches one, and what that comes to is the app's affair.
//!
//! Where the want of a token blocks the app, asking for one is the probe: a fallback may have taken the queue, and
//! then no delivery comes that could find out that the credentials were mended. What could not be stored of the app's
//! state is stored here in the end. [`run`] reads the clock and sleeps; the rest is told the time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::gate::{Gate, Pass, UNDER_WAY};
use crate::model::health::{Backoff, Block, Cause, Happening, Health, later};
use crate::store::StoreError;
use crate::telemetry::panics::{self, caught};

/// The longest sleep: if the machine's clock is set, it is noticed within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// How long it waits when the store would not do what it asked.
const STORE_TROUBLE: Duration = Duration::from_secs(1);
/// How long to rest after a mistake of ours; a lane that finds no token fetches one.
const BROKEN: Backoff = Backoff { first: LONGEST_SLEEP, last: Duration::from_secs(60 * 60) };

/// Sees to the app until `stop` becomes true.
pub async fn run(gate: Arc<Gate>, mut stop: watch::Receiver<bool>) {
    let mut changes = gate.changes();
    let mut broken = 0;
    loop {
        // Before the look, so that a token that is fetched in between is not missed: the end of an errand rings.
        changes.mark_unchanged();
        let now = Timestamp::now();
        let next = tokio::select! {
            biased;
            _told_or_alone = stop.wait_for(|stop| *stop) => return,
            next = caught(panics::TOKEN, see_to(&gate, now)) => next,
        };
        let Ok(next) = next else {
            if panics::rest(BROKEN.wait(broken), &mut stop).await {
                return;
            }
            broken += 1;
            continue;
        };
        broken = 0;
        let sleep = next.and_then(|next| Duration::try_from(next.duration_since(Timestamp::now())).ok());
        tokio::select! {
            biased;
            _told_or_alone = stop.wait_for(|stop| *stop) => return,
            _ = changes.changed() => {}
            () = tokio::time::sleep(sleep.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP)) => {}
        }
    }
}

/// Everything there is to do at `now`; says when to come again.
async fn see_to(gate: &Gate, now: Timestamp) -> Option<Timestamp> {
    let renewal = gate.renew(now).await;
    let probe = match gate.probe_by_token(now).await {
        Ok(probe) => gate.save_what_changed(now).await.map(|()| probe),
        Err(error) => Err(error),
    };
    // The lanes tell of a store in trouble, and what is sent is not held up by this.
    let probe = probe.unwrap_or_else(|_store_trouble| Some(later(now, STORE_TROUBLE)));
    renewal.into_iter().chain(probe).min()
}

impl Gate {
    /// Asks for an access token, if the want of one blocks the app and a probe is due. Says when the next one is; `None`:
    /// a token would prove nothing.
    ///
    /// What the call for a token has drawn, the same call disproves: wrong credentials, a secret that cannot be read, a
    /// wrong address of DingTalk, and our own address where DingTalk minds it at that call already. What a send or a
    /// query has drawn, a token says nothing of: a permission, an address list that those calls alone are held
    /// against, a token that was granted and then rejected. Such a block waits for a delivery.
    pub async fn probe_by_token(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let pass = match self.admit_for_token(now) {
            Ok(pass) => pass,
            Err(next) => return Ok(next),
        };
        // Another process sends for the app, and finds out.
        let Some(ownership) = self.ownership(now).await? else { return Ok(Some(later(now, LONGEST_SLEEP))) };
        match self.authorise(now).await {
            Ok(()) => self.app_after(Happening::Answered, pass.spell, now),
            Err(verdict) => {
                tracing::warn!(app = %self.app, code = verdict.code, hint = verdict.hint, "no access token");
                self.learn_from_token(&verdict, fastrand::f64(), pass.spell, now);
            }
        }
        drop(pass);
        self.save(&ownership, now).await?;
        Ok(self.health().probe_at())
    }

    /// Leave to probe the app by a token, or when to ask again. One that is in hand by now was fetched since: by a lane,
    /// or by somebody who wanted to know who has read a message.
    fn admit_for_token(&self, now: Timestamp) -> Result<Pass<'_>, Option<Timestamp>> {
        let mut inner = self.inner();
        let probe_at = match inner.look(now) {
            Health::Blocked(Block { cause: Cause::Token, probe_at, .. }) => *probe_at,
            _ => return Err(None),
        };
        if now < probe_at && !self.is_authorised(now) {
            return Err(Some(probe_at));
        }
        if inner.probing {
            return Err(Some(later(now, UNDER_WAY)));
        }
        inner.probing = true;
        Ok(Pass { probe: true, probing: Some(self), spell: inner.spell })
    }
}
