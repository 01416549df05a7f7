//! Alerts folded by name: a line for each name, and the names beyond counted.
//!
//! `🔴 **InstanceDown** ×42 (cluster: prod) 12 critical, 25 warning, 5 resolved`. The worst names come first, then
//! those with the most alerts.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::compose::digest::BREAK;
use crate::compose::headline::{Standing, icon};
use crate::compose::labels::{Telling, name};
use crate::compose::measure::encoded_len;
use crate::compose::told::Told;
use crate::compose::words;
use crate::model::event::precedence;
use crate::model::language::Language;
use crate::model::spoken::{Tally, colon, comma};

/// The lines of names there are at most.
const MOST_LINES: usize = 8;
/// The names in a line of names.
const MOST_IN_A_LINE: usize = 6;
/// The characters of a name.
const LONGEST_NAME: usize = 50;
/// Room for the line that counts the names beyond: more than its longest form takes.
const LONGEST_COUNT: usize = 100;

/// Alerts by name, as markdown.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    /// May be empty.
    pub(crate) text: String,
    /// How many items are part of a line that names them.
    pub(crate) items: usize,
}

/// The room that names ask of a page on which so much is left.
pub(crate) fn room(left: usize) -> usize {
    (left / 3).clamp(400.min(left), 1_500)
}

/// How many there are, and a line for each of the worst names: `**+34 more** (…)`, and what belongs to each.
pub(crate) fn fold(rest: &[Told<'_>], telling: &Telling<'_>, language: Language, room: usize) -> Folded {
    if rest.is_empty() {
        return Folded::default();
    }
    let count = words::more(&Tally::of(rest.iter().map(Told::kind)), language);
    let names = by_name(rest.iter());
    // Of a single name the count has said it already.
    let by_kind = names.len() > 1;
    let said = |some: &Named<'_, '_>| line(some, by_kind, telling, language);
    let list = List { most: MOST_LINES, first: BREAK, between: BREAK, room, language };
    list.of(count, &names, said)
}

/// What did not change, on a line: `**47 still firing**: HighCPU ×30, DiskFull ×17`.
pub(crate) fn still(told: &[Told<'_>], language: Language, room: usize) -> Folded {
    let standing = Standing::of(told);
    let counts = [standing.firing(language), standing.over(language)].concat();
    if counts.is_empty() {
        return Folded::default();
    }
    let names = by_name(told.iter().filter(|told| told.unchanged));
    let alone = names.len() == 1;
    let said = |some: &Named<'_, '_>| {
        let name = name(some[0].item, LONGEST_NAME);
        if alone || some.len() == 1 { name } else { format!("{name} ×{}", some.len()) }
    };
    let list = List { most: MOST_IN_A_LINE, first: colon(language), between: comma(language), room, language };
    list.of(format!("**{}**", counts.join(comma(language))), &names, said)
}

/// Alerts of one name; at least one.
type Named<'t, 'c> = Vec<&'t Told<'c>>;

/// The worst name first, then the one with the most alerts. The worst of each stands first if it did before.
fn by_name<'t, 'c: 't>(told: impl Iterator<Item = &'t Told<'c>>) -> Vec<Named<'t, 'c>> {
    let (mut names, mut places): (Vec<Named<'t, 'c>>, HashMap<&str, usize>) = <_>::default();
    for told in told {
        let place = *places.entry(told.item.name.as_str()).or_insert(names.len());
        match names.get_mut(place) {
            Some(some) => some.push(told),
            None => names.push(vec![told]),
        }
    }
    names.sort_by_cached_key(|some| {
        let (status, severity) = some[0].kind();
        (precedence(status, severity), Reverse(some.len()))
    });
    names
}

/// `🔴 **InstanceDown** ×42 (cluster: prod): 12 critical, 25 warning, 5 resolved`; of one kind the icon says which.
fn line(some: &Named<'_, '_>, by_kind: bool, telling: &Telling<'_>, language: Language) -> String {
    let mut line = format!("{} **{}**", icon(some.first().copied()), name(some[0].item, LONGEST_NAME));
    if some.len() > 1 {
        line.push_str(&format!(" ×{}", some.len()));
    }
    let labels = telling.of_some(some);
    if !labels.is_empty() {
        line.push_str(&format!(" ({labels})"));
    }
    let kinds = Tally::of(some.iter().map(|told| told.kind())).parts(language);
    if by_kind && kinds.len() > 1 {
        line.push_str(&format!("{}{}", colon(language), kinds.join(comma(language))));
    }
    line
}

/// How names follow each other.
struct List {
    /// So many at most.
    most: usize,
    /// What stands before the first.
    first: &'static str,
    /// What stands between two.
    between: &'static str,
    /// The encoded bytes there are.
    room: usize,
    language: Language,
}

impl List {
    /// The head and as many names as fit; the others are counted.
    fn of(&self, head: String, names: &[Named<'_, '_>], said: impl Fn(&Named<'_, '_>) -> String) -> Folded {
        let mut folded = Folded { text: head, items: 0 };
        let Some(mut left) = self.room.checked_sub(encoded_len(&folded.text)) else { return Folded::default() };
        let mut named = 0;
        for some in names.iter().take(self.most) {
            let more = format!("{}{}", if named == 0 { self.first } else { self.between }, said(some));
            let count = if named + 1 == names.len() { 0 } else { LONGEST_COUNT };
            let Some(less) = left.checked_sub(encoded_len(&more)).filter(|less| *less >= count) else { break };
            left = less;
            named += 1;
            folded.text.push_str(&more);
            folded.items += some.iter().map(|told| told.items).sum::<usize>();
        }
        let beyond = &names[named..];
        if named > 0 && !beyond.is_empty() {
            let alerts = beyond.iter().map(Vec::len).sum();
            folded.text.push_str(&format!(
                "{}{}",
                self.between,
                words::more_names(beyond.len(), alerts, self.language)
            ));
        }
        folded
    }
}
