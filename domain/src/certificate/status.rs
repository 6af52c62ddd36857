//! The status of a certificate and its one transition: revocation (RFC 5280 §5.3.1).
//!
//! `certificateHold` and `removeFromCRL` are not offered: a signature made while a certificate was on hold
//! could be judged in two ways, so a status only ever moves from good to revoked.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why a certificate was revoked, in the words of RFC 5280 §5.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RevocationReason {
    /// No reason is given.
    Unspecified,
    /// The subject's private key is known or suspected to be in other hands.
    KeyCompromise,
    /// The same for the key of a certificate authority.
    #[serde(rename = "cACompromise")]
    CaCompromise,
    /// The name or other facts in the certificate no longer hold.
    AffiliationChanged,
    /// Another certificate took its place.
    Superseded,
    /// The certificate is no longer needed.
    CessationOfOperation,
    /// A right stated in the certificate was taken away.
    PrivilegeWithdrawn,
    /// The attribute authority is known or suspected to be in other hands.
    #[serde(rename = "aACompromise")]
    AaCompromise,
}

impl RevocationReason {
    /// Every reason that may be given.
    pub const ALL: [Self; 8] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    /// The `CRLReason` number of RFC 5280 §5.3.1.
    pub const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::PrivilegeWithdrawn => 9,
            Self::AaCompromise => 10,
        }
    }

    /// The reason with this `CRLReason` number, where it is one that may be given.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// The name in RFC 5280, as in `keyCompromise`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }

    /// Whether the key itself may never be certified again.
    pub const fn blocks_key(self) -> bool {
        matches!(
            self,
            Self::KeyCompromise | Self::CaCompromise | Self::AaCompromise
        )
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RevocationReason {
    type Err = RevocationError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str() == name)
            .ok_or(RevocationError::UnknownReason)
    }
}

/// Why a revocation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// The name is not one of [`RevocationReason::ALL`].
    #[error("this is not a revocation reason that can be given")]
    UnknownReason,
    /// The certificate was revoked before, and the new reason adds nothing.
    #[error("the certificate is already revoked")]
    AlreadyRevoked,
}

/// What the authority says about a certificate it issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateStatus {
    /// Issued and not revoked.
    Good,
    /// Revoked, for ever.
    Revoked {
        /// Why.
        reason: RevocationReason,
        /// From when on; never moved later.
        at: Timestamp,
    },
}

impl CertificateStatus {
    /// The status after a revocation.
    ///
    /// A second revocation is refused, except that a compromise learned of later replaces a milder reason;
    /// the date of the first revocation stays, since relying parties may have acted on it.
    pub fn revoke(self, reason: RevocationReason, at: Timestamp) -> Result<Self, RevocationError> {
        match self {
            Self::Good => Ok(Self::Revoked { reason, at }),
            Self::Revoked {
                reason: before,
                at: first,
            } if reason.blocks_key() && !before.blocks_key() => Ok(Self::Revoked {
                reason,
                at: first.min(at),
            }),
            Self::Revoked { .. } => Err(RevocationError::AlreadyRevoked),
        }
    }

    /// Whether the certificate is revoked.
    pub const fn is_revoked(self) -> bool {
        matches!(self, Self::Revoked { .. })
    }

    /// The word used in the status log: `good` or `revoked`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Revoked { .. } => "revoked",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn names_and_codes_lead_back_to_the_reason() {
        for reason in RevocationReason::ALL {
            assert_eq!(RevocationReason::from_code(reason.code()), Some(reason));
            assert_eq!(reason.as_str().parse(), Ok(reason));
            let json = serde_json::to_string(&reason).expect("a string");
            assert_eq!(json, format!("\"{reason}\""));
        }
    }

    #[test]
    fn hold_and_remove_are_not_offered() {
        assert_eq!(RevocationReason::from_code(6), None);
        assert_eq!(RevocationReason::from_code(8), None);
        assert!("certificateHold".parse::<RevocationReason>().is_err());
        assert!("removeFromCRL".parse::<RevocationReason>().is_err());
    }

    #[test]
    fn a_later_compromise_keeps_the_first_date() {
        let first = CertificateStatus::Good
            .revoke(RevocationReason::Superseded, at(100))
            .expect("good can be revoked");
        assert_eq!(
            first.revoke(RevocationReason::KeyCompromise, at(200)),
            Ok(CertificateStatus::Revoked {
                reason: RevocationReason::KeyCompromise,
                at: at(100)
            })
        );
    }

    proptest! {
        #[test]
        fn revoked_never_becomes_good_and_its_date_never_moves_later(
            steps in proptest::collection::vec((0usize..8, 0i64..4_000_000_000), 1..12)
        ) {
            let mut status = CertificateStatus::Good;
            let mut first: Option<Timestamp> = None;
            for (index, second) in steps {
                if let Ok(next) = status.revoke(RevocationReason::ALL[index], at(second)) {
                    status = next;
                }
                let CertificateStatus::Revoked { at, .. } = status else {
                    return Err(TestCaseError::fail("good after a revocation"));
                };
                prop_assert!(first.is_none_or(|date| at <= date));
                first = Some(at);
            }
        }
    }
}
