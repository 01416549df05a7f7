//! Reading a configuration as every command does, and `check`, which says how that went.
//!
//! Problems and warnings go to standard error, problems first; that all is well goes to standard output. A warning
//! never changes the exit code.

use std::path::{Path, PathBuf};

use crate::app::check::{Checked, check};
use crate::app::warnings::Surroundings;
use crate::config::problem::{Problem, Problems};
use crate::config::{self, Config, SecretsRead};

/// What a container's runtime leaves inside it: Docker's mark and Podman's.
const MARKS_OF_CONTAINERS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// Reads and checks these files.
pub fn read(files: &[PathBuf], secrets: SecretsRead) -> Checked {
    // Where secrets do not exist, as in CI, the configuration is not going to run: the place says nothing about it.
    let surroundings = if secrets == SecretsRead::Skip { Surroundings::Unknown } else { surroundings() };
    check(config::draft(files, environment(), secrets), surroundings)
}

/// Says that a configuration is sound, and what it has.
pub fn say_sound(config: &Config, warnings: &[Problem]) {
    println!("The configuration is sound: {}.", summary(config));
    say_warnings(warnings);
}

/// Says everything that is wrong.
pub fn say_problems(problems: Vec<Problem>, warnings: &[Problem]) {
    eprintln!("{}", Problems(problems));
    say_warnings(warnings);
}

fn say_warnings(warnings: &[Problem]) {
    if warnings.is_empty() {
        return;
    }
    eprintln!("legal, but it will hurt:");
    warnings.iter().for_each(|warning| eprintln!("  {warning}"));
}

/// What is not UTF-8 cannot be ours, and `std::env::vars` would panic at it.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
}

/// Kubernetes tells in the environment, other runtimes by a file.
fn surroundings() -> Surroundings {
    let is_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    if is_pod || MARKS_OF_CONTAINERS.iter().any(|mark| Path::new(mark).exists()) {
        Surroundings::Container
    } else {
        Surroundings::Unknown
    }
}

/// `2 apps, 3 receivers, 1 source`.
pub fn summary(config: &Config) -> String {
    let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let counts = [
        count(config.apps.len(), "app"),
        count(config.receivers.len(), "receiver"),
        count(config.sources.len(), "source"),
    ];
    counts.join(", ")
}
