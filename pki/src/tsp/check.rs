//! Reading and checking tokens, as a client and a validator do (RFC 3161 §2.2, §2.4.2).

use der::{Decode, Encode, Tag, Tagged};
use hsm_bridge::SignatureVerifier;
use jiff::Timestamp;

use super::asn1::{TimeStampResp, TstInfo};
use super::issue::check_certificate;
use super::{MAX_RESPONSE_BYTES, MessageImprint, TimeStampRequest, TspError, time};
use crate::Certificate;
use crate::cms::{CmsError, ID_TST_INFO, Signed, SignedData};
use crate::oid::Oid;

/// A parsed token; call [`TimeStampToken::verify`] before believing it.
#[derive(Clone, Debug)]
pub struct TimeStampToken {
    der: Vec<u8>,
    signed_data: SignedData,
    /// What was stamped.
    pub imprint: MessageImprint,
    /// Under which policy.
    pub policy: Oid,
    /// Content octets of the serial number's INTEGER.
    pub serial: Vec<u8>,
    /// The time stated.
    pub gen_time: Timestamp,
    /// The nonce repeated.
    pub nonce: Option<Vec<u8>>,
}

impl TimeStampToken {
    /// Parses a TimeStampToken (a ContentInfo).
    pub fn parse(der: &[u8]) -> Result<Self, TspError> {
        if der.len() > MAX_RESPONSE_BYTES {
            return Err(TspError::TooLarge("token"));
        }
        let signed_data = SignedData::parse(der)?;
        if signed_data.content_type != ID_TST_INFO {
            return Err(TspError::Malformed("content type"));
        }
        let content = signed_data.content.as_deref().unwrap_or_default();
        let info = TstInfo::from_der(content).map_err(|_| TspError::Malformed("TSTInfo"))?;
        if info.version != 1 || info.gen_time.tag() != Tag::GeneralizedTime {
            return Err(TspError::Malformed("TSTInfo"));
        }
        Ok(Self {
            der: der.to_vec(),
            imprint: MessageImprint::parse(&info.message_imprint.to_der()?)?,
            policy: info.policy,
            serial: info.serial_number.as_bytes().to_vec(),
            gen_time: time::parse(info.gen_time.value())?,
            nonce: info.nonce.map(|n| n.as_bytes().to_vec()),
            signed_data,
        })
    }

    /// The token as it arrived.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Certificates inside the token.
    pub fn certificates(&self) -> &[Certificate] {
        &self.signed_data.certificates
    }

    /// Checks that one authority signed this token over `imprint`, with a certificate for time-stamping alone,
    /// and gives that certificate for path validation at the time the caller trusts.
    pub fn verify(
        &self,
        imprint: &MessageImprint,
        verifier: &dyn SignatureVerifier,
    ) -> Result<&Certificate, TspError> {
        if !self.imprint.matches(imprint) {
            return Err(TspError::Mismatch("imprint"));
        }
        let signers = self.signed_data.verify(Signed::Attached, verifier)?;
        // RFC 3161 §2.4.2: no signature but the authority's.
        let [signer] = signers.as_slice() else {
            return Err(CmsError::Malformed("one signer expected").into());
        };
        check_certificate(signer.certificate)?;
        Ok(signer.certificate)
    }
}

/// Checks a TimeStampResp against the request it answers: status, imprint, nonce, policy, signature. The
/// authority's certificate still needs path validation.
pub fn verify_response(
    response: &[u8],
    request: &TimeStampRequest,
    verifier: &dyn SignatureVerifier,
) -> Result<TimeStampToken, TspError> {
    if response.len() > MAX_RESPONSE_BYTES {
        return Err(TspError::TooLarge("response"));
    }
    let response =
        TimeStampResp::from_der(response).map_err(|_| TspError::Malformed("TimeStampResp"))?;
    // granted (0) or grantedWithMods (1)
    let token = match (response.status.status, response.time_stamp_token) {
        (0 | 1, Some(token)) => TimeStampToken::parse(&token.to_der()?)?,
        (0 | 1, None) => return Err(TspError::Malformed("granted without a token")),
        (status, _) => return Err(TspError::Refused(status)),
    };
    if token.nonce != request.nonce {
        return Err(TspError::Mismatch("nonce"));
    }
    if request
        .policy
        .as_ref()
        .is_some_and(|asked| *asked != token.policy)
    {
        return Err(TspError::Mismatch("policy"));
    }
    token.verify(&request.imprint, verifier)?;
    Ok(token)
}
