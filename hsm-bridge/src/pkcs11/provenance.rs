//! Where a key of elsewhere came from, as the evidence beside it tells.

use serde::{Deserialize, Serialize};

use super::evidence::FORMAT;
use crate::{KeyId, KeyLabel};

/// How a key of elsewhere came into the token; its members are in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Who else agreed.
    pub approvers: Vec<String>,
    /// Who asked for it.
    pub author: String,
    /// The number of the order.
    pub order: String,
    /// SHA-256 of the order, in hexadecimal digits.
    pub order_sha256: String,
    /// Label of the key that it was wrapped under.
    pub transport_key: KeyLabel,
}

/// What is read again of the evidence of a key of elsewhere.
#[derive(Deserialize)]
struct Import {
    format: String,
    imported: Provenance,
    key_id: KeyId,
    label: KeyLabel,
}

/// The key that evidence, as it is kept beside a key, says to have come by an order.
pub(crate) fn import_told_in(kept: &[u8]) -> Option<(KeyLabel, KeyId)> {
    let import: Import = serde_json::from_slice(kept).ok()?;
    let tells = import.format == FORMAT && !import.imported.order.is_empty();
    tells.then_some((import.label, import.key_id))
}

/// Whether evidence, as it is kept beside a key, says that the key of this label and id came by an order.
pub(super) fn tells_of_import(kept: &[u8], label: &KeyLabel, id: KeyId) -> bool {
    import_told_in(kept).is_some_and(|told| told.0 == *label && told.1 == id)
}
