//! PDF objects as bytes (ISO 32000-2 §7.3), for the few that an update writes anew.

use lopdf::{Dictionary, Object, StringFormat};

/// Appends one object. Streams are never rewritten here, so they come out as null.
pub(super) fn write(out: &mut Vec<u8>, object: &Object) {
    match object {
        Object::Null | Object::Stream(_) => out.extend_from_slice(b"null"),
        Object::Boolean(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Object::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Object::Real(value) => real(out, *value),
        Object::Name(name) => write_name(out, name),
        Object::String(bytes, StringFormat::Literal) => literal(out, bytes),
        Object::String(bytes, StringFormat::Hexadecimal) => {
            out.push(b'<');
            out.extend_from_slice(hex(bytes).as_bytes());
            out.push(b'>');
        }
        Object::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b' ');
                }
                write(out, item);
            }
            out.push(b']');
        }
        Object::Dictionary(dictionary) => write_dictionary(out, dictionary),
        Object::Reference((number, generation)) => {
            out.extend_from_slice(format!("{number} {generation} R").as_bytes());
        }
    }
}

pub(super) fn write_dictionary(out: &mut Vec<u8>, dictionary: &Dictionary) {
    out.extend_from_slice(b"<<");
    for (name, value) in dictionary {
        write_name(out, name);
        out.push(b' ');
        write(out, value);
    }
    out.extend_from_slice(b">>");
}

fn write_name(out: &mut Vec<u8>, name: &[u8]) {
    out.push(b'/');
    for &byte in name {
        let regular = byte.is_ascii_graphic() && !b"()<>[]{}/%#".contains(&byte);
        if regular {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("#{byte:02X}").as_bytes());
        }
    }
}

fn literal(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'(');
    for &byte in bytes {
        match byte {
            b'(' | b')' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\n' => out.extend_from_slice(b"\\n"),
            other => out.push(other),
        }
    }
    out.push(b')');
}

/// PDF knows no exponents; more digits than a reader's single precision are of no use.
fn real(out: &mut Vec<u8>, value: f32) {
    let text = if value.is_finite() {
        format!("{value}")
    } else {
        "0".to_owned()
    };
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use core::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing into a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(object: &Object) -> String {
        let mut out = Vec::new();
        write(&mut out, object);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn objects_are_written_as_iso_32000_says() {
        assert_eq!(text(&Object::Name(b"A B#/".to_vec())), "/A#20B#23#2F");
        assert_eq!(
            text(&Object::string_literal("a(b)\\\r")),
            "(a\\(b\\)\\\\\\r)"
        );
        assert_eq!(text(&Object::Real(595.276)), "595.276");
        assert_eq!(text(&Object::Real(0.000_000_1)), "0.0000001");
        let array = Object::Array(vec![1.into(), Object::Reference((7, 2)), Object::Null]);
        assert_eq!(text(&array), "[1 7 2 R null]");
        let mut dictionary = Dictionary::new();
        dictionary.set(
            "K",
            Object::String(vec![0xfe, 0xff], StringFormat::Hexadecimal),
        );
        assert_eq!(text(&Object::Dictionary(dictionary)), "<</K <feff>>>");
    }
}
