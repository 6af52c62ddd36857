//! OCSP requests: reading them from a POST body or a GET path, and writing them for clients.

use base64ct::{Base64Unpadded, Encoding};
use der::asn1::{AnyRef, IntRef, OctetString, OctetStringRef};
use der::{Decode, Encode};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::Extension;

use crate::Certificate;
use crate::serial::SerialNumber;

use super::asn1::{self, CertIdFields, OcspRequest, SingleRequest, TbsRequest};
use super::{MAX_CERT_IDS, MAX_NONCE_BYTES, MAX_PATH_CHARS, MAX_REQUEST_BYTES, OcspError};

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
            hash_algorithm: AlgorithmIdentifierOwned { oid, parameters: Some(der::Any::null()) },
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
        let (name, key) = (fields.issuer_name_hash.as_bytes(), fields.issuer_key_hash.as_bytes());
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

/// A nonce of 1 to 128 bytes (RFC 9654 §2.1), repeated in the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(Vec<u8>);

impl Nonce {
    /// Checks the length.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, OcspError> {
        let bytes = bytes.into();
        if bytes.is_empty() || bytes.len() > MAX_NONCE_BYTES {
            return Err(OcspError::Malformed("nonce length"));
        }
        Ok(Self(bytes))
    }

    /// The bytes inside the inner OCTET STRING.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn from_extension(value: &[u8]) -> Result<Self, OcspError> {
        let inner = OctetString::from_der(value).map_err(|_| OcspError::Malformed("nonce"))?;
        Self::new(inner.as_bytes())
    }

    pub(super) fn to_extension(&self) -> Result<Extension, OcspError> {
        let inner = OctetString::new(self.0.as_slice())?.to_der()?;
        Ok(Extension {
            extn_id: asn1::NONCE,
            critical: false,
            extn_value: OctetString::new(inner)?,
        })
    }
}

/// A parsed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The certificates asked for, in order; at least one, at most [`MAX_CERT_IDS`].
    pub cert_ids: Vec<CertId>,
    /// The nonce, where the client wants a fresh answer.
    pub nonce: Option<Nonce>,
    /// Whether the client signed its request; the signature is not looked at (RFC 6960 §4.1.2 leaves it open).
    pub signed: bool,
}

impl Request {
    /// Parses the DER body of a POST (RFC 6960 §4.1.1).
    pub fn parse(der: &[u8]) -> Result<Self, OcspError> {
        if der.len() > MAX_REQUEST_BYTES {
            return Err(OcspError::TooLarge("request"));
        }
        let request = OcspRequest::from_der(der).map_err(|_| OcspError::Malformed("request"))?;
        let tbs = &request.tbs_request;
        if tbs.request_list.is_empty() {
            return Err(OcspError::Malformed("empty request list"));
        }
        if tbs.request_list.len() > MAX_CERT_IDS {
            return Err(OcspError::TooLarge("request list"));
        }
        let mut cert_ids = Vec::with_capacity(tbs.request_list.len());
        for single in &tbs.request_list {
            refuse_critical(single.single_request_extensions.as_deref(), None)?;
            let raw = single.cert_id.to_der().map_err(|_| OcspError::Malformed("CertID"))?;
            cert_ids.push(CertId::parse(&raw)?);
        }
        let extensions = tbs.request_extensions.as_deref();
        refuse_critical(extensions, Some(asn1::NONCE))?;
        Ok(Self {
            cert_ids,
            nonce: find_nonce(extensions.unwrap_or_default())?,
            signed: request.optional_signature.is_some(),
        })
    }

    /// Parses what follows the responder's address in a GET (RFC 6960 §A.1): base64 of the DER, percent-encoded
    /// or not. Accepts what deployed clients and proxies make of it: leading slashes, missing padding, the
    /// URL-safe alphabet, and `+` turned into a space; everything else is malformed.
    pub fn parse_path(path: &str) -> Result<Self, OcspError> {
        if path.len() > MAX_PATH_CHARS {
            return Err(OcspError::TooLarge("path"));
        }
        // DER starts with 0x30, so its base64 starts with "M": a leading slash is never part of it.
        let text = percent_decode(path.trim_start_matches('/'))?;
        let text = text.trim_end_matches('=');
        let alphabet: String = text
            .chars()
            .map(|c| match c {
                '-' | ' ' => '+',
                '_' => '/',
                other => other,
            })
            .collect();
        let der = Base64Unpadded::decode_vec(&alphabet)
            .map_err(|_| OcspError::Malformed("base64"))?;
        Self::parse(&der)
    }
}

fn percent_decode(text: &str) -> Result<String, OcspError> {
    let bad = || OcspError::Malformed("percent encoding");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let high = rest.next().and_then(|c| c.to_digit(16)).ok_or_else(bad)?;
        let low = rest.next().and_then(|c| c.to_digit(16)).ok_or_else(bad)?;
        out.push(u8::try_from(high * 16 + low).map_err(|_| bad())?.into());
    }
    Ok(out)
}

fn refuse_critical(
    extensions: Option<&[Extension]>,
    known: Option<const_oid::ObjectIdentifier>,
) -> Result<(), OcspError> {
    let unknown = |e: &Extension| e.critical && Some(e.extn_id) != known;
    if extensions.unwrap_or_default().iter().any(unknown) {
        return Err(OcspError::CriticalExtension);
    }
    Ok(())
}

pub(super) fn find_nonce(extensions: &[Extension]) -> Result<Option<Nonce>, OcspError> {
    let mut nonces = extensions.iter().filter(|e| e.extn_id == asn1::NONCE);
    match (nonces.next(), nonces.next()) {
        (None, _) => Ok(None),
        (Some(nonce), None) => Nonce::from_extension(nonce.extn_value.as_bytes()).map(Some),
        (Some(_), Some(_)) => Err(OcspError::Malformed("two nonces")),
    }
}

/// Writes a request, for clients of a responder.
#[derive(Clone, Debug, Default)]
pub struct RequestBuilder {
    cert_ids: Vec<CertId>,
    nonce: Option<Nonce>,
}

impl RequestBuilder {
    /// An empty request.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a certificate to ask for.
    #[must_use]
    pub fn cert_id(mut self, id: CertId) -> Self {
        self.cert_ids.push(id);
        self
    }

    /// Asks for a fresh answer.
    #[must_use]
    pub fn nonce(mut self, nonce: Nonce) -> Self {
        self.nonce = Some(nonce);
        self
    }

    /// The DER OCSPRequest.
    pub fn to_der(&self) -> Result<Vec<u8>, OcspError> {
        let mut request_list = Vec::with_capacity(self.cert_ids.len());
        for id in &self.cert_ids {
            request_list.push(SingleRequest {
                cert_id: AnyRef::from_der(id.as_der())?,
                single_request_extensions: None,
            });
        }
        let extension = self.nonce.as_ref().map(Nonce::to_extension).transpose()?;
        let tbs_request = TbsRequest {
            version: asn1::Version::V1,
            requestor_name: None,
            request_list,
            request_extensions: extension.map(|e| vec![e]),
        };
        Ok(OcspRequest { tbs_request, optional_signature: None }.to_der()?)
    }
}
