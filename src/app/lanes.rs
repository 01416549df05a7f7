//! The gates and channels of all apps and the lanes of all receivers, as a configuration wants them, at the start and
//! when it has changed.
//!
//! A [`Plan`] says what of the [`Parts`] that run can stay as it is: a gate while its app is the same, a channel while
//! its limits are, a lane while its receiver and what it passes are. What stays keeps its limiter's window, its state
//! and its token, and does not notice. Whoever follows the plan ends the lanes that do not stay, and only then opens
//! what takes their place, from the store: so no two lanes ever use one channel or finish one delivery (law 4), and a
//! fresh limiter knows every attempt of the last minute (law 6). Nothing here runs: loops are `running`'s.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use anyhow::Context;
use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::config::{App, Config, Receiver};
use crate::dingtalk::Client;
use crate::dispatch::fallback::Fallback;
use crate::dispatch::lane::Lane;
use crate::gate::channel::{Channel, Settings};
use crate::gate::turns::Turns;
use crate::gate::{Gate, view};
use crate::model::form::Style;
use crate::model::month::Month;
use crate::model::name::{ChannelKey, Name};
use crate::model::view::{AppState, LaneState};
use crate::receipts::Receipts;
use crate::store::{Store, StoreError};

/// What all lanes stand on, under one configuration.
#[derive(Clone)]
pub struct Parts {
    /// What they follow.
    pub config: Arc<Config>,
    /// One for each app.
    pub gates: BTreeMap<Name, Arc<Gate>>,
    /// One for each organisation: who of its lanes is next when its month is spaced out.
    pub turns: BTreeMap<Name, Arc<Turns>>,
    /// One for each robot in each group.
    pub channels: BTreeMap<ChannelKey, Arc<Channel>>,
}

/// What is to become of the parts under a configuration.
pub struct Plan {
    /// What is known before anything ends: the gates and channels that stay.
    parts: Parts,
    /// The clients of the gates that are new.
    clients: BTreeMap<Name, Arc<Client>>,
    /// What was before.
    before: Option<Parts>,
}

/// What a plan has opened: the new lanes, and what they and those that stay stand on.
pub struct Opened {
    /// Everything, old and new.
    pub parts: Parts,
    /// The new lanes.
    pub lanes: Vec<Lane>,
    /// The new gates.
    pub gates: Vec<Arc<Gate>>,
    /// The new receipts.
    pub receipts: Vec<Receipts>,
}

impl Parts {
    fn channel_of(&self, receiver: &Name) -> Option<&Arc<Channel>> {
        self.channels.get(&key(self.config.receivers.get(receiver)?))
    }
}

impl Plan {
    /// How to come from what was `before`, if anything, to a configuration. Does nothing yet.
    ///
    /// # Errors
    /// When an app's client cannot be made: in practice, when there are no CA certificates on this machine.
    pub fn new(before: Option<&Parts>, config: &Arc<Config>) -> anyhow::Result<Self> {
        let parts = Parts {
            config: Arc::clone(config),
            gates: BTreeMap::new(),
            turns: BTreeMap::new(),
            channels: BTreeMap::new(),
        };
        let mut plan = Self { parts, clients: BTreeMap::new(), before: before.cloned() };
        for (name, app) in &config.apps {
            match plan.gate_that_stays(name) {
                Some(gate) => drop(plan.parts.gates.insert(name.clone(), gate)),
                None => drop(plan.clients.insert(name.clone(), plan.client(name, app)?)),
            }
        }
        for (key, settings) in channels(config) {
            let before = before.and_then(|before| before.channels.get(&key));
            if let Some(channel) = before.filter(|channel| channel.settings() == settings) {
                plan.parts.channels.insert(key, Arc::clone(channel));
            }
        }
        Ok(plan)
    }

    /// Whether the lane of a receiver goes on as it is. One that does not must have ended before [`Plan::open`].
    pub fn keeps_lane(&self, receiver: &Name) -> bool {
        let (Some(before), Some(settings)) = (&self.before, self.parts.config.receivers.get(receiver)) else {
            return false;
        };
        before.config.receivers.get(receiver) == Some(settings)
            && style_of_heir(&before.config, settings) == style_of_heir(&self.parts.config, settings)
            && before.config.retry == self.parts.config.retry
            && self.keeps_gate(&settings.app)
            && self.parts.channels.contains_key(&key(settings))
    }

    /// Whether the gate of an app goes on as it is.
    pub fn keeps_gate(&self, app: &Name) -> bool {
        self.parts.gates.contains_key(app)
    }

    /// Whether the receipts of an app go on as they are: they know the receivers of the app.
    pub fn keeps_receipts(&self, app: &Name) -> bool {
        let Some(before) = &self.before else { return false };
        self.keeps_gate(app) && of_app(&before.config, app).eq(of_app(&self.parts.config, app))
    }

    /// Opens what does not stay, as the store knows it at `now`. The lanes that have `ended` are succeeded by those of
    /// their receivers. `owner` is who this process is when it takes the right to send for an app.
    pub async fn open(
        mut self,
        ended: &[Lane],
        store: &Arc<dyn Store>,
        owner: &str,
        now: Timestamp,
    ) -> Result<Opened, StoreError> {
        let receipts: Vec<_> = self.parts.config.apps.keys().filter(|app| !self.keeps_receipts(app)).cloned().collect();
        let receivers = self.parts.config.receivers.keys();
        let lanes: Vec<_> = receivers.filter(|receiver| !self.keeps_lane(receiver)).cloned().collect();
        self.open_turns(store.as_ref(), now).await?;
        let gates = self.open_gates(store, owner, now).await?;
        self.open_channels(store.as_ref(), now).await?;
        self.try_what_was_changed(&lanes, now);
        let parts = self.parts;
        let receipts = receipts.iter().map(|app| {
            let gate = Arc::clone(&parts.gates[app]);
            Receipts::new(&parts.config, gate, Arc::clone(store))
        });
        let receipts = receipts.collect();
        let mut lanes: Vec<_> = lanes.iter().map(|receiver| lane(&parts, receiver, store)).collect();
        for lane in &mut lanes {
            if let Some(before) = ended.iter().find(|before| before.receiver() == lane.receiver()) {
                lane.succeeds(before);
            }
        }
        Ok(Opened { parts, lanes, gates, receipts })
    }

    /// An organisation's lanes go on taking turns as they did. Of one that is new, the store knows the last call.
    async fn open_turns(&mut self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        for organisation in self.parts.config.organisations.keys() {
            let turns = match self.before.as_ref().and_then(|before| before.turns.get(organisation)) {
                Some(turns) => Arc::clone(turns),
                None => Arc::new(Turns::after(store.last_call(organisation, Month::of(now)).await?)),
            };
            self.parts.turns.insert(organisation.clone(), turns);
        }
        Ok(())
    }

    async fn open_gates(
        &mut self,
        store: &Arc<dyn Store>,
        owner: &str,
        now: Timestamp,
    ) -> Result<Vec<Arc<Gate>>, StoreError> {
        let mut opened = Vec::new();
        for (app, client) in std::mem::take(&mut self.clients) {
            let turns = Arc::clone(&self.parts.turns[&self.parts.config.apps[&app].organisation]);
            let before = self.before.as_ref().and_then(|before| before.gates.get(&app));
            if let Some(before) = before {
                // What it could not store yet is what the new one begins with.
                before.save_what_changed(now).await?;
            }
            let gate = Gate::open(&app, &self.parts.config, client, turns, Arc::clone(store), owner, now).await?;
            if let Some(before) = before {
                gate.succeeds(before, now);
            }
            // At once, not when the first delivery is due: what the process before us left `sending` goes back now.
            gate.ownership(now).await?;
            let gate = Arc::new(gate);
            self.parts.gates.insert(app, Arc::clone(&gate));
            opened.push(gate);
        }
        Ok(opened)
    }

    async fn open_channels(&mut self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        let mut stored = store.channels().await?;
        for (key, settings) in channels(&self.parts.config) {
            if let Entry::Vacant(place) = self.parts.channels.entry(key) {
                let row = stored.iter().position(|row| row.channel == *place.key()).map(|row| stored.swap_remove(row));
                let channel = Channel::open(place.key().clone(), settings, row, store, now).await?;
                place.insert(Arc::new(channel));
            }
        }
        Ok(())
    }

    /// A blocked channel whose receiver was changed may be mended by that, and who changed it waits for it.
    fn try_what_was_changed(&self, lanes: &[Name], now: Timestamp) {
        for receiver in lanes {
            let was = self.before.as_ref().and_then(|before| before.config.receivers.get(receiver));
            let is = &self.parts.config.receivers[receiver];
            if let Some(channel) = self.parts.channels.get(&key(is)).filter(|_| was.is_some_and(|was| was != is)) {
                channel.mended(now);
            }
        }
    }

    fn gate_that_stays(&self, app: &Name) -> Option<Arc<Gate>> {
        let before = self.before.as_ref()?;
        let (was, is) = (before.config.apps.get(app)?, &self.parts.config.apps[app]);
        // What the default robot is called is the receivers' affair.
        let same_app = App { robot_code: is.robot_code.clone(), ..was.clone() } == *is;
        let same_month =
            before.config.organisations[&was.organisation] == self.parts.config.organisations[&is.organisation];
        (same_app && same_month).then(|| Arc::clone(&before.gates[app]))
    }

    /// The client of an app whose way to DingTalk is the same is taken over, and its access token with it.
    fn client(&self, name: &Name, app: &App) -> anyhow::Result<Arc<Client>> {
        let before = self.before.as_ref().and_then(|before| Some((before.config.apps.get(name)?, &before.gates[name])));
        if let Some((was, gate)) = before
            && (&was.base_url, &was.app_key, &was.app_secret, was.timeout)
                == (&app.base_url, &app.app_key, &app.app_secret, app.timeout)
        {
            return Ok(Arc::clone(gate.client()));
        }
        let client = Client::new(name.clone(), app);
        Ok(Arc::new(client.with_context(|| format!("cannot make a client for app {name}"))?))
    }
}

fn lane(parts: &Parts, receiver: &Name, store: &Arc<dyn Store>) -> Lane {
    let settings = &parts.config.receivers[receiver];
    let (gate, channel) = (Arc::clone(&parts.gates[&settings.app]), Arc::clone(&parts.channels[&key(settings)]));
    let heir = settings.fallback.as_ref().zip(style_of_heir(&parts.config, settings));
    let fallback = heir.map(|(to, style)| Fallback::of(receiver, to.clone(), style.clone(), settings.fallback_after));
    Lane::new(receiver.clone(), &parts.config, fallback, gate, channel, Arc::clone(store))
}

/// How who takes over from a receiver is spoken to: what is handed over says why.
fn style_of_heir<'c>(config: &'c Config, settings: &Receiver) -> Option<&'c Style> {
    config.receivers.get(settings.fallback.as_ref()?).map(|heir| &heir.style)
}

fn key(receiver: &Receiver) -> ChannelKey {
    ChannelKey::app_robot(&receiver.app, &receiver.robot_code, &receiver.open_conversation_id)
}

/// What is configured for each channel. Receivers that name the same robot and group share one.
fn channels(config: &Config) -> BTreeMap<ChannelKey, Settings> {
    let mut channels: BTreeMap<ChannelKey, Settings> = BTreeMap::new();
    for receiver in config.receivers.values() {
        let settings = Settings {
            messages_per_minute: receiver.messages_per_minute,
            cooldown: receiver.cooldown,
            timeout: config.apps[&receiver.app].timeout,
        };
        let of_all = channels.entry(key(receiver)).or_insert(settings);
        *of_all = of_all.or_stricter(settings);
    }
    channels
}

fn of_app<'c>(config: &'c Config, app: &'c Name) -> impl Iterator<Item = (&'c Name, &'c Receiver)> {
    config.receivers.iter().filter(move |(_, receiver)| receiver.app == *app)
}

/// Lets others see how lanes and apps stand, whatever is configured at the time of the look.
#[derive(Clone)]
pub struct Watch(Arc<ArcSwap<Parts>>);

impl Watch {
    /// The view of these parts.
    pub fn of(parts: Parts) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(parts)))
    }

    /// What lanes and apps stand on now.
    pub fn parts(&self) -> Arc<Parts> {
        self.0.load_full()
    }

    /// From now on, these.
    pub fn turn_to(&self, parts: Parts) {
        self.0.store(Arc::new(parts));
    }

    /// How every configured lane stands at `now`.
    pub fn lanes(&self, now: Timestamp) -> Vec<LaneState> {
        let parts = self.parts();
        let lane = |(name, settings): (&Name, &Receiver)| {
            Some(view::lane(name, settings, parts.gates.get(&settings.app)?, parts.channel_of(name)?, now))
        };
        parts.config.receivers.iter().filter_map(lane).collect()
    }

    /// The gate of a configured app.
    pub fn gate(&self, app: &Name) -> Option<Arc<Gate>> {
        self.parts().gates.get(app).map(Arc::clone)
    }

    /// How every configured app stands at `now`.
    pub fn apps(&self, now: Timestamp) -> Vec<AppState> {
        self.parts().gates.values().map(|gate| view::app(gate, now)).collect()
    }
}
