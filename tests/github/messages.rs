//! Every example, decoded, rendered and composed: readable all of them.

use std::collections::BTreeSet;

use dingtalk_relay::compose::BUDGET;

use crate::examples::{self, Example};
use crate::ours::{all_in_chinese, latin};
use crate::shown::Bench;

/// How many examples there are, and how many of them are pings. A newer package may have more.
const EXAMPLES: (usize, usize) = (329, 4);

#[test]
fn every_example_has_a_title_and_a_text_that_fit() {
    let bench = Bench::new();
    let (mut told, mut pings) = (0, 0);
    for Example { event: name, payload, .. } in examples::all() {
        let Some(event) = bench.event(&name, &payload) else {
            assert_eq!(name, "ping");
            pings += 1;
            continue;
        };
        told += 1;
        let (item, message) = (&event.items[0], bench.message(&event));
        assert_eq!(event.facts["event"], name);
        for text in [&event.title, &item.name, &event.order_key, &message.title, &message.text] {
            assert!(!text.trim().is_empty(), "{name}: {payload}");
        }
        assert!(message.bytes <= BUDGET, "{name}: {}", message.bytes);
        assert!(message.text.contains("\n[View on GitHub](http"), "{name}: {}", message.text);
        assert!(!["null", "  ", "undefined"].iter().any(|bad| event.title.contains(bad)), "{}", event.title);
    }
    assert_eq!((told + pings, pings), EXAMPLES);
}

#[test]
fn what_the_first_example_of_each_event_says() {
    let (bench, mut seen, mut table) = (Bench::new(), BTreeSet::new(), String::new());
    for Example { event: name, action, payload } in examples::all() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let Some(event) = bench.event(&name, &payload) else { continue };
        let url = event.url.as_deref().unwrap_or("-");
        table += &format!("{name} {}\n    {}\n    {url}\n", action.as_deref().unwrap_or("-"), event.title);
    }
    assert_eq!(seen.len(), 58);
    insta::assert_snapshot!(table);
}

#[test]
fn whoever_reads_chinese_reads_no_english_word_of_ours() {
    let (bench, mut left, mut seen, mut table) = (Bench::new(), BTreeSet::new(), BTreeSet::new(), String::new());
    for Example { event: name, action, payload } in examples::all() {
        let Some(event) = bench.event(&name, &all_in_chinese(&payload)) else { continue };
        let message = bench.message_to("zh", &event);
        let words = latin(&format!("{}\n{}", message.title, message.text));
        left.extend(words.into_iter().map(|word| format!("{name} {}: {word}", action.as_deref().unwrap_or("-"))));
        if seen.insert(format!("{name} {action:?}")) {
            let told = bench.message_to("zh", &bench.event(&name, &payload).unwrap());
            table += &format!("{name} {}: {}\n", action.as_deref().unwrap_or("-"), told.title);
        }
    }
    // The action of a dispatch is whatever its sender calls it.
    let dispatched = ["on", "demand", "test"].map(|word| format!("repository_dispatch on-demand-test: {word}"));
    assert_eq!(left, BTreeSet::from(dispatched));
    insta::assert_snapshot!(table);
}
