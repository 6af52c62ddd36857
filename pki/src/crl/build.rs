//! Building one shard: entries are encoded as they come, so memory holds octets and not structures.

use std::num::NonZeroU16;
use std::time::SystemTime;

use const_oid::AssociatedOid;
use der::asn1::{Any, OctetString, Uint};
use der::{Encode, Sequence, Tag};
use hsm_bridge::{SignatureScheme, SignatureVerifier, Signer};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::Version;
use x509_cert::ext::pkix::crl::dp::IssuingDistributionPoint;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlNumber, KeyUsage};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber as X509SerialNumber;
use x509_cert::time::Time;

use super::{CertificateList, CrlError, CrlReason};
use crate::extension::{self, ID_CE_ISSUING_DISTRIBUTION_POINT};
use crate::issue::{self, Issuer};
use crate::serial::SerialNumber;
use crate::time;

/// One revoked certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedEntry {
    /// Its serial number.
    pub serial: SerialNumber,
    /// When it was revoked.
    pub revoked_at: SystemTime,
    /// Why.
    pub reason: CrlReason,
}

/// A complete CRL of one shard of one issuer.
#[derive(Debug, Clone)]
pub struct CrlBuilder<'a> {
    /// Who signs; its certificate's URLs name the shard.
    pub issuer: &'a Issuer,
    /// Which shard, below the issuer's number of shards.
    pub shard: u16,
    /// cRLNumber, greater than that of every earlier list of the shard (RFC 5280 §5.2.3).
    pub number: u64,
    /// thisUpdate.
    pub this_update: SystemTime,
    /// nextUpdate.
    pub next_update: SystemTime,
}

/// A TBSCertList on its way to the token; signing consumes it.
#[derive(Debug)]
pub struct PreparedCrl {
    tbs_der: Vec<u8>,
    scheme: SignatureScheme,
    issuer_key: SubjectPublicKeyInfoOwned,
}

#[derive(Sequence)]
struct TbsCertList {
    version: Version,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    this_update: Time,
    next_update: Time,
    #[asn1(optional = "true")]
    revoked_certificates: Option<Any>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    crl_extensions: Extensions,
}

#[derive(Sequence)]
struct RevokedCertificate {
    serial_number: X509SerialNumber,
    revocation_date: Time,
    #[asn1(optional = "true")]
    crl_entry_extensions: Option<Extensions>,
}

impl CrlBuilder<'_> {
    /// Encodes the list from entries in strictly ascending order of their serial numbers.
    pub fn build(
        &self,
        entries: impl IntoIterator<Item = RevokedEntry>,
    ) -> Result<PreparedCrl, CrlError> {
        let scheme = self
            .issuer
            .scheme()
            .map_err(|_| CrlError::Issuer("its key signs no lists"))?;
        let tbs = TbsCertList {
            version: Version::V2,
            signature: scheme.algorithm_identifier(),
            issuer: self.issuer.certificate.subject().clone(),
            this_update: encode_time(self.this_update)?,
            next_update: encode_time(self.next_update)?,
            revoked_certificates: encode_entries(entries)?,
            crl_extensions: self.extensions()?,
        };
        if self.next_update <= self.this_update {
            return Err(CrlError::Times);
        }
        let issuer_key = self.issuer.certificate.public_key().clone();
        Ok(PreparedCrl {
            tbs_der: tbs.to_der()?,
            scheme,
            issuer_key,
        })
    }

    fn extensions(&self) -> Result<Extensions, CrlError> {
        let certificate = &self.issuer.certificate;
        let usage = certificate.extension::<KeyUsage>()?;
        if !usage.is_some_and(|(_, usage)| usage.crl_sign()) {
            return Err(CrlError::Issuer("its key usage has no cRLSign"));
        }
        let identifier = certificate
            .subject_key_identifier()?
            .ok_or(CrlError::Issuer(
                "its certificate has no subject key identifier",
            ))?;
        let authority = AuthorityKeyIdentifier {
            key_identifier: Some(OctetString::new(identifier)?),
            ..AuthorityKeyIdentifier::default()
        };
        let number = CrlNumber(Uint::new(&self.number.to_be_bytes())?);
        let mut extensions = vec![
            extension::of(false, &authority)?,
            extension::of(false, &number)?,
        ];
        extensions.extend(self.issuing_distribution_point()?);
        Ok(extensions)
    }

    /// Critical, so that a client never takes one shard for the whole list (RFC 5280 §5.2.5).
    /// A list that is not cut covers all certificates of its issuer, even those without a
    /// distribution point, and says so by leaving the extension out.
    fn issuing_distribution_point(&self) -> Result<Option<Extension>, CrlError> {
        let shards = self.issuer.publish.shards();
        if self.shard >= shards.get() {
            return Err(CrlError::Shard);
        }
        if shards == NonZeroU16::MIN {
            return Ok(None);
        }
        let id = self
            .issuer
            .id()
            .map_err(|_| CrlError::Issuer("its key cannot be encoded"))?;
        let point = IssuingDistributionPoint {
            distribution_point: Some(extension::full_name(
                &self.issuer.publish.crl(id, self.shard),
            )?),
            only_contains_user_certs: false,
            only_contains_ca_certs: false,
            only_some_reasons: None,
            indirect_crl: false,
            only_contains_attribute_certs: false,
        };
        let value = point.to_der()?;
        Ok(Some(extension::raw(
            ID_CE_ISSUING_DISTRIBUTION_POINT,
            true,
            value,
        )?))
    }
}

impl PreparedCrl {
    /// The exact octets that will be signed.
    pub fn tbs_der(&self) -> &[u8] {
        &self.tbs_der
    }

    /// Signs, verifies the signature, and checks that the signed part is the prepared one.
    pub fn sign(
        self,
        signer: &dyn Signer,
        verifier: &dyn SignatureVerifier,
    ) -> Result<CertificateList, CrlError> {
        if signer.public_key() != &self.issuer_key || signer.scheme() != self.scheme {
            return Err(CrlError::WrongSigner);
        }
        let signature = signer.sign(&self.tbs_der)?;
        let list = super::parse(&issue::join(&self.tbs_der, self.scheme, &signature)?)?;
        list.verify(&self.issuer_key, verifier)?;
        Ok(list)
    }
}

fn encode_time(at: SystemTime) -> Result<Time, CrlError> {
    time::seconds(at)
        .and_then(time::encode)
        .map_err(|_| CrlError::Times)
}

/// RFC 5280 §5.1.2.6: an empty list leaves the field out.
fn encode_entries(
    entries: impl IntoIterator<Item = RevokedEntry>,
) -> Result<Option<Any>, CrlError> {
    let mut octets = Vec::new();
    let mut last: Option<SerialNumber> = None;
    for entry in entries {
        if last.as_ref().is_some_and(|last| *last >= entry.serial) {
            return Err(CrlError::Unsorted);
        }
        let revoked = RevokedCertificate {
            serial_number: entry.serial.to_x509()?,
            revocation_date: encode_time(entry.revoked_at)?,
            crl_entry_extensions: entry_extensions(entry.reason)?,
        };
        revoked.encode_to_vec(&mut octets)?;
        last = Some(entry.serial);
    }
    Ok(if octets.is_empty() {
        None
    } else {
        Some(Any::new(Tag::Sequence, octets)?)
    })
}

/// RFC 5280 §5.3.1: `unspecified` is said by leaving the extension out.
fn entry_extensions(reason: CrlReason) -> Result<Option<Extensions>, CrlError> {
    if reason == CrlReason::Unspecified {
        return Ok(None);
    }
    let value = Any::new(Tag::Enumerated, [reason.code()])?.to_der()?;
    let oid = <x509_cert::ext::pkix::CrlReason as AssociatedOid>::OID;
    Ok(Some(vec![extension::raw(oid, false, value)?]))
}
