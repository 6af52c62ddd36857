//! One connection to the daemon.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::unexpected;
use crate::KeyStoreError;
use crate::wire::{ABOUT_THE_CONNECTION, Inbound, Outbound, Reply, ReplyFrame, Request};

/// Timeouts are set anew only when they changed by more than this, to save a system call per request.
const TIMEOUT_SLACK: Duration = Duration::from_millis(100);

/// A connection that waits for one reply at a time.
pub(super) struct Connection {
    stream: UnixStream,
    inbound: Inbound,
    outbound: Outbound,
    next_id: u64,
    timeout: Duration,
}

/// Why an exchange did not end in a reply; the connection is of no more use.
pub(super) enum Failure {
    /// The daemon surely did not get the request.
    Unsent,
    /// The request was sent and no reply came; whether it was done is unknown.
    Unanswered(io::Error),
    /// The deadline passed first.
    Deadline,
    /// The request cannot be sent at all.
    Refused(KeyStoreError),
}

impl Connection {
    pub(super) fn open(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        Ok(Self {
            stream,
            inbound: Inbound::new(),
            outbound: Outbound::new(),
            next_id: ABOUT_THE_CONNECTION + 1,
            timeout: Duration::ZERO,
        })
    }

    /// Sends a request and reads its reply.
    pub(super) fn exchange(
        &mut self,
        request: &Request,
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
        })?;
        self.reply(id)
    }

    fn reply(&mut self, id: u64) -> Result<Reply, Failure> {
        let unanswered = |e: io::Error| {
            if timed_out(&e) {
                Failure::Deadline
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
            self.stream.set_read_timeout(Some(left))?;
            self.stream.set_write_timeout(Some(left))?;
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
