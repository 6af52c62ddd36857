//! Names of certificate kinds, as requests and configuration write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A certificate kind of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileName {
    /// A self-signed trust anchor.
    Root,
    /// A certificate authority below a root that issues to end entities.
    Issuing,
    /// A certificate for another hierarchy's authority.
    Cross,
    /// A citizen signing in.
    CitizenAuth,
    /// A citizen signing documents.
    CitizenSign,
    /// An official signing documents.
    OfficialSign,
    /// One signature, minutes of life, no revocation.
    OneShotSign,
    /// A legal entity's seal.
    EntitySeal,
    /// A TLS server.
    TlsServer,
    /// A machine that is client and server.
    Device,
    /// Signed mail.
    Smime,
    /// A delegated OCSP responder.
    OcspResponder,
    /// A time-stamping unit.
    Tsa,
    /// An X-Road security server's authentication key.
    XroadAuth,
    /// An X-Road member's signing key.
    XroadSign,
}

/// A profile name that the catalogue does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such certificate profile")]
pub struct UnknownProfile;

impl ProfileName {
    /// Every name.
    pub const ALL: [Self; 15] = [
        Self::Root,
        Self::Issuing,
        Self::Cross,
        Self::CitizenAuth,
        Self::CitizenSign,
        Self::OfficialSign,
        Self::OneShotSign,
        Self::EntitySeal,
        Self::TlsServer,
        Self::Device,
        Self::Smime,
        Self::OcspResponder,
        Self::Tsa,
        Self::XroadAuth,
        Self::XroadSign,
    ];

    /// The name in kebab case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Issuing => "issuing",
            Self::Cross => "cross",
            Self::CitizenAuth => "citizen-auth",
            Self::CitizenSign => "citizen-sign",
            Self::OfficialSign => "official-sign",
            Self::OneShotSign => "one-shot-sign",
            Self::EntitySeal => "entity-seal",
            Self::TlsServer => "tls-server",
            Self::Device => "device",
            Self::Smime => "smime",
            Self::OcspResponder => "ocsp-responder",
            Self::Tsa => "tsa",
            Self::XroadAuth => "xroad-auth",
            Self::XroadSign => "xroad-sign",
        }
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ProfileName {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        Self::ALL
            .into_iter()
            .find(|name| name.as_str() == text)
            .ok_or(UnknownProfile)
    }
}
