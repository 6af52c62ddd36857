//! A small PKI of its own: keys in a fresh token, certificates written by hand, and OpenSSL as a judge.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use der::asn1::{BitString, Int, OctetString};
use der::oid::ObjectIdentifier;
use der::{Any, Decode, Encode, Sequence};
use hsm_bridge::pkcs11::Token;
use hsm_bridge::testing::SoftHsm;
use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore, SignatureScheme, Signer};
use pki::Certificate;
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::Extension;
use x509_cert::name::Name;
use x509_cert::time::Validity;

pub(crate) const TIME_STAMPING: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// 2025-01-01 and 2045-01-01: the judges read the real clock.
const NOT_BEFORE: u64 = 1_735_689_600;
const NOT_AFTER: u64 = 2_366_841_600;

#[derive(Sequence)]
struct Tbs {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial: Int,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: Validity,
    subject: Name,
    key: spki::SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

#[derive(Sequence)]
struct Signed {
    tbs: Any,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

/// A key in the token and its certificate.
pub(crate) struct Entity {
    pub(crate) certificate: Certificate,
    pub(crate) signer: Box<dyn Signer>,
}

/// A token with a root in it.
pub(crate) struct Pki {
    token: Token,
    _hsm: SoftHsm,
    pub(crate) root: Entity,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let hsm = SoftHsm::new().unwrap();
        let token = hsm.open().unwrap();
        let signer = key(&token, "ca/root/g1", SignatureScheme::EcdsaP256Sha256);
        let name = "CN=Test Root,C=KH";
        let extensions = vec![
            extension("2.5.29.19", true, &[0x30, 0x03, 0x01, 0x01, 0xff]),
            extension("2.5.29.15", true, &[0x03, 0x02, 0x01, 0x06]),
        ];
        let certificate = certify(&*signer, (name, name), 1, signer.public_key(), extensions);
        Self {
            token,
            _hsm: hsm,
            root: Entity {
                certificate,
                signer,
            },
        }
    }

    /// A certificate under the root for a fresh key; `usage` becomes its only, critical, extended key usage.
    pub(crate) fn entity(
        &self,
        name: &str,
        serial: u8,
        scheme: SignatureScheme,
        usage: Option<ObjectIdentifier>,
    ) -> Entity {
        let signer = key(&self.token, &format!("sign/key-{serial}"), scheme);
        let mut extensions = vec![extension("2.5.29.15", true, &[0x03, 0x02, 0x06, 0xc0])];
        if let Some(usage) = usage {
            extensions.push(extension("2.5.29.37", true, &vec![usage].to_der().unwrap()));
        }
        let subject = format!("CN={name},C=KH");
        let names = ("CN=Test Root,C=KH", subject.as_str());
        let certificate = certify(
            &*self.root.signer,
            names,
            serial,
            signer.public_key(),
            extensions,
        );
        Entity {
            certificate,
            signer,
        }
    }
}

pub(crate) fn key(token: &Token, label: &str, scheme: SignatureScheme) -> Box<dyn Signer> {
    let algorithm = match scheme {
        SignatureScheme::EcdsaP256Sha256 => KeyAlgorithm::P256,
        SignatureScheme::EcdsaP384Sha384 => KeyAlgorithm::P384,
        SignatureScheme::Ed25519 => KeyAlgorithm::Ed25519,
        _ => KeyAlgorithm::Rsa2048,
    };
    let label = KeyLabel::parse(label).unwrap();
    let id = token.generate(&label, algorithm).unwrap();
    token.signer(id, Some(scheme)).unwrap()
}

fn extension(oid: &str, critical: bool, value: &[u8]) -> Extension {
    Extension {
        extn_id: ObjectIdentifier::new(oid).unwrap(),
        critical,
        extn_value: OctetString::new(value).unwrap(),
    }
}

fn certify(
    signer: &dyn Signer,
    (issuer, subject): (&str, &str),
    serial: u8,
    key: &spki::SubjectPublicKeyInfoOwned,
    mut extensions: Vec<Extension>,
) -> Certificate {
    use sha1::{Digest, Sha1};
    let id = |key: &spki::SubjectPublicKeyInfoOwned| {
        Sha1::digest(key.subject_public_key.raw_bytes()).to_vec()
    };
    let subject_key = OctetString::new(id(key)).unwrap().to_der().unwrap();
    extensions.push(extension("2.5.29.14", false, &subject_key));
    let mut authority_key = vec![0x30, 22, 0x80, 20];
    authority_key.extend(id(signer.public_key()));
    extensions.push(extension("2.5.29.35", false, &authority_key));
    let time = |seconds| pki::time::encode(seconds).unwrap();
    let tbs = Tbs {
        version: 2,
        serial: Int::new(&[0x01, serial]).unwrap(),
        signature: signer.scheme().algorithm_identifier(),
        issuer: Name::from_str(issuer).unwrap(),
        validity: Validity::new(time(NOT_BEFORE), time(NOT_AFTER)),
        subject: Name::from_str(subject).unwrap(),
        key: key.clone(),
        extensions,
    };
    let tbs = tbs.to_der().unwrap();
    let signature = signer.sign(&tbs).unwrap();
    let whole = Signed {
        tbs: Any::from_der(&tbs).unwrap(),
        algorithm: signer.scheme().algorithm_identifier(),
        signature: BitString::from_bytes(&signature).unwrap(),
    };
    Certificate::from_der(&whole.to_der().unwrap()).unwrap()
}

/// A folder for the judge's files.
pub(crate) struct Desk(tempfile::TempDir);

impl Desk {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// Runs a judge in `folder` and gives its exit and everything it said; none, and a plain message, where it is
/// not installed.
pub(crate) fn judge(folder: &Path, program: &str, arguments: &[&str]) -> Option<(bool, String)> {
    match Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
    {
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            Some((
                output.status.success(),
                String::from_utf8_lossy(&said).into_owned(),
            ))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("not run: {program} is not installed");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

impl Desk {
    /// Runs OpenSSL here and wants it to agree.
    pub(crate) fn openssl_agrees(&self, arguments: &[&str]) -> Option<String> {
        let (ok, said) = judge(self.0.path(), "openssl", arguments)?;
        assert!(ok, "openssl {arguments:?}\n{said}");
        Some(said)
    }

    /// Runs OpenSSL here and wants it to refuse.
    pub(crate) fn openssl_refuses(&self, arguments: &[&str]) {
        if let Some((ok, said)) = judge(self.0.path(), "openssl", arguments) {
            assert!(!ok, "openssl {arguments:?}\n{said}");
        }
    }
}
