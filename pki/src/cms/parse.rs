//! Reading a SignedData, ours or another's. DER is asked for, as CAdES and PAdES do; elements of a SET OF may
//! come unsorted, because many signers do not sort.

use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, SetOfVec};
use der::{Decode, Encode, Tag, Tagged};
use jiff::Timestamp;
use spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;

use super::asn1::{
    self, Attribute, ContentInfo, SignedDataFields, SignerIdentifier, SignerInfoFields,
};
use super::{
    CmsError, ID_SIGNATURE_TIME_STAMP, MAX_CERTIFICATES, MAX_SIGNED_DATA_BYTES, MAX_SIGNERS,
};
use crate::Certificate;

/// A parsed SignedData, nothing of which is proven before [`SignedData::verify`].
#[derive(Clone, Debug)]
pub struct SignedData {
    /// Kind of content.
    pub content_type: ObjectIdentifier,
    /// The content, where it is attached.
    pub content: Option<Vec<u8>>,
    /// The X.509 certificates inside; other kinds are left out.
    pub certificates: Vec<Certificate>,
    /// Who signed.
    pub signers: Vec<SignerInfo>,
}

/// One signer's part.
#[derive(Clone, Debug)]
pub struct SignerInfo {
    pub(super) sid: SignerIdentifier,
    pub(super) digest_algorithm: AlgorithmIdentifierOwned,
    pub(super) signature_algorithm: AlgorithmIdentifierOwned,
    /// DER of the signed attributes as SET OF.
    pub(super) signed_attributes: Vec<u8>,
    pub(super) attributes: Vec<(ObjectIdentifier, Vec<Vec<u8>>)>,
    signature: Vec<u8>,
    time_stamps: Vec<Vec<u8>>,
}

impl SignedData {
    /// Parses a ContentInfo with SignedData (RFC 5652 §3, §5.1).
    pub fn parse(der: &[u8]) -> Result<Self, CmsError> {
        if der.len() > MAX_SIGNED_DATA_BYTES {
            return Err(CmsError::TooLarge("SignedData"));
        }
        let info = ContentInfo::from_der(der).map_err(|_| CmsError::Malformed("ContentInfo"))?;
        if info.content_type != asn1::ID_SIGNED_DATA {
            return Err(CmsError::Malformed("content type"));
        }
        let fields: SignedDataFields<'_> = info
            .content
            .decode_as()
            .map_err(|_| CmsError::Malformed("SignedData"))?;
        if fields.signer_infos.len() > MAX_SIGNERS {
            return Err(CmsError::TooLarge("signers"));
        }
        check_versions(&fields)?;
        Ok(Self {
            content_type: fields.encap_content_info.content_type,
            content: fields
                .encap_content_info
                .content
                .map(|c| c.as_bytes().to_vec()),
            certificates: certificates(fields.certificates.as_ref())?,
            signers: fields
                .signer_infos
                .iter()
                .map(signer)
                .collect::<Result<_, _>>()?,
        })
    }
}

/// Versions and the list of digests are outside every signature; holding them to RFC 5652 §5.1 and §5.3 leaves
/// nobody a byte to play with.
fn check_versions(fields: &SignedDataFields<'_>) -> Result<(), CmsError> {
    if !matches!(fields.version, 1 | 3 | 4 | 5) {
        return Err(CmsError::Malformed("version"));
    }
    for signer in fields.signer_infos.iter() {
        let version = match signer.sid {
            SignerIdentifier::IssuerAndSerialNumber(_) => 1,
            SignerIdentifier::SubjectKeyIdentifier(_) => 3,
        };
        if signer.version != version {
            return Err(CmsError::Malformed("signer version"));
        }
        let digest = signer.digest_algorithm.oid;
        if !fields
            .digest_algorithms
            .iter()
            .any(|listed| listed.oid == digest)
        {
            return Err(CmsError::Malformed("digest algorithms"));
        }
    }
    Ok(())
}

fn certificates(set: Option<&SetOfVec<AnyRef<'_>>>) -> Result<Vec<Certificate>, CmsError> {
    let mut out = Vec::new();
    for choice in set.into_iter().flat_map(SetOfVec::iter) {
        // The other choices (attribute certificates and obsolete kinds) are tagged.
        if choice.tag() != Tag::Sequence {
            continue;
        }
        if out.len() == MAX_CERTIFICATES {
            return Err(CmsError::TooLarge("certificates"));
        }
        let certificate = Certificate::from_der(&choice.to_der()?);
        out.push(certificate.map_err(|_| CmsError::Malformed("certificate"))?);
    }
    Ok(out)
}

fn signer(fields: &SignerInfoFields<'_>) -> Result<SignerInfo, CmsError> {
    let signed = fields
        .signed_attributes
        .as_ref()
        .ok_or(CmsError::Attribute("signedAttrs"))?;
    let mut attributes: Vec<(ObjectIdentifier, Vec<Vec<u8>>)> = Vec::new();
    for attribute in signed.iter() {
        // RFC 5652 §5.3: each signed attribute occurs once, here required of all of them.
        if attributes
            .iter()
            .any(|(oid, _)| *oid == attribute.attr_type)
        {
            return Err(CmsError::Attribute("repeated"));
        }
        attributes.push((attribute.attr_type, values(attribute)?));
    }
    let mut time_stamps = Vec::new();
    for attribute in fields.unsigned_attributes.iter().flat_map(SetOfVec::iter) {
        if attribute.attr_type == ID_SIGNATURE_TIME_STAMP {
            time_stamps.extend(values(attribute)?);
        }
    }
    Ok(SignerInfo {
        sid: fields.sid.clone(),
        digest_algorithm: fields.digest_algorithm.clone(),
        signature_algorithm: fields.signature_algorithm.clone(),
        signed_attributes: signed.to_der()?,
        attributes,
        signature: fields.signature.as_bytes().to_vec(),
        time_stamps,
    })
}

fn values(attribute: &Attribute<'_>) -> Result<Vec<Vec<u8>>, CmsError> {
    attribute
        .attr_values
        .iter()
        .map(|v| v.to_der().map_err(CmsError::from))
        .collect()
}

impl SignerInfo {
    /// The signature value, over which a signature time-stamp is made.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Signature time-stamp tokens (DER ContentInfo), unproven.
    pub fn time_stamp_tokens(&self) -> &[Vec<u8>] {
        &self.time_stamps
    }

    /// The claimed signing time, where the attribute is there.
    pub fn signing_time(&self) -> Result<Option<Timestamp>, CmsError> {
        let bad = || CmsError::Attribute("signing-time");
        let Some(value) = self.attribute(asn1::SIGNING_TIME, "signing-time")? else {
            return Ok(None);
        };
        let time = Time::from_der(value).map_err(|_| bad())?;
        let seconds = i64::try_from(crate::time::decode(&time)).map_err(|_| bad())?;
        Timestamp::from_second(seconds).map(Some).map_err(|_| bad())
    }

    /// The single value of a signed attribute.
    pub(super) fn attribute(
        &self,
        oid: ObjectIdentifier,
        name: &'static str,
    ) -> Result<Option<&[u8]>, CmsError> {
        let Some((_, values)) = self.attributes.iter().find(|(o, _)| *o == oid) else {
            return Ok(None);
        };
        match values.as_slice() {
            [value] => Ok(Some(value)),
            _ => Err(CmsError::Attribute(name)),
        }
    }
}
