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

/// The key that evidence, as it is kept beside a key, says to have come by an order. What is not written as evidence is, in canonical form
/// (RFC 8785), tells of nothing: other readers might see something else in it.
pub(crate) fn import_told_in(kept: &[u8]) -> Option<(KeyLabel, KeyId)> {
    let document: serde_json::Value = serde_json::from_slice(kept).ok()?;
    if serde_json::to_vec(&document).ok()? != kept {
        return None;
    }
    let import: Import = serde_json::from_value(document).ok()?;
    let tells = import.format == FORMAT && !import.imported.order.is_empty();
    tells.then_some((import.label, import.key_id))
}

/// Whether evidence, as it is kept beside a key, says that the key of this label and id came by an order.
pub(super) fn tells_of_import(kept: &[u8], label: &KeyLabel, id: KeyId) -> bool {
    import_told_in(kept).is_some_and(|told| told.0 == *label && told.1 == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by the fuzz target `evidence`: a part that nobody reads held a byte that is no UTF-8, and the rest was believed.
    #[test]
    fn evidence_that_others_would_read_otherwise_tells_of_nothing() {
        let good = format!(
            r#"{{"format":"{FORMAT}","imported":{{"approvers":["dara"],"author":"sok","order":"07","order_sha256":"ab","transport_key":"t/g1"}},"key_id":"{}","label":"ca/root","mechanism":"CKM_RSA_AES_KEY_WRAP"}}"#,
            "3f".repeat(20)
        );
        let (label, id) = import_told_in(good.as_bytes()).unwrap();
        assert_eq!(label.as_str(), "ca/root");
        assert!(tells_of_import(good.as_bytes(), &label, id));
        let mut damaged = good.clone().into_bytes();
        let place = good.find("CKM").unwrap();
        damaged[place] = 0xff;
        for bent in [
            damaged,
            good.replace("\"CKM_", "\"\\ud800").into_bytes(),
            good.replace("\"CKM_RSA_AES_KEY_WRAP\"", "1e999")
                .into_bytes(),
            good.replace("{\"format\"", "{ \"format\"").into_bytes(),
            good.replace("ca/root\",", "ca/root\",\"label\":\"ca/root\",")
                .into_bytes(),
            good.replace("\"order\":\"07\"", "\"order\":\"\"")
                .into_bytes(),
        ] {
            assert_ne!(bent, good.as_bytes());
            crate::fuzzing::evidence(&bent);
            assert_eq!(import_told_in(&bent), None, "{bent:?}");
        }
    }
}
