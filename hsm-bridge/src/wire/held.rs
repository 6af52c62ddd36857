//! What a service may ask about keys that only their holders release.

use super::WireError;
use super::codec::{Reader, Writer};
use crate::{KeyAlgorithm, KeyId, KeyLabel, SignatureScheme};

/// The passkey of a key's holder, as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passkey {
    pub(crate) public_key: Vec<u8>,
    pub(crate) rp_id: String,
    pub(crate) origin: String,
}

/// What the holder's authenticator answered, as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) client_data_json: Vec<u8>,
    pub(crate) authenticator_data: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// One operation with its operands.
#[derive(Debug, Clone)]
pub(crate) enum HeldRequest {
    /// Makes a key for a holder.
    Generate {
        label: KeyLabel,
        algorithm: KeyAlgorithm,
        holder: Passkey,
    },
    /// Asks for the challenge that allows these digests to be signed.
    Activate {
        id: KeyId,
        context: Vec<u8>,
        digests: Vec<Vec<u8>>,
    },
    /// Signs what a holder agreed to.
    Sign {
        id: KeyId,
        scheme: SignatureScheme,
        message: Vec<u8>,
        assertion: Answered,
    },
}

impl HeldRequest {
    /// The request's name in records, and whether it makes a key.
    pub(super) const fn describe(&self) -> (&'static str, bool) {
        match self {
            Self::Generate { .. } => ("generate", true),
            Self::Activate { .. } => ("activate", false),
            Self::Sign { .. } => ("sign", false),
        }
    }

    pub(super) fn encode(&self, to: &mut Writer<'_>) {
        match self {
            Self::Generate {
                label,
                algorithm,
                holder,
            } => {
                to.byte(14);
                to.label(label);
                to.algorithm(*algorithm);
                to.bytes(&holder.public_key);
                to.bytes(holder.rp_id.as_bytes());
                to.bytes(holder.origin.as_bytes());
            }
            Self::Activate {
                id,
                context,
                digests,
            } => {
                to.byte(15);
                to.raw(id.as_bytes());
                to.bytes(context);
                to.u32(u32::try_from(digests.len()).unwrap_or(u32::MAX));
                for digest in digests {
                    to.bytes(digest);
                }
            }
            Self::Sign {
                id,
                scheme,
                message,
                assertion,
            } => {
                to.byte(16);
                to.raw(id.as_bytes());
                to.scheme(*scheme);
                to.bytes(message);
                to.bytes(&assertion.client_data_json);
                to.bytes(&assertion.authenticator_data);
                to.bytes(&assertion.signature);
            }
        }
    }

    /// Reads the operands of an operation by its code.
    pub(super) fn decode(code: u8, from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(match code {
            14 => Self::Generate {
                label: from.label()?,
                algorithm: from.algorithm()?,
                holder: Passkey {
                    public_key: from.bytes()?.to_vec(),
                    rp_id: from.text()?.to_owned(),
                    origin: from.text()?.to_owned(),
                },
            },
            15 => Self::Activate {
                id: from.id()?,
                context: from.bytes()?.to_vec(),
                digests: digests(from)?,
            },
            16 => Self::Sign {
                id: from.id()?,
                scheme: from.scheme()?,
                message: from.bytes()?.to_vec(),
                assertion: Answered {
                    client_data_json: from.bytes()?.to_vec(),
                    authenticator_data: from.bytes()?.to_vec(),
                    signature: from.bytes()?.to_vec(),
                },
            },
            _ => return Err(WireError::Malformed("operation")),
        })
    }
}

/// A count and as many digests; memory is taken only for those that are there.
fn digests(from: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, WireError> {
    let count = from.u32()?;
    let mut digests = Vec::new();
    for _ in 0..count {
        digests.push(from.bytes()?.to_vec());
    }
    Ok(digests)
}
