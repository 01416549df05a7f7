//! How the process is told to end, and to read its configuration again.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Resolves at SIGTERM or SIGINT. They are caught from this call on, not only once somebody waits: a process that is
/// told to end while it starts shall end well too.
pub fn told_to_end() -> impl Future<Output = ()> {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async {
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            // Without handlers the signals' defaults end the process; nothing is lost by that.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

/// Says each time that SIGHUP came, which is caught from this call on: it must not end a process that is starting.
pub struct Reload(Option<Signal>);

impl Reload {
    /// Catches it from now on.
    pub fn caught() -> Self {
        Self(signal(SignalKind::hangup()).ok())
    }

    /// Resolves at the next one.
    pub async fn told(&mut self) {
        match &mut self.0 {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }
}
