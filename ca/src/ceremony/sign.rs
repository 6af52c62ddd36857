//! Signing at a ceremony: certificates and first revocation lists, each announced before and verified after.

use std::path::PathBuf;
use std::time::Duration;

use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{KeyLabel, KeyStore};
use jiff::{SignedDuration, Timestamp};
use pki::Certificate;
use pki::crl::CrlBuilder;
use pki::issue::{Request, prepare, prepare_anchor};
use pki::profile::Profile;
use pki::serial::SerialNumber;

use super::CeremonyError;
use super::run::{Authority, Ceremony, Wanted};
use super::transcript::{Facts, sha256};

/// Random octets behind the hint of a serial number.
const SERIAL_RANDOM: usize = 19;
/// The number of a shard's first list.
const FIRST_CRL: u64 = 1;
const DAY: u64 = 24 * 60 * 60;
/// How late clocks of relying parties may be when they read the first lists.
const BACKDATE: SignedDuration = SignedDuration::from_mins(5);

impl Ceremony<'_> {
    /// Makes, checks and writes one certificate; without `issuer` the key certifies itself.
    pub(super) fn certify(
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
    pub(super) fn first_crls(
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
}

/// A key label as a file name.
fn file_name(label: &KeyLabel) -> String {
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
