//! A small authority and what it issues.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{
    CrlNumber, X509, X509Builder, X509Crl, X509CrlBuilder, X509Name, X509NameBuilder,
    X509RevokedBuilder,
};

const DAY: i64 = 86_400;

pub struct Authority {
    pub certificate: X509,
    key: PKey<Private>,
}

/// What a certificate says; everything has a default that is good for a client.
#[derive(Clone)]
pub struct Wanted {
    pub serial: u32,
    pub dns: Vec<&'static str>,
    pub uris: Vec<&'static str>,
    pub ips: Vec<&'static str>,
    pub client: bool,
    pub server: bool,
    pub expired: bool,
    /// It ends so many seconds from now.
    pub lasts: Option<i64>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            serial: 7,
            dns: vec!["remote.example"],
            uris: Vec::new(),
            ips: Vec::new(),
            client: true,
            server: false,
            expired: false,
            lasts: None,
        }
    }
}

pub struct Pair {
    pub certificate: X509,
    pub key: PKey<Private>,
}

/// Files in the form that settings name.
#[derive(Clone)]
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// A key that was long enough some decades ago.
pub fn weak_key() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap()
}

fn name(text: &str) -> X509Name {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, text).unwrap();
    name.build()
}

fn number(value: u32) -> Asn1Integer {
    BigNum::from_u32(value).unwrap().to_asn1_integer().unwrap()
}

/// Seconds since 1970 of now, by the library's own clock.
fn now() -> i64 {
    let began = Asn1Time::from_unix(0).unwrap();
    let since = began.diff(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    i64::from(since.days) * DAY + i64::from(since.secs)
}

fn builder(
    subject: &X509Name,
    serial: u32,
    key: &PKey<Private>,
    (from, to): (i64, i64),
) -> X509Builder {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&number(serial)).unwrap();
    builder.set_subject_name(subject).unwrap();
    builder.set_pubkey(key).unwrap();
    let at = |seconds: i64| Asn1Time::from_unix(now() + seconds).unwrap();
    builder.set_not_before(&at(from)).unwrap();
    builder.set_not_after(&at(to)).unwrap();
    builder
}

impl Authority {
    pub fn new(title: &str) -> Self {
        let key = key();
        let subject = name(title);
        let mut builder = builder(&subject, 1, &key, (-2 * DAY, 30 * DAY));
        builder.set_issuer_name(&subject).unwrap();
        Self::finish(builder, None, key)
    }

    /// An authority that this one certified.
    pub fn below(&self, title: &str) -> Self {
        self.below_for(title, 30 * DAY)
    }

    /// An authority that ends so many seconds from now.
    pub fn below_for(&self, title: &str, seconds: i64) -> Self {
        let key = key();
        let mut builder = builder(&name(title), 2, &key, (-2 * DAY, seconds));
        builder
            .set_issuer_name(self.certificate.subject_name())
            .unwrap();
        Self::finish(builder, Some(&self.key), key)
    }

    fn finish(
        mut builder: X509Builder,
        signer: Option<&PKey<Private>>,
        key: PKey<Private>,
    ) -> Self {
        let constraints = BasicConstraints::new().critical().ca().build().unwrap();
        let usage = KeyUsage::new()
            .critical()
            .key_cert_sign()
            .crl_sign()
            .build()
            .unwrap();
        let id = SubjectKeyIdentifier::new()
            .build(&builder.x509v3_context(None, None))
            .unwrap();
        for extension in [constraints, usage, id] {
            builder.append_extension(extension).unwrap();
        }
        builder
            .sign(signer.unwrap_or(&key), MessageDigest::sha256())
            .unwrap();
        Self {
            certificate: builder.build(),
            key,
        }
    }

    pub fn issue(&self, wanted: &Wanted) -> Pair {
        self.certify(wanted, key())
    }

    pub fn certify(&self, wanted: &Wanted, key: PKey<Private>) -> Pair {
        let span = match wanted.lasts {
            _ if wanted.expired => (-2 * DAY, -DAY),
            Some(seconds) => (-DAY, seconds),
            None => (-DAY, 10 * DAY),
        };
        let mut builder = builder(&name("test"), wanted.serial, &key, span);
        builder
            .set_issuer_name(self.certificate.subject_name())
            .unwrap();
        let mut names = SubjectAlternativeName::new();
        for it in &wanted.dns {
            names.dns(it);
        }
        for it in &wanted.uris {
            names.uri(it);
        }
        for it in &wanted.ips {
            names.ip(it);
        }
        if !(wanted.dns.is_empty() && wanted.uris.is_empty() && wanted.ips.is_empty()) {
            let names = names
                .build(&builder.x509v3_context(Some(&self.certificate), None))
                .unwrap();
            builder.append_extension(names).unwrap();
        }
        builder
            .append_extension(
                KeyUsage::new()
                    .critical()
                    .digital_signature()
                    .build()
                    .unwrap(),
            )
            .unwrap();
        let mut purposes = ExtendedKeyUsage::new();
        if wanted.client {
            purposes.client_auth();
        }
        if wanted.server {
            purposes.server_auth();
        }
        if wanted.client || wanted.server {
            builder.append_extension(purposes.build().unwrap()).unwrap();
        }
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        Pair {
            certificate: builder.build(),
            key,
        }
    }

    /// The list that names these serial numbers; one that ended yesterday when it is not `current`.
    pub fn list(&self, revoked: &[u32], current: bool) -> X509Crl {
        let at = |days: i64| Asn1Time::from_unix(now() + days * DAY).unwrap();
        let mut list = X509CrlBuilder::new().unwrap();
        list.set_issuer_name(self.certificate.subject_name())
            .unwrap();
        list.set_last_update(&at(-2)).unwrap();
        list.set_next_update(&at(if current { 5 } else { -1 }))
            .unwrap();
        for serial in revoked {
            let mut entry = X509RevokedBuilder::new().unwrap();
            entry.set_serial_number(&number(*serial)).unwrap();
            entry.set_revocation_date(&at(-1)).unwrap();
            list.add_revoked(entry.build()).unwrap();
        }
        let issuer = X509::builder().unwrap();
        let context = issuer.x509v3_context(Some(&self.certificate), None);
        let id = AuthorityKeyIdentifier::new()
            .keyid(true)
            .build(&context)
            .unwrap();
        list.append_extension(id).unwrap();
        let count = CrlNumber::new(BigNum::from_u32(1).unwrap()).unwrap();
        list.append_extension(count.build().unwrap()).unwrap();
        list.sign(&self.key, MessageDigest::sha256()).unwrap();
        list.build().unwrap()
    }
}

/// Puts a file in the place of another at once, as renewals do.
pub fn replace(path: &Path, content: &[u8], mode: u32) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
    fs::rename(&new, path).unwrap();
}

impl Pair {
    /// Writes certificate, chain and key into a folder.
    pub fn write(&self, folder: &Path, title: &str, chain: &[&X509]) -> Files {
        let files = Files {
            certificate: folder.join(format!("{title}.pem")),
            key: folder.join(format!("{title}.key")),
        };
        let mut text = self.certificate.to_pem().unwrap();
        for above in chain {
            text.extend(above.to_pem().unwrap());
        }
        // The key first: until both are there, the earlier certificate has a key that is not its own, and the two stay unused.
        replace(
            &files.key,
            &self.key.private_key_to_pem_pkcs8().unwrap(),
            0o600,
        );
        replace(&files.certificate, &text, 0o644);
        files
    }
}
