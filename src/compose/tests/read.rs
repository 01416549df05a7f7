//! A digest is read as a person reads it, line by line, and adds up to the alerts there are.
//!
//! Nothing here asks the program what it counted: the alerts are made here, each with a host of its own, and the text is
//! taken apart again. Each alert is either on a line of its own, once, or one of `+N more`, of which each is one of a
//! name's or of `more names`, or one of what did not change; and the heading counts them all. Where the room is tight, a
//! block may be missing, but what is there is true.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::digest::{alert, at, shown, style};
use super::*;
use crate::model::content::Seen;
use crate::model::event::precedence;
use crate::model::form::Look;
use crate::model::language::Language;

/// An alert there is; its place in the list is its host.
#[derive(Debug, Clone)]
struct Alert {
    name: char,
    status: Status,
    severity: Severity,
    /// The group it belongs to.
    key: usize,
    /// How often it is told of.
    words: usize,
    /// Whether its receiver knows that it stands so.
    known: bool,
}

prop_compose! {
    fn an_alert()(name in "[A-N]", status in 0..3_usize, severity in 0..3_usize, key in 0..4_usize, words in 1..3_usize,
        known in any::<bool>()) -> Alert {
        let status = [Status::Firing, Status::Resolved, Status::Notice][status];
        let is_notice = status == Status::Notice;
        Alert {
            name: name.chars().next().unwrap(),
            status,
            severity: Severity::ALL[severity],
            key,
            words: if is_notice { 1 } else { words },
            known: known && !is_notice,
        }
    }
}

fn item(host: usize, told: &Alert) -> ContentItem {
    let labels = [("cluster", "prod"), ("instance", &format!("h{host}"))];
    ContentItem {
        status: told.status,
        until: (told.status == Status::Resolved).then_some(at("03:11")),
        short: format!("it happened on h{host}"),
        ..alert(&format!("Rule{}", told.name), told.severity, "03:00", &labels)
    }
}

/// The deliveries that tell of these, with their order key and what was known: group by group, word by word.
fn deliveries(alerts: &[Alert], truncated: u64) -> Vec<(Content, String, Vec<Seen>)> {
    let of = |key: usize, word: usize| {
        let told = alerts.iter().enumerate().filter(|(_, told)| told.key == key && told.words > word);
        let known = told.clone().filter(|(_, told)| told.known).map(|(host, told)| Seen::from(&item(host, told)));
        let items = told.clone().map(|(host, told)| item(host, told)).collect();
        (Content { truncated, ..content(items) }, key.to_string(), known.collect())
    };
    (0..4).flat_map(|key| [of(key, 0), of(key, 1)]).collect()
}

/// What stands in a text.
#[derive(Debug, Default)]
struct Read {
    /// What the heading counts.
    heading: usize,
    /// The hosts that have a line.
    listed: Vec<usize>,
    /// `N` of `+N more`, and how many of each name.
    more: usize,
    named: HashMap<char, usize>,
    /// How many of what did not change, and how many of each name.
    standing: usize,
    standing_named: HashMap<char, usize>,
    /// How many are of names that are not named: of `+N more`, and of what did not change.
    unnamed: usize,
    standing_unnamed: usize,
    truncated: u64,
}

/// The number a text begins with, if a word stands behind it.
fn number(text: &str) -> Option<usize> {
    text.trim().split_once(' ').and_then(|(number, _)| number.parse().ok())
}

/// `3 critical, 5 still firing (2 critical)` → 8, in both languages; what is no count counts nothing.
fn sum(counts: &str) -> usize {
    let mut depth = 0;
    let outside = counts.chars().filter(|c| {
        depth += i32::from(matches!(c, '(' | '（'));
        let is_outside = depth == 0;
        depth -= i32::from(matches!(c, ')' | '）'));
        is_outside
    });
    outside.collect::<String>().split([',', '、', '，']).filter_map(number).sum()
}

/// `and 3 more names (7 alerts)` → 7.
fn beyond(text: &str) -> Option<usize> {
    let is_beyond = text.starts_with("and ") || text.starts_with("以及另外");
    is_beyond.then(|| number(text.split(['(', '（']).nth(1).unwrap()).unwrap())
}

/// `RuleA ×3`, with or without bold, → A and 3.
fn named(text: &str) -> (char, usize) {
    let (name, rest) = text.trim_start_matches("**").split_at("RuleA".len());
    let times = rest.trim_start_matches("**").trim_start().strip_prefix('×');
    let times = times.map_or(1, |times| times.split([' ', ':', '：']).next().unwrap().parse().unwrap());
    (name.strip_prefix("Rule").unwrap().chars().next().unwrap(), times)
}

impl Read {
    fn of(text: &str) -> Self {
        let (mut read, mut folded) = (Self::default(), false);
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let alert = ["🔴 ", "🟠 ", "🔵 ", "✅ "].iter().find_map(|icon| line.strip_prefix(icon));
            if let Some(heading) = line.strip_prefix("### ") {
                read.heading = sum(heading.split_once(' ').unwrap().1);
            } else if let Some(alert) = alert.filter(|_| !folded) {
                read.listed.extend(alert.split(|c: char| !c.is_alphanumeric()).filter_map(host));
            } else if let Some((name, times)) = alert.map(named) {
                assert_eq!(read.named.insert(name, times), None, "{name} twice: {text}");
            } else if let Some(more) = line.strip_prefix("**+").or(line.strip_prefix("**还有 ")) {
                (read.more, folded) = (number(more).unwrap(), true);
            } else if let Some(alerts) = beyond(line) {
                read.unnamed = alerts;
            } else if let Some((counts, names)) = line.strip_prefix("**").and_then(|line| line.split_once("**")) {
                read.stand(counts, names);
            } else if let Some(count) = line.strip_prefix('+').or(line.strip_prefix("另有 ")) {
                read.truncated = number(count).unwrap() as u64;
            } else {
                assert!(line.starts_with('>'), "nobody knows what this says: {line}");
            }
        }
        read
    }

    /// `47 still firing` and `: RuleA ×30, RuleB ×17`.
    fn stand(&mut self, counts: &str, names: &str) {
        self.standing = sum(counts);
        for name in names.trim_start_matches([':', '：']).split([',', '、']).map(str::trim) {
            if name.is_empty() {
                continue;
            }
            if let Some(alerts) = beyond(name) {
                self.standing_unnamed = alerts;
                continue;
            }
            let (name, times) = named(name);
            assert_eq!(self.standing_named.insert(name, times), None, "{name} twice: {names}");
        }
        // One name alone needs no number of its own.
        if self.standing_named.len() == 1 && self.standing_unnamed == 0 {
            self.standing_named.values_mut().for_each(|times| *times = self.standing);
        }
    }
}

fn host(word: &str) -> Option<usize> {
    word.strip_prefix('h').and_then(|host| host.parse().ok())
}

/// How many of these there are of each name.
fn by_name<'a>(alerts: impl Iterator<Item = &'a Alert>) -> HashMap<char, usize> {
    alerts.fold(HashMap::new(), |mut names, alert| {
        *names.entry(alert.name).or_default() += 1;
        names
    })
}

/// Every name that is named has all of its alerts, and the names that are not have the rest.
fn is_complete(named: &HashMap<char, usize>, unnamed: usize, all: &HashMap<char, usize>) -> bool {
    let is_whole = named.iter().all(|(name, count)| all.get(name) == Some(count));
    is_whole && named.values().sum::<usize>() + unnamed == all.values().sum::<usize>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whoever_adds_up_what_a_digest_says_gets_the_alerts_there_are(
        alerts in vec(an_alert(), 2..90),
        unchanged in prop_oneof![2 => Just(Unchanged::Fold), 1 => Just(Unchanged::Show), 1 => Just(Unchanged::Drop)],
        (max_items, truncated, zh, links) in (0..20_usize, 0..3_u64, any::<bool>(), any::<bool>()),
        budget in prop_oneof![3 => Just(BUDGET), 1 => 500..3_000_usize],
    ) {
        let deliveries = deliveries(&alerts, truncated);
        let parts: Vec<_> = deliveries.iter().map(|(content, order_key, known)| {
            Part { content, order_key, received_at: at("03:10"), known: Some(known) }
        }).collect();
        let style = style(if zh { Language::Zh } else { Language::En }, Look::Markdown);
        let form = Form { without_links: !links, ..Form::default() };
        let setting = Setting { unchanged, max_items, ..Setting::of(&style, &form, at("03:30")) };

        let made = message(&parts, &setting, budget);

        let shown = shown(&made);
        let fields: Value = serde_json::from_str(&made.composed.msg_param).unwrap();
        let read = Read::of(fields["text"].as_str().unwrap());
        let is_tight = budget < BUDGET;
        let stands = |told: &&Alert| unchanged != Unchanged::Show && told.known;
        let something_is_new = alerts.iter().any(|told| !stands(&told));
        let is_aside = |told: &&Alert| something_is_new && stands(told);
        let listed: HashSet<_> = read.listed.iter().copied().collect();
        let of_list = || alerts.iter().enumerate().filter(|(_, told)| !is_aside(told));
        let rest = || of_list().filter(|(host, _)| !listed.contains(host)).map(|(_, told)| told);

        prop_assert_eq!(read.heading, alerts.len(), "{}", shown);
        prop_assert_eq!(listed.len(), read.listed.len(), "one is listed twice: {}", shown);
        prop_assert!(listed.iter().all(|host| of_list().any(|(listed, _)| listed == *host)), "{}", shown);
        let is_counted = listed.len() + read.more == of_list().count();
        prop_assert!(is_counted || is_tight && read.more == 0, "{}", shown);
        let is_named = is_complete(&read.named, read.unnamed, &by_name(rest()));
        prop_assert!(is_named || is_tight && read.named.is_empty(), "{}", shown);
        let rank = |told: &Alert| precedence(told.status, told.severity);
        let worst_left = rest().map(rank).min();
        let shown_well = listed.iter().all(|host| worst_left.iter().all(|worst| rank(&alerts[*host]) <= *worst));
        prop_assert!(shown_well, "what is listed is the worst: {}", shown);
        let standing = by_name(alerts.iter().filter(|told| unchanged == Unchanged::Fold && is_aside(told)));
        let is_counted = read.standing == standing.values().sum::<usize>();
        prop_assert!(is_counted || is_tight && read.standing == 0, "{}", shown);
        let is_named = is_complete(&read.standing_named, read.standing_unnamed, &standing);
        prop_assert!(is_named || is_tight && read.standing_named.is_empty(), "{}", shown);
        // Four groups, of each the last word.
        prop_assert!(read.truncated == 4 * truncated || is_tight && read.truncated == 0, "{}", shown);
        prop_assert_eq!(made.shown, listed.len(), "{}", shown);
        let unnamed = rest().filter(|told| !read.named.contains_key(&told.name));
        let unsaid = |told: &&Alert| is_aside(told) && !read.standing_named.contains_key(&told.name);
        let only_counted: usize = unnamed.chain(alerts.iter().filter(unsaid)).map(|told| told.words).sum();
        prop_assert_eq!(made.left_out, only_counted, "{}", shown);
    }
}
