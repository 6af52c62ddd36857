//! Answers without a token (RFC 3161 §2.4.2).

use der::Encode;
use der::asn1::BitStringRef;

use super::asn1::{PkiStatusInfo, TimeStampResp};

/// PKIStatus "rejection".
pub(super) const STATUS_REJECTION: u8 = 2;

/// PKIFailureInfo: the bit that says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PkiFailureInfo {
    /// The digest is unknown or too weak.
    BadAlg = 0,
    /// The transaction is not permitted or supported.
    BadRequest = 2,
    /// The data is not in the right form.
    BadDataFormat = 5,
    /// The clock is not known to be right.
    TimeNotAvailable = 14,
    /// The policy asked for is not one of ours.
    UnacceptedPolicy = 15,
    /// An extension asked for is not supported.
    UnacceptedExtension = 16,
    /// The additional information asked for is not available.
    AddInfoNotAvailable = 17,
    /// The request cannot be handled for an inner reason.
    SystemFailure = 25,
}

/// A refusal as the client sees it; `text` never carries an inner cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Rejection {
    /// The machine's reason.
    pub failure: PkiFailureInfo,
    /// The reader's reason.
    pub text: &'static str,
}

impl Rejection {
    /// A refusal.
    pub const fn new(failure: PkiFailureInfo, text: &'static str) -> Self {
        Self { failure, text }
    }

    /// The DER TimeStampResp.
    pub fn to_response(&self) -> Result<Vec<u8>, der::Error> {
        let bit = self.failure as u8;
        let mut bits = vec![0u8; usize::from(bit / 8)];
        bits.push(0x80 >> (bit % 8));
        // A named bit list ends with its last one bit (X.690 §11.2.2).
        let fail_info = BitStringRef::new(7 - bit % 8, &bits)?;
        let status = PkiStatusInfo {
            status: STATUS_REJECTION,
            status_string: Some(vec![self.text.to_owned()]),
            fail_info: Some(fail_info),
        };
        TimeStampResp {
            status,
            time_stamp_token: None,
        }
        .to_der()
    }
}
