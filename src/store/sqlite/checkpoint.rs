//! Checkpoints: the pages of the log are put into the database, so that the log begins anew.
//!
//! SQLite would do it by itself within a commit, and keep to itself that a sync failed meanwhile; so it is told not to,
//! and the writer does it here, after it has answered. What fails is judged as any failure of the store is.
//!
//! Opening begins with one (law 1). A process that was killed may have left pages in the log that were never synced,
//! or whose sync has failed: then the kernel calls them clean, shows them to whoever reads, and no later sync brings
//! them to the disk. A twin would be answered from them, and what is added behind them is lost with them. So all of it
//! is written anew before anything is built on it.

use rusqlite::{Connection, Row};

/// How many pages may wait in the log: SQLite's own measure.
const WAITING: i64 = 1000;

/// Writes into the database what another process has left in the log, and empties the log.
pub(super) fn write_anew(conn: &Connection) -> rusqlite::Result<()> {
    if log(conn)?.pages == 0 {
        return Ok(());
    }
    let is_hindered: bool = conn.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0))?;
    if is_hindered {
        // Only somebody with a shell can be in the way: the lock keeps other relays out.
        tracing::warn!("somebody else reads the database, so what was left in its log is not written anew");
    }
    Ok(())
}

/// Puts the log into the database if enough of it waits. Nobody is hindered: what is being read stays in the log.
pub(super) fn keep_short(conn: &Connection) -> rusqlite::Result<()> {
    let log = log(conn)?;
    if log.pages - log.done < WAITING {
        return Ok(());
    }
    conn.prepare_cached("pragma wal_checkpoint(passive)")?.query_row([], |_| Ok(()))
}

/// What is in the log.
struct Log {
    pages: i64,
    /// How many of them are in the database too.
    done: i64,
}

fn log(conn: &Connection) -> rusqlite::Result<Log> {
    let log = |row: &Row<'_>| Ok(Log { pages: row.get(1)?, done: row.get(2)? });
    conn.prepare_cached("pragma wal_checkpoint(noop)")?.query_row([], log)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::connection;

    #[test]
    fn the_log_is_put_into_the_database_when_a_thousand_pages_wait_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("relay.db");
        let conn = connection::that_writes(&path).unwrap();
        let pages = || std::fs::metadata(&path).unwrap().len() / 4096;
        conn.execute_batch("create table t (x); insert into t values (zeroblob(900 * 4096))").unwrap();
        keep_short(&conn).unwrap();
        assert_eq!(pages(), 1, "SQLite did nothing by itself, and nothing was to be done");

        conn.execute_batch("insert into t values (zeroblob(200 * 4096))").unwrap();
        keep_short(&conn).unwrap();
        assert!(pages() > 1_000, "{} pages", pages());
    }

    #[test]
    fn what_is_found_in_a_log_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("relay.db");
        let before = connection::that_writes(&path).unwrap();
        before.execute_batch("create table t (x)").unwrap();
        let log = || std::fs::metadata(dir.path().join("relay.db-wal")).unwrap().len();
        assert!(log() > 0);

        write_anew(&connection::that_writes(&path).unwrap()).unwrap();

        assert_eq!(log(), 0);
    }
}
