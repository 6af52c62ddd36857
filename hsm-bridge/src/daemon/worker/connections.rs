//! Connections: a thread each, bounded in number, and brought to a clean end when the daemon stops.

use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::service::{Begin, Service};
use super::stream::Stream;
use crate::KeyStoreError;
use crate::wire::{
    ABOUT_THE_CONNECTION, Inbound, Outbound, Patience, Reply, ReplyFrame, Request, RequestFrame,
};

/// Replies are written when this much of them has gathered, even if more requests wait.
const FLUSH_AT: usize = 64 * 1024;

/// One place in so many is out of reach for a caller that takes all it can get; the other callers find theirs there.
const KEPT_FREE: usize = 4;
/// How long a peer may leave a reply unread; one that stops reading holds neither its place nor the end of the worker for ever.
const REPLY_LIMIT: Duration = Duration::from_secs(5);

/// Every open connection.
pub(super) struct Connections {
    limit: usize,
    next: AtomicU64,
    open: Mutex<HashMap<u64, Open>>,
    closed: Condvar,
}

/// A connection, and whose it is.
struct Open {
    stream: UnixStream,
    caller: String,
}

impl Connections {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            next: AtomicU64::new(0),
            open: Mutex::default(),
            closed: Condvar::new(),
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a connection from a thread of its own, or refuses it when there are too many.
    pub(super) fn serve(
        self: &Arc<Self>,
        stream: UnixStream,
        caller: String,
        service: Arc<Service>,
    ) {
        let name = caller.clone();
        self.run(stream, &name, move |stream| {
            converse(stream, &caller, &service);
        });
    }

    /// Lets a conversation have a thread of its own, or refuses its peer when there are too many.
    pub(super) fn run(
        self: &Arc<Self>,
        stream: UnixStream,
        caller: &str,
        conversation: impl FnOnce(UnixStream) + Send + 'static,
    ) {
        let Ok(held) = stream.try_clone() else {
            return;
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open();
        let of_caller = open.values().filter(|other| other.caller == caller).count();
        if open.len() >= self.limit || of_caller >= self.limit - self.limit / KEPT_FREE {
            drop(open);
            tracing::warn!(caller, "too many connections");
            return refuse(
                stream,
                KeyStoreError::Busy("too many connections".to_owned()),
            );
        }
        let held = Open {
            stream: held,
            caller: caller.to_owned(),
        };
        open.insert(number, held);
        drop(open);
        let connections = Arc::clone(self);
        let thread = std::thread::Builder::new().name(format!("serve-{caller}"));
        let spawned = thread.spawn(move || {
            let _place = Place {
                connections,
                number,
            };
            conversation(stream);
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for a connection");
            self.open().remove(&number);
        }
    }

    /// Lets every connection answer what has arrived, and then end.
    pub(super) fn hang_up(&self) {
        for open in self.open().values() {
            // A peer that is gone already is as good as one that was told.
            let _told = open.stream.shutdown(Shutdown::Read);
        }
    }

    /// Does the same, and waits for the last one.
    pub(super) fn finish(&self) {
        self.hang_up();
        let mut open = self.open();
        while !open.is_empty() {
            open = self
                .closed
                .wait(open)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Gives a connection's place back, also when its thread panics.
struct Place {
    connections: Arc<Connections>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().remove(&self.number);
        self.connections.closed.notify_all();
    }
}

/// Tells a peer why it is not served and closes the connection.
pub(in crate::daemon) fn refuse(mut stream: UnixStream, error: KeyStoreError) {
    let mut outbound = Outbound::new();
    let reply = ReplyFrame {
        id: ABOUT_THE_CONNECTION,
        reply: Reply::Failed(error),
    };
    if outbound.push(false, |to| reply.encode(to)).is_ok() {
        // The peer may have left; there is nobody else to tell.
        let _told = outbound.flush(&mut stream);
    }
}

fn converse(mut stream: UnixStream, caller: &str, service: &Service) {
    if let Err(error) = exchange(&mut stream, caller, service) {
        tracing::info!(caller, %error, "connection ended");
    }
}

fn exchange(stream: &mut UnixStream, caller: &str, service: &Service) -> io::Result<()> {
    stream.set_write_timeout(Some(REPLY_LIMIT))?;
    let mut inbound = Inbound::new();
    let mut patience = Patience::default();
    let mut outbound = Outbound::new();
    let mut long: Option<(u64, Stream<'_>)> = None;
    while let Some(content) = inbound.next(&mut patience.on(stream))? {
        let arrived = Instant::now();
        let frame = match RequestFrame::decode(content) {
            Ok(frame) => frame,
            Err(error) => return Err(break_off(stream, &mut outbound, &error)),
        };
        if frame.request.is_secret() {
            inbound.wipe();
        }
        let (id, reply) = match (frame.request, long.take()) {
            (Request::Piece { bytes }, Some((id, mut message))) => match message.take(&bytes) {
                Ok(true) => (id, message.finish()),
                Ok(false) => {
                    long = Some((id, message));
                    continue;
                }
                Err(error) => return Err(break_off(stream, &mut outbound, &error)),
            },
            (Request::Piece { .. }, None) | (_, Some(_)) => {
                let error = "a piece without its message, or a message cut short";
                return Err(break_off(stream, &mut outbound, &error));
            }
            (Request::SignLong { id, scheme, length }, None) => {
                let begin = Begin {
                    id,
                    scheme,
                    length,
                    deadline_ms: frame.deadline_ms,
                    arrived,
                };
                long = Some((frame.id, Stream::begin(service, caller, &begin)));
                continue;
            }
            (request, None) => {
                let frame = RequestFrame {
                    id: frame.id,
                    deadline_ms: frame.deadline_ms,
                    request,
                };
                (frame.id, service.answer(caller, frame, arrived))
            }
        };
        let secret = reply.is_secret();
        let frame = ReplyFrame { id, reply };
        outbound
            .push(secret, |to| frame.encode(to))
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        if !inbound.has_frame() || outbound.pending() >= FLUSH_AT {
            outbound.flush(stream)?;
        }
    }
    Ok(())
}

/// Gives out the replies so far, tells the peer why the conversation ends here, and makes the error of it.
fn break_off(
    stream: &mut UnixStream,
    outbound: &mut Outbound,
    error: &dyn std::fmt::Display,
) -> io::Error {
    let why = error.to_string();
    match outbound.flush(stream).and_then(|()| stream.try_clone()) {
        Ok(stream) => refuse(stream, KeyStoreError::BadRequest(why.clone())),
        Err(error) => return error,
    }
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn one_caller_leaves_places_to_the_others() {
        let connections = Arc::new(Connections::new(8));
        let mut peers = Vec::new();
        let mut come = |caller: &str| {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let (begun, is_served) = mpsc::channel();
            connections.run(ours, caller, move |mut stream| {
                begun.send(()).unwrap();
                // Until the peer leaves.
                let _left = stream.read(&mut [0]);
            });
            let served = is_served.recv().is_ok();
            if served {
                peers.push(theirs);
            } else {
                let mut said = Vec::new();
                theirs.read_to_end(&mut said).unwrap();
                assert!(!said.is_empty(), "not told why");
            }
            served
        };
        let greedy = (0..20).filter(|_| come("idp")).count();
        assert_eq!(greedy, 6);
        assert!(come("ca") && come("ocsp"));
        assert!(!come("ca"), "more than there are places");
        peers.clear();
        connections.finish();
    }
}
