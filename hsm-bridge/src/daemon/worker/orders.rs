//! What an order does, once it was judged: the same calls that services have, and those that only administrators have.

use std::fmt::Write as _;

use base64ct::{Base64, Encoding};
use der::Encode;
use der::pem::{self, LineEnding};
use serde::Serialize;
use spki::SubjectPublicKeyInfoOwned;

use super::office::Limit;
use super::service::{Service, wall_clock};
use super::upkeep::AUDIT_KEY;
use crate::admin::{Agreed, ImportedKey, Moment, Operation, Order};
use crate::pkcs11::Provenance;
use crate::policy::Tier;
use crate::{KeyAlgorithm, KeyId, KeyLabel, KeyStore, KeyStoreError, SecretStore};

/// What begins every attestation, and so everything that is signed as one.
const ATTESTATION: &str = "romduol hsm-bridge attestation 1";

/// What was done, for the persons who ordered it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    order: String,
    operation: &'static str,
    label: KeyLabel,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_id: Option<KeyId>,
    /// The public half of the key, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attested: Option<Attested>,
}

/// An attestation and its signature.
#[derive(Debug, Serialize)]
struct Attested {
    /// The document, as a text whose exact bytes are signed.
    attestation: String,
    /// Base64; nothing where the token has no key of the bridge to sign with.
    signature: Option<String>,
    /// The scheme, by its JOSE name.
    scheme: Option<&'static str>,
    /// The public half of the key that signed, in PEM: the one that signs the checkpoints of the audit log.
    signed_with: Option<String>,
}

/// The document that is attested.
#[derive(Serialize)]
struct Attestation<'a> {
    format: &'static str,
    at: Moment,
    order: String,
    token: &'a str,
    label: &'a KeyLabel,
    key_id: Option<KeyId>,
    tier: &'static str,
    retired: bool,
    /// What was kept when the key was made; for a sealed key, which is in no token, nothing.
    evidence: Option<serde_json::Value>,
}

impl Report {
    pub(super) fn encode(&self) -> Result<String, KeyStoreError> {
        serde_json::to_string_pretty(self)
            .map_err(|e| KeyStoreError::BadRequest(format!("the report: {e}")))
    }
}

fn pem_of(public_key: &SubjectPublicKeyInfoOwned) -> Result<String, KeyStoreError> {
    let wrong = |e: &dyn std::fmt::Display| KeyStoreError::KeyRefused(format!("public key: {e}"));
    let der = public_key.to_der().map_err(|e| wrong(&e))?;
    pem::encode_string("PUBLIC KEY", LineEnding::LF, &der).map_err(|e| wrong(&e))
}

impl Service {
    /// Does what an order says that was judged and used up. Calls into the token are watched, and begin only after what takes long
    /// without one.
    pub(super) fn perform_order(
        &self,
        order: &Order,
        hash: &[u8; 32],
        agreed: &Agreed,
        limit: &Limit,
    ) -> Result<Report, KeyStoreError> {
        self.check_unneeded(order, limit.ends())?;
        let _watched = limit.watch(self)?;
        let mut report = Report {
            order: order.id.to_string(),
            operation: order.operation.name(),
            label: order.operation.label().clone(),
            key_id: order.operation.id(),
            public_key: None,
            attested: None,
        };
        match &order.operation {
            Operation::Generate { label, algorithm } => {
                let id = self.generate_by_order(label, *algorithm)?;
                report.public_key = Some(pem_of(&self.key_info(id)?.public_key)?);
                report.key_id = Some(id);
            }
            Operation::GenerateSecret { label, purpose } => {
                self.token.generate_secret(label, *purpose)?;
            }
            Operation::MakeTransportKey { label } => {
                self.check_unsealed(label)?;
                report.key_id = Some(self.token.make_transport_key(label)?);
                report.public_key = self
                    .token
                    .public_key(label)?
                    .as_ref()
                    .map(pem_of)
                    .transpose()?;
            }
            Operation::Import(key) => {
                let provenance = provenance(order, hash, agreed, &key.transport_key);
                report.key_id = Some(self.import_by_order(key, &provenance)?);
                let public_key = key.public_key().map_err(bad)?;
                report.public_key = Some(pem_of(&public_key)?);
            }
            Operation::Retire { label, id } => {
                self.check_named(label, *id)?;
                let record = provenance(order, hash, agreed, label);
                self.token.retire(label, &retirement(&record, Some(*id))?)?;
            }
            Operation::Restore { label, id } => {
                self.check_named(label, *id)?;
                self.token.reinstate(label)?;
            }
            Operation::Destroy { label, id } => {
                self.check_named(label, *id)?;
                self.destroy_key(*id)?;
            }
            Operation::RetireSecret { label, purpose } => {
                self.check_secret(label, *purpose)?;
                let record = provenance(order, hash, agreed, label);
                self.token.retire(label, &retirement(&record, None)?)?;
            }
            Operation::RestoreSecret { label, purpose } => {
                self.check_secret(label, *purpose)?;
                self.token.reinstate(label)?;
            }
            Operation::DestroySecret { label, purpose, .. } => {
                self.destroy_secret_by_order(order, label, *purpose)?;
            }
            Operation::Attest { label } => {
                let (id, attested) = self.attest(order, label)?;
                report.key_id = id;
                report.attested = Some(attested);
            }
        }
        Ok(report)
    }

    fn generate_by_order(
        &self,
        label: &KeyLabel,
        algorithm: KeyAlgorithm,
    ) -> Result<KeyId, KeyStoreError> {
        let rules = self.policy.rules(label);
        if rules.proof.is_some() {
            return Err(bad(
                "this key is made for a holder, by the service that knows them",
            ));
        }
        self.make_key(label, algorithm, rules)
    }

    fn import_by_order(
        &self,
        key: &ImportedKey,
        provenance: &Provenance,
    ) -> Result<KeyId, KeyStoreError> {
        let rules = self.policy.rules(&key.label);
        if rules.tier == Tier::Sealed || rules.proof.is_some() {
            return Err(bad(
                "the rule of this label seals its key or gives it a holder; a key of elsewhere goes into the token and has none",
            ));
        }
        self.check_unsealed(&key.label)?;
        self.token.import(key, provenance)
    }

    /// A slip of a label or of an id names no key, rather than another.
    fn check_named(&self, label: &KeyLabel, id: KeyId) -> Result<(), KeyStoreError> {
        match self.find_key(label)? {
            Some(found) if found == id => Ok(()),
            Some(found) => Err(bad(format_args!(
                "{label} is the key {found}, not {id}; nothing was done"
            ))),
            None => Err(KeyStoreError::UnknownKey(label.to_string())),
        }
    }

    fn attest(
        &self,
        order: &Order,
        label: &KeyLabel,
    ) -> Result<(Option<KeyId>, Attested), KeyStoreError> {
        let (tier, key_id, evidence) = if let Some(id) = self.sealed.find(label) {
            ("sealed", Some(self.key_info(id)?.id), None)
        } else {
            let evidence = self.token.evidence(label)?;
            ("token", self.token.find(label)?, Some(evidence))
        };
        let evidence = evidence.map(|text| serde_json::from_str(&text)).transpose();
        let attestation = Attestation {
            format: ATTESTATION,
            at: Moment::of(wall_clock()).map_err(bad)?,
            order: order.id.to_string(),
            token: &order.token,
            label,
            key_id,
            tier,
            retired: self.token.is_retired(label)?,
            evidence: evidence.map_err(bad)?,
        };
        let text = serde_json::to_string(&attestation).map_err(bad)?;
        Ok((key_id, self.signed(text)?))
    }

    /// Signs with the key that signs the checkpoints of the audit log; a token without it attests unsigned, and the report says so.
    fn signed(&self, attestation: String) -> Result<Attested, KeyStoreError> {
        let label = KeyLabel::parse(AUDIT_KEY).map_err(bad)?;
        let Some(id) = self.token.find(&label)? else {
            return Ok(Attested {
                attestation,
                signature: None,
                scheme: None,
                signed_with: None,
            });
        };
        let signer = self.token.signer(id, None)?;
        let signature = signer.sign(attestation.as_bytes())?;
        Ok(Attested {
            signature: Some(Base64::encode_string(&signature)),
            scheme: Some(signer.scheme().jose_alg()),
            signed_with: Some(pem_of(signer.public_key())?),
            attestation,
        })
    }
}

/// What is kept beside a retired key.
#[derive(Serialize)]
struct Retirement<'a> {
    approvers: &'a [String],
    author: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<KeyId>,
    order: &'a str,
    order_sha256: &'a str,
}

fn retirement(record: &Provenance, key_id: Option<KeyId>) -> Result<Vec<u8>, KeyStoreError> {
    serde_json::to_vec(&Retirement {
        approvers: &record.approvers,
        author: &record.author,
        key_id,
        order: &record.order,
        order_sha256: &record.order_sha256,
    })
    .map_err(bad)
}

pub(super) fn bad(why: impl std::fmt::Display) -> KeyStoreError {
    KeyStoreError::BadRequest(why.to_string())
}

fn provenance(
    order: &Order,
    hash: &[u8; 32],
    agreed: &Agreed,
    transport_key: &KeyLabel,
) -> Provenance {
    let mut digits = String::new();
    for byte in hash {
        // Writing to memory cannot fail.
        let _written = write!(digits, "{byte:02x}");
    }
    Provenance {
        approvers: agreed.approvers.clone(),
        author: agreed.author.clone(),
        order: order.id.to_string(),
        order_sha256: digits,
        transport_key: transport_key.clone(),
    }
}
