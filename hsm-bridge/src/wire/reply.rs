//! What the daemon answers.

use std::sync::Arc;

use super::codec::{Reader, Writer};
use super::{VERSION, WireError};
use crate::pkcs11::KeyInfo;
use crate::{DataKey, KeyId, KeyStoreError};

/// The longest text that travels with an error; the rest is cut off.
const MAX_ERROR_TEXT: usize = 512;

/// The result of one operation.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Done,
    Found(Option<KeyId>),
    Key(Arc<KeyInfo>),
    Made(KeyId),
    Signature(Vec<u8>),
    Wrapped(Vec<u8>),
    Opened(DataKey),
    Mac([u8; 32]),
    /// What a holder's authenticator shall sign.
    Challenge([u8; 32]),
    /// What was done by order, as JSON.
    Carried(String),
    Attached {
        /// The number of the route that this connection serves.
        route: u32,
        /// How many routes there are.
        routes: u32,
    },
    Failed(KeyStoreError),
}

/// A reply with the id of its request.
#[derive(Debug, Clone)]
pub(crate) struct ReplyFrame {
    pub(crate) id: u64,
    pub(crate) reply: Reply,
}

impl Reply {
    /// Whether a frame of this reply holds key material, so that its buffer must be wiped.
    pub(crate) const fn is_secret(&self) -> bool {
        matches!(self, Self::Opened(_))
    }
}

impl ReplyFrame {
    /// Appends the frame's content, without its length.
    pub(crate) fn encode(&self, to: &mut Vec<u8>) {
        let mut to = Writer(to);
        to.byte(VERSION);
        to.u64(self.id);
        match &self.reply {
            Reply::Failed(error) => {
                let (code, text) = error_code(error);
                to.byte(code);
                to.bytes(
                    text.get(..text.floor_char_boundary(MAX_ERROR_TEXT))
                        .unwrap_or_default()
                        .as_bytes(),
                );
            }
            Reply::Done => to.byte(1),
            Reply::Found(found) => {
                to.byte(2);
                to.byte(u8::from(found.is_some()));
                if let Some(id) = found {
                    to.raw(id.as_bytes());
                }
            }
            Reply::Key(info) => {
                to.byte(3);
                to.raw(info.id.as_bytes());
                to.label(&info.label);
                to.algorithm(info.algorithm);
                to.public_key(&info.public_key);
            }
            Reply::Made(id) => {
                to.byte(4);
                to.raw(id.as_bytes());
            }
            Reply::Signature(signature) => {
                to.byte(5);
                to.bytes(signature);
            }
            Reply::Wrapped(wrapped) => {
                to.byte(6);
                to.bytes(wrapped);
            }
            Reply::Opened(key) => {
                to.byte(7);
                to.raw(key.as_bytes());
            }
            Reply::Mac(mac) => {
                to.byte(8);
                to.raw(mac);
            }
            Reply::Challenge(challenge) => {
                to.byte(10);
                to.raw(challenge);
            }
            Reply::Carried(report) => {
                to.byte(11);
                to.bytes(report.as_bytes());
            }
            Reply::Attached { route, routes } => {
                to.byte(9);
                to.u32(*route);
                to.u32(*routes);
            }
        }
    }

    /// Reads a frame's content; every byte must belong to it.
    pub(crate) fn decode(content: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(content);
        match from.byte()? {
            VERSION => {}
            other => return Err(WireError::Version(other)),
        }
        let id = from.u64()?;
        let reply = match from.byte()? {
            1 => Reply::Done,
            2 => Reply::Found(match from.byte()? {
                0 => None,
                1 => Some(from.id()?),
                _ => return Err(WireError::Malformed("presence")),
            }),
            3 => Reply::Key(Arc::new(KeyInfo {
                id: from.id()?,
                label: from.label()?,
                algorithm: from.algorithm()?,
                public_key: from.public_key()?,
            })),
            4 => Reply::Made(from.id()?),
            5 => Reply::Signature(from.bytes()?.to_vec()),
            6 => Reply::Wrapped(from.bytes()?.to_vec()),
            7 => Reply::Opened(DataKey::from_bytes(from.array()?)),
            8 => Reply::Mac(from.array()?),
            10 => Reply::Challenge(from.array()?),
            11 => Reply::Carried(from.text()?.to_owned()),
            9 => Reply::Attached {
                route: from.u32()?,
                routes: from.u32()?,
            },
            code => Reply::Failed(error_of(code, from.text()?)?),
        };
        from.finish()?;
        Ok(Self { id, reply })
    }
}

pub(crate) fn error_code(error: &KeyStoreError) -> (u8, &str) {
    match error {
        KeyStoreError::NotPermitted => (128, ""),
        KeyStoreError::Busy(text) => (129, text),
        KeyStoreError::UnknownKey(text) => (130, text),
        KeyStoreError::KeyExists(text) => (131, text),
        KeyStoreError::KeyRefused(text) => (132, text),
        KeyStoreError::TokenUnavailable(text) => (133, text),
        KeyStoreError::Deadline => (134, ""),
        KeyStoreError::PinRefused => (135, ""),
        KeyStoreError::PinLocked => (136, ""),
        KeyStoreError::BadRequest(text) => (137, text),
        KeyStoreError::VerifyFailed => (138, ""),
        KeyStoreError::Configuration(text) => (139, text),
        KeyStoreError::OutcomeUnknown => (140, ""),
    }
}

pub(crate) fn error_of(code: u8, text: &str) -> Result<KeyStoreError, WireError> {
    let text = text.to_owned();
    Ok(match code {
        128 => KeyStoreError::NotPermitted,
        129 => KeyStoreError::Busy(text),
        130 => KeyStoreError::UnknownKey(text),
        131 => KeyStoreError::KeyExists(text),
        132 => KeyStoreError::KeyRefused(text),
        133 => KeyStoreError::TokenUnavailable(text),
        134 => KeyStoreError::Deadline,
        135 => KeyStoreError::PinRefused,
        136 => KeyStoreError::PinLocked,
        137 => KeyStoreError::BadRequest(text),
        138 => KeyStoreError::VerifyFailed,
        139 => KeyStoreError::Configuration(text),
        140 => KeyStoreError::OutcomeUnknown,
        _ => return Err(WireError::Malformed("status")),
    })
}
