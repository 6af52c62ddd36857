//! Replaying a transcript: what lies in the directory is what the ceremony recorded, and it holds together.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::path::Path;

use der::Encode;
use hsm_bridge::KeyLabel;
use hsm_bridge::verify::OpenSslVerifier;
use pki::Certificate;
use spki::SubjectPublicKeyInfoOwned;

use super::CeremonyError;
use super::plan::Plan;
use super::transcript::{self, Entry, JSON_FILE, TEXT_FILE, sha256};
use crate::hierarchy::{Hierarchy, PEERS_FILE, PeersFile};

/// What was found sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The last hash of the transcript, to compare with a witness's copy.
    pub transcript: String,
    /// Steps in the transcript.
    pub steps: usize,
    /// Files compared with their recorded hashes.
    pub files: usize,
    /// Certificates whose signatures and keys were checked.
    pub certificates: usize,
    /// Revocation lists whose signatures were checked.
    pub crls: usize,
}

/// Checks a ceremony's directory against its transcript, and the certificates and lists against each other.
pub fn verify(directory: &Path) -> Result<Report, CeremonyError> {
    let entries = transcript::read(directory)?;
    let files = check_files(directory, &entries)?;
    let plan_text = std::fs::read_to_string(directory.join("ceremony.toml"))
        .map_err(|error| CeremonyError::file(&directory.join("ceremony.toml"), &error))?;
    let plan = Plan::parse(&plan_text, Path::new(""))?;
    let hierarchy = Hierarchy::read(directory).map_err(CeremonyError::artefact)?;
    let keys = made_keys(&entries);
    let certificates = check_certificates(&plan, &hierarchy, &keys)?;
    let crls = check_crls(&hierarchy)?;
    check_peers(directory, &plan, &keys)?;
    Ok(Report {
        transcript: entries
            .last()
            .map(|entry| entry.hash.clone())
            .unwrap_or_default(),
        steps: entries.len(),
        files,
        certificates,
        crls,
    })
}

/// Every recorded file is there and unchanged, and no other file is.
fn check_files(directory: &Path, entries: &[Entry]) -> Result<usize, CeremonyError> {
    let mut expected = BTreeSet::from([JSON_FILE.to_owned(), TEXT_FILE.to_owned()]);
    for (name, hash) in entries.iter().flat_map(Entry::files) {
        let path = directory.join(name);
        let bytes = std::fs::read(&path).map_err(|error| CeremonyError::file(&path, &error))?;
        if sha256(&bytes) != hash {
            return Err(CeremonyError::Artefact(format!(
                "{name} was changed after the ceremony"
            )));
        }
        expected.insert(name.to_owned());
    }
    let mut present = BTreeSet::new();
    list_files(directory, "", &mut present)?;
    match present.difference(&expected).next() {
        Some(name) => Err(CeremonyError::Artefact(format!(
            "{name} is not from the ceremony"
        ))),
        None => Ok(expected.len()),
    }
}

fn list_files(
    directory: &Path,
    prefix: &str,
    found: &mut BTreeSet<String>,
) -> Result<(), CeremonyError> {
    let failed = |error: std::io::Error| CeremonyError::file(directory, &error);
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(failed)?.is_dir() {
            list_files(&entry.path(), &format!("{name}/"), found)?;
        } else {
            found.insert(name);
        }
    }
    Ok(())
}

/// Hash of the public key that the transcript says was made under each label.
fn made_keys(entries: &[Entry]) -> BTreeMap<&str, &str> {
    entries
        .iter()
        .filter_map(|entry| {
            let label = entry.facts.get("label")?;
            let hash = entry.facts.get("sha256 of the SubjectPublicKeyInfo")?;
            Some((label.as_str(), hash.as_str()))
        })
        .collect()
}

fn check_key(
    keys: &BTreeMap<&str, &str>,
    label: &KeyLabel,
    public_key: &SubjectPublicKeyInfoOwned,
) -> Result<(), CeremonyError> {
    let hash = sha256(&public_key.to_der().map_err(CeremonyError::artefact)?);
    if keys.get(label.as_str()) == Some(&hash.as_str()) {
        Ok(())
    } else {
        Err(CeremonyError::Artefact(format!(
            "the certified key of {label} is not the one made for it"
        )))
    }
}

fn check_certificates(
    plan: &Plan,
    hierarchy: &Hierarchy,
    keys: &BTreeMap<&str, &str>,
) -> Result<usize, CeremonyError> {
    let root = &hierarchy.root.certificate;
    check_key(keys, &plan.root.key, root.public_key())?;
    check_signed(root, root.public_key(), &plan.root.key)?;
    check_subject(root, &plan.root.subject, &plan.root.key)?;
    if hierarchy.issuing.len() != plan.issuing.len()
        || hierarchy.services.len() != plan.certificates.len()
    {
        return Err(CeremonyError::Artefact(
            "the hierarchy is not the planned one".to_owned(),
        ));
    }
    for (authority, planned) in hierarchy.issuing.iter().zip(&plan.issuing) {
        let certificate = &authority.issuer.certificate;
        if authority.key != planned.key || authority.profiles != planned.profiles {
            return Err(CeremonyError::Artefact(format!(
                "{} is not as planned",
                planned.key
            )));
        }
        check_key(keys, &planned.key, certificate.public_key())?;
        check_signed(certificate, root.public_key(), &planned.key)?;
        check_subject(certificate, &planned.subject, &planned.key)?;
    }
    for (service, planned) in hierarchy.services.iter().zip(&plan.certificates) {
        let issuer = hierarchy
            .issuing
            .iter()
            .find(|authority| authority.key == planned.issuer);
        let fits = issuer.is_some_and(|issuer| issuer.id == service.issuer)
            && service.key == planned.key
            && service.profile == planned.profile;
        let Some(issuer) = issuer.filter(|_| fits) else {
            return Err(CeremonyError::Artefact(format!(
                "{} is not as planned",
                planned.key
            )));
        };
        check_key(keys, &planned.key, service.certificate.public_key())?;
        let issuer_key = issuer.issuer.certificate.public_key();
        check_signed(&service.certificate, issuer_key, &planned.key)?;
        check_subject(&service.certificate, &planned.subject, &planned.key)?;
    }
    Ok(1 + hierarchy.issuing.len() + hierarchy.services.len())
}

fn check_signed(
    certificate: &Certificate,
    issuer: &SubjectPublicKeyInfoOwned,
    label: &KeyLabel,
) -> Result<(), CeremonyError> {
    certificate
        .verify(issuer, &OpenSslVerifier)
        .map_err(|error| CeremonyError::Artefact(format!("certificate of {label}: {error}")))
}

fn check_subject(
    certificate: &Certificate,
    planned: &pki::name::DistinguishedName,
    label: &KeyLabel,
) -> Result<(), CeremonyError> {
    let planned = planned.to_name().map_err(CeremonyError::artefact)?;
    if *certificate.subject() == planned {
        Ok(())
    } else {
        Err(CeremonyError::Artefact(format!(
            "the certificate of {label} names another subject"
        )))
    }
}

fn check_crls(hierarchy: &Hierarchy) -> Result<usize, CeremonyError> {
    let root = &hierarchy.root;
    // A list that is whole names no distribution point; a shard must name its own (RFC 5280 §5.2.5).
    let mut lists = vec![(&root.crl, &root.certificate, None)];
    for authority in &hierarchy.issuing {
        let publish = &authority.issuer.publish;
        if authority.first_crls.len() != usize::from(publish.shards().get()) {
            return Err(CeremonyError::Artefact(format!(
                "{} lacks a list",
                authority.key
            )));
        }
        for (shard, list) in (0_u16..).zip(&authority.first_crls) {
            let sharded = publish.shards() > NonZeroU16::MIN;
            let address = sharded.then(|| publish.crl(authority.id, shard));
            lists.push((list, &authority.issuer.certificate, address));
        }
    }
    for (der, issuer, address) in &lists {
        let list = pki::crl::parse(der)?;
        list.verify(issuer.public_key(), &OpenSslVerifier)
            .map_err(pki::crl::CrlError::from)?;
        let own_shard = match address {
            Some(address) => contains(der, address.as_bytes()),
            None => list.issuing_distribution_point().is_none(),
        };
        if list.issuer() != issuer.subject() || !own_shard {
            let issuer = list.issuer();
            return Err(CeremonyError::Artefact(format!(
                "a list of {issuer} is of another shard"
            )));
        }
    }
    Ok(lists.len())
}

/// The distribution point stands in the list octet by octet.
fn contains(der: &[u8], address: &[u8]) -> bool {
    der.windows(address.len()).any(|window| window == address)
}

fn check_peers(
    directory: &Path,
    plan: &Plan,
    keys: &BTreeMap<&str, &str>,
) -> Result<(), CeremonyError> {
    let file = PeersFile::read(&directory.join(PEERS_FILE)).map_err(CeremonyError::artefact)?;
    if file.peers.len() != plan.peers.len() {
        return Err(CeremonyError::Artefact(format!(
            "{PEERS_FILE} is not as planned"
        )));
    }
    for (peer, planned) in file.peers.iter().zip(&plan.peers) {
        let same = peer.name == planned.name
            && peer.roles == planned.roles
            && peer.tls_names == planned.tls_names;
        if !same {
            return Err(CeremonyError::Artefact(format!(
                "peer {} is not as planned",
                planned.name
            )));
        }
        let public_key = peer.jwk.to_spki().map_err(CeremonyError::artefact)?;
        check_key(keys, &planned.key, &public_key)?;
    }
    Ok(())
}
