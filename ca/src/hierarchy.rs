//! The public results of a key ceremony, as the running authority reads them.
//!
//! Names of files are relative to the ceremony's directory. Nothing secret is in them; what they say is checked
//! against the certificates themselves before anything is issued.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use domain::certificate::Role;
use hsm_bridge::KeyLabel;
use pki::Certificate;
use pki::issue::{Issuer, PublishUrls};
use pki::jose::Jwk;
use pki::key::IssuerId;
use pki::name::DistinguishedName;
use pki::profile::{PolicyOids, ProfileName};
use serde::{Deserialize, Serialize};

/// Name of the file that describes the hierarchy.
pub const HIERARCHY_FILE: &str = "hierarchy.json";
/// Name of the file with the peers' public keys.
pub const PEERS_FILE: &str = "peers.json";
/// Largest of these files that is read, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// The shard of a root's one revocation list.
pub const ROOT_SHARD: u16 = 0;

/// Why a ceremony's results cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct HierarchyError {
    path: PathBuf,
    reason: String,
}

impl HierarchyError {
    #[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
    fn new(path: &Path, reason: impl ToString) -> Self {
        Self {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// The hierarchy as a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HierarchyFile {
    /// What the hierarchy is called.
    pub name: String,
    /// The arc below which policies are identified.
    pub oid_arc: String,
    /// Where status and issuers are published.
    pub publish_base_url: String,
    /// The trust anchor.
    pub root: RootEntry,
    /// The authorities below it, in the order of the ceremony file.
    pub issuing: Vec<IssuingEntry>,
    /// Certificates of service keys.
    pub services: Vec<ServiceEntry>,
}

/// The trust anchor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootEntry {
    /// Identifier of its key in URLs.
    pub id: IssuerId,
    /// Its common name.
    pub name: String,
    /// Label of its key, in a token that no service opens.
    pub key: KeyLabel,
    /// Its certificate, PEM.
    pub certificate: PathBuf,
    /// Its revocation list, DER.
    pub crl: PathBuf,
}

/// An authority that issues online.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuingEntry {
    /// Identifier of its key in URLs.
    pub id: IssuerId,
    /// Its common name.
    pub name: String,
    /// Label of its key.
    pub key: KeyLabel,
    /// Its certificate, PEM.
    pub certificate: PathBuf,
    /// Number of shards of its revocation lists.
    pub shards: NonZeroU16,
    /// The profiles it issues; each authority also certifies its own OCSP responders.
    pub profiles: BTreeSet<ProfileName>,
    /// Its first revocation lists, DER, by shard.
    pub crls: Vec<PathBuf>,
}

/// The certificate of a service key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceEntry {
    /// Its profile.
    pub profile: ProfileName,
    /// Identifier of the issuer's key.
    pub issuer: IssuerId,
    /// Label of its key.
    pub key: KeyLabel,
    /// Its name as asked for; a renewal keeps it.
    pub subject: DistinguishedName,
    /// The certificate, PEM.
    pub certificate: PathBuf,
}

/// The peers as a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeersFile {
    /// One entry per service.
    pub peers: Vec<PeerEntry>,
}

/// A service that proves its name with a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerEntry {
    /// The name it proves.
    pub name: String,
    /// What it may ask the certificate authority for.
    #[serde(default)]
    pub roles: BTreeSet<Role>,
    /// Host names it may get TLS certificates for.
    #[serde(default)]
    pub tls_names: BTreeSet<String>,
    /// Its public key.
    pub jwk: Jwk,
}

impl PeersFile {
    /// Reads a peers file.
    pub fn read(path: &Path) -> Result<Self, HierarchyError> {
        serde_json::from_slice(&read(path)?).map_err(|error| HierarchyError::new(path, error))
    }
}

/// An authority that issues online, read and checked.
#[derive(Clone, Debug)]
pub struct IssuingAuthority {
    /// Identifier of its key in URLs.
    pub id: IssuerId,
    /// Its common name.
    pub name: String,
    /// Label of its key.
    pub key: KeyLabel,
    /// First octet of its serial numbers: its place in the hierarchy, from 1.
    pub hint: u8,
    /// Its certificate and where its status is published.
    pub issuer: Issuer,
    /// The profiles it issues.
    pub profiles: BTreeSet<ProfileName>,
    /// Its first revocation lists, DER, by shard.
    pub first_crls: Vec<Vec<u8>>,
}

/// The certificate of a service key, read and checked.
#[derive(Clone, Debug)]
pub struct ServiceCertificate {
    /// Its profile.
    pub profile: ProfileName,
    /// Identifier of the issuer's key.
    pub issuer: IssuerId,
    /// Label of its key.
    pub key: KeyLabel,
    /// Its name as asked for; a renewal keeps it.
    pub subject: DistinguishedName,
    /// The certificate.
    pub certificate: Certificate,
}

/// The trust anchor, read and checked.
#[derive(Clone, Debug)]
pub struct Root {
    /// Identifier of its key in URLs.
    pub id: IssuerId,
    /// Its common name.
    pub name: String,
    /// Its certificate.
    pub certificate: Certificate,
    /// Label of its key, in a token that no service opens.
    pub key: KeyLabel,
    /// Where its status is published.
    pub publish: PublishUrls,
    /// Its revocation list, DER.
    pub crl: Vec<u8>,
}

/// The whole hierarchy, read and checked.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    /// What it is called.
    pub name: String,
    /// The certificate policies.
    pub policies: PolicyOids,
    /// The trust anchor.
    pub root: Root,
    /// The authorities that issue online.
    pub issuing: Vec<IssuingAuthority>,
    /// Certificates of service keys.
    pub services: Vec<ServiceCertificate>,
}

impl Hierarchy {
    /// Reads `hierarchy.json` and every file it names from a ceremony's directory.
    ///
    /// Each identifier must be the one of its certificate's key. Signatures are checked by `ceremony verify`, and
    /// by the token on first use, since an issuer's key must be the one in its certificate.
    pub fn read(directory: &Path) -> Result<Self, HierarchyError> {
        let path = directory.join(HIERARCHY_FILE);
        let file: HierarchyFile = serde_json::from_slice(&read(&path)?)
            .map_err(|error| HierarchyError::new(&path, error))?;
        let policies =
            PolicyOids::new(&file.oid_arc).map_err(|error| HierarchyError::new(&path, error))?;
        let publish = |shards| {
            PublishUrls::new(&file.publish_base_url, shards)
                .map_err(|error| HierarchyError::new(&path, error))
        };
        let root = Root {
            id: file.root.id,
            name: file.root.name,
            certificate: certificate(directory, &file.root.certificate, file.root.id)?,
            key: file.root.key,
            publish: publish(NonZeroU16::MIN)?,
            crl: read(&directory.join(&file.root.crl))?,
        };
        let mut issuing = Vec::new();
        for (hint, entry) in (1_u8..=0x7f).zip(file.issuing) {
            let certificate = certificate(directory, &entry.certificate, entry.id)?;
            let crls = entry.crls.iter().map(|name| read(&directory.join(name)));
            issuing.push(IssuingAuthority {
                id: entry.id,
                name: entry.name,
                key: entry.key,
                hint,
                issuer: Issuer::new(certificate, publish(entry.shards)?),
                profiles: entry.profiles,
                first_crls: crls.collect::<Result<_, _>>()?,
            });
        }
        let mut services = Vec::new();
        for entry in file.services {
            if !issuing.iter().any(|authority| authority.id == entry.issuer) {
                return Err(HierarchyError::new(
                    &path,
                    "a service certificate of no authority",
                ));
            }
            services.push(ServiceCertificate {
                profile: entry.profile,
                issuer: entry.issuer,
                key: entry.key,
                subject: entry.subject,
                certificate: load_certificate(&directory.join(&entry.certificate))?,
            });
        }
        Ok(Self {
            name: file.name,
            policies,
            root,
            issuing,
            services,
        })
    }

    /// The authority with this identifier.
    pub fn find(&self, id: &str) -> Option<&IssuingAuthority> {
        self.issuing
            .iter()
            .find(|authority| authority.id.to_string() == id)
    }

    /// The authority that issues a profile; none for those made at ceremonies only.
    pub fn issuer_of(&self, profile: ProfileName) -> Option<&IssuingAuthority> {
        self.issuing
            .iter()
            .find(|authority| authority.profiles.contains(&profile))
    }

    /// The newest certificate of a service key with a profile.
    pub fn service(&self, profile: ProfileName) -> Option<&ServiceCertificate> {
        self.services.iter().rfind(|entry| entry.profile == profile)
    }
}

fn certificate(directory: &Path, name: &Path, id: IssuerId) -> Result<Certificate, HierarchyError> {
    let path = directory.join(name);
    let certificate = load_certificate(&path)?;
    let own = pki::issuer_id(certificate.public_key())
        .map_err(|error| HierarchyError::new(&path, error))?;
    if own == id {
        Ok(certificate)
    } else {
        Err(HierarchyError::new(
            &path,
            format!("the key is {own}, not {id}"),
        ))
    }
}

fn load_certificate(path: &Path) -> Result<Certificate, HierarchyError> {
    let bytes = read(path)?;
    let pem = std::str::from_utf8(&bytes).map_err(|error| HierarchyError::new(path, error))?;
    Certificate::from_pem(pem).map_err(|error| HierarchyError::new(path, error))
}

fn read(path: &Path) -> Result<Vec<u8>, HierarchyError> {
    let length = std::fs::metadata(path)
        .map_err(|error| HierarchyError::new(path, error))?
        .len();
    if length > MAX_FILE {
        return Err(HierarchyError::new(path, "the file is too long"));
    }
    std::fs::read(path).map_err(|error| HierarchyError::new(path, error))
}
