//! A small hierarchy in a SoftHSM token, and the service on a free port in front of it.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hsm_bridge::pkcs11::Token;
use hsm_bridge::testing::SoftHsm;
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore as _};
use jiff::Timestamp;
use ocsp::{App, Authority, Change, Config, Record};
use pki::Certificate;
use pki::crl::{CrlBuilder, CrlReason, RevokedEntry};
use pki::issue::{Issuer, PublishUrls, Request, prepare, prepare_anchor};
use pki::name::DistinguishedName;
use pki::profile::{PolicyOids, ProfileName, Profiles};
use pki::serial::SerialNumber;
use service::cli::Context;
use service::server::{self, Listener, ListenerConfig};
use service::{Clock, Sources, TestClock};

/// Everything a test looks at.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) app: App,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) issuing: Authority,
    pub(crate) root: Authority,
    pub(crate) folder: tempfile::TempDir,
    context: Context,
    task: tokio::task::JoinHandle<()>,
}

/// A serial number that tests recognise.
pub(crate) fn serial(octet: u8) -> SerialNumber {
    SerialNumber::new(1, &[octet; 19]).unwrap()
}

pub(crate) struct Hierarchy {
    pub(crate) token: Token,
    pub(crate) root: Authority,
    pub(crate) issuing: Authority,
    profiles: Profiles,
    issuer: Issuer,
    now: SystemTime,
}

fn label(text: &str) -> KeyLabel {
    KeyLabel::parse(text).unwrap()
}

fn named(name: &str) -> DistinguishedName {
    DistinguishedName::new()
        .country("KH")
        .organization("Test")
        .common_name(name)
}

impl Hierarchy {
    pub(crate) fn new(now: Timestamp) -> Self {
        let token = SoftHsm::new().unwrap().open().unwrap();
        let profiles = Profiles::new(&PolicyOids::new("2.999").unwrap());
        let urls = PublishUrls::new("http://status.example", NonZeroU16::new(2).unwrap()).unwrap();
        let key = |name: &str| {
            let id = token.generate(&label(name), KeyAlgorithm::P256).unwrap();
            token.signer(id, None).unwrap()
        };
        let now = SystemTime::from(now);
        let request =
            |name: &str, octet: u8, public_key: &spki::SubjectPublicKeyInfoOwned| Request {
                public_key: public_key.clone(),
                subject: named(name),
                san: Vec::new(),
                serial: serial(octet),
                validity: None,
            };
        let profile = |name| profiles.find(name).unwrap();
        let root_key = key("ca/root/g1");
        let root = prepare_anchor(
            profile(ProfileName::Root),
            request("Root", 200, root_key.public_key()),
            now,
        )
        .unwrap()
        .sign(&*root_key, &OpenSslVerifier)
        .unwrap();
        let root_issuer = Issuer::new(root.clone(), urls.clone());
        let issuing_key = key("ca/persons/g1");
        let issuing = prepare(
            profile(ProfileName::Issuing),
            &root_issuer,
            request("Issuing", 201, issuing_key.public_key()),
            now,
        )
        .unwrap()
        .sign(&*root_key, &OpenSslVerifier)
        .unwrap();
        let issuer = Issuer::new(issuing.clone(), urls);
        let responder_key = key("ocsp/persons/g1");
        let responder = prepare(
            profile(ProfileName::OcspResponder),
            &issuer,
            request("Responder", 202, responder_key.public_key()),
            now,
        )
        .unwrap()
        .sign(&*issuing_key, &OpenSslVerifier)
        .unwrap();
        let authority = |certificate: &Certificate| Authority {
            id: pki::issuer_id(certificate.public_key()).unwrap(),
            certificate: certificate.clone(),
            shards: 2,
            first_crls: Vec::new(),
            responder: None,
            online: true,
        };
        let root = authority(&root);
        let issuing = Authority {
            responder: Some((label("ocsp/persons/g1"), responder)),
            ..authority(&issuing)
        };
        Self {
            token,
            root,
            issuing,
            profiles,
            issuer,
            now,
        }
    }

    /// A list of the issuing authority's shard 0.
    pub(crate) fn crl(&self, number: u64, revoked: &[SerialNumber]) -> Vec<u8> {
        let id = self.token.find(&label("ca/persons/g1")).unwrap().unwrap();
        let signer = self.token.signer(id, None).unwrap();
        let builder = CrlBuilder {
            issuer: &self.issuer,
            shard: 0,
            number,
            this_update: self.now,
            next_update: self.now + Duration::from_hours(24),
        };
        let entries = revoked.iter().map(|serial| RevokedEntry {
            serial: serial.clone(),
            revoked_at: self.now,
            reason: CrlReason::KeyCompromise,
        });
        builder
            .build(entries)
            .unwrap()
            .sign(&*signer, &OpenSslVerifier)
            .unwrap()
            .der()
            .to_vec()
    }

    /// A new certificate for the responder's key, made at `now`.
    pub(crate) fn renewed_responder(&self, now: Timestamp) -> Certificate {
        let id = self.token.find(&label("ca/persons/g1")).unwrap().unwrap();
        let signer = self.token.signer(id, None).unwrap();
        let (_, old) = self.issuing.responder.as_ref().unwrap();
        let request = Request {
            public_key: old.public_key().clone(),
            subject: named("Responder"),
            san: Vec::new(),
            serial: serial(203),
            validity: None,
        };
        let profile = self.profiles.find(ProfileName::OcspResponder).unwrap();
        prepare(profile, &self.issuer, request, now.into())
            .unwrap()
            .sign(&*signer, &OpenSslVerifier)
            .unwrap()
    }
}

/// Settings with all folders below `folder`.
pub(crate) fn config(folder: &Path) -> Config {
    Config {
        status_folder: folder.join("status"),
        crl_folder: folder.join("crl"),
        ..Config::default()
    }
}

/// Starts the service; the authority is in contact now.
pub(crate) fn start(
    hierarchy: &Hierarchy,
    clock_at: Timestamp,
    change: impl FnOnce(&mut Config),
) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    change(&mut config);
    let (sources, clock) = Sources::test(clock_at, 1);
    let context = Context::new(sources);
    let authorities = [hierarchy.root.clone(), hierarchy.issuing.clone()];
    let app = App::open(&config, &authorities, &hierarchy.token, &context).unwrap();
    app.answers.in_contact(clock.now());
    let public = app.clone();
    let limits = ListenerConfig {
        workers: 1,
        address: "127.0.0.1:0".to_owned(),
        ..config.listener
    };
    let listener = Listener::new("ocsp", limits, move |services| public.configure(services));
    let bound = server::bind(vec![listener], None).unwrap();
    let address = bound.addresses()[0];
    let inner = context.clone();
    let task = tokio::spawn(async move { bound.run(&inner, "http://h").await.unwrap() });
    Running {
        address,
        app,
        clock,
        issuing: hierarchy.issuing.clone(),
        root: hierarchy.root.clone(),
        folder,
        context,
        task,
    }
}

impl Running {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Puts a status on record.
    pub(crate) fn know(&self, sequence: i64, octet: u8, revoked: Option<(i64, Option<CrlReason>)>) {
        let change = Change {
            issuer: self.issuing.id,
            serial: serial(octet),
            record: Record { sequence, revoked },
        };
        assert!(self.app.statuses.apply(&change));
        self.app.answers.in_contact(self.clock.now());
    }

    pub(crate) async fn end(self) {
        self.context.tasks.shutdown().trigger();
        self.task.await.unwrap();
    }
}
