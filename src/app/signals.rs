//! How the process is told to end.

use tokio::signal::unix::{SignalKind, signal};

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
