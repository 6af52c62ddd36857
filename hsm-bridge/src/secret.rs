//! Symmetric secrets: data keys that callers hold for a moment, and the purposes of those that never leave the token.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A 256-bit key that encrypts data outside the token; wiped from memory on drop and never printed.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// Takes 32 bytes from a random source of the caller.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(redacted)")
    }
}

/// What a symmetric key in the token is for; a key serves exactly one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretPurpose {
    /// AES-256 that wraps data keys.
    KeyEncryption,
    /// HMAC-SHA-256, for blind indexes and pairwise identifiers.
    Mac,
}
