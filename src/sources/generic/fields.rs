//! `fields` of a `generic` source: minijinja expressions over the body, compiled once and asked for every webhook.
//!
//! An expression sees the body as `payload` and nothing else. Whatever goes wrong while it is asked costs that field
//! and never the event: the field is as if it were not configured, and the log says so at debug level. Fuel bounds
//! its steps, and the filters whose one step can make a text of any size are not there. What a JSON `null` stands under counts as missing, so `payload.title or payload.name` and
//! `|default(…)` do what they seem to do.
//!
//! What is shown may be put together of what is there, so a missing member is empty there. A dedup key may not: with
//! half of it missing, events that have nothing to do with each other would be twins, and all but one would be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Expression, UndefinedBehavior, Value, context};

use crate::config;
use crate::config::LabelFields;
use crate::config::problem::{Problem, inside};
use crate::model::event::Labels;
use crate::model::name::Name;
use crate::sources::generic::names::{self, Named};
use crate::sources::outside::is_visible;

/// The instructions one expression may take; a plain one takes about five.
const FUEL: u64 = 1_000;
/// Filters whose result can be far larger than what they are given.
const GROWING: [&str; 6] = ["batch", "format", "indent", "pprint", "slice", "tojson"];
/// The longest text that `join` and `replace` make, in bytes. No message shows more.
const LONGEST_TEXT: usize = 64 * 1024;
/// The longest expression, in bytes. A sum of ten thousand parts is deeper than the engine's stack.
const LONGEST: usize = 4_000;

/// For what is shown: a missing member is empty, and so is what stands below it.
static SHOWN: LazyLock<Environment<'static>> = LazyLock::new(|| engine(UndefinedBehavior::Chainable));
/// For keys: an expression that needs a missing member fails.
static KEYS: LazyLock<Environment<'static>> = LazyLock::new(|| engine(UndefinedBehavior::SemiStrict));

fn engine(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(undefined);
    engine.set_fuel(Some(FUEL));
    // A number or a text from outside would decide how much memory these take, and fuel counts them as one step.
    for name in GROWING {
        engine.remove_filter(name);
    }
    engine.add_filter("join", join);
    engine.add_filter("replace", replace);
    // Debug information would carry the payload into the logs.
    engine.set_debug(false);
    engine
}

/// The parts behind each other, with `separator` between them.
fn join(parts: Value, separator: Option<String>) -> Result<String, Error> {
    let mut text = String::new();
    for (n, part) in parts.try_iter()?.enumerate() {
        if n > 0 {
            text.push_str(separator.as_deref().unwrap_or_default());
        }
        text.push_str(&part.to_string());
        bounded(text.len())?;
    }
    Ok(text)
}

/// The text with `to` wherever it had `from`.
fn replace(text: String, from: String, to: String) -> Result<String, Error> {
    bounded(text.len().saturating_add(text.matches(&from).count().saturating_mul(to.len())))?;
    Ok(text.replace(&from, &to))
}

fn bounded(length: usize) -> Result<(), Error> {
    let too_long = || Error::new(ErrorKind::InvalidOperation, "the text gets too long");
    if length > LONGEST_TEXT { Err(too_long()) } else { Ok(()) }
}

/// Every configured field, ready to ask.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(super) title: Option<Field>,
    pub(super) text: Option<Field>,
    pub(super) severity: Option<Field>,
    pub(super) dedup_key: Option<Field>,
    pub(super) status: Option<Field>,
    pub(super) url: Option<Field>,
    labels: Vec<LabelField>,
}

/// One expression.
pub(super) struct Field {
    /// Its key, for the log.
    name: String,
    expression: Expression<'static, 'static>,
}

/// Where labels come from.
#[derive(Debug)]
enum LabelField {
    /// One label of this name.
    One(String, Field),
    /// An expression that yields a map of them.
    All(Field),
}

impl Fields {
    /// Compiles the fields of the source at `path`, or says everything that is wrong with them.
    pub(crate) fn compile(fields: &config::Fields, path: &str) -> Result<Self, Vec<Problem>> {
        let mut compiler = Compiler { path: format!("{path}.fields"), problems: Vec::new() };
        let compiled = Self {
            title: compiler.field("title", &fields.title, &SHOWN),
            text: compiler.field("text", &fields.text, &SHOWN),
            severity: compiler.field("severity", &fields.severity, &SHOWN),
            dedup_key: compiler.field("dedup_key", &fields.dedup_key, &KEYS),
            status: compiler.field("status", &fields.status, &SHOWN),
            url: compiler.field("url", &fields.url, &SHOWN),
            labels: compiler.labels(fields.labels.as_ref()),
        };
        if compiler.problems.is_empty() { Ok(compiled) } else { Err(compiler.problems) }
    }

    /// Which fields are as if they were not configured, for this payload, and why.
    pub(super) fn doubts(&self, payload: &Value) -> Vec<String> {
        let fields = [&self.title, &self.text, &self.severity, &self.dedup_key, &self.status, &self.url];
        let mut doubts: Vec<_> = fields.into_iter().flatten().filter_map(|field| field.doubt(payload, false)).collect();
        doubts.extend(self.labels.iter().filter_map(|field| match field {
            LabelField::One(_, field) => field.doubt(payload, false),
            LabelField::All(field) => field.doubt(payload, true),
        }));
        doubts
    }

    /// The labels that `payload` has; none that are empty.
    pub(super) fn labels(&self, payload: &Value, source: &Name) -> Labels {
        let mut labels = Labels::new();
        for field in &self.labels {
            match field {
                LabelField::One(name, field) => {
                    labels.extend(field.text(payload, source).map(|text| (name.clone(), text)));
                }
                LabelField::All(field) => labels.extend(field.map(payload, source)),
            }
        }
        labels
    }
}

impl Field {
    /// What it says, as a key. `None` if it fails, has nothing to say, or is a list of which something is missing.
    pub(super) fn key(&self, payload: &Value, source: &Name) -> Option<String> {
        let whole = |value: &Value| value.try_iter().is_ok_and(|mut parts| parts.all(|part| text(&part).is_some()));
        let is_list = |value: &Value| matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable);
        let value = self.ask(payload, source).filter(|value| !is_list(value) || whole(value))?;
        text(&value)
    }

    /// What it says, as a text. `None` if it fails or has nothing to say.
    pub(super) fn text(&self, payload: &Value, source: &Name) -> Option<String> {
        self.ask(payload, source).and_then(|value| text(&value)).or_else(|| {
            tracing::debug!(%source, field = self.name, "a field has nothing to say");
            None
        })
    }

    /// Why it counts for nothing, if it does.
    fn doubt(&self, payload: &Value, is_map: bool) -> Option<String> {
        let name = &self.name;
        match self.expression.eval(context! { payload => payload.clone() }) {
            Err(error) => Some(format!("fields.{name} cannot be worked out for this payload: {error}")),
            Ok(value) if is_map && value.kind() != ValueKind::Map => {
                Some(format!("fields.{name} is no map for this payload: it gives no labels"))
            }
            Ok(value) if !is_map && text(&value).is_none() => {
                Some(format!("fields.{name} has nothing to say about this payload"))
            }
            Ok(_) => None,
        }
    }

    /// What it says, as a map of texts; empty if it fails or is no map.
    fn map(&self, payload: &Value, source: &Name) -> Labels {
        let map = self.ask(payload, source).filter(|value| value.kind() == ValueKind::Map);
        let Some(map) = map else {
            tracing::debug!(%source, field = self.name, "a field is no map");
            return Labels::new();
        };
        let pair = |key: Value| Some((text(&key)?, text(&map.get_item(&key).ok()?)?));
        map.try_iter().into_iter().flatten().filter_map(pair).collect()
    }

    fn ask(&self, payload: &Value, source: &Name) -> Option<Value> {
        let answer = self.expression.eval(context! { payload => payload.clone() });
        // Debug: an error may repeat a text from outside.
        let failed = |error: &Error| {
            tracing::debug!(%source, field = self.name, error = ?error.to_string(), "a field could not be worked out");
        };
        answer.inspect_err(failed).ok()
    }
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Field({})", self.name)
    }
}

/// JSON as expressions see it.
pub(super) fn payload(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::UNDEFINED,
        serde_json::Value::Bool(flag) => Value::from(*flag),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => number.as_f64().map_or(Value::UNDEFINED, Value::from),
        },
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(list) => list.iter().map(payload).collect(),
        serde_json::Value::Object(map) => {
            Value::from_pairs(map.iter().map(|(key, json)| (key.as_str(), payload(json))))
        }
    }
}

/// A value as a text; nothing, and a text without a visible character, are none. Truth is spelled as JSON spells it,
/// not as the engine prints it (`True`), and the values of a list stand behind each other.
fn text(value: &Value) -> Option<String> {
    let text = match value.kind() {
        ValueKind::Undefined | ValueKind::None => return None,
        ValueKind::Bool => value.is_true().to_string(),
        ValueKind::Seq | ValueKind::Iterable => {
            let words: Vec<_> = value.try_iter().ok()?.filter_map(|value| text(&value)).collect();
            words.join(", ")
        }
        _ => value.to_string(),
    };
    let text = text.trim();
    is_visible(text).then(|| text.to_owned())
}

/// Compiles fields and gathers what is wrong with them.
struct Compiler {
    path: String,
    problems: Vec<Problem>,
}

impl Compiler {
    fn field(
        &mut self,
        name: &str,
        expression: &Option<String>,
        engine: &'static Environment<'static>,
    ) -> Option<Field> {
        let expression = expression.as_deref()?;
        match compiled(expression, engine) {
            Ok(expression) => Some(Field { name: name.to_owned(), expression }),
            Err(message) => {
                self.problems.push(Problem::at(format!("{}.{name}", self.path), message));
                None
            }
        }
    }

    fn labels(&mut self, labels: Option<&LabelFields>) -> Vec<LabelField> {
        let nothing = BTreeMap::new();
        let (all, each) = match labels {
            None => (None, &nothing),
            Some(LabelFields::All(expression)) => (Some(expression.clone()), &nothing),
            Some(LabelFields::Each(each)) => (None, each),
        };
        let mut fields: Vec<_> = self.field("labels", &all, &SHOWN).map(LabelField::All).into_iter().collect();
        for (name, expression) in each {
            let field = self.field(&inside("labels", name), &Some(expression.clone()), &SHOWN);
            fields.extend(field.map(|field| LabelField::One(name.clone(), field)));
        }
        fields
    }
}

/// An expression, or what is wrong with it: also that it names what is not there, wherever it does, so that this is told
/// at start and not found missing one night.
fn compiled(text: &str, engine: &'static Environment<'static>) -> Result<Expression<'static, 'static>, String> {
    let refused = |error: Error| {
        // The kind says "syntax error", and a line number says nothing where there is one line.
        let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        let hint = if text.contains("{{") { "; write the bare expression, without {{ and }}" } else { "" };
        format!("cannot be used: {what}{hint}")
    };
    if text.len() > LONGEST {
        return Err(format!("must not be longer than {LONGEST} bytes"));
    }
    let expression = engine.compile_expression_owned(text.to_owned()).map_err(refused)?;
    let globals: BTreeSet<&str> = engine.globals().map(|(name, _)| name).collect();
    let mut unknown: Vec<_> = expression.undeclared_variables(false).into_iter().collect();
    unknown.retain(|name| name != "payload" && !globals.contains(name.as_str()));
    unknown.sort();
    if let Some(name) = unknown.first() {
        return Err(format!(
            "knows no `{name}`: the body is `payload`, so a member is `payload.{name}`, and a text stands in quotes"
        ));
    }
    names::named(text).into_iter().try_for_each(|name| exists(name).map_err(refused))?;
    Ok(expression)
}

/// Asks the engine, by the least expression of that name. Which arguments it wants is found when it is asked.
fn exists(name: Named<'_>) -> Result<(), Error> {
    let least = match name {
        Named::Filter(filter) => format!("''|{filter}"),
        Named::Test(test) => format!("'' is {test}"),
        Named::Method(method) => {
            let hint = format!("there is no method `{method}`; a filter is written payload.title|{method}");
            return Err(Error::new(ErrorKind::UnknownMethod, hint));
        }
    };
    let answer = SHOWN.compile_expression(&least).and_then(|least| least.eval(()));
    let unknown = |error: &Error| matches!(error.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest);
    answer.err().filter(unknown).map_or(Ok(()), Err)
}
