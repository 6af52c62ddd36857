//! For tests: a root and an issuing authority with real keys in a SoftHSM token.

use std::num::NonZeroU16;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hsm_bridge::testing::SoftHsm;
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore, Signer};
use spki::SubjectPublicKeyInfoOwned;

use crate::certificate::Certificate;
use crate::issue::{Issuer, PublishUrls, Request, SubjectAltName, prepare, prepare_anchor};
use crate::name::{Attribute, DistinguishedName};
use crate::profile::{HouseProfile, Kind, PolicyOids, Profile, ProfileName, Profiles};
use crate::serial::SerialNumber;

/// 2026-11-22T00:00:00Z.
pub(crate) const NOW: u64 = 1_795_305_600;
const SHARDS: NonZeroU16 = NonZeroU16::new(4).unwrap();

/// The hierarchy of the tests.
pub(crate) struct Hierarchy {
    pub(crate) root: Issuer,
    pub(crate) root_signer: Box<dyn Signer>,
    pub(crate) issuing: Issuer,
    pub(crate) issuing_signer: Box<dyn Signer>,
    /// A key of nobody in particular, to be certified.
    pub(crate) subject_key: SubjectPublicKeyInfoOwned,
    pub(crate) subject_signer: Box<dyn Signer>,
}

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

pub(crate) fn profile(name: ProfileName) -> HouseProfile {
    Profiles::new(&policies()).find(name).unwrap().clone()
}

/// The arc of RFC 5612 for documentation, because pkilint cannot read 2.999.
pub(crate) fn policies() -> PolicyOids {
    PolicyOids::new("1.3.6.1.4.1.32473").unwrap()
}

/// A serial number that only `seed` decides.
pub(crate) fn serial(seed: u8) -> SerialNumber {
    SerialNumber::new(1, &[seed; 18]).unwrap()
}

/// A request that the profile accepts, for a subject in nobody's image.
pub(crate) fn request(profile: &dyn Profile, key: &SubjectPublicKeyInfoOwned, seed: u8) -> Request {
    let value = |attribute: Attribute| match attribute {
        Attribute::Country => "KH",
        Attribute::Organization => "Ministry of Examples",
        Attribute::OrganizationIdentifier => "NTRKH-00001234",
        Attribute::BusinessCategory => "GOV",
        Attribute::CommonName => match profile.terms().kind {
            Kind::EndEntity => "www.example.gov.kh",
            _ => "Romduol Test CA G1",
        },
        Attribute::Surname => "សុខ",
        Attribute::GivenName => "សុភា",
        Attribute::SerialNumber => "0f3a9c",
    };
    let rule = profile.terms().subject;
    let subject = rule
        .required
        .iter()
        .chain(rule.optional)
        .fold(DistinguishedName::new(), |name, attribute| {
            name.with(*attribute, value(*attribute))
        });
    let mut san = Vec::new();
    if profile.terms().san.required {
        san = match profile.name() {
            ProfileName::Smime => vec![SubjectAltName::Email("sok@example.gov.kh".to_owned())],
            _ => vec![SubjectAltName::Dns("www.example.gov.kh".to_owned())],
        };
    }
    Request {
        public_key: key.clone(),
        subject,
        san,
        serial: serial(seed),
        validity: None,
    }
}

/// The hierarchy, made once per process.
pub(crate) fn hierarchy() -> &'static Hierarchy {
    static HIERARCHY: OnceLock<Hierarchy> = OnceLock::new();
    HIERARCHY.get_or_init(make)
}

fn make() -> Hierarchy {
    let token = SoftHsm::new().unwrap().open().unwrap();
    let signer = |label: &str, algorithm| {
        let id = token
            .generate(&KeyLabel::parse(label).unwrap(), algorithm)
            .unwrap();
        token.signer(id, None).unwrap()
    };
    let root_signer = signer("ca/root/g1", KeyAlgorithm::P384);
    let issuing_signer = signer("ca/persons/g1", KeyAlgorithm::P256);
    let subject_signer = signer("tsa/main/g1", KeyAlgorithm::P256);
    let subject_key = subject_signer.public_key().clone();
    let urls = |shards| PublishUrls::new("http://status.example.kh:8082", shards).unwrap();

    let root_profile = profile(ProfileName::Root);
    let mut asked = request(&root_profile, root_signer.public_key(), 1);
    asked.subject = asked.subject.common_name("Romduol Test Root G1");
    let root = prepare_anchor(&root_profile, asked, now()).unwrap();
    let root = root.sign(root_signer.as_ref(), &OpenSslVerifier).unwrap();
    let root = Issuer::new(root, urls(NonZeroU16::MIN));

    let issuing_profile = profile(ProfileName::Issuing);
    let mut asked = request(&issuing_profile, issuing_signer.public_key(), 2);
    asked.subject = asked
        .subject
        .common_name("Romduol Test Issuing CA Persons G1");
    let issuing = prepare(&issuing_profile, &root, asked, now()).unwrap();
    let issuing = issuing
        .sign(root_signer.as_ref(), &OpenSslVerifier)
        .unwrap();
    let issuing = Issuer::new(issuing, urls(SHARDS));
    Hierarchy {
        root,
        root_signer,
        issuing,
        issuing_signer,
        subject_key,
        subject_signer,
    }
}

impl Hierarchy {
    /// The authority that issues certificates of the kind, and its key.
    pub(crate) fn issuer_of(&self, profile: &dyn Profile) -> (&Issuer, &dyn Signer) {
        if profile.terms().kind.is_authority() {
            (&self.root, self.root_signer.as_ref())
        } else {
            (&self.issuing, self.issuing_signer.as_ref())
        }
    }

    /// Issues a certificate of the kind to the subject's key.
    pub(crate) fn issue(&self, profile: &dyn Profile, seed: u8) -> Certificate {
        let (issuer, signer) = self.issuer_of(profile);
        let request = request(profile, &self.subject_key, seed);
        let prepared = prepare(profile, issuer, request, now()).unwrap();
        assert_eq!(prepared.warnings(), [], "{}", profile.name());
        prepared.sign(signer, &OpenSslVerifier).unwrap()
    }
}
