//! What rings when a task has panicked that must run as long as the process: a loop, or a port.
//!
//! Whatever may go wrong inside one unit of work is caught by the loop itself (`telemetry::panics`), which goes on. What
//! panics beyond that leaves nobody behind who could: a lane that does not know what it has claimed, a reload that broke
//! off half-way. Then the process ends, and whoever watches over it starts it anew: a start puts everything back that was
//! in flight, and what was accepted is on the disk. A relay that lives and does not send would be worse, because nobody
//! would know.

use tokio::sync::watch;

/// Rings once, for everybody who listens then or later.
#[derive(Clone, Default)]
pub struct Alarm(watch::Sender<Option<&'static str>>);

/// Rings if it is dropped by a panic.
struct Bell {
    alarm: Alarm,
    part: &'static str,
}

impl Alarm {
    /// Runs a task of this name; its panic rings, and goes on to whoever joins it.
    pub async fn over<T>(self, part: &'static str, task: impl Future<Output = T>) -> T {
        let _bell = Bell { alarm: self, part };
        task.await
    }

    /// Resolves with what has panicked.
    pub async fn rung(&self) -> &'static str {
        let mut rung = self.0.subscribe();
        match rung.wait_for(Option::is_some).await.map(|part| *part) {
            Ok(Some(part)) => part,
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.alarm.0.send_replace(Some(self.part));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_rings_and_one_that_ends_or_is_ended_does_not() {
        let alarm = Alarm::default();
        tokio::spawn(alarm.clone().over("quiet", async {})).await.unwrap();
        let ended = tokio::spawn(alarm.clone().over("ended", std::future::pending::<()>()));
        ended.abort();
        assert!(ended.await.unwrap_err().is_cancelled());
        let broken = async {
            tokio::task::yield_now().await;
            panic!("on purpose");
        };
        assert!(tokio::spawn(alarm.clone().over("broken", broken)).await.unwrap_err().is_panic());
        assert_eq!(alarm.rung().await, "broken");
        assert_eq!(alarm.rung().await, "broken", "whoever comes later hears it too");
    }
}
