//! Signatures of persons under an order, in a file beside it.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::error::OrderError;
use super::field::Octets;
use super::is_name;
use super::order::Order;

/// The longest file of signatures.
const MAX_FILE: usize = 16 * 1024;
/// The longest signature: an ECDSA signature on P-256 in DER takes 72 bytes.
const MAX_SIGNATURE: usize = 80;

/// One person's signature over the bytes of an order: ECDSA on P-256 with SHA-256 in DER (RFC 3279 §2.2.3), or Ed25519 (RFC 8032).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The person's name in the configuration of the bridge.
    pub administrator: String,
    signature: Octets,
}

impl Approval {
    /// Names a person and their signature; says nothing about whether it verifies.
    pub fn new(administrator: &str, signature: Vec<u8>) -> Result<Self, OrderError> {
        if !is_name(administrator) {
            return Err(OrderError::Value(
                "administrator: a name is 1 to 64 letters, digits and '-'".to_owned(),
            ));
        }
        if signature.is_empty() || signature.len() > MAX_SIGNATURE {
            return Err(OrderError::Value(format!(
                "a signature has 1 to {MAX_SIGNATURE} bytes"
            )));
        }
        Ok(Self {
            administrator: administrator.to_owned(),
            signature: Octets(signature),
        })
    }

    /// The signature.
    pub fn signature(&self) -> &[u8] {
        &self.signature.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Format {
    #[serde(rename = "romduol hsm-bridge approvals 1")]
    One,
}

/// The signatures gathered so far under one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approvals {
    format: Format,
    /// SHA-256 of the order, in hexadecimal digits.
    order: String,
    /// The signatures, in the order in which they came.
    pub approvals: Vec<Approval>,
}

impl Approvals {
    /// No signature yet, under the order of these bytes.
    pub fn of(order: &[u8]) -> Self {
        let mut digits = String::new();
        for byte in Order::hash(order) {
            // Writing to memory cannot fail.
            let _written = write!(digits, "{byte:02x}");
        }
        Self {
            format: Format::One,
            order: digits,
            approvals: Vec::new(),
        }
    }

    /// Reads a file of signatures, which must be those under the order of these bytes.
    pub fn parse(bytes: &[u8], order: &[u8]) -> Result<Self, OrderError> {
        if bytes.len() > MAX_FILE {
            return Err(OrderError::TooLong(MAX_FILE));
        }
        let approvals: Self =
            serde_json::from_slice(bytes).map_err(|e| OrderError::unreadable(&e))?;
        if approvals.order != Self::of(order).order {
            return Err(OrderError::Value(
                "these are signatures under another order, or the order was changed since"
                    .to_owned(),
            ));
        }
        for approval in &approvals.approvals {
            Approval::new(&approval.administrator, approval.signature.0.clone())?;
        }
        Ok(approvals)
    }

    /// The file.
    pub fn encode(&self) -> Result<Vec<u8>, OrderError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|e| OrderError::unreadable(&e))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}
