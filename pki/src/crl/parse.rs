//! Reading a list: the octets stay, entries are indexed by the issuer they speak about and the serial number.

use std::collections::BTreeMap;

use const_oid::AssociatedOid;
use der::asn1::Uint;
use der::pem::LineEnding;
use der::{Decode, Encode};
use hsm_bridge::SignatureVerifier;
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::crl::RevokedCert;
use x509_cert::ext::pkix::crl::BaseCrlNumber;
use x509_cert::ext::pkix::crl::dp::IssuingDistributionPoint;
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlNumber};
use x509_cert::name::Name;

use super::{CrlError, CrlReason};
use crate::certificate::{self, CertificateError};
use crate::extension::{self, ID_CE_CERTIFICATE_ISSUER, ID_CE_ISSUING_DISTRIBUTION_POINT};
use crate::time;

/// Largest list that is parsed, in octets.
const MAX_OCTETS: usize = 256 * 1024 * 1024;
const PEM_LABEL: &str = "X509 CRL";

/// What a list says about one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it was revoked, seconds since 1970.
    pub revoked_at: u64,
    /// Why; `Unspecified` where the list says nothing.
    pub reason: CrlReason,
}

/// Entries by the issuer they speak about, then by the content octets of the serial number.
type Groups = Vec<(Name, BTreeMap<Vec<u8>, Entry>)>;

/// A parsed CertificateList (RFC 5280 §5.1) and its original encoding.
#[derive(Debug, Clone)]
pub struct CertificateList {
    der: Vec<u8>,
    tbs: std::ops::Range<usize>,
    inner: x509_cert::crl::CertificateList,
    entries: Groups,
    point: Option<IssuingDistributionPoint>,
    unknown_critical: bool,
}

/// Parses one list in DER; trailing octets are an error. The signature is not checked.
pub fn parse(der: &[u8]) -> Result<CertificateList, CrlError> {
    if der.len() > MAX_OCTETS {
        return Err(CrlError::TooLong);
    }
    let tbs = certificate::signed_part(der)?;
    let mut inner = x509_cert::crl::CertificateList::from_der(der)?;
    let extensions = inner
        .tbs_cert_list
        .crl_extensions
        .clone()
        .unwrap_or_default();
    let point =
        extension::find::<IssuingDistributionPoint>(&extensions, ID_CE_ISSUING_DISTRIBUTION_POINT)?
            .map(|(_, point)| point);
    let known = [
        ID_CE_ISSUING_DISTRIBUTION_POINT,
        CrlNumber::OID,
        AuthorityKeyIdentifier::OID,
        BaseCrlNumber::OID,
    ];
    let mut unknown_critical = extensions
        .iter()
        .any(|extension| extension.critical && !known.contains(&extension.extn_id));
    let revoked = inner
        .tbs_cert_list
        .revoked_certificates
        .take()
        .unwrap_or_default();
    let entries = index(&inner.tbs_cert_list.issuer, &revoked, &mut unknown_critical)?;
    Ok(CertificateList {
        der: der.to_vec(),
        tbs,
        inner,
        entries,
        point,
        unknown_critical,
    })
}

/// RFC 5280 §5.3.3: an entry without certificateIssuer speaks about the same issuer as the one before.
fn index(
    list_issuer: &Name,
    revoked: &[RevokedCert],
    unknown_critical: &mut bool,
) -> Result<Groups, CrlError> {
    let mut groups = vec![(list_issuer.clone(), BTreeMap::new())];
    for one in revoked {
        let extensions = one.crl_entry_extensions.as_deref().unwrap_or_default();
        let reason_oid = <x509_cert::ext::pkix::CrlReason as AssociatedOid>::OID;
        *unknown_critical |= extensions.iter().any(|extension| {
            extension.critical
                && ![reason_oid, ID_CE_CERTIFICATE_ISSUER].contains(&extension.extn_id)
        });
        if let Some((_, names)) =
            extension::find::<GeneralNames>(extensions, ID_CE_CERTIFICATE_ISSUER)?
        {
            let directory = names.into_iter().find_map(|name| match name {
                GeneralName::DirectoryName(name) => Some(name),
                _ => None,
            });
            let name =
                directory.ok_or_else(|| CrlError::Malformed(der::ErrorKind::Failed.into()))?;
            groups.push((name, BTreeMap::new()));
        }
        let entry = Entry {
            revoked_at: time::decode(&one.revocation_date),
            reason: entry_reason(extensions, reason_oid)?,
        };
        if let Some((_, entries)) = groups.last_mut() {
            entries.insert(one.serial_number.as_bytes().to_vec(), entry);
        }
    }
    Ok(groups)
}

fn entry_reason(
    extensions: &[x509_cert::ext::Extension],
    oid: const_oid::ObjectIdentifier,
) -> Result<CrlReason, CrlError> {
    let found = extension::find::<der::Any>(extensions, oid)?;
    let Some((_, value)) = found else {
        return Ok(CrlReason::Unspecified);
    };
    let code = match value.value() {
        [code] => *code,
        _ => return Err(CrlError::Malformed(der::ErrorKind::Failed.into())),
    };
    CrlReason::from_code(code).map_err(|_| CrlError::Malformed(der::ErrorKind::Failed.into()))
}

impl CertificateList {
    /// Parses one list in PEM (RFC 7468 §7).
    pub fn from_pem(pem: &str) -> Result<Self, CrlError> {
        let malformed = || CrlError::Malformed(der::ErrorKind::Failed.into());
        let (label, der) = der::pem::decode_vec(pem.trim().as_bytes()).map_err(|_| malformed())?;
        if label == PEM_LABEL {
            parse(&der)
        } else {
            Err(malformed())
        }
    }

    /// The list in DER, as it arrived.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The list in PEM with line feeds.
    pub fn pem(&self) -> Result<String, CrlError> {
        der::pem::encode_string(PEM_LABEL, LineEnding::LF, &self.der)
            .map_err(|_| CrlError::Malformed(der::ErrorKind::Failed.into()))
    }

    /// Who signed the list.
    pub fn issuer(&self) -> &Name {
        &self.inner.tbs_cert_list.issuer
    }

    /// thisUpdate, seconds since 1970.
    pub fn this_update(&self) -> u64 {
        time::decode(&self.inner.tbs_cert_list.this_update)
    }

    /// nextUpdate, seconds since 1970; RFC 5280 §5.1.2.5 demands it, old lists lack it.
    pub fn next_update(&self) -> Option<u64> {
        self.inner
            .tbs_cert_list
            .next_update
            .as_ref()
            .map(time::decode)
    }

    /// cRLNumber.
    pub fn number(&self) -> Result<Option<Uint>, CrlError> {
        let found = extension::find::<CrlNumber>(self.extensions(), CrlNumber::OID)?;
        Ok(found.map(|(_, number)| number.0))
    }

    /// The number of the list that this delta list builds on; `None` for complete lists.
    pub fn base_number(&self) -> Result<Option<Uint>, CrlError> {
        let found = extension::find::<BaseCrlNumber>(self.extensions(), BaseCrlNumber::OID)?;
        Ok(found.map(|(_, number)| number.0))
    }

    /// The key identifier of the signing key.
    pub fn authority_key_identifier(&self) -> Result<Option<Vec<u8>>, CrlError> {
        let oid = AuthorityKeyIdentifier::OID;
        let found = extension::find::<AuthorityKeyIdentifier>(self.extensions(), oid)?;
        Ok(found
            .and_then(|(_, identifier)| identifier.key_identifier)
            .map(|octets| octets.as_bytes().to_vec()))
    }

    /// The part of the issuer's certificates that the list covers.
    pub fn issuing_distribution_point(&self) -> Option<&IssuingDistributionPoint> {
        self.point.as_ref()
    }

    /// Whether the list has a critical extension that this crate does not process; it proves nothing then.
    pub fn has_unknown_critical_extension(&self) -> bool {
        self.unknown_critical
    }

    /// How many certificates the list revokes.
    pub fn len(&self) -> usize {
        self.entries.iter().map(|(_, entries)| entries.len()).sum()
    }

    /// Whether the list revokes nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the list says about `serial` (content octets of the INTEGER) of `issuer`.
    pub fn find(&self, issuer: &Name, serial: &[u8]) -> Option<&Entry> {
        self.entries
            .iter()
            .filter(|(name, _)| crate::name::matches(name, issuer))
            .find_map(|(_, entries)| entries.get(serial))
    }

    /// Verifies that `issuer_key` signed this list.
    pub fn verify(
        &self,
        issuer_key: &SubjectPublicKeyInfoOwned,
        verifier: &dyn SignatureVerifier,
    ) -> Result<(), CertificateError> {
        let algorithm = &self.inner.signature_algorithm;
        if *algorithm != self.inner.tbs_cert_list.signature {
            return Err(CertificateError::AlgorithmMismatch);
        }
        let signature = self
            .inner
            .signature
            .as_bytes()
            .ok_or(CertificateError::Signature)?;
        let message = self.der.get(self.tbs.clone()).unwrap_or_default();
        certificate::verify(issuer_key, algorithm, message, signature, verifier)
    }

    fn extensions(&self) -> &[x509_cert::ext::Extension] {
        self.inner
            .tbs_cert_list
            .crl_extensions
            .as_deref()
            .unwrap_or_default()
    }
}

/// The distribution point's encoding, by which points of certificates and lists are compared.
pub(crate) fn same_names(left: &GeneralName, right: &GeneralName) -> bool {
    match (left, right) {
        (GeneralName::DirectoryName(left), GeneralName::DirectoryName(right)) => {
            crate::name::matches(left, right)
        }
        _ => left.to_der().ok() == right.to_der().ok(),
    }
}
