//! Text strings and dates (ISO 32000-2 §7.9.2.2, §7.9.4).

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lopdf::{Object, StringFormat};

use super::{MAX_TEXT_CHARS, PadesError};

/// ASCII as it is, everything else as UTF-16BE with its mark, which every reader of Khmer understands.
pub(super) fn text_string(text: &str, what: &'static str) -> Result<Object, PadesError> {
    if text.chars().count() > MAX_TEXT_CHARS || text.chars().any(char::is_control) {
        return Err(PadesError::Text(what));
    }
    if text.is_ascii() {
        return Ok(Object::string_literal(text));
    }
    let mut bytes = vec![0xfe, 0xff];
    bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
    Ok(Object::String(bytes, StringFormat::Hexadecimal))
}

/// A date in UTC to the second.
pub(super) fn date(at: Timestamp) -> Object {
    let utc = at.to_zoned(TimeZone::UTC);
    Object::string_literal(format!("D:{}", utc.strftime("%Y%m%d%H%M%SZ")))
}

/// Reads a text string; what cannot be read is absent.
pub(super) fn read(object: &Object) -> Option<String> {
    lopdf::decode_text_string(object).ok()
}
