//! Bytes → the JSON of a delivery, and how its fields are asked for.
//!
//! GitHub sends JSON as it is or as the field `payload` of a form, as its user has chosen. No field is demanded, so
//! the payload stays a [`Value`] that is asked by JSON pointers (RFC 6901). A refusal never repeats the body.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use url::form_urlencoded;

use crate::sources::BadBody;
use crate::sources::outside::{broken_json, not_too_many};

/// What a header says, if it is there and says something readable.
pub(super) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|value| !value.is_empty())
}

/// The JSON object of a body.
pub(super) fn payload(headers: &HeaderMap, body: &[u8]) -> Result<Value, BadBody> {
    let value = if is_form(headers) { json(&of_form(body)?, "payload")? } else { json(body, ".")? };
    if value.is_object() { Ok(value) } else { Err(bad(".", "expected a JSON object")) }
}

fn is_form(headers: &HeaderMap) -> bool {
    let essence = header(headers, CONTENT_TYPE.as_str()).and_then(|of| of.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn of_form(body: &[u8]) -> Result<Vec<u8>, BadBody> {
    let mut fields = form_urlencoded::parse(body);
    let field = fields.find(|(name, _)| name == "payload").ok_or_else(|| bad("payload", "this form field is missing"));
    field.map(|(_, json)| json.into_owned().into_bytes())
}

fn json(bytes: &[u8], at: &str) -> Result<Value, BadBody> {
    not_too_many(bytes)?;
    serde_json::from_slice(bytes).map_err(|error| bad(at, &broken_json(&error)))
}

fn bad(at: &str, message: &str) -> BadBody {
    BadBody { at: at.to_owned(), message: message.to_owned() }
}

/// What stands at a pointer, as text; `None` where nothing does, or something that is no text, number or boolean.
pub(super) fn text(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) => Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(word) => Some(word.to_string()),
        _ => None,
    }
}

/// What stands at the first of these pointers that has something.
pub(super) fn first(value: &Value, pointers: &[&str]) -> Option<String> {
    pointers.iter().find_map(|pointer| text(value, pointer))
}

/// What stands at a pointer below each element of a list.
pub(super) fn each(value: &Value, list: &str, pointer: &str) -> Vec<String> {
    let elements = value.pointer(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    elements.iter().filter_map(|element| text(element, pointer)).collect()
}
