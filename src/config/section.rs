//! One map of the configuration while it is read: asked key by key, in layers, noting everything that is wrong.
//!
//! A receiver is its own map over those it extends over `defaults.receiver`; a section holds all of them, the most
//! specific first, and a key comes from the first layer that says it. So a problem is told where it was written,
//! not where it was inherited. Reading never stops at a problem, which is why this is no `serde::Deserialize`: that
//! ends at the first wrong type of a map and repeats the value in its message. A key nobody asked for is unknown.
//!
//! A reader that answers `None` has noted why. No secret's value is ever noted (law 8).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::config::SecretsRead;
use crate::config::problem::{Problem, inside, listed, near};
use crate::config::scalar::Scalar;
use crate::config::secret::Secret;
use crate::config::tree::{Map, Node, Origin, Text};
use crate::model::name::Name;

/// What one loading shares: where problems go, what was looked at, and whether secret files are opened.
pub(crate) struct Reading {
    problems: RefCell<Vec<Problem>>,
    places: RefCell<BTreeSet<PathBuf>>,
    secrets: SecretsRead,
}

impl Reading {
    /// A loading without problems so far.
    pub(crate) fn new(secrets: SecretsRead) -> Self {
        Self { problems: RefCell::default(), places: RefCell::default(), secrets }
    }

    /// Notes a problem once, however many receivers inherit it.
    pub(crate) fn note(&self, path: impl Into<String>, message: impl Into<String>) {
        let problem = Problem::at(path, message);
        let mut problems = self.problems.borrow_mut();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// Notes a file or folder that says something, or would if it were there.
    pub(crate) fn looked_at(&self, place: &Path) {
        self.places.borrow_mut().insert(place.to_owned());
    }

    /// Every problem that was noted, and everything that was looked at.
    pub(crate) fn ended(self) -> (Vec<Problem>, BTreeSet<PathBuf>) {
        (self.problems.into_inner(), self.places.into_inner())
    }
}

/// A map and where it stands.
#[derive(Clone)]
pub(crate) struct Layer<'a> {
    /// Its path: `receivers.oncall`.
    pub(crate) path: String,
    /// Its keys.
    pub(crate) map: &'a Map,
}

/// One map while it is read, with the layers below it.
pub(crate) struct Section<'a> {
    path: String,
    layers: Vec<Layer<'a>>,
    asked: RefCell<BTreeSet<&'static str>>,
    reading: &'a Reading,
    /// Whether a required key that no layer says is a problem; not so where only defaults are read.
    is_whole: bool,
}

impl<'a> Section<'a> {
    /// Reads a map over the layers below it; what it does not ask for is noted as unknown.
    pub(crate) fn read<T>(
        path: &str,
        layers: Vec<Layer<'a>>,
        reading: &'a Reading,
        read: impl FnOnce(&Self) -> T,
    ) -> T {
        Self { path: path.to_owned(), layers, asked: RefCell::default(), reading, is_whole: true }.finish(read)
    }

    /// Reads a map of defaults by itself: what it says must be right, but it need not say everything.
    pub(crate) fn read_defaults<T>(layer: Layer<'a>, reading: &'a Reading, read: impl FnOnce(&Self) -> T) {
        let path = layer.path.clone();
        let section = Self { path, layers: vec![layer], asked: RefCell::default(), reading, is_whole: false };
        section.finish(read);
    }

    fn finish<T>(self, read: impl FnOnce(&Self) -> T) -> T {
        let value = read(&self);
        let asked = self.asked.borrow();
        for layer in &self.layers {
            for (key, node) in layer.map.iter().filter(|(key, _)| !asked.contains(key.as_str())) {
                let hint = match near(key, asked.iter().copied()) {
                    Some(key) => format!("did you mean `{key}`?"),
                    None => format!("the keys here are {}", listed(asked.iter().copied())),
                };
                let whence = if node.is_from_environment() { " (from the environment)" } else { "" };
                self.reading.note(inside(&layer.path, key), format!("unknown key{whence}; {hint}"));
            }
        }
        value
    }

    /// Notes a problem of a key where the key is said, or here if it is not.
    pub(crate) fn note(&self, key: &'static str, message: impl Into<String>) {
        let path = self.found(key).map_or_else(|| inside(&self.path, key), |(path, _)| path);
        self.reading.note(path, message);
    }

    /// Notes that a key has no place here if the most specific layer says it. A layer below may say it all the same,
    /// for others that it lies below.
    pub(crate) fn refuse(&self, key: &'static str, message: impl Into<String>) {
        let says = |layer: &Layer<'_>| layer.map.get(key).is_some_and(|node| !matches!(node, Node::Empty));
        // Only where it stands: else the keys a person is told of would hold one that has no place.
        if self.layers.iter().any(|layer| layer.map.contains_key(key)) {
            self.asked.borrow_mut().insert(key);
        }
        if let Some(own) = self.layers.first().filter(|layer| says(layer)) {
            self.reading.note(inside(&own.path, key), message);
        }
    }

    /// Whether the key is a map in the layer that says it.
    pub(crate) fn is_map(&self, key: &'static str) -> bool {
        self.found(key).is_some_and(|(_, node)| matches!(node, Node::Map(_)))
    }

    /// Whether some layer says the key.
    pub(crate) fn says(&self, key: &'static str) -> bool {
        self.found(key).is_some()
    }

    fn found(&self, key: &'static str) -> Option<(String, &'a Node)> {
        self.asked.borrow_mut().insert(key);
        self.layers.iter().find_map(|layer| {
            let node = layer.map.get(key).filter(|node| !matches!(node, Node::Empty))?;
            Some((inside(&layer.path, key), node))
        })
    }

    /// A scalar that may be left out.
    pub(crate) fn optional<T>(&self, key: &'static str, read: impl Fn(&str) -> Scalar<T>) -> Option<T> {
        let (path, node) = self.found(key)?;
        self.scalar(&path, node, |text| read(&text.value))
    }

    /// A scalar that some layer must say.
    pub(crate) fn required<T>(&self, key: &'static str, read: impl Fn(&str) -> Scalar<T>) -> Option<T> {
        if !self.says(key) && self.is_whole {
            self.note(key, "is missing");
        }
        self.optional(key, read)
    }

    fn scalar<T>(&self, path: &str, node: &Node, read: impl FnOnce(&Text) -> Scalar<T>) -> Option<T> {
        let value = match node {
            Node::Text(text) => read(text),
            other => Err(format!("must be a single value, not {}", other.shape())),
        };
        value.map_err(|message| self.reading.note(path, message)).ok()
    }

    /// A list of scalars that may be left out.
    pub(crate) fn list<T>(&self, key: &'static str, read: impl Fn(&str) -> Scalar<T>) -> Option<Vec<T>> {
        self.texts(key, |text| read(&text.value))
    }

    /// A list of paths; relative ones begin in the folder of the file that says them.
    pub(crate) fn paths(&self, key: &'static str) -> Option<Vec<PathBuf>> {
        self.texts(key, file_path)
    }

    fn texts<T>(&self, key: &'static str, read: impl Fn(&Text) -> Scalar<T>) -> Option<Vec<T>> {
        let nodes = self.nodes(key)?;
        let values: Vec<_> = nodes.iter().map(|(path, node)| self.scalar(path, node, &read)).collect();
        values.into_iter().collect()
    }

    fn nodes(&self, key: &'static str) -> Option<Vec<(String, &'a Node)>> {
        match self.found(key)? {
            (path, Node::List(nodes)) => {
                Some(nodes.iter().enumerate().map(|(n, node)| (format!("{path}[{n}]"), node)).collect())
            }
            (path, other) => {
                self.reading.note(path, format!("must be a list, not {}", other.shape()));
                None
            }
        }
    }

    /// A list of maps, each read by itself; empty if it is left out.
    pub(crate) fn each_of<T>(&self, key: &'static str, read: impl Fn(&Self) -> Option<T>) -> Option<Vec<T>> {
        if !self.says(key) {
            return Some(Vec::new());
        }
        let read_one = |(path, node): &(String, &'a Node)| {
            let map = self.as_map(path, node)?;
            Section::read(path, vec![Layer { path: path.clone(), map }], self.reading, &read)
        };
        let values: Vec<_> = self.nodes(key)?.iter().map(read_one).collect();
        values.into_iter().collect()
    }

    /// A map whose keys are the operator's own words, each with a scalar. All layers count; the most specific wins.
    /// Keys are compared without case and come in lower case.
    pub(crate) fn words<T>(&self, key: &'static str, read: impl Fn(&str) -> Scalar<T>) -> Option<BTreeMap<String, T>> {
        self.pairs(key, str::to_lowercase, read)
    }

    /// Like [`Self::words`], but the keys are names and come as they stand.
    pub(crate) fn names<T>(&self, key: &'static str, read: impl Fn(&str) -> Scalar<T>) -> Option<BTreeMap<String, T>> {
        self.pairs(key, str::to_owned, read)
    }

    fn pairs<T>(
        &self,
        key: &'static str,
        spelled: fn(&str) -> String,
        read: impl Fn(&str) -> Scalar<T>,
    ) -> Option<BTreeMap<String, T>> {
        let mut words = BTreeMap::new();
        let mut is_right = true;
        for layer in self.inner_layers(key).into_iter().rev() {
            let mut here = BTreeSet::new();
            for (word, node) in layer.map {
                let path = inside(&layer.path, word);
                let word = spelled(word);
                if !here.insert(word.clone()) {
                    self.reading.note(&path, "stands here twice: case counts for nothing");
                }
                match self.scalar(&path, node, |text| read(&text.value)) {
                    Some(value) => drop(words.insert(word, value)),
                    None => is_right = false,
                }
            }
        }
        is_right.then_some(words)
    }

    /// A map inside this one, each of its keys from the first layer that says it.
    pub(crate) fn section<T>(&self, key: &'static str, read: impl FnOnce(&Self) -> T) -> T {
        self.section_of(key, self.inner_layers(key), read)
    }

    /// A map inside this one that is one thing: the first layer that says it says all of it.
    pub(crate) fn section_alone<T>(&self, key: &'static str, read: impl FnOnce(&Self) -> T) -> T {
        self.section_of(key, self.inner_layers(key).into_iter().take(1).collect(), read)
    }

    /// Notes a map inside this one that is none, and leaves its keys to whoever reads them elsewhere.
    pub(crate) fn leave(&self, key: &'static str) {
        self.inner_layers(key);
    }

    fn section_of<T>(&self, key: &str, layers: Vec<Layer<'a>>, read: impl FnOnce(&Self) -> T) -> T {
        let path = layers.first().map_or_else(|| inside(&self.path, key), |layer| layer.path.clone());
        let (asked, reading, is_whole) = (RefCell::default(), self.reading, self.is_whole);
        Section { path, layers, asked, reading, is_whole }.finish(read)
    }

    fn inner_layers(&self, key: &'static str) -> Vec<Layer<'a>> {
        self.asked.borrow_mut().insert(key);
        let inner = |layer: &Layer<'a>| {
            let path = inside(&layer.path, key);
            let node = layer.map.get(key).filter(|node| !matches!(node, Node::Empty))?;
            Some(Layer { map: self.as_map(&path, node)?, path })
        };
        self.layers.iter().filter_map(inner).collect()
    }

    fn as_map(&self, path: &str, node: &'a Node) -> Option<&'a Map> {
        match node {
            Node::Map(map) => Some(map),
            other => {
                self.reading.note(path, format!("must be a map, not {}", other.shape()));
                None
            }
        }
    }

    /// The things a person named inside `key`, each read over the layers `below` gives it. A bad name is noted.
    pub(crate) fn named<T>(
        &self,
        key: &'static str,
        below: impl Fn(&str) -> Vec<Layer<'a>>,
        read: impl Fn(&Self) -> Option<T>,
    ) -> BTreeMap<Name, T> {
        const NOTHING: &Map = &Map::new();
        let mut things = BTreeMap::new();
        for layer in self.inner_layers(key) {
            for (name, node) in layer.map {
                let path = inside(&layer.path, name);
                let known = name.parse::<Name>().map_err(|error| self.reading.note(&path, error.to_string()));
                let map = if matches!(node, Node::Empty) { Some(NOTHING) } else { self.as_map(&path, node) };
                let Some(map) = map else { continue };
                let own = Layer { path: path.clone(), map };
                let layers = std::iter::once(own).chain(below(name)).collect();
                let thing = Section::read(&path, layers, self.reading, &read);
                things.extend(known.ok().zip(thing));
            }
        }
        things
    }

    /// Which of some keys that exclude each other is said. The first layer that says any of them decides; it must
    /// not say two.
    pub(crate) fn one_of(&self, keys: &[&'static str]) -> Option<&'static str> {
        self.asked.borrow_mut().extend(keys);
        let said = |layer: &Layer<'_>| -> Vec<&'static str> {
            let is_said = |key: &&str| layer.map.get(*key).is_some_and(|node| !matches!(node, Node::Empty));
            keys.iter().copied().filter(is_said).collect()
        };
        let (path, said) = self.layers.iter().map(|layer| (&layer.path, said(layer))).find(|(_, s)| !s.is_empty())?;
        if said.len() > 1 {
            self.reading.note(path, format!("must say only one of {}", listed(said.iter().copied())));
        }
        said.first().copied()
    }

    /// Like [`Self::one_of`], and none is a problem.
    pub(crate) fn exactly_one_of(&self, keys: &[&'static str]) -> Option<&'static str> {
        let said = self.one_of(keys);
        if said.is_none() && self.is_whole {
            self.reading.note(&self.path, format!("must say one of {}", listed(keys.iter().copied())));
        }
        said
    }

    /// A secret that may be left out: `[x, x_file]`.
    pub(crate) fn secret(&self, keys: [&'static str; 2]) -> Option<Secret> {
        let key = self.one_of(&keys)?;
        let (path, node) = self.found(key)?;
        if key == keys[0] {
            self.scalar(&path, node, |text| crate::config::scalar::text(&text.value).map(Secret::given))
        } else {
            self.scalar(&path, node, |text| self.secret_in_file(text))
        }
    }

    /// A secret that some layer must say: `[x, x_file]`.
    pub(crate) fn required_secret(&self, keys: [&'static str; 2]) -> Option<Secret> {
        self.exactly_one_of(&keys)?;
        self.secret(keys)
    }

    fn secret_in_file(&self, text: &Text) -> Scalar<Secret> {
        let path = file_path(text)?;
        self.reading.looked_at(&path);
        let secret = Secret::in_file(path);
        if self.reading.secrets == SecretsRead::Read {
            let value = secret.reveal().map_err(|error| error.to_string())?;
            crate::config::scalar::text(secrecy::ExposeSecret::expose_secret(&value))
                .map_err(|_| "names an empty file".to_owned())?;
        }
        Ok(secret)
    }
}

/// A path as it was written, or inside the folder of the file that says it.
fn file_path(text: &Text) -> Scalar<PathBuf> {
    let path = crate::config::scalar::text(&text.value)?;
    Ok(match &text.origin {
        Origin::Folder(folder) => folder.join(path),
        Origin::Nowhere | Origin::Environment => PathBuf::from(path),
    })
}
