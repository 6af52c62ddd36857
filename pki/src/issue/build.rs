//! From request and profile to the DER of a TBSCertificate (RFC 5280 §4.1.2).

use std::time::{Duration, SystemTime};

use der::asn1::{ObjectIdentifier, OctetString};
use der::{Decode, Encode, Sequence};
use hsm_bridge::SignatureScheme;
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::Version;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints,
    CrlDistributionPoints, ExtendedKeyUsage, KeyUsage, SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::Time;

use super::{IssueError, Issuer, Request};
use crate::certificate::Certificate;
use crate::extension::qc_statements::QcStatements;
use crate::extension::{self, ID_AD_CA_ISSUERS, ID_AD_OCSP};
use crate::oid::{CertificatePolicies, Oid, PolicyInformation};
use crate::profile::{Kind, Revocation, Terms};
use crate::{key, time};

#[derive(Sequence)]
struct Validity {
    not_before: Time,
    not_after: Time,
}

/// The fields that we write; `x509-cert` decodes this structure but does not let one build it.
#[derive(Sequence)]
struct TbsCertificate {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: Version,
    serial_number: SerialNumber,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: Validity,
    subject: Name,
    subject_public_key_info: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Extensions,
}

pub(crate) fn subordinate(
    terms: &Terms,
    issuer: &Issuer,
    request: Request,
    now: SystemTime,
) -> Result<Vec<u8>, IssueError> {
    let identifier = issuer
        .certificate
        .subject_key_identifier()?
        .ok_or(IssueError::Issuer(
            "its certificate has no subject key identifier",
        ))?;
    let mut extensions = vec![authority_key(&identifier)?];
    extensions.extend(own_extensions(terms, &request)?);
    extensions.extend(status_extensions(terms, issuer, &request)?);
    let validity = validity(terms, &request, Some(&issuer.certificate), now)?;
    let issuer_name = issuer.certificate.subject().clone();
    encode(request, issuer_name, issuer.scheme()?, validity, extensions)
}

pub(super) fn anchor(
    terms: &Terms,
    request: Request,
    scheme: SignatureScheme,
    now: SystemTime,
) -> Result<Vec<u8>, IssueError> {
    let mut extensions = vec![authority_key(&key::key_identifier(&request.public_key))?];
    extensions.extend(own_extensions(terms, &request)?);
    let validity = validity(terms, &request, None, now)?;
    let issuer_name = request.subject.to_name()?;
    encode(request, issuer_name, scheme, validity, extensions)
}

fn encode(
    request: Request,
    issuer: Name,
    scheme: SignatureScheme,
    validity: Validity,
    extensions: Extensions,
) -> Result<Vec<u8>, IssueError> {
    let tbs = TbsCertificate {
        version: Version::V3,
        serial_number: request.serial.to_x509()?,
        signature: scheme.algorithm_identifier(),
        issuer,
        validity,
        subject: request.subject.to_name()?,
        subject_public_key_info: request.public_key,
        extensions,
    };
    Ok(tbs.to_der()?)
}

fn validity(
    terms: &Terms,
    request: &Request,
    issuer: Option<&Certificate>,
    now: SystemTime,
) -> Result<Validity, IssueError> {
    let (start, end) = if let Some(asked) = request.validity {
        (
            time::seconds(asked.not_before)?,
            time::seconds(asked.not_after)?,
        )
    } else {
        let now = time::seconds(now)?;
        let end = last_second(now, terms.default_validity)
            .ok_or(IssueError::Validity("the end lies beyond all times"))?;
        let start = now.saturating_sub(terms.backdate.as_secs());
        // A young authority's first certificate begins with it, an old one's last ends with it.
        issuer.map_or((start, end), |issuer| {
            (start.max(issuer.not_before()), end.min(issuer.not_after()))
        })
    };
    if start > end {
        return Err(IssueError::Validity("it ends before it starts"));
    }
    Ok(Validity {
        not_before: time::encode(start)?,
        not_after: time::encode(end)?,
    })
}

/// The last of `length` seconds that begin with `start`.
fn last_second(start: u64, length: Duration) -> Option<u64> {
    start.checked_add(length.as_secs())?.checked_sub(1)
}

fn authority_key(identifier: &[u8]) -> Result<Extension, IssueError> {
    let value = AuthorityKeyIdentifier {
        key_identifier: Some(OctetString::new(identifier)?),
        ..AuthorityKeyIdentifier::default()
    };
    Ok(extension::of(false, &value)?)
}

/// Extensions that follow from the profile and the subject alone.
fn own_extensions(terms: &Terms, request: &Request) -> Result<Extensions, IssueError> {
    key::check(&request.public_key)?;
    let identifier = OctetString::new(key::key_identifier(&request.public_key))?;
    let mut extensions = vec![
        extension::of(false, &SubjectKeyIdentifier(identifier))?,
        extension::of(true, &KeyUsage(terms.key_usage))?,
    ];
    if !terms.policies.is_empty() {
        extensions.push(extension::of(false, &policies(&terms.policies))?);
    }
    if !request.san.is_empty() {
        let names = request
            .san
            .iter()
            .map(super::SubjectAltName::to_general_name);
        let names = names.collect::<Result<Vec<_>, _>>()?;
        extensions.push(extension::of(false, &SubjectAltName(names))?);
    }
    if let Some(constraints) = basic_constraints(terms.kind) {
        extensions.push(extension::of(true, &constraints)?);
    }
    if !terms.extended_key_usage.is_empty() {
        let usage = ExtendedKeyUsage(terms.extended_key_usage.clone());
        extensions.push(extension::of(terms.extended_key_usage_critical, &usage)?);
    }
    if !terms.qc_statements.is_empty() {
        let value = QcStatements(terms.qc_statements.clone()).to_der()?;
        let oid = <QcStatements as const_oid::AssociatedOid>::OID;
        extensions.push(extension::raw(oid, false, value)?);
    }
    Ok(extensions)
}

/// End entities carry no basic constraints: absent means "no authority" (RFC 5280 §4.2.1.9).
fn basic_constraints(kind: Kind) -> Option<BasicConstraints> {
    match kind {
        Kind::Anchor => Some(BasicConstraints {
            ca: true,
            path_len_constraint: None,
        }),
        Kind::Authority { path_len } => Some(BasicConstraints {
            ca: true,
            path_len_constraint: Some(path_len),
        }),
        Kind::EndEntity => None,
    }
}

fn policies(oids: &[Oid]) -> CertificatePolicies {
    let information = |oid: &Oid| PolicyInformation {
        policy_identifier: oid.clone(),
        policy_qualifiers: None,
    };
    CertificatePolicies(oids.iter().map(information).collect())
}

/// Extensions that tell where the certificate's status and its issuer are found.
fn status_extensions(
    terms: &Terms,
    issuer: &Issuer,
    request: &Request,
) -> Result<Extensions, IssueError> {
    let id = issuer.id()?;
    let publish = &issuer.publish;
    let mut extensions = Vec::new();
    let mut access = Vec::new();
    match terms.revocation {
        Revocation::Published { ocsp } => {
            let url = publish.crl(id, publish.shard(&request.serial));
            let point = DistributionPoint {
                distribution_point: Some(extension::full_name(&url)?),
                reasons: None,
                crl_issuer: None,
            };
            extensions.push(extension::of(false, &CrlDistributionPoints(vec![point]))?);
            if ocsp {
                access.push(access_description(ID_AD_OCSP, &publish.ocsp())?);
            }
        }
        Revocation::NoCheck => {
            let null = extension::NULL.to_vec();
            extensions.push(extension::raw(
                extension::ID_PKIX_OCSP_NOCHECK,
                false,
                null,
            )?);
        }
        Revocation::NotAvailable => {
            let null = extension::NULL.to_vec();
            extensions.push(extension::raw(extension::ID_CE_NO_REV_AVAIL, false, null)?);
        }
        Revocation::Anchor => return Ok(extensions),
    }
    access.push(access_description(ID_AD_CA_ISSUERS, &publish.issuer(id))?);
    extensions.push(extension::of(false, &AuthorityInfoAccessSyntax(access))?);
    Ok(extensions)
}

fn access_description(method: ObjectIdentifier, url: &str) -> der::Result<AccessDescription> {
    Ok(AccessDescription {
        access_method: method,
        access_location: extension::uri(url)?,
    })
}

/// Joins a signed part, its algorithm and its signature (RFC 5280 §4.1.1).
pub(crate) fn join(
    tbs_der: &[u8],
    scheme: SignatureScheme,
    signature: &[u8],
) -> der::Result<Vec<u8>> {
    #[derive(Sequence)]
    struct Signed {
        tbs: der::Any,
        algorithm: AlgorithmIdentifierOwned,
        signature: der::asn1::BitString,
    }
    Signed {
        tbs: der::Any::from_der(tbs_der)?,
        algorithm: scheme.algorithm_identifier(),
        signature: der::asn1::BitString::from_bytes(signature)?,
    }
    .to_der()
}
