//! The catalogue: one function per kind would hide what the kinds share, so one table shows it.

use std::time::Duration;

use const_oid::ObjectIdentifier;
use der::flagset::FlagSet;
use x509_cert::ext::pkix::KeyUsages;

use super::{Kind, PolicyOids, ProfileName, QcClaims, Revocation, SanKind, SanRule};
use super::{SubjectRule, Terms};
use crate::extension::qc_statements::QcType;
use crate::extension::{
    ID_KP_CLIENT_AUTH, ID_KP_DOCUMENT_SIGNING, ID_KP_EMAIL_PROTECTION, ID_KP_OCSP_SIGNING,
    ID_KP_SERVER_AUTH, ID_KP_TIME_STAMPING,
};
use crate::name::Attribute;
use crate::oid::Oid;

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;
const YEAR: u64 = 365 * DAY;
/// Clients whose clock is this late still accept a fresh certificate.
const BACKDATE: Duration = Duration::from_secs(5 * MINUTE);

const AUTHORITY: SubjectRule = SubjectRule {
    required: &[
        Attribute::Country,
        Attribute::Organization,
        Attribute::CommonName,
    ],
    optional: &[Attribute::OrganizationIdentifier],
};
/// Natural persons (EN 319 412-2 §4.2.4): serialNumber tells two people of one name apart.
const PERSON: SubjectRule = SubjectRule {
    required: &[
        Attribute::Country,
        Attribute::CommonName,
        Attribute::SerialNumber,
    ],
    optional: &[Attribute::Surname, Attribute::GivenName],
};
/// Officials: persons together with the institution they act for.
const OFFICIAL: SubjectRule = SubjectRule {
    required: &[
        Attribute::Country,
        Attribute::Organization,
        Attribute::CommonName,
        Attribute::SerialNumber,
    ],
    optional: &[
        Attribute::OrganizationIdentifier,
        Attribute::Surname,
        Attribute::GivenName,
    ],
};
/// Legal persons (EN 319 412-3 §4.2.1).
const ENTITY: SubjectRule = SubjectRule {
    required: &[
        Attribute::Country,
        Attribute::Organization,
        Attribute::OrganizationIdentifier,
        Attribute::CommonName,
    ],
    optional: &[],
};
const MACHINE: SubjectRule = SubjectRule {
    required: &[Attribute::CommonName],
    optional: &[
        Attribute::Country,
        Attribute::Organization,
        Attribute::OrganizationIdentifier,
    ],
};
/// RFC and ETSI both want services of trust to be named with country and operator.
const SERVICE: SubjectRule = AUTHORITY;
const XROAD_AUTH: SubjectRule = SubjectRule {
    required: &[
        Attribute::Country,
        Attribute::Organization,
        Attribute::CommonName,
        Attribute::SerialNumber,
    ],
    optional: &[],
};
const XROAD_SIGN: SubjectRule = SubjectRule {
    required: &[
        Attribute::Country,
        Attribute::Organization,
        Attribute::BusinessCategory,
        Attribute::CommonName,
        Attribute::SerialNumber,
    ],
    optional: &[],
};

const NO_SAN: SanRule = SanRule {
    allowed: &[],
    required: false,
};
const HOST_SAN: SanRule = SanRule {
    allowed: &[SanKind::Dns, SanKind::Ip],
    required: true,
};
const MACHINE_SAN: SanRule = SanRule {
    allowed: &[SanKind::Dns, SanKind::Ip, SanKind::Uri],
    required: true,
};
const MAIL_SAN: SanRule = SanRule {
    allowed: &[SanKind::Email],
    required: true,
};
const PERSON_SAN: SanRule = SanRule {
    allowed: &[SanKind::Email],
    required: false,
};

const WITH_OCSP: Revocation = Revocation::Published { ocsp: true };
/// The root is offline: only its CRL tells about the authorities below it.
const CRL_ONLY: Revocation = Revocation::Published { ocsp: false };

/// The terms of one kind.
pub(super) fn terms(name: ProfileName, oids: &PolicyOids, claims: &QcClaims) -> Terms {
    use ProfileName as P;
    let signature = KeyUsages::DigitalSignature;
    let commitment = KeyUsages::NonRepudiation;
    let authority = || KeyUsages::KeyCertSign | KeyUsages::CRLSign;
    let mut terms = match name {
        P::Root => plain(
            Kind::Anchor,
            25 * YEAR,
            authority(),
            AUTHORITY,
            Revocation::Anchor,
        ),
        P::Issuing => authority_below(0, 10 * YEAR, authority()),
        P::Cross => authority_below(1, 5 * YEAR, authority()),
        P::CitizenAuth => end_entity(3 * YEAR, signature, PERSON),
        P::CitizenSign => end_entity(3 * YEAR, commitment, PERSON),
        P::OfficialSign => end_entity(2 * YEAR, commitment, OFFICIAL),
        P::OneShotSign => plain(
            Kind::EndEntity,
            10 * MINUTE,
            commitment.into(),
            PERSON,
            Revocation::NotAvailable,
        ),
        P::EntitySeal => end_entity(2 * YEAR, commitment, ENTITY),
        P::TlsServer => end_entity(90 * DAY, signature, MACHINE),
        P::Device => end_entity(30 * DAY, signature, MACHINE),
        P::Smime => end_entity(2 * YEAR, signature, PERSON),
        P::OcspResponder => plain(
            Kind::EndEntity,
            30 * DAY,
            signature.into(),
            SERVICE,
            Revocation::NoCheck,
        ),
        P::Tsa => end_entity(5 * YEAR, signature, SERVICE),
        P::XroadAuth => end_entity(YEAR, signature, XROAD_AUTH),
        P::XroadSign => end_entity(2 * YEAR, commitment, XROAD_SIGN),
    };
    terms.extended_key_usage = extended_key_usage(name);
    // RFC 3161 §2.3: the extension is critical and timeStamping its only purpose.
    terms.extended_key_usage_critical = name == P::Tsa;
    terms.policies = policies(name, oids);
    terms.san = san(name);
    terms.qc_statements = match name {
        P::CitizenSign | P::OfficialSign | P::OneShotSign => claims.statements(QcType::Esign),
        P::EntitySeal => claims.statements(QcType::Eseal),
        _ => Vec::new(),
    };
    terms
}

fn authority_below(path_len: u8, seconds: u64, usage: FlagSet<KeyUsages>) -> Terms {
    plain(
        Kind::Authority { path_len },
        seconds,
        usage,
        AUTHORITY,
        CRL_ONLY,
    )
}

fn end_entity(seconds: u64, usage: KeyUsages, subject: SubjectRule) -> Terms {
    plain(Kind::EndEntity, seconds, usage.into(), subject, WITH_OCSP)
}

fn plain(
    kind: Kind,
    seconds: u64,
    key_usage: FlagSet<KeyUsages>,
    subject: SubjectRule,
    revocation: Revocation,
) -> Terms {
    Terms {
        kind,
        default_validity: Duration::from_secs(seconds),
        max_validity: Duration::from_secs(seconds) + BACKDATE,
        backdate: BACKDATE,
        key_usage,
        extended_key_usage: Vec::new(),
        extended_key_usage_critical: false,
        policies: Vec::new(),
        revocation,
        subject,
        san: NO_SAN,
        qc_statements: Vec::new(),
    }
}

fn extended_key_usage(name: ProfileName) -> Vec<ObjectIdentifier> {
    use ProfileName as P;
    match name {
        P::Root | P::Issuing | P::Cross | P::EntitySeal | P::XroadSign => Vec::new(),
        P::CitizenAuth => vec![ID_KP_CLIENT_AUTH],
        // Viewers on NSS and older Acrobat know no purpose for documents and ask for that of mail: docs/adr/0009.
        P::CitizenSign | P::OfficialSign | P::OneShotSign => {
            vec![ID_KP_DOCUMENT_SIGNING, ID_KP_EMAIL_PROTECTION]
        }
        P::TlsServer => vec![ID_KP_SERVER_AUTH],
        P::Device | P::XroadAuth => vec![ID_KP_SERVER_AUTH, ID_KP_CLIENT_AUTH],
        P::Smime => vec![ID_KP_EMAIL_PROTECTION],
        P::OcspResponder => vec![ID_KP_OCSP_SIGNING],
        P::Tsa => vec![ID_KP_TIME_STAMPING],
    }
}

fn policies(name: ProfileName, oids: &PolicyOids) -> Vec<Oid> {
    use ProfileName as P;
    match name {
        // A trust anchor's policies are an input of validation, not part of it (RFC 5280 §6.1.1).
        P::Root => Vec::new(),
        // Which policies an authority may assert is the root operator's to widen, not a list to outgrow.
        P::Issuing | P::Cross => vec![Oid::any_policy()],
        P::CitizenAuth | P::Smime => vec![oids.person_authentication()],
        P::CitizenSign | P::OfficialSign => vec![oids.person_signature()],
        P::OneShotSign => vec![oids.person_one_shot()],
        P::EntitySeal | P::XroadSign => vec![oids.entity()],
        P::TlsServer | P::Device | P::XroadAuth => vec![oids.server()],
        P::OcspResponder | P::Tsa => vec![oids.service()],
    }
}

fn san(name: ProfileName) -> SanRule {
    use ProfileName as P;
    match name {
        P::TlsServer | P::XroadAuth => HOST_SAN,
        P::Device => MACHINE_SAN,
        P::Smime => MAIL_SAN,
        P::CitizenAuth => PERSON_SAN,
        _ => NO_SAN,
    }
}
