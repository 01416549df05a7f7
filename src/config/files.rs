//! Files, folders and environment → one tree.
//!
//! Later wins: the embedded defaults, then the files in the order they were named (a folder is its `*.yaml` and
//! `*.yml` in name order), then the environment. Maps merge, a key without a value says nothing, the children of the
//! root route are appended, any other list or value is replaced. Knows no other key, and prints no value (law 8).

use std::path::{Path, PathBuf};

use crate::config::problem::inside;
use crate::config::section::Reading;
use crate::config::tree::{Format, Map, Node, Origin};

/// Every key with its default.
pub(crate) const DEFAULTS: &str = include_str!("../../config/default.yaml");

/// What an environment variable begins with to be ours.
const PREFIX: &str = "RELAY__";

/// The embedded defaults.
pub(crate) fn defaults() -> Map {
    match Node::read(DEFAULTS, Format::Yaml) {
        Ok(Node::Map(map)) => map,
        _ => unreachable!("the defaults are embedded, and every test of this room reads them"),
    }
}

/// Everything that was said, the later over the earlier. `None` if a file cannot be read or parsed: then nothing
/// else is judged, since every name that file holds would seem to be missing.
pub(crate) fn gather(
    paths: &[PathBuf],
    environment: impl Iterator<Item = (String, String)>,
    reading: &Reading,
) -> Option<Map> {
    let mut tree = defaults();
    let mut is_complete = true;
    for path in paths {
        reading.looked_at(path);
        let files = files_of(path).map_err(|message| (path.clone(), message));
        let nodes = files.map(|files| files.into_iter().map(|file| read(&file).map_err(|message| (file, message))));
        for node in nodes.map_or_else(|error| vec![Err(error)], Iterator::collect) {
            match node {
                Ok(node) => lay_over(&mut tree, node, "", reading),
                Err((file, message)) => {
                    is_complete = false;
                    reading.note(file.display().to_string(), message);
                }
            }
        }
    }
    lay_environment_over(&mut tree, environment, reading);
    is_complete.then_some(tree)
}

/// The file itself, or the files of a folder in name order. Hidden ones are left out, as a shell's `*` does: a
/// mounted ConfigMap has some.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|error| format!("cannot be read: {error}"))?;
    let is_ours = |path: &PathBuf| {
        let is_yaml = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        is_yaml && !is_hidden && !path.is_dir()
    };
    let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).filter(is_ours).collect();
    files.sort();
    if files.is_empty() { Err("holds no *.yaml file".to_owned()) } else { Ok(files) }
}

fn read(file: &Path) -> Result<Node, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot be read: {error}"))?;
    let format = match file.extension().and_then(|ending| ending.to_str()) {
        Some("toml") => Format::Toml,
        Some("json") => Format::Json,
        _ => Format::Yaml,
    };
    let mut node = Node::read(&text, format).map_err(|broken| broken.to_string())?;
    match node {
        Node::Map(_) | Node::Empty => {}
        other => return Err(format!("must be a map, not {}", other.shape())),
    }
    node.written_in(&Origin::Folder(file.parent().unwrap_or(Path::new("")).into()));
    Ok(node)
}

/// Lays a tree over the map at `path`.
pub(crate) fn lay_over(under: &mut Map, over: Node, path: &str, reading: &Reading) {
    match over {
        Node::Empty => {}
        Node::Map(over) => {
            for (key, value) in over {
                let path = inside(path, &key);
                lay_value_over(under.entry(key).or_insert(Node::Empty), value, &path, reading);
            }
        }
        // The map stays: without it everything it holds would seem to be missing too.
        other => reading.note(path, format!("must be a map, not {}", other.shape())),
    }
}

fn lay_value_over(under: &mut Node, over: Node, path: &str, reading: &Reading) {
    match (under, over) {
        (_, Node::Empty) => {}
        (Node::Map(under), over) => lay_over(under, over, path, reading),
        (Node::List(under), Node::List(over)) if path == "route.routes" => under.extend(over),
        (under, over) => *under = over,
    }
}

/// Sets what `RELAY__SECTION__KEY` variables say. Their keys are lower-cased, so they reach lower-case names only.
fn lay_environment_over(tree: &mut Map, environment: impl Iterator<Item = (String, String)>, reading: &Reading) {
    let mut ours: Vec<_> = environment.filter(|(key, _)| key.starts_with(PREFIX)).collect();
    ours.sort();
    for (variable, value) in ours {
        let keys = variable[PREFIX.len()..].to_lowercase();
        let keys: Vec<_> = keys.split("__").collect();
        let is_right = keys.len() > 1 && keys.iter().all(|key| !key.is_empty());
        let set = if is_right { set(tree, &keys, value) } else { Err("must be RELAY__SECTION__KEY".to_owned()) };
        if let Err(message) = set {
            reading.note(variable, message);
        }
    }
}

/// Puts a single value where the keys lead, making the maps on the way.
fn set(map: &mut Map, keys: &[&str], value: String) -> Result<(), String> {
    let [key, rest @ ..] = keys else { return Ok(()) };
    let node = map.entry((*key).to_owned()).or_insert(Node::Empty);
    if matches!(node, Node::Empty) && !rest.is_empty() {
        *node = Node::Map(Map::new());
    }
    match node {
        Node::Map(inner) if !rest.is_empty() => set(inner, rest, value),
        Node::Empty | Node::Text(_) if rest.is_empty() => {
            *node = Node::text(value, Origin::Environment);
            Ok(())
        }
        other if rest.is_empty() => {
            Err(format!("a variable sets single values only, and `{key}` is {}", other.shape()))
        }
        other => Err(format!("`{key}` is {} and holds no keys", other.shape())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::config::SecretsRead;

    /// The defaults with every example switched on.
    fn examples() -> Node {
        let example = regex::Regex::new(r"(?m)^(\s*)#(\S)").unwrap();
        Node::read(&example.replace_all(DEFAULTS, "$1$2"), Format::Yaml).map_err(|broken| broken.to_string()).unwrap()
    }

    fn problems(node: Node) -> Vec<String> {
        let reading = Reading::new(SecretsRead::Skip);
        let mut tree = defaults();
        lay_over(&mut tree, node, "", &reading);
        let problems = crate::config::draft_of(&tree, reading).problems;
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_embedded_defaults_are_a_configuration_and_so_are_all_their_examples() {
        assert_eq!(problems(Node::Empty), Vec::<String>::new());
        assert_eq!(problems(examples()), Vec::<String>::new());
    }

    /// A place without the names in it: an app's map and `defaults.app` are the same place.
    fn place(path: &str) -> String {
        let of_kind = regex::Regex::new(r"^defaults\.github\b").unwrap();
        let defaults = regex::Regex::new(r"^defaults\.(organisation|app|receiver|source)\b").unwrap();
        let named = regex::Regex::new(r"^(organisation|app|receiver|source)s\.[^.]+").unwrap();
        let routes = regex::Regex::new(r"^route(\.routes\[\d+\])*").unwrap();
        let path = of_kind.replace(path, "one source").into_owned();
        let path = defaults.replace(&path, "one $1").into_owned();
        let path = named.replace(&path, "one $1").into_owned();
        routes.replace(&path, "route").into_owned()
    }

    /// Puts a key that nobody knows into every map, and collects the keys that stand there.
    fn spoil(node: &mut Node, path: &str, standing: &mut BTreeMap<String, BTreeSet<String>>) {
        match node {
            Node::Map(map) => {
                standing.entry(place(path)).or_default().extend(map.keys().cloned());
                map.iter_mut().for_each(|(key, inner)| spoil(inner, &inside(path, key), standing));
                map.insert("unheard-of".to_owned(), Node::text("x", Origin::Nowhere));
            }
            Node::List(nodes) => {
                nodes.iter_mut().enumerate().for_each(|(n, node)| spoil(node, &format!("{path}[{n}]"), standing));
            }
            Node::Text(_) | Node::Empty => {}
        }
    }

    #[test]
    fn the_embedded_defaults_show_every_key_there_is() {
        let mut tree = examples();
        let mut standing = BTreeMap::new();
        spoil(&mut tree, "", &mut standing);

        // A problem about an unknown key lists the known ones, so the program itself says what must be shown.
        let mut places = BTreeSet::new();
        for problem in problems(tree) {
            let Some((path, message)) = problem.split_once(": unknown key; the keys here are ") else { continue };
            let place = place(path.strip_suffix("unheard-of").unwrap().trim_end_matches('.'));
            for key in message.split(", ").map(|key| key.trim_matches('`')) {
                let shown = &standing[&place];
                let plain = key.strip_suffix("_file").unwrap_or(key);
                let is_shown = shown.contains(plain) || shown.contains(&format!("{plain}_file"));
                assert!(is_shown, "config/default.yaml does not show `{key}` in `{place}`");
            }
            places.insert(place);
        }
        let expected = "|admin|defaults|http|http.dingtalk_path|one app|one app.limits|one organisation|one receiver\
            |one receiver.limits|one receiver.limits.cooldown|one receiver.receipts|one source|one source.auth\
            |one source.auth.basic|one source.auth.header|one source.auth.hmac|one source.fields|one source.severity\
            |operator|retry|route|store";
        assert_eq!(places.into_iter().collect::<Vec<_>>().join("|"), expected);
    }
}
