//! DingTalk's documented codes as the project noted them, in a file of their own: `tests/fixtures/dingtalk/`.
//!
//! The relay's table is another file with the hints in it. That both say the same is the first test here; the others
//! drive what stands in this one, so a slip in the table cannot agree with itself.

use dingtalk_relay::dingtalk::codes::codes;

const CODES: &str = include_str!("../../fixtures/dingtalk/error-codes.csv");

/// One documented code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact {
    pub http_status: u16,
    pub code: &'static str,
    pub api: &'static str,
    pub class: &'static str,
    pub scope: &'static str,
}

/// Every documented code, in the order of the file.
pub fn facts() -> Vec<Fact> {
    let fact = |line: &'static str| {
        let [http, code, api, class, scope] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        Fact { http_status: http.parse().unwrap(), code, api, class, scope }
    };
    CODES.lines().skip(1).map(fact).collect()
}

#[test]
fn every_documented_code_is_in_the_relays_table_with_the_same_class_and_scope() {
    let known: Vec<_> = codes()
        .filter_map(|row| {
            let (class, scope) = (row.class.as_str(), row.scope_word());
            row.http_status.map(|http_status| Fact { http_status, code: row.code, api: row.api, class, scope })
        })
        .collect();
    for (known, fact) in known.iter().zip(facts()) {
        assert_eq!(*known, fact);
    }
    assert_eq!((known.len(), facts().len()), (119, 119));
}

#[test]
fn what_happens_without_a_code_of_dingtalks_has_a_word_that_is_explained() {
    let words: Vec<_> = codes().filter(|row| row.http_status.is_none()).map(|row| row.code).collect();
    let expected = [
        "dns",
        "connect",
        "tls",
        "timeout",
        "connection_lost",
        "no_key",
        "no_status",
        "no_result",
        "no_token",
        "unreadable",
        "too_large",
        "html",
        "punish",
        "redirect",
        "errcode_404",
        "secret",
        "http_401",
        "http_403",
        "http_404",
        "http_429",
        "http_4xx",
        "http_5xx",
        "month_used_up",
        "month_kept_for_critical",
        "interrupted",
        "internal_error",
        "not_configured",
    ];
    assert_eq!(words, expected);
}
