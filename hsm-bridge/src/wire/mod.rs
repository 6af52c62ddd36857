//! What travels between a service and the daemon: length-capped frames with a version, a request id and a deadline.
//!
//! A frame is a 32-bit big-endian length and that many bytes. A request reads version, id (64 bits), deadline in milliseconds
//! (32 bits), operation, operands; a reply reads version, id, status, result. Requests may be sent ahead of replies; replies come
//! in the order of their requests. Whatever does not parse ends the connection. The first request of a connection names the key it
//! is for, so that the connection can be handed to the token that serves it.

mod codec;
mod eager;
mod frame;
mod held;
mod reply;
mod request;

use thiserror::Error;

pub(crate) use eager::Patience;
pub(crate) use frame::{Inbound, Outbound};
pub(crate) use held::{Answered, HeldRequest, Passkey};
pub(crate) use reply::{Reply, ReplyFrame, error_code, error_of};
pub(crate) use request::{Payload, Request, RequestFrame, Target};

/// The version of the protocol.
pub(crate) const VERSION: u8 = 2;
/// The id of a reply that answers no request but refuses the connection.
pub(crate) const ABOUT_THE_CONNECTION: u64 = 0;
/// The longest frame, without its length; longer messages to sign travel as digests.
pub const MAX_FRAME: usize = 1 << 20;

/// Why bytes are not a frame of ours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    /// The frame is longer than [`MAX_FRAME`].
    #[error("a frame of {0} bytes is too long")]
    TooLong(usize),
    /// The peer speaks another version.
    #[error("protocol version {0} is not spoken here")]
    Version(u8),
    /// The frame ends early, goes on after its end, or holds a value that is not defined.
    #[error("malformed frame: {0}")]
    Malformed(&'static str),
}

#[cfg(test)]
mod tests;
