//! What a traced relay promised: every 202 that it sent, and whether it was entitled to.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use crate::trace::{Call, Moment, Trace, What};

/// The length of every id: a UUID without dashes.
const ID: usize = 32;
/// The length of what stands before a page in SQLite's log (<https://sqlite.org/fileformat2.html#walformat>).
const FRAME_HEADER: usize = 24;

/// A 202.
#[derive(Debug)]
pub struct Accepted {
    /// When its first byte was handed to the kernel.
    pub began: Moment,
    /// What the sender was told to be durable: the event and its deliveries.
    pub ids: Vec<String>,
}

/// Every 202 of a trace, in order.
pub fn accepted(trace: &Trace) -> Vec<Accepted> {
    let sent = |call: &Call| match &call.what {
        What::Sends(bytes) if bytes.starts_with(b"HTTP/1.1 202 ") => Some((call.began, body(bytes))),
        _ => None,
    };
    trace.calls.iter().filter_map(sent).map(|(began, body)| Accepted { began, ids: ids(&body) }).collect()
}

/// The ids that an answer names.
pub fn ids(body: &Value) -> Vec<String> {
    let deliveries = body["deliveries"].as_array().unwrap().iter().map(|delivery| &delivery["id"]);
    deliveries.chain([&body["event"]]).map(|id| id.as_str().unwrap().to_owned()).collect()
}

fn body(answer: &[u8]) -> Value {
    let begin = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    serde_json::from_slice(&answer[begin..]).unwrap()
}

/// What was promised too early: for each id of each 202, there must be a write that brings it into the log, the end of
/// that write's transaction, and a sync of the log that began after this end and was finished before the answer began.
pub fn promised_too_early(trace: &Trace, log: &Path) -> Vec<String> {
    let written = first_writes(trace);
    let mut complaints = vec![];
    for answer in accepted(trace) {
        for id in &answer.ids {
            let done = written.get(id.as_bytes()).and_then(|first| commit(trace, *first, log));
            let is_synced = done.is_some_and(|done| synced_between(trace, log, done, answer.began));
            if !is_synced {
                complaints.push(format!("{id} was promised at {} and written at {done:?}", answer.began));
            }
        }
    }
    complaints
}

/// Where every id was written for the first time: the place of the call in the trace.
fn first_writes(trace: &Trace) -> HashMap<&[u8], usize> {
    let mut found = HashMap::new();
    for (place, call) in trace.calls.iter().enumerate() {
        let What::Writes { bytes, .. } = &call.what else { continue };
        let mut digits = 0;
        for (end, byte) in bytes.iter().enumerate() {
            digits = if byte.is_ascii_hexdigit() { digits + 1 } else { 0 };
            if digits >= ID {
                found.entry(&bytes[end + 1 - ID..=end]).or_insert(place);
            }
        }
    }
    found
}

/// When the transaction was written to its end: the page behind the first frame header that gives the database's size.
fn commit(trace: &Trace, first: usize, log: &Path) -> Option<Moment> {
    let writes = |call: &'_ Call| matches!(&call.what, What::Writes { file, .. } if file == log);
    let is_last = |call: &'_ Call| match &call.what {
        What::Writes { bytes, .. } => bytes.len() == FRAME_HEADER && bytes[4..8] != [0; 4],
        _ => false,
    };
    // The frame header of the first page stands just before the page itself.
    let header = trace.calls[..first].iter().rposition(writes)?;
    let mut frames = trace.calls[header..].iter().filter(|call| writes(call));
    frames.find(|call| is_last(call))?;
    frames.next()?.ended
}

fn synced_between(trace: &Trace, log: &Path, from: Moment, until: Moment) -> bool {
    trace.calls.iter().any(|call| {
        matches!(&call.what, What::Syncs(file) if file == log)
            && !call.failed
            && call.began > from
            && call.ended.is_some_and(|ended| ended < until)
    })
}
