//! What one message carries: deliveries of a lane, key by key, until it is full.
//!
//! Of an order key it takes what is queued in order and stops at the first it cannot take, so nothing is overtaken
//! inside its key. All that go together go in the same form; what is express, and what a digest was refused with, goes as
//! the first and only one.
//! What this version cannot read is laid aside, for its claim to give up.

use rusqlite::{Connection, Row};

use crate::model::content::Content;
use crate::model::delivery::State;
use crate::model::name::DeliveryId;
use crate::store::ClaimedDelivery;
use crate::store::queue::MOST_BYTES;
use crate::store::sqlite::columns::{form, time, word};
use crate::store::sqlite::told;

/// What one message carries.
pub(super) struct Load {
    /// The rows and what they hold, in order.
    pub(super) taken: Vec<(i64, ClaimedDelivery)>,
    /// The rows that cannot be read, and why.
    pub(super) spoilt: Vec<(i64, String)>,
    most: usize,
    known: bool,
    bytes: usize,
    closed: bool,
}

impl Load {
    /// Room for so many deliveries; with what their receiver knows of their order keys, if that is wanted.
    pub(super) fn of(most: usize, known: bool) -> Self {
        Self { taken: Vec::new(), spoilt: Vec::new(), most, known, bytes: 0, closed: false }
    }

    /// Whether it takes nothing more.
    pub(super) fn is_full(&self) -> bool {
        self.closed || self.taken.len() >= self.most
    }

    /// Takes what it can of the order key of this head. What is known of the key needs room like what is taken of it.
    pub(super) fn take_key(&mut self, conn: &Connection, head: i64) -> rusqlite::Result<()> {
        let known = if self.known { told::list_for(conn, head)? } else { None };
        let room = i64::try_from(self.most - self.taken.len()).unwrap_or(i64::MAX);
        let (had, mut statement) = (self.taken.len(), conn.prepare_cached(OF_KEY)?);
        let mut rows = statement.query((head, room))?;
        self.bytes += known.as_ref().map_or(0, String::len);
        while let Some(row) = rows.next()?
            && !self.is_full()
            && self.take(row)?
        {}
        let taken = &mut self.taken[had..];
        if !taken.is_empty() {
            let known = known.and_then(|list| told::parse(&list));
            taken.iter_mut().for_each(|(_, delivery)| delivery.known.clone_from(&known));
        }
        Ok(())
    }

    /// Takes one: false if it cannot, and so neither what comes behind it.
    fn take(&mut self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let (seq, alone): (i64, bool) = (row.get(0)?, row.get(1)?);
        let (state, form) = (word(row, 2, State::named)?, form(row, 3)?);
        let first = self.taken.first().map(|(_, first)| first);
        // One behind may be under way, if a human has redriven the first since.
        if state != State::Queued || first.is_some_and(|first| alone || first.form != form) {
            return Ok(false);
        }
        let text: Option<String> = row.get(4)?;
        let bytes = text.as_ref().map_or(0, String::len);
        if first.is_some() && self.bytes + bytes > MOST_BYTES {
            self.closed = true;
            return Ok(false);
        }
        match parse(text.as_deref()) {
            Err(reason) => self.spoilt.push((seq, reason)),
            Ok(content) => {
                (self.bytes, self.closed) = (self.bytes + bytes, alone);
                let delivery = ClaimedDelivery {
                    id: DeliveryId(row.get(5)?),
                    order_key: row.get(6)?,
                    content,
                    known: None,
                    form,
                    failures: row.get(7)?,
                    created_at: time(row, 8)?,
                    received_at: time(row, 9)?,
                    may_be_handed_over: row.get(10)?,
                };
                self.taken.push((seq, delivery));
            }
        }
        Ok(true)
    }
}

pub(in crate::store::sqlite) const OF_KEY: &str = "
    select d.seq, d.express or d.alone, d.state, d.form, c.content, d.id, d.order_key, d.failures, d.created_at,
        e.received_at, d.fallback_of is null and d.handed_to is null
    from deliveries h join deliveries d on d.receiver = h.receiver and d.order_key = h.order_key
        join events e on e.seq = d.event
        left join contents c on c.delivery = d.seq
    where h.seq = ?1 and d.state in ('queued', 'sending')
    order by d.seq limit ?2";

fn parse(text: Option<&str>) -> Result<Content, String> {
    let text = text.ok_or("its stored content is missing")?;
    // A newer shape may parse and yet say something else, so its version is asked for first.
    let version: Version = serde_json::from_str(text).map_err(unreadable)?;
    if version.v > Content::VERSION {
        return Err(format!(
            "its stored content has version {}, this relay reads up to {}",
            version.v,
            Content::VERSION
        ));
    }
    serde_json::from_str(text).map_err(unreadable)
}

#[derive(serde::Deserialize)]
struct Version {
    v: u32,
}

fn unreadable(error: serde_json::Error) -> String {
    // Serde's own text may echo a value, and a reason is shown.
    format!("its stored content cannot be read (line {}, column {})", error.line(), error.column())
}
