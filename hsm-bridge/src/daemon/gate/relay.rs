//! The relay: bytes from a client to a socket of the bridge and back, each direction bounded and ended by itself.
//!
//! One thread serves both directions, since a TLS connection has one state for the two. It waits only when neither side can move.

#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use openssl::ssl::ErrorCode;
use rustix::event::{PollFd, PollFlags, poll};

use super::config::SHORTEST_IDLE_S;
use super::open::Order;
use super::peer::{self, Tls, Why};
use super::pipe::Pipe;
use crate::tls;

/// How long the last words to a client may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long what was asked may still be answered on a connection that is to end; making a key may take so long.
const LAST_ANSWERS: Duration = Duration::from_secs(SHORTEST_IDLE_S as u64);
/// How many records one side may send under its keys. RFC 8446 §5.5 allows 2^24.5 full ones for AES-GCM, and new keys in the midst of a
/// connection cannot be had from the library's safe interface; the client opens another connection.
const RECORDS: u64 = 1 << 24;

/// What ends a connection.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Nothing moved for so long.
    idle: Duration,
    /// The moment at which the certificate of its client is no longer good.
    last: Instant,
    answers: Duration,
    records: u64,
}

impl Limits {
    pub(super) fn new(idle: Duration, last: Instant) -> Self {
        Self {
            idle,
            last,
            answers: LAST_ANSWERS,
            records: RECORDS,
        }
    }
}

/// A side of which it is known whether trying is of use.
#[derive(Clone, Copy)]
struct Ready {
    to_read: bool,
    to_write: bool,
}

impl Ready {
    const ALL: Self = Self {
        to_read: true,
        to_write: true,
    };

    fn note(&mut self, found: PollFlags) {
        let broken = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        self.to_read |= found.intersects(PollFlags::IN | broken);
        self.to_write |= found.intersects(PollFlags::OUT | broken);
    }
}

/// A client and the socket of the bridge that is its.
pub(super) struct Relay {
    client: Tls,
    bridge: UnixStream,
    /// From the client to the bridge.
    up: Pipe,
    /// From the bridge to the client.
    down: Pipe,
    client_ready: Ready,
    bridge_ready: Ready,
    told_bridge: bool,
    /// Records that came from the client, and records that went to it.
    records: (u64, u64),
}

impl Relay {
    /// A relay whose first bytes from the client wait in `up`.
    pub(super) fn new(client: Tls, bridge: UnixStream, up: Pipe) -> Self {
        Self {
            client,
            bridge,
            up,
            down: Pipe::new(),
            client_ready: Ready::ALL,
            bridge_ready: Ready::ALL,
            told_bridge: false,
            records: (0, 0),
        }
    }

    /// Relays until the bridge has said its last word, or one of them is gone. When ordered to end, or at a limit, it takes no more from
    /// the client, and ends when what was taken has been answered or [`LAST_ANSWERS`] has passed, whichever is sooner.
    pub(super) fn run(mut self, order: &Order, limits: Limits) -> Result<(), Why> {
        let mut moved_at = Instant::now();
        let mut end_by: Option<Instant> = None;
        loop {
            let now = Instant::now();
            if end_by.is_none() && (order.is_given() || self.has_reached(&limits, moved_at, now)) {
                self.up.end();
                end_by = Some(now + limits.answers);
            }
            if end_by.is_some_and(|end_by| now >= end_by) {
                return Err("what was asked was not answered in time".to_owned());
            }
            let moved = self.upwards()? | self.downwards()?;
            if self.down.is_over() {
                peer::close(self.client, Instant::now() + FAREWELL);
                return Ok(());
            }
            if moved {
                moved_at = Instant::now();
                continue;
            }
            let deadline = end_by.unwrap_or_else(|| limits.last.min(moved_at + limits.idle));
            self.wait(order, end_by.is_some(), deadline)?;
        }
    }

    fn has_reached(&self, limits: &Limits, moved_at: Instant, now: Instant) -> bool {
        let (from_client, to_client) = self.records;
        now >= limits.last
            || now >= moved_at + limits.idle
            || from_client.max(to_client) >= limits.records
    }

    /// Moves what can be moved from the client to the bridge.
    fn upwards(&mut self) -> Result<bool, Why> {
        let mut moved = false;
        if self.client_ready.to_read && self.up.wants() {
            match self.client.ssl_read(self.up.room()) {
                Ok(count) => {
                    self.up.put(count);
                    // A read gives no more than one record, and a write makes one (`SSL_MODE_ENABLE_PARTIAL_WRITE`).
                    self.records.0 += 1;
                    moved = true;
                }
                Err(error) => match error.code() {
                    ErrorCode::WANT_READ => self.client_ready.to_read = false,
                    ErrorCode::WANT_WRITE => self.client_ready.to_write = false,
                    ErrorCode::ZERO_RETURN => {
                        self.up.end();
                        moved = true;
                    }
                    // Also an end without a farewell: what came before it may have been cut short.
                    _ => return Err(tls::words(&error)),
                },
            }
        }
        if self.bridge_ready.to_write && !self.up.waiting().is_empty() {
            match self.bridge.write(self.up.waiting()) {
                Ok(count) => {
                    self.up.took(count);
                    moved = true;
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => self.bridge_ready.to_write = false,
                    ErrorKind::Interrupted => moved = true,
                    // The bridge takes no more; what it still says is relayed.
                    _ => {
                        self.up.abandon();
                        moved = true;
                    }
                },
            }
        }
        if self.up.is_over() && !self.told_bridge {
            // A bridge that is gone already is seen by the next read.
            let _told = self.bridge.shutdown(Shutdown::Write);
            self.told_bridge = true;
        }
        Ok(moved)
    }

    /// Moves what can be moved from the bridge to the client.
    fn downwards(&mut self) -> Result<bool, Why> {
        let mut moved = false;
        if self.bridge_ready.to_read && self.down.wants() {
            let room = self.down.room();
            let size = room.len();
            match self.bridge.read(room) {
                Ok(0) => {
                    self.down.end();
                    moved = true;
                }
                Ok(count) => {
                    // Less than there was room for is all there was; the next look can wait for `poll`.
                    self.bridge_ready.to_read = count == size;
                    self.down.put(count);
                    moved = true;
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => self.bridge_ready.to_read = false,
                    ErrorKind::Interrupted => moved = true,
                    _ => {
                        self.down.end();
                        moved = true;
                    }
                },
            }
        }
        if self.client_ready.to_write && !self.down.waiting().is_empty() {
            match self.client.ssl_write(self.down.waiting()) {
                Ok(count) => {
                    self.down.took(count);
                    self.records.1 += 1;
                    moved = true;
                }
                Err(error) if error.code() == ErrorCode::WANT_WRITE => {
                    self.client_ready.to_write = false;
                }
                Err(error) => return Err(tls::words(&error)),
            }
        }
        Ok(moved)
    }

    /// Waits until a side that something is wanted of can move, or the order comes.
    fn wait(&mut self, order: &Order, ending: bool, deadline: Instant) -> Result<(), Why> {
        let wanted = |read: bool, write: bool| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, read);
            flags.set(PollFlags::OUT, write);
            flags
        };
        let client = wanted(self.up.wants(), !self.client_ready.to_write);
        let bridge = wanted(
            self.down.wants(),
            !self.up.waiting().is_empty() && !self.bridge_ready.to_write,
        );
        let ordered = wanted(!ending, false);
        // A side of which nothing is wanted is left out: it would report its end again and again.
        let (tcp, unix) = (self.client.get_ref().as_fd(), self.bridge.as_fd());
        let asked = [(tcp, client), (unix, bridge), (order.fd(), ordered)];
        let mut polled: Vec<PollFd<'_>> = asked
            .iter()
            .filter(|(_, flags)| !flags.is_empty())
            .map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags))
            .collect();
        match poll(&mut polled, Some(&peer::until(deadline))) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(io::Error::from(error).to_string()),
        }
        let mut found = polled.iter().map(PollFd::revents);
        if !client.is_empty() {
            self.client_ready
                .note(found.next().unwrap_or_else(PollFlags::empty));
        }
        if !bridge.is_empty() {
            self.bridge_ready
                .note(found.next().unwrap_or_else(PollFlags::empty));
        }
        Ok(())
    }
}
