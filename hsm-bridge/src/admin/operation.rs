//! What can be ordered.

use der::Decode;
use serde::{Deserialize, Serialize};
use spki::SubjectPublicKeyInfoOwned;

use super::error::OrderError;
use super::field::Octets;
use crate::{KeyAlgorithm, KeyId, KeyLabel, SecretPurpose, sealed};

/// Labels of the bridge's own keys begin so; no order touches them, but for the generations that wrap sealed keys.
const OWN: &str = "bridge/";
/// The longest wrapped key: a modulus of 4096 bits and an RSA-4096 private key behind it.
const MAX_WRAPPED: usize = 4096;

/// The hash of RSAES-OAEP and of its mask (RFC 8017 §7.1); tokens differ in what they know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Oaep {
    /// SHA-1, which every token knows; OAEP does not rest on its resistance to collisions.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// What nobody gets back once a symmetric key is gone. The bridge does not know who keeps what under which key, so those who sign say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Loss {
    /// Of a key that wraps.
    #[serde(rename = "everything wrapped under it")]
    Wrapped,
    /// Of a key that authenticates.
    #[serde(rename = "everything computed with it")]
    Computed,
}

impl From<SecretPurpose> for Loss {
    fn from(purpose: SecretPurpose) -> Self {
        match purpose {
            SecretPurpose::KeyEncryption => Self::Wrapped,
            SecretPurpose::Mac => Self::Computed,
        }
    }
}

/// One administrative act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Operation {
    /// Make a key pair that signs.
    Generate {
        /// The label of the new key.
        label: KeyLabel,
        /// Its kind.
        algorithm: KeyAlgorithm,
    },
    /// Make a symmetric key.
    GenerateSecret {
        /// The label of the new key.
        label: KeyLabel,
        /// What it is for.
        purpose: SecretPurpose,
    },
    /// Make a key pair under which keys of elsewhere are wrapped for this token.
    MakeTransportKey {
        /// The label of the new key.
        label: KeyLabel,
    },
    /// Take in a key that was made elsewhere.
    Import(ImportedKey),
    /// Let a key sign no more; it stays, and can be described.
    Retire {
        /// The key's label.
        label: KeyLabel,
        /// The key's id; both must be those of one key.
        id: KeyId,
    },
    /// Let a retired key sign again.
    Restore {
        /// The key's label.
        label: KeyLabel,
        /// The key's id; both must be those of one key.
        id: KeyId,
    },
    /// Destroy a key pair for good.
    Destroy {
        /// The key's label.
        label: KeyLabel,
        /// The key's id; both must be those of one key.
        id: KeyId,
    },
    /// Let a symmetric key protect nothing more (the state *deactivated* of NIST SP 800-57 part 1 §7.3): one that wraps still opens what
    /// it wrapped, one that authenticates does nothing.
    RetireSecret {
        /// The key's label.
        label: KeyLabel,
        /// What the key is for.
        purpose: SecretPurpose,
    },
    /// Let a retired symmetric key protect again.
    RestoreSecret {
        /// The key's label.
        label: KeyLabel,
        /// What the key is for.
        purpose: SecretPurpose,
    },
    /// Destroy a symmetric key for good.
    DestroySecret {
        /// The key's label.
        label: KeyLabel,
        /// What the key is for.
        purpose: SecretPurpose,
        /// What is lost with it; absent for a generation that wraps sealed keys, which the bridge counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        loses: Option<Loss>,
    },
    /// Tell how a key was made, signed with the bridge's own key.
    Attest {
        /// The key's label.
        label: KeyLabel,
    },
}

/// A private key on its way into a token: `CKM_RSA_AES_KEY_WRAP` (PKCS#11 v3.0 §2.1.21).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedKey {
    /// The label it shall have.
    pub label: KeyLabel,
    /// Its kind.
    pub algorithm: KeyAlgorithm,
    public_key: Octets,
    /// The transport key that it is wrapped under.
    pub transport_key: KeyLabel,
    /// The hash of the outer layer.
    pub oaep: Oaep,
    wrapped: Octets,
}

fn wrong(what: impl std::fmt::Display) -> OrderError {
    OrderError::Value(what.to_string())
}

impl ImportedKey {
    /// Puts an import together; `public_key` is the DER of the key's SubjectPublicKeyInfo, whose kind must be one that tokens make.
    pub fn new(
        label: KeyLabel,
        public_key: &[u8],
        transport_key: KeyLabel,
        oaep: Oaep,
        wrapped: Vec<u8>,
    ) -> Result<Self, OrderError> {
        let imported = Self {
            label,
            algorithm: algorithm_of(public_key)?,
            public_key: Octets(public_key.to_vec()),
            transport_key,
            oaep,
            wrapped: Octets(wrapped),
        };
        imported.check()?;
        Ok(imported)
    }

    fn check(&self) -> Result<(), OrderError> {
        if algorithm_of(&self.public_key.0)? != self.algorithm {
            return Err(wrong(format_args!(
                "its public key is not {}",
                self.algorithm
            )));
        }
        if self.wrapped.0.is_empty() || self.wrapped.0.len() > MAX_WRAPPED {
            return Err(wrong(format_args!(
                "a wrapped key has 1 to {MAX_WRAPPED} bytes"
            )));
        }
        Ok(())
    }

    /// The key's public half.
    pub fn public_key(&self) -> Result<SubjectPublicKeyInfoOwned, OrderError> {
        SubjectPublicKeyInfoOwned::from_der(&self.public_key.0)
            .map_err(|e| wrong(format_args!("public key: {e}")))
    }

    /// The id that the key will have.
    pub fn id(&self) -> KeyId {
        KeyId::of_der(&self.public_key.0)
    }

    /// The wrapped key.
    pub fn wrapped(&self) -> &[u8] {
        &self.wrapped.0
    }
}

fn algorithm_of(public_key: &[u8]) -> Result<KeyAlgorithm, OrderError> {
    SubjectPublicKeyInfoOwned::from_der(public_key)
        .ok()
        .and_then(|key| KeyAlgorithm::of(&key))
        .ok_or_else(|| wrong("its public key is of no kind that tokens make here"))
}

impl Operation {
    /// The operation's name in files and, behind `order.`, in records.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Generate { .. } => "generate",
            Self::GenerateSecret { .. } => "generate-secret",
            Self::MakeTransportKey { .. } => "make-transport-key",
            Self::Import(_) => "import",
            Self::Retire { .. } => "retire",
            Self::Restore { .. } => "restore",
            Self::Destroy { .. } => "destroy",
            Self::RetireSecret { .. } => "retire-secret",
            Self::RestoreSecret { .. } => "restore-secret",
            Self::DestroySecret { .. } => "destroy-secret",
            Self::Attest { .. } => "attest",
        }
    }

    /// The name in the audit log; no grant of a policy has such a name, so an order never counts as a service's use of a key.
    pub const fn recorded(&self) -> &'static str {
        match self {
            Self::Generate { .. } => "order.generate",
            Self::GenerateSecret { .. } => "order.generate-secret",
            Self::MakeTransportKey { .. } => "order.make-transport-key",
            Self::Import(_) => "order.import",
            Self::Retire { .. } => "order.retire",
            Self::Restore { .. } => "order.restore",
            Self::Destroy { .. } => "order.destroy",
            Self::RetireSecret { .. } => "order.retire-secret",
            Self::RestoreSecret { .. } => "order.restore-secret",
            Self::DestroySecret { .. } => "order.destroy-secret",
            Self::Attest { .. } => "order.attest",
        }
    }

    /// The label of the key that the order is about.
    pub const fn label(&self) -> &KeyLabel {
        match self {
            Self::Generate { label, .. }
            | Self::GenerateSecret { label, .. }
            | Self::MakeTransportKey { label }
            | Self::Retire { label, .. }
            | Self::Restore { label, .. }
            | Self::Destroy { label, .. }
            | Self::RetireSecret { label, .. }
            | Self::RestoreSecret { label, .. }
            | Self::DestroySecret { label, .. }
            | Self::Attest { label } => label,
            Self::Import(imported) => &imported.label,
        }
    }

    /// The id of the key, where the order names it.
    pub fn id(&self) -> Option<KeyId> {
        match self {
            Self::Retire { id, .. } | Self::Restore { id, .. } | Self::Destroy { id, .. } => {
                Some(*id)
            }
            Self::Import(imported) => Some(imported.id()),
            _ => None,
        }
    }

    pub(super) fn check(&self) -> Result<(), OrderError> {
        if let Self::Import(imported) = self {
            imported.check()?;
        }
        let label = self.label();
        if !matches!(self, Self::Attest { .. })
            && label.as_str().starts_with(OWN)
            && !self.ends_a_generation()
        {
            return Err(wrong(format_args!(
                "{label} is a key of the bridge itself; no order touches it"
            )));
        }
        self.check_loss()
    }

    /// Whether it is about a generation that wraps sealed keys, in one of the ways in which those may be ordered about.
    fn ends_a_generation(&self) -> bool {
        match self {
            Self::RetireSecret { label, purpose }
            | Self::RestoreSecret { label, purpose }
            | Self::DestroySecret { label, purpose, .. } => {
                matches!(purpose, SecretPurpose::KeyEncryption)
                    && sealed::generation_of(label).is_some()
            }
            _ => false,
        }
    }

    fn check_loss(&self) -> Result<(), OrderError> {
        let Self::DestroySecret {
            label,
            purpose,
            loses,
        } = self
        else {
            return Ok(());
        };
        if sealed::generation_of(label).is_some() {
            return match loses {
                None => Ok(()),
                Some(_) => Err(wrong(format_args!(
                    "the keys sealed under {label} are counted, and none is lost by order: such an order names no loss"
                ))),
            };
        }
        if *loses == Some(Loss::from(*purpose)) {
            return Ok(());
        }
        let lost = match purpose {
            SecretPurpose::KeyEncryption => {
                "what services wrapped under it can never be opened again"
            }
            SecretPurpose::Mac => "what services computed with it can never be computed again",
        };
        Err(wrong(format_args!(
            "the bridge cannot count who still needs {label}, and {lost}: the order must name that loss"
        )))
    }
}
