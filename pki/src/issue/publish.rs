//! Where relying parties find issuers, responders and revocation lists: the URLs inside certificates.

use std::num::NonZeroU16;

use crate::key::IssuerId;
use crate::serial::SerialNumber;

/// The base address under which the status service publishes, and how an issuer's CRL is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishUrls {
    base: String,
    shards: NonZeroU16,
}

/// A base address that cannot stand in certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the base address is http:// or https://, a host and an optional path, without query or fragment"
)]
pub struct PublishError;

impl PublishUrls {
    /// Takes the base address and the number of CRL shards, which stays fixed for the issuer's life.
    pub fn new(base_url: &str, shards: NonZeroU16) -> Result<Self, PublishError> {
        let base = base_url.strip_suffix('/').unwrap_or(base_url);
        let host = base
            .strip_prefix("http://")
            .or_else(|| base.strip_prefix("https://"))
            .and_then(|rest| rest.split('/').next())
            .ok_or(PublishError)?;
        let clean = base.bytes().all(|octet| {
            octet.is_ascii_alphanumeric()
                || matches!(octet, b'.' | b'-' | b':' | b'/' | b'_' | b'[' | b']')
        });
        if host.is_empty() || !clean || base.ends_with('/') {
            return Err(PublishError);
        }
        Ok(Self {
            base: base.to_owned(),
            shards,
        })
    }

    /// The base address without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// How many shards the issuer's CRL has.
    pub fn shards(&self) -> NonZeroU16 {
        self.shards
    }

    /// The shard whose CRL lists a certificate of this serial number once it is revoked.
    pub fn shard(&self, serial: &SerialNumber) -> u16 {
        serial.shard(self.shards)
    }

    /// The OCSP responder.
    pub fn ocsp(&self) -> String {
        format!("{}/ocsp", self.base)
    }

    /// The issuer's certificate in DER.
    pub fn issuer(&self, issuer: IssuerId) -> String {
        format!("{}/issuer/{issuer}.cer", self.base)
    }

    /// One shard of the issuer's CRL.
    pub fn crl(&self, issuer: IssuerId, shard: u16) -> String {
        format!("{}/crl/{issuer}/{shard}.crl", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_published() {
        let one = NonZeroU16::MIN;
        assert!(PublishUrls::new("http://status.example.kh:8082/", one).is_ok());
        assert!(PublishUrls::new("https://[::1]:8082/pki", one).is_ok());
        for bad in [
            "",
            "http://",
            "ftp://a",
            "http://a?b",
            "http://a//",
            "http://a b",
            "//a",
        ] {
            assert_eq!(PublishUrls::new(bad, one), Err(PublishError), "{bad}");
        }
    }

    #[test]
    fn every_serial_number_has_a_shard() {
        let urls = PublishUrls::new("http://a", NonZeroU16::new(7).unwrap()).unwrap();
        let shards: std::collections::BTreeSet<u16> = (0..100_u8)
            .map(|octet| {
                urls.shard(&SerialNumber::new(1, &[[octet; 1], [0; 1]].concat().repeat(8)).unwrap())
            })
            .collect();
        assert_eq!(shards, (0..7).collect());
    }
}
