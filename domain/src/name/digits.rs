//! Khmer digits in numbers that people type.

/// Replaces Khmer digits (U+17E0 to U+17E9) by ASCII digits and leaves everything else.
pub fn to_ascii(input: &str) -> String {
    input.chars().map(|c| ascii_digit(c).unwrap_or(c)).collect()
}

/// Replaces ASCII digits by Khmer digits, for running text in Khmer.
pub fn to_khmer(input: &str) -> String {
    input
        .chars()
        .map(|c| {
            c.to_digit(10)
                .and_then(|digit| char::from_u32(0x17E0 + digit))
                .unwrap_or(c)
        })
        .collect()
}

fn ascii_digit(c: char) -> Option<char> {
    let offset = u32::from(c).checked_sub(0x17E0)?;
    char::from_digit(offset, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        assert_eq!(to_ascii("០១២៣៤៥៦៧៨៩-A"), "0123456789-A");
        assert_eq!(to_khmer("2026"), "២០២៦");
        assert_eq!(to_ascii("\u{17DF}\u{17EA}"), "\u{17DF}\u{17EA}");
    }
}
