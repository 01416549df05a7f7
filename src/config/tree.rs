//! The text of one file as a tree of maps, lists and texts: what YAML, TOML and JSON have in common.
//!
//! The first step of loading. A scalar stays the text a person wrote; whoever reads a key decides what it must be.
//! That is why this is no `serde_json::Value` and why the `config` crate is not used: both make `00123` a number and
//! lose its zeros, and neither can say that a key stands in a map twice. An environment variable is such a text too.
//!
//! A tree holds secrets in the clear, so it deliberately cannot be printed (law 8), and nothing said about a broken
//! text repeats a value from it. It knows no key by name.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput, Tag};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Deeper nesting than any configuration has; guards the stack.
const DEEPEST: usize = 64;

/// One value of a file.
#[derive(Clone)]
pub(crate) enum Node {
    /// A key without a value (`null`, `~` or nothing): it says nothing.
    Empty,
    /// A scalar.
    Text(Text),
    /// A list.
    List(Vec<Node>),
    /// A map.
    Map(Map),
}

/// A map, in the order of its keys.
pub(crate) type Map = BTreeMap<String, Node>;

/// A scalar as it was written.
#[derive(Clone)]
pub(crate) struct Text {
    /// The text.
    pub(crate) value: String,
    /// Where it was written.
    pub(crate) origin: Origin,
}

/// Where a text was written.
#[derive(Clone)]
pub(crate) enum Origin {
    /// In a text that is no file.
    Nowhere,
    /// In a file of this folder: relative paths begin here, as they do for Alertmanager.
    Folder(Arc<Path>),
    /// In an environment variable.
    Environment,
}

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// YAML 1.2.
    Yaml,
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

/// Why a text is no tree; repeats no value.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {message}")]
pub(crate) struct Broken {
    line: usize,
    message: String,
}

impl Node {
    /// Reads a text.
    pub(crate) fn read(text: &str, format: Format) -> Result<Self, Broken> {
        match format {
            Format::Yaml => yaml(text),
            Format::Toml => toml::from_str(text).map_err(|error| {
                let end = error.span().map_or(0, |span| span.start).min(text.len());
                let line = text.bytes().take(end).filter(|byte| *byte == b'\n').count() + 1;
                // Not `error.to_string()`: it shows the line, and the line may hold a secret.
                Broken { line, message: error.message().to_owned() }
            }),
            Format::Json if text.trim().is_empty() => Ok(Self::Empty),
            Format::Json => serde_json::from_str(text).map_err(|error: serde_json::Error| {
                let message = error.to_string();
                let message = message.split(" at line ").next().unwrap_or_default().to_owned();
                Broken { line: error.line(), message }
            }),
        }
    }

    /// A text from `origin`.
    pub(crate) fn text(value: impl Into<String>, origin: Origin) -> Self {
        Self::Text(Text { value: value.into(), origin })
    }

    /// Tells every text inside where it was written.
    pub(crate) fn written_in(&mut self, origin: &Origin) {
        match self {
            Self::Empty => {}
            Self::Text(text) => text.origin = origin.clone(),
            Self::List(nodes) => nodes.iter_mut().for_each(|node| node.written_in(origin)),
            Self::Map(map) => map.values_mut().for_each(|node| node.written_in(origin)),
        }
    }

    /// Whether some text inside came from the environment.
    pub(crate) fn is_from_environment(&self) -> bool {
        match self {
            Self::Empty => false,
            Self::Text(text) => matches!(text.origin, Origin::Environment),
            Self::List(nodes) => nodes.iter().any(Self::is_from_environment),
            Self::Map(map) => map.values().any(Self::is_from_environment),
        }
    }

    /// What it is, for a sentence.
    pub(crate) fn shape(&self) -> &'static str {
        match self {
            Self::Empty => "nothing",
            Self::Text(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Reads YAML by its events, which still have the text of every scalar and every key of a map.
fn yaml(text: &str) -> Result<Node, Broken> {
    let mut events = Events { parser: Parser::new_from_str(text), anchors: HashMap::new(), line: 1 };
    let mut root = None;
    loop {
        match events.next()? {
            Event::StreamEnd => return Ok(root.unwrap_or(Node::Empty)),
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
            _ if root.is_some() => return Err(events.broken("a second document begins here; one file holds one")),
            event => root = Some(events.node(event, 0)?),
        }
    }
}

struct Events<'t> {
    parser: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Node>,
    line: usize,
}

impl<'t> Events<'t> {
    fn next(&mut self) -> Result<Event<'t>, Broken> {
        let broken = |at: &Marker, message: &str| Broken { line: at.line().max(1), message: message.to_owned() };
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.line = span.start.line().max(1);
                Ok(event)
            }
            Some(Err(error)) => Err(broken(error.marker(), error.info())),
            None => Ok(Event::StreamEnd),
        }
    }

    fn broken(&self, message: impl Into<String>) -> Broken {
        Broken { line: self.line, message: message.into() }
    }

    fn node(&mut self, event: Event<'t>, depth: usize) -> Result<Node, Broken> {
        if depth > DEEPEST {
            return Err(self.broken("is nested too deeply"));
        }
        let (anchor, node) = match event {
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                return known.ok_or_else(|| self.broken("an alias stands inside the value it names"));
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.untagged(tag.as_deref())?;
                let says_nothing = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let node = if says_nothing { Node::Empty } else { Node::text(text, Origin::Nowhere) };
                (anchor, node)
            }
            Event::SequenceStart(anchor, tag) => {
                self.untagged(tag.as_deref())?;
                (anchor, self.list(depth)?)
            }
            Event::MappingStart(anchor, tag) => {
                self.untagged(tag.as_deref())?;
                (anchor, self.map(depth)?)
            }
            _ => return Err(self.broken("a value is expected here")),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// A tag such as `!vault` asks for something we do not do; silence would be worse than refusing.
    fn untagged(&self, tag: Option<&Tag>) -> Result<(), Broken> {
        match tag {
            Some(tag) if !tag.is_yaml_core_schema() => Err(self.broken("tags are not supported")),
            _ => Ok(()),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Node, Broken> {
        let mut nodes = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Node::List(nodes)),
                event => nodes.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Node, Broken> {
        let mut map = Map::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(Node::Map(map)),
                event => self.node(event, depth + 1)?,
            };
            let Node::Text(Text { value: key, .. }) = key else {
                return Err(self.broken(format!("a key must be a word, not {}", key.shape())));
            };
            if map.contains_key(&key) {
                return Err(self.broken(twice(&key)));
            }
            let event = self.next()?;
            let value = self.node(event, depth + 1)?;
            map.insert(key, value);
        }
    }
}

fn twice(key: &str) -> String {
    format!("the key `{}` stands twice in the same map", key.escape_debug())
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Empty)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        self.visit_string(value.to_string())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        self.visit_string(value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        self.visit_string(value.to_string())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        self.visit_string(value.to_string())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::text(value, Origin::Nowhere))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = access.next_element()? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = access.next_entry::<String, Node>()? {
            let message = twice(&key);
            if map.insert(key, value).is_some() {
                return Err(de::Error::custom(message));
            }
        }
        Ok(Node::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree as one line, which only a test may print.
    fn shown(node: &Node) -> String {
        match node {
            Node::Empty => "-".to_owned(),
            Node::Text(text) => format!("{:?}", text.value),
            Node::List(nodes) => format!("[{}]", nodes.iter().map(shown).collect::<Vec<_>>().join(" ")),
            Node::Map(map) => {
                let entries: Vec<_> = map.iter().map(|(key, value)| format!("{key}={}", shown(value))).collect();
                format!("{{{}}}", entries.join(" "))
            }
        }
    }

    fn read(text: &str, format: Format) -> String {
        Node::read(text, format).map_or_else(|broken| broken.to_string(), |node| shown(&node))
    }

    #[test]
    fn a_scalar_stays_the_text_a_person_wrote_and_a_key_keeps_its_case() {
        assert_eq!(
            read("key: 00123\nyes: no\nP0: 1.50\n严重: 'null'", Format::Yaml),
            r#"{P0="1.50" key="00123" yes="no" 严重="null"}"#
        );
        assert_eq!(
            read("P0 = 5\nlist = [true, 'a']\n[map]\na = 1.5", Format::Toml),
            r#"{P0="5" list=["true" "a"] map={a="1.5"}}"#
        );
        assert_eq!(read(r#"{"P0": 5, "none": null, "list": [-1]}"#, Format::Json), r#"{P0="5" list=["-1"] none=-}"#);
    }

    #[test]
    fn an_empty_text_says_nothing() {
        for (text, format) in [("", Format::Yaml), ("# only a comment\n---\n", Format::Yaml), (" \n", Format::Json)] {
            assert_eq!(read(text, format), "-");
        }
        assert_eq!(read("# only a comment", Format::Toml), "{}");
    }

    #[test]
    fn anchors_and_aliases_work() {
        assert_eq!(read("a: &x {n: 1}\nb: *x", Format::Yaml), r#"{a={n="1"} b={n="1"}}"#);
    }

    #[test]
    fn a_broken_text_is_refused_with_its_line_and_repeats_no_value() {
        let cases = [
            ("a: 1\nb: 2\na: s3cret", Format::Yaml),
            ("a: 1\nb: [s3cret", Format::Yaml),
            ("a: 1\n---\nb: s3cret", Format::Yaml),
            ("a: 1\nb: !vault s3cret", Format::Yaml),
            ("a: 1\n[s3cret]: 2", Format::Yaml),
            ("a: 1\n\tb: s3cret", Format::Yaml),
            ("a: s3cret: s3cret", Format::Yaml),
            ("a: &x [*x, s3cret]", Format::Yaml),
            ("a = 1\nb = s3cret", Format::Toml),
            ("a = 1\nb = 's3cret", Format::Toml),
            ("a = 's3cret'\na = 's3cret'", Format::Toml),
            ("{\"a\": 1,\n\"a\": \"s3cret\"}", Format::Json),
            ("{\"a\": s3cret}", Format::Json),
            ("{\"a\": \"s3cret\", }", Format::Json),
        ];
        let said: Vec<_> = cases.iter().map(|(text, format)| format!("{format:?} {}", read(text, *format))).collect();
        assert!(!said.iter().any(|line| line.contains("s3cret")), "{said:#?}");
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn nesting_beyond_reason_is_refused() {
        assert!(read(&"[".repeat(100), Format::Yaml).contains("nested too deeply"));
    }
}
