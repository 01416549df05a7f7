//! One robot in one group: its turn, its rate, its state.
//!
//! Receivers that name the same robot and group share one [`Channel`]. One call is in flight at a time: whoever
//! holds the [`Turn`] may ask for a permit. Turns are handed out first come, first served, so lanes that share a
//! channel take it in turns.

use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::gate::pace::Pace;
use crate::model::health::{Backoff, Health, later};
use crate::model::name::ChannelKey;
use crate::store::ChannelRow;

/// How long a permit of the channel is kept while the app's own limit makes it wait.
const HOLD: Duration = Duration::from_secs(1);

/// One robot in one group.
pub struct Channel {
    key: ChannelKey,
    turn: Semaphore,
    cooldown: Backoff,
    inner: Mutex<Inner>,
}

struct Inner {
    health: Health,
    pace: Pace,
    /// When the last permit was taken from the bucket, and whether it was not used.
    granted_at: Timestamp,
    held: bool,
}

/// The right to make this channel's next call.
pub struct Turn<'c>(#[expect(dead_code, reason = "held for its end")] SemaphorePermit<'c>);

/// What a channel begins with.
pub struct Beginning {
    /// The configured rate, a minute.
    pub messages_per_minute: NonZeroU32,
    /// The configured cool-down.
    pub cooldown: Backoff,
    /// The longest a call may take: it may arrive that late.
    pub timeout: Duration,
    /// What the store says of it.
    pub stored: Option<ChannelRow>,
    /// The attempts of the last window, whatever came of them.
    pub started: Vec<Timestamp>,
}

impl Beginning {
    /// How far back attempts count against the rate.
    pub fn window(timeout: Duration) -> Duration {
        Duration::from_secs(60) + timeout + HOLD
    }
}

impl Channel {
    /// A channel as it stands at `now`.
    pub fn new(key: ChannelKey, from: Beginning, now: Timestamp) -> Self {
        let (health, lowered) = from.stored.map(|row| (row.health.taken_up(now), row.rate)).unwrap_or_default();
        let window = Beginning::window(from.timeout);
        let pace = Pace::new(from.messages_per_minute, lowered, window, from.started, now);
        let inner = Inner { health, pace, granted_at: now, held: false };
        Self { key, turn: Semaphore::new(1), cooldown: from.cooldown, inner: Mutex::new(inner) }
    }

    /// Its key.
    pub fn key(&self) -> &ChannelKey {
        &self.key
    }

    /// The configured rate, a minute.
    pub fn configured(&self) -> NonZeroU32 {
        self.inner().pace.configured()
    }

    /// The configured cool-down.
    pub fn cooldown(&self) -> Backoff {
        self.cooldown
    }

    /// Waits until no other call of this channel is in flight.
    pub async fn turn(&self) -> Turn<'_> {
        Turn(self.turn.acquire().await.expect("the semaphore is never closed"))
    }

    /// Its state.
    pub fn health(&self) -> Health {
        self.inner().health.clone()
    }

    /// Messages a minute, as lowered by throttling.
    pub fn messages_per_minute(&self) -> u32 {
        self.inner().pace.rate().get()
    }

    /// One start at `now`, or when to ask again.
    pub(in crate::gate) fn take(&self, now: Timestamp) -> Result<(), Timestamp> {
        let mut inner = self.inner();
        let fresh = inner.granted_at <= now && now <= later(inner.granted_at, HOLD);
        if std::mem::take(&mut inner.held) && fresh {
            return Ok(());
        }
        inner.pace.limiter().take(now)?;
        inner.granted_at = now;
        Ok(())
    }

    /// The start that was granted last is not made; the next one uses it, within [`HOLD`] of the grant and not of
    /// this: the bucket knows of the grant, and a start that is made much later is one it does not expect.
    pub(in crate::gate) fn keep(&self) {
        self.inner().held = true;
    }

    /// Replaces its state; says what to store if anything changed.
    pub(in crate::gate) fn turn_to(&self, health: Health) -> Option<ChannelRow> {
        let mut inner = self.inner();
        if inner.health == health {
            return None;
        }
        inner.health = health;
        Some(self.row_of(&inner))
    }

    /// Halves the rate: DingTalk said "too fast".
    pub(in crate::gate) fn slow_down(&self, now: Timestamp) {
        self.inner().pace.slow_down(now);
    }

    /// Raises a lowered rate by a step, if it is time; says what to store then.
    pub(in crate::gate) fn speed_up(&self, now: Timestamp) -> Option<ChannelRow> {
        let mut inner = self.inner();
        inner.pace.speed_up(now).then(|| self.row_of(&inner))
    }

    /// Its state and rate as they are now, to be stored.
    pub fn row(&self) -> ChannelRow {
        self.row_of(&self.inner())
    }

    fn row_of(&self, inner: &Inner) -> ChannelRow {
        ChannelRow { channel: self.key.clone(), health: inner.health.clone(), rate: inner.pace.lowered() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic cannot leave the fields half-written: each is assigned whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::Name;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    fn channel(stored: Option<ChannelRow>) -> Channel {
        let key = ChannelKey::app_robot(&"ops".parse::<Name>().unwrap(), "robot", "cid");
        let from = Beginning {
            messages_per_minute: NonZeroU32::new(20).unwrap(),
            cooldown: Backoff { first: Duration::from_secs(60), last: Duration::from_secs(600) },
            timeout: Duration::from_secs(10),
            stored,
            started: vec![],
        };
        Channel::new(key, from, at(0))
    }

    #[test]
    fn a_lowered_rate_and_a_state_outlive_a_restart() {
        let before = channel(None);
        before.slow_down(at(0));
        let row = before.turn_to(Health::Cooling { until: at(60), times: 0 }).unwrap();
        let after = channel(Some(row));
        assert_eq!(after.messages_per_minute(), 10);
        assert_eq!(after.health(), Health::Cooling { until: at(60), times: 0 });
    }

    #[test]
    fn a_permit_that_the_app_held_back_is_used_within_a_second_or_not_at_all() {
        let channel = channel(None);
        for _ in 0..5 {
            channel.take(at(0)).unwrap();
        }
        channel.keep();
        assert_eq!(channel.take(at(1)), Ok(()), "the kept one");
        channel.keep();
        assert!(channel.take(at(2)).is_err(), "kept again, but too old: the bucket decides, and it is empty");
    }
}
