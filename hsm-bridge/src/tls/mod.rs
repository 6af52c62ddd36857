//! TLS between a service on another host and the gate: 1.3 alone (RFC 8446), a certificate on both sides, nothing resumed.
//!
//! Resumption is off so that a certificate that was revoked or has ended is looked at in every handshake. Groups and signature algorithms
//! are those that the library prefers, so that a newer one brings its hybrid key exchange along.

mod files;

use std::path::Path;

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslVersion,
};
use openssl::x509::X509;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::X509VerifyFlags;

pub(crate) use files::{Stamp, lists, read_key, read_pem};

use crate::KeyStoreError;

/// The name of the wire protocol in the handshake (RFC 7301); its number is [`crate::wire::VERSION`].
pub(crate) const PROTOCOL: &[u8] = b"romduol-hsm/2";
/// [`PROTOCOL`] as a list of one: its length and itself.
pub(crate) const PROTOCOLS: &[u8] = b"\x0dromduol-hsm/2";

/// Keys and signatures of 112 bits at least, and no SHA-1 (RFC 8446 §4.4.2.4, RFC 9325 §4.2 and §4.5), whatever the system's
/// configuration of the library allows.
const SECURITY_LEVEL: u32 = 2;
const SUITES: &str = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

/// An alert that the other side sent is an error of this reason and more (`SSL_AD_REASON_OFFSET` of OpenSSL).
const ALERT_REASON: i32 = 1000;
/// The highest alert (RFC 8446 §6).
const LAST_ALERT: i32 = 255;

/// Makes an error of the setting that names a file.
pub(crate) fn wrong(path: &Path, error: &dyn std::fmt::Display) -> KeyStoreError {
    KeyStoreError::Configuration(format!("TLS: {}: {error}", path.display()))
}

/// What one side shows: its certificate with its chain, and the key of it.
pub(crate) struct Identity {
    chain: Vec<X509>,
    key: PKey<Private>,
}

impl Identity {
    /// Reads both files; the key's must be readable for its owner alone, and the two must belong together.
    pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Self, KeyStoreError> {
        let chain = certificates(certificate)?;
        let private = read_key(key)?;
        let own = chain.first().and_then(|own| own.public_key().ok());
        if !own.is_some_and(|own| private.public_eq(&own)) {
            return Err(wrong(
                key,
                &format_args!("is not the key of {}", certificate.display()),
            ));
        }
        Ok(Self {
            chain,
            key: private,
        })
    }
}

/// Reads the certificates of a PEM file; there must be one at least.
pub(crate) fn certificates(path: &Path) -> Result<Vec<X509>, KeyStoreError> {
    let found = X509::stack_from_pem(&read_pem(path)?).map_err(|e| wrong(path, &e))?;
    if found.is_empty() {
        return Err(wrong(path, &"holds no certificate in PEM"));
    }
    Ok(found)
}

/// A store in which each of these is an anchor, also one that another authority certified: naming an issuing authority admits what it
/// issued and nothing of its siblings.
pub(crate) fn anchors(
    authorities: &[X509],
    flags: X509VerifyFlags,
) -> Result<X509StoreBuilder, ErrorStack> {
    let mut store = X509StoreBuilder::new()?;
    for authority in authorities {
        store.add_cert(authority.clone())?;
    }
    store.set_flags(X509VerifyFlags::PARTIAL_CHAIN | flags)?;
    Ok(store)
}

/// The context of one side; what it asks of the other side's certificate is added by the caller.
pub(crate) fn context(
    method: SslMethod,
    identity: &Identity,
    store: X509Store,
) -> Result<SslContextBuilder, ErrorStack> {
    let mut builder = SslContext::builder(method)?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_3))?;
    builder.set_ciphersuites(SUITES)?;
    builder.set_security_level(SECURITY_LEVEL);
    builder.set_options(
        SslOptions::NO_TICKET | SslOptions::NO_COMPRESSION | SslOptions::NO_RENEGOTIATION,
    );
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_num_tickets(0)?;
    builder.set_mode(
        SslMode::AUTO_RETRY | SslMode::ACCEPT_MOVING_WRITE_BUFFER | SslMode::ENABLE_PARTIAL_WRITE,
    );
    // A record costs one system call in place of two.
    builder.set_read_ahead(true);
    let mut chain = identity.chain.iter();
    if let Some(own) = chain.next() {
        builder.set_certificate(own)?;
    }
    for above in chain {
        builder.add_extra_chain_cert(above.clone())?;
    }
    builder.set_private_key(&identity.key)?;
    builder.check_private_key()?;
    builder.set_verify_cert_store(store)?;
    Ok(builder)
}

/// The alert that an error says the other side sent.
pub(crate) fn alert(error: &openssl::ssl::Error) -> Option<i32> {
    let reasons = error
        .ssl_error()?
        .errors()
        .iter()
        .map(openssl::error::Error::reason_code);
    reasons
        .map(|reason| reason - ALERT_REASON)
        .find(|alert| (0..=LAST_ALERT).contains(alert))
}

/// An error in words, without the library's numbers and file names.
pub(crate) fn words(error: &openssl::ssl::Error) -> String {
    let reason = error
        .ssl_error()
        .and_then(|stack| stack.errors().first())
        .and_then(openssl::error::Error::reason);
    reason.map_or_else(|| error.to_string(), str::to_owned)
}
