//! The relays that are open: bounded in number, and told to end when the gate stops or their client is no longer trusted.

use std::collections::HashMap;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openssl::x509::X509;
use rustix::event::{EventfdFlags, eventfd};

/// The order to end, for one relay.
pub(super) struct Order {
    given: AtomicBool,
    /// Readable once the order is given.
    wake: OwnedFd,
}

impl Order {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            given: AtomicBool::new(false),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    pub(super) fn is_given(&self) -> bool {
        self.given.load(Ordering::Acquire)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    pub(super) fn give(&self) {
        self.given.store(true, Ordering::Release);
        if let Err(error) = rustix::io::write(&self.wake, &1_u64.to_ne_bytes()) {
            tracing::warn!(%error, "waking a relay");
        }
    }
}

/// The client of an open relay.
pub(super) struct Client {
    pub(super) caller: String,
    pub(super) certificate: X509,
    /// What it sent along with its certificate.
    pub(super) chain: Vec<X509>,
}

/// Why there is no place.
pub(super) enum Denied {
    /// As many as may be are open.
    Full,
    /// As many as one caller may have are open.
    FullOfOne,
    /// The gate is being stopped.
    Stopping,
    /// It would not be admitted any more; the reason.
    Untrusted(String),
}

#[derive(Default)]
struct State {
    relays: HashMap<u64, (Arc<Client>, Arc<Order>)>,
    next: u64,
    stopping: bool,
}

/// Every open relay.
pub(super) struct Open {
    limit: usize,
    limit_of_one: usize,
    state: Mutex<State>,
    closed: Condvar,
}

/// A place among the open relays; dropping it gives it back.
pub(super) struct Place<'a> {
    open: &'a Open,
    number: u64,
    pub(super) order: Arc<Order>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.open.state().relays.remove(&self.number);
        self.open.closed.notify_all();
    }
}

impl Open {
    pub(super) fn new(limit: usize, limit_of_one: usize) -> Self {
        Self {
            limit,
            limit_of_one,
            state: Mutex::default(),
            closed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a client, if there is one.
    pub(super) fn enter(&self, client: Client) -> Result<Place<'_>, Denied> {
        let order = Arc::new(Order::new().map_err(|_| Denied::Full)?);
        let mut state = self.state();
        if state.stopping {
            return Err(Denied::Stopping);
        }
        if state.relays.len() >= self.limit {
            return Err(Denied::Full);
        }
        let own = |(known, _): &&(Arc<Client>, Arc<Order>)| known.caller == client.caller;
        if state.relays.values().filter(own).count() >= self.limit_of_one {
            return Err(Denied::FullOfOne);
        }
        let number = state.next;
        state.next += 1;
        let entry = (Arc::new(client), Arc::clone(&order));
        state.relays.insert(number, entry);
        Ok(Place {
            open: self,
            number,
            order,
        })
    }

    /// Orders those relays to end whose client does not pass.
    pub(super) fn sift(&self, passes: impl Fn(&Client) -> Result<(), String>) {
        let relays: Vec<_> = self.state().relays.values().cloned().collect();
        for (client, order) in relays {
            if let Err(why) = passes(&client) {
                tracing::warn!(caller = client.caller, why, "no longer admitted");
                order.give();
            }
        }
    }

    /// Lets nobody in any more, orders every relay to end, and waits so long for the last; gives the number of those that are left.
    pub(super) fn finish(&self, limit: Duration) -> usize {
        let mut state = self.state();
        state.stopping = true;
        for (_, order) in state.relays.values() {
            order.give();
        }
        let (state, _) = self
            .closed
            .wait_timeout_while(state, limit, |state| !state.relays.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        state.relays.len()
    }
}
