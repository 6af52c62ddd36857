//! Checking the signatures of a SignedData (RFC 5652 §5.4, §5.6; RFC 5035 §5.4). Who the signer is and whether
//! the certificate was valid is path validation's question, not this module's.

use const_oid::ObjectIdentifier;
use der::asn1::OctetStringRef;
use der::{Decode, Encode};
use hsm_bridge::{SignatureScheme, SignatureVerifier};

use super::asn1::{self, SignerIdentifier, SigningCertificateV2};
use super::{CmsError, DigestAlgorithm, SignedData, SignerInfo};
use crate::Certificate;

/// The content a signature is checked against.
#[derive(Clone, Copy, Debug)]
pub enum Signed<'a> {
    /// The attached content.
    Attached,
    /// Detached content, in parts that are read one after the other.
    Detached(&'a [&'a [u8]]),
}

/// A signer whose signature holds.
#[derive(Clone, Debug)]
pub struct VerifiedSigner<'a> {
    /// Whose key signed: bound by the signing-certificate-v2 attribute.
    pub certificate: &'a Certificate,
    /// How.
    pub scheme: SignatureScheme,
    /// The digest of the content.
    pub digest: DigestAlgorithm,
    /// The signer's part.
    pub info: &'a SignerInfo,
}

impl SignedData {
    /// Checks every signer: content digest, content-type, signing-certificate-v2 and the signature itself.
    /// Fails if one fails, or if nobody signed.
    pub fn verify(
        &self,
        content: Signed<'_>,
        verifier: &dyn SignatureVerifier,
    ) -> Result<Vec<VerifiedSigner<'_>>, CmsError> {
        let attached;
        let parts = match (content, &self.content) {
            (Signed::Attached, Some(bytes)) => {
                attached = [bytes.as_slice()];
                &attached[..]
            }
            (Signed::Detached(parts), None) => parts,
            (Signed::Attached, None) => return Err(CmsError::Malformed("content is missing")),
            // Two contents would leave open which of them was signed.
            (Signed::Detached(_), Some(_)) => {
                return Err(CmsError::Malformed("content is attached"));
            }
        };
        if self.signers.is_empty() {
            return Err(CmsError::Malformed("no signer"));
        }
        self.signers
            .iter()
            .map(|info| self.verify_one(info, parts, verifier))
            .collect()
    }

    fn verify_one<'a>(
        &'a self,
        info: &'a SignerInfo,
        parts: &[&[u8]],
        verifier: &dyn SignatureVerifier,
    ) -> Result<VerifiedSigner<'a>, CmsError> {
        let certificate = self
            .certificates
            .iter()
            .find(|c| is_named_by(c, &info.sid))
            .ok_or(CmsError::SignerCertificate)?;
        check_signing_certificate(info, certificate)?;
        let digest = DigestAlgorithm::from_identifier(&info.digest_algorithm)?;
        check_content(info, self.content_type, &digest.digest(parts))?;
        let scheme = scheme(info, digest)?;
        verifier
            .verify(
                certificate.public_key(),
                scheme,
                &info.signed_attributes,
                info.signature(),
            )
            .map_err(|_| CmsError::Signature)?;
        Ok(VerifiedSigner {
            certificate,
            scheme,
            digest,
            info,
        })
    }
}

fn is_named_by(certificate: &Certificate, sid: &SignerIdentifier) -> bool {
    match sid {
        SignerIdentifier::IssuerAndSerialNumber(name) => {
            let same_name = matches!(
                (name.issuer.to_der(), certificate.issuer().to_der()),
                (Ok(a), Ok(b)) if a == b
            );
            same_name
                && certificate.tbs().serial_number().as_bytes() == name.serial_number.as_bytes()
        }
        SignerIdentifier::SubjectKeyIdentifier(id) => {
            let own = certificate.subject_key_identifier();
            own.is_ok_and(|own| own.is_some_and(|own| own == id.as_bytes()))
        }
    }
}

fn check_content(
    info: &SignerInfo,
    content_type: ObjectIdentifier,
    digest: &[u8],
) -> Result<(), CmsError> {
    let name = "content-type";
    let value = info
        .attribute(asn1::CONTENT_TYPE, name)?
        .ok_or(CmsError::Attribute(name))?;
    if ObjectIdentifier::from_der(value).ok() != Some(content_type) {
        return Err(CmsError::Attribute(name));
    }
    let name = "message-digest";
    let value = info
        .attribute(asn1::MESSAGE_DIGEST, name)?
        .ok_or(CmsError::Attribute(name))?;
    let signed = <&OctetStringRef>::from_der(value).map_err(|_| CmsError::Attribute(name))?;
    if signed.as_bytes() != digest {
        return Err(CmsError::Digest);
    }
    Ok(())
}

/// The first ESSCertIDv2 must be the signer's certificate (RFC 5035 §5.4); without it another certificate for
/// the same key could be put in its place.
fn check_signing_certificate(info: &SignerInfo, certificate: &Certificate) -> Result<(), CmsError> {
    let name = "signing-certificate-v2";
    let wrong = || CmsError::Attribute(name);
    let value = info
        .attribute(asn1::SIGNING_CERTIFICATE_V2, name)?
        .ok_or_else(wrong)?;
    let attribute = SigningCertificateV2::from_der(value).map_err(|_| wrong())?;
    let id = attribute.certs.first().ok_or_else(wrong)?;
    let digest = match &id.hash_algorithm {
        Some(identifier) => DigestAlgorithm::from_identifier(identifier)?,
        None => DigestAlgorithm::Sha256,
    };
    if id.cert_hash.as_bytes() != digest.digest(&[certificate.der()]) {
        return Err(wrong());
    }
    match &id.issuer_serial {
        Some(named)
            if named.serial_number.as_bytes() != certificate.tbs().serial_number().as_bytes() =>
        {
            Err(wrong())
        }
        _ => Ok(()),
    }
}

fn scheme(info: &SignerInfo, digest: DigestAlgorithm) -> Result<SignatureScheme, CmsError> {
    let algorithm = &info.signature_algorithm;
    let refused = CmsError::Algorithm(algorithm.oid);
    let plain_rsa = algorithm.oid == asn1::RSA_ENCRYPTION
        && algorithm.parameters.as_ref().is_none_or(der::Any::is_null);
    let scheme = if plain_rsa {
        SignatureScheme::RsaPkcs1Sha256
    } else {
        SignatureScheme::from_algorithm_identifier(algorithm).ok_or(refused)?
    };
    // One digest for content and attributes, as RFC 5652 §5.4 and RFC 8419 §3 want it.
    if DigestAlgorithm::of(scheme)? != digest {
        return Err(CmsError::Algorithm(info.digest_algorithm.oid));
    }
    Ok(scheme)
}
