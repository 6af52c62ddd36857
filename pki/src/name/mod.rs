//! Distinguished names: built by our rules, compared by RFC 5280 §7.1.
//!
//! Invariant: attributes appear as C, O, organizationIdentifier, businessCategory, CN, SN, GN,
//! serialNumber, each once; C and serialNumber are PrintableString, all others UTF8String in NFC.

mod compare;

pub use compare::{is_within, matches};

use const_oid::ObjectIdentifier;
use der::asn1::{Any, PrintableString, SetOfVec, Utf8StringRef};
use der::{Decode, Encode};
use serde::{Deserialize, Serialize};
use unicode_normalization::is_nfc;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::Name;

/// An attribute that our names may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribute {
    /// countryName, ISO 3166-1 alpha-2 in capitals.
    Country,
    /// organizationName.
    Organization,
    /// organizationIdentifier (EN 319 412-1 §5.1.4).
    OrganizationIdentifier,
    /// businessCategory, the member class of X-Road.
    BusinessCategory,
    /// commonName.
    CommonName,
    /// surname.
    Surname,
    /// givenName.
    GivenName,
    /// serialNumber: an identifier within the name, not the certificate's number.
    SerialNumber,
}

impl Attribute {
    /// All attributes, in the order in which a name carries them.
    pub const ALL: [Self; 8] = [
        Self::Country,
        Self::Organization,
        Self::OrganizationIdentifier,
        Self::BusinessCategory,
        Self::CommonName,
        Self::Surname,
        Self::GivenName,
        Self::SerialNumber,
    ];

    /// The attribute type (X.520).
    pub const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Country => ObjectIdentifier::new_unwrap("2.5.4.6"),
            Self::Organization => ObjectIdentifier::new_unwrap("2.5.4.10"),
            Self::OrganizationIdentifier => ObjectIdentifier::new_unwrap("2.5.4.97"),
            Self::BusinessCategory => ObjectIdentifier::new_unwrap("2.5.4.15"),
            Self::CommonName => ObjectIdentifier::new_unwrap("2.5.4.3"),
            Self::Surname => ObjectIdentifier::new_unwrap("2.5.4.4"),
            Self::GivenName => ObjectIdentifier::new_unwrap("2.5.4.42"),
            Self::SerialNumber => ObjectIdentifier::new_unwrap("2.5.4.5"),
        }
    }

    /// Most characters that a value may have (RFC 5280 appendix A.1, X.520 for the rest).
    pub const fn max_characters(self) -> usize {
        match self {
            Self::Country => 2,
            Self::BusinessCategory => 128,
            _ => 64,
        }
    }

    /// Whether the value is a PrintableString.
    pub const fn is_printable(self) -> bool {
        matches!(self, Self::Country | Self::SerialNumber)
    }
}

/// Why a distinguished name cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// No attribute at all.
    #[error("a distinguished name needs at least one attribute")]
    Empty,
    /// Empty, or longer than [`Attribute::max_characters`].
    #[error("{0:?} is empty or longer than {max} characters", max = .0.max_characters())]
    Length(Attribute),
    /// A control or formatting character, a space at an end, or text outside NFC or PrintableString.
    #[error("{0:?} contains a character that is not allowed there")]
    Character(Attribute),
    /// The name exceeds what DER can carry.
    #[error("the distinguished name cannot be encoded")]
    Encoding,
}

/// The parts of a distinguished name; absent parts are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DistinguishedName {
    /// countryName.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// organizationName.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// organizationIdentifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_identifier: Option<String>,
    /// businessCategory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_category: Option<String>,
    /// commonName, Khmer or Latin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,
    /// surname.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surname: Option<String>,
    /// givenName.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    /// serialNumber.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
}

impl DistinguishedName {
    /// A name without attributes; it cannot be encoded until it has one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one attribute; it is checked when the name is encoded.
    #[must_use]
    pub fn with(mut self, attribute: Attribute, value: impl Into<String>) -> Self {
        *self.slot(attribute) = Some(value.into());
        self
    }

    /// Sets countryName.
    #[must_use]
    pub fn country(self, value: impl Into<String>) -> Self {
        self.with(Attribute::Country, value)
    }

    /// Sets organizationName.
    #[must_use]
    pub fn organization(self, value: impl Into<String>) -> Self {
        self.with(Attribute::Organization, value)
    }

    /// Sets organizationIdentifier.
    #[must_use]
    pub fn organization_identifier(self, value: impl Into<String>) -> Self {
        self.with(Attribute::OrganizationIdentifier, value)
    }

    /// Sets commonName.
    #[must_use]
    pub fn common_name(self, value: impl Into<String>) -> Self {
        self.with(Attribute::CommonName, value)
    }

    /// Sets surname.
    #[must_use]
    pub fn surname(self, value: impl Into<String>) -> Self {
        self.with(Attribute::Surname, value)
    }

    /// Sets givenName.
    #[must_use]
    pub fn given_name(self, value: impl Into<String>) -> Self {
        self.with(Attribute::GivenName, value)
    }

    /// Sets the serialNumber attribute.
    #[must_use]
    pub fn serial_number(self, value: impl Into<String>) -> Self {
        self.with(Attribute::SerialNumber, value)
    }

    /// The value of one attribute.
    pub fn value(&self, attribute: Attribute) -> Option<&str> {
        match attribute {
            Attribute::Country => self.country.as_deref(),
            Attribute::Organization => self.organization.as_deref(),
            Attribute::OrganizationIdentifier => self.organization_identifier.as_deref(),
            Attribute::BusinessCategory => self.business_category.as_deref(),
            Attribute::CommonName => self.common_name.as_deref(),
            Attribute::Surname => self.surname.as_deref(),
            Attribute::GivenName => self.given_name.as_deref(),
            Attribute::SerialNumber => self.serial_number.as_deref(),
        }
    }

    /// Checks and encodes the name, one attribute per RDN.
    pub fn to_name(&self) -> Result<Name, NameError> {
        let rdns = Attribute::ALL
            .into_iter()
            .filter_map(|attribute| self.value(attribute).map(|value| (attribute, value)))
            .map(|(attribute, value)| relative_name(attribute, value))
            .collect::<Result<Vec<_>, _>>()?;
        if rdns.is_empty() {
            return Err(NameError::Empty);
        }
        let der = rdns.to_der().map_err(|_| NameError::Encoding)?;
        Name::from_der(&der).map_err(|_| NameError::Encoding)
    }

    fn slot(&mut self, attribute: Attribute) -> &mut Option<String> {
        match attribute {
            Attribute::Country => &mut self.country,
            Attribute::Organization => &mut self.organization,
            Attribute::OrganizationIdentifier => &mut self.organization_identifier,
            Attribute::BusinessCategory => &mut self.business_category,
            Attribute::CommonName => &mut self.common_name,
            Attribute::Surname => &mut self.surname,
            Attribute::GivenName => &mut self.given_name,
            Attribute::SerialNumber => &mut self.serial_number,
        }
    }
}

fn relative_name(
    attribute: Attribute,
    value: &str,
) -> Result<SetOfVec<AttributeTypeAndValue>, NameError> {
    check_value(attribute, value)?;
    let encoded = if attribute.is_printable() {
        PrintableString::new(value).and_then(|text| Any::encode_from(&text))
    } else {
        Utf8StringRef::new(value).and_then(|text| Any::encode_from(&text))
    };
    let value = encoded.map_err(|_| NameError::Character(attribute))?;
    let mut set = SetOfVec::new();
    set.insert(AttributeTypeAndValue {
        oid: attribute.oid(),
        value,
    })
    .map_err(|_| NameError::Encoding)?;
    Ok(set)
}

fn check_value(attribute: Attribute, value: &str) -> Result<(), NameError> {
    let characters = value.chars().count();
    if characters == 0 || characters > attribute.max_characters() {
        return Err(NameError::Length(attribute));
    }
    let country_ok = attribute != Attribute::Country
        || (characters == 2 && value.bytes().all(|letter| letter.is_ascii_uppercase()));
    if !country_ok || value.trim() != value || value.chars().any(is_deceptive) || !is_nfc(value) {
        return Err(NameError::Character(attribute));
    }
    Ok(())
}

/// Control characters, byte-order marks and direction overrides make a name look like another one.
/// Zero-width space, joiner and non-joiner stay: Khmer text needs them.
fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests;
