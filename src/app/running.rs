//! The loops of lanes, receipts and access tokens, each of which can be ended by itself, and how they come from one
//! configuration to the next.
//!
//! A lane is ended between two steps: what is in flight finishes and is stored, and then another takes its place. Until
//! the store has been asked for everything that the new ones begin with, nothing is given up: if it does not answer,
//! the old ones go on as if nothing had happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::alarm::Alarm;
use crate::app::lanes::{Opened, Parts, Plan, Watch};
use crate::config::Config;
use crate::dispatch::lane::Lane;
use crate::dispatch::run;
use crate::gate::renewal;
use crate::model::name::Name;
use crate::receipts::{self, Receipts};
use crate::store::{Store, StoreError};

/// Everything that calls DingTalk.
pub struct Running {
    store: Arc<dyn Store>,
    /// Who this process is when it takes the right to send for an app.
    owner: String,
    alarm: Alarm,
    watch: Watch,
    lanes: BTreeMap<Name, Loop<Lane>>,
    receipts: BTreeMap<Name, Loop<()>>,
    renewals: BTreeMap<Name, Loop<()>>,
}

/// A loop that is told when to end. Dropping it ends it as a kill would.
struct Loop<T> {
    stop: watch::Sender<bool>,
    task: JoinHandle<T>,
}

/// What has been ended, and may have to go on.
#[derive(Default)]
struct Ended {
    lanes: Vec<Lane>,
    receipts: Vec<Name>,
    renewals: Vec<Name>,
}

impl Running {
    /// Takes the apps and starts every loop. One that panics for good rings the alarm.
    pub async fn start(config: &Arc<Config>, store: Arc<dyn Store>, alarm: Alarm) -> anyhow::Result<Self> {
        let owner = uuid::Uuid::now_v7().to_string();
        let opened = Plan::new(None, config)?.open(&[], &store, &owner, Timestamp::now()).await?;
        let (lanes, receipts, renewals) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut running =
            Self { watch: Watch::of(opened.parts.clone()), store, owner, alarm, lanes, receipts, renewals };
        running.spawn(opened);
        Ok(running)
    }

    /// Lets others see how lanes and apps stand.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Ends what is other under this configuration, and starts it anew.
    ///
    /// # Errors
    /// When it cannot be done now: everything goes on as before.
    pub async fn change_to(&mut self, config: &Arc<Config>) -> anyhow::Result<()> {
        let before = self.watch.parts();
        let plan = Plan::new(Some(&before), config)?;
        let mut ended = self.end(&plan).await;
        match self.open(plan, &mut ended.lanes).await {
            Ok(opened) => {
                self.watch.turn_to(opened.parts.clone());
                self.spawn(opened);
                Ok(())
            }
            Err(error) => {
                self.go_on_with(ended, &before);
                Err(error.into())
            }
        }
    }

    async fn open(&self, plan: Plan, ended: &mut [Lane]) -> Result<Opened, StoreError> {
        for lane in &mut *ended {
            lane.settle().await?;
        }
        plan.open(ended, &self.store, &self.owner, Timestamp::now()).await
    }

    /// Ends what the plan does not keep. All are told before the first one is waited for.
    async fn end(&mut self, plan: &Plan) -> Ended {
        let lanes = take(&mut self.lanes, |receiver| !plan.keeps_lane(receiver));
        let receipts = take(&mut self.receipts, |app| !plan.keeps_receipts(app));
        let renewals = take(&mut self.renewals, |app| !plan.keeps_gate(app));
        let mut ended = Ended::default();
        for (app, receipts) in receipts {
            receipts.end().await;
            ended.receipts.push(app);
        }
        for (app, renewal) in renewals {
            renewal.end().await;
            ended.renewals.push(app);
        }
        for (_, lane) in lanes {
            ended.lanes.extend(lane.end().await);
        }
        ended
    }

    fn go_on_with(&mut self, ended: Ended, before: &Parts) {
        let gate = |app: &Name| Arc::clone(&before.gates[app]);
        let receipts =
            ended.receipts.iter().map(|app| Receipts::new(&before.config, gate(app), Arc::clone(&self.store)));
        let receipts = receipts.collect();
        let gates = ended.renewals.iter().map(gate).collect();
        self.spawn(Opened { parts: before.clone(), lanes: ended.lanes, gates, receipts });
    }

    fn spawn(&mut self, opened: Opened) {
        for lane in opened.lanes {
            let (receiver, store) = (lane.receiver().clone(), Arc::clone(&self.store));
            self.lanes.insert(receiver, Loop::start("a lane", &self.alarm, |stop| run::run(lane, store, stop)));
        }
        for of_app in opened.receipts {
            let app = of_app.gate().app().clone();
            self.receipts.insert(app, Loop::start("receipts", &self.alarm, |stop| receipts::run::run(of_app, stop)));
        }
        for gate in opened.gates {
            let app = gate.app().clone();
            self.renewals.insert(app, Loop::start("token renewal", &self.alarm, |stop| renewal::run(gate, stop)));
        }
    }

    /// Ends everything: what is in flight is finished, the rest stays stored.
    pub async fn stop(mut self) {
        let everything = |_: &Name| true;
        let (receipts, renewals) = (take(&mut self.receipts, everything), take(&mut self.renewals, everything));
        for (_, lane) in take(&mut self.lanes, everything) {
            lane.end().await;
        }
        for (_, of_app) in receipts.into_iter().chain(renewals) {
            of_app.end().await;
        }
    }
}

/// Takes the loops out that are to end, and tells them.
fn take<T>(loops: &mut BTreeMap<Name, Loop<T>>, ends: impl Fn(&Name) -> bool) -> Vec<(Name, Loop<T>)> {
    let names: Vec<_> = loops.keys().filter(|name| ends(name)).cloned().collect();
    let taken: Vec<_> = names.into_iter().filter_map(|name| loops.remove_entry(&name)).collect();
    for (_, one) in &taken {
        one.stop.send_replace(true);
    }
    taken
}

impl<T: Send + 'static> Loop<T> {
    fn start<F: Future<Output = T> + Send + 'static>(
        part: &'static str,
        alarm: &Alarm,
        run: impl FnOnce(watch::Receiver<bool>) -> F,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { stop, task: tokio::spawn(alarm.clone().over(part, run(stopped))) }
    }

    /// Waits for the end of one that was told. `None`: it has panicked, and the alarm has rung.
    async fn end(mut self) -> Option<T> {
        (&mut self.task).await.inspect_err(|error| tracing::error!(%error, "a loop has ended by itself")).ok()
    }
}

impl<T> Drop for Loop<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
