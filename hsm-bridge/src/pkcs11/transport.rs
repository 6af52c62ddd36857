//! What a key pair is for: signing, or opening keys of elsewhere on their way into the token.

use cryptoki::object::{Attribute, AttributeType};

use super::attributes::with;
use crate::KeyAlgorithm;

/// The kind of every transport key: 128 bits of strength (NIST SP 800-57 part 1, table 2), as much as most keys that travel under it.
pub(super) const TRANSPORT: KeyAlgorithm = KeyAlgorithm::Rsa3072;

/// The one purpose of a key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Its private half signs.
    Signing,
    /// Its private half unwraps keys, and decrypts nothing that a caller could then read.
    Transport,
}

impl Purpose {
    /// What the private half may do.
    pub(super) const fn uses(self) -> &'static [AttributeType] {
        match self {
            Self::Signing => &[AttributeType::Sign],
            Self::Transport => &[AttributeType::Unwrap],
        }
    }

    /// The template of a public half, which was written for signing keys.
    pub(super) fn public(self, template: Vec<Attribute>) -> Vec<Attribute> {
        match self {
            Self::Signing => template,
            Self::Transport => with(
                with(template, Attribute::Verify(false)),
                Attribute::Wrap(true),
            ),
        }
    }

    /// The template of a private half, which was written for signing keys.
    pub(super) fn private(self, template: Vec<Attribute>) -> Vec<Attribute> {
        match self {
            Self::Signing => template,
            Self::Transport => with(
                with(template, Attribute::Sign(false)),
                Attribute::Unwrap(true),
            ),
        }
    }
}
