//! Callers that wait for a connection, in the order in which they came, and what one of them sends for the others.
//!
//! Every connection is in use, or nobody would wait. Whoever comes to one takes a share of the waiting requests along, all written at
//! once: the token's end then works through them without a change of threads between two, which costs more than a hop.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::connection::{Connection, Failure};
use crate::wire::{Reply, Request};

/// How many requests travel ahead of their replies on one connection, and how many bytes of them: less than a socket holds, so that
/// neither side waits for the other to read.
pub(super) const AHEAD: usize = 32;
/// As [`AHEAD`], in bytes of operands.
pub(super) const AHEAD_BYTES: usize = 32 * 1024;

/// What a caller that waited is told.
pub(super) enum Turn {
    /// A connection is its own, with the errands of others.
    Connection(Connection, Vec<Errand>),
    /// There is room for a new connection.
    Place,
    /// Another caller sent its request; this is what became of it.
    Answer(Result<Reply, Failure>),
}

/// Where a waiting caller is told.
#[derive(Default)]
pub(super) struct Slot {
    turn: Mutex<Option<Turn>>,
    told: Condvar,
}

impl Slot {
    fn turn(&self) -> MutexGuard<'_, Option<Turn>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn give(&self, turn: Turn) {
        *self.turn() = Some(turn);
        self.told.notify_one();
    }

    /// What was given so far.
    pub(super) fn take(&self) -> Option<Turn> {
        self.turn().take()
    }

    /// What is given until the deadline.
    pub(super) fn wait(&self, deadline: Instant) -> Option<Turn> {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self
            .told
            .wait_timeout_while(self.turn(), left, |turn| turn.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.take()
    }
}

/// A request that another caller sends along with its own; its own caller is told what became of it, at the latest when this is dropped.
pub(super) struct Errand {
    request: Request,
    bytes: usize,
    deadline: Instant,
    slot: Option<Arc<Slot>>,
}

impl Errand {
    pub(super) fn request(&self) -> (&Request, Instant) {
        (&self.request, self.deadline)
    }

    pub(super) fn answer(mut self, answer: Result<Reply, Failure>) {
        if let Some(slot) = self.slot.take() {
            slot.give(Turn::Answer(answer));
        }
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            let lost = io::ErrorKind::ConnectionAborted.into();
            slot.give(Turn::Answer(Err(Failure::Unanswered(lost))));
        }
    }
}

/// A request that can be sent with others, and the bytes of its operands.
pub(super) fn shared(request: &Request) -> Option<(&Request, usize)> {
    let bytes = request.shared_bytes()?;
    (bytes <= AHEAD_BYTES).then_some((request, bytes))
}

/// A caller's place in the queue.
pub(super) struct Ticket {
    slot: Arc<Slot>,
    /// The route whose connections serve it; without one it needs a new connection.
    pub(super) route: Option<u32>,
    errand: Option<Errand>,
}

impl Ticket {
    /// A place for a caller, whose request another may send when it is short enough.
    pub(super) fn new(route: Option<u32>, request: Option<&Request>, deadline: Instant) -> Self {
        let slot = Arc::new(Slot::default());
        let errand = request.and_then(shared).map(|(request, bytes)| Errand {
            request: request.clone(),
            bytes,
            deadline,
            slot: Some(Arc::clone(&slot)),
        });
        Self {
            slot,
            route,
            errand,
        }
    }

    pub(super) fn slot(&self) -> Arc<Slot> {
        Arc::clone(&self.slot)
    }

    /// Bytes of its request, if others may go with it.
    pub(super) fn bytes(&self) -> Option<usize> {
        self.errand.as_ref().map(|errand| errand.bytes)
    }

    /// Tells its caller to go on by itself, whether or not others might have gone for it.
    pub(super) fn call(mut self, turn: Turn) {
        if let Some(errand) = &mut self.errand {
            errand.slot = None;
        }
        self.slot.give(turn);
    }
}

/// Those who wait, the first to come in front.
#[derive(Default)]
pub(super) struct Queue(VecDeque<Ticket>);

impl Queue {
    pub(super) fn push(&mut self, ticket: Ticket) {
        self.0.push_back(ticket);
    }

    pub(super) fn pop(&mut self) -> Option<Ticket> {
        self.0.pop_front()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes a caller out that waits no longer; false when its turn had come already.
    pub(super) fn leave(&mut self, slot: &Arc<Slot>) -> bool {
        let place = self.0.iter().position(|t| Arc::ptr_eq(&t.slot, slot));
        let Some(ticket) = place.and_then(|place| self.0.remove(place)) else {
            return false;
        };
        // Nobody is left to be told that it went unanswered.
        if let Some(mut errand) = ticket.errand {
            errand.slot = None;
        }
        true
    }

    /// The errands that go with a request of `own` bytes on one of so many connections of a route: its share of those who wait, so that
    /// the other connections have theirs.
    pub(super) fn share(&mut self, route: u32, connections: usize, own: usize) -> Vec<Errand> {
        let most = (self.0.len() + 1)
            .div_ceil(connections.max(1))
            .min(AHEAD)
            .saturating_sub(1);
        let mut bytes = own;
        let mut taken = Vec::new();
        let mut left = VecDeque::with_capacity(self.0.len());
        for mut ticket in self.0.drain(..) {
            let errand = ticket.errand.take_if(|errand| {
                let fits = taken.len() < most
                    && ticket.route == Some(route)
                    && bytes.saturating_add(errand.bytes) <= AHEAD_BYTES;
                bytes += if fits { errand.bytes } else { 0 };
                fits
            });
            match errand {
                Some(errand) => taken.push(errand),
                None => left.push_back(ticket),
            }
        }
        self.0 = left;
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::KeyLabel;

    fn request(bytes: usize) -> Request {
        Request::Hmac {
            key: KeyLabel::parse("index/email/g1").unwrap(),
            message: vec![0; bytes],
        }
    }

    proptest! {
        #[test]
        fn a_share_is_of_one_route_within_its_bounds_and_nobody_is_lost(
            waiting in prop::collection::vec((0_u32..3, 0_usize..9000, any::<bool>()), 0..80),
            connections in 1_usize..9,
            own in 0_usize..=AHEAD_BYTES,
        ) {
            let mut queue = Queue::default();
            let mut slots = Vec::new();
            for (route, bytes, shared) in &waiting {
                let request = request(*bytes);
                let ticket = Ticket::new(Some(*route), shared.then_some(&request), Instant::now());
                slots.push(ticket.slot());
                queue.push(ticket);
            }
            let taken = queue.share(1, connections, own);
            let fair = (waiting.len() + 1).div_ceil(connections);
            prop_assert!(taken.len() < fair.clamp(1, AHEAD));
            prop_assert!(own + taken.iter().map(|errand| errand.bytes).sum::<usize>() <= AHEAD_BYTES);
            prop_assert_eq!(taken.len() + queue.len(), waiting.len());
            for errand in &taken {
                let slot = errand.slot.as_ref().unwrap();
                let place = slots.iter().position(|each| Arc::ptr_eq(each, slot)).unwrap();
                prop_assert!(waiting[place].0 == 1 && waiting[place].2);
            }
            // Those that stay keep their order.
            let mut places = queue.0.iter().map(|ticket| {
                slots.iter().position(|each| Arc::ptr_eq(each, &ticket.slot)).unwrap()
            });
            prop_assert!(places.by_ref().is_sorted());
            // Whoever was taken is told, even when nobody answers.
            let slots: Vec<_> = taken.iter().map(|errand| Arc::clone(errand.slot.as_ref().unwrap())).collect();
            drop(taken);
            for slot in slots {
                prop_assert!(matches!(slot.take(), Some(Turn::Answer(Err(Failure::Unanswered(_))))));
            }
        }
    }

    #[test]
    fn who_leaves_is_not_called_and_who_was_called_cannot_leave() {
        let mut queue = Queue::default();
        let tickets = [0, 1].map(|_| Ticket::new(Some(0), Some(&request(1)), Instant::now()));
        let [first, second] = [tickets[0].slot(), tickets[1].slot()];
        for ticket in tickets {
            queue.push(ticket);
        }
        assert!(queue.leave(&first));
        assert!(first.take().is_none());
        let errands = queue.share(0, 1, 0);
        assert_eq!(errands.len(), 1);
        assert!(!queue.leave(&second));
        for errand in errands {
            errand.answer(Ok(Reply::Done));
        }
        assert!(matches!(
            second.wait(Instant::now()),
            Some(Turn::Answer(Ok(Reply::Done)))
        ));
    }
}
