//! What each document must look like and what it is worth, as data with a version.
//!
//! The sub-decree that settles these rules has not been published. Where a number's form is not publicly known the
//! rule is a bound, never a guess.

use super::{DocumentKind, ImageRole, Strength};
use crate::{evidence::CheckKind, mrz::Format};

/// A dated set of rules; an accepted document names the set it was accepted under.
#[derive(Debug)]
pub struct DocumentPolicy {
    /// Name of the set, recorded with every computed level.
    pub version: &'static str,
    rules: [DocumentRule; 8],
}

/// Rules for one kind of document.
#[derive(Debug)]
pub struct DocumentRule {
    /// The kind ruled on.
    pub kind: DocumentKind,
    /// Form of the number.
    pub number: NumberRule,
    /// Machine-readable zones that the document can carry; empty where it has none.
    pub zones: &'static [Format],
    /// Pictures to hand in.
    pub images: &'static [ImageRole],
    /// Whether it expires.
    pub expiry: ExpiryRule,
    /// Worth without further checks.
    pub strength: Strength,
    /// Checks of which one, found right, makes it [`Strength::Strong`].
    pub strong_after: &'static [CheckKind],
    /// How many officers must have made an officer's check for it to count.
    pub officers: usize,
}

impl DocumentRule {
    /// Whether the document carries a machine-readable zone.
    pub fn has_zone(&self) -> bool {
        !self.zones.is_empty()
    }
}

/// Form of a document number after normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberRule {
    /// Exactly this many digits.
    Digits(usize),
    /// Upper-case letters and digits within these lengths.
    Alphanumeric {
        /// Fewest characters.
        min: usize,
        /// Most characters.
        max: usize,
    },
    /// Letters of any script, digits, `/`, `-` and `.` within these lengths: the form is not publicly known.
    Free {
        /// Fewest characters.
        min: usize,
        /// Most characters.
        max: usize,
    },
}

/// Whether a document has a last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryRule {
    /// It has one, and must be valid.
    Required,
    /// Some have one: cards for life do not.
    Optional,
    /// It has none.
    Never,
}

impl DocumentPolicy {
    /// The rule for a kind; every kind has one.
    pub fn rule(&self, kind: DocumentKind) -> &DocumentRule {
        let [
            card,
            passport,
            licence,
            birth,
            nssf,
            commercial,
            association,
            other,
        ] = &self.rules;
        match kind {
            DocumentKind::NationalIdCard => card,
            DocumentKind::Passport => passport,
            DocumentKind::DrivingLicence => licence,
            DocumentKind::BirthCertificate => birth,
            DocumentKind::NssfCard => nssf,
            DocumentKind::CommercialRegisterCertificate => commercial,
            DocumentKind::AssociationRegistration => association,
            DocumentKind::EstablishmentDocument => other,
        }
    }
}

const UNKNOWN_FORM: NumberRule = NumberRule::Free { min: 3, max: 40 };

/// A document of which only pictures and a register can say more, and which shows no face.
const fn paper(kind: DocumentKind) -> DocumentRule {
    DocumentRule {
        kind,
        number: UNKNOWN_FORM,
        zones: &[],
        images: &[ImageRole::Document],
        expiry: ExpiryRule::Never,
        strength: Strength::Fair,
        strong_after: &[],
        officers: 2,
    }
}

/// The rules in force from November 2026.
pub static KH_2026_11: DocumentPolicy = DocumentPolicy {
    version: "kh-2026-11",
    rules: [
        DocumentRule {
            kind: DocumentKind::NationalIdCard,
            number: NumberRule::Digits(9),
            zones: &[Format::Td1],
            images: &[ImageRole::Front, ImageRole::Back, ImageRole::Portrait],
            expiry: ExpiryRule::Optional,
            strength: Strength::Fair,
            strong_after: &[CheckKind::RegisterMatched, CheckKind::FaceCompared],
            officers: 2,
        },
        DocumentRule {
            kind: DocumentKind::Passport,
            number: NumberRule::Alphanumeric { min: 5, max: 20 },
            zones: &[Format::Td3],
            images: &[ImageRole::DataPage, ImageRole::Portrait],
            expiry: ExpiryRule::Required,
            strength: Strength::Fair,
            strong_after: &[CheckKind::RegisterMatched, CheckKind::FaceCompared],
            officers: 2,
        },
        DocumentRule {
            kind: DocumentKind::DrivingLicence,
            number: UNKNOWN_FORM,
            zones: &[],
            images: &[ImageRole::Front, ImageRole::Back, ImageRole::Portrait],
            expiry: ExpiryRule::Optional,
            strength: Strength::Fair,
            strong_after: &[CheckKind::RegisterMatched],
            officers: 2,
        },
        paper(DocumentKind::BirthCertificate),
        DocumentRule {
            kind: DocumentKind::NssfCard,
            number: UNKNOWN_FORM,
            zones: &[],
            images: &[ImageRole::Front, ImageRole::Back],
            expiry: ExpiryRule::Optional,
            strength: Strength::Fair,
            strong_after: &[],
            officers: 2,
        },
        paper(DocumentKind::CommercialRegisterCertificate),
        paper(DocumentKind::AssociationRegistration),
        paper(DocumentKind::EstablishmentDocument),
    ],
};
