//! What is known about a person, and where it comes from: the facts that claims are built from.

mod date;

pub use date::{DateError, PartialDate};

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    assurance::{Assurance, AssurancePolicy},
    evidence::EvidenceRecord,
    name::NameParts,
};

/// Everything the state holds about one person, opened from its sealed record for one use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonFacts {
    /// The subject id: minted at application, never shown to a relying party.
    pub person: Uuid,
    /// Natural person or legal entity.
    pub kind: PersonKind,
    /// Name in Latin letters, as on the document.
    pub latin: NameParts,
    /// Name in Khmer letters; foreigners may have none.
    pub khmer: Option<NameParts>,
    /// Birth date as far as it is known.
    pub birth_date: Option<PartialDate>,
    /// Sex as the document states it.
    pub sex: Option<Sex>,
    /// Nationality as ISO 3166-1 alpha-3, or the issuer's own code where ICAO 9303 gives one ("D").
    pub nationality: Option<String>,
    /// The legal entity that the application was made for.
    pub entity: Option<EntityFacts>,
    /// Verified addresses, first one preferred.
    pub contacts: Vec<Contact>,
    /// Accepted evidence with the checks made on it.
    pub evidence: Vec<EvidenceRecord>,
    /// The level computed from `evidence`; nobody sets it.
    pub assurance: Assurance,
    /// When any of this last changed.
    pub updated_at: Timestamp,
}

/// What is stored of a person, sealed: everything but the level, which is computed each time it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRecord {
    /// See [`PersonFacts::kind`].
    pub kind: PersonKind,
    /// See [`PersonFacts::latin`].
    pub latin: NameParts,
    /// See [`PersonFacts::khmer`].
    pub khmer: Option<NameParts>,
    /// See [`PersonFacts::birth_date`].
    pub birth_date: Option<PartialDate>,
    /// See [`PersonFacts::sex`].
    pub sex: Option<Sex>,
    /// See [`PersonFacts::nationality`].
    pub nationality: Option<String>,
    /// See [`PersonFacts::entity`].
    pub entity: Option<EntityFacts>,
    /// See [`PersonFacts::contacts`].
    pub contacts: Vec<Contact>,
    /// See [`PersonFacts::evidence`].
    pub evidence: Vec<EvidenceRecord>,
}

impl PersonRecord {
    /// The facts as they stand on a day; `None` where the evidence gives no level any more.
    pub fn facts(
        self,
        person: Uuid,
        policy: &AssurancePolicy,
        on: Date,
        updated_at: Timestamp,
    ) -> Option<PersonFacts> {
        let assurance = crate::assurance::compute(&self.evidence, policy, on)?;
        let Self {
            kind,
            latin,
            khmer,
            birth_date,
            sex,
            nationality,
            entity,
            contacts,
            evidence,
        } = self;
        Some(PersonFacts {
            person,
            kind,
            latin,
            khmer,
            birth_date,
            sex,
            nationality,
            entity,
            contacts,
            evidence,
            assurance,
            updated_at,
        })
    }
}

impl PersonFacts {
    /// The preferred verified e-mail address.
    pub fn email(&self) -> Option<&Contact> {
        self.contact(ContactKind::Email)
    }

    /// The preferred verified telephone number (E.164).
    pub fn phone(&self) -> Option<&Contact> {
        self.contact(ContactKind::Phone)
    }

    fn contact(&self, kind: ContactKind) -> Option<&Contact> {
        self.contacts.iter().find(|contact| contact.kind == kind)
    }
}

/// Whether an account stands for a human being or for a legal entity (article 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonKind {
    /// A human being.
    Natural,
    /// A company, association or other establishment.
    Entity,
}

impl PersonKind {
    /// The word stored and shown in tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Natural => "natural",
            Self::Entity => "entity",
        }
    }
}

/// Sex as a travel document states it (ICAO 9303-3 §4.7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    /// F
    Female,
    /// M
    Male,
    /// `<` or X
    Unspecified,
}

impl Sex {
    /// OpenID Connect Core §5.1 `gender`; nothing where the document leaves it open.
    pub fn claim(self) -> Option<&'static str> {
        match self {
            Self::Female => Some("female"),
            Self::Male => Some("male"),
            Self::Unspecified => None,
        }
    }

    /// The word stored in forms: `female`, `male`, `unspecified`.
    pub fn as_str(self) -> &'static str {
        self.claim().unwrap_or("unspecified")
    }

    /// Reads what [`Sex::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "female" => Some(Self::Female),
            "male" => Some(Self::Male),
            "unspecified" => Some(Self::Unspecified),
            _ => None,
        }
    }
}

/// A way to reach a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactKind {
    /// An e-mail address.
    Email,
    /// A telephone number in E.164 form.
    Phone,
}

impl ContactKind {
    /// The word used in forms and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }
}

/// An address that was proven by a code sent to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// E-mail or telephone.
    pub kind: ContactKind,
    /// The address, normalised.
    pub value: String,
    /// When the code came back; `None` while it is only claimed.
    pub verified_at: Option<Timestamp>,
}

/// A legal entity as its registration states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityFacts {
    /// Registered name in Latin letters.
    pub latin: String,
    /// Registered name in Khmer.
    pub khmer: Option<String>,
    /// Registration number.
    pub registration: String,
}
