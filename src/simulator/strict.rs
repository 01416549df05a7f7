//! `--strict FILE`: the apps, robots and groups that exist, when not just anything goes.
//!
//! Without such a list the simulator takes every appKey, robotCode and conversation, which suits a first look. With
//! one, a mistyped secret or a robot that is not in the group draws the code DingTalk has for it. The file is YAML or
//! JSON, by its ending. Plain data and questions about it; which code a "no" becomes is the caller's affair.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Everything that exists.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strict {
    /// The apps. An appKey stands here once.
    pub apps: Vec<App>,
}

/// An app; for a third-party app, `app_key` is its suiteKey and `app_secret` its suiteSecret.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Its appKey.
    pub app_key: String,
    /// Its appSecret.
    pub app_secret: String,
    /// Its robots.
    #[serde(default)]
    pub robots: Vec<Robot>,
}

// By hand, because a secret is never printable, not even a made-up one.
impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("app_key", &self.app_key).field("robots", &self.robots).finish_non_exhaustive()
    }
}

/// A robot of an app.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Robot {
    /// Its robotCode. A code belongs to one app.
    pub robot_code: String,
    /// The openConversationIds of the groups it is in.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the strict file {}: {problem}", path.display())]
pub struct Unusable {
    path: PathBuf,
    problem: Box<Problem>,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("cannot be understood: {0}")]
    Shape(#[from] serde_saphyr::Error),
    #[error("lists no app, so nobody could get a token")]
    Empty,
    #[error("has an empty {0}")]
    Nameless(&'static str),
    #[error("has the {0} {1:?} twice")]
    Twice(&'static str, String),
}

impl Strict {
    /// Reads the YAML or JSON file at `path`.
    ///
    /// # Errors
    /// When the file is not there, is no YAML or JSON, cannot be understood, or names an app or a robot twice.
    pub fn load(path: &Path) -> Result<Self, Unusable> {
        Self::read(path).map_err(|problem| Unusable { path: path.to_owned(), problem: Box::new(problem) })
    }

    fn read(path: &Path) -> Result<Self, Problem> {
        // JSON is YAML too. The file holds secrets, so an error names the place and shows none of it.
        let options = serde_saphyr::options! { with_snippet: false };
        let strict: Self = serde_saphyr::from_str_with_options(&std::fs::read_to_string(path)?, options)?;
        strict.check()?;
        Ok(strict)
    }

    fn check(&self) -> Result<(), Problem> {
        if self.apps.is_empty() {
            return Err(Problem::Empty);
        }
        once("app_key", self.apps.iter().map(|app| app.app_key.as_str()))?;
        once("robot_code", self.apps.iter().flat_map(|app| &app.robots).map(|robot| robot.robot_code.as_str()))
    }

    /// Whether an app of this key has this secret.
    pub(crate) fn admits(&self, app_key: &str, app_secret: &str) -> bool {
        self.apps.iter().any(|app| app.app_key == app_key && app.app_secret == app_secret)
    }

    /// The robot of this code, with the key of the app it belongs to.
    pub(crate) fn robot(&self, robot_code: &str) -> Option<(&str, &Robot)> {
        let mut robots = self.apps.iter().flat_map(|app| app.robots.iter().map(|robot| (app.app_key.as_str(), robot)));
        robots.find(|(_, robot)| robot.robot_code == robot_code)
    }

    /// Whether any robot is in this group, so that the group exists.
    pub(crate) fn has_group(&self, conversation: &str) -> bool {
        self.apps.iter().flat_map(|app| &app.robots).any(|robot| robot.groups.iter().any(|it| it == conversation))
    }
}

/// Says which of the names is empty or stands twice, if one does.
fn once<'a>(what: &'static str, names: impl Iterator<Item = &'a str>) -> Result<(), Problem> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() {
            return Err(Problem::Nameless(what));
        }
        if !seen.insert(name) {
            return Err(Problem::Twice(what, name.to_owned()));
        }
    }
    Ok(())
}
