//! A linted TBSCertificate on its way to the token.

use hsm_bridge::{SignatureScheme, SignatureVerifier, Signer};
use spki::SubjectPublicKeyInfoOwned;

use super::{IssueError, build};
use crate::certificate::Certificate;
use crate::lint::Finding;

/// A linted TBSCertificate; signing consumes it, so it is signed at most once.
#[derive(Debug)]
pub struct Prepared {
    tbs_der: Vec<u8>,
    scheme: SignatureScheme,
    /// The issuer's key; `None` where the certified key signs itself.
    issuer_key: Option<SubjectPublicKeyInfoOwned>,
    findings: Vec<Finding>,
    tbs: x509_cert::TbsCertificate,
}

impl Prepared {
    pub(super) fn new(
        tbs_der: Vec<u8>,
        issuer: Option<&Certificate>,
        scheme: SignatureScheme,
        findings: Vec<Finding>,
    ) -> Result<Self, IssueError> {
        let tbs = <x509_cert::TbsCertificate as der::Decode>::from_der(&tbs_der)?;
        let issuer_key = issuer.map(|issuer| issuer.public_key().clone());
        Ok(Self {
            tbs_der,
            scheme,
            issuer_key,
            findings,
            tbs,
        })
    }

    /// The exact octets that will be signed; record them before signing.
    pub fn tbs_der(&self) -> &[u8] {
        &self.tbs_der
    }

    /// The decoded form of [`Prepared::tbs_der`].
    pub fn tbs(&self) -> &x509_cert::TbsCertificate {
        &self.tbs
    }

    /// First and last second of validity, since 1970; both count.
    pub fn validity(&self) -> (u64, u64) {
        let validity = self.tbs.validity();
        (
            crate::time::decode(&validity.not_before),
            crate::time::decode(&validity.not_after),
        )
    }

    /// Findings that did not refuse the certificate.
    pub fn warnings(&self) -> &[Finding] {
        &self.findings
    }

    /// Signs, verifies the signature, and compares what was signed with what was linted.
    pub fn sign(
        self,
        signer: &dyn Signer,
        verifier: &dyn SignatureVerifier,
    ) -> Result<Certificate, IssueError> {
        let key = self
            .issuer_key
            .as_ref()
            .unwrap_or_else(|| self.tbs.subject_public_key_info());
        if signer.public_key() != key || signer.scheme() != self.scheme {
            return Err(IssueError::WrongSigner);
        }
        let signature = signer.sign(&self.tbs_der)?;
        let certificate =
            Certificate::from_der(&build::join(&self.tbs_der, self.scheme, &signature)?)?;
        certificate
            .verify(key, verifier)
            .map_err(|_| IssueError::BadSignature)?;
        if certificate.tbs_der() != self.tbs_der {
            return Err(IssueError::Altered);
        }
        Ok(certificate)
    }
}
