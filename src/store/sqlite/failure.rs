//! What a failure inside SQLite means, in one place.
//!
//! Most failures concern one command or one batch, and the next may succeed. A full disk passes when there is room.
//! Anything else that touches the file (a failed sync above all) means that nobody knows what is on the disk: after
//! a failed sync the kernel calls lost pages clean, so trying again would report success for data that is gone.

use rusqlite::ErrorCode;

use crate::store::StoreError;

/// Why a command was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// A rule of the store says no.
    Refused(StoreError),
    /// SQLite could not.
    Sqlite(rusqlite::Error),
}

/// What follows from a failure for those that come later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Nothing.
    Passing,
    /// There is no room until somebody makes some.
    Full,
    /// The file or the disk cannot be trusted any more.
    Broken,
}

impl Failure {
    /// What follows for those that come later.
    pub(super) fn extent(&self) -> Extent {
        match self {
            Self::Refused(_) => Extent::Passing,
            Self::Sqlite(error) => extent(error),
        }
    }

    /// What the caller is told.
    pub(super) fn to_store_error(&self) -> StoreError {
        match self {
            Self::Refused(error) => error.clone(),
            Self::Sqlite(error) => to_store_error(error),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// What the caller is told of an error of SQLite.
pub(super) fn to_store_error(error: &rusqlite::Error) -> StoreError {
    match extent(error) {
        Extent::Full => StoreError::NoRoom,
        Extent::Passing | Extent::Broken => StoreError::Unavailable(error.to_string()),
    }
}

fn extent(error: &rusqlite::Error) -> Extent {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Extent::Full,
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::InternalMalfunction,
        ) => Extent::Broken,
        _ => Extent::Passing,
    }
}

/// What follows from a commit that failed: all that is not known to be harmless breaks the store.
pub(super) fn extent_of_commit(error: &rusqlite::Error) -> Extent {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Extent::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::ConstraintViolation) => Extent::Passing,
        _ => Extent::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
    }

    #[test]
    fn only_busy_constraint_and_full_disk_leave_a_store_whole_whose_commit_failed() {
        use rusqlite::ffi;
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_BUSY_SNAPSHOT, ffi::SQLITE_CONSTRAINT_FOREIGNKEY] {
            assert_eq!(extent_of_commit(&error(code)), Extent::Passing);
        }
        assert_eq!(extent_of_commit(&error(ffi::SQLITE_FULL)), Extent::Full);
        for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_CORRUPT, ffi::SQLITE_NOMEM] {
            assert_eq!(extent_of_commit(&error(code)), Extent::Broken);
        }
    }
}
