//! Khmer names: the stored form, and a key under which different typings of one name meet.

use super::{MAX_LENGTH, NameError, tidy};

const COENG: char = '\u{17D2}';

/// The stored form of a Khmer name, or why it cannot be one.
pub fn normalise(input: &str) -> Result<String, NameError> {
    let mut text = String::new();
    for c in tidy(input)?.chars() {
        // Deprecated letters have a spelling of their own in Unicode's Khmer chapter.
        match c {
            '\u{17A3}' => text.push('\u{17A2}'),
            '\u{17A4}' => text.push_str("\u{17A2}\u{17B6}"),
            c if is_letter(c) || is_sign(c) || c == ' ' => text.push(c),
            other => return Err(NameError::Character(other)),
        }
    }
    check_order(&text)?;
    if text.chars().count() > MAX_LENGTH {
        return Err(NameError::TooLong);
    }
    Ok(text)
}

/// Consonants and independent vowels.
fn is_letter(c: char) -> bool {
    matches!(c, '\u{1780}'..='\u{17A2}' | '\u{17A5}'..='\u{17B3}')
}

/// Dependent vowels, the subscript sign, shifters and other signs above or beside a letter.
fn is_sign(c: char) -> bool {
    matches!(c, '\u{17B6}'..='\u{17D2}' | '\u{17DD}')
}

fn check_order(text: &str) -> Result<(), NameError> {
    let mut previous = ' ';
    for c in text.chars() {
        let stands = match c {
            COENG => is_letter(previous) || (is_sign(previous) && previous != COENG),
            ' ' => previous != COENG,
            c if is_sign(c) => previous != ' ' && previous != COENG,
            _ => true,
        };
        if !stands {
            return Err(NameError::Order(c));
        }
        previous = c;
    }
    if previous == COENG {
        return Err(NameError::Order(COENG));
    }
    Ok(())
}

/// A key for comparing: two typings that look alike give the same key. Not for display.
pub fn search_key(name: &str) -> String {
    let mut text: String = name.chars().filter(|c| !c.is_whitespace()).collect();
    for (typed, meant) in [
        ("\u{17C1}\u{17B8}", "\u{17BE}"),
        ("\u{17C1}\u{17B6}", "\u{17C4}"),
        // Subscript DA and TA are drawn alike.
        ("\u{17D2}\u{178A}", "\u{17D2}\u{178F}"),
    ] {
        text = text.replace(typed, meant);
    }
    order_subscripts(&text)
}

/// Subscript RO is drawn first but belongs last among subscripts.
fn order_subscripts(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut held_ro = false;
    while let Some(c) = chars.next() {
        if c == COENG && chars.peek() == Some(&'\u{179A}') {
            chars.next();
            held_ro = true;
            continue;
        }
        if held_ro && c != COENG {
            out.extend([COENG, '\u{179A}']);
            held_ro = false;
        }
        out.push(c);
        if c == COENG
            && let Some(letter) = chars.next()
        {
            out.push(letter);
        }
    }
    if held_ro {
        out.extend([COENG, '\u{179A}']);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_people() {
        for name in ["សុខ", "ដារ៉ា", "ចាន់ សុភ័ក្ត្រ", "ញ៉ែម", "ឯម", "ហ៊ុន"]
        {
            assert_eq!(normalise(name).unwrap(), name);
        }
        assert_eq!(normalise("  សុខ\u{200B}ដារ៉ា ").unwrap(), "សុខដារ៉ា");
    }

    #[test]
    fn refusals() {
        assert_eq!(normalise(" \u{200B} "), Err(NameError::Empty));
        assert_eq!(normalise("Sok"), Err(NameError::Character('S')));
        assert_eq!(normalise("សុខ១"), Err(NameError::Character('១')));
        assert_eq!(
            normalise("សុ\u{202E}ខ"),
            Err(NameError::Invisible('\u{202E}'))
        );
        assert_eq!(
            normalise("សុ\u{17B4}ខ"),
            Err(NameError::Invisible('\u{17B4}'))
        );
        assert_eq!(normalise("\u{17B6}ក"), Err(NameError::Order('\u{17B6}')));
        assert_eq!(normalise("ក្"), Err(NameError::Order(COENG)));
        assert_eq!(normalise(&"ក".repeat(101)), Err(NameError::TooLong));
    }

    #[test]
    fn look_alikes_meet() {
        assert_eq!(search_key("សុភ័ក្ដ្រ"), search_key("សុភ័ក្រ្ត"));
        assert_eq!(search_key("ក\u{17C1}\u{17B6}"), search_key("ក\u{17C4}"));
        assert_ne!(search_key("ដារ៉ា"), search_key("ដារី"));
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text in "[\u{1780}-\u{17DD} \u{200B}]{0,20}") {
            if let Ok(once) = normalise(&text) {
                prop_assert_eq!(normalise(&once).unwrap(), once.clone());
                let key = search_key(&once);
                prop_assert_eq!(search_key(&key), key.clone());
            }
        }

        #[test]
        fn anything_is_answered(text in "\\PC{0,40}") {
            let _ = normalise(&text);
        }
    }
}
