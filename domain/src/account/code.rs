//! Codes that people copy from paper or a message: invitations and recovery codes.
//!
//! The alphabet is Crockford's base 32, which has no letters that look like digits; what people type is forgiven for
//! case, spaces, hyphens, and I, L, O.

/// The alphabet, in the order of values.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters between two hyphens.
const GROUP: usize = 4;

/// Random bytes of an invitation code: 80 bits.
pub const INVITATION_BYTES: usize = 10;
/// Random bytes of a recovery code: 80 bits.
pub const RECOVERY_BYTES: usize = 10;
/// How many recovery codes a sheet has.
pub const RECOVERY_COUNT: usize = 10;
/// Letters and digits of a code of ten bytes.
const CHARACTERS: usize = 16;

/// The code for ten random bytes, as shown: `XXXX-XXXX-XXXX-XXXX`.
pub fn format(random: [u8; INVITATION_BYTES]) -> String {
    let mut out = String::with_capacity(CHARACTERS + CHARACTERS / GROUP);
    let mut buffer = 0_u32;
    let mut bits = 0_u32;
    let mut written = 0;
    for byte in random {
        buffer = (buffer << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let value = (buffer >> bits) & 31;
            if written > 0 && written % GROUP == 0 {
                out.push('-');
            }
            out.extend(ALPHABET.get(value as usize).copied().map(char::from));
            written += 1;
        }
    }
    out
}

/// The one form of a typed code that is hashed: 16 upper-case characters; `None` for anything that cannot be a code.
pub fn normalise(text: &str) -> Option<String> {
    if text.len() > 4 * CHARACTERS {
        return None;
    }
    let normal: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-' && *c != '\u{2010}' && *c != '\u{2011}')
        .map(|c| match c.to_ascii_uppercase() {
            'I' | 'L' => '1',
            'O' => '0',
            other => other,
        })
        .collect();
    let sound = normal.len() == CHARACTERS && normal.bytes().all(|b| ALPHABET.contains(&b));
    sound.then_some(normal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn looks_as_printed() {
        assert_eq!(format([0; 10]), "0000-0000-0000-0000");
        assert_eq!(format([255; 10]), "ZZZZ-ZZZZ-ZZZZ-ZZZZ");
    }

    #[test]
    fn forgives_what_people_do() {
        assert_eq!(
            normalise(" oilo-0000 0000-abcd\n").as_deref(),
            Some("011000000000ABCD")
        );
        assert_eq!(normalise("UUUU-0000-0000-0000"), None);
        assert_eq!(normalise("0000-0000-0000-000"), None);
        assert_eq!(normalise(&"0".repeat(1000)), None);
    }

    proptest! {
        #[test]
        fn distinct_bytes_give_distinct_codes(one: [u8; 10], other: [u8; 10]) {
            let normal = normalise(&format(one)).unwrap();
            prop_assert_eq!(one == other, normal == normalise(&format(other)).unwrap());
            prop_assert_eq!(normalise(&normal.to_lowercase()), Some(normal));
        }

        #[test]
        fn anything_is_answered(text in any::<String>()) {
            let _ = normalise(&text);
        }
    }
}
