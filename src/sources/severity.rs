//! How a source's own words for "how bad" become one of our severities.
//!
//! Every kind of source asks [`Severities::of`] while it decodes, so behind `sources` there are three severities and
//! nothing else: matchers, priorities and templates never see a sender's spelling. The label itself stays untouched
//! in the item and is reachable for matchers as `label_severity`.

use std::collections::HashMap;

use crate::config::SeverityRules;
use crate::config::problem::Problem;
use crate::model::event::{Labels, Severity};

/// A source's severity rules, ready to ask.
#[derive(Debug)]
pub struct Severities {
    labels: Vec<String>,
    /// By the word in lower case.
    map: HashMap<String, Severity>,
    default: Severity,
}

impl Severities {
    /// Makes the rules of the source at `path` ready. Two words that differ by case alone and mean different things
    /// are a problem, since nobody could say which of them counts.
    pub fn compile(rules: &SeverityRules, path: &str) -> Result<Self, Vec<Problem>> {
        let mut map = HashMap::new();
        let mut problems = Vec::new();
        for (word, severity) in &rules.map {
            let known = map.insert(word.to_lowercase(), *severity);
            if known.is_some_and(|known| known != *severity) {
                let message = "the map holds this word twice, in another case and with another severity";
                problems.push(Problem::at(format!("{path}.severity.map.{word}"), message));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { labels: rules.labels.clone(), map, default: rules.default })
    }

    /// The severity of an item with these labels; see [`Self::asking`].
    pub fn of(&self, labels: &Labels) -> Severity {
        self.asking(|name| labels.get(name))
    }

    /// The severity of an item that has these words under the configured labels' names. The first label that is there
    /// decides: a value that means nothing is the default, and the labels behind it are not asked. As everywhere with
    /// Prometheus, an empty label is no label.
    pub fn asking<W: AsRef<str>>(&self, word: impl Fn(&str) -> Option<W>) -> Severity {
        let mut present = self.labels.iter().filter_map(|name| word(name)).filter(|word| !word.as_ref().is_empty());
        present.next().map_or(self.default, |word| self.called(word.as_ref()))
    }

    /// The label that decides, and its word, where that word means nothing here, so that the default counts.
    pub fn unknown<W: AsRef<str>>(&self, word: impl Fn(&str) -> Option<W>) -> Option<(&str, W)> {
        let mut present = self.labels.iter().filter_map(|name| Some((name.as_str(), word(name)?)));
        present.find(|(_, word)| !word.as_ref().is_empty()).filter(|(_, word)| !self.knows(word.as_ref()))
    }

    /// Whether a word means something here.
    pub fn knows(&self, word: &str) -> bool {
        self.in_map(word).is_some() || Severity::named(word).is_some()
    }

    /// The severity of the first of these words that the map knows; names of severities are not looked for.
    pub fn mapped<W: AsRef<str>>(&self, word: impl Fn(&str) -> Option<W>) -> Option<Severity> {
        self.labels.iter().filter_map(|name| word(name)).find_map(|word| self.in_map(word.as_ref()))
    }

    /// Where nothing says anything known.
    pub fn default(&self) -> Severity {
        self.default
    }

    /// What a word means: looked up in the map, then among the severities' own names, both without regard to case.
    pub fn called(&self, word: &str) -> Severity {
        self.in_map(word).or_else(|| Severity::named(word)).unwrap_or(self.default)
    }

    fn in_map(&self, word: &str) -> Option<Severity> {
        self.map.get(&word.to_lowercase()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(map: &[(&str, Severity)]) -> SeverityRules {
        SeverityRules {
            labels: vec!["severity".into(), "level".into()],
            map: map.iter().map(|(word, severity)| ((*word).to_owned(), *severity)).collect(),
            default: Severity::Warning,
        }
    }

    fn severity_of(labels: &[(&str, &str)]) -> Severity {
        let rules = rules(&[("P0", Severity::Critical), ("严重", Severity::Critical), ("critical", Severity::Info)]);
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Severities::compile(&rules, "sources.am").unwrap().of(&labels)
    }

    #[test]
    fn the_map_and_the_severities_own_names_are_read_without_case() {
        assert_eq!(severity_of(&[("severity", "p0")]), Severity::Critical);
        assert_eq!(severity_of(&[("severity", "严重")]), Severity::Critical);
        assert_eq!(severity_of(&[("severity", "INFO")]), Severity::Info);
    }

    #[test]
    fn the_map_wins_over_a_severitys_own_name() {
        assert_eq!(severity_of(&[("severity", "critical")]), Severity::Info);
    }

    #[test]
    fn the_first_label_that_is_there_decides_alone() {
        assert_eq!(severity_of(&[("level", "info"), ("severity", "p0")]), Severity::Critical);
        assert_eq!(severity_of(&[("level", "info")]), Severity::Info);
        assert_eq!(severity_of(&[("level", "info"), ("severity", "")]), Severity::Info, "an empty label is no label");
        assert_eq!(severity_of(&[("level", "info"), ("severity", "none")]), Severity::Warning, "unknown: the default");
        assert_eq!(severity_of(&[]), Severity::Warning);
    }

    #[test]
    fn a_word_that_means_nothing_is_told_with_its_label() {
        let severities = Severities::compile(&rules(&[("P0", Severity::Critical)]), "sources.am").unwrap();
        let unknown = |labels: &[(&str, &str)]| {
            let labels: Labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            severities.unknown(|name| labels.get(name).cloned()).map(|(name, word)| format!("{name}={word}"))
        };
        assert_eq!(unknown(&[("severity", ""), ("level", "none")]).as_deref(), Some("level=none"));
        assert_eq!(unknown(&[("severity", "p0"), ("level", "none")]), None, "the first one that is there decides");
        assert_eq!(unknown(&[("severity", "INFO")]), None);
        assert_eq!(unknown(&[]), None);
    }

    #[test]
    fn the_map_alone_may_be_asked_and_then_the_first_word_it_knows_decides() {
        let words = [("severity", "none"), ("level", "PAGE")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        let words = Labels::from(words);
        let mapped = |map| Severities::compile(&rules(map), "sources.gh").unwrap().mapped(|name| words.get(name));
        assert_eq!(mapped(&[("page", Severity::Critical)]), Some(Severity::Critical));
        assert_eq!(mapped(&[("page", Severity::Critical), ("None", Severity::Info)]), Some(Severity::Info));
        assert_eq!(mapped(&[]), None);
    }

    #[test]
    fn one_word_with_two_severities_is_a_problem() {
        let twice = rules(&[("PAGE", Severity::Warning), ("page", Severity::Critical)]);
        let problems = Severities::compile(&twice, "sources.am").unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].path, "sources.am.severity.map.page");
    }
}
