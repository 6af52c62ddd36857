//! The signal to end: given once, seen by every part of a service.

use tokio::sync::watch;

/// A shared "end now"; cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Sender<bool>);

impl Default for Shutdown {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Shutdown {
    /// Asks everything to end.
    pub fn trigger(&self) {
        self.0.send_replace(true);
    }

    /// Whether the end was asked for.
    pub fn is_triggered(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the end was asked for.
    pub async fn wait(&self) {
        let mut receiver = self.0.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = receiver.wait_for(|triggered| *triggered).await;
    }

    /// Triggers on SIGTERM or SIGINT.
    pub fn on_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => tracing::info!("SIGTERM: ending"),
                _ = interrupt.recv() => tracing::info!("SIGINT: ending"),
            }
            shutdown.trigger();
        });
        Ok(())
    }
}
