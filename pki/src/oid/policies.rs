//! Policy extensions (RFC 5280 §4.2.1.4 and §4.2.1.5) over identifiers of any arc.

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::{Any, Sequence};

use super::Oid;

/// The policies that a certificate was issued under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificatePolicies(pub Vec<PolicyInformation>);

/// One policy; qualifiers are kept as they are, and no decision rests on them.
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
pub struct PolicyInformation {
    /// The policy.
    pub policy_identifier: Oid,
    /// Where to read it, and what to show; `None` is the house's way.
    #[asn1(optional = "true")]
    pub policy_qualifiers: Option<Any>,
}

/// Which policies of the issuer's domain equal which of the subject's domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyMappings(pub Vec<PolicyMapping>);

/// One pair of equal policies.
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
pub struct PolicyMapping {
    /// In the issuer's domain.
    pub issuer_domain_policy: Oid,
    /// In the subject's domain.
    pub subject_domain_policy: Oid,
}

impl AssociatedOid for CertificatePolicies {
    const OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32");
}

impl AssociatedOid for PolicyMappings {
    const OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.33");
}

macro_rules! sequence_of {
    ($list:ty, $item:ty) => {
        impl der::FixedTag for $list {
            const TAG: der::Tag = der::Tag::Sequence;
        }

        impl der::EncodeValue for $list {
            fn value_len(&self) -> der::Result<der::Length> {
                self.0.value_len()
            }

            fn encode_value(&self, writer: &mut impl der::Writer) -> der::Result<()> {
                self.0.encode_value(writer)
            }
        }

        impl<'a> der::DecodeValue<'a> for $list {
            type Error = der::Error;

            fn decode_value<R: der::Reader<'a>>(
                reader: &mut R,
                header: der::Header,
            ) -> der::Result<Self> {
                Vec::<$item>::decode_value(reader, header).map(Self)
            }
        }
    };
}

sequence_of!(CertificatePolicies, PolicyInformation);
sequence_of!(PolicyMappings, PolicyMapping);
