//! Wrapping a key for its way into a token.

use std::path::PathBuf;

use clap::Args;
use der::Encode;
use hsm_bridge::KeyStoreError;
use hsm_bridge::admin::wrap;
use openssl::pkey::PKey;

use super::draft::Hash;
use super::passphrase::{Passphrase, Protection};
use super::{bad, files};

/// A wrapped key opens in one token alone, and is shown to nobody all the same.
const MODE: u32 = 0o600;
/// A public key is for others to read.
const PUBLIC_MODE: u32 = 0o644;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The private key, in PEM or as PKCS#8 in DER.
    #[arg(long)]
    key: PathBuf,
    #[command(flatten)]
    passphrase: Passphrase,
    /// The public half of the token's transport key, in PEM.
    #[arg(long)]
    transport_key: PathBuf,
    /// The hash of the outer layer; not every token knows SHA-256.
    #[arg(long, default_value = "sha1")]
    oaep: Hash,
    /// The file to write the wrapped key to.
    #[arg(long)]
    out: PathBuf,
    /// The file to write the key's public half to, in PEM.
    #[arg(long)]
    public_key_out: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), KeyStoreError> {
    let transport = files::public_key(&arguments.transport_key)?;
    let wrong = |e: &dyn std::fmt::Display| files::wrong(&arguments.transport_key, e);
    let transport = transport.to_der().map_err(|e| wrong(&e))?;
    let transport = PKey::public_key_from_der(&transport).map_err(|e| wrong(&e))?;
    let key = arguments
        .passphrase
        .open(&arguments.key, Protection::Optional)?;
    let wrapped = wrap(&key, &transport, arguments.oaep.into()).map_err(|e| bad(&e))?;
    let public_key = key
        .public_key_to_pem()
        .map_err(|e| files::wrong(&arguments.key, &e))?;
    files::write_new(&arguments.out, &wrapped, MODE)?;
    files::write_new(&arguments.public_key_out, &public_key, PUBLIC_MODE)?;
    println!(
        "{} bytes in {}; `admin draft import` takes them up",
        wrapped.len(),
        arguments.out.display()
    );
    Ok(())
}
