//! A message as the page shows it: the way DingTalk would, as far as a page can, and as it was sent.
//!
//! What a `msgParam` holds is known from DingTalk's documentation of its templates
//! (<https://open.dingtalk.com/document/orgapp/types-of-messages-sent-by-robots>) and read by field names, not by
//! `msgKey`: a message of an older or newer version is then shown as far as it is understood, and always as it is.

use minijinja::{Value, context};
use serde_json::Value as Json;

use crate::http::admin::page::markdown::{self, is_web};
use crate::http::admin::page::moment::counted;
use crate::model::message::Message;

/// `sampleActionCard2` to `5` number their buttons so.
const STACKED: std::ops::RangeInclusive<u32> = 1..=5;
/// And `sampleActionCard6` so.
const SIDE_BY_SIDE: std::ops::RangeInclusive<u32> = 1..=2;

/// What the template of a delivery is given of its message.
pub(super) fn shown(message: &Message) -> Value {
    let fields = message.msg_param.as_deref().map(|text| serde_json::from_str(text).unwrap_or(Json::Null));
    context! {
        id => message.id.to_string(),
        msg_key => message.msg_key.as_deref(),
        bytes => message.bytes,
        deliveries => message.deliveries,
        process_query_key => message.process_query_key.as_deref(),
        send_status => message.send_status.as_deref(),
        readers => message.readers.map(|readers| counted(readers, "person", "people")),
        face => fields.as_ref().and_then(face),
        raw => message.msg_param.as_deref().map(|text| raw(text, fields.as_ref())),
    }
}

/// What a person in the group sees; `None` for a template without text.
fn face(fields: &Json) -> Option<Value> {
    let (html, content) = (text(fields, "text").map(markdown::html), text(fields, "content"));
    if html.is_none() && content.is_none() {
        return None;
    }
    let buttons = buttons(fields);
    Some(context! {
        title => text(fields, "title"),
        html => html.map(Value::from_safe_string),
        content,
        side_by_side => text(fields, "buttonTitle1").is_some(),
        buttons,
    })
}

fn buttons(fields: &Json) -> Vec<Value> {
    let single = [("singleTitle".to_owned(), "singleURL".to_owned())].into_iter();
    let stacked = STACKED.map(|n| (format!("actionTitle{n}"), format!("actionURL{n}")));
    let pair = SIDE_BY_SIDE.map(|n| (format!("buttonTitle{n}"), format!("buttonUrl{n}")));
    let all = single.chain(stacked).chain(pair);
    all.filter_map(|(title, url)| {
        let (title, url) = (text(fields, &title)?, text(fields, &url));
        Some(context! { title, url, link => url.filter(|url| is_web(url)) })
    })
    .collect()
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
