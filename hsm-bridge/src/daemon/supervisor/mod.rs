//! Workers as processes: started, fed with connections, watched, and replaced when they fall silent, hang or lose their token.

mod backoff;
mod keeper;

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::board::Board;
use super::config::{Config, TokenSettings};
use super::control::{Control, Order};
use super::front::Backend;
use super::pin_guard::PinGuard;
use crate::KeyStoreError;
use keeper::Keeper;

/// How long an order may take to be accepted by a worker; one that is stopped does not hold up the doors.
const ORDER_LIMIT: Duration = Duration::from_millis(200);

/// One token's worker process, whichever it is at the moment.
pub(super) struct Process {
    shared: Arc<Shared>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

/// What the doors and the keeper of one worker share.
struct Shared {
    state: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    /// The control socket of a worker that is ready.
    control: Option<Control>,
    stopping: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Inner> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, and tells whether the daemon is stopping.
    fn pause(&self, pause: Duration) -> bool {
        let waited = self
            .changed
            .wait_timeout_while(self.state(), pause, |state| !state.stopping);
        waited.unwrap_or_else(PoisonError::into_inner).0.stopping
    }

    fn stopping(&self) -> bool {
        self.state().stopping
    }
}

impl Process {
    /// Starts the thread that keeps a worker for the token of this index alive.
    pub(super) fn start(
        config: &Config,
        policy: &str,
        index: usize,
        settings: &TokenSettings,
        board: Arc<Board>,
    ) -> Result<Self, KeyStoreError> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let keeper = Keeper {
            shared: Arc::clone(&shared),
            board,
            index,
            configuration: super::configuration(config, settings, policy)?,
            guard: PinGuard::new(&config.state_folder, &settings.name),
            silence_limit: Duration::from_millis(config.silence_limit_ms.into()),
            open_limit: Duration::from_millis(config.open_limit_ms.into()),
        };
        let thread = std::thread::Builder::new()
            .name(format!("keep-{}", settings.name))
            .spawn(move || keeper.run())
            .map_err(|e| KeyStoreError::Configuration(format!("thread: {e}")))?;
        Ok(Self {
            shared,
            keeper: Mutex::new(Some(thread)),
        })
    }

    /// Sends a connection to the worker; gives it back when there is none.
    fn hand(&self, order: &Order, stream: UnixStream) -> Result<(), UnixStream> {
        let state = self.shared.state();
        match &state.control {
            Some(control) => control
                .send(order, Some(stream.as_fd()))
                .map_err(|_| stream),
            None => Err(stream),
        }
    }

    /// Lets the worker finish what has arrived, and waits for its end.
    pub(super) fn stop(&self) {
        let mut state = self.shared.state();
        state.stopping = true;
        if let Some(control) = state.control.take()
            && let Err(error) = control.finish()
        {
            tracing::warn!(%error, "telling a worker to finish");
        }
        drop(state);
        self.shared.changed.notify_all();
        let keeper = self
            .keeper
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if keeper.is_some_and(|keeper| keeper.join().is_err()) {
            tracing::error!("the keeper of a worker ended with a panic");
        }
    }
}

impl Backend for Process {
    fn serve(&self, stream: UnixStream, caller: &str) -> Result<(), UnixStream> {
        let order = Order::Serve {
            caller: caller.to_owned(),
        };
        self.hand(&order, stream)
    }

    fn administer(&self, stream: UnixStream) -> Result<(), UnixStream> {
        self.hand(&Order::Administer, stream)
    }

    fn drain(&self) {
        let state = self.shared.state();
        if let Some(control) = &state.control
            && let Err(error) = control.send(&Order::Drain, None)
        {
            tracing::warn!(%error, "asking a worker to end its connections");
        }
    }
}
