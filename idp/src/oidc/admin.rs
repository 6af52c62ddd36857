//! Registering clients from the command line: one file in, the secret into another that only its owner reads.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use domain::audit::{Actor, action};
use domain::oidc::registration::Registration;
use domain::oidc::{ClientId, grant::GrantError};
use store::StoreError;
use uuid::Uuid;

use super::issue::event;
use crate::app::App;

/// Random octets of a client secret: nobody guesses 256 bits, so their SHA-256 needs neither salt nor stretching.
const SECRET_OCTETS: usize = 32;
const OWNER_ONLY: u32 = 0o600;

/// Why a client was not registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddClientError {
    /// A file could not be read or written.
    #[error("{0}: {1}")]
    File(String, std::io::Error),
    /// The file is not a registration.
    #[error("{0}: {1}")]
    Syntax(String, toml::de::Error),
    /// The registration breaks a rule.
    #[error(transparent)]
    Registration(#[from] domain::oidc::registration::RegistrationError),
    /// The client authenticates with a secret, but no file to write it to was named.
    #[error("this client gets a secret: name a file for it")]
    SecretFile,
    /// The database, or a client or grant number that exists.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The grant breaks a rule.
    #[error(transparent)]
    Grant(#[from] GrantError),
}

/// What was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedClient {
    /// The client.
    pub id: ClientId,
    /// `grant_id` of its access grant.
    pub grant_id: Option<Uuid>,
    /// Whether a secret was written.
    pub has_secret: bool,
}

/// Registers the client that `file` (TOML, see [`Registration`]) describes, with its access grant. A secret is made for
/// methods that use one and written to `secret_file`, which must not exist yet and is readable by its owner alone; it
/// appears nowhere else.
pub async fn add_client(
    app: &App,
    file: &Path,
    secret_file: Option<&Path>,
) -> Result<AddedClient, AddClientError> {
    let name = file.display().to_string();
    let text =
        std::fs::read_to_string(file).map_err(|error| AddClientError::File(name.clone(), error))?;
    let registration: Registration =
        toml::from_str(&text).map_err(|error| AddClientError::Syntax(name, error))?;
    let now = app.sources.now();
    let (client, grant) = registration.check(app.sources.uuid(), now)?;
    let secret = if client.auth_method.uses_secret() {
        let path = secret_file.ok_or(AddClientError::SecretFile)?;
        let secret = app.sources.token(SECRET_OCTETS);
        write_secret(path, &secret)?;
        Some(super::hash(&secret))
    } else {
        None
    };
    let added = AddedClient {
        id: client.id.clone(),
        grant_id: grant.as_ref().map(|grant| grant.id),
        has_secret: secret.is_some(),
    };
    let object = format!("client:{}", client.id);
    let registered = event(
        app,
        None,
        Actor::system("idp"),
        action::IDP_CLIENT_REGISTERED,
        object,
    );
    let written = app
        .store
        .write(registered, move |w| {
            w.insert_client(&client, now)?;
            if let Some(hash) = secret {
                w.insert_client_secret(&client.id, &hash, None, now)?;
            }
            if let Some(grant) = grant {
                w.insert_access_grant(&grant, now)?;
                w.note("grant", grant.id.to_string());
            }
            Ok(())
        })
        .await;
    if let Err(error) = written {
        // The secret of a client that was not registered opens nothing; its file would only mislead.
        if let Some(path) = secret_file.filter(|_| added.has_secret) {
            let _ = std::fs::remove_file(path);
        }
        return Err(error.into());
    }
    Ok(added)
}

fn write_secret(path: &Path, secret: &str) -> Result<(), AddClientError> {
    let failed = |error| AddClientError::File(path.display().to_string(), error);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(OWNER_ONLY)
        .open(path)
        .map_err(failed)?;
    file.write_all(secret.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)
}
