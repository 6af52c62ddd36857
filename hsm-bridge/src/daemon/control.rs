//! What supervisor and worker say to each other: one packet a message, connections and the PIN file travel as descriptors.
//!
//! The socket is of the SEQPACKET kind, so a message arrives whole or not at all, and its end is the end of the other process.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType,
    recvmsg, sendmsg, shutdown, socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::config::TokenSettings;
use crate::KeyStoreError;
use crate::wire::{error_code, error_of};

/// The longest message; a policy of some hundred grants fits many times.
const MAX_MESSAGE: usize = 256 * 1024;

/// From the supervisor to its worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// The first message: what to open and what to allow; the PIN file, where there is one, comes along as a descriptor.
    Configure(Box<Configuration>),
    /// The answer to [`Report::Offering`]: it is noted, and the PIN may be offered.
    Offer,
    /// Serve a connection of this caller, which comes along as a descriptor.
    Serve { caller: String },
    /// End every connection after the requests that have arrived: its callers shall look for their token again.
    Drain,
}

/// What a worker needs to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Configuration {
    pub(super) token: TokenSettings,
    /// The text of the policy file, read by the supervisor.
    pub(super) policy: String,
    pub(super) max_connections: usize,
    pub(super) call_limit_ms: u32,
    pub(super) audit_folder: PathBuf,
    /// Where the token's sealed keys lie.
    pub(super) sealed_folder: PathBuf,
    pub(super) canary_ms: u32,
    pub(super) require_locked_memory: bool,
}

/// From a worker to its supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The token is open and about to be offered its PIN; it is not before [`Order::Offer`] comes.
    Offering,
    /// The token is open and logged in.
    Ready,
    /// The worker is alive and none of its calls is overdue.
    Alive,
    /// The token was lost, or refused a later login: no more connections are to come, and the worker ends as soon as the replies that are
    /// due are out.
    Ending(Failure),
    /// A call into the token has outlived its deadline: only the end of the process can end it.
    Overdue { operation: String },
    /// The worker is about to end: the token was lost, or never opened.
    Failed(Failure),
}

/// A key-store error on its way between processes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Failure {
    code: u8,
    text: String,
}

impl From<&KeyStoreError> for Failure {
    fn from(error: &KeyStoreError) -> Self {
        let (code, text) = error_code(error);
        Self {
            code,
            text: text.to_owned(),
        }
    }
}

impl From<Failure> for KeyStoreError {
    fn from(failure: Failure) -> Self {
        error_of(failure.code, &failure.text).unwrap_or(Self::TokenUnavailable(failure.text))
    }
}

/// One end of the conversation.
#[derive(Debug)]
pub(super) struct Control(OwnedFd);

impl Control {
    /// Two connected ends; both close on exec.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Self(ours), theirs))
    }

    /// The end that a worker was started with.
    pub(super) fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Another handle on the same end.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Tells the other side that no more messages come, and goes on receiving.
    pub(super) fn finish(&self) -> io::Result<()> {
        Ok(shutdown(&self.0, Shutdown::Write)?)
    }

    /// How long [`Control::receive`] waits.
    pub(super) fn limit(&self, wait: Option<Duration>) -> io::Result<()> {
        Ok(set_socket_timeout(&self.0, Timeout::Recv, wait)?)
    }

    /// How long [`Control::send`] waits for room.
    pub(super) fn limit_sending(&self, wait: Duration) -> io::Result<()> {
        Ok(set_socket_timeout(&self.0, Timeout::Send, Some(wait))?)
    }

    /// Sends a message, and a descriptor with it.
    pub(super) fn send(
        &self,
        message: &impl Serialize,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = descriptor.map(|fd| [fd]);
        if let Some(descriptors) = &descriptors
            && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors))
        {
            return Err(io::Error::other("no room for a descriptor"));
        }
        sendmsg(
            &self.0,
            &[IoSlice::new(&bytes)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )?;
        Ok(())
    }

    /// Receives a message; `None` when the other side is gone.
    pub(super) fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Option<OwnedFd>)>> {
        let mut bytes = vec![0; MAX_MESSAGE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            match recvmsg(&self.0, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::CONNRESET) => return Ok(None),
                other => break other?,
            }
        };
        if received.flags.contains(ReturnFlags::TRUNC) {
            return Err(io::Error::other("a message that is too long"));
        }
        let mut descriptor = None;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                descriptor = descriptors.last();
            }
        }
        if received.bytes == 0 {
            return Ok(None);
        }
        let content = bytes.get(..received.bytes).unwrap_or_default();
        Ok(Some((serde_json::from_slice(content)?, descriptor)))
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_message_arrives_with_its_descriptor_and_the_end_is_seen() {
        let (ours, theirs) = Control::pair().unwrap();
        let theirs = Control::from_fd(theirs);
        let (mut kept, given) = UnixStream::pair().unwrap();
        let order = Order::Serve {
            caller: "ca".to_owned(),
        };
        ours.send(&order, Some(given.as_fd())).unwrap();
        ours.send(&Order::Drain, None).unwrap();
        drop(given);
        let (order, descriptor) = theirs.receive::<Order>().unwrap().unwrap();
        assert!(matches!(order, Order::Serve { caller } if caller == "ca"));
        UnixStream::from(descriptor.unwrap())
            .write_all(b"hello")
            .unwrap();
        let mut said = String::new();
        kept.read_to_string(&mut said).unwrap();
        assert_eq!(said, "hello");
        assert!(matches!(
            theirs.receive::<Order>().unwrap(),
            Some((Order::Drain, None))
        ));
        drop(ours);
        assert!(theirs.receive::<Order>().unwrap().is_none());
    }

    #[test]
    fn an_error_travels_unchanged() {
        for error in [
            KeyStoreError::PinRefused,
            KeyStoreError::TokenUnavailable("gone".to_owned()),
        ] {
            assert_eq!(KeyStoreError::from(Failure::from(&error)), error);
        }
    }
}
