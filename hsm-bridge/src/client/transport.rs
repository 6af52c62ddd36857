//! How the daemon is reached: the Unix socket of its host, or from another host mutual TLS to its gate, with the same frames.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use openssl::error::ErrorStack;
use openssl::ssl::{
    Error, ErrorCode, HandshakeError, Ssl, SslContext, SslMethod, SslStream, SslVerifyMode,
};
use openssl::x509::X509VerifyResult;
use openssl::x509::verify::{X509CheckFlags, X509VerifyFlags};
use rustix::net::{RecvFlags, recv};
use serde::{Deserialize, Serialize};

use super::names;
use crate::KeyStoreError;
use crate::tls::{self, Identity, Stamp};
use crate::wire::Patience;

/// The bridge on another host, reached through its gate over mutual TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteBridge {
    /// Host and port of the gate, as in `bridge.internal:8450`.
    pub address: String,
    /// The DNS name or IP address that the gate's certificate must have among its subject alternative names.
    pub server_name: String,
    /// File with the authorities that may have certified the gate (PEM); each is an anchor of its own.
    pub server_ca: PathBuf,
    /// File with this service's certificate for clients and its chain (PEM); read anew when it changes.
    pub certificate: PathBuf,
    /// File with the private key of that certificate (PEM, no password); only its owner may be able to read it.
    pub key: PathBuf,
}

/// Where the daemon is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// A Unix socket of this host.
    Unix(PathBuf),
    /// The gate of another host.
    Tls(RemoteBridge),
}

impl Transport {
    /// The bridge on another host where one is set, otherwise the socket.
    pub fn of(socket: &Path, remote: Option<&RemoteBridge>) -> Self {
        match remote {
            Some(remote) => Self::Tls(remote.clone()),
            None => Self::Unix(socket.to_owned()),
        }
    }
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tls(remote) => f.write_str(&remote.address),
        }
    }
}

/// Makes connections.
pub(super) struct Dialer {
    transport: Transport,
    /// What handshakes need, and what its files looked like.
    context: Mutex<Option<(Stamp, SslContext)>>,
}

impl Dialer {
    pub(super) fn new(transport: Transport) -> Self {
        Self {
            transport,
            context: Mutex::default(),
        }
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Connects, with a handshake where there is one.
    pub(super) fn connect(&self, deadline: Instant) -> io::Result<Stream> {
        match &self.transport {
            Transport::Unix(path) => {
                UnixStream::connect(path).map(|stream| Stream::Unix(stream, Patience::default()))
            }
            Transport::Tls(remote) => {
                let context = self.context(remote)?;
                let stream = shake_hands(remote, &context, deadline)?;
                Ok(Stream::Tls(Box::new(stream)))
            }
        }
    }

    /// The context of now: renewed files are taken into use, and unusable ones are complained of while the earlier ones serve on.
    fn context(&self, remote: &RemoteBridge) -> io::Result<SslContext> {
        let files = [&remote.server_ca, &remote.certificate, &remote.key];
        let now = Stamp::of(files.map(PathBuf::as_path));
        let mut known = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, context)) = &*known
            && *seen == now
        {
            return Ok(context.clone());
        }
        let context = match (remote.context(), &*known) {
            (Ok(context), _) => context,
            (Err(error), Some((_, earlier))) => {
                tracing::error!(%error, "changed certificates are of no use; the earlier ones stay");
                earlier.clone()
            }
            // Not before a person has been at it.
            (Err(error), None) => return Err(hopeless(error.to_string())),
        };
        *known = Some((now, context.clone()));
        Ok(context)
    }
}

impl RemoteBridge {
    fn context(&self) -> Result<SslContext, KeyStoreError> {
        let identity = Identity::load(&self.certificate, &self.key)?;
        let authorities = tls::certificates(&self.server_ca)?;
        let build = || -> Result<SslContext, ErrorStack> {
            let store = tls::anchors(&authorities, X509VerifyFlags::empty())?.build();
            let mut builder = tls::context(SslMethod::tls_client(), &identity, store)?;
            builder.set_verify(SslVerifyMode::PEER);
            builder.set_alpn_protos(tls::PROTOCOLS)?;
            Ok(builder.build())
        };
        build().map_err(|e| tls::wrong(&self.certificate, &e))
    }
}

/// An error that the same attempt would meet again.
fn hopeless(why: String) -> io::Error {
    io::Error::new(ErrorKind::PermissionDenied, why)
}

fn shake_hands(
    remote: &RemoteBridge,
    context: &SslContext,
    deadline: Instant,
) -> io::Result<SslStream<TcpStream>> {
    let tcp = dial(&names::look_up(&remote.address, deadline)?, deadline)?;
    tcp.set_nodelay(true)?;
    let left = left(deadline)?;
    tcp.set_read_timeout(Some(left))?;
    tcp.set_write_timeout(Some(left))?;
    let mut ssl = Ssl::new(context)?;
    let address = remote.server_name.parse::<IpAddr>();
    let parameters = ssl.param_mut();
    // RFC 9525 §6.3: the common name of a subject is no name of a host.
    parameters
        .set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS | X509CheckFlags::NEVER_CHECK_SUBJECT);
    if let Ok(address) = address {
        parameters.set_ip(address)?;
    } else {
        parameters.set_host(&remote.server_name)?;
        ssl.set_hostname(&remote.server_name)?;
    }
    let stream = match ssl.connect(tcp) {
        Ok(stream) => stream,
        Err(HandshakeError::SetupFailure(error)) => return Err(error.into()),
        Err(HandshakeError::Failure(failed) | HandshakeError::WouldBlock(failed)) => {
            let verified = failed.ssl().verify_result();
            return Err(if verified == X509VerifyResult::OK {
                plain(failed.into_error())
            } else {
                let reason = verified.error_string();
                hopeless(format!("the gate's certificate is not accepted: {reason}"))
            });
        }
    };
    if stream.ssl().selected_alpn_protocol() != Some(tls::PROTOCOL) {
        return Err(hopeless("it speaks another protocol (ALPN)".to_owned()));
    }
    Ok(stream)
}

fn left(deadline: Instant) -> io::Result<Duration> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

/// Tries each address of a host, each for its share of the time: one that nobody answers on leaves some for the others.
fn dial(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut last = None;
    for (address, behind) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let share = left(deadline)? / u32::try_from(behind).unwrap_or(u32::MAX);
        match TcpStream::connect_timeout(address, share) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| ErrorKind::AddrNotAvailable.into()))
}

/// An error of TLS as one of the stream; what the gate refused by an alert, it will refuse again.
fn plain(error: Error) -> io::Error {
    if tls::alert(&error).is_some() {
        return hopeless(format!(
            "the gate refused the handshake: {}",
            tls::words(&error)
        ));
    }
    match error.into_io_error() {
        Ok(error) => error,
        // A record that was none of ours to see was dealt with; the same call goes on.
        Err(error) if error.code() == ErrorCode::WANT_READ => ErrorKind::Interrupted.into(),
        Err(error) if error.code() == ErrorCode::SYSCALL => ErrorKind::UnexpectedEof.into(),
        Err(error) => io::Error::other(tls::words(&error)),
    }
}

/// A connection to the daemon.
pub(super) enum Stream {
    Unix(UnixStream, Patience),
    Tls(Box<SslStream<TcpStream>>),
}

impl Stream {
    /// How long one read or write may wait.
    pub(super) fn limit(&self, left: Duration) -> io::Result<()> {
        match self {
            Self::Unix(stream, _) => {
                stream.set_read_timeout(Some(left))?;
                stream.set_write_timeout(Some(left))
            }
            Self::Tls(stream) => {
                stream.get_ref().set_read_timeout(Some(left))?;
                stream.get_ref().set_write_timeout(Some(left))
            }
        }
    }

    /// Whether the other side has closed it. A write tells so of a Unix socket; over a network it would succeed, and leave open whether the
    /// request was read. Nothing else than the end can arrive on a connection that waits for no reply.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Unix(..) => false,
            Self::Tls(stream) => {
                let mut byte = [0];
                let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
                let found = recv(stream.get_ref(), &mut byte, flags);
                !matches!(
                    found,
                    Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR)
                )
            }
        }
    }
}

impl Read for Stream {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream, patience) => patience.on(stream).read(room),
            Self::Tls(stream) => match stream.ssl_read(room) {
                Ok(count) => Ok(count),
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => Ok(0),
                Err(error) => Err(plain(error)),
            },
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream, _) => stream.write(bytes),
            Self::Tls(stream) => stream.ssl_write(bytes).map_err(plain),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Self::Tls(stream) = self {
            // A farewell, so that the gate knows that nothing was cut off; one that is gone, or takes nothing in, is not waited for.
            let _said = stream
                .get_ref()
                .set_nonblocking(true)
                .map(|()| stream.shutdown());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_on_another_host_takes_the_place_of_the_socket() {
        let text = "address = 'keys.example:8450'\nserver_name = 'keys.example'\nserver_ca = 'a'\ncertificate = 'b'\nkey = 'c'\n";
        let remote: RemoteBridge = toml::from_str(text).unwrap();
        let socket = Path::new("run/ocsp.sock");
        assert_eq!(Transport::of(socket, None).to_string(), "run/ocsp.sock");
        assert_eq!(
            Transport::of(socket, Some(&remote)).to_string(),
            "keys.example:8450"
        );
        assert!(toml::from_str::<RemoteBridge>(&format!("{text}insecure = true\n")).is_err());
        let (without, _) = text.split_once("key").unwrap();
        assert!(toml::from_str::<RemoteBridge>(without).is_err());
    }

    #[test]
    fn an_address_on_which_nobody_answers_leaves_time_for_the_next() {
        use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
        // A listener whose queue is full drops what comes.
        let full = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&full, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        listen(&full, 0).unwrap();
        let silent = SocketAddr::try_from(getsockname(&full).unwrap()).unwrap();
        let waiting = Duration::from_millis(200);
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&silent, waiting) {
            queued.push(stream);
        }
        let open = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let answers = open.local_addr().unwrap();
        let deadline = Instant::now() + Duration::from_secs(2);
        let found = dial(&[silent, answers], deadline).unwrap();
        assert_eq!(found.peer_addr().unwrap(), answers);
        let alone = dial(&[silent], Instant::now() + waiting).unwrap_err();
        assert_eq!(alone.kind(), ErrorKind::TimedOut);
    }
}
