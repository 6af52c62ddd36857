//! Hashing passwords with Argon2id (RFC 9106), as many at a time as the pool has places, since each takes memory.

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use zeroize::Zeroizing;

use super::AccountError;
use crate::app::App;

/// Lanes of one hash.
const LANES: u32 = 1;
/// Octets of a hash.
const OUTPUT_OCTETS: usize = 32;

/// Hashes a normalised password; the result is in PHC form.
pub(super) async fn hash(app: &App, password: Zeroizing<String>) -> Result<String, AccountError> {
    let (hasher, salt) = (hasher(app)?, app.sources.random::<16>());
    service::blocking(&app.pool, move || {
        hasher
            .hash_password_with_salt(password.as_bytes(), &salt)
            .map(|hash| hash.to_string())
            .map_err(|_| AccountError::Hashing)
    })
    .await?
}

/// Whether the password belongs to the hash. Without a hash the same work is done and the answer is no, so that the
/// time tells nothing about whether there is an account.
pub(super) async fn verify(
    app: &App,
    password: Zeroizing<String>,
    hash: Option<String>,
) -> Result<bool, AccountError> {
    let (hasher, salt) = (hasher(app)?, app.sources.random::<16>());
    service::blocking(&app.pool, move || {
        if let Some(Ok(known)) = hash.as_deref().map(PasswordHash::new) {
            hasher.verify_password(password.as_bytes(), &known).is_ok()
        } else {
            let _ = hasher.hash_password_with_salt(password.as_bytes(), &salt);
            false
        }
    })
    .await
    .map_err(AccountError::from)
}

fn hasher(app: &App) -> Result<Argon2<'static>, AccountError> {
    let config = &app.config.account;
    let params = Params::new(
        config.password_memory_kib,
        config.password_passes,
        LANES,
        Some(OUTPUT_OCTETS),
    )
    .map_err(|_| AccountError::Hashing)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}
