//! Making a SignedData in two phases around a key that is elsewhere.

use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, Int, OctetString, OctetStringRef, SetOfVec};
use der::{Decode, Encode, Tag, Tagged};
use hsm_bridge::{SignatureScheme, SignatureVerifier};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use x509_cert::time::Time;

use super::asn1::{
    self, Attribute, ContentInfo, EncapsulatedContentInfo, EssCertIdV2, IssuerAndSerialNumber,
    SignedDataFields, SignerIdentifier, SignerInfoFields, SigningCertificateV2,
};
use super::{CmsError, DigestAlgorithm, ID_DATA, ID_SIGNATURE_TIME_STAMP, MAX_CERTIFICATES};
use crate::Certificate;

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// The content travels inside.
    Attached(&'a [u8]),
    /// The content stays outside; this is its digest under [`DigestAlgorithm::of`] the scheme.
    Detached(&'a [u8]),
}

/// How to sign.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Kind of content, [`ID_DATA`](super::ID_DATA) for documents.
    pub content_type: ObjectIdentifier,
    /// The content or its digest.
    pub content: Content<'a>,
    /// How the key signs.
    pub scheme: SignatureScheme,
    /// Who signs.
    pub signer: &'a Certificate,
    /// Whether the signer's certificate and `chain` travel inside.
    pub embed_certificates: bool,
    /// Further certificates towards the root.
    pub chain: &'a [Certificate],
    /// The claimed time as signed attribute; PAdES forbids it and keeps the time in the PDF (EN 319 142-1 §6.3).
    pub signing_time: Option<Timestamp>,
}

/// A SignedData that lacks its signature; keeps everything [`Prepared::finish`] needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    scheme: SignatureScheme,
    content_type: String,
    content: Option<Vec<u8>>,
    signed_attributes: Vec<u8>,
    issuer_and_serial: Vec<u8>,
    public_key: Vec<u8>,
    certificates: Vec<Vec<u8>>,
}

/// Builds the signed attributes: content-type, message-digest, signing-certificate-v2 and, where asked,
/// signing-time, as a DER SET OF.
pub fn prepare(options: &Options<'_>) -> Result<Prepared, CmsError> {
    if options.chain.len() >= MAX_CERTIFICATES {
        return Err(CmsError::TooLarge("certificate chain"));
    }
    let key = options.signer.public_key();
    let default = SignatureScheme::for_public_key(key).ok_or(CmsError::Scheme)?;
    let rsa = |s| {
        matches!(
            s,
            SignatureScheme::RsaPkcs1Sha256 | SignatureScheme::RsaPssSha256
        )
    };
    if default != options.scheme && !(rsa(default) && rsa(options.scheme)) {
        return Err(CmsError::Scheme);
    }
    let digest = DigestAlgorithm::of(options.scheme)?;
    let (content, message_digest) = match options.content {
        Content::Attached(bytes) => (Some(bytes.to_vec()), digest.digest(&[bytes])),
        Content::Detached(hash) if hash.len() == digest.length() => (None, hash.to_vec()),
        Content::Detached(_) => return Err(CmsError::Digest),
    };
    let sid = IssuerAndSerialNumber {
        issuer: options.signer.issuer().clone(),
        serial_number: Int::new(options.signer.tbs().serial_number().as_bytes())?,
    };
    let mut certificates = Vec::new();
    if options.embed_certificates {
        certificates.push(options.signer.der().to_vec());
        certificates.extend(options.chain.iter().map(|c| c.der().to_vec()));
        certificates.sort();
        certificates.dedup();
    }
    Ok(Prepared {
        scheme: options.scheme,
        content_type: options.content_type.to_string(),
        content,
        signed_attributes: signed_attributes(options, &message_digest)?,
        issuer_and_serial: sid.to_der()?,
        public_key: key.to_der()?,
        certificates,
    })
}

fn signed_attributes(options: &Options<'_>, message_digest: &[u8]) -> Result<Vec<u8>, CmsError> {
    let certificate_hash = DigestAlgorithm::Sha256.digest(&[options.signer.der()]);
    let signing_certificate = SigningCertificateV2 {
        certs: vec![EssCertIdV2 {
            hash_algorithm: None,
            cert_hash: OctetString::new(certificate_hash)?,
            issuer_serial: None,
        }],
        policies: None,
    };
    let mut values = vec![
        (asn1::CONTENT_TYPE, options.content_type.to_der()?),
        (
            asn1::MESSAGE_DIGEST,
            OctetStringRef::new(message_digest)?.to_der()?,
        ),
        (asn1::SIGNING_CERTIFICATE_V2, signing_certificate.to_der()?),
    ];
    if let Some(at) = options.signing_time {
        values.push((asn1::SIGNING_TIME, signing_time(at)?.to_der()?));
    }
    let mut attributes = SetOfVec::new();
    for (oid, value) in &values {
        attributes.insert(attribute(*oid, value)?)?;
    }
    Ok(attributes.to_der()?)
}

/// UTCTime through 2049, GeneralizedTime later (RFC 5652 §11.3).
fn signing_time(at: Timestamp) -> Result<Time, CmsError> {
    let seconds = u64::try_from(at.as_second()).map_err(|_| CmsError::Malformed("signing time"))?;
    crate::time::encode(seconds).map_err(|_| CmsError::Malformed("signing time"))
}

fn attribute(oid: ObjectIdentifier, value: &[u8]) -> Result<Attribute<'_>, CmsError> {
    let mut attr_values = SetOfVec::new();
    attr_values.insert(AnyRef::from_der(value)?)?;
    Ok(Attribute {
        attr_type: oid,
        attr_values,
    })
}

impl Prepared {
    /// What the key signs: the DER of the signed attributes as SET OF (RFC 5652 §5.4).
    pub fn signed_attributes(&self) -> &[u8] {
        &self.signed_attributes
    }

    /// How the key must sign.
    pub fn scheme(&self) -> SignatureScheme {
        self.scheme
    }

    /// Checks a signature over [`Prepared::signed_attributes`] against the signer's certificate.
    pub fn check(
        &self,
        signature: &[u8],
        verifier: &dyn SignatureVerifier,
    ) -> Result<(), CmsError> {
        let key = spki::SubjectPublicKeyInfoOwned::from_der(&self.public_key)?;
        verifier
            .verify(&key, self.scheme, &self.signed_attributes, signature)
            .map_err(|_| CmsError::Signature)
    }

    /// The ContentInfo with this signature (ECDSA as DER) and, where given, a signature time-stamp token over
    /// it as unsigned attribute. Does not check the signature; see [`Prepared::check`].
    pub fn finish(
        &self,
        signature: &[u8],
        time_stamp_token: Option<&[u8]>,
    ) -> Result<Vec<u8>, CmsError> {
        let content_type = ObjectIdentifier::new(&self.content_type)
            .map_err(|_| CmsError::Malformed("content type"))?;
        let digest = DigestAlgorithm::of(self.scheme)?.identifier();
        let unsigned_attributes = match time_stamp_token {
            Some(token) => {
                let mut set = SetOfVec::new();
                set.insert(attribute(ID_SIGNATURE_TIME_STAMP, token)?)?;
                Some(set)
            }
            None => None,
        };
        let signer_info = SignerInfoFields {
            version: 1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber::from_der(
                &self.issuer_and_serial,
            )?),
            digest_algorithm: digest.clone(),
            signed_attributes: Some(SetOfVec::from_der(&self.signed_attributes)?),
            signature_algorithm: self.scheme.algorithm_identifier(),
            signature: OctetStringRef::new(signature)?,
            unsigned_attributes,
        };
        let content = self
            .content
            .as_deref()
            .map(OctetStringRef::new)
            .transpose()?;
        let signed_data = SignedDataFields {
            version: if content_type == ID_DATA { 1 } else { 3 },
            digest_algorithms: one(digest)?,
            encap_content_info: EncapsulatedContentInfo {
                content_type,
                content,
            },
            certificates: self.certificate_set()?,
            crls: None,
            signer_infos: one(signer_info)?,
        };
        content_info(&signed_data.to_der()?)
    }

    fn certificate_set(&self) -> Result<Option<SetOfVec<AnyRef<'_>>>, CmsError> {
        if self.certificates.is_empty() {
            return Ok(None);
        }
        let mut set = SetOfVec::new();
        for certificate in &self.certificates {
            let certificate = AnyRef::from_der(certificate)?;
            if certificate.tag() != Tag::Sequence {
                return Err(CmsError::Malformed("certificate"));
            }
            set.insert(certificate)?;
        }
        Ok(Some(set))
    }
}

fn one<T: der::DerOrd>(item: T) -> Result<SetOfVec<T>, CmsError> {
    let mut set = SetOfVec::new();
    set.insert(item)?;
    Ok(set)
}

fn content_info(signed_data: &[u8]) -> Result<Vec<u8>, CmsError> {
    let info = ContentInfo {
        content_type: asn1::ID_SIGNED_DATA,
        content: AnyRef::from_der(signed_data)?,
    };
    Ok(info.to_der()?)
}
