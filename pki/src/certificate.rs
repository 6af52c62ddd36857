//! A certificate together with the very octets it was read from.
//!
//! Invariant: signatures are checked over the octets that arrived, never over a re-encoding.

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::pem::LineEnding;
use der::{Decode, Encode, Reader, SliceReader};
use hsm_bridge::{SignatureScheme, SignatureVerifier, VerifyError};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::ext::Extension;
use x509_cert::name::Name;

use crate::{serial, time};

const PEM_LABEL: &str = "CERTIFICATE";
/// Largest certificate that is parsed, in octets.
pub const MAX_OCTETS: usize = 64 * 1024;

/// Why octets are no certificate, or not one that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Not a DER Certificate.
    #[error("no certificate in DER: {0}")]
    Der(#[from] der::Error),
    /// Not PEM, or PEM of something else.
    #[error("no certificate in PEM")]
    Pem,
    /// Longer than [`MAX_OCTETS`].
    #[error("certificate is too long")]
    TooLong,
    /// An extension that occurs twice (RFC 5280 §4.2).
    #[error("extension {0} occurs more than once")]
    RepeatedExtension(ObjectIdentifier),
    /// An algorithm that the platform does not accept.
    #[error("signature algorithm {0} is not accepted")]
    Algorithm(ObjectIdentifier),
    /// The signature does not verify.
    #[error("signature does not verify")]
    Signature,
    /// The algorithm inside the signed part differs from the one outside (RFC 5280 §4.1.1.2).
    #[error("signature algorithms inside and outside the signed part differ")]
    AlgorithmMismatch,
    /// The serial number is not positive or longer than 20 octets.
    #[error(transparent)]
    Serial(#[from] serial::SerialError),
}

/// An X.509 certificate (RFC 5280 §4.1) and its original encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    tbs: std::ops::Range<usize>,
    inner: x509_cert::Certificate,
}

impl Certificate {
    /// Parses one certificate in DER; trailing octets are an error.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_OCTETS {
            return Err(CertificateError::TooLong);
        }
        let inner = x509_cert::Certificate::from_der(der)?;
        let tbs = signed_part(der)?;
        Ok(Self {
            der: der.to_vec(),
            tbs,
            inner,
        })
    }

    /// Parses one certificate in PEM (RFC 7468 §5).
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let (label, der) =
            der::pem::decode_vec(pem.trim().as_bytes()).map_err(|_| CertificateError::Pem)?;
        if label != PEM_LABEL {
            return Err(CertificateError::Pem);
        }
        Self::from_der(&der)
    }

    /// The certificate in DER, as it arrived.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate in PEM with line feeds.
    pub fn pem(&self) -> Result<String, CertificateError> {
        der::pem::encode_string(PEM_LABEL, LineEnding::LF, &self.der)
            .map_err(|_| CertificateError::Pem)
    }

    /// The TBSCertificate in DER, as it arrived.
    pub fn tbs_der(&self) -> &[u8] {
        self.der.get(self.tbs.clone()).unwrap_or_default()
    }

    /// The decoded form.
    pub fn inner(&self) -> &x509_cert::Certificate {
        &self.inner
    }

    /// The decoded signed part.
    pub fn tbs(&self) -> &x509_cert::TbsCertificate {
        self.inner.tbs_certificate()
    }

    /// Who is certified.
    pub fn subject(&self) -> &Name {
        self.tbs().subject()
    }

    /// Who certifies.
    pub fn issuer(&self) -> &Name {
        self.tbs().issuer()
    }

    /// The certified key.
    pub fn public_key(&self) -> &SubjectPublicKeyInfoOwned {
        self.tbs().subject_public_key_info()
    }

    /// The serial number; an error for those that RFC 5280 forbids to issue.
    pub fn serial(&self) -> Result<serial::SerialNumber, CertificateError> {
        Ok(serial::SerialNumber::try_from(self.tbs().serial_number())?)
    }

    /// First second of validity, since 1970.
    pub fn not_before(&self) -> u64 {
        time::decode(&self.tbs().validity().not_before)
    }

    /// Last second of validity, since 1970; it still counts (RFC 5280 §4.1.2.5).
    pub fn not_after(&self) -> u64 {
        time::decode(&self.tbs().validity().not_after)
    }

    /// All extensions, in their order.
    pub fn extensions(&self) -> &[Extension] {
        self.tbs().extensions().map_or(&[], Vec::as_slice)
    }

    /// Whether subject and issuer are the same name (RFC 5280 §3.2, "self-issued").
    pub fn is_self_issued(&self) -> bool {
        crate::name::matches(self.subject(), self.issuer())
    }

    /// Criticality and decoded value of the extension `T`; an error if it occurs twice or is malformed.
    pub fn extension<T>(&self) -> Result<Option<(bool, T)>, CertificateError>
    where
        T: AssociatedOid + for<'a> Decode<'a, Error = der::Error>,
    {
        crate::extension::find(self.extensions(), T::OID)
    }

    /// The subject key identifier's octets, if the certificate carries one (RFC 5280 §4.2.1.2).
    pub fn subject_key_identifier(&self) -> Result<Option<Vec<u8>>, CertificateError> {
        let found = self.extension::<x509_cert::ext::pkix::SubjectKeyIdentifier>()?;
        Ok(found.map(|(_, identifier)| identifier.0.as_bytes().to_vec()))
    }

    /// Verifies that `issuer_key` signed this certificate.
    pub fn verify(
        &self,
        issuer_key: &SubjectPublicKeyInfoOwned,
        verifier: &dyn SignatureVerifier,
    ) -> Result<(), CertificateError> {
        let algorithm = self.inner.signature_algorithm();
        if algorithm != self.tbs().signature() {
            return Err(CertificateError::AlgorithmMismatch);
        }
        let signature = self
            .inner
            .signature()
            .as_bytes()
            .ok_or(CertificateError::Signature)?;
        verify(issuer_key, algorithm, self.tbs_der(), signature, verifier)
    }
}

/// Verifies `signature` over `message` under an AlgorithmIdentifier that came with it.
pub(crate) fn verify(
    key: &SubjectPublicKeyInfoOwned,
    algorithm: &AlgorithmIdentifierOwned,
    message: &[u8],
    signature: &[u8],
    verifier: &dyn SignatureVerifier,
) -> Result<(), CertificateError> {
    let scheme = SignatureScheme::from_algorithm_identifier(algorithm)
        .ok_or(CertificateError::Algorithm(algorithm.oid))?;
    verifier
        .verify(key, scheme, message, signature)
        .map_err(|_: VerifyError| CertificateError::Signature)
}

/// Where the first element of an outer SEQUENCE lies: the signed part of certificates, CRLs and requests.
pub(crate) fn signed_part(der: &[u8]) -> der::Result<std::ops::Range<usize>> {
    let mut outer = SliceReader::new(der)?;
    let header = der::Header::decode(&mut outer)?;
    header.tag().assert_eq(der::Tag::Sequence)?;
    let start = usize::try_from(outer.position())?;
    let tbs = outer.tlv_bytes()?;
    Ok(start..start + tbs.len())
}

impl TryFrom<&x509_cert::Certificate> for Certificate {
    type Error = CertificateError;

    fn try_from(certificate: &x509_cert::Certificate) -> Result<Self, CertificateError> {
        Self::from_der(&certificate.to_der()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,200}") {
            let _ = Certificate::from_der(&bytes);
            let _ = Certificate::from_pem(&text);
            let _ = signed_part(&bytes);
        }
    }
}
