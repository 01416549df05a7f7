//! The configuration is read again: when a request or a signal asks for it, and when one of its files has changed.
//!
//! One loop does it all, so that reloads come one after another. All or nothing: what was read is checked as a whole
//! before anything is touched, and one problem keeps the last good configuration. Then what has changed is started
//! anew (`running`), and the webhook port's view is swapped whole: a webhook in flight keeps the one it began with.
//! Every reload, and nothing else, ends in `tell`: whoever must hear of a refused one is told there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use crate::app::changes::{changes, without_restart};
use crate::app::check::{Checked, Compiled};
use crate::app::counted;
use crate::app::files::Files;
use crate::app::running::Running;
use crate::config::Config;
use crate::config::problem::{Problem, Problems};
use crate::gate::Gate;
use crate::http::hooks::Live;
use crate::ingest::Ingest;
use crate::operator::readiness::Readiness;
use crate::operator::reload::{Asked, By, Change, Outcome, Refused, Reloaded};
use crate::store::Store;
use crate::telemetry::metrics::{RELOAD_SUCCESSFUL, RELOADED_AT};

/// How soon a reload that could not be done is tried again by itself.
const AGAIN: Duration = Duration::from_secs(5);

/// Reads and checks a configuration.
type Read = Arc<dyn Fn() -> Checked + Send + Sync>;

/// Where a configuration comes from, and how it is read again.
pub struct Origin {
    files: Files,
    read: Read,
}

impl Origin {
    /// A configuration that was read just now, from these files and folders.
    pub fn new(places: BTreeSet<PathBuf>, read: impl Fn() -> Checked + Send + Sync + 'static) -> Self {
        Self { files: Files::at(places), read: Arc::new(read) }
    }
}

/// What reloads.
pub struct Reloader {
    origin: Origin,
    /// The files as they were when the running configuration was read from them.
    taken: Files,
    running: Running,
    live: Arc<ArcSwap<Live>>,
    store: Arc<dyn Store>,
    retention: watch::Sender<Duration>,
    readiness: Readiness,
    /// Why the last one was refused, for the operator's notices; empty: it was not.
    refused: watch::Sender<Vec<String>>,
    /// The warnings that were told already.
    warned: Vec<Problem>,
    last: Last,
}

/// What became of the last reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Taken,
    Refused,
    /// It is to be tried again.
    PutOff,
}

impl Reloader {
    /// Stands ready to replace what runs, and what is `live` at the webhook port.
    pub fn new(
        origin: Origin,
        running: Running,
        live: Arc<ArcSwap<Live>>,
        store: Arc<dyn Store>,
        retention: watch::Sender<Duration>,
        readiness: Readiness,
        refused: watch::Sender<Vec<String>>,
    ) -> Self {
        tell_success(Timestamp::now());
        let (taken, warned) = (origin.files.clone(), Vec::new());
        Self { origin, taken, running, live, store, retention, readiness, refused, warned, last: Last::Taken }
    }

    /// Reloads until `stop` becomes true, and then ends what runs.
    pub async fn run(mut self, mut asked: mpsc::Receiver<Asked>, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                biased;
                () = told(&mut stop) => break,
                Some(Asked { by, answer }) = asked.recv() => {
                    let outcome = self.reload(by).await;
                    let _nobody_need_wait = answer.send(outcome);
                }
                changed = self.origin.files.changed() => self.follow(&changed).await,
                () = tokio::time::sleep(AGAIN), if self.last == Last::PutOff => drop(self.reload(By::Change).await),
            }
        }
        drop(asked);
        self.running.stop().await;
    }

    /// Some files have changed. Where these are apps' secrets and nothing else, the apps are tried again and that is
    /// all: what the other secrets say is read whenever somebody shows one.
    async fn follow(&mut self, changed: &BTreeSet<PathBuf>) {
        let config = Arc::clone(&self.running.watch().parts().config);
        let is_secret = |file: &PathBuf| config.apps.values().any(|app| app.app_secret.path() == Some(file));
        if self.last == Last::Taken && changed.iter().all(is_secret) {
            return self.mend(|secret| secret.is_some_and(|file| changed.contains(file)));
        }
        if self.reload(By::Change).await.is_err() {
            // What is wrong elsewhere does not keep a mended secret from being tried.
            self.mend(|secret| secret.is_some_and(|file| changed.contains(file)));
        }
    }

    /// Tries the apps again whose secret, by its file, may be another one now.
    fn mend(&self, is_other: impl Fn(Option<&Path>) -> bool) {
        let parts = self.running.watch().parts();
        let is_other = |gate: &Gate| is_other(parts.config.apps.get(gate.app()).and_then(|app| app.app_secret.path()));
        parts.gates.values().filter(|gate| is_other(gate)).for_each(|gate| gate.mended(Timestamp::now()));
    }

    async fn reload(&mut self, by: By) -> Outcome {
        let outcome = self.read_and_take().await;
        let is_repetition = self.last == Last::PutOff && matches!(outcome, Err(Refused::NotNow(_)));
        self.last = match &outcome {
            Ok(_) => Last::Taken,
            Err(Refused::Wrong(_)) => Last::Refused,
            Err(Refused::NotNow(_)) => Last::PutOff,
            Err(Refused::Stopping) => return outcome,
        };
        match &outcome {
            Ok(_) => drop(self.refused.send_replace(Vec::new())),
            Err(Refused::Wrong(problems)) => {
                self.refused.send_replace(problems.iter().map(ToString::to_string).collect());
            }
            Err(Refused::NotNow(_) | Refused::Stopping) => {}
        }
        if !is_repetition {
            tell(by, &outcome, &self.warned);
        }
        if let Ok(reloaded) = &outcome {
            self.warned.clone_from(&reloaded.warnings);
        }
        outcome
    }

    async fn read_and_take(&mut self) -> Outcome {
        if self.readiness.is_stopping() {
            return Err(Refused::Stopping);
        }
        let (read, files) = (Arc::clone(&self.origin.read), self.origin.files.clone());
        // The files are looked at before they are read: what changes meanwhile is noticed afterwards.
        let reading = tokio::task::spawn_blocking(move || {
            let before = files.read_anew();
            let checked = read();
            let files = before.replaced_by(checked.places.iter().cloned());
            (files, checked)
        });
        let (files, checked) = reading.await.map_err(|error| Refused::NotNow(error.to_string()))?;
        self.origin.files = files;
        let (new, compiled) = checked.outcome.map_err(Refused::Wrong)?;
        self.take(new, compiled, checked.warnings).await
    }

    async fn take(&mut self, new: Config, compiled: Compiled, mut warnings: Vec<Problem>) -> Outcome {
        let before = Arc::clone(&self.running.watch().parts().config);
        let (new, need_restart) = without_restart(&before, new);
        warnings.extend(need_restart);
        let other_templates = new.templates.iter().any(|place| !self.taken.agree_on(place, &self.origin.files));
        let changed = changes(&before, &new, other_templates);
        let new = Arc::new(new);
        self.running.change_to(&new).await.map_err(|error| Refused::NotNow(format!("{error:#}")))?;
        counted::begin(&new, &compiled);
        self.live.store(Arc::new(live(&new, compiled, Arc::clone(&self.store))));
        self.retention.send_replace(new.store.retention);
        self.taken.clone_from(&self.origin.files);
        // What a human has to mend may be mended now.
        self.mend(|_| true);
        Ok(Reloaded { changed, warnings })
    }
}

/// What a configuration makes of the webhook port.
pub fn live(config: &Config, compiled: Compiled, store: Arc<dyn Store>) -> Live {
    let Compiled { sources, routes, renderer } = compiled;
    Live {
        sources,
        ingest: Ingest { routes, receivers: config.receivers.clone(), renderer, store },
        max_body: config.http.max_body,
        dingtalk_path: config.http.dingtalk_path.clone(),
    }
}

/// Tells what came of a reload. The one place where that is known, whoever asked for it.
fn tell(by: By, outcome: &Outcome, warned: &[Problem]) {
    let by = by.as_str();
    match outcome {
        Ok(Reloaded { changed, warnings }) => {
            tell_success(Timestamp::now());
            let changed: Vec<_> = changed.iter().map(Change::to_string).collect();
            let changed = if changed.is_empty() { "nothing".to_owned() } else { changed.join(", ") };
            tracing::info!(by, changed, "the configuration was read again");
            warn(warnings.iter().filter(|warning| !warned.contains(warning)));
        }
        Err(Refused::Wrong(problems)) => {
            ::metrics::gauge!(RELOAD_SUCCESSFUL).set(0.0);
            let problems = Problems(problems.clone()).to_string();
            tracing::error!(by, problems, "the configuration was refused; the last good one goes on");
        }
        Err(Refused::NotNow(error)) => {
            ::metrics::gauge!(RELOAD_SUCCESSFUL).set(0.0);
            tracing::error!(by, error, "the configuration could not be changed now; it is tried again soon");
        }
        Err(Refused::Stopping) => {}
    }
}

/// Tells of what is legal and will hurt.
pub fn warn<'w>(warnings: impl IntoIterator<Item = &'w Problem>) {
    for Problem { path, message } in warnings {
        tracing::warn!(path, "the configuration is legal, but {path}: {message}");
    }
}

fn tell_success(now: Timestamp) {
    ::metrics::gauge!(RELOAD_SUCCESSFUL).set(1.0);
    ::metrics::gauge!(RELOADED_AT).set(now.as_second() as f64);
}

/// Resolves when the loop is to end; also when nobody is left who could say so.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _told_or_alone = stop.wait_for(|stop| *stop).await;
}
