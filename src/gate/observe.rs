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
        let channel = match verdict {
            Some(verdict) => self.learn_from(pass, channel, verdict, jitter, now),
            None => {
                self.inner().pace.speed_up(now);
                self.app_after(Happening::Answered, pass.spell, now);
                let faster = channel.speed_up(now);
                self.channel_after(channel, Happening::Answered, now).or(faster)
            }
        };
        Changes { app: self.unsaved(), channel, was_down }
    }

    fn learn_from(
        &self,
        pass: &Pass<'_>,
        channel: &Channel,
        verdict: &Verdict,
        jitter: f64,
        now: Timestamp,
    ) -> Option<ChannelRow> {
        let (app, channel_is) = match (verdict.outcome, verdict.scope) {
            (Outcome::Throttled, Scope::Channel) => {
                channel.slow_down(now);
                self.app_after(Happening::Answered, pass.spell, now);
                // Its rate has changed, whatever becomes of its state.
                let cooled = self.channel_after(channel, throttled(channel.cooldown(), jitter, verdict), now);
                return cooled.or_else(|| Some(channel.row()));
            }
            (Outcome::Throttled, _) => {
                self.throttle(jitter, verdict, pass.spell, now);
                return None;
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
            (Outcome::Blocked, Scope::Channel | Scope::Message) => (Happening::Answered, Some(blocked(verdict))),
            (Outcome::Blocked, Scope::Api | Scope::App | Scope::Month) => (blocked(verdict), None),
            (Outcome::Refused | Outcome::Sent, _) => (Happening::Answered, Some(Happening::Answered)),
        };
        self.app_after(app, pass.spell, now);
        channel_is.and_then(|what| self.channel_after(channel, what, now))
    }

    /// Moves the state of the app by what the call for an access token drew, of which no channel knows.
    pub(in crate::gate) fn learn_from_token(&self, verdict: &Verdict, jitter: f64, began: Spell, now: Timestamp) {
        match verdict.outcome {
            Outcome::Throttled => self.throttle(jitter, verdict, began, now),
            Outcome::Blocked => self.app_after(blocked(verdict), began, now),
            Outcome::Unavailable | Outcome::Refused | Outcome::Sent => self.app_after(failed(verdict), began, now),
        }
    }

    /// The app cools down, and goes on at half its rate.
    pub(in crate::gate) fn throttle(&self, jitter: f64, verdict: &Verdict, began: Spell, now: Timestamp) {
        let mut inner = self.inner();
        // Ten calls that were under way together were one too many, not ten.
        let cooling = matches!(inner.health, Health::Cooling { until, .. } if now < until);
        if !cooling {
            inner.pace.slow_down(now);
        }
        drop(inner);
        self.app_after(app_throttled(jitter, verdict), began, now);
    }

    /// The app after something happened to a call that began in that spell.
    pub(in crate::gate) fn app_after(&self, what: Happening, began: Spell, now: Timestamp) {
        let mut inner = self.inner();
        let news = if began == inner.spell { News::Fresh } else { News::Overtaken };
        let after = inner.health.after(what, news, now);
        if after == inner.health {
            return;
        }
        let before = inner.turn_to(after);
        let after = inner.health.clone();
        drop(inner);
        tell(&self.app, None, &before, &after);
        self.changed.send_replace(());
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

pub(in crate::gate) fn blocked(verdict: &Verdict) -> Happening {
    let cause = match verdict.scope {
        Scope::Message | Scope::Channel => Cause::Channel,
        Scope::Api | Scope::App if verdict.of_token => Cause::Token,
        Scope::Api | Scope::App => Cause::App,
        Scope::Month => Cause::Month,
    };
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
