//! The tables of the policy file that bound certificates and lists.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use const_oid::ObjectIdentifier;
use const_oid::db::DB;
use der::Document;
use serde::Deserialize;
use toml::Spanned;

use super::file::{Slip, narrower};
use crate::tbs::{Authority, CertListRules, CertificateRules, IssuerPin};

/// What RFC 5280 §4.1.2.2 allows.
const MOST_SERIAL_OCTETS: usize = 20;

/// `[key.certificate]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CertificateTable {
    longest_days: NonZeroU32,
    not_after: Option<Spanned<toml::value::Datetime>>,
    drift_hours: Option<u32>,
    serial_octets: Option<Spanned<[usize; 2]>>,
    path_length: Option<u8>,
    extended_key_usage: Option<Spanned<Vec<Oid>>>,
    extended_key_usage_required: Option<bool>,
    critical: Option<Vec<Oid>>,
}

/// `[key.certificate_list]`
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CertListTable {
    longest_hours: Option<NonZeroU32>,
    drift_hours: Option<u32>,
    largest_mib: Option<NonZeroU32>,
}

/// An object identifier in dots, or by the name its RFC gives it (`id-kp-clientAuth`).
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Oid(ObjectIdentifier);

impl TryFrom<String> for Oid {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match DB.by_name(&text) {
            Some(oid) => Ok(Self(*oid)),
            None => ObjectIdentifier::new(&text)
                .map(Self)
                .map_err(|_| format!("'{text}' is no object identifier and no known name of one")),
        }
    }
}

fn hours(count: u32) -> Duration {
    Duration::from_hours(u64::from(count))
}

impl CertificateTable {
    pub(super) fn compile(
        &self,
        issuer: Option<IssuerPin>,
        authority: Option<&Authority>,
    ) -> Result<CertificateRules, Slip> {
        let days = u64::from(self.longest_days.get());
        let mut rules = CertificateRules::new(Duration::from_hours(days * 24));
        rules.issuer = issuer;
        let written = self
            .not_after
            .as_ref()
            .map(|it| moment("not_after", it))
            .transpose()?;
        let own = authority.map(|authority| authority.end);
        rules.latest_end = match (written, own) {
            (Some(written), Some(own)) => Some(written.min(own)),
            (written, own) => written.or(own),
        };
        if let Some(count) = self.drift_hours {
            rules.drift = hours(count);
        }
        if let Some(octets) = &self.serial_octets {
            let [least, most] = *octets.get_ref();
            if least == 0 || least > most || most > MOST_SERIAL_OCTETS {
                let what = "serial_octets is [LEAST, MOST] within 1 to 20";
                return Err((octets.span(), what.to_owned()));
            }
            rules.serial_octets = least..=most;
        }
        rules.path_length = narrower(self.path_length, authority);
        if let Some(allowed) = &self.extended_key_usage {
            if allowed.get_ref().is_empty() {
                let what = "extended_key_usage is empty";
                return Err((allowed.span(), what.to_owned()));
            }
            rules.extended_key_usage = Some(allowed.get_ref().iter().map(|oid| oid.0).collect());
        }
        // Without the extension a certificate serves any purpose, so a list of purposes demands it unless told otherwise.
        rules.extended_key_usage_required = self
            .extended_key_usage_required
            .unwrap_or_else(|| rules.extended_key_usage.is_some());
        if let Some(critical) = &self.critical {
            rules.critical = critical.iter().map(|oid| oid.0).collect();
        }
        Ok(rules)
    }
}

impl CertListTable {
    pub(super) fn compile(self, issuer: Option<IssuerPin>) -> CertListRules {
        let mut rules = CertListRules {
            issuer,
            ..CertListRules::default()
        };
        if let Some(count) = self.longest_hours {
            rules.longest = hours(count.get());
        }
        if let Some(count) = self.drift_hours {
            rules.drift = hours(count);
        }
        if let Some(count) = self.largest_mib {
            rules.largest = u64::from(count.get()) << 20;
        }
        rules
    }
}

/// A moment in UTC, written with date, time and `Z`.
pub(super) fn moment(
    name: &str,
    written: &Spanned<toml::value::Datetime>,
) -> Result<SystemTime, Slip> {
    let wrong = || {
        let what = format!("{name} is a moment in UTC such as 2036-01-01T00:00:00Z");
        (written.span(), what)
    };
    let text = written.get_ref().to_string();
    let time: der::DateTime = text.parse().map_err(|_| wrong())?;
    Ok(time.to_system_time())
}

/// The issuer of the key, from its own certificate or as a hash of its name.
pub(super) fn pinned(
    certificate: Option<&Spanned<String>>,
    sha256: Option<&Spanned<String>>,
) -> Result<(Option<IssuerPin>, Option<Authority>), Slip> {
    match (certificate, sha256) {
        (Some(certificate), None) => {
            let wrong = |what: &str| {
                let what = format!("issuer_certificate {what}");
                (certificate.span(), what)
            };
            let (label, document) = Document::from_pem(certificate.get_ref().trim())
                .map_err(|_| wrong("is no PEM of one certificate"))?;
            if label != "CERTIFICATE" {
                return Err(wrong("is no PEM of one certificate"));
            }
            let authority = Authority::of_certificate(document.as_bytes())
                .map_err(|e| wrong(&format!("is no certificate of an authority: {e}")))?;
            Ok((Some(authority.name), Some(authority)))
        }
        (None, Some(sha256)) => {
            let pin = hexadecimal(sha256.get_ref()).ok_or_else(|| {
                let what = "issuer_sha256 is 64 hexadecimal digits";
                (sha256.span(), what.to_owned())
            })?;
            Ok((Some(IssuerPin::from_sha256(pin)), None))
        }
        (Some(_), Some(sha256)) => {
            let what = "issuer_sha256 beside issuer_certificate";
            Err((sha256.span(), what.to_owned()))
        }
        (None, None) => Ok((None, None)),
    }
}

/// Reads a SHA-256 in hexadecimal digits of either case.
pub(crate) fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let digit = |c: u8| {
        char::from(c)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; 32];
    for (to, [high, low]) in bytes.iter_mut().zip(pairs) {
        *to = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}
