//! Version, serial number, algorithm, validity, key (RFC 5280 §4.1.2).

use der::Encode;
use hsm_bridge::SignatureScheme;
use x509_cert::Version;

use super::Subject;
use crate::certificate::Certificate;
use crate::profile::Kind;
use crate::serial::SerialNumber;
use crate::{key, time};

pub(super) fn check(subject: &mut Subject<'_>, tbs_der: &[u8]) {
    let tbs = subject.tbs;
    subject.error_if(tbs.version() != Version::V3, "e_version_not_3");
    // x509-cert writes canonical DER; whatever differs from it was not canonical.
    subject.error_if(
        tbs.to_der().ok().as_deref() != Some(tbs_der),
        "e_tbs_not_canonical",
    );
    let serial = SerialNumber::try_from(tbs.serial_number());
    subject.error_if(
        !serial.is_ok_and(|serial| serial.is_ours()),
        "e_serial_number_shape",
    );
    let unique_ids = tbs.issuer_unique_id().is_some() || tbs.subject_unique_id().is_some();
    subject.error_if(unique_ids, "e_unique_identifier_present");
    if let Err(error) = key::check(tbs.subject_public_key_info()) {
        subject.error("e_public_key_refused", error.to_string());
    }
    check_algorithm(subject);
    check_issuer(subject);
    check_validity(subject);
}

fn check_algorithm(subject: &mut Subject<'_>) {
    let key = subject.issuer.map_or_else(
        || subject.tbs.subject_public_key_info(),
        Certificate::public_key,
    );
    let expected = SignatureScheme::for_public_key(key);
    let found = SignatureScheme::from_algorithm_identifier(subject.tbs.signature());
    subject.error_if(
        found.is_none() || found != expected,
        "e_signature_algorithm_not_the_issuers",
    );
}

fn check_issuer(subject: &mut Subject<'_>) {
    let Some(issuer) = subject.issuer else {
        let own = subject.tbs.issuer() == subject.tbs.subject();
        subject.error_if(!own, "e_anchor_not_self_issued");
        return;
    };
    // Octet by octet: clients chain by comparing encodings.
    subject.error_if(
        subject.tbs.issuer() != issuer.subject(),
        "e_issuer_name_differs",
    );
    let own_key = issuer.public_key() == subject.tbs.subject_public_key_info();
    subject.error_if(own_key, "e_public_key_is_the_issuers");
    let usage = issuer.extension::<x509_cert::ext::pkix::KeyUsage>();
    let may_sign = matches!(usage, Ok(Some((_, usage))) if usage.key_cert_sign());
    subject.error_if(!may_sign, "e_issuer_may_not_sign_certificates");
    match issuer.extension::<x509_cert::ext::pkix::BasicConstraints>() {
        Ok(Some((_, constraints))) if constraints.ca => {
            let limit = constraints.path_len_constraint;
            let broken = match subject.terms.kind {
                Kind::Authority { path_len } => limit.is_some_and(|limit| limit <= path_len),
                Kind::EndEntity | Kind::Anchor => false,
            };
            subject.error_if(broken, "e_path_length_exceeds_issuers");
        }
        _ => subject.error("e_issuer_is_no_authority", ""),
    }
}

fn check_validity(subject: &mut Subject<'_>) {
    let validity = subject.tbs.validity();
    let (start, end) = (
        time::decode(&validity.not_before),
        time::decode(&validity.not_after),
    );
    for (at, encoded) in [(start, &validity.not_before), (end, &validity.not_after)] {
        let right = time::encode(at).is_ok_and(|right| right == *encoded);
        subject.error_if(!right, "e_time_encoding_wrong_for_year");
    }
    if start > end {
        return subject.error("e_validity_ends_before_it_starts", "");
    }
    // Both ends count, hence one second more than the difference.
    let length = end - start + 1;
    if length > subject.terms.max_validity.as_secs() {
        let limit = subject.terms.max_validity.as_secs();
        subject.error(
            "e_validity_too_long",
            format!("{length} s of at most {limit} s"),
        );
    }
    if let Some(issuer) = subject.issuer {
        subject.error_if(end > issuer.not_after(), "e_validity_outlives_issuer");
        if start < issuer.not_before() {
            subject.warning("w_validity_starts_before_issuer", "");
        }
    }
}
