//! OCSP requests: reading them from a POST body or a GET path, and writing them for clients.

use base64ct::{Base64Unpadded, Encoding};
use der::asn1::{AnyRef, OctetString};
use der::{Decode, Encode};
use x509_cert::ext::Extension;

use super::asn1::{self, OcspRequest, SingleRequest, TbsRequest};
use super::{CertId, MAX_CERT_IDS, MAX_NONCE_BYTES, MAX_PATH_CHARS, MAX_REQUEST_BYTES, OcspError};

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
            let raw = single
                .cert_id
                .to_der()
                .map_err(|_| OcspError::Malformed("CertID"))?;
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
        let der =
            Base64Unpadded::decode_vec(&alphabet).map_err(|_| OcspError::Malformed("base64"))?;
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
        Ok(OcspRequest {
            tbs_request,
            optional_signature: None,
        }
        .to_der()?)
    }
}
