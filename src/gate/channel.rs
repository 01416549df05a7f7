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

use crate::gate::limiter::set_back;
use crate::gate::pace::Pace;
use crate::model::health::{Backoff, Cause, Go, Health, later};
use crate::model::name::ChannelKey;
use crate::store::{ChannelRow, Store, StoreError};

/// How long a permit of the channel is kept while the app's own limit makes it wait.
const HOLD: Duration = Duration::from_secs(1);

/// One robot in one group.
pub struct Channel {
    key: ChannelKey,
    turn: Semaphore,
    settings: Settings,
    inner: Mutex<Inner>,
}

/// What is configured for a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The rate, a minute.
    pub messages_per_minute: NonZeroU32,
    /// The cool-down.
    pub cooldown: Backoff,
    /// The longest a call may take: it may arrive that late.
    pub timeout: Duration,
}

struct Inner {
    health: Health,
    /// The latest time by which the state was looked at.
    looked_at: Timestamp,
    pace: Pace,
    /// When the last permit was taken from the bucket, and whether it was not used.
    granted_at: Timestamp,
    held: bool,
}

impl Inner {
    /// Whether a permit that was granted last and not used may be used at `now`.
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.granted_at <= now && now <= later(self.granted_at, HOLD)
    }
}

/// The right to make this channel's next call.
pub struct Turn<'c>(#[expect(dead_code, reason = "held for its end")] SemaphorePermit<'c>);

impl Settings {
    /// How far back attempts count against the rate.
    fn window(&self) -> Duration {
        Duration::from_secs(60) + self.timeout + HOLD
    }

    /// What holds for two receivers that name the same robot and group: the stricter rate, and what belongs to it.
    pub fn or_stricter(self, other: Self) -> Self {
        if other.messages_per_minute < self.messages_per_minute { other } else { self }
    }
}

impl Channel {
    /// A channel as the store knows it at `now`: with its state and a lowered rate, which stand in the row if there is
    /// one, and with the attempts that still count.
    pub async fn open(
        key: ChannelKey,
        settings: Settings,
        stored: Option<ChannelRow>,
        store: &dyn Store,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let begins = now.checked_sub(settings.window()).unwrap_or(now);
        let started = store.attempts_since(&key, begins).await?;
        Ok(Self::new(key, settings, stored, started, now))
    }

    /// The attempts of the last window count, whatever came of them.
    fn new(
        key: ChannelKey,
        settings: Settings,
        stored: Option<ChannelRow>,
        started: Vec<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let (health, lowered) = stored.map(|row| (row.health.taken_up(now), row.rate)).unwrap_or_default();
        let pace = Pace::new(settings.messages_per_minute, lowered, settings.window(), started, now);
        let inner = Inner { health, looked_at: now, pace, granted_at: now, held: false };
        Self { key, turn: Semaphore::new(1), settings, inner: Mutex::new(inner) }
    }

    /// Its key.
    pub fn key(&self) -> &ChannelKey {
        &self.key
    }

    /// What is configured for it.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The configured cool-down.
    pub fn cooldown(&self) -> Backoff {
        self.settings.cooldown
    }

    /// Someone may have mended what blocks the channel: it is tried at once.
    pub fn mended(&self, now: Timestamp) {
        let mut inner = self.inner();
        inner.health = inner.health.clone().mended(Cause::Channel, now);
    }

    /// Waits until no other call of this channel is in flight.
    pub async fn turn(&self) -> Turn<'_> {
        Turn(self.turn.acquire().await.expect("the semaphore is never closed"))
    }

    /// Its state.
    pub fn health(&self) -> Health {
        self.inner().health.clone()
    }

    /// Whether its state lets a call pass at `now`. Where the clock was set back, what it waits for comes as soon as it
    /// would have.
    pub(in crate::gate) fn go(&self, now: Timestamp) -> Go {
        let mut inner = self.inner();
        if let Some(back) = set_back(inner.looked_at, now) {
            inner.health = std::mem::take(&mut inner.health).set_back_by(back);
            inner.looked_at = now;
        }
        inner.looked_at = inner.looked_at.max(now);
        inner.health.go(now)
    }

    /// Messages a minute, as lowered by throttling.
    pub fn messages_per_minute(&self) -> u32 {
        self.inner().pace.rate().get()
    }

    /// The configured rate, if throttling has lowered it.
    pub fn slowed_down_from(&self) -> Option<u32> {
        self.inner().pace.lowered().map(|_| self.settings.messages_per_minute.get())
    }

    /// How many messages may go at `now`, one at once after the other. Takes nothing: by this a lane knows how busy its
    /// group is. The app's calls a second say nothing of that, they are free again in a moment.
    pub fn permits(&self, now: Timestamp) -> usize {
        let mut inner = self.inner();
        let held = usize::from(inner.held && inner.is_fresh(now));
        inner.pace.limiter().left(now) + held
    }

    /// One start at `now`, or when to ask again.
    pub(in crate::gate) fn take(&self, now: Timestamp) -> Result<(), Timestamp> {
        let mut inner = self.inner();
        let fresh = inner.is_fresh(now);
        if std::mem::take(&mut inner.held) && fresh {
            return Ok(());
        }
        inner.pace.limiter().take(now)?;
        inner.granted_at = now;
        Ok(())
    }

    /// The start that was granted last is not made; the next one uses it, within a second of the grant and not of
    /// this: the bucket knows of the grant, and a start that is made much later is one it does not expect.
    pub fn keep(&self) {
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
        let settings = Settings {
            messages_per_minute: NonZeroU32::new(20).unwrap(),
            cooldown: Backoff { first: Duration::from_secs(60), last: Duration::from_secs(600) },
            timeout: Duration::from_secs(10),
        };
        Channel::new(key, settings, stored, vec![], at(0))
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
        assert_eq!((channel.permits(at(1)), channel.permits(at(2))), (1, 0));
        assert_eq!(channel.take(at(1)), Ok(()), "the kept one");
        channel.keep();
        assert!(channel.take(at(2)).is_err(), "kept again, but too old: the bucket decides, and it is empty");
    }
}
