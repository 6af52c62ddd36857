//! The log under attack, under load and after a crash.

mod archived;
mod attacks;
mod crash;
mod durability;
mod speed;
mod tamper;
mod walkthrough;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::Decode as _;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use spki::SubjectPublicKeyInfoOwned;

use super::medium::{Disk, Medium};
use super::open::Settings;
use super::{AuditError, Durability, KeyOperation, Log, LogId, Record};
use crate::{KeyId, KeyLabel, KeyStoreError, SignatureScheme, Signer};

/// The name of every log made here.
const LOG: LogId = LogId::from_bytes([0xa5; 16]);

/// A moment of the tests' calendar.
fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

fn label(text: &str) -> KeyLabel {
    KeyLabel::parse(text).unwrap()
}

fn open(folder: &Path) -> Result<Log, AuditError> {
    Log::open(folder, LOG, at(0))
}

/// A log whose segments are small.
fn open_small(folder: &Path, segment_bytes: u64) -> Log {
    open_on(folder, segment_bytes, Box::new(Disk)).unwrap()
}

fn open_on(folder: &Path, segment_bytes: u64, medium: Box<dyn Medium>) -> Result<Log, AuditError> {
    Log::open_with(
        folder,
        LOG,
        at(0),
        Settings {
            segment_bytes,
            medium,
        },
    )
}

/// A signature that went well, as long as real ones are.
fn used<'a>(caller: &'a str, key: &'a KeyLabel, result: &'a str) -> Record<'a> {
    Record::Used {
        operation: KeyOperation {
            caller,
            operation: "sign",
            key: Some(key),
            key_id: Some(KeyId::from_bytes([7; 20])),
            scheme: Some(SignatureScheme::EcdsaP256Sha256),
            digest: Some(&[9; 32]),
            detail: None,
        },
        intent: None,
        result,
        took: Duration::from_micros(81),
    }
}

/// Appends `lines` lines, one a second from `from` on.
fn fill(log: &Log, from: u64, lines: u64) {
    let key = label("ca/persons/g1");
    for second in from..from + lines {
        log.append(&used("ca", &key, "done"), at(second), Durability::Buffered)
            .unwrap();
    }
}

/// An audit key in memory.
struct Auditor {
    key: PKey<Private>,
    public: SubjectPublicKeyInfoOwned,
}

impl Auditor {
    fn new() -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let der = key.public_key_to_der().unwrap();
        Self {
            public: SubjectPublicKeyInfoOwned::from_der(&der).unwrap(),
            key,
        }
    }

    fn keys(&self) -> Vec<SubjectPublicKeyInfoOwned> {
        vec![self.public.clone()]
    }
}

impl Signer for Auditor {
    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::EcdsaP256Sha256
    }

    fn public_key(&self) -> &SubjectPublicKeyInfoOwned {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyStoreError> {
        let mut signer = openssl::sign::Signer::new(MessageDigest::sha256(), &self.key).unwrap();
        Ok(signer.sign_oneshot_to_vec(message).unwrap())
    }
}
