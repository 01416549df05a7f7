//! How a message looks: what its receiver wants at best, and how plain a delivery has become.
//!
//! DingTalk refuses a message for what it is or for what it says. Then the delivery goes back into the queue in a
//! plainer [`Form`], which is stored with it, and `compose` makes the next message of that. [`Form::plainer`] is the
//! way down: it answers the complaint first, then goes from card to markdown to text, and at last says the title
//! alone. Every step is plainer than the one before, so the way has an end. Knows no markdown and no bytes.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::model::language::Language;
use crate::model::outcome::Complaint;

/// What a receiver wants its messages to be, where there is nothing against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Look {
    /// Text with links in it.
    #[default]
    Markdown,
    /// Text with buttons below, where there is something to tap on.
    Card(Buttons),
}

/// How a receiver wants to be spoken to: what a message is made for, beside what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Style {
    /// What it looks like at best.
    pub look: Look,
    /// The language of our own words around it.
    pub language: Language,
    /// The time zone of the times shown.
    pub timezone: TimeZone,
}

impl Default for Style {
    fn default() -> Self {
        Self { look: Look::default(), language: Language::default(), timezone: TimeZone::UTC }
    }
}

/// How the buttons of a card stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Buttons {
    /// One below the other, up to five.
    #[default]
    Vertical,
    /// Two side by side.
    Horizontal,
}

/// How plain a delivery has become. The default is the full form: whatever its receiver wants.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Form {
    /// The richest shape there may be.
    pub shape: Shape,
    /// No link, no button, no address in the text, and no picture, which has an address too.
    pub without_links: bool,
    /// No picture.
    pub without_pictures: bool,
    /// Nothing that reads as a mention of everybody.
    pub without_mentions: bool,
    /// How much of it is said.
    pub length: Length,
    /// The codes DingTalk refused the forms before this one with, the first one first.
    pub refused_with: Vec<String>,
    /// It was a digest that was refused: this says nothing of what each of its deliveries may be by itself.
    pub together: bool,
}

/// The shape of a message, from the richest to the plainest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// As the receiver wants it.
    #[default]
    Wanted,
    /// Markdown, without buttons.
    Markdown,
    /// Plain text.
    Text,
}

/// How much of a delivery is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// As much as the budget holds.
    #[default]
    Whole,
    /// Half of that: enough if DingTalk counts a Chinese character as six bytes.
    Half,
    /// An eighth.
    Eighth,
    /// The title alone, as text.
    Title,
}

impl Length {
    /// The share of a budget; never so little that nothing could be said.
    pub fn of(self, budget: usize) -> usize {
        const LEAST: usize = 100;
        let share = match self {
            Self::Whole | Self::Title => budget,
            Self::Half => budget / 2,
            Self::Eighth => budget / 8,
        };
        share.max(budget.min(LEAST))
    }

    fn less(self) -> Self {
        match self {
            Self::Whole => Self::Half,
            Self::Half => Self::Eighth,
            Self::Eighth | Self::Title => Self::Title,
        }
    }
}

impl Form {
    /// The form of a message that carries one delivery, which has become as plain as this.
    pub fn by_itself(self) -> Self {
        if self.together { Self::default() } else { self }
    }

    /// The most forms one delivery is tried in: each is a call of the month.
    pub const MOST: usize = 5;

    /// The next form after DingTalk complained of this one, or `None` where nothing plainer could help. What was
    /// complained of goes first. Whatever the complaints, the last try is the plainest form of all.
    pub fn plainer(&self, complaint: Complaint) -> Option<Self> {
        let mended = self.without(complaint);
        let tries_left = Self::MOST.checked_sub(self.refused_with.len() + 1)?;
        match (self.shape, complaint) {
            _ if tries_left == 0 => None,
            _ if tries_left == 1 && mended.length < Length::Title && complaint != Complaint::Template => {
                Some(mended.title_alone())
            }
            _ if mended != *self => Some(mended),
            (Shape::Wanted, _) => Some(Self { shape: Shape::Markdown, ..mended }),
            (Shape::Markdown, _) => Some(Self { shape: Shape::Text, ..mended }),
            // Text is the plainest template there is, and a shorter one is no other.
            (Shape::Text, Complaint::Template) => None,
            (Shape::Text, _) if self.length < Length::Title => Some(self.title_alone()),
            (Shape::Text, _) => None,
        }
    }

    fn title_alone(&self) -> Self {
        Self { shape: Shape::Text, length: Length::Title, ..self.clone() }
    }

    /// The same form without what the complaint is about, if leaving something out can meet it.
    fn without(&self, complaint: Complaint) -> Self {
        let form = self.clone();
        match complaint {
            Complaint::Template => form,
            Complaint::Links => Self { without_links: true, without_pictures: true, ..form },
            Complaint::Pictures => Self { without_pictures: true, ..form },
            Complaint::Mentions => Self { without_mentions: true, ..form },
            // The words of an address, or what a picture shows, may be the ones that are not liked.
            Complaint::Words => Self { without_links: true, without_pictures: true, ..form },
            Complaint::Length => {
                let length = form.length.less();
                let shape = if length == Length::Title { Shape::Text } else { form.shape };
                Self { length, shape, ..form }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms tried if every one is complained of in the same way.
    fn way_down(complaint: Complaint) -> Vec<Form> {
        std::iter::successors(Some(Form::default()), |form| form.plainer(complaint)).collect()
    }

    #[test]
    fn a_template_that_is_not_taken_becomes_markdown_and_then_text() {
        let shapes: Vec<_> = way_down(Complaint::Template).iter().map(|form| form.shape).collect();
        assert_eq!(shapes, [Shape::Wanted, Shape::Markdown, Shape::Text]);
    }

    #[test]
    fn what_is_complained_of_goes_first_then_the_shape_then_all_but_the_title() {
        let full = Form::default();
        let without = Form { without_links: true, without_pictures: true, ..full.clone() };
        let markdown = Form { shape: Shape::Markdown, ..without.clone() };
        let text = Form { shape: Shape::Text, ..without.clone() };
        let title = Form { length: Length::Title, ..text.clone() };
        for complaint in [Complaint::Links, Complaint::Words] {
            let down = [&full, &without, &markdown, &text, &title].map(Form::clone);
            assert_eq!(way_down(complaint), down, "{complaint:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_halved_before_it_is_cut_to_its_title() {
        let lengths: Vec<_> = way_down(Complaint::Length).iter().map(|form| (form.length, form.shape)).collect();
        let (wanted, text) = (Shape::Wanted, Shape::Text);
        let title = (Length::Title, text);
        assert_eq!(lengths, [(Length::Whole, wanted), (Length::Half, wanted), (Length::Eighth, wanted), title]);
    }

    #[test]
    fn every_way_down_is_short_and_changes_something_at_each_step() {
        for complaint in Complaint::ALL {
            let way = way_down(complaint);
            assert!(way.len() <= Form::MOST, "{complaint:?}: {way:?}");
            assert!(way.windows(2).all(|pair| pair[0] != pair[1]), "{complaint:?}");
        }
    }

    #[test]
    fn complaints_that_change_every_time_end_with_the_title_and_then_with_nothing() {
        let complaints = [Complaint::Mentions, Complaint::Template, Complaint::Pictures, Complaint::Length];
        let mut form = Form::default();
        for (code, complaint) in complaints.into_iter().enumerate() {
            form = form.plainer(complaint).unwrap();
            form.refused_with.push(code.to_string());
        }
        assert_eq!((form.length, form.shape, form.without_mentions), (Length::Title, Shape::Text, true));
        assert_eq!(form.plainer(Complaint::Links), None, "five calls have been made");
    }

    #[test]
    fn a_stored_form_of_another_version_is_read_as_far_as_it_is_known() {
        let read: Form = serde_json::from_str(r#"{"shape":"text","without_colours":true}"#).unwrap();
        assert_eq!(read, Form { shape: Shape::Text, ..Form::default() });
        assert_eq!(read.clone().by_itself(), read, "what says nothing of a digest is its own");
    }
}
