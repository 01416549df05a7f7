//! What is wrong with a configuration: where, and in words a person can act on.
//!
//! Every room that compiles a part of the configuration answers with these, and `check`, `serve` and reload show them
//! all at once. A problem never holds a secret's value (law 8); it may hold keys and names, which are no secrets.

use std::fmt;

/// One problem. Never holds a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it is: `receivers.oncall.app`.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Problem {
    /// A problem at a place.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

/// All problems of a configuration, one a line.
#[derive(Debug)]
pub struct Problems(pub Vec<Problem>);

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "the configuration has {count} problem{}:", if count == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// The word a person most likely meant, if one is near enough to be worth a suggestion. Case and `_` or `-` count
/// for nothing, so `appKey` finds `app_key`.
pub(crate) fn near<'w>(word: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let plain = |word: &str| word.replace(['_', '-'], "").to_lowercase();
    let wanted = plain(word);
    // One slip in a short word, one more for every three letters of a longer one.
    let slips = |length: usize| if length < 3 { 0 } else { 1.max(length / 3) };
    let distances = words.into_iter().map(|word| (strsim::damerau_levenshtein(&wanted, &plain(word)), word));
    let (distance, best) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= slips(wanted.chars().count())).then_some(best)
}

/// What to say to somebody who named one of `names` wrongly: the one most likely meant, and which there are.
pub(crate) fn hint<'w>(word: &str, names: impl Iterator<Item = &'w str> + Clone) -> String {
    let count = names.clone().count();
    match (count, near(word, names.clone())) {
        (0, _) => "there is none at all".to_owned(),
        (1, Some(name)) => format!("did you mean `{name}`?"),
        (1, None) => format!("there is only {}", listed(names)),
        (_, Some(name)) => format!("did you mean `{name}`? there are {}", listed(names)),
        (_, None) => format!("there are {}", listed(names)),
    }
}

/// Names or keys for a sentence: `a`, `b`, `c`.
pub(crate) fn listed<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The path of a key inside a map. What is no plain word is quoted, so that a path stays one line and unambiguous.
pub(crate) fn inside(path: &str, key: &str) -> String {
    let is_plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    match (path.is_empty(), is_plain) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{key:?}"),
        (false, true) => format!("{path}.{key}"),
        (false, false) => format!("{path}.{key:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_suggested_and_a_far_one_is_not() {
        let keys = ["app_key", "app_secret", "robot_code", "region"];
        for (word, meant) in
            [("app_kye", "app_key"), ("appKey", "app_key"), ("AppSecret", "app_secret"), ("regoin", "region")]
        {
            assert_eq!(near(word, keys), Some(meant));
        }
        for word in ["digest", "x", "", "endpoint"] {
            assert_eq!(near(word, keys), None);
        }
    }

    #[test]
    fn a_hint_names_what_there_is() {
        let told = |names: &[&str]| hint("oncal", names.iter().copied());
        assert_eq!(told(&[]), "there is none at all");
        assert_eq!(told(&["dev"]), "there is only `dev`");
        assert_eq!(told(&["oncall"]), "did you mean `oncall`?");
        assert_eq!(told(&["dev", "night"]), "there are `dev`, `night`");
        assert_eq!(told(&["dev", "oncall"]), "did you mean `oncall`? there are `dev`, `oncall`");
    }

    #[test]
    fn a_path_stays_one_line() {
        assert_eq!(inside("apps", "ops"), "apps.ops");
        assert_eq!(inside("map", "严重"), "map.严重");
        assert_eq!(inside("apps", "a.b\n"), "apps.\"a.b\\n\"");
    }
}
