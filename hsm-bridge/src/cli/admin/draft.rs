//! Writing an order.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use der::Encode;
use hsm_bridge::admin::{ImportedKey, Moment, Oaep, Operation, Order, OrderId};
use hsm_bridge::{KeyAlgorithm, KeyId, KeyLabel, KeyStoreError, SecretPurpose};
use openssl::rand::rand_bytes;

use super::{bad, files, show};

/// An order is for others to read.
const MODE: u32 = 0o644;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// Name of the token in the bridge's configuration.
    #[arg(long, default_value = "main")]
    token: String,
    /// Your name among the bridge's administrators; two others must sign besides you.
    #[arg(long)]
    author: String,
    /// For how many hours the order is valid, at most 24.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=24))]
    hours: u64,
    /// From when on it is valid, as 2027-01-31T08:00:00Z; from now on when absent.
    #[arg(long)]
    not_before: Option<Moment>,
    /// The file to write.
    #[arg(long, default_value = "order.json")]
    out: PathBuf,
    #[command(subcommand)]
    work: Work,
}

#[derive(Subcommand)]
enum Work {
    /// Make a key pair that signs.
    Generate {
        /// Label of the new key.
        #[arg(long)]
        label: KeyLabel,
        /// Its kind: p256, p384, ed25519, rsa2048, rsa3072 or rsa4096.
        #[arg(long, value_parser = algorithm)]
        algorithm: KeyAlgorithm,
    },
    /// Make a symmetric key.
    GenerateSecret {
        /// Label of the new key.
        #[arg(long)]
        label: KeyLabel,
        /// What it is for.
        #[arg(long)]
        purpose: Purpose,
    },
    /// Make a key under which keys of elsewhere are wrapped for this token. `hsm-bridge check` says of a token that takes none in; the bridge
    /// makes no such key there.
    MakeTransportKey {
        /// Label of the new key.
        #[arg(long)]
        label: KeyLabel,
    },
    /// Take a key in that `admin wrap` wrapped.
    Import(ImportArguments),
    /// Let a key sign no more; it stays.
    Retire(Named),
    /// Let a retired key sign again.
    Restore(Named),
    /// Destroy a key pair for good.
    Destroy(Named),
    /// Let a symmetric key protect nothing more; it stays. One that wraps still opens what it wrapped, so that its services can have
    /// that wrapped under another; one that authenticates does nothing.
    RetireSecret(Secret),
    /// Let a retired symmetric key protect again.
    RestoreSecret(Secret),
    /// Destroy a symmetric key for good. A key of services must be retired before, and the order must name the loss; of a generation that
    /// wraps sealed keys (bridge/sealed/gN) the bridge makes sure that none lies under it any more: `hsm-bridge rewrap` first.
    DestroySecret {
        #[command(flatten)]
        key: Secret,
        /// Everything wrapped under the key is lost (key-encryption), or nothing computed with it can be computed again (mac): say that
        /// you know. The bridge cannot count what services keep; `hsm-bridge audit show --key-label` says who used the key and when.
        #[arg(long)]
        loss_acknowledged: bool,
    },
    /// Tell how a key was made, signed with the bridge's own key.
    Attest {
        /// Label of the key.
        #[arg(long)]
        label: KeyLabel,
    },
}

/// A key by both its names.
#[derive(Args)]
struct Named {
    /// Label of the key.
    #[arg(long)]
    label: KeyLabel,
    /// Id of the key, as `hsm-bridge keys` prints it.
    #[arg(long)]
    id: KeyId,
}

/// A symmetric key by its label and what it is for.
#[derive(Args)]
struct Secret {
    /// Label of the key.
    #[arg(long)]
    label: KeyLabel,
    /// What it is for.
    #[arg(long)]
    purpose: Purpose,
}

#[derive(Args)]
struct ImportArguments {
    /// Label that the key shall have.
    #[arg(long)]
    label: KeyLabel,
    /// The wrapped key.
    #[arg(long)]
    wrapped: PathBuf,
    /// The key's public half, in PEM.
    #[arg(long)]
    public_key: PathBuf,
    /// Label of the transport key in the token.
    #[arg(long)]
    transport_key: KeyLabel,
    /// The hash that the key was wrapped with.
    #[arg(long, default_value = "sha1")]
    oaep: Hash,
}

#[derive(Clone, Copy, ValueEnum)]
enum Purpose {
    KeyEncryption,
    Mac,
}

/// The hash of RSAES-OAEP.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Hash {
    /// Every token knows it.
    Sha1,
    Sha256,
}

impl From<Hash> for Oaep {
    fn from(hash: Hash) -> Self {
        match hash {
            Hash::Sha1 => Self::Sha1,
            Hash::Sha256 => Self::Sha256,
        }
    }
}

impl From<Purpose> for SecretPurpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::KeyEncryption => Self::KeyEncryption,
            Purpose::Mac => Self::Mac,
        }
    }
}

fn algorithm(text: &str) -> Result<KeyAlgorithm, String> {
    KeyAlgorithm::ALL
        .into_iter()
        .find(|algorithm| algorithm.to_string() == text)
        .ok_or_else(|| "p256, p384, ed25519, rsa2048, rsa3072 or rsa4096".to_owned())
}

fn operation(work: &Work) -> Result<Operation, KeyStoreError> {
    Ok(match work {
        Work::Generate { label, algorithm } => Operation::Generate {
            label: label.clone(),
            algorithm: *algorithm,
        },
        Work::GenerateSecret { label, purpose } => Operation::GenerateSecret {
            label: label.clone(),
            purpose: (*purpose).into(),
        },
        Work::MakeTransportKey { label } => Operation::MakeTransportKey {
            label: label.clone(),
        },
        Work::Import(arguments) => {
            let path = &arguments.public_key;
            let public_key = files::public_key(path)?
                .to_der()
                .map_err(|e| files::wrong(path, &e))?;
            let imported = ImportedKey::new(
                arguments.label.clone(),
                &public_key,
                arguments.transport_key.clone(),
                arguments.oaep.into(),
                files::read(&arguments.wrapped)?.to_vec(),
            );
            Operation::Import(imported.map_err(|e| bad(&e))?)
        }
        Work::Retire(Named { label, id }) => Operation::Retire {
            label: label.clone(),
            id: *id,
        },
        Work::Restore(Named { label, id }) => Operation::Restore {
            label: label.clone(),
            id: *id,
        },
        Work::Destroy(Named { label, id }) => Operation::Destroy {
            label: label.clone(),
            id: *id,
        },
        Work::RetireSecret(Secret { label, purpose }) => Operation::RetireSecret {
            label: label.clone(),
            purpose: (*purpose).into(),
        },
        Work::RestoreSecret(Secret { label, purpose }) => Operation::RestoreSecret {
            label: label.clone(),
            purpose: (*purpose).into(),
        },
        Work::DestroySecret {
            key: Secret { label, purpose },
            loss_acknowledged,
        } => Operation::DestroySecret {
            label: label.clone(),
            purpose: (*purpose).into(),
            loses: loss_acknowledged.then(|| SecretPurpose::from(*purpose).into()),
        },
        Work::Attest { label } => Operation::Attest {
            label: label.clone(),
        },
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line is to the left of the room that hands clocks out"
)]
pub(super) fn run(arguments: &Arguments) -> Result<(), KeyStoreError> {
    let mut number = [0; 16];
    rand_bytes(&mut number).map_err(|e| KeyStoreError::Configuration(format!("random: {e}")))?;
    let from = arguments
        .not_before
        .map_or_else(SystemTime::now, Moment::time);
    let order = Order::new(
        OrderId::from_bytes(number),
        (&arguments.token, &arguments.author),
        from,
        Duration::from_hours(arguments.hours),
        operation(&arguments.work)?,
    );
    let order = order.map_err(|e| bad(&e))?;
    let bytes = order.encode().map_err(|e| bad(&e))?;
    files::write_new(&arguments.out, &bytes, MODE)?;
    print!("{}", show::words(&order));
    println!(
        "written to {}; {} and two other administrators must sign it",
        arguments.out.display(),
        order.author
    );
    Ok(())
}
