//! The gate's certificate and whom it trusts, read anew when a file changes; connections of clients that are no longer trusted end.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::ssl::{
    AlpnError, SslContext, SslFiletype, SslMethod, SslVerifyMode, select_next_proto,
};
use openssl::stack::Stack;
use openssl::x509::store::{X509Lookup, X509Store};
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{
    CrlStatus, X509, X509Crl, X509Ref, X509StoreContext, X509StoreContextRef, X509VerifyResult,
};

use super::config::GateConfig;
use crate::KeyStoreError;
use crate::tls::{self, Identity, Stamp};

/// What is said of an anchor when revocation is asked for: there is no list, none of its issuer, or one by another key
/// (`X509_V_ERR_UNABLE_TO_GET_CRL`, `..._CRL_ISSUER`, `X509_V_ERR_CRL_SIGNATURE_FAILURE` of OpenSSL). An anchor is trusted because it
/// is named, and given up by naming it no more (RFC 5280 §6.1.1).
const NO_LIST_OF_ANCHOR: [i32; 3] = [3, 33, 8];

const SECONDS_OF_A_DAY: i64 = 86_400;

/// What a handshake needs, as the files had it at one moment.
pub(super) struct Material {
    pub(super) context: SslContext,
    anchors: X509Store,
    lists: Vec<X509Crl>,
}

impl Material {
    pub(super) fn load(config: &GateConfig) -> Result<Self, KeyStoreError> {
        let identity = Identity::load(&config.certificate, &config.key)?;
        let authorities = tls::certificates(&config.client_ca)?;
        let mut lists = Vec::new();
        for path in &config.client_crl {
            lists.extend(tls::lists(path)?);
        }
        let failed = |e: ErrorStack| tls::wrong(&config.certificate, &e);
        let anchors = tls::anchors(&authorities, X509VerifyFlags::empty()).map_err(failed)?;
        Ok(Self {
            context: context(&identity, &authorities, config).map_err(failed)?,
            anchors: anchors.build(),
            lists,
        })
    }

    /// Whether a client that was admitted earlier would still be: its chain leads to an anchor, now, and no list names any of it.
    pub(super) fn still_admits(&self, own: &X509, chain: &[X509]) -> Result<(), String> {
        let verified = || {
            let mut above = Stack::new()?;
            for certificate in chain {
                above.push(certificate.clone())?;
            }
            let mut verifier = X509StoreContext::new()?;
            verifier.init(&self.anchors, own, &above, |verifier| {
                verifier.verify_cert()?;
                Ok(verifier.error())
            })
        };
        match verified() {
            Ok(X509VerifyResult::OK) => {}
            Ok(result) => return Err(result.error_string().to_owned()),
            Err(error) => return Err(error.to_string()),
        }
        let revoked = |certificate: &X509| {
            self.lists.iter().any(|list| {
                let issued = list.issuer_name().try_cmp(certificate.issuer_name());
                matches!(issued, Ok(std::cmp::Ordering::Equal))
                    && matches!(list.get_by_cert(certificate), CrlStatus::Revoked(_))
            })
        };
        if std::iter::once(own).chain(chain).any(revoked) {
            return Err("certificate revoked".to_owned());
        }
        Ok(())
    }
}

fn context(
    identity: &Identity,
    authorities: &[X509],
    config: &GateConfig,
) -> Result<SslContext, ErrorStack> {
    let flags = if config.client_crl.is_empty() {
        X509VerifyFlags::empty()
    } else {
        X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL
    };
    let mut store = tls::anchors(authorities, flags)?;
    for path in &config.client_crl {
        let lookup = store.add_lookup(X509Lookup::file())?;
        lookup
            .load_crl_file(path, SslFiletype::PEM)
            .or_else(|_| lookup.load_crl_file(path, SslFiletype::ASN1))?;
    }
    let mut builder = tls::context(SslMethod::tls_server(), identity, store.build())?;
    for authority in authorities {
        builder.add_client_ca(authority)?;
    }
    builder.set_verify_callback(
        SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        judge,
    );
    builder.set_alpn_select_callback(|_, offered| {
        select_next_proto(tls::PROTOCOLS, offered).ok_or(AlpnError::ALERT_FATAL)
    });
    Ok(builder.build())
}

/// Forgives an anchor that it has no revocation list of its own, and nothing else.
fn judge(sound: bool, verifier: &mut X509StoreContextRef) -> bool {
    if sound {
        return true;
    }
    let depth = usize::try_from(verifier.error_depth()).unwrap_or_default();
    let is_anchor = verifier
        .chain()
        .is_some_and(|chain| depth + 1 == chain.len());
    if is_anchor && NO_LIST_OF_ANCHOR.contains(&verifier.error().as_raw()) {
        verifier.set_error(X509VerifyResult::OK);
        return true;
    }
    false
}

/// How long a certificate is still good for.
pub(super) fn time_left(certificate: &X509Ref) -> Duration {
    let left = Asn1Time::days_from_now(0).and_then(|now| now.diff(certificate.not_after()));
    let seconds = left.map_or(0, |left| {
        i64::from(left.days) * SECONDS_OF_A_DAY + i64::from(left.secs)
    });
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// The material in use, and what the files looked like when it was read.
pub(super) struct Keeper {
    config: GateConfig,
    current: RwLock<Arc<Material>>,
    seen: RwLock<Stamp>,
}

impl Keeper {
    pub(super) fn open(config: GateConfig) -> Result<Self, KeyStoreError> {
        // Looked at first: what changes meanwhile is read again.
        let seen = Stamp::of(config.files());
        Ok(Self {
            current: RwLock::new(Arc::new(Material::load(&config)?)),
            seen: RwLock::new(seen),
            config,
        })
    }

    pub(super) fn current(&self) -> Arc<Material> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    /// Takes changed files into use; true when it did. Files that do not fit together are complained of once, and the old ones kept.
    pub(super) fn review(&self) -> bool {
        let now = Stamp::of(self.config.files());
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return false;
        }
        *seen = now;
        match Material::load(&self.config) {
            Ok(material) => {
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                *current = Arc::new(material);
                tracing::info!("certificates of the gate read anew");
                true
            }
            Err(error) => {
                tracing::error!(%error, "changed certificates are of no use; the earlier ones stay");
                false
            }
        }
    }
}
