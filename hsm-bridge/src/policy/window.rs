//! The hours of the UTC day in which a grant holds.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

const DAY_SECONDS: u64 = 24 * 60 * 60;
const DAY_MINUTES: u64 = 24 * 60;

/// From the first minute up to, and not including, the second; over midnight when the first is the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Window {
    from: u64,
    to: u64,
}

impl TryFrom<String> for Window {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let window = text.split_once('-').and_then(|(from, to)| {
            Some(Self {
                from: minutes(from).filter(|minutes| *minutes < DAY_MINUTES)?,
                to: minutes(to)?,
            })
        });
        match window {
            Some(window) if window.from != window.to => Ok(window),
            _ => Err(format!(
                "'{text}' is no window of two unlike times, HH:MM-HH:MM in UTC"
            )),
        }
    }
}

/// Minutes since midnight of `HH:MM`, 24:00 included.
fn minutes(text: &str) -> Option<u64> {
    let two = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse::<u64>().ok()).flatten()
    };
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes) = (two(hours)?, two(minutes).filter(|minutes| *minutes < 60)?);
    Some(hours * 60 + minutes).filter(|minutes| *minutes <= DAY_MINUTES)
}

impl Window {
    /// Whether a moment lies within.
    pub fn contains(self, now: SystemTime) -> bool {
        let since = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let minute = since % DAY_SECONDS / 60;
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}
