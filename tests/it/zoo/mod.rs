//! A zoo of configurations that are wrong, or legal and harmful, on the way that `check` and `serve` take.
//!
//! The specimens are `tests/fixtures/zoo`. Each marks in its comments what must be told of it: `<- path` is a problem
//! there, `<~ path` a warning. So a file's problems are counted both ways: none is missed, and none is made up. What
//! a person reads is the snapshot.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod binary;
mod warnings;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dingtalk_relay::app::check::{Checked, check};
use dingtalk_relay::app::warnings::Surroundings;
use dingtalk_relay::config::problem::Problem;
use dingtalk_relay::config::{self, SecretsRead};

/// One specimen.
pub(crate) struct Specimen {
    pub(crate) path: PathBuf,
    text: String,
}

/// Every specimen, in name order.
pub(crate) fn specimens() -> Vec<Specimen> {
    let mut paths: Vec<_> = std::fs::read_dir(zoo()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    let specimen = |path: PathBuf| Specimen { text: std::fs::read_to_string(&path).unwrap(), path };
    paths.into_iter().map(specimen).collect()
}

fn zoo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/zoo")
}

impl Specimen {
    fn name(&self) -> &str {
        self.path.file_name().unwrap().to_str().unwrap()
    }

    /// What its comments mark with this arrow.
    fn marked(&self, arrow: &str) -> BTreeSet<String> {
        let marks = self.text.split(arrow).skip(1).map(|rest| {
            let until = rest.find(['\n', '#']).unwrap_or(rest.len());
            let rest = rest[..until].split("  ").next().unwrap().split(": ").next().unwrap();
            rest.trim().to_owned()
        });
        marks.map(|mark| if mark == "file" { self.path.display().to_string() } else { mark }).collect()
    }

    pub(crate) fn problems(&self) -> BTreeSet<String> {
        self.marked("<- ")
    }

    pub(crate) fn warnings(&self) -> BTreeSet<String> {
        self.marked("<~ ")
    }

    fn checked(&self, secrets: SecretsRead) -> Checked {
        let draft = config::draft(std::slice::from_ref(&self.path), std::iter::empty(), secrets);
        check(draft, Surroundings::Unknown)
    }
}

fn paths(problems: &[Problem]) -> BTreeSet<String> {
    problems.iter().map(|problem| problem.path.clone()).collect()
}

/// As a person reads them, the folder's own path taken out.
fn lines(mark: &str, problems: &[Problem]) -> String {
    let here = format!("{}/", zoo().display());
    problems.iter().map(|problem| format!("{mark} {problem}\n").replace(&here, "")).collect()
}

#[test]
fn every_problem_of_every_specimen_is_told_in_one_run_and_nothing_else_is() {
    let specimens = specimens();
    assert!(specimens.iter().filter(|specimen| !specimen.problems().is_empty()).count() >= 50);
    let mut wrong = vec![];
    for specimen in specimens {
        let Checked { warnings, outcome, .. } = specimen.checked(SecretsRead::Read);
        let problems = outcome.err().unwrap_or_default();
        let told = [(paths(&problems), specimen.problems()), (paths(&warnings), specimen.warnings())];
        for (told, marked) in told {
            wrong.extend(marked.difference(&told).map(|path| format!("{}: {path} is not told", specimen.name())));
            wrong.extend(told.difference(&marked).map(|path| format!("{}: {path} is made up", specimen.name())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_person_reads() {
    let told = specimens().into_iter().map(|specimen| {
        let Checked { warnings, outcome, .. } = specimen.checked(SecretsRead::Read);
        let problems = outcome.err().unwrap_or_default();
        format!("{}\n{}{}", specimen.name(), lines("   ", &problems), lines("  ~", &warnings))
    });
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"));
}

#[test]
fn law_8_no_secret_is_repeated() {
    let mut planted = 0;
    for specimen in specimens() {
        planted += specimen.text.matches("planted").count();
        let Checked { warnings, outcome, .. } = specimen.checked(SecretsRead::Read);
        let told = format!("{warnings:?} {:?}", outcome.map(|(config, _)| config));
        assert!(!told.contains("planted"), "{}: {told}", specimen.name());
    }
    assert!(planted > 50);
}

#[test]
fn secret_files_need_not_exist_where_secrets_are_skipped() {
    let specimen = specimens().into_iter().find(|specimen| specimen.name().starts_with("23-")).unwrap();
    assert_eq!(specimen.checked(SecretsRead::Read).outcome.err().unwrap().len(), 2);
    assert!(specimen.checked(SecretsRead::Skip).outcome.is_ok());
}
