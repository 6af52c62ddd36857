//! Issuing: a request becomes a linted TBSCertificate, and that becomes a certificate.
//!
//! Invariant: only what was linted is signed, once, and only if the signature verifies afterwards.

mod build;
mod prepared;
mod publish;
mod request;

use std::time::SystemTime;

use hsm_bridge::{KeyStoreError, SignatureScheme};

pub(crate) use build::join;
pub(crate) use build::subordinate;
pub use prepared::Prepared;
pub use publish::{PublishError, PublishUrls};
pub use request::{Request, SubjectAltName, Validity};
pub(crate) use request::{is_dns_name, is_mailbox, is_uri};

use crate::certificate::{Certificate, CertificateError};
use crate::key::{IssuerId, KeyError, issuer_id};
use crate::lint::{self, Finding, Severity};
use crate::name::NameError;
use crate::profile::{Kind, Profile};
use crate::time::TimeError;

/// Why a certificate was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The subject's key fails its checks.
    #[error("public key: {0}")]
    Key(#[from] KeyError),
    /// The subject's name cannot be built.
    #[error("subject: {0}")]
    Name(#[from] NameError),
    /// A subject alternative name is malformed.
    #[error("subject alternative name {0:?} is malformed")]
    SubjectAltName(String),
    /// Start or end lie outside what a certificate can say, or in the wrong order.
    #[error("validity: {0}")]
    Validity(&'static str),
    /// The issuer's key or certificate cannot issue.
    #[error("issuer: {0}")]
    Issuer(&'static str),
    /// The profile is for another kind of issuing.
    #[error("profile: {0}")]
    Profile(&'static str),
    /// The finished TBSCertificate breaks rules; each finding names one.
    #[error("lint: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Lint(Vec<Finding>),
    /// Signer and issuer do not belong together.
    #[error("the signer's key or scheme is not the issuer's")]
    WrongSigner,
    /// The signature made by the token does not verify.
    #[error("the fresh signature does not verify")]
    BadSignature,
    /// What was signed is not what was linted.
    #[error("the signed part differs from the linted one")]
    Altered,
    /// The token failed.
    #[error("token: {0}")]
    KeyStore(#[from] KeyStoreError),
    /// The certificate cannot be read back.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A value that DER cannot carry.
    #[error("encoding: {0}")]
    Der(#[from] der::Error),
}

impl From<TimeError> for IssueError {
    fn from(_: TimeError) -> Self {
        Self::Validity("a time lies outside 1970 to 9999")
    }
}

/// An authority that issues: its certificate, and the addresses that its certificates carry.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The authority's own certificate.
    pub certificate: Certificate,
    /// Where its status is published.
    pub publish: PublishUrls,
}

impl Issuer {
    /// Joins both.
    pub fn new(certificate: Certificate, publish: PublishUrls) -> Self {
        Self {
            certificate,
            publish,
        }
    }

    /// The name of the authority's key in URLs.
    pub fn id(&self) -> Result<IssuerId, IssueError> {
        Ok(issuer_id(self.certificate.public_key())?)
    }

    /// The scheme of the authority's signatures.
    pub fn scheme(&self) -> Result<SignatureScheme, IssueError> {
        SignatureScheme::for_public_key(self.certificate.public_key()).ok_or(IssueError::Issuer(
            "its key is of a kind that signs no certificates",
        ))
    }
}

/// Builds and lints the TBSCertificate of an end entity or a subordinate authority.
///
/// Nothing is signed yet. An error finding refuses; warnings stay readable in the result.
pub fn prepare(
    profile: &dyn Profile,
    issuer: &Issuer,
    request: Request,
    now: SystemTime,
) -> Result<Prepared, IssueError> {
    if profile.terms().kind == Kind::Anchor {
        return Err(IssueError::Profile("a trust anchor is self-signed"));
    }
    let tbs_der = subordinate(profile.terms(), issuer, request, now)?;
    linted(
        profile,
        Some(&issuer.certificate),
        tbs_der,
        issuer.scheme()?,
    )
}

/// Builds and lints the TBSCertificate of a trust anchor, which its own key will sign.
pub fn prepare_anchor(
    profile: &dyn Profile,
    request: Request,
    now: SystemTime,
) -> Result<Prepared, IssueError> {
    if profile.terms().kind != Kind::Anchor {
        return Err(IssueError::Profile("only a trust anchor is self-signed"));
    }
    let scheme = SignatureScheme::for_public_key(&request.public_key).ok_or(IssueError::Issuer(
        "its key is of a kind that signs no certificates",
    ))?;
    let tbs_der = build::anchor(profile.terms(), request, scheme, now)?;
    linted(profile, None, tbs_der, scheme)
}

fn linted(
    profile: &dyn Profile,
    issuer: Option<&Certificate>,
    tbs_der: Vec<u8>,
    scheme: SignatureScheme,
) -> Result<Prepared, IssueError> {
    let findings = lint::tbs_certificate(&tbs_der, profile, issuer);
    if findings
        .iter()
        .any(|finding| finding.severity == Severity::Error)
    {
        return Err(IssueError::Lint(findings));
    }
    Prepared::new(tbs_der, issuer, scheme, findings)
}

#[cfg(test)]
mod tests;
