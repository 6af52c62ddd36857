//! Proof key for code exchange, method S256 alone (RFC 7636; `plain` is not offered).

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::error::Error;

const CHALLENGE_LENGTH: usize = 43;
const VERIFIER_LENGTH: std::ops::RangeInclusive<usize> = 43..=128;

/// A `code_challenge`: base64url of the SHA-256 of the verifier (RFC 7636 §4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CodeChallenge(String);

impl CodeChallenge {
    /// Parses the challenge of an authorization request; both parameters must be there and the method be `S256`.
    pub fn parse(challenge: Option<&str>, method: Option<&str>) -> Result<Self, Error> {
        let challenge =
            challenge.ok_or_else(|| Error::invalid_request("code_challenge is required"))?;
        if method != Some("S256") {
            return Err(Error::invalid_request("code_challenge_method must be S256"));
        }
        Self::try_from(challenge.to_owned())
            .map_err(|_| Error::invalid_request("code_challenge is not a base64url SHA-256"))
    }

    /// Whether `verifier` is well formed (RFC 7636 §4.1) and hashes to this challenge; in constant time.
    pub fn is_met_by(&self, verifier: &str) -> bool {
        let well_formed = VERIFIER_LENGTH.contains(&verifier.len())
            && verifier
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'));
        let hashed = Base64UrlUnpadded::encode_string(&Sha256::digest(verifier.as_bytes()));
        well_formed & bool::from(hashed.as_bytes().ct_eq(self.0.as_bytes()))
    }
}

/// The text is not the base64url of a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a base64url SHA-256")]
pub struct MalformedChallenge;

impl TryFrom<String> for CodeChallenge {
    type Error = MalformedChallenge;
    fn try_from(value: String) -> Result<Self, MalformedChallenge> {
        let decoded = Base64UrlUnpadded::decode_vec(&value).map_err(|_| MalformedChallenge)?;
        if value.len() == CHALLENGE_LENGTH && decoded.len() == 32 {
            Ok(Self(value))
        } else {
            Err(MalformedChallenge)
        }
    }
}

impl From<CodeChallenge> for String {
    fn from(value: CodeChallenge) -> Self {
        value.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn appendix_b_matches() {
        let challenge = CodeChallenge::parse(Some(CHALLENGE), Some("S256")).unwrap();
        assert!(challenge.is_met_by(VERIFIER));
    }

    #[test]
    fn plain_and_missing_are_refused() {
        assert!(CodeChallenge::parse(Some(CHALLENGE), Some("plain")).is_err());
        assert!(CodeChallenge::parse(Some(CHALLENGE), None).is_err());
        assert!(CodeChallenge::parse(None, Some("S256")).is_err());
        assert!(CodeChallenge::parse(Some("short"), Some("S256")).is_err());
        let padded = format!("{CHALLENGE}=");
        assert!(CodeChallenge::parse(Some(&padded), Some("S256")).is_err());
    }

    proptest! {
        #[test]
        fn only_the_verifier_meets(verifier in "[A-Za-z0-9._~-]{43,128}", other in "\\PC{0,200}") {
            let challenge = CodeChallenge::try_from(Base64UrlUnpadded::encode_string(&Sha256::digest(verifier.as_bytes()))).unwrap();
            prop_assert!(challenge.is_met_by(&verifier));
            prop_assert_eq!(challenge.is_met_by(&other), other == verifier);
        }

        #[test]
        fn short_or_strange_verifiers_fail_even_when_they_hash(verifier in "[A-Za-z0-9]{1,42}|[A-Za-z0-9]{43,60}[ +/=]") {
            let challenge = CodeChallenge::try_from(Base64UrlUnpadded::encode_string(&Sha256::digest(verifier.as_bytes()))).unwrap();
            prop_assert!(!challenge.is_met_by(&verifier));
        }
    }
}
