//! Moderation: what a message may not say, as far as somebody has ordered it.
//!
//! What DingTalk itself holds for unsafe or forbidden is nobody's to know, so nothing is moderated unless it is ordered
//! (`POST /sim/moderation`). Unlike a fault, which the next calls draw whatever they are, a rule looks at the message:
//! a client that sends it again without what the rule complains of gets it through. Knows no HTTP and no limits.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::simulator::refusal::Refusal;

/// What draws a code. A message has to meet everything the rule names; a rule that names nothing meets every message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The code, of status 400: `contain.unsafe.url`.
    pub code: String,
    /// A text that stands in some field of `msgParam`, in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// What the template's name begins with: `sampleActionCard` is every card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msg_key: Option<String>,
    /// `msgParam` has more bytes than this, as it is encoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longer_than: Option<usize>,
}

impl Rule {
    /// A rule about what a message says.
    pub fn about(text: &str, code: &str) -> Self {
        Self { code: code.to_owned(), contains: Some(text.to_owned()), ..Self::default() }
    }

    fn meets(&self, msg_key: &str, msg_param: &Map<String, Value>, bytes: usize) -> bool {
        let says = |text: &String| {
            let text = text.to_lowercase();
            msg_param.values().filter_map(Value::as_str).any(|field| field.to_lowercase().contains(&text))
        };
        self.contains.as_ref().is_none_or(says)
            && self.msg_key.as_ref().is_none_or(|template| msg_key.starts_with(template.as_str()))
            && self.longer_than.is_none_or(|most| bytes > most)
    }
}

/// Every rule, in the order in which they were given.
#[derive(Debug, Default)]
pub(crate) struct Moderation(Vec<Rule>);

impl Moderation {
    /// Adds a rule behind the others.
    pub(crate) fn add(&mut self, rule: Rule) {
        self.0.push(rule);
    }

    /// The rules.
    pub(crate) fn rules(&self) -> &[Rule] {
        &self.0
    }

    /// Lets a message pass, or complains of it with the first rule it meets.
    pub(crate) fn pass(&self, msg_key: &str, msg_param: &Map<String, Value>, bytes: usize) -> Result<(), Refusal> {
        match self.0.iter().find(|rule| rule.meets(msg_key, msg_param, bytes)) {
            Some(rule) => Err(Refusal::bad(&rule.code, "the message is not allowed as it is")),
            None => Ok(()),
        }
    }
}
