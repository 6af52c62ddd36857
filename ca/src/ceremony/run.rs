//! Holding the ceremony: keys, certificates, first revocation lists, in an order in which every step is on
//! record before the next.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::Path;

use hsm_bridge::pkcs11::Token;
use hsm_bridge::{KeyAlgorithm, KeyId, KeyLabel, KeyStore, SecretStore, Signer};
use jiff::Timestamp;
use pki::issue::Issuer;
use pki::jose::Jwk;
use pki::key::IssuerId;
use pki::name::DistinguishedName;
use pki::profile::{ProfileName, Profiles};
use service::Sources;

use super::plan::Plan;
use super::transcript::{Facts, Transcript, sha256};
use super::{CeremonyError, tokens};
use crate::hierarchy::{
    HIERARCHY_FILE, HierarchyFile, IssuingEntry, PEERS_FILE, PeerEntry, PeersFile, ROOT_SHARD,
    RootEntry, ServiceEntry,
};

/// Serial number hint of certificates that the root signs.
const ROOT_HINT: u8 = 0x7f;

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

pub(super) struct Ceremony<'a> {
    pub(super) plan: &'a Plan,
    pub(super) root: Token,
    pub(super) online: Token,
    pub(super) sources: &'a Sources,
    pub(super) profiles: Profiles,
    pub(super) transcript: Transcript<'a>,
    /// Authorities made so far, by the label of their key.
    pub(super) certified: BTreeMap<KeyLabel, Authority>,
}

pub(super) struct Authority {
    pub(super) id: IssuerId,
    pub(super) issuer: Issuer,
    pub(super) signer: Box<dyn Signer>,
    pub(super) hint: u8,
}

/// One certificate to make.
pub(super) struct Wanted<'a> {
    pub(super) profile: ProfileName,
    pub(super) key: &'a KeyLabel,
    pub(super) subject: &'a DistinguishedName,
    pub(super) public_key: spki::SubjectPublicKeyInfoOwned,
    pub(super) hint: u8,
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

    pub(super) fn authority(&self, label: &KeyLabel) -> Result<&Authority, CeremonyError> {
        self.certified
            .get(label)
            .ok_or_else(|| CeremonyError::Plan(format!("{label} certifies before it is certified")))
    }

    pub(super) fn record(&mut self, step: &str, facts: Facts) -> Result<(), CeremonyError> {
        let at: Timestamp = self.sources.now();
        self.transcript.record(at, step, facts)
    }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, CeremonyError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(CeremonyError::artefact)?;
    bytes.push(b'\n');
    Ok(bytes)
}
