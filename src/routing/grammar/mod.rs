//! How matchers are written: Alertmanager's two grammars, told apart as Alertmanager does it.
//!
//! [`utf8`] is the newer one: names and values in double quotes may hold anything. [`classic`] is the older one: plain
//! names, values that need no quotes. A route written for either works here. Where both understand a text and
//! disagree, the classic reading counts, and where neither does, the newer one says what it expected. See
//! <https://prometheus.io/docs/alerting/latest/configuration/#matcher>. Nothing here knows what a match is.

pub mod classic;
pub mod utf8;

/// One matcher as written: a name, an operator, a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// What is asked for.
    pub name: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub value: String,
}

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Matches,
    /// `!~`
    MatchesNot,
}

impl Operator {
    /// Every operator; those that begin like another one stand before it.
    pub const ALL: [Self; 4] = [Self::Matches, Self::Equal, Self::NotEqual, Self::MatchesNot];

    /// The operator as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::MatchesNot => "!~",
        }
    }

    /// The operator at the beginning of a text, and what stands behind it.
    fn split_from(text: &str) -> Option<(Self, &str)> {
        Self::ALL.into_iter().find_map(|operator| Some((operator, text.strip_prefix(operator.as_str())?)))
    }
}

/// The text is not a list of matchers.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadMatcher {
    /// Something else stands where the grammar wants one thing.
    #[error("expected {expected} at character {at}, found {found}")]
    Syntax {
        /// What would be right.
        expected: &'static str,
        /// The place, counted in characters from 1.
        at: usize,
        /// What stands there.
        found: String,
    },
    /// The value of a `=~` or `!~` is not a regular expression.
    #[error("`{value}` is not a regular expression: {why}")]
    Pattern {
        /// The value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
}
