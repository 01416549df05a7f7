//! What was asserted of the contract's fields, and with what: a field counts as told when a test has compared it with a
//! value that is not null. That some answer held it is not enough.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// The paths of the fields that were told; a list's members stand under its own path.
#[derive(Default)]
pub struct Told(BTreeSet<String>);

impl Told {
    /// Asserts that an answer has these values; what is not named is free, a list has to be as long.
    #[track_caller]
    pub fn says(&mut self, path: &str, shown: &Value, expected: &Value) {
        match (shown, expected) {
            (Value::Object(_), Value::Object(fields)) => {
                for (name, value) in fields {
                    let held = shown.get(name).unwrap_or_else(|| panic!("{path} has no {name}: {shown:#}"));
                    self.says(&format!("{path}.{name}"), held, value);
                }
            }
            (Value::Array(held), Value::Array(values)) => {
                assert_eq!(held.len(), values.len(), "{path}: {shown:#}");
                held.iter().zip(values).for_each(|(held, value)| self.says(path, held, value));
            }
            _ => {
                assert_eq!(shown, expected, "{path}");
                if !expected.is_null() {
                    self.0.insert(path.to_owned());
                }
            }
        }
    }

    /// Asserts that the field at the end of the path is a time so many seconds after another.
    #[track_caller]
    pub fn says_when(&mut self, path: &str, shown: &Value, since: Timestamp, seconds: RangeInclusive<i64>) {
        let (_, name) = path.rsplit_once('.').unwrap();
        let at = time(&shown[name]);
        let after = at.duration_since(since);
        let span = SignedDuration::from_secs(*seconds.start())..=SignedDuration::from_secs(*seconds.end());
        assert!(span.contains(&after), "{path}: {at} is {after:?} after {since}");
        self.0.insert(path.to_owned());
    }

    /// Asserts that every one of these fields was told.
    #[track_caller]
    pub fn has_all(&self, fields: &str) {
        let missing: Vec<_> = fields.split_whitespace().filter(|field| !self.0.contains(*field)).collect();
        assert!(missing.is_empty(), "never told: {missing:?}");
    }
}

/// A time of an answer.
#[track_caller]
pub fn time(shown: &Value) -> Timestamp {
    shown.as_str().unwrap_or_else(|| panic!("{shown} is no time")).parse().unwrap()
}
