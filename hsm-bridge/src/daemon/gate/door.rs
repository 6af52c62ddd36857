//! From a new TCP connection to its relay: handshake, whom the certificate names, a place, the first request, the socket.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::identity::Callers;
use super::material::{Keeper, seconds_left};
use super::open::{Client, Open, Place};
use super::peer::{self, Tls, Why};
use super::pipe::Pipe;
use super::relay::Relay;
use crate::KeyStoreError;
use crate::daemon::front::MAX_GREETING;
use crate::tls;
use crate::wire::{ABOUT_THE_CONNECTION, Outbound, Reply, ReplyFrame};

/// Bytes of the length in front of a frame.
const LENGTH_BYTES: usize = 4;

/// What every connection is held against.
pub(super) struct Door {
    pub(super) callers: Callers,
    pub(super) keeper: Keeper,
    pub(super) open: Open,
    pub(super) handshake: Duration,
    pub(super) idle: Duration,
}

impl Door {
    /// Serves a connection to its end; `admitted` is called when it has a place of its own, no longer among strangers.
    pub(super) fn serve(&self, stream: TcpStream, from: SocketAddr, admitted: impl FnOnce()) {
        let deadline = Instant::now() + self.handshake;
        let context = self.keeper.current();
        let shaken = peer::prepare(&stream)
            .map_err(|e| e.to_string())
            .and_then(|()| peer::accept(&context.context, stream, deadline));
        let mut client = match shaken {
            Ok(client) => client,
            Err(why) => {
                tracing::warn!(%from, why, "handshake refused");
                return;
            }
        };
        let (place, socket, last) = match self.admit(&client) {
            Ok(found) => found,
            Err((error, why)) => {
                tracing::warn!(%from, why, "connection refused");
                return refuse(client, error, deadline);
            }
        };
        let mut up = Pipe::new();
        if let Err(why) = greeting(&mut client, &mut up, deadline) {
            tracing::info!(%from, why, "a connection did not say what it is for");
            return refuse(client, KeyStoreError::BadRequest(why), deadline);
        }
        let bridge = match connect(socket) {
            Ok(bridge) => bridge,
            // As a door that is not there: the client looks for it again.
            Err(error) => {
                tracing::error!(%error, socket = %socket.display(), "the bridge cannot be reached");
                return peer::close(client, deadline);
            }
        };
        admitted();
        match Relay::new(client, bridge, up).run(&place.order, self.idle, last) {
            Ok(()) => tracing::debug!(%from, "connection closed"),
            Err(why) => tracing::info!(%from, why, "connection ended"),
        }
    }

    /// Finds the caller, its place and its socket, and when its certificate ends.
    fn admit(&self, client: &Tls) -> Result<(Place<'_>, &Path, Instant), (KeyStoreError, Why)> {
        let refused = |why: String| (KeyStoreError::NotPermitted, why);
        if client.ssl().selected_alpn_protocol() != Some(tls::PROTOCOL) {
            return Err(refused("it speaks another protocol (ALPN)".to_owned()));
        }
        let certificate = client.ssl().peer_certificate();
        let certificate = certificate.ok_or_else(|| refused("it has no certificate".to_owned()))?;
        let caller = self.callers.named(&certificate).map_err(refused)?;
        let chain = client.ssl().peer_cert_chain();
        let last = Instant::now() + Duration::from_secs(seconds_left(&certificate));
        let place = self
            .open
            .enter(Client {
                caller: caller.name().to_owned(),
                certificate,
                chain: chain
                    .map(|it| it.iter().map(ToOwned::to_owned).collect())
                    .unwrap_or_default(),
            })
            .map_err(|error| (error.clone(), format!("{}: {error}", caller.name())))?;
        tracing::debug!(caller = caller.name(), "admitted");
        Ok((place, caller.socket(), last))
    }
}

/// Reads the first request whole, so that nobody who dawdles takes a place at the bridge's own door.
fn greeting(client: &mut Tls, up: &mut Pipe, deadline: Instant) -> Result<(), Why> {
    loop {
        if let Some((length, rest)) = up.waiting().split_first_chunk::<LENGTH_BYTES>() {
            let length = u32::from_be_bytes(*length) as usize;
            if length > MAX_GREETING {
                return Err("its first request is too long".to_owned());
            }
            if rest.len() >= length {
                return Ok(());
            }
        }
        match peer::read(client, up.room(), deadline)? {
            0 => return Err("it left".to_owned()),
            count => up.put(count),
        }
    }
}

/// Connects without waiting for a place in the bridge's queue.
fn connect(path: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

/// Tells a client why it is not served and closes the connection.
fn refuse(mut client: Tls, error: KeyStoreError, deadline: Instant) {
    let mut outbound = Outbound::new();
    let mut bytes = Vec::new();
    let reply = ReplyFrame {
        id: ABOUT_THE_CONNECTION,
        reply: Reply::Failed(error),
    };
    let framed = outbound.push(false, |to| reply.encode(to)).is_ok();
    if framed && outbound.flush(&mut bytes).is_ok() {
        // The client may have left; there is nobody else to tell.
        let _told = peer::write(&mut client, &bytes, deadline);
    }
    peer::close(client, deadline);
}
