//! The template engine: minijinja, set up so that its output is safe markdown for DingTalk.
//!
//! Every value a template prints is escaped, whatever its author wrote; only `|safe` says otherwise. Fuel bounds a
//! template's work, so one that never ends cannot hold up a webhook. Errors name a template and a line, never a
//! payload. Knows nothing of configuration.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, Value, context};

use crate::render::link::Link;
use crate::render::{Part, Parts, markdown, outside};

/// The instructions one part of a template may take. The built-in takes about 100.
const FUEL: u64 = 100_000;
/// The instructions one event may take.
const FUEL_OF_AN_EVENT: u64 = 20_000_000;
/// The bytes one part may have: far more than a message holds.
const LONGEST_PART: usize = 256 * 1024;

/// The parts every template extends, and the built-in template of each kind of source.
pub(crate) const BUILT_IN: [(&str, &str); 4] = [
    ("layout", include_str!("templates/layout.md.j2")),
    ("alertmanager", include_str!("templates/alertmanager.md.j2")),
    ("github", include_str!("templates/notice.md.j2")),
    ("generic", include_str!("templates/notice.md.j2")),
];

/// An engine that holds the built-in templates.
pub(crate) fn engine() -> Result<Environment<'static>, Error> {
    let mut engine = Environment::new();
    engine.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    // Debug information would carry the payload into the logs.
    engine.set_debug(false);
    engine.set_fuel(Some(FUEL));
    engine.set_auto_escape_callback(|_| AutoEscape::Custom("dingtalk".into()));
    engine.set_formatter(print);
    engine.add_filter("pairs", pairs);
    engine.add_filter("links", links);
    engine.add_function("link", link);
    for (name, source) in BUILT_IN {
        engine.add_template(name, source)?;
    }
    Ok(engine)
}

/// All parts of an event.
pub(crate) fn render(
    engine: &Environment<'static>,
    template: &str,
    whole: &Value,
    items: &[Value],
) -> Result<Parts, Error> {
    let mut fuel = FUEL_OF_AN_EVENT;
    let mut part = |part: &str, item: &Value| {
        let scope = context! { part => part, item => item.clone(), ..whole.clone() };
        let rendered = engine.get_template(template)?.render_captured(scope)?;
        let (taken, _left) = rendered.state().fuel_levels().unwrap_or_default();
        fuel = fuel.checked_sub(taken).ok_or_else(|| Error::from(ErrorKind::OutOfFuel))?;
        let output = rendered.into_output();
        if output.len() > LONGEST_PART {
            return Err(Error::new(ErrorKind::WriteFailure, format!("{} bytes in one part", output.len())));
        }
        Ok(output)
    };
    let title = markdown::plain(&part("title", &Value::UNDEFINED)?);
    if title.is_empty() {
        return Err(Error::new(ErrorKind::InvalidOperation, "the title is empty"));
    }
    let header = markdown::tidy(&part("header", &Value::UNDEFINED)?);
    let item = |item: &Value| {
        let short = markdown::one_line(&part("item_short", item)?);
        Ok(Part { short, body: markdown::tidy(&part("item", item)?) })
    };
    let items = items.iter().map(item).collect::<Result<_, Error>>()?;
    Ok(Parts { title, header, items, footer: markdown::tidy(&part("footer", &Value::UNDEFINED)?) })
}

/// Whether the template extends the layout: then it answers this part with this word.
pub(crate) fn extends_the_layout(engine: &Environment<'static>, template: &str) -> bool {
    let answer = engine.get_template(template).and_then(|template| template.render(context! { part => "probe" }));
    answer.is_ok_and(|answer| answer.trim() == "probe")
}

/// Prints a value: escaped, unless it is markdown that we or the template's author made.
fn print(out: &mut Output<'_>, _state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let failed = |_| Error::from(ErrorKind::WriteFailure);
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(()),
        ValueKind::Bool | ValueKind::Number => write!(out, "{value}").map_err(failed),
        _ if value.is_safe() => write!(out, "{value}").map_err(failed),
        _ => out.write_str(&escaped(value)).map_err(failed),
    }
}

fn escaped(value: &Value) -> String {
    value.as_str().map_or_else(|| outside::escaped(&value.to_string()), outside::escaped)
}

/// `{{ labels|pairs }}` → `key: value · key: value`.
fn pairs(map: &Value) -> Result<Value, Error> {
    let one = |key: Value| Ok(format!("{}: {}", escaped(&key), escaped(&map.get_item(&key)?)));
    let pairs: Vec<_> = map.try_iter()?.map(one).collect::<Result<_, Error>>()?;
    Ok(Value::from_safe_string(pairs.join(" · ")))
}

/// `{{ links|links }}` → `[Graph](…) · [Runbook](…)`.
fn links(list: &Value) -> Result<Value, Error> {
    let one = |one: Value| Ok(link(&one.get_attr("title")?, &one.get_attr("url")?).to_string());
    let links: Vec<_> = list.try_iter()?.map(one).collect::<Result<_, Error>>()?;
    Ok(Value::from_safe_string(links.join(" · ")))
}

/// `{{ link("Runbook", item.annotations.runbook_url) }}` → `[Runbook](…)`, or the bare title if the address is not
/// an `http(s)` one.
fn link(title: &Value, address: &Value) -> Value {
    let link = address.as_str().and_then(|address| Link::to(&title.to_string(), address));
    Value::from_safe_string(link.map_or_else(|| escaped(title), |link| link.markdown()))
}
