//! AES-256-GCM (NIST SP 800-38D) whose plaintext is only ever in memory that is wiped.

use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use zeroize::Zeroizing;

use crate::DataKey;

/// Length of the tag at the end of what was sealed.
pub(super) const TAG: usize = 16;
/// A data key seals one text in its life, so its nonce may be any.
const NONCE: [u8; 12] = [0; 12];

/// Seals one text under a key that seals no other.
pub(super) fn seal(key: &DataKey, aad: &[u8], text: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let mut context = CipherCtx::new()?;
    context.encrypt_init(
        Some(Cipher::aes_256_gcm()),
        Some(key.as_bytes()),
        Some(&NONCE),
    )?;
    context.cipher_update(aad, None)?;
    let mut sealed = vec![0; text.len()];
    context.cipher_update(text, Some(&mut sealed))?;
    context.cipher_final(&mut [])?;
    let mut tag = [0; TAG];
    context.tag(&mut tag)?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// Opens what [`seal`] made under the same key and `aad`; `None` for anything else.
pub(super) fn open(key: &DataKey, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (text, tag) = sealed.split_last_chunk::<TAG>()?;
    let mut opened = Zeroizing::new(vec![0; text.len()]);
    let mut work = || {
        let mut context = CipherCtx::new()?;
        context.decrypt_init(
            Some(Cipher::aes_256_gcm()),
            Some(key.as_bytes()),
            Some(&NONCE),
        )?;
        context.set_tag(tag)?;
        context.cipher_update(aad, None)?;
        context.cipher_update(text, Some(&mut opened))?;
        context.cipher_final(&mut [])
    };
    work().ok().map(|_| opened)
}
