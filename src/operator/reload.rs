//! Having the configuration read again: how it is asked for, and what came of it.
//!
//! Whoever asks (the admin port, a signal) holds a [`Reloading`]; the loop at its other end, `app::reload`, does it, one
//! after another, and nobody waits for a lock. Once that loop has ended, the relay is stopping.

use serde::{Serialize, Serializer};
use tokio::sync::{mpsc, oneshot};

use crate::config::problem::Problem;

/// How many may wait for their turn; the next one waits for a place.
const WAITING: usize = 16;

/// Who had the configuration read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// `POST /-/reload`.
    Request,
    /// SIGHUP.
    Signal,
    /// A file that has changed.
    Change,
}

impl By {
    /// The word for the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Signal => "signal",
            Self::Change => "change",
        }
    }
}

/// What came of it.
pub type Outcome = Result<Reloaded, Refused>;

/// The configuration was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// What is other now; nothing, if the files say what they said.
    pub changed: Vec<Change>,
    /// What is legal and will hurt, and what waits for a restart.
    pub warnings: Vec<Problem>,
}

/// Why the last good configuration goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Everything that is wrong with what was read.
    Wrong(Vec<Problem>),
    /// The store cannot be asked: it is tried again soon.
    NotNow(String),
    /// The process is about to end.
    Stopping,
}

/// One thing that is other than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where: `receivers.oncall`, `route`.
    pub path: String,
    /// How.
    #[serde(rename = "change", serialize_with = "as_word")]
    pub what: What,
}

/// How something is other than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It is new.
    Added,
    /// It says something else.
    Changed,
    /// It is gone.
    Removed,
}

impl What {
    /// The word for the API and the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

fn as_word<S: Serializer>(what: &What, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(what.as_str())
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.path, self.what.as_str())
    }
}

/// One who asks, and waits.
pub struct Asked {
    /// Who.
    pub by: By,
    /// Where the outcome goes.
    pub answer: oneshot::Sender<Outcome>,
}

/// A handle to have the configuration read again. Clones share it.
#[derive(Clone)]
pub struct Reloading(mpsc::Sender<Asked>);

impl Reloading {
    /// A handle, and where the loop that does it hears of it.
    pub fn channel() -> (Self, mpsc::Receiver<Asked>) {
        let (asking, asked) = mpsc::channel(WAITING);
        (Self(asking), asked)
    }

    /// Has the configuration read again, when those who asked before have been answered. It is done even if whoever
    /// asked does not wait for the end.
    pub async fn ask(&self, by: By) -> Outcome {
        let (answer, told) = oneshot::channel();
        if self.0.send(Asked { by, answer }).await.is_err() {
            return Err(Refused::Stopping);
        }
        told.await.unwrap_or(Err(Refused::Stopping))
    }
}
