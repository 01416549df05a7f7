//! What is not as it was meant, for one receiver of a preview.
//!
//! Gathered from those who know: the source (what it read), the routes (names nobody has), the renderer (a template
//! that failed, links that are none) and the composer (what did not fit). What several items have in common is said
//! once and counted.

use std::collections::BTreeSet;
use std::ptr;

use crate::compose::{self, Made};
use crate::config::digest::SendResolved;
use crate::model::content::Content;
use crate::model::event::Event;
use crate::model::form::{Look, Style};
use crate::model::message::Composed;
use crate::render::{Failure, Rendered, Renderer, doubts};
use crate::routing::{Group, Routes};
use crate::sources::doubts::Doubt;

/// What the warnings are about.
pub(super) struct Warnings<'w> {
    pub(super) renderer: &'w Renderer,
    /// What decided, if the routes did.
    pub(super) routes: Option<&'w Routes>,
    pub(super) event: &'w Event,
    pub(super) group: &'w Group<'w>,
    /// What the receiver wants its messages to be made for.
    pub(super) style: &'w Style,
    /// What the source doubts, of all items.
    pub(super) doubts: &'w [Doubt],
}

/// What came here and is not told, because its receiver does not want to hear of it.
pub(super) fn unheard(group: &Group<'_>, send_resolved: SendResolved) -> Option<String> {
    let why = match send_resolved {
        SendResolved::Critical => "resolved and not critical, and `send_resolved` is `critical`",
        SendResolved::Never => "resolved, and `send_resolved` is `never`",
        SendResolved::Always | SendResolved::Merged => return None,
    };
    let (unheard, all) = (group.unheard.len(), group.unheard.len() + group.items.len());
    match (unheard, all) {
        (0, _) => None,
        (_, 1) => Some(format!("nothing is sent: the alert is {why}")),
        _ if unheard == all => Some(format!("nothing is sent: all {all} alerts are {why}")),
        _ => Some(format!("{unheard} of {all} alerts are left out: they are {why}")),
    }
}

impl Warnings<'_> {
    /// All of them, the gravest first.
    pub(super) fn of(&self, template: Option<&str>, rendered: &Rendered, made: &Made) -> Vec<String> {
        let failed = rendered.failure.as_ref().map(|Failure { template, error }| {
            format!("template {template:?} failed, the plain built-in stands in for it: {error}")
        });
        let mut all: Vec<_> = failed.into_iter().collect();
        let never_works = template.and_then(|name| Some((name, self.renderer.never_works(name)?)));
        all.extend(never_works.map(|(name, why)| format!("template {name:?} can never work: {why}")));
        all.extend(self.of_items());
        all.extend(self.doubts.iter().filter(|doubt| doubt.item.is_none()).map(|doubt| doubt.what.clone()));
        all.extend(doubts::of_event(self.event));
        all.extend(self.of_size(made));
        all.extend(self.of_buttons(&rendered.content, &made.composed));
        all
    }

    /// What was offered to tap on and got no button, where buttons are wanted.
    fn of_buttons(&self, content: &Content, message: &Composed) -> Vec<String> {
        if self.style.look == Look::Markdown {
            return Vec::new();
        }
        if content.buttons.is_empty() {
            return vec![
                "a card needs something to tap on, and there is nothing: it goes as plain markdown".to_owned(),
            ];
        }
        let shown = compose::buttons(message);
        let lost = content.buttons.iter().filter(|offered| !shown.iter().any(|button| button.url == offered.url));
        let why = "a card holds five, two side by side, and a longer address than 700 bytes is none";
        lost.map(|button| format!("`{}` got no button: {why}", button.title)).collect()
    }

    /// What concerns single items, said once.
    fn of_items(&self) -> Vec<String> {
        let ours: BTreeSet<_> = self.group.items.iter().map(|item| ptr::from_ref(*item)).collect();
        let mut counted: Vec<(String, usize)> = Vec::new();
        let mut note = |what: String| match counted.iter_mut().find(|(known, _)| *known == what) {
            Some((_, times)) => *times += 1,
            None => counted.push((what, 1)),
        };
        let of_source = self.doubts.iter().filter_map(|doubt| Some((self.event.items.get(doubt.item?)?, &doubt.what)));
        of_source.filter(|(item, _)| ours.contains(&ptr::from_ref(*item))).for_each(|(_, what)| note(what.clone()));
        for item in &self.group.items {
            doubts::of_item(item).into_iter().for_each(&mut note);
            let unknown = self.routes.and_then(|routes| routes.unknown_receiver(item));
            unknown.into_iter().for_each(|name| {
                let name: String = name.chars().take(100).collect();
                note(format!("no receiver is called {name:?}, as route.receiver_label asks: the route tree decided"));
            });
        }
        let all = self.group.items.len();
        let said = |(what, times)| if all > 1 { format!("{what} ({times} of {all} alerts)") } else { what };
        counted.into_iter().map(said).collect()
    }

    fn of_size(&self, made: &Made) -> Vec<String> {
        let (all, truncated) = (self.group.items.len(), self.event.truncated);
        let left_out = (made.left_out > 0).then(|| format!("{} of {all} alerts are counted, not shown", made.left_out));
        let cut = made.cut.then(|| "a text is too long for the message: it is cut, and ends with `…`".to_owned());
        let sender = (truncated > 0).then(|| format!("the sender left {truncated} alerts out by itself (max_alerts)"));
        [left_out, cut, sender].into_iter().flatten().collect()
    }
}
