//! How lanes and apps stand, for people and scripts.

use jiff::Timestamp;

use crate::config::Receiver;
use crate::gate::Gate;
use crate::gate::channel::Channel;
use crate::model::health::{Go, Health};
use crate::model::name::Name;
use crate::model::view::{AppState, BlockView, LaneState, Standing};

/// How a lane stands: the worse one of its channel and its app.
pub fn lane(receiver: &Name, settings: &Receiver, gate: &Gate, channel: &Channel, now: Timestamp) -> LaneState {
    let health = worse(current(channel.health(), now), current(gate.standing(now), now));
    LaneState {
        receiver: receiver.to_string(),
        display_name: settings.display_name.clone(),
        app: Some(settings.app.clone()),
        state: Standing::of(&health),
        messages_per_minute: Some(channel.messages_per_minute()),
        slowed_down_from: channel.slowed_down_from(),
        cooling_until: cooling_until(&health),
        down: BlockView::of_an_outage(&health),
        blocked: BlockView::of_a_block(&health),
        fallback: settings.fallback.as_ref().map(ToString::to_string),
    }
}

/// How an app stands.
pub fn app(gate: &Gate, now: Timestamp) -> AppState {
    let health = current(gate.standing(now), now);
    AppState {
        app: gate.app().clone(),
        organisation: gate.organisation().clone(),
        state: Standing::of(&health),
        calls_per_second: gate.calls_per_second(),
        cooling_until: cooling_until(&health),
        token_expires_at: gate.token_expires_at(),
        calls_per_month: gate.budget().map(|budget| budget.calls_per_month),
        calls_allowed: gate.calls(),
        budget: gate.budget(),
        down: BlockView::of_an_outage(&health),
        blocked: BlockView::of_a_block(&health),
    }
}

/// A cool-down that is over is kept until the next call shows that it is; nobody else needs to know.
fn current(health: Health, now: Timestamp) -> Health {
    if matches!(health, Health::Cooling { .. }) && health.go(now) == Go::Freely { Health::Flowing } else { health }
}

fn worse(channel: Health, app: Health) -> Health {
    let weight = |health: &Health| match Standing::of(health) {
        Standing::Flowing => 0,
        Standing::Cooling => 1,
        Standing::Down => 2,
        Standing::Blocked => 3,
    };
    if weight(&app) > weight(&channel) { app } else { channel }
}

fn cooling_until(health: &Health) -> Option<Timestamp> {
    if let Health::Cooling { until, .. } = health { Some(*until) } else { None }
}
