//! Settings in files, and changing them while a [`World`] or a [`Bench`] runs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use dingtalk_relay::app::check::{Checked, check};
use dingtalk_relay::app::lanes::Plan;
use dingtalk_relay::app::warnings::Surroundings;
use dingtalk_relay::config::{self, SecretsRead};
use dingtalk_relay::store::Store;
use jiff::Timestamp;
use serde_json::Value;

use crate::harness::{Bench, Hands, World, answer, configured, settings};

/// Writes the two files.
pub(in crate::harness) fn write_settings(base_url: &str, folder: &Path, more: &str) {
    let files = [("base.yaml", settings(base_url, folder)), ("more.yaml", more.replace("SIMULATOR", base_url))];
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

/// Reads the two files, as `serve` does.
pub(in crate::harness) fn read_settings(folder: &Path) -> Checked {
    let paths = ["base.yaml", "more.yaml"].map(|name| folder.join(name));
    check(config::draft(&paths, std::iter::empty(), SecretsRead::Read), Surroundings::Unknown)
}

impl Hands {
    /// Somebody sets the clock, also back.
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.as_millisecond(), Ordering::SeqCst);
    }
}

impl World {
    /// Changes what is laid over the settings; nobody is told.
    pub fn write(&self, more: &str) {
        write_settings(&self.simulator.base_url(), self.folder.path(), more);
    }

    /// Has the configuration read again.
    pub async fn reload(&self) -> (u16, Value) {
        answer(self.http.post(format!("http://{}/-/reload", self.relay.admin()))).await
    }
}

impl Bench {
    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The settings are changed while the relay runs. Says whose lanes went on as they were.
    pub async fn reload(&mut self, more: &str) -> Vec<String> {
        self.config = configured(&self.simulator.base_url(), self.folder.path(), more);
        self.ingest = Self::ingest(&self.config, &self.store);
        let plan = Plan::new(Some(&self.watch.parts()), &Arc::new(self.config.clone())).unwrap();
        let ended: Vec<_> = self.lanes.extract_if(.., |lane| !plan.keeps_lane(lane.receiver())).collect();
        self.receipts.retain(|receipts| plan.keeps_receipts(receipts.gate().app()));
        let kept = self.lanes.iter().map(|lane| lane.receiver().to_string()).collect();
        let store = Arc::clone(&self.store) as Arc<dyn Store>;
        let opened = plan.open(&ended, &store, &self.owner.to_string(), self.clock.now()).await.unwrap();
        self.lanes.extend(opened.lanes);
        self.receipts.extend(opened.receipts);
        self.watch.turn_to(opened.parts);
        kept
    }
}
