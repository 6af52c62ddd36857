//! Sockets: made so that nobody can connect before their mode is set, taken over only from a daemon that is gone.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::net::sockopt::socket_peercred;
use rustix::net::{self, AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType};

use super::SocketConfig;
use crate::KeyStoreError;

/// Mode of a service's socket: the daemon's user and the service's group.
const MODE: u32 = 0o660;
/// Mode of a socket for the daemon's user alone.
const OWN_MODE: u32 = 0o600;
/// How many connections may wait to be accepted.
const BACKLOG: i32 = 64;

/// A bound socket, which [`Bound::close`] takes away again.
pub(super) struct Bound {
    path: PathBuf,
    listener: OwnedFd,
}

impl Bound {
    /// Ends the accept loop and removes the socket.
    pub(super) fn close(&self) {
        if let Err(error) = net::shutdown(&self.listener, Shutdown::Both) {
            tracing::warn!(%error, "shutting a listening socket down");
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "removing a socket");
        }
    }
}

/// Binds a service's socket; one that a living daemon answers on is left alone.
pub(super) fn bind(path: &Path) -> Result<(Bound, UnixListener), KeyStoreError> {
    bind_with(path, MODE)
}

/// Binds a socket for the daemon's own user.
pub(super) fn bind_own(path: &Path) -> Result<(Bound, UnixListener), KeyStoreError> {
    bind_with(path, OWN_MODE)
}

fn bind_with(path: &Path, mode: u32) -> Result<(Bound, UnixListener), KeyStoreError> {
    let wrong = |e: &dyn std::fmt::Display| {
        KeyStoreError::Configuration(format!("socket {}: {e}", path.display()))
    };
    if let Ok(found) = fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(wrong(&"something that is not a socket is in its place"));
        }
        match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(|e| wrong(&e))?;
            }
            _ => return Err(wrong(&"in use; another hsm-bridge is running")),
        }
    }
    let listener = listen(path, mode).map_err(|e| wrong(&e))?;
    let held = listener.try_clone().map_err(|e| wrong(&e))?;
    Ok((
        Bound {
            path: path.to_owned(),
            listener: held.into(),
        },
        listener,
    ))
}

/// The mode is set between bind and listen: until then every connection is refused.
fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let socket = net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    net::listen(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

/// Checks who is at the other end, where the configuration asks for it.
pub(super) fn check_peer(stream: &UnixStream, socket: &SocketConfig) -> Result<(), String> {
    let Some(uid) = socket.uid else {
        return Ok(());
    };
    let peer = socket_peercred(stream).map_err(|e| format!("peer credentials: {e}"))?;
    if peer.uid.as_raw() == uid {
        Ok(())
    } else {
        Err(format!("peer has user id {}, not {uid}", peer.uid.as_raw()))
    }
}
