//! DingTalk's two worlds: the same paths and bodies at two hosts, and credentials that work at one of them only.
//!
//! Plain data. Which region an app is of must be said, because a guess would show its secret to the wrong host.

use url::Url;

/// One of DingTalk's two worlds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// International: `https://api.dingtalk.io`.
    Intl,
    /// Mainland China: `https://api.dingtalk.com`.
    Cn,
}

impl Region {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intl => "intl",
            Self::Cn => "cn",
        }
    }

    /// The one that an app of this one is not of.
    pub fn other(self) -> Self {
        match self {
            Self::Intl => Self::Cn,
            Self::Cn => Self::Intl,
        }
    }

    /// What every call to it begins with.
    pub fn base_url(self) -> Url {
        let text = match self {
            Self::Intl => "https://api.dingtalk.io",
            Self::Cn => "https://api.dingtalk.com",
        };
        Url::parse(text).expect("both are addresses")
    }
}
