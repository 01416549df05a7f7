//! Every template as it goes over the wire, and every form of any content: in the budget, and without what DingTalk
//! complained of.

use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};

use super::*;
use crate::model::content::Button;
use crate::model::form::{Buttons, Length, Look, Shape};
use crate::model::message::MsgKey;

const CARD: Look = Look::Card(Buttons::Vertical);
const LOOKS: [Look; 3] = [Look::Markdown, CARD, Look::Card(Buttons::Horizontal)];

fn button(title: &str, url: &str) -> Button {
    Button { title: title.to_owned(), url: url.to_owned() }
}

/// An alert with so many of its links as buttons.
fn alert(buttons: usize) -> Content {
    let all = ["Graph", "Runbook", "Dashboard", "Silence", "Alertmanager", "Logs"];
    let url = |title: &str| format!("https://{}.example/?a=1&b=%22", title.to_lowercase());
    let linked = all[..buttons].iter().map(|title| format!("[{title}]({})", url(title)));
    Content {
        footer: linked.collect::<Vec<_>>().join(" · "),
        buttons: all[..buttons].iter().map(|title| button(title, &url(title))).collect(),
        ..content(vec![item(0, r#"**磁盘满** "db\_1""#)])
    }
}

fn style(look: Look) -> Style {
    Style { look, ..Style::default() }
}

fn full(content: &Content, look: Look) -> Composed {
    single(content, &style(look), &Form::default(), BUDGET)
}

fn fields(composed: &Composed) -> Value {
    serde_json::from_str(&composed.msg_param).unwrap()
}

/// The text of a message, whichever template it is.
fn words(composed: &Composed) -> String {
    let fields = fields(composed);
    fields["text"].as_str().or(fields["content"].as_str()).unwrap().to_owned()
}

#[test]
fn every_template_on_the_wire() {
    let vertical = (0..=6).map(|buttons| (format!("{buttons}, vertical"), full(&alert(buttons), CARD)));
    let sides = Look::Card(Buttons::Horizontal);
    let horizontal = (0..=3).map(|buttons| (format!("{buttons}, horizontal"), full(&alert(buttons), sides)));
    let text = single(&alert(2), &style(CARD), &Form { shape: Shape::Text, ..Form::default() }, BUDGET);
    let title =
        single(&alert(2), &style(CARD), &Form { length: Length::Title, shape: Shape::Text, ..Form::default() }, BUDGET);
    let others = [("text".to_owned(), text), ("title alone".to_owned(), title)];
    let shown = vertical.chain(horizontal).chain(others);
    let shown: Vec<_> = shown.map(|(what, it)| format!("{what}: {}\n{}", it.msg_key, it.msg_param)).collect();
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn what_cannot_be_a_button_stays_a_link_and_an_address_is_offered_once() {
    let long = format!("https://a.example/{}", "x".repeat(700));
    let content = Content {
        footer: format!("[Graph]({long}) · [Runbook](https://r.example) · [Wiki](https://w.example)"),
        buttons: vec![
            button("Graph", &long),
            button("A caption far beyond its cap", "https://r.example"),
            button("Again", "https://r.example"),
            button("", "https://nobody.example"),
        ],
        ..alert(0)
    };
    let composed = full(&content, CARD);
    let fields = fields(&composed);
    assert_eq!(composed.msg_key, MsgKey::ActionCard);
    assert_eq!(
        (&fields["singleTitle"], &fields["singleURL"]),
        (&"A caption far beyon…".into(), &"https://r.example".into())
    );
    assert_eq!(fields["singleTitle"].as_str().unwrap().chars().count(), 20);
    assert!(
        words(&composed).ends_with(&format!("[Graph]({long}) · [Wiki](https://w.example)")),
        "{}",
        words(&composed)
    );
}

#[test]
fn a_title_that_stands_in_for_the_text_is_clean_too() {
    let title = "[](http://evil.example)".to_owned();
    let empty = Content { title, header: String::new(), footer: String::new(), ..content(vec![]) };
    let form = Form { without_links: true, without_pictures: true, ..Form::default() };
    assert_eq!(single(&empty, &style(CARD), &form, BUDGET).msg_param, r#"{"text":"…","title":"[](…)"}"#);
}

#[test]
fn a_card_without_anything_to_tap_on_is_markdown() {
    assert_eq!(full(&alert(0), CARD), full(&alert(0), Look::Markdown));
}

/// The forms a delivery takes if every one is refused with the same complaint, the first one among them.
fn refused_for_ever(content: &Content, look: Look, complaint: Complaint) -> Vec<Composed> {
    let (mut form, mut tried) = (Form::default(), vec![]);
    loop {
        let composed = single(content, &style(look), &form, BUDGET);
        let next = plainer_alone(content, &style(look), &form, &composed, complaint);
        tried.push(composed);
        match next {
            Some(next) => form = next,
            None => return tried,
        }
    }
}

/// The next form of one content that nothing is known of.
fn plainer_alone(content: &Content, style: &Style, form: &Form, refused: &Composed, of: Complaint) -> Option<Form> {
    let now = Timestamp::UNIX_EPOCH;
    plainer(&[Part::of(content, now)], &Setting::of(style, form, now), refused, of, "a.code")
}

#[test]
fn nothing_is_sent_again_as_it_was_refused() {
    for (complaint, keys) in [
        (Complaint::Template, "sampleActionCard2 sampleMarkdown sampleText"),
        (Complaint::Links, "sampleActionCard2 sampleMarkdown sampleText sampleText"),
        // It has no picture, so the first step would change nothing.
        (Complaint::Pictures, "sampleActionCard2 sampleMarkdown sampleText sampleText"),
        (Complaint::Words, "sampleActionCard2 sampleMarkdown sampleText sampleText"),
        (Complaint::Mentions, "sampleActionCard2 sampleMarkdown sampleText sampleText"),
        (Complaint::Length, "sampleActionCard2 sampleText"),
    ] {
        let tried = refused_for_ever(&alert(2), CARD, complaint);
        let as_keys: Vec<_> = tried.iter().map(|composed| composed.msg_key.as_str()).collect();
        assert_eq!(as_keys.join(" "), keys, "{complaint:?}");
        assert!(tried.windows(2).all(|pair| pair[0] != pair[1]));
    }
}

#[test]
fn what_is_too_long_is_halved_and_halved_again() {
    let items = (0..120).map(|n| item(n, &"long ".repeat(200))).collect();
    let tried = refused_for_ever(&content(items), Look::Markdown, Complaint::Length);
    let sizes: Vec<_> = tried.iter().map(|composed| composed.msg_param.len()).collect();
    assert_eq!(sizes.len(), 4);
    assert!(sizes.iter().zip([14_000, 7_000, 1_750, 512]).all(|(size, most)| *size <= most), "{sizes:?}");
    assert!(words(&tried[2]).contains("**+"), "the rest is counted: {}", words(&tried[2]));
    assert_eq!(tried[3].msg_key, MsgKey::Text);
}

#[test]
fn text_says_what_markdown_said_with_the_addresses_written_out() {
    let form = Form { shape: Shape::Text, ..Form::default() };
    insta::assert_snapshot!(words(&single(&alert(2), &style(CARD), &form, BUDGET)), @r#"
    🔴 2 critical firing: DiskFull

    the header

    磁盘满 "db_1"

    Graph: https://graph.example/?a=1&b=%22 · Runbook: https://runbook.example/?a=1&b=%22
    "#);
}

/// Everything that reads as a link or a picture, an address that shows, or a mention of everybody.
fn found(markdown: &str, links: bool) -> Vec<String> {
    let mut found = vec![];
    for event in Parser::new_ext(markdown, Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Link { dest_url, .. }) if links => found.push(dest_url.to_string()),
            Event::Start(Tag::Image { dest_url, .. }) => found.push(dest_url.to_string()),
            Event::Text(text) | Event::Code(text) if links && text.contains("://") => found.push(text.to_string()),
            _ => {}
        }
    }
    found
}

fn any_button() -> impl Strategy<Value = Button> {
    let url = prop_oneof![
        4 => "https://[a-c]\\.example/[a-z]{0,3}",
        1 => (600..900_usize).prop_map(|long| format!("https://a.example/{}", "x".repeat(long))),
        1 => any::<String>(),
    ];
    (prop_oneof!["[A-Z][a-z]{0,30}", any::<String>()], url).prop_map(|(title, url)| Button { title, url })
}

fn any_form() -> impl Strategy<Value = Form> {
    let shape = prop_oneof![Just(Shape::Wanted), Just(Shape::Markdown), Just(Shape::Text)];
    let length = prop_oneof![Just(Length::Whole), Just(Length::Half), Just(Length::Eighth), Just(Length::Title)];
    (shape, length, any::<[bool; 3]>()).prop_map(|(shape, length, [links, pictures, without_mentions])| Form {
        shape: if length == Length::Title { Shape::Text } else { shape },
        without_links: links,
        without_pictures: links || pictures,
        without_mentions,
        length,
        refused_with: vec![],
        together: false,
    })
}

/// A content with links, pictures and mentions in all of its parts, as templates make them and as they do not.
fn linked() -> impl Strategy<Value = Content> {
    let piece = prop_oneof![
        Just("[Graph](https://a.example/x)".to_owned()),
        Just("[a [b] ![c](http://d.example/e.png)](http://f.example)".to_owned()),
        Just("![chart](https://p.example/c.png)".to_owned()),
        Just("http://evil.example/a\\_b?c=d, ".to_owned()),
        Just("值班http://evil.example/值班".to_owned()),
        Just("http&colon;//evil.example ".to_owned()),
        Just("<https://auto.example>".to_owned()),
        Just("[ref][1]\n\n[1]: http://ref.example\n\n".to_owned()),
        Just("<a href=\"http://html.example\">x</a>".to_owned()),
        Just("`curl http://code.example`".to_owned()),
        Just("```\nhttp://block.example\n```\n".to_owned()),
        Just("@all @所有人 @@all ".to_owned()),
        Just("[".to_owned()),
        Just("](http://half.example)".to_owned()),
        Just("**b**  \n".to_owned()),
        Just(" · ".to_owned()),
        nasty(),
    ];
    let part = vec(piece, 0..6).prop_map(|pieces| pieces.concat());
    (any_content(), [part.clone(), part.clone(), part.clone(), part], vec(any_button(), 0..9)).prop_map(
        |(content, [title, header, body, footer], buttons)| {
            let with = |item: ContentItem| ContentItem { short: body.clone(), body: body.clone(), ..item };
            let items = content.items.into_iter().map(with).collect();
            Content { title, header, items, footer, buttons, ..content }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_form_of_any_content_fits_and_lacks_what_was_complained_of(
        content in linked(),
        look in prop_oneof![Just(LOOKS[0]), Just(LOOKS[1]), Just(LOOKS[2])],
        form in any_form(),
        budget in prop_oneof![Just(BUDGET), 100..2_000_usize],
    ) {
        let composed = single(&content, &style(look), &form, budget);

        prop_assert!(composed.msg_param.len() <= budget, "{} of {budget}", composed.msg_param.len());
        let fields = fields(&composed);
        let of_buttons = |word: &str| -> Vec<String> {
            let fields = fields.as_object().unwrap().iter();
            fields.filter(|(name, _)| name.contains(word)).map(|(_, value)| value.as_str().unwrap().to_owned()).collect()
        };
        let urls = [of_buttons("URL"), of_buttons("Url")].concat();
        prop_assert!(urls.iter().all(|url| !url.is_empty() && url.len() <= 700), "{urls:?}");
        prop_assert!(of_buttons("Title").iter().all(|title| (1..=20).contains(&title.chars().count())));
        let mut once = urls.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), urls.len(), "an address is offered twice");
        let is_text = composed.msg_key == MsgKey::Text;
        let words = words(&composed);
        prop_assert!(!words.trim().is_empty());
        if form.without_links {
            prop_assert!(urls.is_empty());
            let title = fields["title"].as_str().unwrap_or_default();
            prop_assert!(!title.contains("://"), "{title}");
            let left = if is_text { words.contains("://").then(|| words.clone()).into_iter().collect() } else { found(&words, true) };
            prop_assert!(left.is_empty(), "{left:?} in {words}");
        }
        if form.without_pictures && !is_text {
            prop_assert_eq!(found(&words, false), Vec::<String>::new(), "{}", words);
        }
        if form.without_mentions {
            let shown = if is_text { words.clone() } else { plain::text(&words) };
            prop_assert!(!shown.contains("@所有人"), "{shown}");
        }
    }

    #[test]
    fn no_complaint_goes_on_for_ever(content in linked(), complaints in vec(0..Complaint::ALL.len(), 8)) {
        let mut form = Form::default();
        let mut tried = 1;
        for complaint in complaints {
            let composed = single(&content, &style(CARD), &form, BUDGET);
            let Some(next) = plainer_alone(&content, &style(CARD), &form, &composed, Complaint::ALL[complaint]) else { break };
            prop_assert_ne!(single(&content, &style(CARD), &next, BUDGET), composed, "the same again");
            form = next;
            tried += 1;
        }
        prop_assert!(tried <= Form::MOST, "{tried} calls");
    }
}
