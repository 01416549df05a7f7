//! `organisations` and `apps`: whose credentials, and whose month of calls.
//!
//! The organisation `default` stands in the embedded defaults, so an app that names none always finds one.

use std::collections::BTreeMap;

use url::Url;

use crate::config::reference::References;
use crate::config::region::Region;
use crate::config::scalar::{Scalar, base_url, number, one_of, positive, positive_u32, text, wait};
use crate::config::section::{Reading, Section};
use crate::config::{App, Organisation};
use crate::model::name::Name;

/// `organisations`.
pub(crate) fn organisations(
    root: &Section<'_>,
    references: &References<'_>,
    reading: &Reading,
) -> BTreeMap<Name, Organisation> {
    references.check_defaults("organisation", reading, organisation);
    root.named("organisations", |_| references.defaults("organisation").into_iter().collect(), organisation)
}

fn organisation(section: &Section<'_>) -> Option<Organisation> {
    let calls = section.required("calls_per_month", number);
    // Not 0: beside `calls_per_month: 0`, which is no quota, nobody could tell whether it meant all or none.
    let receipt_calls = section.required("receipt_calls_per_month", positive);
    let calls = calls?;
    Some(Organisation { calls_per_month: (calls > 0).then_some(calls), receipt_calls_per_month: receipt_calls? })
}

/// `apps`.
pub(crate) fn apps(root: &Section<'_>, references: &References<'_>, reading: &Reading) -> BTreeMap<Name, App> {
    references.check_defaults("app", reading, |section| app(section, references));
    root.named("apps", |_| references.defaults("app").into_iter().collect(), |section| app(section, references))
}

fn app(section: &Section<'_>, references: &References<'_>) -> Option<App> {
    let organisation = section.required("organisation", |name| references.organisations.named(name));
    let address = address(section);
    let app_key = section.required("app_key", text);
    let app_secret = section.required_secret(["app_secret", "app_secret_file"]);
    let robot_code = section.optional("robot_code", text);
    let timeout = section.required("timeout", wait);
    let calls_per_second = section.section("limits", |limits| limits.required("calls_per_second", positive_u32));
    let app_key = app_key?;
    let (region, base_url) = address?;
    Some(App {
        organisation: organisation?,
        region,
        base_url,
        robot_code: robot_code.unwrap_or_else(|| app_key.clone()),
        app_key,
        app_secret: app_secret?,
        timeout: timeout?,
        calls_per_second: calls_per_second?,
    })
}

/// Which of DingTalk's two worlds an app lives in has no default: a message in the wrong one reaches nobody.
fn address(section: &Section<'_>) -> Option<(Option<Region>, Url)> {
    match section.exactly_one_of(&["region", "base_url"])? {
        "region" => section.optional("region", region).map(|region| (Some(region), region.base_url())),
        _ => section.optional("base_url", base_url).map(|url| (None, url)),
    }
}

fn region(text: &str) -> Scalar<Region> {
    one_of(&[Region::Intl, Region::Cn].map(|region| (region.as_str(), region)))(text)
}
