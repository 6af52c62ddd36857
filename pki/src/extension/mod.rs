//! Object identifiers, encodings and small types of extensions that `x509-cert` lacks.

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::asn1::{Ia5String, OctetString};
use der::{Decode, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};

use crate::certificate::CertificateError;

pub mod qc_statements;

/// id-kp-clientAuth (RFC 5280 §4.2.1.12).
pub const ID_KP_CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
/// id-kp-serverAuth (RFC 5280 §4.2.1.12).
pub const ID_KP_SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
/// id-kp-emailProtection (RFC 5280 §4.2.1.12).
pub const ID_KP_EMAIL_PROTECTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4");
/// id-kp-timeStamping (RFC 5280 §4.2.1.12).
pub const ID_KP_TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// id-kp-OCSPSigning (RFC 6960 §4.2.2.2).
pub const ID_KP_OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
/// id-kp-documentSigning (RFC 9336).
pub const ID_KP_DOCUMENT_SIGNING: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.36");
/// anyExtendedKeyUsage (RFC 5280 §4.2.1.12).
pub const ANY_EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
/// id-pkix-ocsp-nocheck (RFC 6960 §4.2.2.2.1).
pub const ID_PKIX_OCSP_NOCHECK: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");
/// id-ce-noRevAvail (RFC 9608).
pub const ID_CE_NO_REV_AVAIL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.56");
/// id-ad-ocsp (RFC 5280 §4.2.2.1).
pub const ID_AD_OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
/// id-ad-caIssuers (RFC 5280 §4.2.2.1).
pub const ID_AD_CA_ISSUERS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.2");
/// anyPolicy (RFC 5280 §4.2.1.4).
pub const ANY_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32.0");
/// id-ce-issuingDistributionPoint (RFC 5280 §5.2.5); `x509-cert` 0.3 names another arc for the type.
pub const ID_CE_ISSUING_DISTRIBUTION_POINT: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("2.5.29.28");
/// id-ce-inhibitAnyPolicy (RFC 5280 §4.2.1.14).
pub const ID_CE_INHIBIT_ANY_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.54");
/// id-ce-certificateIssuer, a CRL entry extension (RFC 5280 §5.3.3).
pub const ID_CE_CERTIFICATE_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.29");
/// id-ce-subjectAltName (RFC 5280 §4.2.1.6).
pub const ID_CE_SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// DER NULL, the value of extensions that say everything by being there.
pub const NULL: [u8; 2] = [0x05, 0x00];

/// Criticality and decoded value of the extension `oid`; an error if it occurs twice or is malformed.
pub(crate) fn find<T>(
    extensions: &[Extension],
    oid: ObjectIdentifier,
) -> Result<Option<(bool, T)>, CertificateError>
where
    T: for<'a> Decode<'a, Error = der::Error>,
{
    let mut matching = extensions
        .iter()
        .filter(|extension| extension.extn_id == oid);
    let Some(extension) = matching.next() else {
        return Ok(None);
    };
    if matching.next().is_some() {
        return Err(CertificateError::RepeatedExtension(oid));
    }
    Ok(Some((
        extension.critical,
        T::from_der(extension.extn_value.as_bytes())?,
    )))
}

/// Encodes `value` as an extension of its own object identifier.
pub(crate) fn of<T: AssociatedOid + Encode>(critical: bool, value: &T) -> der::Result<Extension> {
    raw(T::OID, critical, value.to_der()?)
}

/// An extension from its encoded value.
pub(crate) fn raw(oid: ObjectIdentifier, critical: bool, der: Vec<u8>) -> der::Result<Extension> {
    Ok(Extension {
        extn_id: oid,
        critical,
        extn_value: OctetString::new(der)?,
    })
}

/// A distribution point name of one URL.
pub(crate) fn full_name(url: &str) -> der::Result<DistributionPointName> {
    Ok(DistributionPointName::FullName(vec![uri(url)?]))
}

/// A GeneralName of one URL.
pub(crate) fn uri(url: &str) -> der::Result<GeneralName> {
    Ok(GeneralName::UniformResourceIdentifier(Ia5String::new(url)?))
}
