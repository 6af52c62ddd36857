//! Wrapping of a private key for its way into a token, on the machine where it was made.

use openssl::cipher::Cipher;
use openssl::cipher_ctx::{CipherCtx, CipherCtxFlags};
use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::pkey::{PKey, Private, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rand::rand_priv_bytes;
use openssl::rsa::Padding;
use zeroize::Zeroizing;

use super::error::OrderError;
use super::operation::Oaep;

/// The shortest modulus of a transport key, in bits: 128 bits of strength (NIST SP 800-57 part 1, table 2).
const MIN_TRANSPORT_BITS: u32 = 3072;
/// What the padding of RFC 5649 can add: up to seven bytes, the block in front, and a block that the library asks for beside.
const KWP_ROOM: usize = 32;

fn failed(error: &ErrorStack) -> OrderError {
    OrderError::Library(format!("wrapping the key: {error}"))
}

/// Wraps a private key under a transport key: `RSAES-OAEP(k) || AES-KWP(k, PKCS#8)` with a fresh AES-256 key `k`, which is the format of
/// `CKM_RSA_AES_KEY_WRAP` (PKCS#11 v3.0 §2.1.21, RFC 5649, RFC 5958).
pub fn wrap(
    key: &PKey<Private>,
    transport: &PKey<Public>,
    oaep: Oaep,
) -> Result<Vec<u8>, OrderError> {
    if transport.rsa().is_err() || transport.bits() < MIN_TRANSPORT_BITS {
        return Err(OrderError::Value(format!(
            "a transport key is an RSA key of at least {MIN_TRANSPORT_BITS} bits"
        )));
    }
    let pkcs8 = key.private_key_to_pkcs8().map_err(|e| failed(&e))?;
    let pkcs8 = Zeroizing::new(pkcs8);
    let mut ephemeral = Zeroizing::new([0; 32]);
    rand_priv_bytes(&mut *ephemeral).map_err(|e| failed(&e))?;
    let mut wrapped = oaep_of(transport, &ephemeral, oaep).map_err(|e| failed(&e))?;
    wrapped.extend(kwp_of(&ephemeral, &pkcs8).map_err(|e| failed(&e))?);
    Ok(wrapped)
}

fn oaep_of(
    transport: &PKey<Public>,
    ephemeral: &[u8; 32],
    oaep: Oaep,
) -> Result<Vec<u8>, ErrorStack> {
    let hash = match oaep {
        Oaep::Sha1 => Md::sha1(),
        Oaep::Sha256 => Md::sha256(),
    };
    let mut context = PkeyCtx::new(transport)?;
    context.encrypt_init()?;
    context.set_rsa_padding(Padding::PKCS1_OAEP)?;
    context.set_rsa_oaep_md(hash)?;
    context.set_rsa_mgf1_md(hash)?;
    let mut wrapped = Vec::new();
    context.encrypt_to_vec(ephemeral, &mut wrapped)?;
    Ok(wrapped)
}

fn kwp_of(ephemeral: &[u8; 32], pkcs8: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let mut context = CipherCtx::new()?;
    context.set_flags(CipherCtxFlags::FLAG_WRAP_ALLOW);
    context.encrypt_init(Some(Cipher::aes_256_wrap_pad()), Some(ephemeral), None)?;
    let mut wrapped = vec![0; pkcs8.len() + KWP_ROOM];
    let written = context.cipher_update(pkcs8, Some(&mut wrapped))?;
    let last = context.cipher_final(wrapped.get_mut(written..).unwrap_or_default())?;
    wrapped.truncate(written + last);
    Ok(wrapped)
}
