//! Six-character dates, in which unknown parts are fillers, and the century they belong to.

use jiff::civil::Date;

use crate::person::PartialDate;

/// How far an expiry date may lie from today.
const EXPIRY_WINDOW_YEARS: i16 = 50;

/// `Ok(None)` where every part is unknown.
pub(super) fn birth(field: &[u8], today: Date) -> Result<Option<PartialDate>, ()> {
    let (Some(year), month, day) = parts(field)? else {
        return if field.iter().all(|byte| *byte == b'<') {
            Ok(None)
        } else {
            Err(())
        };
    };
    let this_century = today.year() - today.year().rem_euclid(100) + i16::from(year);
    let date = |year| PartialDate::new(year, month, day);
    match date(this_century) {
        Ok(found) if found.earliest() <= today => Ok(Some(found)),
        // The 29th of February may exist in the other century only.
        _ => date(this_century - 100).map(Some).map_err(|_| ()),
    }
}

/// `Ok(None)` where the document does not expire.
pub(super) fn expiry(field: &[u8], today: Date) -> Result<Option<Date>, ()> {
    match parts(field)? {
        (None, None, None) => Ok(None),
        (Some(year), Some(month), Some(day)) => {
            let mut full = today.year() - today.year().rem_euclid(100) + i16::from(year);
            if full > today.year() + EXPIRY_WINDOW_YEARS {
                full -= 100;
            } else if full < today.year() - EXPIRY_WINDOW_YEARS {
                full += 100;
            }
            Date::new(full, month, day).map(Some).map_err(|_| ())
        }
        _ => Err(()),
    }
}

type Parts = (Option<i8>, Option<i8>, Option<i8>);

fn parts(field: &[u8]) -> Result<Parts, ()> {
    let [y1, y2, m1, m2, d1, d2] = field else {
        return Err(());
    };
    Ok((pair(*y1, *y2)?, pair(*m1, *m2)?, pair(*d1, *d2)?))
}

fn pair(tens: u8, ones: u8) -> Result<Option<i8>, ()> {
    if (tens, ones) == (b'<', b'<') {
        return Ok(None);
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => i8::try_from(byte - b'0').map_err(|_| ()),
        _ => Err(()),
    };
    Ok(Some(digit(tens)? * 10 + digit(ones)?))
}
