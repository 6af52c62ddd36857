//! The two notations of an ECDSA signature: fixed-length `r || s` (PKCS#11, JOSE) and DER `Ecdsa-Sig-Value` (X.509, CMS).

use der::asn1::UintRef;
use der::{Decode, Encode, Sequence};

use crate::{KeyStoreError, SignatureScheme};

/// RFC 3279 §2.2.3.
#[derive(Sequence)]
struct EcdsaSigValue<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

fn malformed(what: impl std::fmt::Display) -> KeyStoreError {
    KeyStoreError::BadRequest(format!("ECDSA signature: {what}"))
}

fn scalar_length(scheme: SignatureScheme) -> Result<usize, KeyStoreError> {
    scheme
        .ecdsa_scalar_length()
        .ok_or_else(|| malformed("the scheme is not ECDSA"))
}

/// Turns `r || s` into DER; a length other than twice the scalar's is refused.
pub fn der_from_raw(scheme: SignatureScheme, raw: &[u8]) -> Result<Vec<u8>, KeyStoreError> {
    let length = scalar_length(scheme)?;
    if raw.len() != 2 * length {
        return Err(malformed(format_args!(
            "{} bytes, not {}",
            raw.len(),
            2 * length
        )));
    }
    let (r, s) = raw.split_at(length);
    let value = EcdsaSigValue {
        r: UintRef::new(r).map_err(malformed)?,
        s: UintRef::new(s).map_err(malformed)?,
    };
    value.to_der().map_err(malformed)
}

/// Turns DER into `r || s` (RFC 7518 §3.4); scalars longer than the curve's are refused.
pub fn raw_from_der(scheme: SignatureScheme, der: &[u8]) -> Result<Vec<u8>, KeyStoreError> {
    let length = scalar_length(scheme)?;
    let value = EcdsaSigValue::from_der(der).map_err(malformed)?;
    let mut raw = Vec::with_capacity(2 * length);
    for scalar in [value.r.as_bytes(), value.s.as_bytes()] {
        let padding = length
            .checked_sub(scalar.len())
            .ok_or_else(|| malformed("scalar too long"))?;
        raw.resize(raw.len() + padding, 0);
        raw.extend_from_slice(scalar);
    }
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn raw_survives_der(raw in proptest::collection::vec(any::<u8>(), 64)) {
            let der = der_from_raw(SignatureScheme::EcdsaP256Sha256, &raw).unwrap();
            prop_assert_eq!(raw_from_der(SignatureScheme::EcdsaP256Sha256, &der).unwrap(), raw);
        }

        #[test]
        fn garbage_is_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            if let Ok(raw) = raw_from_der(SignatureScheme::EcdsaP384Sha384, &bytes) {
                prop_assert_eq!(raw.len(), 96);
            }
            prop_assert_eq!(der_from_raw(SignatureScheme::EcdsaP384Sha384, &bytes).is_ok(), bytes.len() == 96);
        }
    }
}
