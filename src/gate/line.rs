//! Who probes next, of several lanes that wait for the same app.
//!
//! While an app is down or blocked, one probe at a time goes out. Without a line the same lane could win every time,
//! and if it was *its* message that fails, the others would wait for ever behind it although theirs would arrive. So
//! the one that has waited longest goes; who has probed waits at the end. Pure: time is an argument. It knows lanes
//! by name only.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::health::later;
use crate::model::name::Name;

/// How long the first in line may take to come. It may have nothing to send any more, so nobody waits for it longer.
const PATIENCE: Duration = Duration::from_millis(200);

/// Lanes that wait, the first one longest.
#[derive(Debug, Default)]
pub(in crate::gate) struct Line(VecDeque<Name>);

impl Line {
    /// Takes a place at the end, unless it has one.
    pub(in crate::gate) fn join(&mut self, lane: &Name) {
        if !self.0.contains(lane) {
            self.0.push_back(lane.clone());
        }
    }

    /// Leaves the line to make the probe that is due since `due`; or when to ask again, if another one is before it.
    pub(in crate::gate) fn step_out(&mut self, lane: &Name, due: Timestamp, now: Timestamp) -> Result<(), Timestamp> {
        let too_late = later(due, PATIENCE);
        if self.0.front().is_some_and(|first| first != lane) && now < too_late {
            return Err(too_late);
        }
        // Whoever was before it and did not come lines up again when it does.
        while self.0.pop_front().is_some_and(|first| first != *lane) {}
        Ok(())
    }

    /// Nobody needs to wait any more.
    pub(in crate::gate) fn disperse(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_000 + millis).unwrap()
    }

    fn names() -> [Name; 3] {
        ["a", "b", "c"].map(|name| name.parse().unwrap())
    }

    #[test]
    fn each_goes_once_before_anyone_goes_twice() {
        let (mut line, names) = (Line::default(), names());
        let mut went = vec![];
        for probe in 0..6 {
            for name in &names {
                line.join(name);
            }
            let first = names.iter().find(|name| line.step_out(name, at(probe), at(probe)).is_ok());
            went.push(first.unwrap().as_str());
        }
        assert_eq!(went, ["a", "b", "c", "a", "b", "c"]);
    }

    #[test]
    fn one_that_does_not_come_is_not_waited_for() {
        let (mut line, [a, b, c]) = (Line::default(), names());
        for name in [&a, &b, &c] {
            line.join(name);
        }
        assert_eq!(line.step_out(&c, at(0), at(0)), Err(at(200)));
        assert_eq!(line.step_out(&c, at(0), at(200)), Ok(()));
        line.join(&a);
        assert_eq!(line.step_out(&a, at(300), at(300)), Ok(()));
    }

    #[test]
    fn one_that_is_alone_never_waits() {
        let (mut line, [a, ..]) = (Line::default(), names());
        line.join(&a);
        assert_eq!(line.step_out(&a, at(0), at(0)), Ok(()));
    }
}
