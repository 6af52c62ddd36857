//! QCStatements (RFC 3739 §3.2.6, EN 319 412-5): what a certificate claims about its own quality.
//!
//! A statement is a promise in law. None is written unless the configuration makes it.

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::asn1::{Any, Ia5String, PrintableString};
use der::{Decode, Encode, Sequence};

const ID_ETSI_QCS_QC_COMPLIANCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.1862.1.1");
const ID_ETSI_QCS_RETENTION_PERIOD: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("0.4.0.1862.1.3");
const ID_ETSI_QCS_QC_SSCD: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.1862.1.4");
const ID_ETSI_QCS_QC_PDS: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.1862.1.5");
const ID_ETSI_QCS_QC_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.1862.1.6");
const ID_ETSI_QCS_QC_CC_LEGISLATION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("0.4.0.1862.1.7");
const ID_QCS_PKIX_QC_SYNTAX_V2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.11.2");

/// What a qualified certificate is for (EN 319 412-5 §4.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QcType {
    /// Electronic signatures of natural persons.
    Esign,
    /// Electronic seals of legal persons.
    Eseal,
    /// Web sites.
    Web,
}

impl QcType {
    const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Esign => ObjectIdentifier::new_unwrap("0.4.0.1862.1.6.1"),
            Self::Eseal => ObjectIdentifier::new_unwrap("0.4.0.1862.1.6.2"),
            Self::Web => ObjectIdentifier::new_unwrap("0.4.0.1862.1.6.3"),
        }
    }

    fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        [Self::Esign, Self::Eseal, Self::Web]
            .into_iter()
            .find(|kind| kind.oid() == oid)
    }
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum QcStatement {
    /// Issued as a qualified certificate, in the EU unless a legislation is named (§4.2.1).
    Compliance,
    /// The private key is in a qualified signature creation device (§4.2.2).
    Sscd,
    /// The purposes (§4.2.3).
    Type(Vec<QcType>),
    /// Countries, ISO 3166-1 alpha-2, under whose law the certificate is qualified (§4.2.4).
    Legislation(Vec<String>),
    /// Years that the issuer keeps material after expiry (§4.3.3).
    RetentionPeriod(u32),
    /// Disclosure statements: https address and two-letter lower-case language (§4.3.4).
    Disclosure(Vec<(String, String)>),
    /// Semantics of the identifiers in the subject (RFC 3739 §3.2.6.1, EN 319 412-1 §5).
    Semantics(ObjectIdentifier),
    /// A statement that this crate does not know.
    Other(ObjectIdentifier),
}

/// The extension's value (RFC 3739 §3.2.6).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QcStatements(pub Vec<QcStatement>);

impl AssociatedOid for QcStatements {
    const OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.3");
}

#[derive(Debug, Clone, Sequence)]
struct Statement {
    id: ObjectIdentifier,
    #[asn1(optional = "true")]
    info: Option<Any>,
}

#[derive(Debug, Clone, Sequence)]
struct PdsLocation {
    url: Ia5String,
    language: PrintableString,
}

#[derive(Debug, Clone, Sequence)]
struct SemanticsInformation {
    #[asn1(optional = "true")]
    identifier: Option<ObjectIdentifier>,
    #[asn1(optional = "true")]
    name_registration_authorities: Option<Any>,
}

impl QcStatements {
    /// Encodes all statements in their order.
    pub fn to_der(&self) -> der::Result<Vec<u8>> {
        self.0
            .iter()
            .map(QcStatement::encode)
            .collect::<der::Result<Vec<_>>>()?
            .to_der()
    }

    /// Parses the extension's value; unknown statements are kept as [`QcStatement::Other`].
    pub fn from_der(der: &[u8]) -> der::Result<Self> {
        let statements = Vec::<Statement>::from_der(der)?;
        Ok(Self(
            statements
                .iter()
                .map(QcStatement::decode)
                .collect::<der::Result<_>>()?,
        ))
    }
}

impl QcStatement {
    fn encode(&self) -> der::Result<Statement> {
        let (id, info) = match self {
            Self::Compliance => (ID_ETSI_QCS_QC_COMPLIANCE, None),
            Self::Sscd => (ID_ETSI_QCS_QC_SSCD, None),
            Self::Type(kinds) => {
                let oids: Vec<_> = kinds.iter().copied().map(QcType::oid).collect();
                (ID_ETSI_QCS_QC_TYPE, Some(Any::encode_from(&oids)?))
            }
            Self::Legislation(countries) => {
                let codes = countries
                    .iter()
                    .map(PrintableString::new)
                    .collect::<der::Result<Vec<_>>>()?;
                (
                    ID_ETSI_QCS_QC_CC_LEGISLATION,
                    Some(Any::encode_from(&codes)?),
                )
            }
            Self::RetentionPeriod(years) => {
                (ID_ETSI_QCS_RETENTION_PERIOD, Some(Any::encode_from(years)?))
            }
            Self::Disclosure(locations) => {
                let locations = locations
                    .iter()
                    .map(|(url, language)| {
                        Ok(PdsLocation {
                            url: Ia5String::new(url)?,
                            language: PrintableString::new(language)?,
                        })
                    })
                    .collect::<der::Result<Vec<_>>>()?;
                (ID_ETSI_QCS_QC_PDS, Some(Any::encode_from(&locations)?))
            }
            Self::Semantics(identifier) => {
                let information = SemanticsInformation {
                    identifier: Some(*identifier),
                    name_registration_authorities: None,
                };
                (
                    ID_QCS_PKIX_QC_SYNTAX_V2,
                    Some(Any::encode_from(&information)?),
                )
            }
            Self::Other(id) => (*id, None),
        };
        Ok(Statement { id, info })
    }

    fn decode(statement: &Statement) -> der::Result<Self> {
        let Some(info) = &statement.info else {
            return Ok(match statement.id {
                ID_ETSI_QCS_QC_COMPLIANCE => Self::Compliance,
                ID_ETSI_QCS_QC_SSCD => Self::Sscd,
                other => Self::Other(other),
            });
        };
        Ok(match statement.id {
            ID_ETSI_QCS_QC_TYPE => {
                let oids: Vec<ObjectIdentifier> = info.decode_as()?;
                Self::Type(oids.into_iter().filter_map(QcType::from_oid).collect())
            }
            ID_ETSI_QCS_QC_CC_LEGISLATION => {
                let codes: Vec<PrintableString> = info.decode_as()?;
                Self::Legislation(codes.iter().map(ToString::to_string).collect())
            }
            ID_ETSI_QCS_RETENTION_PERIOD => Self::RetentionPeriod(info.decode_as()?),
            ID_ETSI_QCS_QC_PDS => {
                let locations: Vec<PdsLocation> = info.decode_as()?;
                Self::Disclosure(
                    locations
                        .iter()
                        .map(|location| (location.url.to_string(), location.language.to_string()))
                        .collect(),
                )
            }
            ID_QCS_PKIX_QC_SYNTAX_V2 => {
                let information: SemanticsInformation = info.decode_as()?;
                information
                    .identifier
                    .map_or(Self::Other(statement.id), Self::Semantics)
            }
            other => Self::Other(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_statement_survives_the_encoding() {
        let statements = QcStatements(vec![
            QcStatement::Compliance,
            QcStatement::Sscd,
            QcStatement::Type(vec![QcType::Esign, QcType::Eseal, QcType::Web]),
            QcStatement::Legislation(vec!["KH".to_owned()]),
            QcStatement::RetentionPeriod(15),
            QcStatement::Disclosure(vec![("https://pds.example/en".to_owned(), "en".to_owned())]),
            QcStatement::Semantics(ObjectIdentifier::new_unwrap("0.4.0.194121.1.1")),
        ]);
        assert_eq!(
            QcStatements::from_der(&statements.to_der().unwrap()).unwrap(),
            statements
        );
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = QcStatements::from_der(&bytes);
        }
    }
}
