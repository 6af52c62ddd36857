//! Three answers, as EN 319 102-1 §5.1.3 has them: a signature is valid, is not, or cannot be judged with what is
//! there.

use std::fmt;

use hsm_bridge::verify::OpenSslVerifier;
use jiff::Timestamp;
use pki::Certificate;
use pki::crl::CertificateList;
use pki::path::{Fault, Options, PathError, Revocation, validate_with};

/// A verdict and, unless it is good, its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Valid,
    NotValid(String),
    CannotTell(String),
}

impl Verdict {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::NotValid(_) => 1,
            Self::CannotTell(_) => 3,
        }
    }

    /// The worse of two: one bad part makes the whole bad.
    pub(crate) fn and(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::NotValid(_), _) | (Self::CannotTell(_), Self::Valid | Self::CannotTell(_)) => {
                self
            }
            _ => other,
        }
    }

    /// Says whose part of the whole the reason speaks of.
    pub(crate) fn of(self, what: &str) -> Self {
        match self {
            Self::Valid => Self::Valid,
            Self::NotValid(reason) => Self::NotValid(format!("{what}: {reason}")),
            Self::CannotTell(reason) => Self::CannotTell(format!("{what}: {reason}")),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valid => f.write_str("VALID"),
            Self::NotValid(reason) => write!(f, "NOT VALID: {reason}"),
            Self::CannotTell(reason) => write!(f, "CANNOT TELL: {reason}"),
        }
    }
}

/// What a certificate is judged by.
pub(crate) struct Grounds<'a> {
    pub(crate) anchors: &'a [Certificate],
    pub(crate) crls: &'a [CertificateList],
    pub(crate) now: Timestamp,
    /// A time at which the signature existed for sure.
    pub(crate) proven_at: Option<Timestamp>,
    pub(crate) purpose: const_oid::ObjectIdentifier,
}

impl Grounds<'_> {
    /// Judges `chain[0]`; the rest are further certificates in any order. A certificate that was revoked later
    /// than the proven time made a good signature.
    pub(crate) fn judge(&self, chain: &[Certificate]) -> Verdict {
        let Err(error) = self.validate(chain, Revocation::Crls(self.crls), self.now) else {
            return Verdict::Valid;
        };
        match &error {
            PathError::Certificate {
                fault: Fault::Revoked { at, reason },
                ..
            } => self.revoked(chain, *at, &reason.to_string()),
            PathError::Certificate {
                fault: Fault::RevocationUnknown,
                ..
            } => Verdict::CannotTell("no fresh revocation list could be had".to_owned()),
            PathError::Certificate {
                fault: Fault::Expired,
                ..
            } => Verdict::CannotTell(
                "a certificate has expired, and revocation lists no longer speak of it".to_owned(),
            ),
            PathError::NoPath => Verdict::CannotTell("not issued under this root".to_owned()),
            _ => Verdict::NotValid(error.to_string()),
        }
    }

    fn revoked(&self, chain: &[Certificate], at: u64, reason: &str) -> Verdict {
        let since = i64::try_from(at)
            .ok()
            .and_then(|at| Timestamp::from_second(at).ok());
        let (Some(since), Some(proven)) = (since, self.proven_at) else {
            return Verdict::CannotTell(format!(
                "the certificate was revoked ({reason}), and no time-stamp proves that the signature is older"
            ));
        };
        if proven >= since {
            return Verdict::NotValid(format!("the certificate was revoked at {since} ({reason})"));
        }
        match self.validate(chain, Revocation::NotChecked, proven) {
            Ok(()) => {
                println!(
                    "  note:    the certificate was revoked at {since} ({reason}), after the proven time"
                );
                Verdict::Valid
            }
            Err(error) => Verdict::NotValid(error.to_string()),
        }
    }

    fn validate(
        &self,
        chain: &[Certificate],
        revocation: Revocation<'_>,
        at: Timestamp,
    ) -> Result<(), PathError> {
        let options = Options {
            extended_key_usage: Some(self.purpose),
            ..Options::new(revocation)
        };
        validate_with(chain, self.anchors, &options, at.into(), &OpenSslVerifier).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_part_decides() {
        let (bad, open) = (
            Verdict::NotValid("a".to_owned()),
            Verdict::CannotTell("b".to_owned()),
        );
        assert_eq!(Verdict::Valid.and(Verdict::Valid).exit_code(), 0);
        for (one, other, code) in [
            (&Verdict::Valid, &open, 3),
            (&open, &Verdict::Valid, 3),
            (&open, &bad, 1),
            (&bad, &open, 1),
            (&bad, &Verdict::Valid, 1),
            (&Verdict::Valid, &bad, 1),
        ] {
            assert_eq!(
                one.clone().and(other.clone()).exit_code(),
                code,
                "{one} {other}"
            );
        }
    }

    #[test]
    fn a_chain_from_nowhere_cannot_be_judged() {
        let pem = include_str!("stranger.pem");
        let stranger = Certificate::from_pem(pem).unwrap();
        let grounds = Grounds {
            anchors: &[],
            crls: &[],
            now: Timestamp::from_second(i64::try_from(stranger.not_before()).unwrap() + 60)
                .unwrap(),
            proven_at: None,
            purpose: pki::extension::ID_KP_DOCUMENT_SIGNING,
        };
        assert_eq!(grounds.judge(&[stranger]).exit_code(), 3);
    }
}
