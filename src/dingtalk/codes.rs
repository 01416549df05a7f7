//! What DingTalk's error codes mean, as data: `codes.csv`, embedded, one row a code.
//!
//! The rows are DingTalk's documented codes, then our own words for what happens on the way (`timeout`, `html`, …),
//! then what an HTTP status alone says (`http_4xx`), so that whatever the log or the page shows can be looked up.
//! `verdict` turns a row into an outcome; `explain` shows one to a person. This file knows neither calls nor
//! outcomes. The columns: `http` (the status DingTalk sends it with; empty: a word of ours), `code`, `api` (the
//! calls it is documented for), `class`, `scope`, `hint` and `hint_zh` (cause and cure in English and in Chinese, in
//! quotes). API, page, log and metrics speak English; Chinese is for people who asked for it.
//!
//! Source of the codes of a send:
//! <https://open.dingtalk.com/document/orgapp/the-robot-sends-a-group-message>.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::model::language::Language;
use crate::model::outcome::Scope;

/// What follows from a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Too fast: wait, then go on more slowly.
    Throttled,
    /// It may work later; nobody is at fault.
    Unavailable,
    /// Someone must mend a setting.
    Blocked,
    /// This message will not do.
    Refused,
    /// The access token was rejected. No outcome: the client fetches a fresh one and repeats inside the attempt.
    Token,
}

impl Class {
    /// The word in the table, and in what `explain` prints.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Blocked => "blocked",
            Self::Refused => "refused",
            Self::Token => "token",
        }
    }

    fn named(word: &str) -> Option<Self> {
        [Self::Throttled, Self::Unavailable, Self::Blocked, Self::Refused, Self::Token]
            .into_iter()
            .find(|class| class.as_str() == word)
    }
}

/// What one code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// The code, in DingTalk's spelling.
    pub code: &'static str,
    /// The HTTP status DingTalk sends it with; `None` for our own words.
    pub http_status: Option<u16>,
    /// The calls it is documented for: `send`, `query`, `recall`, `token`, several joined by `+`, or `any`.
    pub api: &'static str,
    /// What follows from it.
    pub class: Class,
    /// Whom it concerns.
    pub scope: Scope,
    english: &'static str,
    chinese: &'static str,
}

impl Explanation {
    /// The cause and how to mend it: finished sentences.
    pub fn hint(&self, language: Language) -> &'static str {
        language.of(self.english, self.chinese)
    }

    /// The word for whom it concerns.
    pub fn scope_word(&self) -> &'static str {
        match self.scope {
            Scope::Message => "message",
            Scope::Channel => "channel",
            Scope::Api => "api",
            Scope::App => "app",
            Scope::Month => "month",
        }
    }

    /// Whether DingTalk may send the code; otherwise it is a word of ours.
    pub(crate) fn is_dingtalks(&self) -> bool {
        self.http_status.is_some()
    }

    /// Whether the code is documented for that call.
    pub(crate) fn is_documented_for(&self, api: &str) -> bool {
        self.api == "any" || self.api.split('+').any(|documented| documented == api)
    }
}

/// Every code of the table, in its order: what a near miss is searched in.
pub fn codes() -> impl Iterator<Item = &'static Explanation> {
    TABLE.rows.iter()
}

/// What a code means: one of DingTalk's, or one of our own words as the log and the page show them. Upper and lower
/// case are the same, because DingTalk's own texts differ in it. `http_502` is explained as `http_5xx`.
pub fn explain(code: &str) -> Option<Explanation> {
    let key = code.trim().to_ascii_lowercase();
    let found = |key: &str| TABLE.by_code.get(key).map(|row| TABLE.rows[*row]);
    found(&key).or_else(|| {
        let digits = key.strip_prefix("http_").filter(|rest| rest.len() == 3 && rest.parse::<u16>().is_ok())?;
        found(&format!("http_{}xx", &digits[..1]))
    })
}

struct Table {
    rows: Vec<Explanation>,
    by_code: HashMap<String, usize>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let lines = include_str!("codes.csv").lines().skip(1);
    let rows: Vec<_> = lines.map(|line| row(line).expect("a test reads every row of the embedded table")).collect();
    let by_code = rows.iter().enumerate().map(|(at, row)| (row.code.to_ascii_lowercase(), at)).collect();
    Table { rows, by_code }
});

/// One line. Only the hints, the last columns, are quoted; a test keeps quotes out of them.
fn row(line: &'static str) -> Option<Explanation> {
    let columns: Vec<&'static str> = line.splitn(6, ',').collect();
    let [http, code, api, class, scope, hints] = columns[..] else { return None };
    let http_status = if http.is_empty() { None } else { Some(http.parse().ok()?) };
    let scope = match scope {
        "message" => Scope::Message,
        "channel" => Scope::Channel,
        "app" => Scope::App,
        "month" => Scope::Month,
        _ => return None,
    };
    let (english, chinese) = hints.strip_prefix('"')?.strip_suffix('"')?.split_once("\",\"")?;
    Some(Explanation { code, http_status, api, class: Class::named(class)?, scope, english, chinese })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_is_well_formed_and_names_its_code_once() {
        let mut seen = BTreeSet::new();
        for line in include_str!("codes.csv").lines().skip(1) {
            let row = row(line).unwrap_or_else(|| panic!("{line}"));
            assert!(seen.insert(row.code.to_ascii_lowercase()), "{} twice", row.code);
            let (english, chinese) = (row.hint(Language::En), row.hint(Language::Zh));
            assert!(!english.contains('"') && !chinese.contains('"'), "{line}");
            assert!(english.is_ascii() && english.ends_with('.') && english.len() > 40, "no finished sentence: {line}");
            assert!(chinese.ends_with('。') && chinese.chars().count() > 12, "no finished sentence: {line}");
            let apis = ["any", "token", "send", "query", "recall", "send+query"];
            assert!(apis.contains(&row.api), "{line}");
        }
    }

    #[test]
    fn a_code_is_explained_whatever_its_case_and_a_status_by_its_family() {
        assert_eq!(explain(" INVALIDAUTHENTICATION\n").unwrap().class, Class::Token);
        assert_eq!(explain("http_502").unwrap().code, "http_5xx");
        assert_eq!(explain("http_404").unwrap().code, "http_404");
        for unknown in ["", "http_", "http_5é", "http_200", "send.too.slow"] {
            assert_eq!(explain(unknown), None, "{unknown}");
        }
    }
}
