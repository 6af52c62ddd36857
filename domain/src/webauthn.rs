//! The check of a WebAuthn assertion over a challenge of ours (Web Authentication Level 3 §7.2).
//!
//! Bytes in, verdict out: whoever calls it keeps the challenge, its expiry and its single use. User presence
//! and user verification are both demanded, since an assertion here stands for a person's will.

use base64ct::{Base64UrlUnpadded, Encoding};
use hsm_bridge::{SignatureScheme, SignatureVerifier};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use spki::SubjectPublicKeyInfoOwned;

/// Longest client data that is looked at, in bytes.
pub const MAX_CLIENT_DATA: usize = 4096;
/// Longest authenticator data that is looked at, in bytes.
pub const MAX_AUTHENTICATOR_DATA: usize = 2048;
/// Length of the RP ID hash at the start of authenticator data.
const RP_ID_HASH: usize = 32;

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED_CREDENTIAL: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;

/// What the browser sent.
#[derive(Clone, Copy, Debug)]
pub struct Assertion<'a> {
    /// The credential that answered.
    pub credential_id: &'a [u8],
    /// `clientDataJSON`, byte for byte.
    pub client_data_json: &'a [u8],
    /// `authenticatorData`, byte for byte.
    pub authenticator_data: &'a [u8],
    /// The signature over authenticator data and the client data's hash.
    pub signature: &'a [u8],
}

/// What the assertion has to match.
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'a> {
    /// The registered credential.
    pub credential_id: &'a [u8],
    /// Its public key.
    pub public_key: &'a SubjectPublicKeyInfoOwned,
    /// The challenge, as bytes.
    pub challenge: &'a [u8],
    /// The relying party identifier (a host name).
    pub rp_id: &'a str,
    /// The one origin accepted, as `https://host[:port]`.
    pub origin: &'a str,
    /// The counter stored after the last assertion; 0 when the authenticator counts nothing.
    pub sign_count: u32,
}

/// What a checked assertion says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The counter to store for the next check.
    pub sign_count: u32,
    /// Whether the credential is copied to other devices.
    pub backed_up: bool,
}

/// Why an assertion is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssertionError {
    /// Another credential answered.
    #[error("the assertion comes from another credential")]
    Credential,
    /// The client data is too long or not the JSON of §5.8.1.
    #[error("the client data cannot be read")]
    ClientData,
    /// The client data's type is not `webauthn.get`.
    #[error("the client data is of another type")]
    Type,
    /// The challenge is not the one that was set.
    #[error("the challenge differs")]
    Challenge,
    /// The page was of another origin, or framed by another.
    #[error("the origin differs")]
    Origin,
    /// The authenticator data has a wrong length or impossible flags.
    #[error("the authenticator data cannot be read")]
    AuthenticatorData,
    /// The credential belongs to another relying party.
    #[error("the relying party differs")]
    RpId,
    /// Nobody touched the authenticator.
    #[error("user presence is missing")]
    UserPresence,
    /// The authenticator did not verify who touched it.
    #[error("user verification is missing")]
    UserVerification,
    /// The key's kind is not accepted.
    #[error("the credential's key is of an unsupported kind")]
    Key,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// The counter did not grow: the credential may have been cloned.
    #[error("the signature counter did not grow")]
    Counter,
}

/// `CollectedClientData` (§5.8.1); unknown members are allowed there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    top_origin: Option<String>,
}

/// Checks `assertion` against `expected`; the order follows §7.2, the signature before the counter.
pub fn check(
    assertion: &Assertion<'_>,
    expected: &Expectation<'_>,
    verifier: &dyn SignatureVerifier,
) -> Result<Verdict, AssertionError> {
    if assertion.credential_id.is_empty() || assertion.credential_id != expected.credential_id {
        return Err(AssertionError::Credential);
    }
    check_client_data(assertion.client_data_json, expected)?;
    let (flags, sign_count) = check_authenticator_data(assertion.authenticator_data, expected)?;
    let scheme = scheme(expected.public_key).ok_or(AssertionError::Key)?;
    let mut message = assertion.authenticator_data.to_vec();
    message.extend_from_slice(&Sha256::digest(assertion.client_data_json));
    verifier
        .verify(expected.public_key, scheme, &message, assertion.signature)
        .map_err(|_| AssertionError::Signature)?;
    if (sign_count != 0 || expected.sign_count != 0) && sign_count <= expected.sign_count {
        return Err(AssertionError::Counter);
    }
    Ok(Verdict {
        sign_count,
        backed_up: flags & BACKED_UP != 0,
    })
}

/// The scheme authenticators use with a key: COSE `RS256` for RSA, else the key's own.
fn scheme(public_key: &SubjectPublicKeyInfoOwned) -> Option<SignatureScheme> {
    match SignatureScheme::for_public_key(public_key)? {
        SignatureScheme::RsaPssSha256 => Some(SignatureScheme::RsaPkcs1Sha256),
        scheme => Some(scheme),
    }
}

fn check_client_data(json: &[u8], expected: &Expectation<'_>) -> Result<(), AssertionError> {
    if json.len() > MAX_CLIENT_DATA {
        return Err(AssertionError::ClientData);
    }
    let data: ClientData = serde_json::from_slice(json).map_err(|_| AssertionError::ClientData)?;
    if data.r#type != "webauthn.get" {
        return Err(AssertionError::Type);
    }
    let challenge =
        Base64UrlUnpadded::decode_vec(&data.challenge).map_err(|_| AssertionError::Challenge)?;
    if expected.challenge.is_empty() || challenge != expected.challenge {
        return Err(AssertionError::Challenge);
    }
    if data.origin != expected.origin || data.cross_origin || data.top_origin.is_some() {
        return Err(AssertionError::Origin);
    }
    Ok(())
}

/// Reads flags and counter after checking lengths, relying party and the two demanded flags (§6.1).
fn check_authenticator_data(
    data: &[u8],
    expected: &Expectation<'_>,
) -> Result<(u8, u32), AssertionError> {
    let malformed = AssertionError::AuthenticatorData;
    if data.len() > MAX_AUTHENTICATOR_DATA {
        return Err(malformed);
    }
    let (rp_id_hash, rest) = data.split_first_chunk::<RP_ID_HASH>().ok_or(malformed)?;
    let (&flags, rest) = rest.split_first().ok_or(malformed)?;
    let (counter, extensions) = rest.split_first_chunk::<4>().ok_or(malformed)?;
    if rp_id_hash != Sha256::digest(expected.rp_id.as_bytes()).as_slice() {
        return Err(AssertionError::RpId);
    }
    if flags & USER_PRESENT == 0 {
        return Err(AssertionError::UserPresence);
    }
    if flags & USER_VERIFIED == 0 {
        return Err(AssertionError::UserVerification);
    }
    let extended = flags & EXTENSIONS != 0;
    if flags & ATTESTED_CREDENTIAL != 0
        || extended == extensions.is_empty()
        || (flags & BACKED_UP != 0 && flags & BACKUP_ELIGIBLE == 0)
    {
        return Err(malformed);
    }
    Ok((flags, u32::from_be_bytes(*counter)))
}

#[cfg(test)]
mod tests;
