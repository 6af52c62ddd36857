//! What a service may ask.

use super::codec::{Reader, Writer};
use super::held::HeldRequest;
use super::{VERSION, WireError};
use crate::{DataKey, KeyAlgorithm, KeyId, KeyLabel, SecretPurpose, SignatureScheme};

/// What is to be signed: the message where the bridge should see it, its digest where it is long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload {
    /// The message itself.
    Message(Vec<u8>),
    /// The digest that the scheme names.
    Digest(Vec<u8>),
}

/// What a connection is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// The key of this label.
    Label(KeyLabel),
    /// The route of this number.
    Route(u32),
    /// The token of this name, for an order.
    Token(String),
}

/// One operation with its operands.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Attach {
        target: Target,
    },
    Health,
    Find {
        label: KeyLabel,
    },
    Describe {
        id: KeyId,
    },
    Generate {
        label: KeyLabel,
        algorithm: KeyAlgorithm,
    },
    Destroy {
        id: KeyId,
    },
    Sign {
        id: KeyId,
        scheme: SignatureScheme,
        payload: Payload,
    },
    /// About a key that only its holder releases.
    Held(HeldRequest),
    /// An order of administrators, and the signatures under it: names and bytes.
    Order {
        order: Vec<u8>,
        approvals: Vec<(String, Vec<u8>)>,
    },
    /// Announces a message of many pieces, which follow as [`Request::Piece`]; there is one reply, after the last.
    SignLong {
        id: KeyId,
        scheme: SignatureScheme,
        length: u64,
    },
    /// The next piece of the message that was announced.
    Piece {
        bytes: Vec<u8>,
    },
    GenerateSecret {
        label: KeyLabel,
        purpose: SecretPurpose,
    },
    Wrap {
        kek: KeyLabel,
        aad: Vec<u8>,
        key: DataKey,
    },
    Unwrap {
        kek: KeyLabel,
        aad: Vec<u8>,
        wrapped: Vec<u8>,
    },
    Hmac {
        key: KeyLabel,
        message: Vec<u8>,
    },
}

/// A request with the id its reply will carry and the time its caller will wait.
#[derive(Debug, Clone)]
pub(crate) struct RequestFrame {
    pub(crate) id: u64,
    pub(crate) deadline_ms: u32,
    pub(crate) request: Request,
}

impl Request {
    /// Whether a frame of this request holds key material, so that its buffer must be wiped.
    pub(crate) const fn is_secret(&self) -> bool {
        matches!(self, Self::Wrap { .. })
    }

    /// The request's name in records, and whether it makes a key, which may take long.
    pub(crate) const fn describe(&self) -> (&'static str, bool) {
        match self {
            Self::Attach { .. } => ("attach", false),
            Self::Health => ("health", false),
            Self::Find { .. } => ("find", false),
            Self::Describe { .. } => ("describe", false),
            Self::Generate { .. } => ("generate", true),
            Self::Held(request) => request.describe(),
            Self::Order { .. } => ("order", true),
            Self::Destroy { .. } => ("destroy", false),
            Self::Sign { .. } | Self::SignLong { .. } | Self::Piece { .. } => ("sign", false),
            Self::GenerateSecret { .. } => ("generate-secret", true),
            Self::Wrap { .. } => ("wrap", false),
            Self::Unwrap { .. } => ("unwrap", false),
            Self::Hmac { .. } => ("hmac", false),
        }
    }

    /// The key that is named by its id.
    pub(crate) const fn key_id(&self) -> Option<KeyId> {
        match self {
            Self::Describe { id }
            | Self::Destroy { id }
            | Self::Sign { id, .. }
            | Self::SignLong { id, .. }
            | Self::Held(HeldRequest::Activate { id, .. } | HeldRequest::Sign { id, .. }) => {
                Some(*id)
            }
            _ => None,
        }
    }

    /// Whether doing it twice does no more than doing it once.
    pub(crate) const fn is_repeatable(&self) -> bool {
        !matches!(
            self,
            Self::Generate { .. }
                | Self::GenerateSecret { .. }
                | Self::Destroy { .. }
                | Self::Order { .. }
                | Self::Held(HeldRequest::Generate { .. } | HeldRequest::Sign { .. })
        )
    }

    /// Bytes of the operands of a request that another caller may send along with its own: one frame, and no harm in doing it twice.
    /// `None` for those that go alone.
    pub(crate) fn shared_bytes(&self) -> Option<usize> {
        match self {
            Self::Health | Self::Find { .. } | Self::Describe { .. } => Some(0),
            Self::Sign { payload, .. } => match payload {
                Payload::Message(bytes) | Payload::Digest(bytes) => Some(bytes.len()),
            },
            Self::Wrap { aad, .. } => Some(aad.len()),
            Self::Unwrap { aad, wrapped, .. } => Some(aad.len().saturating_add(wrapped.len())),
            Self::Hmac { message, .. } => Some(message.len()),
            _ => None,
        }
    }

    /// Appends a frame's content, without its length.
    pub(crate) fn encode(&self, id: u64, deadline_ms: u32, to: &mut Vec<u8>) {
        let mut to = Writer(to);
        to.byte(VERSION);
        to.u64(id);
        to.u32(deadline_ms);
        match self {
            Request::Attach { target } => {
                to.byte(11);
                match target {
                    Target::Label(label) => {
                        to.byte(0);
                        to.label(label);
                    }
                    Target::Route(route) => {
                        to.byte(1);
                        to.u32(*route);
                    }
                    Target::Token(name) => {
                        to.byte(2);
                        to.bytes(name.as_bytes());
                    }
                }
            }
            Request::Health => to.byte(1),
            Request::Find { label } => {
                to.byte(2);
                to.label(label);
            }
            Request::Describe { id } => {
                to.byte(3);
                to.raw(id.as_bytes());
            }
            Request::Generate { label, algorithm } => {
                to.byte(4);
                to.label(label);
                to.algorithm(*algorithm);
            }
            Request::Destroy { id } => {
                to.byte(5);
                to.raw(id.as_bytes());
            }
            Request::Sign {
                id,
                scheme,
                payload,
            } => {
                to.byte(6);
                to.raw(id.as_bytes());
                to.scheme(*scheme);
                let (kind, bytes) = match payload {
                    Payload::Message(bytes) => (0, bytes),
                    Payload::Digest(bytes) => (1, bytes),
                };
                to.byte(kind);
                to.bytes(bytes);
            }
            Request::Held(request) => request.encode(&mut to),
            Request::Order { order, approvals } => {
                to.byte(17);
                to.bytes(order);
                to.u32(u32::try_from(approvals.len()).unwrap_or(u32::MAX));
                for (name, signature) in approvals {
                    to.bytes(name.as_bytes());
                    to.bytes(signature);
                }
            }
            Request::SignLong { id, scheme, length } => {
                to.byte(12);
                to.raw(id.as_bytes());
                to.scheme(*scheme);
                to.u64(*length);
            }
            Request::Piece { bytes } => {
                to.byte(13);
                to.bytes(bytes);
            }
            Request::GenerateSecret { label, purpose } => {
                to.byte(7);
                to.label(label);
                to.purpose(*purpose);
            }
            Request::Wrap { kek, aad, key } => {
                to.byte(8);
                to.label(kek);
                to.bytes(aad);
                to.raw(key.as_bytes());
            }
            Request::Unwrap { kek, aad, wrapped } => {
                to.byte(9);
                to.label(kek);
                to.bytes(aad);
                to.bytes(wrapped);
            }
            Request::Hmac { key, message } => {
                to.byte(10);
                to.label(key);
                to.bytes(message);
            }
        }
    }
}

impl RequestFrame {
    /// Reads a frame's content; every byte must belong to it.
    pub(crate) fn decode(content: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(content);
        match from.byte()? {
            VERSION => {}
            other => return Err(WireError::Version(other)),
        }
        let id = from.u64()?;
        let deadline_ms = from.u32()?;
        let request = operation(&mut from)?;
        from.finish()?;
        Ok(Self {
            id,
            deadline_ms,
            request,
        })
    }
}

fn operation(from: &mut Reader<'_>) -> Result<Request, WireError> {
    Ok(match from.byte()? {
        1 => Request::Health,
        2 => Request::Find {
            label: from.label()?,
        },
        3 => Request::Describe { id: from.id()? },
        4 => Request::Generate {
            label: from.label()?,
            algorithm: from.algorithm()?,
        },
        5 => Request::Destroy { id: from.id()? },
        6 => {
            let (id, scheme) = (from.id()?, from.scheme()?);
            let payload = match from.byte()? {
                0 => Payload::Message(from.bytes()?.to_vec()),
                1 => Payload::Digest(from.bytes()?.to_vec()),
                _ => return Err(WireError::Malformed("payload")),
            };
            Request::Sign {
                id,
                scheme,
                payload,
            }
        }
        7 => Request::GenerateSecret {
            label: from.label()?,
            purpose: from.purpose()?,
        },
        8 => Request::Wrap {
            kek: from.label()?,
            aad: from.bytes()?.to_vec(),
            key: DataKey::from_bytes(from.array()?),
        },
        9 => Request::Unwrap {
            kek: from.label()?,
            aad: from.bytes()?.to_vec(),
            wrapped: from.bytes()?.to_vec(),
        },
        10 => Request::Hmac {
            key: from.label()?,
            message: from.bytes()?.to_vec(),
        },
        11 => Request::Attach {
            target: match from.byte()? {
                0 => Target::Label(from.label()?),
                1 => Target::Route(from.u32()?),
                2 => Target::Token(from.text()?.to_owned()),
                _ => return Err(WireError::Malformed("target")),
            },
        },
        12 => Request::SignLong {
            id: from.id()?,
            scheme: from.scheme()?,
            length: from.u64()?,
        },
        13 => Request::Piece {
            bytes: from.bytes()?.to_vec(),
        },
        17 => Request::Order {
            order: from.bytes()?.to_vec(),
            approvals: approvals(from)?,
        },
        code @ 14..=16 => Request::Held(HeldRequest::decode(code, from)?),
        _ => return Err(WireError::Malformed("operation")),
    })
}

/// A count and as many names with signatures; memory is taken only for those that are there.
fn approvals(from: &mut Reader<'_>) -> Result<Vec<(String, Vec<u8>)>, WireError> {
    let count = from.u32()?;
    let mut approvals = Vec::new();
    for _ in 0..count {
        approvals.push((from.text()?.to_owned(), from.bytes()?.to_vec()));
    }
    Ok(approvals)
}
