//! The schema and its migrations: embedded, forward only, counted in `user_version`.
//!
//! Each migration is one transaction together with its number, so a database is never between two versions. A
//! database of a newer version, or of another program, is refused and left as it is.

use rusqlite::{Connection, TransactionBehavior};

use crate::store::sqlite::opening::OpenError;

/// Marks a database as ours: "DtRl" in ASCII (<https://sqlite.org/pragma.html#pragma_application_id>).
const APPLICATION_ID: i32 = 0x4474_526c;

/// Every migration, the oldest first. One that was released never changes.
const MIGRATIONS: &[&str] =
    &[include_str!("migrations/0001.sql"), include_str!("migrations/0002.sql"), include_str!("migrations/0003.sql")];

/// Brings a database up to this program's schema.
pub(super) fn migrate(conn: &mut Connection) -> Result<(), OpenError> {
    migrate_by(conn, MIGRATIONS)
}

fn migrate_by(conn: &mut Connection, migrations: &[&str]) -> Result<(), OpenError> {
    refuse_foreign(conn)?;
    let found = version(conn)?;
    if found > migrations.len() {
        return Err(OpenError::Newer { found, known: migrations.len() });
    }
    for (done, sql) in migrations.iter().enumerate().skip(found) {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Exclusive)?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.execute_batch(&format!("pragma user_version = {}", done + 1))?;
        tx.commit()?;
    }
    Ok(())
}

fn refuse_foreign(conn: &Connection) -> Result<(), OpenError> {
    let id: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let is_empty: bool = conn.query_row("select count(*) = 0 from sqlite_schema", [], |row| row.get(0))?;
    if id == APPLICATION_ID || (id == 0 && is_empty) { Ok(()) } else { Err(OpenError::Foreign) }
}

fn version(conn: &Connection) -> rusqlite::Result<usize> {
    conn.pragma_query_value(None, "user_version", |row| Ok(row.get::<_, u32>(0)? as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Status;
    use crate::store::sqlite::told;

    const ROWS: &str = "
        insert into events (id, source, kind, title, received_at, payload) values ('e', 's', 'k', 't', 1, x'7b7d');
        insert into deliveries (id, event, source, receiver, order_key, state, severity, head, rank, title, created_at)
            values ('d', 1, 's', 'r', 's/k', 'queued', 2, 1, 2, 't', 1);
    ";

    fn fresh() -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        conn.pragma_update(None, "foreign_keys", true).unwrap();
        conn
    }

    #[test]
    fn a_migration_keeps_the_rows_that_are_there() {
        let mut conn = fresh();
        migrate_by(&mut conn, MIGRATIONS).unwrap();
        conn.execute_batch(ROWS).unwrap();
        let next = [MIGRATIONS, &["alter table deliveries add column later text"]].concat();

        migrate_by(&mut conn, &next).unwrap();

        let row = conn.query_row("select id, later from deliveries", [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
        assert_eq!(row, ("d".to_owned(), None::<String>));
        assert_eq!(version(&conn).unwrap(), MIGRATIONS.len() + 1);
    }

    #[test]
    fn a_database_of_the_first_schema_is_brought_up_with_its_rows() {
        let mut conn = fresh();
        migrate_by(&mut conn, &MIGRATIONS[..1]).unwrap();
        conn.execute_batch(ROWS).unwrap();
        conn.execute("insert into apps (app, owner, epoch, health) values ('ops', 'one', 1, '{}')", []).unwrap();

        migrate(&mut conn).unwrap();

        assert_eq!(version(&conn).unwrap(), MIGRATIONS.len());
        let sql = "select id, state, form from deliveries";
        let row = conn.query_row(sql, [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).unwrap();
        assert_eq!(row, ("d".to_owned(), "queued".to_owned(), None::<String>));
        let paused: i64 = conn.query_row("select count(*) from lanes", [], |row| row.get(0)).unwrap();
        assert_eq!(paused, 0);
        let rate: Option<i64> = conn.query_row("select rate from apps", [], |row| row.get(0)).unwrap();
        assert_eq!(rate, None, "the configured one");
        let told: i64 = conn.query_row("select count(*) from notices, tolls, told", [], |row| row.get(0)).unwrap();
        assert_eq!(told, 0);
        let gathers: i64 = conn.query_row("select gathers from deliveries", [], |row| row.get(0)).unwrap();
        assert_eq!(gathers, 0, "what waited waits for its retry");
        let urgency: i64 = conn.query_row("select urgency from deliveries", [], |row| row.get(0)).unwrap();
        assert_eq!(urgency, 2, "it is as urgent as its severity, as it was before");
    }

    #[test]
    fn what_a_person_or_the_relay_wrote_is_express_from_the_third_schema_on_unless_it_is_delivered() {
        let mut conn = fresh();
        migrate_by(&mut conn, &MIGRATIONS[..2]).unwrap();
        conn.execute_batch(ROWS).unwrap();
        let kept = [("_send", "queued"), ("_notice", "dead"), ("_send", "delivered"), ("alertmanager", "queued")];
        for (source, state) in kept {
            // Of the last one a digest was refused; the others were kept to go by themselves.
            let sql = "insert into deliveries (id, event, source, receiver, order_key, state, severity, head, rank,
                           title, created_at, alone)
                       values (?1 || ?2, 1, ?1, 'r', ?1 || ?2, ?2, 0, 0, 0, 't', 1, 1)";
            conn.execute(sql, (source, state)).unwrap();
        }

        migrate(&mut conn).unwrap();

        let mut rows = conn.prepare("select id, express, alone from deliveries order by seq").unwrap();
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        let rows: Vec<(String, bool, bool)> = rows.collect::<Result<_, _>>().unwrap();
        let expected = [
            ("d", false, false),
            ("_sendqueued", true, false),
            ("_noticedead", true, false),
            ("_senddelivered", false, true),
            ("alertmanagerqueued", false, true),
        ];
        assert_eq!(rows, expected.map(|(id, express, alone)| (id.to_owned(), express, alone)));
    }

    #[test]
    fn what_was_told_is_known_by_its_own_list_from_the_third_schema_on() {
        let mut conn = fresh();
        migrate_by(&mut conn, &MIGRATIONS[..2]).unwrap();
        conn.execute_batch(ROWS).unwrap();
        let items = r#"[{"fingerprint":"a","status":"firing","since":"2026-11-21T12:00:00.5Z","severity":"critical"},
                        {"fingerprint":"b","status":"resolved","since":"2026-11-21T11:00:00Z"},
                        {"fingerprint":"c","status":"notice","since":"2026-11-21T11:00:00Z"}]"#;
        let contents =
            [format!(r#"{{"v":1,"items":{items}}}"#), format!(r#"{{"v":2,"items":{items}}}"#), "{".to_owned()];
        for (key, content) in ["0", "1", "2"].iter().zip(contents) {
            let sql =
                "insert into deliveries (id, event, source, receiver, order_key, state, severity, head, rank, title,
                           created_at)
                       values (?1, 1, 's', 'r', ?1, 'delivered', 2, 0, 2, 't', 1)";
            conn.execute(sql, [key]).unwrap();
            let seq = conn.last_insert_rowid();
            conn.execute("insert into contents values (?1, ?2)", (seq, content)).unwrap();
            conn.execute("insert into told values ('r', ?1, ?2)", (key, seq)).unwrap();
        }

        migrate(&mut conn).unwrap();

        let known = |key: &str| told::known(&conn, "r", key).unwrap();
        let known_of_the_first = known("0").unwrap();
        let seen: Vec<_> = known_of_the_first.iter().map(|s| (s.fingerprint.as_str(), s.status, s.since)).collect();
        let since = |text: &str| text.parse().unwrap();
        let (a, b) = (since("2026-11-21T12:00:00.5Z"), since("2026-11-21T11:00:00Z"));
        assert_eq!(seen, [("a", Status::Firing, a), ("b", Status::Resolved, b)]);
        assert_eq!((known("1"), known("2")), (None, None), "what cannot be read is not known");
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing_behind() {
        let mut conn = fresh();
        migrate_by(&mut conn, MIGRATIONS).unwrap();
        conn.execute_batch(ROWS).unwrap();
        let next = [MIGRATIONS, &["delete from deliveries; alter table nowhere add column x"]].concat();

        migrate_by(&mut conn, &next).unwrap_err();

        assert_eq!(version(&conn).unwrap(), MIGRATIONS.len());
        let rows: i64 = conn.query_row("select count(*) from deliveries", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1);
    }

    #[test]
    fn a_database_of_a_newer_version_is_refused() {
        let mut conn = fresh();
        migrate(&mut conn).unwrap();
        conn.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(migrate(&mut conn), Err(OpenError::Newer { found: 99, .. })));
    }

    #[test]
    fn a_database_of_another_program_is_refused() {
        let mut conn = fresh();
        conn.execute_batch("create table theirs (x)").unwrap();
        assert!(matches!(migrate(&mut conn), Err(OpenError::Foreign)));
    }
}
