//! `organisations` and `apps`: whose credentials, and whose month of calls.
//!
//! The organisation `default` stands in the embedded defaults, so an app that names none always finds one.

use std::collections::BTreeMap;

use url::Url;

use crate::config::reference::References;
use crate::config::region::Region;
use crate::config::scalar::{Scalar, base_url, number, one_of, percent, positive, positive_u32, text, wait};
use crate::config::section::{Reading, Section};
use crate::config::{App, Organisation};
use crate::model::budget::Budget;
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
    let kept_for_others = section.required("kept_for_others", number);
    let critical_reserve = section.required("critical_reserve", percent);
    let (calls, receipt_calls_per_month) = (calls?, receipt_calls?);
    let organisation = Organisation {
        calls_per_month: (calls > 0).then_some(calls),
        kept_for_others: kept_for_others?,
        critical_reserve: critical_reserve?,
        receipt_calls_per_month,
    };
    organisation.budget().inspect(|budget| leaves_calls(budget, section));
    Some(organisation)
}

/// Notes a month in which something could never be sent.
fn leaves_calls(budget: &Budget, section: &Section<'_>) {
    let Budget { calls_per_month, kept_for_others, critical_reserve } = *budget;
    let limits = budget.calls();
    if limits.critical == 0 {
        let message = format!("leaves nothing of the {calls_per_month} calls a month: nothing could ever be sent");
        section.note("kept_for_others", message);
    } else if limits.others == 0 {
        // A reserve that fits by itself is not the one to blame.
        let key = if kept_for_others > 0 { "kept_for_others" } else { "critical_reserve" };
        let message = format!(
            "what is not critical could never be sent: of {calls_per_month} calls a month {kept_for_others} are kept for \
             others and {} ({critical_reserve}) for what is critical",
            critical_reserve.of(calls_per_month)
        );
        section.note(key, message);
    }
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
