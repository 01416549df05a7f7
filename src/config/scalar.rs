//! One text of a configuration → a value: durations, sizes, numbers, addresses.
//!
//! Every function takes the text as it was written and says, if it must refuse it, what would be right. None repeats
//! the text: whoever wrote a password behind `timeout:` must not find it in a log (law 8). Zero is refused wherever
//! it would mean "never" or "nothing at all" by accident.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo};
use url::{Host, Url};

use crate::config::problem::near;
use crate::model::budget::Percent;

/// What a text became, or what would be right.
pub(crate) type Scalar<T> = Result<T, String>;

/// Longer than anything a relay waits for, and short enough that a time plus this is still a time.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// Any text but an empty one.
pub(crate) fn text(text: &str) -> Scalar<String> {
    if text.trim().is_empty() { Err("is empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// `true` or `false`.
pub(crate) fn flag(text: &str) -> Scalar<bool> {
    text.parse().map_err(|_| "must be true or false".to_owned())
}

/// A whole number from 0.
pub(crate) fn number(text: &str) -> Scalar<u64> {
    text.parse().map_err(|_| "must be a whole number, such as 5000".to_owned())
}

/// A whole number from 1.
pub(crate) fn positive(text: &str) -> Scalar<u64> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a whole number above 0".to_owned()),
        Ok(number) => Ok(number),
    }
}

/// A whole number from 1, of 32 bits.
pub(crate) fn positive_u32(text: &str) -> Scalar<NonZeroU32> {
    text.parse().map_err(|_| format!("must be a whole number from 1 to {}", u32::MAX))
}

/// `30s`, `5m`, `36h`, `30d`, `1h30m`; zero is fine.
pub(crate) fn duration(text: &str) -> Scalar<Duration> {
    let read = |text: &str| {
        // A day of a configuration is 24 hours; no time zone has a say in it.
        let exact = text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        Duration::try_from(exact).ok()
    };
    match read(text) {
        Some(duration) if duration <= LONGEST => Ok(duration),
        Some(_) => Err("is longer than ten years".to_owned()),
        None => Err("must be a duration such as 30s, 5m, 36h, 30d or 1h30m".to_owned()),
    }
}

/// A duration above zero.
pub(crate) fn wait(text: &str) -> Scalar<Duration> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than zero".to_owned()),
        wait => Ok(wait),
    }
}

/// A size above zero in bytes: `4MiB`, `512KiB`, `1GiB` or plain bytes.
pub(crate) fn size(text: &str) -> Scalar<u64> {
    let units = [("KiB", 1u64 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1), ("", 1)];
    let read = || {
        let (digits, unit) = units.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)))?;
        digits.trim_end().parse::<u64>().ok()?.checked_mul(*unit).filter(|size| *size > 0)
    };
    read().ok_or_else(|| "must be a size above zero such as 4MiB, 512KiB or plain bytes".to_owned())
}

/// A part of a whole: `20%`.
pub(crate) fn percent(text: &str) -> Scalar<Percent> {
    let number = text.strip_suffix('%').and_then(|number| number.trim_end().parse().ok());
    number.and_then(Percent::new).ok_or_else(|| "must be a percentage from 0% to 100%, such as 20%".to_owned())
}

/// An address to listen on.
pub(crate) fn listen(text: &str) -> Scalar<SocketAddr> {
    text.parse().map_err(|_| "must be an IP address with a port, such as 0.0.0.0:8060 or [::1]:8061".to_owned())
}

/// Where links begin.
pub(crate) fn link(text: &str) -> Scalar<Url> {
    web_address(text)
}

/// Where DingTalk is. Credentials travel there, so plain http is for this machine only.
pub(crate) fn base_url(text: &str) -> Scalar<Url> {
    let url = web_address(text)?;
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "https" || is_here {
        Ok(url)
    } else {
        Err("must be https: credentials go there (plain http only to 127.0.0.0/8, [::1] and localhost)".to_owned())
    }
}

/// An http(s) address without what would not survive a path behind it, and without a trailing slash in its path.
fn web_address(text: &str) -> Scalar<Url> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let mut url = url.ok_or_else(|| "must be an http(s) address such as https://relay.example.com".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or password: addresses are printed".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end before `?` and `#`".to_owned());
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// `sqlite:PATH`.
pub(crate) fn store_url(text: &str) -> Scalar<PathBuf> {
    if text.starts_with("postgres:") || text.starts_with("postgresql:") {
        return Err("PostgreSQL comes in a later version; this one stores in sqlite:PATH".to_owned());
    }
    let path = text.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
    match path {
        Some(":memory:") => Err("must be a file: what is kept in memory only is not durable".to_owned()),
        Some(path) if !path.trim().is_empty() => Ok(PathBuf::from(path)),
        _ => Err("must be sqlite:PATH, such as sqlite:data/relay.db".to_owned()),
    }
}

/// The IANA name of a time zone.
pub(crate) fn time_zone(text: &str) -> Scalar<TimeZone> {
    TimeZone::get(text).map_err(|_| {
        let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        match near(text, names.iter().map(String::as_str)) {
            Some(name) => format!("is no time zone; did you mean `{name}`?"),
            None => "must be the IANA name of a time zone, such as UTC or Asia/Shanghai".to_owned(),
        }
    })
}

/// The name of an HTTP header.
pub(crate) fn header_name(text: &str) -> Scalar<http::HeaderName> {
    text.parse().map_err(|_| "must be the name of an HTTP header, such as X-Token".to_owned())
}

/// One of a few words.
pub(crate) fn one_of<T: Copy>(words: &[(&str, T)]) -> impl Fn(&str) -> Scalar<T> {
    move |text| match words.iter().find(|(word, _)| *word == text) {
        Some((_, meaning)) => Ok(*meaning),
        None => {
            let all: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            let wanted = if all.len() == 1 { "must be" } else { "must be one of" };
            Err(format!("{wanted} {}", all.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_have_a_unit_and_may_be_put_together() {
        let seconds = |text| duration(text).map(|d| d.as_secs()).ok();
        for (text, expected) in
            [("30s", 30), ("5m", 300), ("36h", 129_600), ("30d", 2_592_000), ("1h30m", 5400), ("0s", 0)]
        {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in ["", "30", "s", "-5m", "5x", "1mo", "1y", "99999999d", "five minutes"] {
            assert_eq!(seconds(text), None, "{text}");
        }
        assert!(wait("0s").is_err());
        assert_eq!(wait("250ms"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn sizes_are_binary_and_never_zero() {
        for (text, expected) in [("4MiB", 4 << 20), ("512KiB", 512 << 10), ("1GiB", 1 << 30), ("100", 100), ("7 B", 7)]
        {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "0MiB", "4MB", "4mib", "-1", "MiB", "99999999999GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_percentage_says_that_it_is_one_and_is_never_above_all() {
        for (text, expected) in [("20%", 20), ("0%", 0), ("100 %", 100)] {
            assert_eq!(percent(text), Ok(Percent::new(expected).unwrap()), "{text}");
        }
        for text in ["20", "0.2", "101%", "-1%", "%", "", "20%%", "twenty"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }

    #[test]
    fn plain_http_goes_no_further_than_this_machine() {
        for good in [
            "https://api.dingtalk.io",
            "http://127.0.0.1:8070",
            "http://127.9.9.9",
            "http://[::1]:1",
            "http://localhost:1",
        ] {
            assert!(base_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://api.dingtalk.io",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "http://[::2]",
            "ftp://x",
            "x",
        ] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
        assert_eq!(base_url("https://proxy.example.com/ding/").unwrap().as_str(), "https://proxy.example.com/ding");
        assert!(base_url("https://user:s3cret@example.com").unwrap_err().contains("user or password"));
        assert!(base_url("https://example.com/?x").is_err());
    }

    #[test]
    fn the_store_is_an_sqlite_file() {
        assert_eq!(store_url("sqlite:data/relay.db"), Ok(PathBuf::from("data/relay.db")));
        assert_eq!(store_url("sqlite:///var/lib/relay.db"), Ok(PathBuf::from("/var/lib/relay.db")));
        assert!(store_url("postgres://u:s3cret@db/x").unwrap_err().contains("later version"));
        for bad in ["", "sqlite:", "sqlite::memory:", "data/relay.db"] {
            assert!(store_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_time_zone_is_known_without_help_of_the_machine_and_a_near_miss_is_suggested() {
        assert!(time_zone("Asia/Shanghai").is_ok());
        assert_eq!(time_zone("Asia/Shangai").unwrap_err(), "is no time zone; did you mean `Asia/Shanghai`?");
        assert!(time_zone("here").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_a_scalar_panic(text in "\\PC{0,12}|[0-9]{1,25}(s|m|h|d|w|KiB|GiB)") {
            let _ = (duration(&text), size(&text), positive_u32(&text), percent(&text), listen(&text));
            let _ = (base_url(&text), store_url(&text), time_zone(&text), header_name(&text));
        }
    }
}
