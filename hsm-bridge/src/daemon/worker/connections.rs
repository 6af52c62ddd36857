//! Connections: a thread each, bounded in number, and brought to a clean end when the daemon stops.

use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::service::{Begin, Service};
use super::stream::Stream;
use crate::KeyStoreError;
use crate::wire::{
    ABOUT_THE_CONNECTION, Inbound, Outbound, Patience, Reply, ReplyFrame, Request, RequestFrame,
};

/// Replies are written when this much of them has gathered, even if more requests wait.
const FLUSH_AT: usize = 64 * 1024;

/// Every open connection.
pub(super) struct Connections {
    limit: usize,
    next: AtomicU64,
    open: Mutex<HashMap<u64, UnixStream>>,
    closed: Condvar,
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

    fn open(&self) -> MutexGuard<'_, HashMap<u64, UnixStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a connection from a thread of its own, or refuses it when there are too many.
    pub(super) fn serve(
        self: &Arc<Self>,
        stream: UnixStream,
        caller: String,
        service: Arc<Service>,
    ) {
        let Ok(held) = stream.try_clone() else {
            return;
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open();
        if open.len() >= self.limit {
            drop(open);
            tracing::warn!(caller, "too many connections");
            return refuse(
                stream,
                KeyStoreError::Busy("too many connections".to_owned()),
            );
        }
        open.insert(number, held);
        drop(open);
        let connections = Arc::clone(self);
        let thread = std::thread::Builder::new().name(format!("serve-{caller}"));
        let spawned = thread.spawn(move || {
            let _place = Place {
                connections,
                number,
            };
            converse(stream, &caller, &service);
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for a connection");
            self.open().remove(&number);
        }
    }

    /// Lets every connection answer what has arrived, and waits for the last one.
    pub(super) fn finish(&self) {
        let mut open = self.open();
        for stream in open.values() {
            // A peer that is gone already is as good as one that was told.
            let _told = stream.shutdown(Shutdown::Read);
        }
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
