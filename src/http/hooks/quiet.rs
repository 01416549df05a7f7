//! Refusals in the log: the first one of a kind, then nothing for a while. The metrics count them all.
//!
//! A sender with a wrong token comes again every few seconds, and a stranger as often as he likes: neither may fill
//! the disk with our log.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::StatusCode;

const SILENCE: Duration = Duration::from_secs(60);

/// What was told, and when. Keys are configured sources and statuses, so their number is bounded.
#[derive(Default)]
pub(super) struct Quiet(Mutex<HashMap<(String, StatusCode), Instant>>);

impl Quiet {
    /// Whether this has not been told for a while. Whoever asks tells it.
    pub(super) fn is_news(&self, source: &str, status: StatusCode, now: Instant) -> bool {
        // A std mutex: nothing awaits while holding it.
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (source.to_owned(), status);
        let news = told.get(&key).is_none_or(|last| now.duration_since(*last) >= SILENCE);
        if news {
            told.insert(key, now);
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_refusal_is_told_once_a_minute() {
        let (quiet, start) = (Quiet::default(), Instant::now());
        let news = |source, status, seconds| quiet.is_news(source, status, start + Duration::from_secs(seconds));
        assert!(news("am", StatusCode::UNAUTHORIZED, 0));
        assert!(!news("am", StatusCode::UNAUTHORIZED, 59));
        assert!(news("am", StatusCode::BAD_REQUEST, 59));
        assert!(news("other", StatusCode::UNAUTHORIZED, 59));
        assert!(news("am", StatusCode::UNAUTHORIZED, 60));
    }
}
