//! One connection to the daemon.

use std::io;
use std::time::{Duration, Instant};

use super::transport::{Dialer, Stream};
use super::unexpected;
use crate::KeyStoreError;
use crate::wire::{ABOUT_THE_CONNECTION, Inbound, Outbound, Reply, ReplyFrame, Request, Target};

/// Timeouts are set anew only when they changed by more than this, to save a system call per request.
const TIMEOUT_SLACK: Duration = Duration::from_millis(100);

/// Long messages travel in pieces of this many bytes.
const PIECE: usize = 256 * 1024;

/// A connection that waits for one reply at a time.
pub(super) struct Connection {
    stream: Stream,
    inbound: Inbound,
    outbound: Outbound,
    next_id: u64,
    timeout: Duration,
    route: u32,
}

/// Why an exchange did not end in a reply; the connection is of no more use.
pub(super) enum Failure {
    /// No connection came about.
    Unreachable(io::Error),
    /// The daemon surely did not get the request.
    Unsent,
    /// The request was sent and no reply came; whether it was done is unknown.
    Unanswered(io::Error),
    /// The deadline passed before the request was sent.
    Deadline,
    /// The deadline passed after the request was sent.
    Overdue,
    /// The request cannot be sent at all, or the connection was refused.
    Refused(KeyStoreError),
}

impl Failure {
    /// Whether the worker at the other end is gone, rather than late or unwilling.
    pub(super) fn is_of_the_worker(&self) -> bool {
        matches!(
            self,
            Self::Unsent | Self::Unanswered(_) | Self::Unreachable(_)
        )
    }

    /// Whether the request may go to another worker: one that was not sent always, one that was only if doing it twice does no harm.
    pub(super) fn may_be_repeated(&self, harmless: bool) -> bool {
        self.is_of_the_worker() && (harmless || !matches!(self, Self::Unanswered(_)))
    }
}

impl Connection {
    /// Connects and asks for the token of a key; gives the number of routes as well.
    pub(super) fn open(
        dialer: &Dialer,
        target: &Target,
        deadline: Instant,
    ) -> Result<(Self, u32), Failure> {
        let mut connection = Self {
            stream: dialer.connect(deadline).map_err(Failure::Unreachable)?,
            inbound: Inbound::new(),
            outbound: Outbound::new(),
            next_id: ABOUT_THE_CONNECTION + 1,
            timeout: Duration::ZERO,
            route: 0,
        };
        let attach = Request::Attach {
            target: target.clone(),
        };
        match connection.exchange(&attach, &[], deadline) {
            Ok(Reply::Attached { route, routes }) => {
                connection.route = route;
                Ok((connection, routes))
            }
            Ok(_) => Err(Failure::Refused(unexpected())),
            // Nothing was asked of the token yet.
            Err(Failure::Overdue) => Err(Failure::Deadline),
            Err(Failure::Unanswered(error)) => Err(Failure::Unreachable(error)),
            Err(failure) => Err(failure),
        }
    }

    /// The route whose token is at the other end.
    pub(super) fn route(&self) -> u32 {
        self.route
    }

    /// Whether the daemon's side has closed it while it was idle.
    pub(super) fn is_closed(&self) -> bool {
        self.stream.is_closed()
    }

    /// Sends a request, and the message that it announces in pieces, and reads the reply.
    pub(super) fn exchange(
        &mut self,
        request: &Request,
        message: &[u8],
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::Deadline);
        }
        self.limit(left).map_err(|_| Failure::Unsent)?;
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let deadline_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX);
        self.send(request, id, deadline_ms)?;
        for piece in message.chunks(PIECE) {
            let request = Request::Piece {
                bytes: piece.to_vec(),
            };
            self.send(&request, id, deadline_ms)?;
        }
        self.reply(id)
    }

    /// Sends requests, each with its deadline, ahead and reads their replies in order; stops at the first that does not come by `deadline`.
    /// There must be no more requests than both sides can hold at once.
    pub(super) fn exchange_ahead(
        &mut self,
        requests: &[(&Request, Instant)],
        deadline: Instant,
    ) -> (Vec<Reply>, Option<Failure>) {
        let mut replies = Vec::with_capacity(requests.len());
        let failure = self.try_ahead(requests, deadline, &mut replies).err();
        (replies, failure)
    }

    fn try_ahead(
        &mut self,
        requests: &[(&Request, Instant)],
        deadline: Instant,
        replies: &mut Vec<Reply>,
    ) -> Result<(), Failure> {
        let now = Instant::now();
        let left = deadline.saturating_duration_since(now);
        if left.is_zero() {
            return Err(Failure::Deadline);
        }
        self.limit(left).map_err(|_| Failure::Unsent)?;
        let first = self.next_id;
        for (request, deadline) in requests {
            let id = self.next_id;
            self.next_id = self.next_id.wrapping_add(1);
            let left = deadline.saturating_duration_since(now);
            let deadline_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX);
            self.outbound
                .push(request.is_secret(), |to| {
                    request.encode(id, deadline_ms, to);
                })
                .map_err(|e| Failure::Refused(KeyStoreError::BadRequest(e.to_string())))?;
        }
        self.outbound
            .flush(&mut self.stream)
            .map_err(Failure::Unanswered)?;
        for number in 0..requests.len() as u64 {
            replies.push(self.reply(first.wrapping_add(number))?);
        }
        Ok(())
    }

    fn send(&mut self, request: &Request, id: u64, deadline_ms: u32) -> Result<(), Failure> {
        self.outbound
            .push(request.is_secret(), |to| {
                request.encode(id, deadline_ms, to);
            })
            .map_err(|e| Failure::Refused(KeyStoreError::BadRequest(e.to_string())))?;
        self.outbound.flush(&mut self.stream).map_err(|e| {
            if timed_out(&e) {
                Failure::Deadline
            } else {
                // A request that was cut short is not read as one.
                Failure::Unsent
            }
        })
    }

    fn reply(&mut self, id: u64) -> Result<Reply, Failure> {
        let unanswered = |e: io::Error| {
            if timed_out(&e) {
                Failure::Overdue
            } else {
                Failure::Unanswered(e)
            }
        };
        let content = self.inbound.next(&mut self.stream).map_err(unanswered)?;
        let content = content.ok_or_else(|| unanswered(io::ErrorKind::ConnectionReset.into()))?;
        let frame = ReplyFrame::decode(content)
            .map_err(|e| unanswered(io::Error::new(io::ErrorKind::InvalidData, e)))?;
        if frame.reply.is_secret() {
            self.inbound.wipe();
        }
        if frame.id == ABOUT_THE_CONNECTION {
            return Err(Failure::Refused(match frame.reply {
                Reply::Failed(error) => error,
                _ => unexpected(),
            }));
        }
        if frame.id != id {
            return Err(unanswered(io::Error::new(
                io::ErrorKind::InvalidData,
                "reply to another request",
            )));
        }
        Ok(frame.reply)
    }

    fn limit(&mut self, left: Duration) -> io::Result<()> {
        if self.timeout.abs_diff(left) > TIMEOUT_SLACK || left < TIMEOUT_SLACK {
            self.stream.limit(left)?;
            self.timeout = left;
        }
        Ok(())
    }
}

fn timed_out(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
