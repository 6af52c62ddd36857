//! Redirect URIs: what may be registered, and the exact comparison at use (RFC 9700 §4.1.3).

use serde::{Deserialize, Serialize};
use url::{Host, Url};

const MAX_LENGTH: usize = 2048;

/// A registered redirect URI, kept in the very bytes of its registration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUri {
    text: String,
    origin: String,
    host: String,
    on_loopback: bool,
}

/// Why a text cannot be registered as redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectUriError {
    /// Not an absolute URI, or not in its normal form.
    #[error("the redirect URI must be an absolute URI in its normal form")]
    Malformed,
    /// A scheme other than https, or http beyond the own machine.
    #[error("the redirect URI must use https (http only on a loopback host)")]
    Scheme,
    /// A fragment or user information.
    #[error("the redirect URI must not have a fragment, a user name or a password")]
    Forbidden,
    /// A wildcard or a path that climbs.
    #[error("the redirect URI must not have wildcards or dot segments")]
    Pattern,
}

impl RedirectUri {
    /// Checks a URI for registration: absolute, https (or http on a loopback host), no fragment, no user information,
    /// no wildcard, and already in normal form, so that what is compared is what a browser goes to.
    pub fn parse(text: &str) -> Result<Self, RedirectUriError> {
        if text.len() > MAX_LENGTH
            || !text.is_ascii()
            || text.bytes().any(|b| b <= b' ' || b == 127)
        {
            return Err(RedirectUriError::Malformed);
        }
        let url = Url::parse(text).map_err(|_| RedirectUriError::Malformed)?;
        if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(RedirectUriError::Forbidden);
        }
        let host = url.host().ok_or(RedirectUriError::Malformed)?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&host) => {}
            _ => return Err(RedirectUriError::Scheme),
        }
        if text.contains('*') || text.contains('\\') || text.contains("/..") || text.contains("/./")
        {
            return Err(RedirectUriError::Pattern);
        }
        // `Url` lower-cases hosts, drops default ports and resolves dots: a text that it changes is not what would be visited.
        if url.as_str() != text {
            return Err(RedirectUriError::Malformed);
        }
        Ok(Self {
            text: text.to_owned(),
            origin: url.origin().ascii_serialization(),
            host: host.to_string(),
            on_loopback: is_loopback(&host),
        })
    }

    /// Whether a request names exactly this URI: byte for byte, nothing is normalised (OpenID Connect Core §3.1.2.1).
    pub fn matches(&self, requested: &str) -> bool {
        self.text == requested
    }

    /// The URI as registered.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port, as Content-Security-Policy names a source.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The host, which names the sector when no other is set (OpenID Connect Core §8.1).
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the host is the visitor's own machine.
    pub fn is_on_loopback(&self) -> bool {
        self.on_loopback
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

impl TryFrom<String> for RedirectUri {
    type Error = RedirectUriError;
    fn try_from(text: String) -> Result<Self, RedirectUriError> {
        Self::parse(&text)
    }
}

impl From<RedirectUri> for String {
    fn from(uri: RedirectUri) -> Self {
        uri.text
    }
}

#[cfg(test)]
#[path = "redirect_tests.rs"]
mod tests;
