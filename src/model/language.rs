//! The languages the relay speaks to people.
//!
//! One word for it everywhere: a receiver's `language`, an operator's notice, `explain --lang`. Codes, states and the
//! words of the contract stay as they are in every language; only sentences are translated. Knows no text itself.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What sentences are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Chinese, simplified, as written in mainland China.
    Zh,
}

impl Language {
    /// Every one there is.
    pub const ALL: [Self; 2] = [Self::En, Self::Zh];

    /// The word in the configuration and on the command line: `en` or `zh`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }

    /// Of two wordings, the one in this language.
    pub fn of<T>(self, english: T, chinese: T) -> T {
        match self {
            Self::En => english,
            Self::Zh => chinese,
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a language is en or zh")]
pub struct NoLanguage;

impl FromStr for Language {
    type Err = NoLanguage;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|language| language.as_str() == word).ok_or(NoLanguage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_has_one_word_for_people_and_for_serde() {
        for language in Language::ALL {
            assert_eq!(language.as_str().parse(), Ok(language));
            assert_eq!(serde_json::to_value(language).unwrap(), language.as_str());
            assert_eq!(serde_json::from_value::<Language>(language.as_str().into()).unwrap(), language);
        }
        assert_eq!("EN".parse::<Language>(), Err(NoLanguage));
        assert_eq!(Language::default(), Language::En);
    }
}
