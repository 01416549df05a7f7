//! The members of a JSON object, in the order they were sent, and what they say of themselves where nobody configured
//! what to read.
//!
//! [`Members::read`] is the only door: anything but a JSON object is refused by place, and the refusal repeats nothing
//! of it. The guesses are bounded in lines, length and depth, whatever a body holds. A member that stands there twice
//! has its last value, as in most readers of JSON.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value};

use crate::model::event::Labels;
use crate::sources::BadBody;
use crate::sources::generic::fields;
use crate::sources::outside::{LONGEST_TITLE, broken_json, is_visible, not_too_many, one_line};

/// What senders call the one thing a person should read first; the first that is there wins.
const TITLES: [&str; 10] =
    ["title", "subject", "summary", "headline", "alertname", "name", "alert", "event", "message", "text"];

/// A guessed text has at most so many lines; how many more there would be is said.
const MOST_LINES: usize = 30;
/// The longest key of a line, in characters.
const LONGEST_KEY: usize = 80;
/// The longest value of a line, in characters.
const LONGEST_VALUE: usize = 500;
/// So many maps and lists inside each other are opened.
const DEEPEST: usize = 4;
/// So many values of a list stand on its line.
const MOST_LISTED: usize = 10;

/// The members of an object.
pub(super) struct Members {
    /// Their names as sent, each once.
    order: Vec<String>,
    by_name: Map<String, Value>,
}

impl Members {
    /// The members of the object that a body holds.
    pub(super) fn read(body: &[u8]) -> Result<Self, BadBody> {
        not_too_many(body)?;
        serde_json::from_slice(body).map_err(|error| refusal(&error))
    }

    /// All of them, as expressions see them.
    pub(super) fn payload(&self) -> minijinja::Value {
        minijinja::Value::from_pairs(self.by_name.iter().map(|(name, value)| (name.as_str(), fields::payload(value))))
    }

    /// A member that is one plain value, as a word.
    pub(super) fn word(&self, name: &str) -> Option<String> {
        self.by_name.get(name).and_then(word)
    }

    /// The first member that is called like a title and is a text, and what it says in one line.
    pub(super) fn title(&self) -> Option<String> {
        TITLES.iter().find_map(|wanted| {
            let name = self.order.iter().find(|name| name.eq_ignore_ascii_case(wanted))?;
            let title = one_line(self.by_name[name].as_str()?, LONGEST_TITLE);
            is_visible(&title).then_some(title)
        })
    }

    /// Every member as `key: value`, one a line. What the title or the labels say already is left out.
    pub(super) fn text(&self, title: &str, labels: &Labels) -> String {
        let mut lines = Lines::default();
        for name in &self.order {
            let value = &self.by_name[name];
            // A title that was cut leaves something to say.
            let is_title =
                !title.ends_with('…') && value.as_str().is_some_and(|text| one_line(text, LONGEST_TITLE) == title);
            let is_label = labels.get(name).is_some_and(|label| word(value).as_ref() == Some(label));
            if !is_title && !is_label {
                lines.tell(name, value, 1);
            }
        }
        lines.finish()
    }
}

/// Lines as far as there is room, and the number of the others.
#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    more: usize,
}

impl Lines {
    fn tell(&mut self, key: &str, value: &Value, depth: usize) {
        if self.lines.len() >= MOST_LINES {
            // Only counted: a big body must not be written out for nothing.
            self.more += leaves(value, depth);
            return;
        }
        // Here and not at the end: with a long key over many members, putting the keys together would take a while.
        let key = one_line(key, LONGEST_KEY);
        match value {
            Value::Object(map) if depth < DEEPEST => {
                map.iter().for_each(|(name, inner)| self.tell(&format!("{key}.{name}"), inner, depth + 1));
            }
            Value::Array(list) if depth < DEEPEST && !is_plain(list) => {
                list.iter().enumerate().for_each(|(n, inner)| self.tell(&format!("{key}[{n}]"), inner, depth + 1));
            }
            value => self.lines.extend(said(value).map(|said| format!("{key}: {said}"))),
        }
    }

    fn finish(mut self) -> String {
        if self.more > 0 {
            // Understood in every language: this text is the same for all receivers.
            self.lines.push(format!("… +{}", self.more));
        }
        self.lines.join("\n")
    }
}

/// What stands behind a key; nothing where there is nothing to say.
fn said(value: &Value) -> Option<String> {
    match value {
        Value::Object(map) => (!map.is_empty()).then(|| "{…}".to_owned()),
        Value::Array(list) if is_plain(list) => {
            let words: Vec<_> = list.iter().filter_map(word).collect();
            let listed = words.iter().take(MOST_LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if words.len() > MOST_LISTED { ", …" } else { "" };
            (!words.is_empty()).then(|| clipped(&(listed + more)))
        }
        Value::Array(_) => Some("[…]".to_owned()),
        plain => word(plain).map(|word| clipped(&word)),
    }
}

/// A plain value as it reads; `null` and a text without a visible character are none.
fn word(value: &Value) -> Option<String> {
    let word = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!word.is_empty()).then_some(word)
}

/// At most [`LONGEST_VALUE`] characters, lines and all; what is longer ends with `…`.
fn clipped(value: &str) -> String {
    match value.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

fn is_plain(list: &[Value]) -> bool {
    !list.iter().any(|value| matches!(value, Value::Array(_) | Value::Object(_)))
}

/// How many lines [`Lines::tell`] would make of a value, had it the room.
fn leaves(value: &Value, depth: usize) -> usize {
    match value {
        Value::Object(map) if depth < DEEPEST => map.values().map(|inner| leaves(inner, depth + 1)).sum(),
        Value::Array(list) if depth < DEEPEST && !is_plain(list) => {
            list.iter().map(|inner| leaves(inner, depth + 1)).sum()
        }
        value => usize::from(said(value).is_some()),
    }
}

fn refusal(error: &serde_json::Error) -> BadBody {
    let message = match error.classify() {
        Category::Data => "expected a JSON object".to_owned(),
        Category::Eof | Category::Syntax | Category::Io => broken_json(error),
    };
    BadBody { at: ".".to_owned(), message }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Members { order: Vec::new(), by_name: Map::new() };
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if members.by_name.insert(name.clone(), value).is_none() {
                members.order.push(name);
            }
        }
        Ok(members)
    }
}
