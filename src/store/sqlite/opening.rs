//! Why a database could not be opened: for the person who starts the relay.
//!
//! Opening is the one time the store meets a file it did not make: another relay's, an old one, another program's, one
//! on a disk of another machine. Each is refused with its reason before anything is written.

use std::io;
use std::path::{Path, PathBuf};

/// Why a database could not be opened. Each text says what to do or what to look at.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the lock file.
    #[error("{path} is in use by another relay, which holds the lock {lock}", path = path.display(), lock = lock.display())]
    Locked {
        /// The database.
        path: PathBuf,
        /// The lock file.
        lock: PathBuf,
    },
    /// The file system belongs to another machine.
    #[error("{path} is on a network file system ({kind}), which cannot keep a SQLite database whole: use a local disk", path = path.display())]
    Network {
        /// The database.
        path: PathBuf,
        /// The file system's type, as the kernel calls it.
        kind: String,
    },
    /// The SQLite inside is too old: the one found, and the oldest that will do.
    #[error("SQLite {0} can lose committed data; {1} is the oldest that does not")]
    OldSqlite(String, String),
    /// The database was written by a later version of this program.
    #[error("the database has schema {found}, and this version knows {known}: run a newer dingtalk-relay")]
    Newer {
        /// Its schema.
        found: usize,
        /// The newest one known here.
        known: usize,
    },
    /// The database is somebody else's.
    #[error("the file is a SQLite database of another program")]
    Foreign,
    /// The folder is missing and cannot be made, or cannot be entered.
    #[error("cannot create or enter the folder {path}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be opened, or its mode cannot be set.
    #[error("cannot open {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A setting that durability rests on did not take.
    #[error("SQLite's {pragma} is {found:?} although it was set to {wanted:?}")]
    Setting {
        /// Its name.
        pragma: &'static str,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// SQLite could not open or set up the file.
    #[error("cannot set up the database")]
    Sqlite(#[from] rusqlite::Error),
}

impl OpenError {
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}
