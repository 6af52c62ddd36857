//! From a new TCP connection to its relay: handshake, whom the certificate names, a place, the first request, the socket.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openssl::x509::X509;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::identity::{Caller, Callers};
use super::material::{Keeper, Material, time_left};
use super::open::{Client, Denied, Open, Place};
use super::peer::{self, Tls, Why};
use super::pipe::Pipe;
use super::relay::{Limits, Relay};
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
        let caller = match self.caller(&client) {
            Ok(caller) => caller,
            Err(why) => {
                tracing::warn!(%from, why, "connection refused");
                return refuse(client, KeyStoreError::NotPermitted, deadline);
            }
        };
        let mut up = Pipe::new();
        if let Err(why) = greeting(&mut client, &mut up, deadline) {
            tracing::info!(%from, caller = caller.name(), why, "a connection did not say what it is for");
            return refuse(client, KeyStoreError::BadRequest(why), deadline);
        }
        let place = match self.enter(&client, caller, &context) {
            Ok(place) => place,
            Err(full @ (Denied::Full | Denied::FullOfOne)) => {
                let of_caller = matches!(full, Denied::FullOfOne);
                tracing::warn!(%from, caller = caller.name(), of_caller, "too many connections");
                let busy = KeyStoreError::Busy("too many connections".to_owned());
                return refuse(client, busy, deadline);
            }
            Err(Denied::Untrusted(why)) => {
                tracing::warn!(%from, caller = caller.name(), why, "no longer admitted");
                return refuse(client, KeyStoreError::NotPermitted, deadline);
            }
            // The client looks for the gate again.
            Err(Denied::Stopping) => return peer::close(client, deadline),
        };
        let socket = caller.socket();
        let bridge = match connect(socket) {
            Ok(bridge) => bridge,
            // As a door that is not there: the client looks for it again.
            Err(error) => {
                tracing::error!(%error, socket = %socket.display(), "the bridge cannot be reached");
                return peer::close(client, deadline);
            }
        };
        admitted();
        let limits = Limits::new(self.idle, Instant::now() + good_for(&client));
        match Relay::new(client, bridge, up).run(&place.order, limits) {
            Ok(()) => tracing::debug!(%from, "connection closed"),
            Err(why) => tracing::info!(%from, why, "connection ended"),
        }
    }

    /// Whom the certificate names; the error says why nobody.
    fn caller(&self, client: &Tls) -> Result<&Caller, Why> {
        if client.ssl().selected_alpn_protocol() != Some(tls::PROTOCOL) {
            return Err("it speaks another protocol (ALPN)".to_owned());
        }
        let certificate = client.ssl().peer_certificate();
        let certificate = certificate.ok_or_else(|| "it has no certificate".to_owned())?;
        self.callers.named(&certificate)
    }

    /// Takes a place. Material that was renewed since the handshake is asked again: those who have a place already were.
    fn enter(
        &self,
        client: &Tls,
        caller: &Caller,
        used: &Arc<Material>,
    ) -> Result<Place<'_>, Denied> {
        let ssl = client.ssl();
        let nobody = || Denied::Untrusted("it has no certificate".to_owned());
        let certificate = ssl.peer_certificate().ok_or_else(nobody)?;
        let chain = ssl.peer_cert_chain();
        let chain: Vec<X509> = chain
            .map(|it| it.iter().map(ToOwned::to_owned).collect())
            .unwrap_or_default();
        let place = self.open.enter(Client {
            caller: caller.name().to_owned(),
            certificate: certificate.clone(),
            chain: chain.clone(),
        })?;
        let current = self.keeper.current();
        if !Arc::ptr_eq(&current, used) {
            current
                .still_admits(&certificate, &chain)
                .map_err(Denied::Untrusted)?;
        }
        Ok(place)
    }
}

/// How long the chain that was verified in the handshake is good for: until the first of its certificates ends (RFC 5280 §6.1.3).
fn good_for(client: &Tls) -> Duration {
    let chain = client.ssl().verified_chain().into_iter().flatten();
    chain.map(time_left).min().unwrap_or_default()
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
