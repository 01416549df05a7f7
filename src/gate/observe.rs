//! What the gate learns from a call: how the app and the channel stand after it, and what of that is to be stored.
//!
//! The table of the contract (§1) from outcome and scope to the two state machines stands in [`Gate::observe`]; the
//! machines themselves are `model::health`, the rates `pace`. Every change of a state is told once, in the log and to
//! the lanes that wait. It knows nothing of deliveries: what becomes of those is decided in `dispatch`.

use std::time::Duration;

use jiff::Timestamp;

use crate::gate::channel::Channel;
use crate::gate::{Gate, Pass, Spell};
use crate::model::health::{Backoff, Cause, Happening, Health, News};
use crate::model::name::{ChannelKey, Name};
use crate::model::outcome::{Outcome, Scope, Verdict};
use crate::model::view::Standing;
use crate::store::{AppRow, ChannelRow};

/// How an app cools down when DingTalk does not say for how long.
pub const APP_COOLDOWN: Backoff = Backoff { first: Duration::from_secs(60), last: Duration::from_secs(600) };

/// What to store after a call.
#[derive(Debug, Default)]
pub struct Changes {
    /// The app, if its state changed.
    pub app: Option<AppRow>,
    /// The channel, if its state or rate changed.
    pub channel: Option<ChannelRow>,
    /// Whether the app was down when the call ended, because of others: then a failure counts against nobody.
    pub was_down: bool,
}

impl Gate {
    /// Moves the states of the app and the channel by what came of a call that was made with this pass (`None`: it was
    /// sent). `jitter` is a random number from 0 to 1.
    pub fn observe(
        &self,
        pass: &Pass<'_>,
        channel: &Channel,
        verdict: Option<&Verdict>,
        jitter: f64,
        now: Timestamp,
    ) -> Changes {
        let was_down = matches!(self.health(), Health::Down { .. });
        let Some(verdict) = verdict else {
            let (app_faster, channel_faster) = (self.speed_up(now), channel.speed_up(now));
            let app = self.app_after(Happening::Answered, pass.spell, now).or(app_faster);
            let channel = self.channel_after(channel, Happening::Answered, now).or(channel_faster);
            return Changes { app, channel, was_down };
        };
        let (app, channel_is) = match (verdict.outcome, verdict.scope) {
            (Outcome::Throttled, Scope::Channel) => {
                channel.slow_down(now);
                (Happening::Answered, Some(throttled(channel.cooldown(), jitter, verdict)))
            }
            (Outcome::Throttled, _) => {
                return Changes { app: self.throttle(jitter, verdict, pass.spell, now), channel: None, was_down };
            }
            // What says nothing of the channel leaves it as it is; but a blocked one has had its probe.
            (Outcome::Unavailable, _) => {
                let is_probe = verdict.scope == Scope::Message && matches!(channel.health(), Health::Blocked(_));
                let probed = is_probe.then(|| failed(verdict));
                // Turned away: DingTalk lives and has something against this message, whatever it is. Without a token
                // there is no message to have something against: nothing can be sent, and the app waits.
                let lives = verdict.is_turned_away() && verdict.scope != Scope::App;
                let app = if lives { Happening::Answered } else { failed(verdict) };
                (app, probed)
            }
            (Outcome::Blocked, Scope::Channel | Scope::Message) => {
                (Happening::Answered, Some(blocked(verdict, Cause::Channel)))
            }
            (Outcome::Blocked, Scope::Month) => (blocked(verdict, Cause::Month), None),
            (Outcome::Blocked, Scope::Api | Scope::App) => (blocked(verdict, Cause::App), None),
            (Outcome::Refused | Outcome::Sent, _) => (Happening::Answered, Some(Happening::Answered)),
        };
        let app = self.app_after(app, pass.spell, now);
        Changes { app, channel: channel_is.and_then(|what| self.channel_after(channel, what, now)), was_down }
    }

    /// The app cools down, and goes on at half its rate.
    pub(in crate::gate) fn throttle(
        &self,
        jitter: f64,
        verdict: &Verdict,
        began: Spell,
        now: Timestamp,
    ) -> Option<AppRow> {
        let mut inner = self.inner();
        // Ten calls that were under way together were one too many, not ten.
        let cooling = matches!(inner.health, Health::Cooling { until, .. } if now < until);
        if !cooling {
            inner.pace.slow_down(now);
        }
        drop(inner);
        self.app_after(app_throttled(jitter, verdict), began, now)
    }

    fn speed_up(&self, now: Timestamp) -> Option<AppRow> {
        let mut inner = self.inner();
        inner.pace.speed_up(now).then(|| self.row_of(&inner))
    }

    /// The app after something happened to a call that began in that spell.
    pub(in crate::gate) fn app_after(&self, what: Happening, began: Spell, now: Timestamp) -> Option<AppRow> {
        let mut inner = self.inner();
        let news = if began == inner.spell { News::Fresh } else { News::Overtaken };
        let after = inner.health.after(what, news, now);
        if after == inner.health {
            return None;
        }
        let before = inner.turn_to(after);
        let row = self.row_of(&inner);
        drop(inner);
        tell(&self.app, None, &before, &row.health);
        self.changed.send_replace(());
        Some(row)
    }

    fn channel_after(&self, channel: &Channel, what: Happening, now: Timestamp) -> Option<ChannelRow> {
        let before = channel.health();
        // One call is in flight at a time: none is overtaken.
        let row = channel.turn_to(before.after(what, News::Fresh, now))?;
        tell(&self.app, Some(channel.key()), &before, &row.health);
        self.changed.send_replace(());
        Some(row)
    }
}

fn throttled(cooldown: Backoff, jitter: f64, verdict: &Verdict) -> Happening {
    Happening::Throttled { cooldown, jitter, at_least: verdict.retry_after }
}

fn app_throttled(jitter: f64, verdict: &Verdict) -> Happening {
    let cooldown = verdict.retry_after.map_or(APP_COOLDOWN, |first| Backoff { first, ..APP_COOLDOWN });
    throttled(cooldown, jitter, verdict)
}

fn failed(verdict: &Verdict) -> Happening {
    Happening::Failed { code: verdict.code.clone(), reason: verdict.hint.clone() }
}

pub(in crate::gate) fn blocked(verdict: &Verdict, cause: Cause) -> Happening {
    Happening::Blocked { code: verdict.code.clone(), reason: verdict.hint.clone(), cause }
}

/// Says once that an app, or a channel of it, stands otherwise than before, and why. What only a human can mend is an
/// error; a block whose reason has changed is told again.
fn tell(app: &Name, channel: Option<&ChannelKey>, before: &Health, after: &Health) {
    let (from, to) = (Standing::of(before), Standing::of(after));
    let (code, hint) = after.why().unzip();
    if from == to && before.why().map(|(code, _)| code) == code {
        return;
    }
    let (from, to, channel) = (from.as_str(), to.as_str(), channel.map(ChannelKey::as_str));
    match after {
        Health::Flowing | Health::Failing { .. } => tracing::info!(%app, channel, from, to, "sending goes on"),
        Health::Cooling { until, .. } => tracing::warn!(%app, channel, from, to, %until, "sending is cooling down"),
        Health::Down { .. } => tracing::warn!(%app, channel, from, to, code, hint, "DingTalk cannot be reached"),
        Health::Blocked(_) => tracing::error!(%app, channel, from, to, code, hint, "somebody must mend a setting"),
    }
}
