//! Connections: one that writes, and small ones that read.
//!
//! Every setting that durability rests on is read back (law 1): SQLite ignores a pragma it does not know or cannot
//! follow without a word. `synchronous=full` syncs the log on every commit; no memory map, because an I/O error
//! under one is a signal that kills the process instead of an error code.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

use crate::store::sqlite::opening::OpenError;

/// The first SQLite without a bug that could lose a log that two connections reset at the same time
/// (<https://sqlite.org/wal.html#walresetbug>).
const OLDEST: i32 = 3_051_003;

/// How long to wait for somebody else's lock (a backup, a person with a shell).
const PATIENCE: Duration = Duration::from_secs(5);

/// Statements kept prepared; there are fewer.
const STATEMENTS: usize = 64;

/// Refuses a SQLite that is too old to be trusted; the argument is `rusqlite::version_number()`.
pub(super) fn check_version(version: i32) -> Result<(), OpenError> {
    if version >= OLDEST { Ok(()) } else { Err(OpenError::OldSqlite(dotted(version), dotted(OLDEST))) }
}

fn dotted(version: i32) -> String {
    format!("{}.{}.{}", version / 1_000_000, version / 1_000 % 1_000, version % 1_000)
}

/// The connection that writes. `path` is absolute: the bundled SQLite takes `file:…` for an address.
pub(super) fn that_writes(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(PATIENCE)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    if conn.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))? == 0 {
        // Only a file without a page takes this one, and only before the log is switched on.
        conn.pragma_update(None, "auto_vacuum", "incremental")?;
    }
    set(&conn, "journal_mode", "wal", "wal")?;
    set(&conn, "synchronous", "full", "2")?;
    // The writer does it, because SQLite does not say when a sync fails in it.
    set(&conn, "wal_autocheckpoint", "0", "0")?;
    set(&conn, "mmap_size", "0", "0")?;
    set(&conn, "cache_size", "-4096", "-4096")?;
    set(&conn, "foreign_keys", "on", "1")?;
    Ok(conn)
}

/// A connection that reads.
pub(super) fn that_reads(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(PATIENCE)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.execute_batch("pragma mmap_size = 0; pragma cache_size = -1024;")?;
    Ok(conn)
}

fn set(conn: &Connection, pragma: &'static str, to: &str, wanted: &'static str) -> Result<(), OpenError> {
    conn.pragma_update(None, pragma, to)?;
    let found = match conn.pragma_query_value(None, pragma, |row| row.get(0))? {
        Value::Text(text) => text,
        Value::Integer(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    if found == wanted { Ok(()) } else { Err(OpenError::Setting { pragma, wanted, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_1_what_durability_rests_on_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let conn = that_writes(&dir.path().join("relay.db")).unwrap();
        conn.execute_batch("create table t (x)").unwrap();
        let number = |pragma| conn.pragma_query_value::<i64, _>(None, pragma, |row| row.get(0)).unwrap();
        let mode: String = conn.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        assert_eq!(number("synchronous"), 2, "full");
        assert_eq!(number("auto_vacuum"), 2, "incremental");
        assert_eq!(number("mmap_size"), 0);
        assert_eq!(number("foreign_keys"), 1);
    }

    #[test]
    fn a_setting_that_did_not_take_is_an_error() {
        let memory = Connection::open_in_memory().unwrap();
        let error = set(&memory, "journal_mode", "wal", "wal").unwrap_err();
        assert_eq!(error.to_string(), r#"SQLite's journal_mode is "memory" although it was set to "wal""#);
    }

    #[test]
    fn a_sqlite_that_can_lose_its_log_is_refused() {
        assert_eq!(
            check_version(3_051_002).unwrap_err().to_string(),
            "SQLite 3.51.2 can lose committed data; 3.51.3 is the oldest that does not"
        );
        check_version(rusqlite::version_number()).unwrap();
    }

    #[test]
    fn a_connection_that_reads_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("relay.db");
        that_writes(&path).unwrap().execute_batch("create table t (x)").unwrap();
        assert!(that_reads(&path).unwrap().execute("insert into t values (1)", []).is_err());
    }
}
