//! What a run came to, in lines that can be laid side by side.

use std::time::Duration;

/// What a run came to.
pub(crate) struct Report {
    /// Who sent.
    pub(crate) who: &'static str,
    /// Alerts that came in.
    pub(crate) alerts: usize,
    /// Calls made to DingTalk's send API, refused ones included.
    pub(crate) calls: usize,
    /// From the first arrival until the message that accounts for the last alert; `None`: that never came.
    pub(crate) all_after: Option<Duration>,
    /// From the arrival of the first critical alert until a message names it.
    pub(crate) critical_after: Option<Duration>,
    /// Alerts that no message accounts for.
    pub(crate) lost: usize,
    /// Calls that DingTalk throttled.
    pub(crate) throttled: usize,
}

impl Report {
    /// The captions of the columns.
    pub(crate) fn head() {
        println!(
            "{:<44} {:>7} {:>6} {:>12} {:>15} {:>7} {:>9}",
            "", "alerts", "calls", "all after", "critical after", "lost", "throttled"
        );
    }

    /// One line.
    pub(crate) fn print(&self) {
        let time = |after: Option<Duration>| after.map_or("never".to_owned(), spoken);
        println!(
            "{:<44} {:>7} {:>6} {:>12} {:>15} {:>7} {:>9}",
            self.who,
            self.alerts,
            self.calls,
            time(self.all_after),
            time(self.critical_after),
            self.lost,
            self.throttled
        );
    }
}

/// A duration as a person reads it.
pub(crate) fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        under if under < 120.0 => format!("{under:.1} s"),
        under if under < 7_200.0 => format!("{:.1} min", under / 60.0),
        _ => format!("{:.1} h", seconds / 3_600.0),
    }
}
