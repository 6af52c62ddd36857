//! Signing an order.

use std::path::PathBuf;

use clap::Args;
use der::Decode;
use hsm_bridge::admin::{Approval, sign};
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{KeyStoreError, SignatureScheme, SignatureVerifier};
use spki::SubjectPublicKeyInfoOwned;

use super::passphrase::{Passphrase, Protection};
use super::{bad, files, show};

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The order.
    #[arg(default_value = "order.json")]
    order: PathBuf,
    /// Your name among the bridge's administrators.
    #[arg(long)]
    name: String,
    /// Your private key (P-256 or Ed25519) in PEM, opened by a passphrase.
    #[arg(
        long,
        required_unless_present = "signature",
        conflicts_with = "signature"
    )]
    key: Option<PathBuf>,
    #[command(flatten)]
    passphrase: Passphrase,
    /// A signature over the bytes of the order that was made elsewhere, with a smart card for example.
    #[arg(long, requires = "public_key")]
    signature: Option<PathBuf>,
    /// Your public key in PEM, by which that signature is checked before it is added.
    #[arg(long)]
    public_key: Option<PathBuf>,
}

fn scheme_of(public_key: &SubjectPublicKeyInfoOwned) -> Result<SignatureScheme, KeyStoreError> {
    match SignatureScheme::for_public_key(public_key) {
        Some(scheme @ (SignatureScheme::EcdsaP256Sha256 | SignatureScheme::Ed25519)) => Ok(scheme),
        _ => Err(KeyStoreError::BadRequest(
            "a person's key is a P-256 or an Ed25519 key".to_owned(),
        )),
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), KeyStoreError> {
    let (order, bytes) = files::order(&arguments.order)?;
    let mut approvals = files::approvals(&arguments.order, &bytes)?;
    if let Some(twice) = approvals
        .approvals
        .iter()
        .find(|it| it.administrator == arguments.name)
    {
        return Err(KeyStoreError::BadRequest(format!(
            "{} has signed this order already",
            twice.administrator
        )));
    }
    // Who signs sees what; on the terminal, since the result may go elsewhere.
    eprint!("{}", show::words(&order));
    let (signature, public_key) = match (&arguments.key, &arguments.signature) {
        (Some(path), _) => {
            let key = arguments.passphrase.open(path, Protection::Required)?;
            let public_key = key
                .public_key_to_der()
                .map_err(|e| files::wrong(path, &e))?;
            let public_key = SubjectPublicKeyInfoOwned::from_der(&public_key)
                .map_err(|e| files::wrong(path, &e))?;
            (sign(&key, &bytes).map_err(|e| bad(&e))?, public_key)
        }
        (None, Some(signature)) => {
            let path = arguments.public_key.as_ref();
            let path = path
                .ok_or_else(|| KeyStoreError::BadRequest("--public-key is missing".to_owned()))?;
            (files::read(signature)?.to_vec(), files::public_key(path)?)
        }
        (None, None) => {
            return Err(KeyStoreError::BadRequest(
                "--key or --signature is missing".to_owned(),
            ));
        }
    };
    OpenSslVerifier
        .verify(&public_key, scheme_of(&public_key)?, &bytes, &signature)
        .map_err(|_| {
            KeyStoreError::BadRequest(
                "the signature is not one of this key over this order".to_owned(),
            )
        })?;
    let approval = Approval::new(&arguments.name, signature).map_err(|e| bad(&e))?;
    approvals.approvals.push(approval);
    files::write_approvals(&arguments.order, &approvals)?;
    println!("signed as {}", arguments.name);
    Ok(())
}
