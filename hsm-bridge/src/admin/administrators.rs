//! The persons who may order administrative work, and the one place where it is decided whether enough of them agree.

use std::collections::HashSet;
use std::time::SystemTime;

use der::{Decode, Encode, pem};
use openssl::pkey::{PKey, Public};
use serde::{Deserialize, Serialize};
use spki::SubjectPublicKeyInfoOwned;

use super::approval::Approval;
use super::error::Refusal;
use super::field::Octets;
use super::order::Order;
use super::{APPROVERS, is_name};
use crate::verify::{PublicKey, Signed};
use crate::{KeyAlgorithm, KeyStoreError, SignatureScheme};

/// Fewer could never agree: an author, and [`APPROVERS`] others.
pub const MIN_ADMINISTRATORS: usize = APPROVERS + 1;
/// More persons than this are a mistake.
const MAX_ADMINISTRATORS: usize = 32;

/// A person and the public half of their key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Administrator {
    name: String,
    /// DER of the SubjectPublicKeyInfo.
    public_key: Octets,
}

impl Administrator {
    /// Reads a PEM SubjectPublicKeyInfo (RFC 7468 §13).
    pub fn from_pem(name: &str, text: &[u8]) -> Result<Self, KeyStoreError> {
        let wrong = |e: &dyn std::fmt::Display| {
            KeyStoreError::Configuration(format!("key of administrator '{name}': {e}"))
        };
        let (label, der) = pem::decode_vec(text).map_err(|e| wrong(&e))?;
        if label != "PUBLIC KEY" {
            return Err(wrong(&"not a PUBLIC KEY in PEM"));
        }
        Ok(Self {
            name: name.to_owned(),
            public_key: Octets(der),
        })
    }
}

/// All persons of one bridge.
#[derive(Debug)]
pub struct Administrators(Vec<Person>);

#[derive(Debug)]
struct Person {
    name: String,
    scheme: SignatureScheme,
    verifier: PublicKey,
    /// The key as OpenSSL compares it, whatever way it was written.
    key: PKey<Public>,
}

/// Those who agreed to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// Who asked for it, by name and signature.
    pub author: String,
    /// Who else signed.
    pub approvers: Vec<String>,
}

/// What was found about an order and the signatures under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whose signatures verify, each once: for the record, also when the order is refused.
    pub signers: Vec<String>,
    /// Whether the order may be carried out.
    pub verdict: Result<Agreed, Refusal>,
}

fn wrong(what: impl std::fmt::Display) -> KeyStoreError {
    KeyStoreError::Configuration(format!("[[bridge.administrator]]: {what}"))
}

impl Person {
    fn new(administrator: &Administrator) -> Result<Self, KeyStoreError> {
        let name = &administrator.name;
        if !is_name(name) {
            return Err(wrong(format_args!("'{name}' is no name for a person")));
        }
        let unusable = || {
            wrong(format_args!(
                "the key of {name} is neither a P-256 nor an Ed25519 key"
            ))
        };
        let public_key = SubjectPublicKeyInfoOwned::from_der(&administrator.public_key.0)
            .map_err(|_| unusable())?;
        let scheme = match KeyAlgorithm::of(&public_key) {
            Some(KeyAlgorithm::P256) => SignatureScheme::EcdsaP256Sha256,
            Some(KeyAlgorithm::Ed25519) => SignatureScheme::Ed25519,
            _ => return Err(unusable()),
        };
        let der = public_key.to_der().map_err(|_| unusable())?;
        Ok(Self {
            name: name.clone(),
            scheme,
            verifier: PublicKey::parse(&public_key).map_err(|_| unusable())?,
            key: PKey::public_key_from_der(&der).map_err(|_| unusable())?,
        })
    }
}

impl Administrators {
    /// Takes the persons of a configuration: at least [`MIN_ADMINISTRATORS`], each with a name and a key that no other has.
    pub fn new(administrators: &[Administrator]) -> Result<Self, KeyStoreError> {
        if !(MIN_ADMINISTRATORS..=MAX_ADMINISTRATORS).contains(&administrators.len()) {
            return Err(wrong(format_args!(
                "there must be {MIN_ADMINISTRATORS} to {MAX_ADMINISTRATORS}, since an order needs its author and {APPROVERS} others"
            )));
        }
        let mut persons: Vec<Person> = Vec::new();
        for administrator in administrators {
            let person = Person::new(administrator)?;
            for other in &persons {
                if other.name == person.name {
                    return Err(wrong(format_args!("'{}' names two", person.name)));
                }
                if other.key.public_eq(&person.key) {
                    return Err(wrong(format_args!(
                        "{} and {} have one key; each person has a key of their own",
                        other.name, person.name
                    )));
                }
            }
            persons.push(person);
        }
        Ok(Self(persons))
    }

    /// Whether a signature over these bytes is this person's.
    fn verify(&self, order: &[u8], approval: &Approval) -> Result<(), Refusal> {
        let name = &approval.administrator;
        let person = self.0.iter().find(|person| person.name == *name);
        let person = person.ok_or_else(|| Refusal::Unknown(name.clone()))?;
        person
            .verifier
            .verify(person.scheme, &Signed::Message(order), approval.signature())
            .map_err(|_| Refusal::BadSignature(name.clone()))
    }

    /// Decides about an order of these bytes for the token of this name at this moment.
    ///
    /// The author must have signed, and [`APPROVERS`] other persons: whoever asks is never one of those who agree. Every signature that is
    /// handed in must verify, and each person may sign once. Whether the order was used already is not known here.
    pub fn judge(
        &self,
        (order, bytes): (&Order, &[u8]),
        approvals: &[Approval],
        token: &str,
        now: SystemTime,
    ) -> Judgement {
        let mut signers = Vec::new();
        let mut seen = HashSet::new();
        let mut fault = None;
        if approvals.len() > MAX_ADMINISTRATORS {
            fault = Some(Refusal::TooMany);
        }
        for approval in approvals.iter().take(MAX_ADMINISTRATORS) {
            let name = &approval.administrator;
            match self.verify(bytes, approval) {
                Err(refusal) => {
                    fault.get_or_insert(refusal);
                }
                Ok(()) if !seen.insert(name.as_str()) => {
                    fault.get_or_insert_with(|| Refusal::Twice(name.clone()));
                }
                Ok(()) => signers.push(name.clone()),
            }
        }
        let verdict = match fault.map_or_else(|| order.is_due(token, now), Err) {
            Ok(()) => agreed(&order.author, &signers),
            Err(refusal) => Err(refusal),
        };
        Judgement { signers, verdict }
    }
}

/// Counts those who signed; `signers` are distinct and their signatures verify.
fn agreed(author: &str, signers: &[String]) -> Result<Agreed, Refusal> {
    let others = signers.iter().filter(|name| *name != author);
    let approvers: Vec<String> = others.cloned().collect();
    if approvers.len() == signers.len() {
        return Err(Refusal::NoAuthor(author.to_owned()));
    }
    if approvers.len() < APPROVERS {
        return Err(Refusal::TooFew {
            signed: approvers.len(),
            needed: APPROVERS,
        });
    }
    Ok(Agreed {
        author: author.to_owned(),
        approvers,
    })
}
