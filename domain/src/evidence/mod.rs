//! Evidence as recorded: a document, its strength, and each check made on it by whom and when.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::document::{DocumentKind, Strength};

/// One accepted document with the checks made on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRecord {
    /// Id of this record.
    pub id: Uuid,
    /// The case under which it was accepted.
    pub case: Uuid,
    /// Kind of document of article 11.
    pub document: DocumentKind,
    /// Who issued it: ISO 3166-1 alpha-3 or the ICAO 9303 code ("KHM", "D").
    pub issuer: String,
    /// The document's number; personal data, show [`EvidenceRecord::masked_number`] instead.
    pub number: String,
    /// Day of issue, where known.
    pub issued_on: Option<Date>,
    /// Last day of validity; `None` for documents that do not expire.
    pub expires_on: Option<Date>,
    /// Strength after the checks, by the policy in force when it was accepted.
    pub strength: Strength,
    /// Checks, oldest first.
    pub checks: Vec<CheckRecord>,
    /// When it was accepted.
    pub verified_at: Timestamp,
}

/// How many last characters of a document number may be shown.
const SHOWN_OF_NUMBER: usize = 3;

impl EvidenceRecord {
    /// The number with all but its last characters replaced by `*`.
    pub fn masked_number(&self) -> String {
        mask(&self.number)
    }

    /// Whether a check of this kind was made and found right.
    pub fn passed(&self, kind: CheckKind) -> bool {
        self.checks
            .iter()
            .any(|check| check.kind == kind && check.outcome == Outcome::Right)
    }

    /// How many different officers made a check of this kind and found it right.
    pub fn officers_who_passed(&self, kind: CheckKind) -> usize {
        let mut officers: Vec<Uuid> = self
            .checks
            .iter()
            .filter(|check| check.kind == kind && check.outcome == Outcome::Right)
            .filter_map(|check| check.officer)
            .collect();
        officers.sort_unstable();
        officers.dedup();
        officers.len()
    }
}

/// A document number with all but its last three characters replaced by `*`.
pub fn mask(number: &str) -> String {
    let length = number.chars().count();
    let hidden = length
        .saturating_sub(SHOWN_OF_NUMBER)
        .max(length.div_ceil(2));
    "*".repeat(hidden) + &number.chars().skip(hidden).collect::<String>()
}

/// One check as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRecord {
    /// Id of the check, `check_id` in verified claims.
    pub id: Uuid,
    /// What was checked.
    pub kind: CheckKind,
    /// What was found.
    pub outcome: Outcome,
    /// The officer who made it; `None` for a computed check.
    pub officer: Option<Uuid>,
    /// When.
    pub at: Timestamp,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should be.
    Right,
    /// Someone must look at it.
    Look,
    /// Not as it should be.
    Wrong,
    /// Could not be made: the document has no such part.
    NotApplicable,
}

impl Outcome {
    /// The word stored and used in text keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Look => "look",
            Self::Wrong => "wrong",
            Self::NotApplicable => "not_applicable",
        }
    }

    /// Reads what [`Outcome::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Right, Self::Look, Self::Wrong, Self::NotApplicable]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
    }
}

/// What can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// All check digits of the machine-readable zone.
    MrzCheckDigits,
    /// The number has the form that the policy knows.
    NumberFormat,
    /// Number typed and number in the zone.
    NumberAgrees,
    /// Latin name typed and name in the zone.
    NameAgrees,
    /// Birth date typed and in the zone.
    BirthDateAgrees,
    /// Sex typed and in the zone.
    SexAgrees,
    /// The document has not expired.
    NotExpired,
    /// No other case or person uses the same document.
    DocumentUnused,
    /// No other case holds the same image.
    ImageUnused,
    /// A code sent to the address came back.
    ContactReached,
    /// An officer looked at the pictures of the document and found it genuine.
    DocumentInspected,
    /// An officer compared the portrait on the document with the person's photo.
    FaceCompared,
    /// The issuing register knows the document with these data.
    RegisterMatched,
    /// The chip's signature leads to a trusted anchor of the issuing state (ICAO 9303-11 passive authentication).
    ChipVerified,
    /// The person stood before an officer with the document.
    InPerson,
}

impl CheckKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::MrzCheckDigits,
        Self::NumberFormat,
        Self::NumberAgrees,
        Self::NameAgrees,
        Self::BirthDateAgrees,
        Self::SexAgrees,
        Self::NotExpired,
        Self::DocumentUnused,
        Self::ImageUnused,
        Self::ContactReached,
        Self::DocumentInspected,
        Self::FaceCompared,
        Self::RegisterMatched,
        Self::ChipVerified,
        Self::InPerson,
    ];

    /// The word stored and used in text keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MrzCheckDigits => "mrz_check_digits",
            Self::NumberFormat => "number_format",
            Self::NumberAgrees => "number_agrees",
            Self::NameAgrees => "name_agrees",
            Self::BirthDateAgrees => "birth_date_agrees",
            Self::SexAgrees => "sex_agrees",
            Self::NotExpired => "not_expired",
            Self::DocumentUnused => "document_unused",
            Self::ImageUnused => "image_unused",
            Self::ContactReached => "contact_reached",
            Self::DocumentInspected => "document_inspected",
            Self::FaceCompared => "face_compared",
            Self::RegisterMatched => "register_matched",
            Self::ChipVerified => "chip_verified",
            Self::InPerson => "in_person",
        }
    }

    /// Reads what [`CheckKind::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// `check_method` of OpenID Identity Assurance, where the check is one that it names.
    pub fn check_method(self) -> Option<&'static str> {
        match self {
            Self::DocumentInspected => Some("vri"),
            Self::FaceCompared => Some("pvr"),
            Self::RegisterMatched => Some("data"),
            Self::ChipVerified => Some("vcrypt"),
            Self::InPerson => Some("vpip"),
            Self::MrzCheckDigits => Some("vdig"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        for kind in CheckKind::ALL {
            assert_eq!(CheckKind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn a_mask_never_shows_more_than_half() {
        assert_eq!(mask("123456789"), "******789");
        assert_eq!(mask("1234"), "**34");
        assert_eq!(mask("1"), "*");
        assert_eq!(mask(""), "");
    }
}
