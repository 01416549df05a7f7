//! Names and ids: what a person wrote in the configuration, and what the relay made up itself.
//!
//! A [`Name`] comes from the configuration and is checked when it is made, so nothing behind `config` has to
//! ask again whether it is safe in a path, a label or an environment variable. Ids are opaque outside.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of an app, a receiver, a source or an organisation: `[A-Za-z0-9][A-Za-z0-9_-]*` without `__`, which
/// separates the parts of an environment key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// Why a text is not a [`Name`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a name is letters, digits, '-' and '_', begins with a letter or digit, and holds no '__'")]
pub struct NotAName;

impl Name {
    /// The source of what a human sends by hand. It begins as no configured name may, so nothing configured can be
    /// called so.
    pub fn of_send() -> Self {
        Self("_send".into())
    }

    /// The source of what the relay itself tells its operator.
    pub fn of_notices() -> Self {
        Self("_notice".into())
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let mut bytes = text.bytes();
        let begins_well = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
        let goes_on_well = bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if begins_well && goes_on_well && !text.contains("__") { Ok(Self(text.into())) } else { Err(NotAName) }
    }
}

impl TryFrom<String> for Name {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// A fresh id. Ids made later sort later, as far as the clock allows.
            pub fn fresh() -> Self {
                Self(uuid::Uuid::now_v7().simple().to_string())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// One accepted webhook.
    EventId
}
id! {
    /// The duty to bring one event to one receiver.
    DeliveryId
}
id! {
    /// What one DingTalk call carries.
    MessageId
}
id! {
    /// One try to send a message.
    AttemptId
}

/// A channel: one robot in one group. The unit of rate, cooling and blocking; receivers that name the same robot
/// and group share it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelKey(String);

impl ChannelKey {
    /// The channel of an app robot in a group.
    pub fn app_robot(app: &Name, robot_code: &str, open_conversation_id: &str) -> Self {
        Self(format!("app_robot/{app}/{robot_code}/{open_conversation_id}"))
    }

    /// The channel whose key was stored.
    pub fn stored(key: String) -> Self {
        Self(key)
    }

    /// The key as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The robot and the group of an app robot's channel. A receiver may be configured no more, or differently: its
    /// old messages are still to be reached. Neither an app's name nor a robot's code holds a slash; a group's id may.
    pub fn robot_and_group(&self) -> Option<(&str, &str)> {
        let (_app, rest) = self.0.strip_prefix("app_robot/")?.split_once('/')?;
        rest.split_once('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_tells_its_robot_and_its_group_whatever_signs_the_group_holds() {
        let key = ChannelKey::app_robot(&"ops".parse().unwrap(), "ding-1", "cidA+/b/c==");
        assert_eq!(key.robot_and_group(), Some(("ding-1", "cidA+/b/c==")));
        assert_eq!(ChannelKey::stored("of another kind".into()).robot_and_group(), None);
    }

    #[test]
    fn a_name_is_safe_in_a_path_a_label_and_an_environment_key() {
        for good in ["a", "9", "oncall", "Ops-2", "a_b", "x-"] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for bad in ["", "_a", "-a", "a__b", "a b", "a/b", "值班", "a.b", "a\n"] {
            assert_eq!(bad.parse::<Name>(), Err(NotAName), "{bad:?}");
        }
    }

    #[test]
    fn no_source_can_be_configured_under_the_name_of_ours() {
        assert_eq!(Name::of_send().as_str().parse::<Name>(), Err(NotAName));
    }
}
