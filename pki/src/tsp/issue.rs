//! Making tokens: TSTInfo, signed as CMS (RFC 3161 §2.4.2), in the profile of ETSI EN 319 422.

use der::asn1::{AnyRef, IntRef};
use der::{Decode, Encode, Tag};
use hsm_bridge::Signer;
use jiff::Timestamp;
use x509_cert::ext::pkix::ExtendedKeyUsage;
use x509_cert::ext::pkix::name::GeneralName;

use super::asn1::{self, AccuracyFields, PkiStatusInfo, TimeStampResp, TstInfo};
use super::{PkiFailureInfo, Rejection, TimeStampRequest, TspError, time};
use crate::Certificate;
use crate::cms::{self, Content, ID_TST_INFO};
use crate::oid::Oid;
use crate::serial::SerialNumber;

/// How far genTime may be from the true time, either way (RFC 3161 §2.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accuracy {
    /// Whole seconds.
    pub seconds: u32,
    /// Further milliseconds, 0 to 999.
    pub millis: u16,
    /// Further microseconds, 0 to 999.
    pub micros: u16,
}

impl Accuracy {
    fn fields(self) -> Result<AccuracyFields, TspError> {
        if self.millis > 999 || self.micros > 999 {
            return Err(TspError::Malformed("accuracy"));
        }
        Ok(AccuracyFields {
            seconds: (self.seconds > 0).then_some(self.seconds),
            millis: (self.millis > 0).then_some(self.millis),
            micros: (self.micros > 0).then_some(self.micros),
        })
    }
}

/// What an authority states in each token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The policy under which tokens are made; a request for another is refused.
    pub policy: Oid,
    /// The accuracy promised.
    pub accuracy: Accuracy,
    /// Whether two tokens can be ordered by genTime alone.
    pub ordering: bool,
}

/// An authority: its certificate, the chain to embed, and what it states.
#[derive(Clone, Debug)]
pub struct TimeStamper {
    certificate: Certificate,
    chain: Vec<Certificate>,
    settings: Settings,
}

impl TimeStamper {
    /// Refuses a certificate that is not for time-stamping alone.
    pub fn new(
        certificate: Certificate,
        chain: Vec<Certificate>,
        settings: Settings,
    ) -> Result<Self, TspError> {
        check_certificate(&certificate)?;
        settings.accuracy.fields()?;
        Ok(Self {
            certificate,
            chain,
            settings,
        })
    }

    /// Makes the granted TimeStampResp for `request`. `serial` is unique for this authority; `gen_time` is the
    /// time now. Blocks while the token signs.
    pub fn respond(
        &self,
        request: &TimeStampRequest,
        serial: &SerialNumber,
        gen_time: Timestamp,
        signer: &dyn Signer,
    ) -> Result<Vec<u8>, TspError> {
        let token = self.issue(request, serial, gen_time, signer)?;
        let status = PkiStatusInfo {
            status: 0,
            status_string: None,
            fail_info: None,
        };
        let token = AnyRef::from_der(&token)?;
        Ok(TimeStampResp {
            status,
            time_stamp_token: Some(token),
        }
        .to_der()?)
    }

    /// As [`TimeStamper::respond`], but only the TimeStampToken.
    pub fn issue(
        &self,
        request: &TimeStampRequest,
        serial: &SerialNumber,
        gen_time: Timestamp,
        signer: &dyn Signer,
    ) -> Result<Vec<u8>, TspError> {
        if request
            .policy
            .as_ref()
            .is_some_and(|asked| *asked != self.settings.policy)
        {
            let text = "this policy is not offered";
            return Err(Rejection::new(PkiFailureInfo::UnacceptedPolicy, text).into());
        }
        let info = self.tst_info(request, serial, gen_time)?;
        let prepared = cms::prepare(&cms::Options {
            content_type: ID_TST_INFO,
            content: Content::Attached(&info),
            scheme: signer.scheme(),
            signer: &self.certificate,
            embed_certificates: request.cert_req,
            chain: &self.chain,
            signing_time: None,
        })?;
        let signature = signer
            .sign(prepared.signed_attributes())
            .map_err(TspError::Sign)?;
        Ok(prepared.finish(&signature, None)?)
    }

    fn tst_info(
        &self,
        request: &TimeStampRequest,
        serial: &SerialNumber,
        gen_time: Timestamp,
    ) -> Result<Vec<u8>, TspError> {
        let serial = serial.to_x509()?;
        let gen_time = time::format(gen_time)?;
        let info = TstInfo {
            version: 1,
            policy: self.settings.policy.clone(),
            message_imprint: AnyRef::from_der(request.imprint.as_der())?,
            serial_number: IntRef::new(serial.as_bytes())?,
            gen_time: AnyRef::new(Tag::GeneralizedTime, gen_time.as_bytes())?,
            accuracy: Some(self.settings.accuracy.fields()?),
            ordering: self.settings.ordering,
            nonce: request.nonce.as_deref().map(IntRef::new).transpose()?,
            tsa: Some(GeneralName::DirectoryName(
                self.certificate.subject().clone(),
            )),
            extensions: None,
        };
        Ok(info.to_der()?)
    }
}

/// Extended key usage: critical, id-kp-timeStamping, nothing else (RFC 3161 §2.3).
pub(super) fn check_certificate(certificate: &Certificate) -> Result<(), TspError> {
    match certificate.extension::<ExtendedKeyUsage>() {
        Ok(Some((true, usage))) if usage.0 == [asn1::TIME_STAMPING] => Ok(()),
        _ => Err(TspError::Certificate),
    }
}
