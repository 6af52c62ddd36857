//! The rules of one key.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;
use sha2::{Digest, Sha256};
use spki::SubjectPublicKeyInfoOwned;

use super::TbsError;
use super::certificate::parse_authority;
use crate::SignatureScheme;

/// How far a beginning may lie from now unless a rule says otherwise (CA/Browser Forum Baseline Requirements §7.1.2.7: 48 hours).
pub const DEFAULT_DRIFT: Duration = Duration::from_hours(48);

/// Lists live at most this long unless a rule says otherwise (CA/Browser Forum Baseline Requirements §4.9.7: ten days).
const LONGEST_LIST: Duration = Duration::from_hours(10 * 24);

/// A list longer than this is refused unless a rule says otherwise.
const LARGEST_LIST: u64 = 1 << 30;

/// The critical extensions that certificates may carry: those that every relying party has to recognise (RFC 5280 §4.2).
pub const KNOWN_CRITICAL: [ObjectIdentifier; 8] = [
    rfc5280::ID_CE_KEY_USAGE,
    rfc5280::ID_CE_BASIC_CONSTRAINTS,
    rfc5280::ID_CE_EXT_KEY_USAGE,
    rfc5280::ID_CE_SUBJECT_ALT_NAME,
    rfc5280::ID_CE_CERTIFICATE_POLICIES,
    rfc5280::ID_CE_NAME_CONSTRAINTS,
    rfc5280::ID_CE_POLICY_CONSTRAINTS,
    rfc5280::ID_CE_INHIBIT_ANY_POLICY,
];

/// The one issuer name a key signs under, as SHA-256 over its DER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssuerPin([u8; 32]);

impl IssuerPin {
    /// Pins the name with this SHA-256.
    pub const fn from_sha256(sha256: [u8; 32]) -> Self {
        Self(sha256)
    }

    /// Pins a Name given in DER.
    pub fn of_name(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    pub(super) fn check(pin: Option<&Self>, name: &[u8]) -> Result<(), TbsError> {
        match pin {
            Some(pin) if *pin != Self::of_name(name) => Err(TbsError::Issuer),
            _ => Ok(()),
        }
    }
}

/// What an authority's own certificate says about what it may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority {
    /// Its subject, the issuer of everything it signs.
    pub name: IssuerPin,
    /// Its notAfter.
    pub end: SystemTime,
    /// Authorities below it: `None` none at all, else at most so many levels under the next one.
    pub path_length: Option<u8>,
}

impl Authority {
    /// Reads an authority's Certificate in DER; its signature is not looked at, since whoever writes the rules trusts it already.
    pub fn of_certificate(der: &[u8]) -> Result<Self, TbsError> {
        parse_authority(der)
    }
}

/// What certificates a key may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRules {
    /// Octets of the serial number's INTEGER.
    pub serial_octets: RangeInclusive<usize>,
    /// The issuer; any when absent.
    pub issuer: Option<IssuerPin>,
    /// Longest time from notBefore to notAfter.
    pub longest: Duration,
    /// No notAfter beyond this, the end of the key's own certificate.
    pub latest_end: Option<SystemTime>,
    /// How far notBefore may lie from now, to either side.
    pub drift: Duration,
    /// Longest pathLenConstraint of an authority; `None` forbids authorities.
    pub path_length: Option<u8>,
    /// Extensions that may be critical.
    pub critical: Vec<ObjectIdentifier>,
    /// The extended key usages allowed; `None` allows all.
    pub extended_key_usage: Option<Vec<ObjectIdentifier>>,
    /// Whether a certificate that is no authority's must name an extended key usage: without one it serves any.
    pub extended_key_usage_required: bool,
}

impl CertificateRules {
    /// The strictest rules that suit a certificate of this validity: no authorities, serials of 8 to 20 octets (RFC 5280 §4.1.2.2).
    pub fn new(longest: Duration) -> Self {
        Self {
            serial_octets: 8..=20,
            issuer: None,
            longest,
            latest_end: None,
            drift: DEFAULT_DRIFT,
            path_length: None,
            critical: KNOWN_CRITICAL.to_vec(),
            extended_key_usage: None,
            extended_key_usage_required: false,
        }
    }
}

/// What revocation lists a key may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertListRules {
    /// The issuer; any when absent.
    pub issuer: Option<IssuerPin>,
    /// Longest time from thisUpdate to nextUpdate.
    pub longest: Duration,
    /// How far thisUpdate may lie from now, to either side.
    pub drift: Duration,
    /// Longest list in bytes.
    pub largest: u64,
}

impl Default for CertListRules {
    fn default() -> Self {
        Self {
            issuer: None,
            longest: LONGEST_LIST,
            drift: DEFAULT_DRIFT,
            largest: LARGEST_LIST,
        }
    }
}

/// The signature that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// How it is made.
    pub scheme: SignatureScheme,
    /// The public half of the key that makes it.
    pub public_key: &'a SubjectPublicKeyInfoOwned,
    /// The time it is asked for.
    pub now: SystemTime,
}

/// Checks the two ends of a validity against now.
pub(super) fn check_times(
    (begin, end): (SystemTime, SystemTime),
    (longest, drift): (Duration, Duration),
    now: SystemTime,
) -> Result<(), TbsError> {
    let off = now
        .duration_since(begin)
        .unwrap_or_else(|ahead| ahead.duration());
    if off > drift {
        return Err(TbsError::Beginning);
    }
    if end <= now {
        return Err(TbsError::End);
    }
    match end.duration_since(begin) {
        Ok(life) if life.is_zero() => Err(TbsError::End),
        Ok(life) if life > longest => Err(TbsError::Validity),
        Ok(_) => Ok(()),
        Err(_) => Err(TbsError::End),
    }
}
