//! Who answers: for each authority its certificate, and the delegated responder's key and certificate.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use hsm_bridge::{KeyStore, SignatureVerifier, Signer};
use jiff::Timestamp;
use pki::Certificate;
use pki::key::IssuerId;
use pki::ocsp::{CertId, IssuerHashes};

use crate::error::Error;
use crate::files;
use crate::hierarchy::Authority;

/// The responder of one authority (RFC 6960 §4.2.2.2: delegated, its certificate issued by the authority itself).
pub struct Responder {
    /// The authority's name in addresses.
    pub issuer: IssuerId,
    /// The authority's certificate.
    pub authority: Certificate,
    hashes: IssuerHashes,
    signer: Arc<dyn Signer>,
    certificate: RwLock<Arc<Certificate>>,
    renewed: PathBuf,
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responder")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl Responder {
    /// Finds the key in the token and the newest certificate: the ceremony's, or a renewed one in `folder`. Blocks.
    pub fn open(
        authority: &Authority,
        keys: &dyn KeyStore,
        folder: &Path,
        verifier: &dyn SignatureVerifier,
    ) -> Result<Option<Self>, Error> {
        let Some((label, first)) = &authority.responder else {
            return Ok(None);
        };
        let id = keys
            .find(label)?
            .ok_or_else(|| Error::Hierarchy(format!("key {label} is not in the token")))?;
        let signer: Arc<dyn Signer> = keys.signer(id, None)?.into();
        let renewed = folder.join(format!("responder-{}.pem", authority.id));
        let responder = Self {
            issuer: authority.id,
            hashes: IssuerHashes::of(&authority.certificate)?,
            authority: authority.certificate.clone(),
            signer,
            certificate: RwLock::new(Arc::new(first.clone())),
            renewed,
        };
        if first.public_key() != responder.signer.public_key() {
            return Err(Error::Hierarchy(format!(
                "certificate of {label} is of another key"
            )));
        }
        responder.load_renewed(verifier)?;
        Ok(Some(responder))
    }

    fn load_renewed(&self, verifier: &dyn SignatureVerifier) -> Result<(), Error> {
        let Some(bytes) = files::read_if_present(&self.renewed)? else {
            return Ok(());
        };
        let certificate = String::from_utf8(bytes)
            .ok()
            .and_then(|pem| Certificate::from_pem(&pem).ok())
            .ok_or_else(|| Error::file(&self.renewed, "is not a certificate"))?;
        if certificate.not_after() > self.certificate().not_after() {
            self.check(&certificate, verifier)?;
            self.set(certificate);
        }
        Ok(())
    }

    /// Refuses a certificate of another key or from another issuer.
    fn check(
        &self,
        certificate: &Certificate,
        verifier: &dyn SignatureVerifier,
    ) -> Result<(), Error> {
        if certificate.public_key() != self.signer.public_key() {
            return Err(Error::Authority(
                "the certificate is of another key".to_owned(),
            ));
        }
        certificate
            .verify(self.authority.public_key(), verifier)
            .map_err(|e| Error::Authority(format!("the certificate does not verify: {e}")))
    }

    /// Takes a renewed certificate into use, durably. Blocks.
    pub fn renew(
        &self,
        certificate: Certificate,
        verifier: &dyn SignatureVerifier,
    ) -> Result<(), Error> {
        self.check(&certificate, verifier)?;
        let pem = certificate
            .pem()
            .map_err(|e| Error::Authority(e.to_string()))?;
        files::replace(&self.renewed, pem.as_bytes())?;
        self.set(certificate);
        Ok(())
    }

    fn set(&self, certificate: Certificate) {
        *self
            .certificate
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(certificate);
    }

    /// The certificate in use.
    pub fn certificate(&self) -> Arc<Certificate> {
        Arc::clone(
            &self
                .certificate
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// The key that signs answers.
    pub fn signer(&self) -> &Arc<dyn Signer> {
        &self.signer
    }

    /// Whether the certificate in use is valid at this time.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        let certificate = self.certificate();
        u64::try_from(now.as_second())
            .is_ok_and(|now| (certificate.not_before()..=certificate.not_after()).contains(&now))
    }

    /// Whether the certificate should be renewed: less than a third of its life is left.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let certificate = self.certificate();
        let life = certificate
            .not_after()
            .saturating_sub(certificate.not_before());
        let now = u64::try_from(now.as_second()).unwrap_or_default();
        now.saturating_add(life / 3) >= certificate.not_after()
    }

    /// Whether the request asks about a certificate of this authority.
    pub fn answers_for(&self, id: &CertId) -> bool {
        id.is_of(&self.hashes)
    }
}
