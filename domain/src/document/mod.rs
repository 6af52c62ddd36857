//! Documents that may prove an identity (draft law, article 11), and what the policy in force asks of each.

mod number;
mod policy;

pub use number::NumberError;
pub use policy::{DocumentPolicy, DocumentRule, ExpiryRule, KH_2026_11, NumberRule};

use serde::{Deserialize, Serialize};

/// Who applies; decides which documents can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicantKind {
    /// A Cambodian national (article 11 a).
    National,
    /// A foreigner (article 11 b).
    Foreigner,
    /// Someone who acts for a legal entity (article 11 c).
    Entity,
}

impl ApplicantKind {
    /// Every kind, in the order shown.
    pub const ALL: [Self; 3] = [Self::National, Self::Foreigner, Self::Entity];

    /// The word used in forms and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::National => "national",
            Self::Foreigner => "foreigner",
            Self::Entity => "entity",
        }
    }

    /// Reads what [`ApplicantKind::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The documents of article 11 for this applicant, in the order shown.
    pub fn documents(self) -> &'static [DocumentKind] {
        match self {
            Self::National => &[
                DocumentKind::NationalIdCard,
                DocumentKind::Passport,
                DocumentKind::DrivingLicence,
                DocumentKind::BirthCertificate,
                DocumentKind::NssfCard,
            ],
            Self::Foreigner => &[DocumentKind::Passport],
            Self::Entity => &[
                DocumentKind::CommercialRegisterCertificate,
                DocumentKind::AssociationRegistration,
                DocumentKind::EstablishmentDocument,
            ],
        }
    }
}

/// Kinds of document of article 11.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// Khmer nationality identity card.
    NationalIdCard,
    /// Passport, of Cambodia or of another state.
    Passport,
    /// Driver's licence.
    DrivingLicence,
    /// Birth certificate.
    BirthCertificate,
    /// Card of the National Social Security Fund.
    NssfCard,
    /// Certificate of the commercial register.
    CommercialRegisterCertificate,
    /// Registration of an association or non-governmental organisation.
    AssociationRegistration,
    /// Another document that establishes a legal entity.
    EstablishmentDocument,
}

impl DocumentKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::NationalIdCard,
        Self::Passport,
        Self::DrivingLicence,
        Self::BirthCertificate,
        Self::NssfCard,
        Self::CommercialRegisterCertificate,
        Self::AssociationRegistration,
        Self::EstablishmentDocument,
    ];

    /// The word used in forms, tables and text keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NationalIdCard => "national_id_card",
            Self::Passport => "passport",
            Self::DrivingLicence => "driving_licence",
            Self::BirthCertificate => "birth_certificate",
            Self::NssfCard => "nssf_card",
            Self::CommercialRegisterCertificate => "commercial_register_certificate",
            Self::AssociationRegistration => "association_registration",
            Self::EstablishmentDocument => "establishment_document",
        }
    }

    /// Reads what [`DocumentKind::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// `document_details.type` of OpenID Identity Assurance, with its predefined values where one fits.
    pub fn verified_claims_type(self) -> &'static str {
        match self {
            Self::NationalIdCard => "idcard",
            Self::Passport => "passport",
            Self::DrivingLicence => "driving_permit",
            Self::BirthCertificate => "birth_certificate",
            Self::NssfCard => "social_security_card",
            Self::CommercialRegisterCertificate => "commercial_register_certificate",
            Self::AssociationRegistration => "association_registration",
            Self::EstablishmentDocument => "establishment_document",
        }
    }
}

/// How much a document proves (NIST SP 800-63A evidence strength).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// Names the person and carries a number or portrait.
    Fair,
    /// Carries a portrait, issued under oversight, and was validated.
    Strong,
    /// Signed attributes verified to a trust anchor.
    Superior,
}

/// Which picture an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageRole {
    /// Front of a card.
    Front,
    /// Back of a card.
    Back,
    /// Data page of a passport.
    DataPage,
    /// The document as a whole, possibly of several pages.
    Document,
    /// The applicant's face.
    Portrait,
}

impl ImageRole {
    /// Every role.
    pub const ALL: [Self; 5] = [
        Self::Front,
        Self::Back,
        Self::DataPage,
        Self::Document,
        Self::Portrait,
    ];

    /// The word used in forms, tables and text keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Front => "front",
            Self::Back => "back",
            Self::DataPage => "data_page",
            Self::Document => "document",
            Self::Portrait => "portrait",
        }
    }

    /// Reads what [`ImageRole::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whether a PDF may stand for this picture; a face must be a photo.
    pub fn accepts_pdf(self) -> bool {
        self != Self::Portrait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_rule_and_an_applicant() {
        for kind in DocumentKind::ALL {
            assert_eq!(DocumentKind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(KH_2026_11.rule(kind).kind, kind);
            assert!(!KH_2026_11.rule(kind).images.is_empty());
            assert!(
                ApplicantKind::ALL
                    .iter()
                    .any(|who| who.documents().contains(&kind))
            );
        }
    }
}
