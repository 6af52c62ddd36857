//! What an applicant hands in, page by page.

use jiff::{Timestamp, civil::Date, tz::Offset};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    document::{ApplicantKind, DocumentKind, DocumentPolicy, DocumentRule, ImageRole},
    mrz::{self, Mrz},
    name::NameParts,
    person::{Contact, PartialDate, Sex},
};

/// Cambodia keeps UTC+7 all year.
const CAMBODIA: Offset = Offset::constant(7);

/// The calendar day in Cambodia.
pub fn today_in_cambodia(now: Timestamp) -> Date {
    CAMBODIA.to_datetime(now).date()
}

/// An application, complete or not. Personal data: stored sealed only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Application {
    /// National, foreigner, or for an entity.
    pub applicant: Option<ApplicantKind>,
    /// Document chosen.
    pub document: Option<DocumentKind>,
    /// Document number, normalised.
    pub number: Option<String>,
    /// The machine-readable zone as the strict parser accepted it, lines separated by `\n`.
    pub zone: Option<String>,
    /// Issuing state.
    pub issuer: Option<String>,
    /// Last day of validity.
    pub expires_on: Option<Date>,
    /// Name in Latin letters; of the representative where an entity applies.
    pub latin: Option<NameParts>,
    /// Name in Khmer letters.
    pub khmer: Option<NameParts>,
    /// Birth date.
    pub birth_date: Option<PartialDate>,
    /// Sex.
    pub sex: Option<Sex>,
    /// Nationality, three-letter code.
    pub nationality: Option<String>,
    /// The applicant says that what differs from the zone is printed so on the document.
    pub printed_so: bool,
    /// The legal entity.
    pub entity: Option<Entity>,
    /// How to reach the applicant.
    pub contact: Option<Contact>,
}

/// A legal entity as its representative names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// Registered name in Latin letters.
    pub latin: String,
    /// Registered name in Khmer.
    pub khmer: String,
}

/// The pages that ask, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Who are you.
    Who,
    /// Which document.
    Document,
    /// Its number and machine-readable zone.
    Number,
    /// Pictures.
    Photos,
    /// Names and birth date.
    Name,
    /// How to reach you.
    Contact,
    /// Check your answers.
    Check,
}

impl Step {
    /// Every step in order.
    pub const ALL: [Self; 7] = [
        Self::Who,
        Self::Document,
        Self::Number,
        Self::Photos,
        Self::Name,
        Self::Contact,
        Self::Check,
    ];

    /// Last part of the page's address.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Who => "who",
            Self::Document => "document",
            Self::Number => "number",
            Self::Photos => "photos",
            Self::Name => "name",
            Self::Contact => "contact",
            Self::Check => "check",
        }
    }

    /// Position, counted from one.
    pub fn number(self) -> usize {
        Self::ALL
            .iter()
            .position(|step| *step == self)
            .map_or(1, |index| index + 1)
    }
}

impl Application {
    /// The rule of the chosen document.
    pub fn rule<'p>(&self, policy: &'p DocumentPolicy) -> Option<&'p DocumentRule> {
        self.document.map(|kind| policy.rule(kind))
    }

    /// The zone as read again on a day.
    pub fn read_zone(&self, today: Date) -> Option<Mrz> {
        self.zone
            .as_deref()
            .and_then(|text| mrz::parse_text(text, today).ok())
    }

    /// Whether the step's question is answered.
    pub fn is_answered(&self, step: Step, policy: &DocumentPolicy, images: &[ImageRole]) -> bool {
        let rule = self.rule(policy);
        match step {
            Step::Who => self.applicant.is_some(),
            Step::Document => self
                .applicant
                .zip(self.document)
                .is_some_and(|(who, kind)| who.documents().contains(&kind)),
            Step::Number => {
                self.number.is_some()
                    && rule.is_some_and(|rule| !rule.has_zone() || self.zone.is_some())
            }
            Step::Photos => {
                rule.is_some_and(|rule| rule.images.iter().all(|role| images.contains(role)))
            }
            Step::Name => self.names_answered(),
            Step::Contact => self
                .contact
                .as_ref()
                .is_some_and(|c| c.verified_at.is_some()),
            Step::Check => false,
        }
    }

    fn names_answered(&self) -> bool {
        let khmer_missing =
            self.khmer.is_none() && self.applicant != Some(ApplicantKind::Foreigner);
        let entity_missing = self.entity.is_none() && self.applicant == Some(ApplicantKind::Entity);
        self.latin.is_some()
            && self.birth_date.is_some()
            && self.sex.is_some()
            && !khmer_missing
            && !entity_missing
    }

    /// The first step still to answer; [`Step::Check`] once all are.
    pub fn next_step(&self, policy: &DocumentPolicy, images: &[ImageRole]) -> Step {
        Step::ALL
            .into_iter()
            .find(|step| !self.is_answered(*step, policy, images))
            .unwrap_or(Step::Check)
    }

    /// Chooses a document and forgets what was said about another one.
    pub fn choose_document(&mut self, kind: DocumentKind) {
        if self.document != Some(kind) {
            self.document = Some(kind);
            self.number = None;
            self.zone = None;
            self.issuer = None;
            self.expires_on = None;
            self.printed_so = false;
        }
    }

    /// Says who applies and forgets a document that such an applicant cannot use.
    pub fn choose_applicant(&mut self, kind: ApplicantKind) {
        if self.applicant != Some(kind) {
            self.applicant = Some(kind);
            self.document = None;
            self.number = None;
            self.zone = None;
            self.issuer = None;
            self.expires_on = None;
            self.nationality = None;
            if kind != ApplicantKind::Entity {
                self.entity = None;
            }
        }
    }

    /// SHA-256 over everything handed in: what an officer's decision is bound to.
    ///
    /// `images` are role and SHA-256 of each picture, in any order.
    pub fn digest(&self, images: &[(ImageRole, [u8; 32])]) -> [u8; 32] {
        let mut images = images.to_vec();
        images.sort_by_key(|(role, digest)| (role.as_str(), *digest));
        let mut hash = Sha256::new();
        hash.update(b"romduol-evidence-v1\0");
        // A struct of plain values serialises in the order of its fields, and cannot fail.
        hash.update(serde_json::to_vec(self).unwrap_or_default());
        for (role, digest) in images {
            hash.update([0]);
            hash.update(role.as_str());
            hash.update([0]);
            hash.update(digest);
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::KH_2026_11;
    use jiff::civil::date;

    #[test]
    fn the_day_changes_at_seventeen_utc() {
        let at = |text: &str| today_in_cambodia(text.parse().unwrap());
        assert_eq!(at("2026-11-22T16:59:59Z"), date(2026, 11, 22));
        assert_eq!(at("2026-11-22T17:00:00Z"), date(2026, 11, 23));
    }

    #[test]
    fn the_digest_covers_answers_and_images_in_any_order() {
        let mut application = Application::default();
        let images = [(ImageRole::Front, [1; 32]), (ImageRole::Back, [2; 32])];
        let digest = application.digest(&images);
        assert_eq!(digest, application.digest(&[images[1], images[0]]));
        assert_ne!(digest, application.digest(&images[..1]));
        assert_ne!(
            digest,
            application.digest(&[(ImageRole::Front, [2; 32]), (ImageRole::Back, [1; 32])])
        );
        application.number = Some("1".to_owned());
        assert_ne!(digest, application.digest(&images));
    }

    #[test]
    fn another_document_forgets_the_number() {
        let mut application = Application::default();
        application.choose_applicant(ApplicantKind::National);
        application.choose_document(DocumentKind::NationalIdCard);
        application.number = Some("123456789".to_owned());
        application.choose_document(DocumentKind::NationalIdCard);
        assert!(application.number.is_some());
        application.choose_document(DocumentKind::NssfCard);
        assert_eq!(application.number, None);
        assert_eq!(application.next_step(&KH_2026_11, &[]), Step::Number);
        application.choose_applicant(ApplicantKind::Foreigner);
        assert_eq!(application.next_step(&KH_2026_11, &[]), Step::Document);
    }
}
