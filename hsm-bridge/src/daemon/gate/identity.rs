//! Whom a client certificate names. Its chain was verified in the handshake; this is about the one certificate.

use std::path::{Path, PathBuf};

use openssl::error::ErrorStack;
use openssl::sha::sha256;
use openssl::x509::{X509ExtendedKeyUsage, X509Ref};

use super::config::{GateCaller, GateConfig};
use crate::KeyStoreError;
use crate::daemon::config::wrong;
use crate::policy::hexadecimal;

/// What a certificate is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mark {
    /// In lower case, since DNS names know no case (RFC 5280 §7.2).
    Dns(String),
    Uri(String),
    Certificate([u8; 32]),
    Key([u8; 32]),
}

/// A service on another host.
#[derive(Debug)]
pub(super) struct Caller {
    name: String,
    socket: PathBuf,
    mark: Mark,
}

impl Caller {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

/// Everybody who may connect.
#[derive(Debug)]
pub(super) struct Callers(Vec<Caller>);

impl Callers {
    /// Reads what certificates are known by; two callers that are known by the same are refused.
    pub(super) fn compile(config: &GateConfig) -> Result<Self, KeyStoreError> {
        let mut callers: Vec<Caller> = Vec::new();
        for settings in &config.caller {
            let mark = mark(settings)?;
            if let Some(other) = callers.iter().find(|other| other.mark == mark) {
                return Err(wrong(format_args!(
                    "[gate]: the same certificates name both '{}' and '{}'",
                    other.name, settings.name
                )));
            }
            callers.push(Caller {
                name: settings.name.clone(),
                socket: settings.socket.clone(),
                mark,
            });
        }
        Ok(Self(callers))
    }

    /// The one caller that a certificate names; the error says why there is none.
    pub(super) fn named(&self, certificate: &X509Ref) -> Result<&Caller, String> {
        // RFC 5280 §4.2.1.12: without the extension a certificate is for anything, which is too much.
        let purposes = certificate.extended_key_usage();
        if !purposes.is_some_and(|it| it.contains(X509ExtendedKeyUsage::SSL_CLIENT)) {
            return Err("its certificate is not one for clients (extendedKeyUsage)".to_owned());
        }
        let known = marks(certificate).map_err(|_| "its certificate cannot be read".to_owned())?;
        let mut matching = self.0.iter().filter(|caller| known.contains(&caller.mark));
        match (matching.next(), matching.next()) {
            (Some(caller), None) => Ok(caller),
            (None, _) => Err("its certificate names no caller".to_owned()),
            (Some(one), Some(other)) => Err(format!(
                "its certificate names both '{}' and '{}'",
                one.name, other.name
            )),
        }
    }
}

fn mark(settings: &GateCaller) -> Result<Mark, KeyStoreError> {
    let wrong = |what: &str| wrong(format_args!("[gate]: caller '{}': {what}", settings.name));
    let sha256 = |text: &String| {
        // Tools print colons between the bytes.
        hexadecimal(&text.replace(':', ""))
            .ok_or_else(|| wrong("a SHA-256 has 64 hexadecimal digits"))
    };
    let (whole, key) = (&settings.certificate_sha256, &settings.key_sha256);
    let given = [
        settings
            .dns_name
            .as_ref()
            .map(|it| Mark::Dns(it.to_ascii_lowercase())),
        settings.uri.clone().map(Mark::Uri),
        whole
            .as_ref()
            .map(sha256)
            .transpose()?
            .map(Mark::Certificate),
        key.as_ref().map(sha256).transpose()?.map(Mark::Key),
    ];
    let mut given = given.into_iter().flatten();
    let (Some(mark), None) = (given.next(), given.next()) else {
        return Err(wrong(
            "exactly one of dns_name, uri, certificate_sha256 and key_sha256 says who it is",
        ));
    };
    match &mark {
        Mark::Dns(name) | Mark::Uri(name) if name.is_empty() => Err(wrong("its name is empty")),
        Mark::Dns(name) if name.contains('*') => Err(wrong("a wildcard names nobody")),
        _ => Ok(mark),
    }
}

/// Everything that a certificate can be known by.
fn marks(certificate: &X509Ref) -> Result<Vec<Mark>, ErrorStack> {
    let whole = certificate.to_der()?;
    let key = certificate.public_key()?.public_key_to_der()?;
    let mut found = vec![Mark::Certificate(sha256(&whole)), Mark::Key(sha256(&key))];
    for name in certificate.subject_alt_names().iter().flatten() {
        if let Some(dns) = name.dnsname() {
            found.push(Mark::Dns(dns.to_ascii_lowercase()));
        } else if let Some(uri) = name.uri() {
            found.push(Mark::Uri(uri.to_owned()));
        }
    }
    Ok(found)
}
