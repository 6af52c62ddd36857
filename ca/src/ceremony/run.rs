//! Holding the ceremony: keys, certificates, first revocation lists, in an order in which every step is on
//! record before the next.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hsm_bridge::pkcs11::Token;
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{KeyAlgorithm, KeyId, KeyLabel, KeyStore, SecretStore, Signer};
use jiff::{SignedDuration, Timestamp};
use pki::Certificate;
use pki::crl::CrlBuilder;
use pki::issue::{Issuer, Request, prepare, prepare_anchor};
use pki::jose::Jwk;
use pki::key::IssuerId;
use pki::name::DistinguishedName;
use pki::profile::{Profile, ProfileName, Profiles};
use pki::serial::SerialNumber;
use service::Sources;

use super::plan::Plan;
use super::transcript::{Facts, Transcript, sha256};
use super::{CeremonyError, tokens};
use crate::hierarchy::{
    HIERARCHY_FILE, HierarchyFile, IssuingEntry, PEERS_FILE, PeerEntry, PeersFile, ROOT_SHARD,
    RootEntry, ServiceEntry,
};

/// Random octets behind the hint of a serial number.
const SERIAL_RANDOM: usize = 19;
/// Serial number hint of certificates that the root signs.
const ROOT_HINT: u8 = 0x7f;
/// The number of a shard's first list.
const FIRST_CRL: u64 = 1;
const DAY: u64 = 24 * 60 * 60;
/// How late clocks of relying parties may be when they read the first lists.
const BACKDATE: SignedDuration = SignedDuration::from_mins(5);

/// What a ceremony came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The last hash of the transcript: what witnesses copy down.
    pub transcript: String,
    /// SHA-256 of the root certificate's DER, lower-case hex.
    pub root: String,
}

/// Holds the ceremony that `text` describes and writes its public results into `out`, which must be empty or absent.
///
/// Blocks. Every step goes to `progress` in words. A key of the file that exists ends the ceremony before
/// anything is made.
pub fn run(
    text: &str,
    base: &Path,
    out: &Path,
    sources: &Sources,
    progress: &mut dyn FnMut(&str),
) -> Result<Outcome, CeremonyError> {
    let plan = Plan::parse(text, base)?;
    prepare_directory(out)?;
    let (root, root_made) = tokens::open(&plan.token.root, sources)?;
    let (online, online_made) = tokens::open(&plan.token.online, sources)?;
    refuse_existing(&plan, &root, &online)?;
    let profiles = Profiles::new(&plan.policies()?);
    let mut ceremony = Ceremony {
        plan: &plan,
        root,
        online,
        sources,
        profiles,
        transcript: Transcript::start(out, progress),
        certified: BTreeMap::new(),
    };
    ceremony.open(text, root_made, online_made)?;
    ceremony.hold()
}

/// Makes the directory, or accepts an empty one.
fn prepare_directory(out: &Path) -> Result<(), CeremonyError> {
    std::fs::create_dir_all(out).map_err(|error| CeremonyError::file(out, &error))?;
    let mut entries = std::fs::read_dir(out).map_err(|error| CeremonyError::file(out, &error))?;
    if entries.next().is_some() {
        Err(CeremonyError::NotEmpty(out.to_owned()))
    } else {
        Ok(())
    }
}

/// No label of the plan may be in its token, key pair or secret.
fn refuse_existing(plan: &Plan, root: &Token, online: &Token) -> Result<(), CeremonyError> {
    let exists = |label: &KeyLabel, token: &str| {
        Err(CeremonyError::KeyExists(
            label.to_string(),
            token.to_owned(),
        ))
    };
    if root.find(&plan.root.key)?.is_some() {
        return exists(&plan.root.key, &plan.token.root.label);
    }
    for (label, _) in plan.online_keys() {
        if online.find(label)?.is_some() {
            return exists(label, &plan.token.online.label);
        }
    }
    let present: Vec<KeyLabel> = online
        .list_secrets()?
        .into_iter()
        .flatten()
        .map(|secret| secret.label)
        .collect();
    match plan
        .secrets
        .iter()
        .find(|secret| present.contains(&secret.label))
    {
        Some(secret) => exists(&secret.label, &plan.token.online.label),
        None => Ok(()),
    }
}

struct Ceremony<'a> {
    plan: &'a Plan,
    root: Token,
    online: Token,
    sources: &'a Sources,
    profiles: Profiles,
    transcript: Transcript<'a>,
    /// Authorities made so far, by the label of their key.
    certified: BTreeMap<KeyLabel, Authority>,
}

struct Authority {
    id: IssuerId,
    issuer: Issuer,
    signer: Box<dyn Signer>,
    hint: u8,
}

/// One certificate to make.
struct Wanted<'a> {
    profile: ProfileName,
    key: &'a KeyLabel,
    subject: &'a DistinguishedName,
    public_key: spki::SubjectPublicKeyInfoOwned,
    hint: u8,
}

impl Ceremony<'_> {
    fn open(
        &mut self,
        text: &str,
        root_made: bool,
        online_made: bool,
    ) -> Result<(), CeremonyError> {
        let mut facts = Facts::from([("ceremony".to_owned(), self.plan.name.clone())]);
        for (number, person) in (1..).zip(&self.plan.participants) {
            facts.insert(
                format!("participant {number}"),
                format!("{}, {}", person.name, person.role),
            );
        }
        for (which, token, made) in [
            ("root", &self.plan.token.root, root_made),
            ("online", &self.plan.token.online, online_made),
        ] {
            let how = if made {
                "initialised here"
            } else {
                "as it was"
            };
            facts.insert(format!("token {which}"), format!("{}, {how}", token.label));
        }
        self.transcript
            .write("ceremony.toml", text.as_bytes(), &mut facts)?;
        self.record("ceremony opened", facts)
    }

    fn hold(mut self) -> Result<Outcome, CeremonyError> {
        let (root_entry, root_hash) = self.make_root()?;
        let mut issuing = Vec::new();
        for (hint, index) in (1_u8..).zip(0..self.plan.issuing.len()) {
            issuing.push(self.make_issuing(index, hint)?);
        }
        let services = self.make_services()?;
        self.make_plain_keys()?;
        let peers = self.collect_peers()?;
        let mut facts = Facts::new();
        let hierarchy = HierarchyFile {
            name: self.plan.name.clone(),
            oid_arc: self.plan.oid_arc.clone(),
            publish_base_url: self.plan.publish_base_url.clone(),
            root: root_entry,
            issuing,
            services,
        };
        self.transcript
            .write(HIERARCHY_FILE, &json(&hierarchy)?, &mut facts)?;
        self.transcript
            .write(PEERS_FILE, &json(&peers)?, &mut facts)?;
        self.record("ceremony closed", facts)?;
        Ok(Outcome {
            transcript: self.transcript.head(),
            root: root_hash,
        })
    }

    fn make_root(&mut self) -> Result<(RootEntry, String), CeremonyError> {
        let plan = &self.plan.root;
        let id = self.root.generate(&plan.key, plan.algorithm)?;
        let signer = self.root.signer(id, None)?;
        self.record_key("root", &plan.key, plan.algorithm, id, &*signer)?;
        let wanted = Wanted {
            profile: ProfileName::Root,
            key: &plan.key,
            subject: &plan.subject,
            public_key: signer.public_key().clone(),
            hint: ROOT_HINT,
        };
        let (certificate, path) = self.certify(&wanted, None)?;
        let hash = sha256(certificate.der());
        let publish = self.plan.publish(NonZeroU16::MIN)?;
        let issuer = Issuer::new(certificate, publish);
        let id = issuer.id()?;
        let authority = Authority {
            id,
            issuer,
            signer,
            hint: ROOT_HINT,
        };
        let crl = self.first_crls(&plan.key, &authority, plan.crl_days)?;
        let entry = RootEntry {
            id,
            name: plan.subject.common_name.clone().unwrap_or_default(),
            key: plan.key.clone(),
            certificate: path,
            crl: crl
                .into_iter()
                .nth(usize::from(ROOT_SHARD))
                .unwrap_or_default(),
        };
        self.certified.insert(plan.key.clone(), authority);
        Ok((entry, hash))
    }

    fn make_issuing(&mut self, index: usize, hint: u8) -> Result<IssuingEntry, CeremonyError> {
        let plan = self
            .plan
            .issuing
            .get(index)
            .ok_or_else(|| CeremonyError::plan("an authority is missing"))?;
        let key = self.online.generate(&plan.key, plan.algorithm)?;
        let signer = self.online.signer(key, None)?;
        self.record_key("online", &plan.key, plan.algorithm, key, &*signer)?;
        let wanted = Wanted {
            profile: ProfileName::Issuing,
            key: &plan.key,
            subject: &plan.subject,
            public_key: signer.public_key().clone(),
            hint: ROOT_HINT,
        };
        let (certificate, path) = self.certify(&wanted, Some(&self.plan.root.key))?;
        let issuer = Issuer::new(certificate, self.plan.publish(plan.crl_shards)?);
        let id = issuer.id()?;
        let authority = Authority {
            id,
            issuer,
            signer,
            hint,
        };
        let crls = self.first_crls(&plan.key, &authority, plan.crl_days)?;
        self.certified.insert(plan.key.clone(), authority);
        Ok(IssuingEntry {
            id,
            name: plan.subject.common_name.clone().unwrap_or_default(),
            key: plan.key.clone(),
            certificate: path,
            shards: plan.crl_shards,
            profiles: plan.profiles.clone(),
            crls,
        })
    }

    fn make_services(&mut self) -> Result<Vec<ServiceEntry>, CeremonyError> {
        let mut entries = Vec::new();
        for plan in &self.plan.certificates {
            let key = self.online.generate(&plan.key, plan.algorithm)?;
            let signer = self.online.signer(key, None)?;
            self.record_key("online", &plan.key, plan.algorithm, key, &*signer)?;
            let issuer = self.authority(&plan.issuer)?;
            let (id, hint) = (issuer.id, issuer.hint);
            let wanted = Wanted {
                profile: plan.profile,
                key: &plan.key,
                subject: &plan.subject,
                public_key: signer.public_key().clone(),
                hint,
            };
            let (_, certificate) = self.certify(&wanted, Some(&plan.issuer))?;
            entries.push(ServiceEntry {
                profile: plan.profile,
                issuer: id,
                key: plan.key.clone(),
                subject: plan.subject.clone(),
                certificate,
            });
        }
        Ok(entries)
    }

    fn make_plain_keys(&mut self) -> Result<(), CeremonyError> {
        for plan in &self.plan.keys {
            let id = self.online.generate(&plan.label, plan.algorithm)?;
            let signer = self.online.signer(id, None)?;
            self.record_key("online", &plan.label, plan.algorithm, id, &*signer)?;
        }
        for plan in &self.plan.secrets {
            self.online.generate_secret(&plan.label, plan.purpose)?;
            let purpose = serde_json::to_value(plan.purpose).map_err(CeremonyError::artefact)?;
            let facts = Facts::from([
                ("label".to_owned(), plan.label.to_string()),
                (
                    "purpose".to_owned(),
                    purpose.as_str().unwrap_or_default().to_owned(),
                ),
            ]);
            self.record("secret made in the online token", facts)?;
        }
        Ok(())
    }

    fn collect_peers(&self) -> Result<PeersFile, CeremonyError> {
        let mut peers = Vec::new();
        for plan in &self.plan.peers {
            let id = self.online.find(&plan.key)?.ok_or_else(|| {
                CeremonyError::Artefact(format!("{} vanished from the token", plan.key))
            })?;
            let signer = self.online.signer(id, None)?;
            peers.push(PeerEntry {
                name: plan.name.clone(),
                roles: plan.roles.clone(),
                tls_names: plan.tls_names.clone(),
                jwk: Jwk::from_signer(&*signer).map_err(CeremonyError::artefact)?,
            });
        }
        Ok(PeersFile { peers })
    }

    /// Makes, checks and writes one certificate; without `issuer` the key certifies itself.
    fn certify(
        &mut self,
        wanted: &Wanted<'_>,
        issuer: Option<&KeyLabel>,
    ) -> Result<(Certificate, PathBuf), CeremonyError> {
        let random = self.sources.random::<SERIAL_RANDOM>();
        let serial = SerialNumber::new(wanted.hint, &random).map_err(CeremonyError::artefact)?;
        let request = Request {
            public_key: wanted.public_key.clone(),
            subject: wanted.subject.clone(),
            san: Vec::new(),
            serial,
            validity: None,
        };
        let profile = self
            .profiles
            .find(wanted.profile)
            .cloned()
            .ok_or_else(|| CeremonyError::plan("an unknown profile"))?;
        let certificate = match issuer {
            None => self.sign_anchor(&profile, request, wanted.key)?,
            Some(label) => {
                let authority = self.authority(label)?;
                let now = self.sources.now().into();
                let prepared = prepare(&profile, &authority.issuer, request, now)?;
                self.intend(wanted, prepared.tbs_der())?;
                prepared.sign(&*self.authority(label)?.signer, &OpenSslVerifier)?
            }
        };
        let path = PathBuf::from(format!("certificates/{}.pem", file_name(wanted.key)));
        let mut facts = certificate_facts(&certificate, wanted)?;
        let pem = certificate.pem().map_err(CeremonyError::artefact)?;
        self.transcript
            .write(&path.to_string_lossy(), pem.as_bytes(), &mut facts)?;
        self.record("certificate signed and verified", facts)?;
        Ok((certificate, path))
    }

    fn sign_anchor(
        &mut self,
        profile: &dyn Profile,
        request: Request,
        label: &KeyLabel,
    ) -> Result<Certificate, CeremonyError> {
        let prepared = prepare_anchor(profile, request, self.sources.now().into())?;
        let facts = Facts::from([
            ("key".to_owned(), label.to_string()),
            (
                "sha256 of what will be signed".to_owned(),
                sha256(prepared.tbs_der()),
            ),
        ]);
        self.record("certificate about to be signed", facts)?;
        let id = self
            .root
            .find(label)?
            .ok_or_else(|| CeremonyError::Artefact(format!("{label} vanished from the token")))?;
        Ok(prepared.sign(&*self.root.signer(id, None)?, &OpenSslVerifier)?)
    }

    fn intend(&mut self, wanted: &Wanted<'_>, tbs: &[u8]) -> Result<(), CeremonyError> {
        let facts = Facts::from([
            ("key".to_owned(), wanted.key.to_string()),
            ("sha256 of what will be signed".to_owned(), sha256(tbs)),
        ]);
        self.record("certificate about to be signed", facts)
    }

    /// Signs an empty list for every shard of an authority.
    fn first_crls(
        &mut self,
        label: &KeyLabel,
        authority: &Authority,
        days: u16,
    ) -> Result<Vec<PathBuf>, CeremonyError> {
        let now = self.sources.now();
        let life = Duration::from_secs(u64::from(days) * DAY);
        let end = now.checked_add(life).map_err(CeremonyError::artefact)?;
        let start = now.checked_sub(BACKDATE).map_err(CeremonyError::artefact)?;
        let mut facts = Facts::from([
            ("issuer".to_owned(), label.to_string()),
            ("number".to_owned(), FIRST_CRL.to_string()),
            ("next update".to_owned(), end.to_string()),
        ]);
        let mut paths = Vec::new();
        for shard in 0..authority.issuer.publish.shards().get() {
            let builder = CrlBuilder {
                issuer: &authority.issuer,
                shard,
                number: FIRST_CRL,
                this_update: start.into(),
                next_update: end.into(),
            };
            let list = builder
                .build([])?
                .sign(&*authority.signer, &OpenSslVerifier)?;
            let path = PathBuf::from(format!("crls/{}/{shard}.crl", authority.id));
            self.transcript
                .write(&path.to_string_lossy(), list.der(), &mut facts)?;
            paths.push(path);
        }
        self.record("revocation lists signed and verified", facts)?;
        Ok(paths)
    }

    fn record_key(
        &mut self,
        token: &str,
        label: &KeyLabel,
        algorithm: KeyAlgorithm,
        id: KeyId,
        signer: &dyn Signer,
    ) -> Result<(), CeremonyError> {
        let spki = der::Encode::to_der(signer.public_key()).map_err(CeremonyError::artefact)?;
        let algorithm = serde_json::to_value(algorithm).map_err(CeremonyError::artefact)?;
        let facts = Facts::from([
            ("label".to_owned(), label.to_string()),
            (
                "algorithm".to_owned(),
                algorithm.as_str().unwrap_or_default().to_owned(),
            ),
            ("key id".to_owned(), id.to_string()),
            (
                "sha256 of the SubjectPublicKeyInfo".to_owned(),
                sha256(&spki),
            ),
        ]);
        self.record(&format!("key made in the {token} token"), facts)
    }

    fn authority(&self, label: &KeyLabel) -> Result<&Authority, CeremonyError> {
        self.certified
            .get(label)
            .ok_or_else(|| CeremonyError::Plan(format!("{label} certifies before it is certified")))
    }

    fn record(&mut self, step: &str, facts: Facts) -> Result<(), CeremonyError> {
        let at: Timestamp = self.sources.now();
        self.transcript.record(at, step, facts)
    }
}

/// A key label as a file name.
pub(super) fn file_name(label: &KeyLabel) -> String {
    label.as_str().replace('/', "-")
}

fn certificate_facts(
    certificate: &Certificate,
    wanted: &Wanted<'_>,
) -> Result<Facts, CeremonyError> {
    let second = |at: u64| {
        i64::try_from(at)
            .ok()
            .and_then(|at| Timestamp::from_second(at).ok())
            .map(|at| at.to_string())
            .unwrap_or_default()
    };
    let serial = certificate.serial().map_err(CeremonyError::artefact)?;
    Ok(Facts::from([
        ("key".to_owned(), wanted.key.to_string()),
        ("profile".to_owned(), wanted.profile.to_string()),
        ("subject".to_owned(), certificate.subject().to_string()),
        ("issuer".to_owned(), certificate.issuer().to_string()),
        ("serial".to_owned(), serial.to_string()),
        ("not before".to_owned(), second(certificate.not_before())),
        ("not after".to_owned(), second(certificate.not_after())),
        (
            "sha256 of the certificate in DER".to_owned(),
            sha256(certificate.der()),
        ),
    ]))
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, CeremonyError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(CeremonyError::artefact)?;
    bytes.push(b'\n');
    Ok(bytes)
}
