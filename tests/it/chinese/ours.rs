//! What is left of a message when nothing in it comes from outside: our own words, to be looked at.
//!
//! [`all_in_chinese`] makes a payload in which the sender says nothing in Latin letters: whatever a person may have
//! written is replaced, only the words that sources look for stay. [`latin`] then finds every word of ours in what
//! became of it.

use serde_json::Value;

/// Names that Chinese developers say as they are, and the offset of a time.
const SAID_AS_THEY_ARE: &[&str] =
    &["Alertmanager", "Dependabot", "GitHub", "Issue", "Marketplace", "PR", "Pages", "Star", "UTC", "Webhook", "Wiki"];

/// Members whose values are words of a protocol and not of a person.
const OF_THE_PROTOCOL: &[&str] = &["action", "conclusion", "ref_type", "state", "status"];

/// The payload with every letter that a person may have written replaced, in names of labels too.
pub fn all_in_chinese(payload: &Value) -> Value {
    said("", payload)
}

fn said(member: &str, value: &Value) -> Value {
    match value {
        Value::String(text) if is_of_the_protocol(member, text) => Value::String(text.clone()),
        Value::String(text) => Value::String(replaced(text)),
        Value::Array(list) => Value::Array(list.iter().map(|value| said(member, value)).collect()),
        Value::Object(map) if ["labels", "annotations"].contains(&member) => {
            let pair = |(name, value): (&String, &Value)| {
                let name = label(name, value);
                let value = said(&name, value);
                (name, value)
            };
            map.iter().map(pair).collect()
        }
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), said(name, value))).collect(),
        other => other.clone(),
    }
}

fn is_of_the_protocol(member: &str, text: &str) -> bool {
    OF_THE_PROTOCOL.contains(&member)
        || (member == "severity" && is_severity(text))
        || text.starts_with("http://")
        || text.starts_with("https://")
        || text.parse::<jiff::Timestamp>().is_ok()
}

/// A severity of another name is its sender's word.
fn is_severity(text: &str) -> bool {
    ["critical", "warning", "info"].contains(&text)
}

/// A label's name is its sender's, unless the relay asks for it.
fn label(name: &str, value: &Value) -> String {
    let severity = name == "severity" && value.as_str().is_some_and(is_severity);
    let asked_for = severity || ["alertname", "summary", "description"].contains(&name);
    let asked_for = asked_for || name.ends_with("_url") || ["runbook", "dashboard"].contains(&name);
    if asked_for { name.to_owned() } else { replaced(name) }
}

/// What begins a reference of git is not of a person either.
fn replaced(text: &str) -> String {
    let known = ["refs/heads/", "refs/tags/"].into_iter().find(|known| text.starts_with(known)).unwrap_or_default();
    let rest = &text[known.len()..];
    known.to_owned() + &rest.replace(|c: char| c.is_ascii_alphabetic(), "字")
}

/// The Latin words of a message, without addresses, entities and the names that stay as they are.
pub fn latin(text: &str) -> Vec<String> {
    let without_addresses = regex::Regex::new(r"\]\([^)]*\)|https?://\S+|&[a-z]+;").unwrap().replace_all(text, " ");
    let words = regex::Regex::new("[A-Za-z]+").unwrap();
    let words = words.find_iter(&without_addresses).map(|word| word.as_str().to_owned());
    words.filter(|word| !SAID_AS_THEY_ARE.contains(&word.as_str())).collect()
}
