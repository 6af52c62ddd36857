//! CertID: how a request names a certificate (RFC 6960 §4.1.1).

use der::asn1::{IntRef, OctetStringRef};
use der::{Decode, Encode};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use spki::AlgorithmIdentifierOwned;

use crate::Certificate;
use crate::serial::SerialNumber;

use super::OcspError;
use super::asn1::{self, CertIdFields};

/// The hash a CertID names its issuer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CertIdHash {
    /// SHA-1, which every older client sends; it identifies here, it protects nothing.
    Sha1,
    /// SHA-256 (RFC 9919 §3.1.1).
    Sha256,
}

/// One certificate asked for (RFC 6960 §4.1.1), with its own DER kept for the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertId {
    der: Vec<u8>,
    hash: Option<CertIdHash>,
    issuer_name_hash: Vec<u8>,
    issuer_key_hash: Vec<u8>,
    serial: Vec<u8>,
}

impl CertId {
    /// The CertID of the certificate with `serial` under `issuer`.
    pub fn new(
        hash: CertIdHash,
        issuer: &Certificate,
        serial: &SerialNumber,
    ) -> Result<Self, OcspError> {
        let hashes = IssuerHashes::of(issuer)?;
        let (oid, (name, key)) = match hash {
            CertIdHash::Sha1 => (asn1::SHA1, hashes.sha1()),
            CertIdHash::Sha256 => (asn1::SHA256, hashes.sha256()),
        };
        let serial = serial.to_x509()?;
        let fields = CertIdFields {
            // NULL parameters, as all deployed responders compare and RFC 9919's examples show.
            hash_algorithm: AlgorithmIdentifierOwned {
                oid,
                parameters: Some(der::Any::null()),
            },
            issuer_name_hash: OctetStringRef::new(name)?,
            issuer_key_hash: OctetStringRef::new(key)?,
            serial_number: IntRef::new(serial.as_bytes())?,
        };
        Self::parse(&fields.to_der()?)
    }

    /// Parses one DER CertID.
    pub fn parse(der: &[u8]) -> Result<Self, OcspError> {
        let fields = CertIdFields::from_der(der).map_err(|_| OcspError::Malformed("CertID"))?;
        let algorithm = &fields.hash_algorithm;
        if algorithm.parameters.as_ref().is_some_and(|p| !p.is_null()) {
            return Err(OcspError::Malformed("hash parameters"));
        }
        let (hash, length) = match algorithm.oid {
            asn1::SHA1 => (Some(CertIdHash::Sha1), Some(20)),
            asn1::SHA256 => (Some(CertIdHash::Sha256), Some(32)),
            _ => (None, None),
        };
        let (name, key) = (
            fields.issuer_name_hash.as_bytes(),
            fields.issuer_key_hash.as_bytes(),
        );
        if length.is_some_and(|n| name.len() != n || key.len() != n) {
            return Err(OcspError::Malformed("hash length"));
        }
        Ok(Self {
            der: der.to_vec(),
            hash,
            issuer_name_hash: name.to_vec(),
            issuer_key_hash: key.to_vec(),
            serial: fields.serial_number.as_bytes().to_vec(),
        })
    }

    /// The DER as asked.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The hash used, or none where it is one this responder does not compute.
    pub fn hash(&self) -> Option<CertIdHash> {
        self.hash
    }

    /// Hash of the issuer's DER name.
    pub fn issuer_name_hash(&self) -> &[u8] {
        &self.issuer_name_hash
    }

    /// Hash of the issuer's public key bits, without tag, length and unused bits.
    pub fn issuer_key_hash(&self) -> &[u8] {
        &self.issuer_key_hash
    }

    /// The serial number asked for; none where it is one that no CA may issue (zero, negative, too long).
    pub fn serial(&self) -> Option<SerialNumber> {
        // A set first bit means a negative INTEGER.
        if self.serial.first().is_some_and(|octet| octet & 0x80 != 0) {
            return None;
        }
        SerialNumber::from_bytes(&self.serial).ok()
    }

    /// Whether this names a certificate of that issuer: both name and key, under the hash asked with.
    pub fn is_of(&self, issuer: &IssuerHashes) -> bool {
        let (name, key) = match self.hash {
            Some(CertIdHash::Sha1) => issuer.sha1(),
            Some(CertIdHash::Sha256) => issuer.sha256(),
            None => return false,
        };
        self.issuer_name_hash == name && self.issuer_key_hash == key
    }
}

/// How an issuer is named in CertIDs, computed once per issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerHashes {
    sha1: ([u8; 20], [u8; 20]),
    sha256: ([u8; 32], [u8; 32]),
}

impl IssuerHashes {
    /// The hashes of an issuer certificate's subject name and key.
    pub fn of(issuer: &Certificate) -> Result<Self, OcspError> {
        let name = issuer.subject().to_der()?;
        let key = issuer.public_key().subject_public_key.raw_bytes();
        Ok(Self {
            sha1: (Sha1::digest(&name).into(), Sha1::digest(key).into()),
            sha256: (Sha256::digest(&name).into(), Sha256::digest(key).into()),
        })
    }

    /// SHA-1 of name and key.
    pub fn sha1(&self) -> (&[u8], &[u8]) {
        (&self.sha1.0, &self.sha1.1)
    }

    /// SHA-256 of name and key.
    pub fn sha256(&self) -> (&[u8], &[u8]) {
        (&self.sha256.0, &self.sha256.1)
    }
}
