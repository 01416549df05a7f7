//! A message as the page shows it: the way DingTalk would, as far as a page can, and as it was sent.
//!
//! What a `msgParam` holds is known from DingTalk's documentation of its templates
//! (<https://open.dingtalk.com/document/orgapp/types-of-messages-sent-by-robots>) and read by field names, not by
//! `msgKey`: a message of an older or newer version is then shown as far as it is understood, and always as it is.

use minijinja::{Value, context};
use serde_json::Value as Json;

use crate::http::admin::page::markdown::{self, leading};
use crate::http::admin::page::moment::counted;
use crate::model::content::Content;
use crate::model::message::{Message, MsgKey};

/// `sampleActionCard2` to `5` number their buttons so.
const STACKED: std::ops::RangeInclusive<u32> = 1..=5;
/// And `sampleActionCard6` so.
const SIDE_BY_SIDE: std::ops::RangeInclusive<u32> = 1..=2;

/// The last form that is tried: text that may say little.
const PLAINEST: MsgKey = MsgKey::Text;

/// What a template is given of a message; `here` is the path of the message's own page, where it is shown there.
pub(super) fn shown(message: &Message, here: Option<&str>) -> Value {
    let fields = message.msg_param.as_deref().map(|text| serde_json::from_str(text).unwrap_or(Json::Null));
    context! {
        id => message.id.to_string(),
        msg_key => message.msg_key.as_deref(),
        bytes => message.bytes,
        deliveries => message.deliveries,
        process_query_key => message.process_query_key.as_deref(),
        send_status => message.send_status.as_deref(),
        readers => message.readers.map(|readers| counted(readers, "person", "people")),
        face => fields.as_ref().and_then(|fields| face(fields, here)),
        raw => message.msg_param.as_deref().map(|text| raw(text, fields.as_ref())),
    }
}

/// All that a delivery says, and whether that is more than the message shows: it was folded into a digest, or DingTalk
/// refused the fuller forms, or there is no message yet.
pub(super) fn whole(content: &Content, message: Option<&Message>) -> Value {
    let parts = std::iter::once(&content.header);
    let parts = parts.chain(content.items.iter().map(|item| &item.body)).chain([&content.note, &content.footer]);
    let markdown = parts.filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join("\n\n");
    let is_all = |message: &Message| message.deliveries == 1 && message.msg_key.as_deref() != Some(PLAINEST.as_str());
    // A card has them instead of the links below its text: side by side they would be told twice.
    let only = content.buttons.iter().filter(|it| !content.footer.contains(&it.url));
    let buttons = only.map(|it| button(&it.title, Some(&it.url), None));
    context! {
        is_more => !message.is_some_and(is_all),
        face => context! {
            title => content.title.as_str(),
            html => Value::from_safe_string(markdown::html(&markdown, None)),
            content => (),
            side_by_side => false,
            buttons => buttons.collect::<Vec<_>>(),
        },
    }
}

/// What a person in the group sees; `None` for a template without text.
fn face(fields: &Json, here: Option<&str>) -> Option<Value> {
    let (html, content) = (text(fields, "text").map(|text| markdown::html(text, here)), text(fields, "content"));
    if html.is_none() && content.is_none() {
        return None;
    }
    let buttons = buttons(fields, here);
    Some(context! {
        title => text(fields, "title"),
        html => html.map(Value::from_safe_string),
        content,
        side_by_side => text(fields, "buttonTitle1").is_some(),
        buttons,
    })
}

fn buttons(fields: &Json, here: Option<&str>) -> Vec<Value> {
    let single = [("singleTitle".to_owned(), "singleURL".to_owned())].into_iter();
    let stacked = STACKED.map(|n| (format!("actionTitle{n}"), format!("actionURL{n}")));
    let pair = SIDE_BY_SIDE.map(|n| (format!("buttonTitle{n}"), format!("buttonUrl{n}")));
    let all = single.chain(stacked).chain(pair);
    all.filter_map(|(title, url)| {
        let title = text(fields, &title)?;
        Some(button(title, text(fields, &url), here))
    })
    .collect()
}

fn button(title: &str, url: Option<&str>, here: Option<&str>) -> Value {
    context! { title, url, link => url.and_then(|url| leading(url, here)) }
}

/// As it was sent: markdown as its author wrote it, the other fields beside it.
fn raw(msg_param: &str, fields: Option<&Json>) -> String {
    match fields.and_then(Json::as_object) {
        Some(fields) => fields.iter().map(field).collect::<Vec<_>>().join("\n\n"),
        None => msg_param.to_owned(),
    }
}

fn field((name, value): (&String, &Json)) -> String {
    value.as_str().map_or_else(|| format!("{name}: {value}"), |text| format!("{name}: {text}"))
}

fn text<'f>(fields: &'f Json, name: &str) -> Option<&'f str> {
    fields[name].as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::name::MessageId;

    fn shown_of(msg_param: &str) -> Json {
        let message = Message {
            id: MessageId("m1".into()),
            msg_key: None,
            msg_param: Some(msg_param.into()),
            bytes: None,
            deliveries: 1,
            process_query_key: None,
            send_status: None,
            readers: None,
        };
        let json =
            minijinja::Environment::new().render_str("{{ it|tojson }}", context! { it => shown(&message, None) });
        serde_json::from_str(&json.unwrap()).unwrap()
    }

    #[test]
    fn every_template_shows_its_buttons() {
        let button = |title: &str, url: &str| json!({"title": title, "url": url, "link": url});
        let (graph, silence) = (button("图表", "https://a.example/"), button("静默", "http://b.example/"));
        let (at, bt) = ("https://a.example/", "http://b.example/");
        for (fields, buttons, side_by_side) in [
            (json!({"singleTitle": "图表", "singleURL": at}), json!([graph]), false),
            (
                json!({"actionTitle1": "图表", "actionURL1": at, "actionTitle2": "静默", "actionURL2": bt}),
                json!([graph, silence]),
                false,
            ),
            (
                json!({"buttonTitle1": "图表", "buttonUrl1": at, "buttonTitle2": "静默", "buttonUrl2": bt}),
                json!([graph, silence]),
                true,
            ),
        ] {
            let mut card = json!({"title": "t", "text": "**b**"});
            card.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            let face = &shown_of(&card.to_string())["face"];
            assert_eq!((&face["buttons"], &face["side_by_side"]), (&buttons, &json!(side_by_side)), "{card}");
            assert_eq!(face["html"], "<p><strong>b</strong></p>\n");
        }
    }

    #[test]
    fn a_button_that_leads_out_of_the_web_is_shown_and_leads_nowhere() {
        let card = json!({"text": "t", "singleTitle": "go", "singleURL": "javascript:alert(1)"});
        assert_eq!(shown_of(&card.to_string())["face"]["buttons"][0]["link"], Json::Null);
    }

    #[test]
    fn what_is_no_message_we_know_is_shown_as_it_was_sent() {
        for (msg_param, raw) in [(r#"{"photoURL":"x"}"#, "photoURL: x"), ("not JSON", "not JSON"), ("[1]", "[1]")] {
            let shown = shown_of(msg_param);
            assert_eq!((&shown["face"], &shown["raw"]), (&Json::Null, &json!(raw)));
        }
        let text = shown_of(r#"{"content":"a\nb"}"#);
        assert_eq!((&text["face"]["content"], &text["face"]["html"]), (&json!("a\nb"), &Json::Null));
    }
}
