//! The holder's assertion (Web Authentication Level 3 §7.2).

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{ActivationError, Holder};
use crate::SignatureVerifier;

/// Longest client data that is looked at, in bytes.
pub const MAX_CLIENT_DATA: usize = 4096;
/// Longest authenticator data that is looked at, in bytes.
pub const MAX_AUTHENTICATOR_DATA: usize = 2048;
/// Longest signature that is looked at: RSA with 4096 bits.
const MAX_SIGNATURE: usize = 512;

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED_CREDENTIAL: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;

/// What the holder's browser sent, byte for byte.
#[derive(Debug, Clone, Copy)]
pub struct Assertion<'a> {
    /// `clientDataJSON`.
    pub client_data_json: &'a [u8],
    /// `authenticatorData`.
    pub authenticator_data: &'a [u8],
    /// The signature over authenticator data and the client data's hash.
    pub signature: &'a [u8],
}

/// `CollectedClientData` (§5.8.1); browsers may add members, but none twice.
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

/// Client data that was read, with the challenge it answers.
pub(super) struct Answer {
    data: ClientData,
    pub(super) challenge: [u8; 32],
}

/// Reads the client data; nothing of it is believed before [`check`].
pub(super) fn read(assertion: &Assertion<'_>) -> Result<Answer, ActivationError> {
    if assertion.client_data_json.len() > MAX_CLIENT_DATA {
        return Err(ActivationError::ClientData);
    }
    let data: ClientData = serde_json::from_slice(assertion.client_data_json)
        .map_err(|_| ActivationError::ClientData)?;
    if data.r#type != "webauthn.get" {
        return Err(ActivationError::Type);
    }
    let challenge = Base64UrlUnpadded::decode_vec(&data.challenge)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(ActivationError::Unknown)?;
    Ok(Answer { data, challenge })
}

/// Holds an assertion against its holder: origin, relying party, presence and verification of the user, signature.
pub(super) fn check(
    assertion: &Assertion<'_>,
    answer: &Answer,
    holder: &Holder,
    verifier: &dyn SignatureVerifier,
) -> Result<(), ActivationError> {
    let data = &answer.data;
    if data.origin != holder.origin() || data.cross_origin || data.top_origin.is_some() {
        return Err(ActivationError::Origin);
    }
    check_authenticator_data(assertion.authenticator_data, holder)?;
    if assertion.signature.len() > MAX_SIGNATURE {
        return Err(ActivationError::Signature);
    }
    let hash = Sha256::digest(assertion.client_data_json);
    let message = [assertion.authenticator_data, hash.as_slice()].concat();
    verifier
        .verify(
            holder.public_key(),
            holder.scheme(),
            &message,
            assertion.signature,
        )
        .map_err(|_| ActivationError::Signature)
}

/// §6.1; the counter is left to whoever keeps one.
fn check_authenticator_data(data: &[u8], holder: &Holder) -> Result<(), ActivationError> {
    let malformed = ActivationError::AuthenticatorData;
    if data.len() > MAX_AUTHENTICATOR_DATA {
        return Err(malformed);
    }
    let (rp_id_hash, rest) = data.split_first_chunk::<32>().ok_or(malformed)?;
    let (&flags, rest) = rest.split_first().ok_or(malformed)?;
    let (_counter, extensions) = rest.split_first_chunk::<4>().ok_or(malformed)?;
    if rp_id_hash != Sha256::digest(holder.rp_id().as_bytes()).as_slice() {
        return Err(ActivationError::RelyingParty);
    }
    if flags & USER_PRESENT == 0 || flags & USER_VERIFIED == 0 {
        return Err(ActivationError::User);
    }
    let extended = flags & EXTENSIONS != 0;
    if flags & ATTESTED_CREDENTIAL != 0
        || extended == extensions.is_empty()
        || (flags & BACKED_UP != 0 && flags & BACKUP_ELIGIBLE == 0)
    {
        return Err(malformed);
    }
    Ok(())
}
