//! Codes of six digits that show that somebody reads a mailbox or holds a telephone (NIST SP 800-63A §3.8).

use jiff::{SignedDuration, Timestamp};

use super::Channel;

/// Digits of a code.
pub const DIGITS: usize = 6;
/// Wrong tries a code survives.
pub const TRIES_MAX: u32 = 5;
/// How long a person waits before another code is sent to the same address.
pub const RESEND_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// Codes sent to one address within a day.
pub const CODES_PER_DAY: u32 = 10;

/// How long a code lives on its way.
pub const fn lifetime(channel: Channel) -> SignedDuration {
    match channel {
        Channel::Sms => SignedDuration::from_mins(10),
        Channel::Email => SignedDuration::from_hours(24),
    }
}

/// The digits for four random bytes; the bias of the remainder is below one in four thousand.
pub fn digits(random: [u8; 4]) -> String {
    format!("{:06}", u32::from_be_bytes(random) % 1_000_000)
}

/// A typed code as six ASCII digits; Khmer digits and spaces are understood.
pub fn normalise(text: &str) -> Option<String> {
    let digits: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| match c {
            '\u{17e0}'..='\u{17e9}' => char::from_digit(u32::from(c) - 0x17e0, 10).unwrap_or(c),
            other => other,
        })
        .collect();
    (digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

/// A code that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentCode {
    /// When it stops to count.
    pub expires_at: Timestamp,
    /// Wrong tries so far.
    pub tries: u32,
    /// Whether it was used.
    pub used: bool,
}

/// What a try came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The code is right and is spent now.
    Accepted,
    /// The code is wrong; so many tries are left.
    Wrong {
        /// Tries left for this code.
        left: u32,
    },
    /// The code no longer counts (too old, spent, or tried too often): a new one must be sent.
    Void,
}

impl SentCode {
    /// Judges a try; `matches` tells whether the typed code is the one sent. Returns the record to keep.
    pub fn judge(self, matches: bool, now: Timestamp) -> (Self, Verdict) {
        if self.used || self.tries >= TRIES_MAX || now >= self.expires_at {
            return (self, Verdict::Void);
        }
        if matches {
            return (Self { used: true, ..self }, Verdict::Accepted);
        }
        let tries = self.tries + 1;
        let kept = Self { tries, ..self };
        let verdict = if tries >= TRIES_MAX {
            Verdict::Void
        } else {
            Verdict::Wrong {
                left: TRIES_MAX - tries,
            }
        };
        (kept, verdict)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn codes_are_six_digits() {
        assert_eq!(digits([0; 4]), "000000");
        assert_eq!(normalise(" ១២៣ 456 ").as_deref(), Some("123456"));
        assert_eq!(normalise("12345"), None);
        assert_eq!(normalise("１２３４５６"), None);
    }

    #[test]
    fn five_wrong_tries_void_a_code() {
        let mut code = SentCode {
            expires_at: at(600),
            tries: 0,
            used: false,
        };
        for left in (1..TRIES_MAX).rev() {
            let (kept, verdict) = code.judge(false, at(0));
            assert_eq!(verdict, Verdict::Wrong { left });
            code = kept;
        }
        let (code, verdict) = code.judge(false, at(0));
        assert_eq!(verdict, Verdict::Void);
        assert_eq!(code.judge(true, at(0)).1, Verdict::Void);
    }

    proptest! {
        #[test]
        fn a_code_is_accepted_once_in_time_and_within_its_tries(
            tries in prop::collection::vec((any::<bool>(), 0_i64..1200), 0..20)
        ) {
            let mut code = SentCode { expires_at: at(600), tries: 0, used: false };
            let (mut accepted, mut wrong) = (0, 0);
            for (matches, second) in tries {
                let (kept, verdict) = code.judge(matches, at(second));
                match verdict {
                    Verdict::Accepted => {
                        accepted += 1;
                        prop_assert!(matches && second < 600 && wrong < TRIES_MAX);
                    }
                    Verdict::Wrong { .. } => wrong += 1,
                    Verdict::Void => {}
                }
                code = kept;
            }
            prop_assert!(accepted <= 1);
        }
    }
}
