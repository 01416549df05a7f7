//! The gates and receipts of all apps and the lanes of all receivers, as a configuration wants them.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;

use crate::config::Config;
use crate::dingtalk::Client;
use crate::dispatch::lane::Lane;
use crate::gate::channel::Channel;
use crate::gate::{Gate, view};
use crate::model::name::{ChannelKey, Name};
use crate::model::view::{AppState, LaneState};
use crate::receipts::Receipts;
use crate::store::Store;

/// Every lane, the receipts of every app, and what to look at to see how they stand.
pub struct Lanes {
    /// One for each receiver.
    pub lanes: Vec<Lane>,
    /// One for each app.
    pub gates: Vec<Arc<Gate>>,
    /// One for each app.
    pub receipts: Vec<Receipts>,
    /// How they stand.
    pub watch: Watch,
}

/// Lets others see how lanes and apps stand.
#[derive(Clone)]
pub struct Watch {
    config: Arc<Config>,
    gates: BTreeMap<Name, Arc<Gate>>,
    channels: BTreeMap<Name, Arc<Channel>>,
}

impl Lanes {
    /// Opens a gate for every app and a lane for every receiver, as they stand at `now`. `owner` is who this process
    /// is when it takes the right to send for an app.
    pub async fn open(
        config: &Arc<Config>,
        store: &Arc<dyn Store>,
        owner: &str,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let mut watch = Watch { config: Arc::clone(config), gates: BTreeMap::new(), channels: BTreeMap::new() };
        for (name, app) in &config.apps {
            let client =
                Client::new(name.clone(), app).with_context(|| format!("cannot make a client for app {name}"))?;
            let receivers = config.receivers.values().filter(|receiver| receiver.app == *name);
            let gate = Gate::open(name, config, receivers, client, Arc::clone(store), owner, now).await?;
            // At once, not when the first delivery is due: what the process before us left `sending` goes back now.
            gate.ownership(now).await?;
            watch.gates.insert(name.clone(), Arc::new(gate));
        }
        let gates: Vec<_> = watch.gates.values().cloned().collect();
        let receipts = gates.iter().map(|gate| Receipts::new(config, Arc::clone(gate), Arc::clone(store))).collect();
        let mut lanes = Vec::new();
        for (name, receiver) in &config.receivers {
            let gate = &watch.gates[&receiver.app];
            let key = ChannelKey::app_robot(&receiver.app, &receiver.robot_code, &receiver.open_conversation_id);
            let channel = gate.channel(&key).context("the gate has a channel for each of its receivers")?;
            watch.channels.insert(name.clone(), Arc::clone(channel));
            let (gate, channel) = (Arc::clone(gate), Arc::clone(channel));
            lanes.push(Lane::new(name.clone(), receiver, config.retry.clone(), gate, channel, Arc::clone(store)));
        }
        Ok(Self { lanes, gates, receipts, watch })
    }
}

impl Watch {
    /// How every configured lane stands at `now`.
    pub fn lanes(&self, now: Timestamp) -> Vec<LaneState> {
        let lane = |(name, channel): (&Name, &Arc<Channel>)| {
            let settings = &self.config.receivers[name];
            view::lane(name, settings, &self.gates[&settings.app], channel, now)
        };
        self.channels.iter().map(lane).collect()
    }

    /// How every configured app stands at `now`.
    pub fn apps(&self, now: Timestamp) -> Vec<AppState> {
        self.gates.values().map(|gate| view::app(gate, now)).collect()
    }
}
