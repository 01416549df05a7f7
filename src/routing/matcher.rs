//! One matcher of a route: a name, an operator, a value, ready to be asked many times.
//!
//! [`read`] turns one text of the configuration into its matchers; how they may be written is [`grammar`]'s matter,
//! and what a regular expression means [`pattern`]'s. A matcher compares one text; where that text comes from is
//! [`seen`]'s. A name that an item does not have equals the empty text, as in Alertmanager.
//!
//! [`grammar`]: crate::routing::grammar
//! [`pattern`]: crate::routing::pattern
//! [`seen`]: crate::routing::seen

use std::fmt;

use regex::Regex;

use crate::routing::grammar::{BadMatcher, Operator, Term, classic, utf8};
use crate::routing::pattern;

/// One matcher.
#[derive(Debug, Clone)]
pub struct Matcher {
    term: Term,
    /// The compiled value of `=~` and `!~`.
    pattern: Option<Regex>,
}

/// The matchers of one text, which all must match: `a="b"`, or `{a="b", c=~"d"}`. A text without any is allowed, as
/// in Alertmanager, and matches everything.
pub fn read(text: &str) -> Result<Vec<Matcher>, BadMatcher> {
    let newer = utf8::read(text).and_then(compiled);
    let older = classic::read(text).and_then(|terms| compiled(terms).ok());
    older.map_or(newer, Ok)
}

fn compiled(terms: Vec<Term>) -> Result<Vec<Matcher>, BadMatcher> {
    terms.into_iter().map(Matcher::compile).collect()
}

impl Matcher {
    fn compile(term: Term) -> Result<Self, BadMatcher> {
        let pattern = match term.operator {
            Operator::Equal | Operator::NotEqual => None,
            Operator::Matches | Operator::MatchesNot => match pattern::compile(&term.value) {
                Ok(pattern) => Some(pattern),
                Err(error) => return Err(bad_pattern(term.value, &error)),
            },
        };
        Ok(Self { term, pattern })
    }

    /// The name of what it compares.
    pub fn name(&self) -> &str {
        &self.term.name
    }

    /// The operator and the value it was written with.
    pub fn term(&self) -> &Term {
        &self.term
    }

    /// Whether that, being `word`, is as the matcher wants it.
    pub fn matches(&self, word: &str) -> bool {
        let value_matches = self.pattern.as_ref().map_or(self.term.value == word, |pattern| pattern.is_match(word));
        match self.term.operator {
            Operator::Equal | Operator::Matches => value_matches,
            Operator::NotEqual | Operator::MatchesNot => !value_matches,
        }
    }
}

/// As both grammars read it again, if the name is plain, and the newer one otherwise.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Term { name, operator, value } = &self.term;
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':');
        if plain && name.bytes().next().is_some_and(|first| !first.is_ascii_digit()) {
            f.write_str(name)?;
        } else {
            write_quoted(f, name)?;
        }
        f.write_str(operator.as_str())?;
        write_quoted(f, value)
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let escaped = text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
    write!(f, "\"{escaped}\"")
}

fn bad_pattern(value: String, error: &regex::Error) -> BadMatcher {
    // The whole text draws the expression, as it was rewritten, over several lines; the last one says what is wrong.
    let text = error.to_string();
    let why = text.lines().last().unwrap_or_default();
    BadMatcher::Pattern { value, why: why.strip_prefix("error: ").unwrap_or(why).to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn terms(text: &str) -> Result<Vec<Term>, BadMatcher> {
        Ok(read(text)?.into_iter().map(|matcher| matcher.term).collect())
    }

    fn matches(text: &str, word: &str) -> bool {
        read(text).unwrap().iter().all(|matcher| matcher.matches(word))
    }

    /// What Alertmanager's own parser makes of a text; see the README beside the file.
    #[derive(serde::Deserialize)]
    struct Captured {
        input: String,
        #[serde(default)]
        matchers: Vec<BTreeMap<String, String>>,
        #[serde(default)]
        refused: bool,
    }

    #[test]
    fn every_text_is_read_as_alertmanager_reads_it() {
        let captured = include_str!("../../tests/fixtures/alertmanager/matchers.json");
        let captured: Vec<Captured> = serde_json::from_str(captured).unwrap();
        for Captured { input, matchers, refused } in captured {
            let ours = terms(&input).map(|terms| terms.iter().map(as_captured).collect::<Vec<_>>());
            assert_eq!(ours.is_err(), refused, "{input:?} gave {ours:?}");
            assert_eq!(ours.unwrap_or_default(), matchers, "{input:?}");
        }
    }

    fn as_captured(term: &Term) -> BTreeMap<String, String> {
        let Term { name, operator, value } = term;
        let parts = [("name", name.as_str()), ("op", operator.as_str()), ("value", value.as_str())];
        parts.into_iter().map(|(part, text)| (part.to_owned(), text.to_owned())).collect()
    }

    #[test]
    fn the_four_operators_compare_and_a_missing_label_equals_the_empty_text() {
        assert!(matches("a=b", "b") && !matches("a=b", "B") && !matches("a=b", ""));
        assert!(matches("a!=b", "c") && !matches("a!=b", "b") && matches("a!=b", ""));
        assert!(matches("a=~b|c", "c") && !matches("a=~b|c", "bc") && !matches("a=~b", "") && matches("a=~b?", ""));
        assert!(matches("a!~b.*", "c") && !matches("a!~b.*", "bc") && matches("a!~b", ""));
        assert!(matches("a=\"\"", "") && !matches("a!=\"\"", ""));
    }

    #[test]
    fn an_error_says_what_was_expected_and_where() {
        let mut said = String::new();
        for text in [
            "severity",
            "severity critical",
            "=critical",
            "运维 critical",
            "\"any name\"=",
            "{severity=critical",
            "{",
            "}",
            "{severity=critical}}",
            "\"any name\"=a b",
            "\"any name\"=\"critical",
            "\"any name\"=\"\\d+\"",
            "\"any name\"=\"\\xff\"",
            "a=b,,c=d",
            "a=\"b\"c",
            "a=~\"(\"",
            "a=~\"a\\u4e2d[\"",
            "a=~x{2}",
        ] {
            said += &match read(text) {
                Ok(_) => format!("{text}\n    is fine\n"),
                Err(error) => format!("{text}\n    {error}\n"),
            };
        }
        insta::assert_snapshot!(said);
    }

    fn any_operator() -> impl Strategy<Value = Operator> {
        prop::sample::select(Operator::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(name in "\\PC{1,8}|[a-z_:]{1,8}", operator in any_operator(), value in "(?s).{0,12}") {
            let value = if operator.as_str().contains('~') { regex::escape(&value) } else { value };
            let printed = Matcher::compile(Term { name: name.clone(), operator, value: value.clone() });
            prop_assume!(printed.is_ok());
            let printed = printed.map(|matcher| matcher.to_string()).unwrap_or_default();
            prop_assert_eq!(terms(&printed), Ok(vec![Term { name, operator, value }]), "{}", printed);
        }

        #[test]
        fn a_list_in_braces_is_the_same_as_its_parts(values in prop::collection::vec("(?s).{0,6}", 0..4), comma in ",|, | , ") {
            let parts: Vec<_> = values.iter().map(|v| Term { name: "a".into(), operator: Operator::Equal, value: v.clone() }).collect();
            let printed: Vec<_> = parts.iter().map(|t| Matcher::compile(t.clone()).unwrap().to_string()).collect();
            prop_assert_eq!(terms(&format!("{{{}}}", printed.join(&comma))), Ok(parts.clone()));
            prop_assert_eq!(terms(&printed.join(&comma)), Ok(parts));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a={}!~,\"\\\\ n运\\[(]{0,12}") {
            let _either = read(&text);
        }
    }
}
