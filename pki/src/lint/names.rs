//! Subject and subject alternative names (RFC 5280 §4.1.2.6 and §4.2.1.6).

use std::collections::BTreeSet;

use der::{Encode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::Subject;
use crate::extension::{self, ID_KP_DOCUMENT_SIGNING, ID_KP_EMAIL_PROTECTION, ID_KP_SERVER_AUTH};
use crate::issue::{is_dns_name, is_mailbox, is_uri};
use crate::name::Attribute;
use crate::profile::SanKind;

const IP_V4_OCTETS: usize = 4;
const IP_V6_OCTETS: usize = 16;

pub(super) fn check(subject: &mut Subject<'_>) {
    let attributes = check_attributes(subject);
    for wanted in subject.terms.subject.required {
        if !attributes.contains(wanted) {
            subject.error("e_subject_attribute_missing", format!("{wanted:?}"));
        }
    }
    check_alternative_names(subject);
}

/// Checks every attribute of the subject and returns those that the house knows.
fn check_attributes(subject: &mut Subject<'_>) -> BTreeSet<Attribute> {
    let mut seen: Vec<Attribute> = Vec::new();
    let tbs = subject.tbs;
    for rdn in tbs.subject().iter_rdn() {
        subject.error_if(rdn.as_ref().len() != 1, "e_subject_rdn_not_single");
        for value in rdn.as_ref().iter() {
            let known = Attribute::ALL
                .into_iter()
                .find(|known| known.oid() == value.oid);
            let Some(attribute) = known else {
                subject.error("e_subject_attribute_unknown", value.oid.to_string());
                continue;
            };
            let rule = subject.terms.subject;
            if !rule.required.contains(&attribute) && !rule.optional.contains(&attribute) {
                subject.error("e_subject_attribute_not_allowed", format!("{attribute:?}"));
            }
            if seen.contains(&attribute) {
                subject.error("e_subject_attribute_repeated", format!("{attribute:?}"));
            } else if seen.last().is_some_and(|last| *last > attribute) {
                subject.error("e_subject_attribute_order", format!("{attribute:?}"));
            }
            seen.push(attribute);
            let tag = if attribute.is_printable() {
                Tag::PrintableString
            } else {
                Tag::Utf8String
            };
            if value.value.tag() != tag {
                subject.error("e_subject_string_type", format!("{attribute:?}"));
            }
            let text = std::str::from_utf8(value.value.value()).unwrap_or_default();
            let characters = text.chars().count();
            if characters == 0 || characters > attribute.max_characters() {
                subject.error("e_subject_attribute_length", format!("{attribute:?}"));
            }
            if text.trim() != text {
                subject.error("e_subject_attribute_padded", format!("{attribute:?}"));
            }
        }
    }
    seen.into_iter().collect()
}

fn check_alternative_names(subject: &mut Subject<'_>) {
    let extensions = subject.tbs.extensions().map_or(&[][..], Vec::as_slice);
    let found = extension::find::<SubjectAltName>(extensions, extension::ID_CE_SUBJECT_ALT_NAME);
    let names = match found {
        Ok(Some((_, names))) => names.0,
        Ok(None) => {
            return subject.error_if(subject.terms.san.required, "e_subject_alt_name_missing");
        }
        Err(error) => return subject.error("e_subject_alt_name_malformed", error.to_string()),
    };
    subject.error_if(names.is_empty(), "e_subject_alt_name_empty");
    let mut encodings = BTreeSet::new();
    for name in &names {
        let kind = match name {
            GeneralName::DnsName(text) if is_dns_name(text.as_str()) => SanKind::Dns,
            GeneralName::IpAddress(octets)
                if matches!(octets.as_bytes().len(), IP_V4_OCTETS | IP_V6_OCTETS) =>
            {
                SanKind::Ip
            }
            GeneralName::Rfc822Name(text) if is_mailbox(text.as_str()) => SanKind::Email,
            GeneralName::UniformResourceIdentifier(text) if is_uri(text.as_str()) => SanKind::Uri,
            _ => {
                subject.error("e_subject_alt_name_form", "");
                continue;
            }
        };
        if !subject.terms.san.allowed.contains(&kind) {
            subject.error("e_subject_alt_name_kind_not_allowed", format!("{kind:?}"));
        }
        let fresh = name.to_der().is_ok_and(|der| encodings.insert(der));
        subject.error_if(!fresh, "e_subject_alt_name_repeated");
    }
    check_purpose(subject, &names);
}

/// Servers are found by dNSName or iPAddress, mailboxes by rfc822Name (RFC 9525 §6.3, RFC 8550 §3).
fn check_purpose(subject: &mut Subject<'_>, names: &[GeneralName]) {
    let usage = subject.terms.extended_key_usage.clone();
    let server =
        |name: &GeneralName| matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_));
    if usage.contains(&ID_KP_SERVER_AUTH) && !names.iter().any(server) {
        subject.warning("w_server_without_host_name", "");
    }
    let mailbox = |name: &GeneralName| matches!(name, GeneralName::Rfc822Name(_));
    let documents = usage.contains(&ID_KP_DOCUMENT_SIGNING);
    if usage.contains(&ID_KP_EMAIL_PROTECTION) && !documents && !names.iter().any(mailbox) {
        subject.error("e_mail_without_mailbox", "");
    }
    // The purpose of mail stands there for viewers of documents alone: no address may make it one of mail.
    let addressed = documents && names.iter().any(mailbox);
    subject.error_if(addressed, "e_document_signer_with_mailbox");
    if usage.contains(&ID_KP_SERVER_AUTH) && !common_name_is_among(subject, names) {
        subject.warning("w_common_name_not_in_subject_alt_name", "");
    }
}

fn common_name_is_among(subject: &Subject<'_>, names: &[GeneralName]) -> bool {
    let common_name = subject
        .tbs
        .subject()
        .iter()
        .find(|attribute| attribute.oid == Attribute::CommonName.oid())
        .and_then(|attribute| std::str::from_utf8(attribute.value.value()).ok());
    common_name.is_none_or(|common_name| {
        names.iter().any(|name| match name {
            GeneralName::DnsName(text) => text.as_str() == common_name,
            GeneralName::IpAddress(octets) => ip_text(octets.as_bytes()) == common_name,
            _ => false,
        })
    })
}

fn ip_text(octets: &[u8]) -> String {
    if let Ok(v4) = <[u8; IP_V4_OCTETS]>::try_from(octets) {
        std::net::Ipv4Addr::from(v4).to_string()
    } else if let Ok(v6) = <[u8; IP_V6_OCTETS]>::try_from(octets) {
        std::net::Ipv6Addr::from(v6).to_string()
    } else {
        String::new()
    }
}
