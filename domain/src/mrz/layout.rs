//! Where each field stands (ICAO 9303 part 5 §4.2, part 6 §4.2, part 4 §4.2). Columns count from zero, ends excluded.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{MrzError, MrzErrorKind};

/// The three sizes of machine-readable zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Cards: three lines of 30.
    Td1,
    /// Larger cards: two lines of 36.
    Td2,
    /// Passports: two lines of 44.
    Td3,
}

impl Format {
    /// Every size.
    pub const ALL: [Self; 3] = [Self::Td1, Self::Td2, Self::Td3];

    /// Number of lines.
    pub fn lines(self) -> usize {
        if self == Self::Td1 { 3 } else { 2 }
    }

    /// Characters in a line.
    pub fn width(self) -> usize {
        match self {
            Self::Td1 => 30,
            Self::Td2 => 36,
            Self::Td3 => 44,
        }
    }

    /// The name that the standard uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Td1 => "TD1",
            Self::Td2 => "TD2",
            Self::Td3 => "TD3",
        }
    }
}

/// One field: line and columns.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) columns: Range<usize>,
}

const fn at(line: usize, columns: Range<usize>) -> Place {
    Place { line, columns }
}

/// Where everything stands. A check digit follows directly after number, birth and expiry date.
pub(super) struct Layout {
    pub(super) issuer: Place,
    pub(super) number: Place,
    pub(super) nationality: Place,
    pub(super) birth: Place,
    pub(super) sex: Place,
    pub(super) expiry: Place,
    pub(super) optional: &'static [Place],
    /// Check digit over the optional data, on TD3 only.
    pub(super) optional_digit: Option<Place>,
    pub(super) names: Place,
    pub(super) composite: Place,
    pub(super) composite_over: &'static [Place],
}

static TD1: Layout = Layout {
    issuer: at(0, 2..5),
    number: at(0, 5..14),
    optional: &[at(0, 15..30), at(1, 18..29)],
    birth: at(1, 0..6),
    sex: at(1, 7..8),
    expiry: at(1, 8..14),
    nationality: at(1, 15..18),
    optional_digit: None,
    names: at(2, 0..30),
    composite: at(1, 29..30),
    composite_over: &[at(0, 5..30), at(1, 0..7), at(1, 8..15), at(1, 18..29)],
};

static TD2: Layout = Layout {
    issuer: at(0, 2..5),
    names: at(0, 5..36),
    number: at(1, 0..9),
    nationality: at(1, 10..13),
    birth: at(1, 13..19),
    sex: at(1, 20..21),
    expiry: at(1, 21..27),
    optional: &[at(1, 28..35)],
    optional_digit: None,
    composite: at(1, 35..36),
    composite_over: &[at(1, 0..10), at(1, 13..20), at(1, 21..35)],
};

static TD3: Layout = Layout {
    issuer: at(0, 2..5),
    names: at(0, 5..44),
    number: at(1, 0..9),
    nationality: at(1, 10..13),
    birth: at(1, 13..19),
    sex: at(1, 20..21),
    expiry: at(1, 21..27),
    optional: &[at(1, 28..42)],
    optional_digit: Some(at(1, 42..43)),
    composite: at(1, 43..44),
    composite_over: &[at(1, 0..10), at(1, 13..20), at(1, 21..43)],
};

impl Format {
    pub(super) fn layout(self) -> &'static Layout {
        match self {
            Self::Td1 => &TD1,
            Self::Td2 => &TD2,
            Self::Td3 => &TD3,
        }
    }
}

/// Which size the lines are; names the first line that has another length than its neighbours suggest.
pub(super) fn detect(lines: &[&str]) -> Result<Format, MrzError> {
    Format::ALL
        .into_iter()
        .find(|format| {
            lines.len() == format.lines() && lines.iter().all(|line| line.len() == format.width())
        })
        .ok_or_else(|| {
            let expected = lines
                .iter()
                .find_map(|line| Format::ALL.into_iter().find(|f| f.width() == line.len()))
                .map(Format::width);
            let odd = expected.and_then(|width| lines.iter().position(|line| line.len() != width));
            MrzError {
                line: odd.map(|line| line + 1),
                ..MrzError::of(MrzErrorKind::Length)
            }
        })
}
