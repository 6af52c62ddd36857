//! Fields that both structures share.

use std::time::{SystemTime, UNIX_EPOCH};

use der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use spki::AlgorithmIdentifierOwned;

use super::TbsError;
use crate::SignatureScheme;

/// Longest serial number (RFC 5280 §4.1.2.2).
pub(super) const SERIAL_OCTETS: usize = 20;

/// Honest structures nest less than this.
const DEPTH: u8 = 24;

/// Whether the bytes are DER values one after the other, down to the innermost.
pub(super) fn well_formed(bytes: &[u8]) -> Result<(), TbsError> {
    nested(bytes, DEPTH)
}

fn nested(bytes: &[u8], depth: u8) -> Result<(), TbsError> {
    let deeper = depth
        .checked_sub(1)
        .ok_or(TbsError::Malformed("too deeply nested"))?;
    let mut reader = SliceReader::new(bytes)?;
    while !reader.is_finished() {
        let value = AnyRef::decode(&mut reader)?;
        if value.tag().is_constructed() {
            nested(value.value(), deeper)?;
        }
    }
    Ok(())
}

/// The content octets of a positive INTEGER of at most 20 octets, in the fewest octets (X.690 §8.3.2).
pub(super) fn serial(value: AnyRef<'_>) -> Result<&[u8], TbsError> {
    let octets = value.value();
    let positive = match octets {
        [0, second, ..] => *second >= 0x80,
        [first, ..] => (1..0x80).contains(first),
        [] => false,
    };
    if value.tag() == Tag::Integer && positive && octets.len() <= SERIAL_OCTETS {
        Ok(octets)
    } else {
        Err(TbsError::Serial)
    }
}

/// A Time: UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 §4.1.2.5).
pub(super) fn time(value: AnyRef<'_>) -> Result<SystemTime, TbsError> {
    const WRONG: TbsError = TbsError::Malformed("time");
    let since = match value.tag() {
        Tag::UtcTime => value
            .decode_as::<UtcTime>()
            .map_err(|_| WRONG)?
            .to_unix_duration(),
        Tag::GeneralizedTime => {
            let time = value.decode_as::<GeneralizedTime>().map_err(|_| WRONG)?;
            if time.to_date_time().year() <= UtcTime::MAX_YEAR {
                return Err(WRONG);
            }
            time.to_unix_duration()
        }
        _ => return Err(WRONG),
    };
    UNIX_EPOCH.checked_add(since).ok_or(WRONG)
}

/// The AlgorithmIdentifier inside must be the one that goes outside (RFC 5280 §4.1.1.2).
pub(super) fn algorithm(value: AnyRef<'_>, scheme: SignatureScheme) -> Result<(), TbsError> {
    let identifier = value
        .decode_as::<AlgorithmIdentifierOwned>()
        .map_err(|_| TbsError::Malformed("algorithm"))?;
    if SignatureScheme::from_algorithm_identifier(&identifier) == Some(scheme) {
        Ok(())
    } else {
        Err(TbsError::Algorithm)
    }
}

/// Whether a value is a Name: a SEQUENCE, well-formed to the innermost.
pub(super) fn name(der: &[u8]) -> Result<(), TbsError> {
    const WRONG: TbsError = TbsError::Malformed("name");
    let value = AnyRef::from_der(der).map_err(|_| WRONG)?;
    if value.tag() != Tag::Sequence {
        return Err(WRONG);
    }
    well_formed(value.value()).map_err(|_| WRONG)
}
