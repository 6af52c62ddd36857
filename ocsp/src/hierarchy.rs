//! The authorities answered for, from the key ceremony's public results.

use std::path::{Path, PathBuf};

use hsm_bridge::{KeyLabel, SignatureVerifier};
use pki::Certificate;
use pki::key::IssuerId;
use pki::profile::ProfileName;
use serde::Deserialize;

use crate::error::Error;

const FILE: &str = "hierarchy.json";

#[derive(Deserialize)]
struct HierarchyFile {
    root: RootEntry,
    issuing: Vec<IssuingEntry>,
    services: Vec<ServiceEntry>,
}

#[derive(Deserialize)]
struct RootEntry {
    id: IssuerId,
    certificate: PathBuf,
    crl: PathBuf,
}

#[derive(Deserialize)]
struct IssuingEntry {
    id: IssuerId,
    certificate: PathBuf,
    shards: u16,
    #[serde(default)]
    crls: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct ServiceEntry {
    profile: ProfileName,
    issuer: IssuerId,
    key: KeyLabel,
    certificate: PathBuf,
}

/// An authority whose certificates are answered for or whose lists are published.
#[derive(Clone, Debug)]
pub struct Authority {
    /// Its name in addresses.
    pub id: IssuerId,
    /// Its certificate.
    pub certificate: Certificate,
    /// How many parts its revocation list has.
    pub shards: u16,
    /// The lists made at the ceremony, by shard.
    pub first_crls: Vec<Vec<u8>>,
    /// The delegated responder's key and first certificate; none where only lists are published.
    pub responder: Option<(KeyLabel, Certificate)>,
    /// Whether the running authority issues its lists; a root's come from ceremonies alone.
    pub online: bool,
}

/// Reads and checks the hierarchy: every issuing certificate and every responder is signed by whom it says.
pub(crate) fn read(
    folder: &Path,
    verifier: &dyn SignatureVerifier,
) -> Result<Vec<Authority>, Error> {
    let path = folder.join(FILE);
    let text = std::fs::read(&path).map_err(|e| Error::file(&path, e))?;
    let file: HierarchyFile = serde_json::from_slice(&text).map_err(|e| Error::file(&path, e))?;
    let responder = |issuer: IssuerId, certificate: &Certificate| {
        let entry = file
            .services
            .iter()
            .find(|s| s.profile == ProfileName::OcspResponder && s.issuer == issuer);
        entry
            .map(|entry| {
                let own = read_certificate(folder, &entry.certificate)?;
                own.verify(certificate.public_key(), verifier)
                    .map_err(|e| Error::Hierarchy(format!("responder {}: {e}", entry.key)))?;
                Ok::<_, Error>((entry.key.clone(), own))
            })
            .transpose()
    };
    let root = read_certificate(folder, &file.root.certificate)?;
    let mut authorities = vec![Authority {
        id: checked_id(file.root.id, &root)?,
        shards: 1,
        first_crls: vec![read_file(folder, &file.root.crl)?],
        responder: responder(file.root.id, &root)?,
        online: false,
        certificate: root.clone(),
    }];
    for entry in &file.issuing {
        let certificate = read_certificate(folder, &entry.certificate)?;
        certificate
            .verify(root.public_key(), verifier)
            .map_err(|e| Error::Hierarchy(format!("authority {}: {e}", entry.id)))?;
        let first_crls = entry
            .crls
            .iter()
            .map(|crl| read_file(folder, crl))
            .collect::<Result<_, _>>()?;
        authorities.push(Authority {
            id: checked_id(entry.id, &certificate)?,
            shards: entry.shards,
            first_crls,
            responder: responder(entry.id, &certificate)?,
            online: true,
            certificate,
        });
    }
    Ok(authorities)
}

fn checked_id(id: IssuerId, certificate: &Certificate) -> Result<IssuerId, Error> {
    let own =
        pki::issuer_id(certificate.public_key()).map_err(|e| Error::Hierarchy(e.to_string()))?;
    if own == id {
        Ok(id)
    } else {
        Err(Error::Hierarchy(format!(
            "{id} is not the key of its certificate"
        )))
    }
}

fn read_file(folder: &Path, name: &Path) -> Result<Vec<u8>, Error> {
    let path = folder.join(name);
    std::fs::read(&path).map_err(|e| Error::file(&path, e))
}

fn read_certificate(folder: &Path, name: &Path) -> Result<Certificate, Error> {
    let path = folder.join(name);
    let pem = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, e))?;
    Certificate::from_pem(&pem).map_err(|e| Error::file(&path, e))
}
