//! The doors: one socket per service, where a connection says which key it is for and is handed to that key's token.

use std::collections::HashMap;
use std::io::{self, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::administration::Door;
use super::board::Board;
use super::socket;
use super::worker::refuse;
use crate::KeyStoreError;
use crate::wire::{Outbound, Reply, ReplyFrame, Request, RequestFrame, Target};

/// How long a peer may take to say what it wants.
const GREETING_LIMIT: Duration = Duration::from_secs(2);
/// The longest first request: a label and its frame.
pub(super) const MAX_GREETING: usize = 1024;
/// How many peers of one caller may be greeted, or wait for a token, at once: no caller takes the places of another.
const MAX_WAITING: usize = 64;
/// How long no connection is accepted when the system has no place for another.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

/// Where connections are served: a worker in a process of its own, or in this one.
pub(super) trait Backend: Send + Sync {
    /// Takes a connection over; gives it back when the token is just gone.
    fn serve(&self, stream: UnixStream, caller: &str) -> Result<(), UnixStream>;
    /// Takes a connection of administrators over, which gets answers to orders and to nothing else.
    fn administer(&self, stream: UnixStream) -> Result<(), UnixStream>;
    /// Ends every connection after what has arrived on it, so that callers look for their token again.
    fn drain(&self);
}

/// The tokens behind the doors.
pub(super) struct Front {
    pub(super) board: Arc<Board>,
    pub(super) tokens: Vec<Arc<dyn Backend>>,
    /// The names of the tokens, in their order.
    names: Vec<String>,
    /// Peers that are greeted or wait, by their caller.
    waiting: Mutex<HashMap<String, usize>>,
}

impl Front {
    pub(super) fn new(
        board: Arc<Board>,
        tokens: Vec<Arc<dyn Backend>>,
        names: Vec<String>,
    ) -> Self {
        Self {
            board,
            tokens,
            names,
            waiting: Mutex::default(),
        }
    }

    /// Lets the callers of a token that is no longer the right one look for the one that is.
    pub(super) fn review(&self) {
        for token in self.board.review(Instant::now()) {
            tracing::warn!(token, "its callers go back to the token before it");
            if let Some(backend) = self.tokens.get(token) {
                backend.drain();
            }
        }
    }

    /// Accepts connections until the socket is shut down.
    pub(super) fn accept(self: &Arc<Self>, listener: &UnixListener, door: &Door) {
        loop {
            match listener.accept() {
                Ok((stream, _)) => self.admit(stream, door),
                // What a listening socket says after `Bound::close` shut it down.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => {
                    tracing::error!(caller = door.caller(), %error, "accepting a connection");
                    std::thread::park_timeout(SHORTAGE_PAUSE);
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, stream: UnixStream, door: &Door) {
        if let Err(error) = socket::check_peer(&stream, door) {
            tracing::warn!(caller = door.caller(), %error, "connection refused");
            return refuse(stream, KeyStoreError::NotPermitted);
        }
        let Some(place) = Place::take(self, door.caller()) else {
            return refuse(
                stream,
                KeyStoreError::Busy("too many connections".to_owned()),
            );
        };
        let door = door.clone();
        let spawned = std::thread::Builder::new()
            .name(format!("greet-{}", door.caller()))
            .spawn(move || place.front.greet(stream, &door));
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for a connection");
        }
    }

    fn greet(&self, mut stream: UnixStream, door: &Door) {
        let caller = door.caller();
        let began = Instant::now();
        let greeting = match first_request(&mut stream) {
            Ok(greeting) => greeting,
            Err(error) => {
                tracing::info!(caller, %error, "a connection did not say what it is for");
                return refuse(stream, KeyStoreError::BadRequest(error.to_string()));
            }
        };
        let deadline = began + Duration::from_millis(u64::from(greeting.deadline_ms));
        let route = match (&greeting.request, &door.service) {
            (Request::Attach { target }, service) => match (target, service) {
                (Target::Label(label), Some(_)) => self.board.routes().of(label),
                (Target::Route(route), Some(_)) => usize::try_from(*route).unwrap_or(usize::MAX),
                (Target::Token(name), None) => {
                    return self.administer(stream, greeting.id, name, deadline);
                }
                _ => {
                    tracing::warn!(caller, "asked at the wrong door");
                    return refuse(stream, KeyStoreError::NotPermitted);
                }
            },
            _ => {
                return refuse(
                    stream,
                    KeyStoreError::BadRequest("a connection begins with what it is for".to_owned()),
                );
            }
        };
        if let Err(error) = self.hand_over(stream, caller, greeting.id, route, deadline) {
            tracing::info!(caller, %error, "a connection was lost before it was served");
        }
    }

    /// Hands a connection of administrators to the worker of one token, once that is there.
    fn administer(&self, mut stream: UnixStream, id: u64, name: &str, deadline: Instant) {
        let Some(token) = self.names.iter().position(|known| known == name) else {
            let what = format!("there is no token '{}'", name.escape_debug());
            return refuse(stream, KeyStoreError::BadRequest(what));
        };
        let mut answered = false;
        loop {
            if let Err(error) = self.board.await_token(token, deadline) {
                return refuse(stream, error);
            }
            if !answered && let Err(error) = self.confirm(&mut stream, id, 0) {
                tracing::info!(%error, "a connection of administrators was lost before it was served");
                return;
            }
            answered = true;
            let handed = match self.tokens.get(token) {
                Some(backend) => backend.administer(stream),
                None => return,
            };
            match handed {
                Err(returned) if Instant::now() < deadline => stream = returned,
                _ => return,
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    fn hand_over(
        &self,
        mut stream: UnixStream,
        caller: &str,
        id: u64,
        route: usize,
        deadline: Instant,
    ) -> io::Result<()> {
        let mut answered = false;
        loop {
            let token = match self.board.pick(route, deadline) {
                Ok(token) => token,
                Err(error) => {
                    refuse(stream, error);
                    return Ok(());
                }
            };
            if !answered {
                self.confirm(&mut stream, id, route)?;
                answered = true;
            }
            let Some(backend) = self.tokens.get(token) else {
                return Ok(());
            };
            match backend.serve(stream, caller) {
                Ok(()) => return Ok(()),
                // The worker's end is about to be noted; until then the board would name it again.
                Err(returned) => stream = returned,
            }
            if Instant::now() >= deadline {
                return Ok(());
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    fn confirm(&self, stream: &mut UnixStream, id: u64, route: usize) -> io::Result<()> {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let frame = ReplyFrame {
            id,
            reply: Reply::Attached {
                route: number(route),
                routes: number(self.board.routes().count()),
            },
        };
        let mut outbound = Outbound::new();
        outbound
            .push(false, |to| frame.encode(to))
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        outbound.flush(stream)?;
        stream.set_read_timeout(None)?;
        stream.set_write_timeout(None)
    }
}

/// A place among those that wait, given back when it is dropped.
struct Place {
    front: Arc<Front>,
    caller: String,
}

impl Place {
    fn take(front: &Arc<Front>, caller: &str) -> Option<Self> {
        let mut waiting = front.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = waiting.entry(caller.to_owned()).or_default();
        if *taken >= MAX_WAITING {
            return None;
        }
        *taken += 1;
        Some(Self {
            front: Arc::clone(front),
            caller: caller.to_owned(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self
            .front
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = waiting.get_mut(&self.caller) {
            *taken = taken.saturating_sub(1);
        }
    }
}

/// Reads the first request and not a byte more, since what follows is for the token's worker.
fn first_request(stream: &mut UnixStream) -> io::Result<RequestFrame> {
    let limit = Instant::now() + GREETING_LIMIT;
    stream.set_write_timeout(Some(GREETING_LIMIT))?;
    let mut length = [0; 4];
    read_by(limit, stream, &mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_GREETING {
        return Err(io::Error::other("its first request is too long"));
    }
    let mut content = vec![0; length];
    read_by(limit, stream, &mut content)?;
    RequestFrame::decode(&content).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// Fills `room` before `limit`, however slowly its bytes drip in.
fn read_by(limit: Instant, stream: &mut UnixStream, mut room: &mut [u8]) -> io::Result<()> {
    while !room.is_empty() {
        let left = limit.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(room) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => room = room.get_mut(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
