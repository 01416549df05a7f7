//! Something to tap on → the fields of an action card.
//!
//! The spelling is DingTalk's: stacked buttons are `actionURL1`, those side by side `buttonUrl1`, and a card with one
//! button has `singleTitle` and `singleURL`; there is no `sampleActionCard1`. The caps of a caption and an address are
//! those of a sister API, none are stated for this one. What gets no button stays a link in the text, and what gets
//! one is not said a second time below the text.
//!
//! Source: <https://open.dingtalk.com/document/orgapp/types-of-messages-sent-by-robots>.

use serde_json::{Map, Value};

use crate::compose::measure::encoded_len;
use crate::compose::strip;
use crate::model::content::Button;
use crate::model::form::Buttons;
use crate::model::message::{Composed, MsgKey};

/// The characters a caption may have.
const LONGEST_CAPTION: usize = 20;
/// The bytes an address may have.
const LONGEST_ADDRESS: usize = 700;
/// What the names of a button's fields take, and their punctuation: more than the longest pair does.
const NAMES: usize = 40;

/// A card without its text.
pub(crate) struct Card {
    /// The template.
    pub(crate) msg_key: MsgKey,
    /// The buttons' fields.
    pub(crate) fields: Map<String, Value>,
    /// What is left of the footer above the buttons.
    pub(crate) footer: String,
}

/// A card whose buttons take at most `room` encoded bytes; `None` if there is none to offer.
pub(crate) fn card(offered: &[Button], footer: &str, layout: Buttons, room: usize) -> Option<Card> {
    let buttons = choose(offered, layout, room);
    let msg_key = match (layout, buttons.len()) {
        (_, 0) => return None,
        (_, 1) => MsgKey::ActionCard,
        (Buttons::Horizontal, _) => MsgKey::ActionCard6,
        (Buttons::Vertical, 2) => MsgKey::ActionCard2,
        (Buttons::Vertical, 3) => MsgKey::ActionCard3,
        (Buttons::Vertical, 4) => MsgKey::ActionCard4,
        (Buttons::Vertical, _) => MsgKey::ActionCard5,
    };
    let mut fields = Map::new();
    for ([title, url], button) in names(msg_key).into_iter().zip(&buttons) {
        fields.insert(title, button.title.clone().into());
        fields.insert(url, button.url.clone().into());
    }
    let footer = strip::without_links_to(footer, |url| buttons.iter().any(|button| button.url == url));
    Some(Card { msg_key, fields, footer })
}

/// The buttons of a message as it goes over the wire.
pub(crate) fn read(message: &Composed) -> Vec<Button> {
    let fields: Value = serde_json::from_str(&message.msg_param).unwrap_or_default();
    let text = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
    names(message.msg_key).iter().map(|[title, url]| Button { title: text(title), url: text(url) }).collect()
}

/// The fields of each button: its caption and its address.
fn names(msg_key: MsgKey) -> Vec<[String; 2]> {
    let numbered = |title: &str, url: &str, count: usize| {
        (1..=count).map(|number| [format!("{title}{number}"), format!("{url}{number}")]).collect()
    };
    match msg_key {
        MsgKey::Text | MsgKey::Markdown => Vec::new(),
        MsgKey::ActionCard => vec![["singleTitle".to_owned(), "singleURL".to_owned()]],
        MsgKey::ActionCard2 => numbered("actionTitle", "actionURL", 2),
        MsgKey::ActionCard3 => numbered("actionTitle", "actionURL", 3),
        MsgKey::ActionCard4 => numbered("actionTitle", "actionURL", 4),
        MsgKey::ActionCard5 => numbered("actionTitle", "actionURL", 5),
        MsgKey::ActionCard6 => numbered("buttonTitle", "buttonUrl", 2),
    }
}

/// The first ones that can be buttons, each address once.
fn choose(offered: &[Button], layout: Buttons, mut room: usize) -> Vec<Button> {
    let most = match layout {
        Buttons::Vertical => 5,
        Buttons::Horizontal => 2,
    };
    let mut chosen: Vec<Button> = Vec::with_capacity(most);
    for Button { title, url } in offered {
        let title = caption(title);
        let is_told = chosen.iter().any(|button| button.url == *url);
        if chosen.len() == most || title.is_empty() || url.is_empty() || url.len() > LONGEST_ADDRESS || is_told {
            continue;
        }
        let Some(left) = room.checked_sub(encoded_len(&title) + encoded_len(url) + NAMES) else { continue };
        room = left;
        chosen.push(Button { title, url: url.clone() });
    }
    chosen
}

fn caption(title: &str) -> String {
    let title = title.trim();
    if title.chars().count() <= LONGEST_CAPTION {
        return title.to_owned();
    }
    title.chars().take(LONGEST_CAPTION - 1).chain(['…']).collect()
}
