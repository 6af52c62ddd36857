//! What a caller asks a certificate to say.

use std::net::IpAddr;
use std::time::SystemTime;

use der::asn1::Ia5String;
use serde::{Deserialize, Serialize};
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::ext::pkix::name::GeneralName;

use super::IssueError;
use crate::name::DistinguishedName;
use crate::profile::SanKind;
use crate::serial::SerialNumber;

const MAX_DNS_NAME: usize = 253;
const MAX_DNS_LABEL: usize = 63;
const MAX_EMAIL: usize = 254;
const MAX_URI: usize = 2048;

/// A certificate to be made. The key's possession was proven before; it is not checked here.
#[derive(Debug, Clone)]
pub struct Request {
    /// The key to certify.
    pub public_key: SubjectPublicKeyInfoOwned,
    /// Whom to certify.
    pub subject: DistinguishedName,
    /// Further names.
    pub san: Vec<SubjectAltName>,
    /// The serial number, from a random source and never used before.
    pub serial: SerialNumber,
    /// First and last second; `None` takes the profile's default, cut at the issuer's end.
    pub validity: Option<Validity>,
}

/// First and last second of a certificate's life; both count (RFC 5280 §4.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub not_before: SystemTime,
    /// Last second.
    pub not_after: SystemTime,
}

/// A subject alternative name (RFC 5280 §4.2.1.6); in JSON `{"dns": "www.gov.kh"}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectAltName {
    /// A host name in A-label form, lower case.
    Dns(String),
    /// An address.
    Ip(IpAddr),
    /// A mailbox in ASCII.
    Email(String),
    /// An absolute URI.
    Uri(String),
}

impl SubjectAltName {
    /// The kind of name.
    pub const fn kind(&self) -> SanKind {
        match self {
            Self::Dns(_) => SanKind::Dns,
            Self::Ip(_) => SanKind::Ip,
            Self::Email(_) => SanKind::Email,
            Self::Uri(_) => SanKind::Uri,
        }
    }

    /// Checks the form and encodes.
    pub(super) fn to_general_name(&self) -> Result<GeneralName, IssueError> {
        let encoded = match self {
            Self::Dns(name) if is_dns_name(name) => Ia5String::new(name).map(GeneralName::DnsName),
            Self::Ip(address) => Ok(GeneralName::from(*address)),
            Self::Email(mailbox) if is_mailbox(mailbox) => {
                Ia5String::new(mailbox).map(GeneralName::Rfc822Name)
            }
            Self::Uri(uri) if is_uri(uri) => {
                Ia5String::new(uri).map(GeneralName::UniformResourceIdentifier)
            }
            _ => return Err(self.malformed()),
        };
        encoded.map_err(|_| self.malformed())
    }

    fn malformed(&self) -> IssueError {
        IssueError::SubjectAltName(match self {
            Self::Dns(text) | Self::Email(text) | Self::Uri(text) => text.clone(),
            Self::Ip(address) => address.to_string(),
        })
    }
}

/// RFC 1034 §3.5 in lower case, with at least one label; no wildcard, no underscore.
pub(crate) fn is_dns_name(name: &str) -> bool {
    let label_ok = |label: &str| {
        !label.is_empty()
            && label.len() <= MAX_DNS_LABEL
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|o| o.is_ascii_lowercase() || o.is_ascii_digit() || o == b'-')
    };
    name.len() <= MAX_DNS_NAME && name.split('.').all(label_ok)
}

/// `local@host` with a dot-atom before the sign (RFC 5321 §4.1.2); no quoting, no comments.
pub(crate) fn is_mailbox(mailbox: &str) -> bool {
    let Some((local, host)) = mailbox.rsplit_once('@') else {
        return false;
    };
    let atom_ok = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|o| o.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&o))
    };
    mailbox.len() <= MAX_EMAIL
        && local.split('.').all(atom_ok)
        && host.contains('.')
        && is_dns_name(&host.to_ascii_lowercase())
}

/// A scheme, a colon and something visible behind it (RFC 3986 §4.3).
pub(crate) fn is_uri(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    uri.len() <= MAX_URI
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|o| o.is_ascii_alphanumeric() || b"+-.".contains(&o))
        && !rest.is_empty()
        && rest
            .bytes()
            .all(|octet| octet.is_ascii_graphic() && !b"<>\"\\^`{|}".contains(&octet))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn malformed_names_are_refused() {
        for bad in ["", "a..b", "-a.kh", "A.kh", "*.gov.kh", "a_b.kh", "ខ្មែរ.kh"] {
            assert!(
                SubjectAltName::Dns(bad.to_owned())
                    .to_general_name()
                    .is_err(),
                "{bad}"
            );
        }
        for bad in ["a", "a@b", "@b.kh", "a b@c.kh", "a..b@c.kh"] {
            assert!(
                SubjectAltName::Email(bad.to_owned())
                    .to_general_name()
                    .is_err(),
                "{bad}"
            );
        }
        for bad in ["a", ":b", "1a:b", "http:", "http://a b"] {
            assert!(
                SubjectAltName::Uri(bad.to_owned())
                    .to_general_name()
                    .is_err(),
                "{bad}"
            );
        }
        assert!(
            SubjectAltName::Dns("localhost".to_owned())
                .to_general_name()
                .is_ok()
        );
        assert!(
            SubjectAltName::Email("sok.sophea@mptc.gov.kh".to_owned())
                .to_general_name()
                .is_ok()
        );
    }

    proptest! {
        #[test]
        fn checks_never_panic(text in ".{0,80}") {
            let _ = (is_dns_name(&text), is_mailbox(&text), is_uri(&text));
        }
    }
}
