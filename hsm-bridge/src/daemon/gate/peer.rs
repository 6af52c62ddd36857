//! A TLS connection that never blocks: each step is taken within a deadline.

use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use openssl::ssl::{Error, ErrorCode, Ssl, SslContext, SslStream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;

use crate::tls;

/// How long a peer that went silent is believed to be there: probes begin after the first, come this often, and are so many.
const PROBE_AFTER: Duration = Duration::from_mins(1);
const PROBE_EVERY: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;
/// How long sent bytes may go without being acknowledged, in milliseconds.
const UNACKNOWLEDGED_MS: u32 = 30_000;
/// How long a peer is listened to after the last word to it: bytes left unread would take that word away from it.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes that are read and dropped at once meanwhile, and in all.
const DROPPED_AT_ONCE: usize = 4 * 1024;
const DROPPED: usize = 4 << 20;

/// A connection of a client.
pub(super) type Tls = SslStream<TcpStream>;

/// Why a step was not taken, in words.
pub(super) type Why = String;

/// Makes a socket ready for a relay: never waiting, nothing held back, and ended when its peer is gone without a word.
pub(super) fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, PROBE_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, PROBE_EVERY)?;
    sockopt::set_tcp_keepcnt(stream, PROBES)?;
    sockopt::set_tcp_user_timeout(stream, UNACKNOWLEDGED_MS)?;
    Ok(())
}

/// The time left until then, for `poll`.
pub(super) fn until(deadline: Instant) -> Timespec {
    let left = deadline.saturating_duration_since(Instant::now());
    Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    }
}

/// Waits for the socket as an error of TLS asks; any other error is one.
fn wait(tls: &TcpStream, error: &Error, deadline: Instant) -> Result<(), Why> {
    let flags = match error.code() {
        ErrorCode::WANT_READ => PollFlags::IN,
        ErrorCode::WANT_WRITE => PollFlags::OUT,
        _ => return Err(tls::words(error)),
    };
    let left = until(deadline);
    if deadline <= Instant::now() {
        return Err("it took too long".to_owned());
    }
    match poll(&mut [PollFd::new(tls, flags)], Some(&left)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Shakes hands; a refusal was told to the peer by an alert.
pub(super) fn accept(
    context: &SslContext,
    stream: TcpStream,
    deadline: Instant,
) -> Result<Tls, Why> {
    let ssl = Ssl::new(context).map_err(|e| e.to_string())?;
    let mut tls = SslStream::new(ssl, stream).map_err(|e| e.to_string())?;
    loop {
        let Err(error) = tls.accept() else {
            return Ok(tls);
        };
        let verified = tls.ssl().verify_result();
        if let Err(why) = wait(tls.get_ref(), &error, deadline) {
            leave(&tls, deadline);
            let reason = verified.error_string();
            return Err(if verified == openssl::x509::X509VerifyResult::OK {
                why
            } else {
                format!("{why}: {reason}")
            });
        }
    }
}

/// Reads what there is; no bytes at the end.
pub(super) fn read(tls: &mut Tls, room: &mut [u8], deadline: Instant) -> Result<usize, Why> {
    loop {
        match tls.ssl_read(room) {
            Ok(count) => return Ok(count),
            Err(error) if error.code() == ErrorCode::ZERO_RETURN => return Ok(0),
            Err(error) => wait(tls.get_ref(), &error, deadline)?,
        }
    }
}

/// Writes everything.
pub(super) fn write(tls: &mut Tls, mut bytes: &[u8], deadline: Instant) -> Result<(), Why> {
    while !bytes.is_empty() {
        match tls.ssl_write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) => wait(tls.get_ref(), &error, deadline)?,
        }
    }
    Ok(())
}

/// Says farewell and closes.
pub(super) fn close(mut tls: Tls, deadline: Instant) {
    // A peer that is gone already needs no farewell.
    let _said = tls.shutdown();
    leave(&tls, deadline);
}

/// Sends nothing more, and reads on for a moment so that what was sent last reaches the peer (RFC 9293 §3.6.1).
fn leave(tls: &Tls, deadline: Instant) {
    let mut stream = tls.get_ref();
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let deadline = deadline.min(Instant::now() + LINGER).max(Instant::now());
    let mut dropped = 0;
    let mut bytes = [0; DROPPED_AT_ONCE];
    while dropped < DROPPED && Instant::now() < deadline {
        match std::io::Read::read(&mut stream, &mut bytes) {
            Ok(0) => return,
            Ok(count) => dropped += count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                let left = until(deadline);
                match poll(&mut [PollFd::new(stream, PollFlags::IN)], Some(&left)) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(_) => return,
                }
            }
            Err(_) => return,
        }
    }
}
