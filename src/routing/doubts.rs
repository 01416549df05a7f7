//! What is legal in a routing tree and hardly meant: words that nothing is ever called, routes that nothing takes.
//!
//! Asked once, when a configuration is checked; routing itself does not need it. Only what is certain is said: two
//! regular expressions may exclude each other, and nothing here tries to prove it.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Route;
use crate::config::problem::Problem;
use crate::routing::grammar::{Operator, Term};
use crate::routing::matcher::{self, Matcher};

/// The values a matcher asks for or excludes under `name`, where `name` can only ever be one of `known`, that are
/// none of them.
pub fn unknown_values(text: &str, known: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<(String, String)> {
    let mut unknown = Vec::new();
    for matcher in matcher::read(text).unwrap_or_default() {
        let term = matcher.term();
        let Some(values) = known.get(term.name.as_str()) else { continue };
        let strange = alternatives(term).into_iter().filter(|value| !values.contains(value));
        unknown.extend(strange.map(|value| (term.name.clone(), value.to_owned())));
    }
    unknown
}

/// The plain values a term names: the value itself, or those of `a|b|c`. Any other expression names none, and the
/// empty value asks for what is not there.
fn alternatives(term: &Term) -> Vec<&str> {
    let is_plain = |value: &str| !value.is_empty() && value.chars().all(|c| c.is_alphanumeric() || "_- ".contains(c));
    match term.operator {
        Operator::Equal | Operator::NotEqual if term.value.is_empty() => Vec::new(),
        Operator::Equal | Operator::NotEqual => vec![&term.value],
        Operator::Matches | Operator::MatchesNot if term.value.split('|').all(is_plain) => {
            term.value.split('|').collect()
        }
        Operator::Matches | Operator::MatchesNot => Vec::new(),
    }
}

/// The routes that no item can ever take, each with the reason; what stands below one is not told again.
pub fn unreachable(route: &Route) -> Vec<Problem> {
    let mut found = Vec::new();
    below(route, "route", &[], &mut found);
    found
}

fn below(route: &Route, path: &str, above: &[Matcher], found: &mut Vec<Problem>) {
    let path_of = |i: usize| format!("{path}.routes[{i}]");
    let children: Vec<_> = route.routes.iter().map(matchers_of).collect();
    let takes_first = |i: usize, own: &[Matcher]| {
        let earlier = route.routes[..i].iter().zip(&children);
        let takes = |matchers: &Option<Vec<_>>| matchers.as_ref().is_some_and(|matchers| takes_all(matchers, own));
        earlier.into_iter().position(|(earlier, matchers)| !earlier.goes_on && takes(matchers))
    };
    for (i, (child, own)) in route.routes.iter().zip(&children).enumerate() {
        let Some(own) = own else { continue };
        let all = [above, own].concat();
        if let Some((one, other)) = contradiction(&all) {
            found.push(Problem::at(path_of(i), format!("can never match: nothing is both {one} and {other}")));
        } else if let Some(earlier) = takes_first(i, own) {
            let earlier = path_of(earlier);
            let message = format!("can never match: {earlier} takes all of it first, without `continue: true`");
            found.push(Problem::at(path_of(i), message));
        } else {
            below(child, &path_of(i), &all, found);
        }
    }
}

/// `None` if one cannot be read: then it is unknown what the route takes, and the problem is told elsewhere.
fn matchers_of(route: &Route) -> Option<Vec<Matcher>> {
    let matchers = route.matchers.iter().map(|text| matcher::read(text).ok());
    Some(matchers.collect::<Option<Vec<_>>>()?.concat())
}

/// Whether whatever matches `later` matches `earlier` too, because `earlier` asks for nothing else.
fn takes_all(earlier: &[Matcher], later: &[Matcher]) -> bool {
    let later: BTreeSet<_> = later.iter().map(ToString::to_string).collect();
    earlier.iter().all(|matcher| later.contains(&matcher.to_string()))
}

/// A matcher that takes one value alone, and another that does not take it.
fn contradiction(all: &[Matcher]) -> Option<(&Matcher, &Matcher)> {
    let equal = all.iter().filter(|matcher| matcher.term().operator == Operator::Equal);
    let refuses = |one: &Matcher, other: &Matcher| other.name() == one.name() && !other.matches(&one.term().value);
    equal.into_iter().find_map(|one| Some((one, all.iter().find(|other| refuses(one, other))?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(matchers: &[&str], routes: Vec<Route>) -> Route {
        Route { matchers: matchers.iter().map(|text| (*text).to_owned()).collect(), routes, ..Route::default() }
    }

    fn told(routes: Vec<Route>) -> Vec<String> {
        unreachable(&route(&[], routes)).iter().map(ToString::to_string).collect()
    }

    fn unknown(text: &str) -> String {
        let known = BTreeMap::from([("severity", BTreeSet::from(["critical", "warning", "info"]))]);
        unknown_values(text, &known).into_iter().map(|(_, value)| value).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_value_that_can_never_be_is_found_in_every_way_to_write_it() {
        for (text, strange) in [
            (r#"severity="sev1""#, "sev1"),
            (r#"severity!="page""#, "page"),
            (r#"severity=~"critical|page|P0""#, "page P0"),
            (r#"{severity!~"none", severity="x"}"#, "none x"),
            (r#"severity="critical""#, ""),
            (r#"severity=~"crit.*""#, ""),
            (r#"severity="""#, ""),
            (r#"team="sev1""#, ""),
            ("not a matcher", ""),
        ] {
            assert_eq!(unknown(text), strange, "{text}");
        }
    }

    #[test]
    fn a_route_behind_one_that_takes_everything_of_it_is_found() {
        let catch_all = || route(&[], vec![]);
        let a = || route(&["a=1"], vec![]);
        let a_and_b = || route(&["{b=2, a=1}"], vec![]);
        assert_eq!(told(vec![a(), catch_all()]), [""; 0]);
        assert_eq!(
            told(vec![a(), a_and_b()]),
            ["route.routes[1]: can never match: route.routes[0] takes all of it first, without `continue: true`"]
        );
        assert_eq!(told(vec![a_and_b(), a()]), [""; 0], "the narrower one first is how it should be");
        assert_eq!(told(vec![catch_all(), a(), a_and_b()]).len(), 2);
        assert_eq!(told(vec![Route { goes_on: true, ..a() }, a_and_b()]), [""; 0]);
        assert_eq!(told(vec![route(&["not a matcher"], vec![]), a()]), [""; 0], "nobody knows what the first takes");
    }

    #[test]
    fn a_route_that_contradicts_itself_or_what_is_above_it_is_found_once() {
        let b = |value: &str| route(&[&format!("b{value}")], vec![route(&["c=1"], vec![])]);
        assert_eq!(
            told(vec![route(&["b=1"], vec![b("=2")])]),
            [r#"route.routes[0].routes[0]: can never match: nothing is both b="1" and b="2""#]
        );
        assert_eq!(told(vec![route(&["b=1"], vec![b("!=1")])]).len(), 1);
        assert_eq!(told(vec![route(&["b=~\"x.*\"", "b=y"], vec![b("=y")])]).len(), 1);
        assert_eq!(told(vec![route(&["b=1"], vec![b("=~\"1|2\""), b("!=2"), b("!~\"3.*\"")])]), [""; 0]);
        assert_eq!(told(vec![route(&["b=~\"1\""], vec![b("=~\"2\"")])]), [""; 0], "not proved, so not said");
    }
}
