//! The administrators' part of the configuration, and the doors of the daemon: one for each service, and one for orders.

use std::path::PathBuf;

use super::config::Config;
use crate::KeyStoreError;
use crate::admin::{Administrator, Administrators, is_name};

/// What the door for orders is called in logs and records; no service can have this name, which is none.
const ADMINISTRATORS: &str = "(administrators)";

/// One door, and what it leads to.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) path: PathBuf,
    /// User id that the peer must have; unchecked when absent.
    pub(super) uid: Option<u32>,
    /// The service, by its name in the policy; the administrators' door has none, and leads to nothing that a service may do.
    pub(super) service: Option<String>,
}

impl Door {
    /// Who comes through, for logs.
    pub(super) fn caller(&self) -> &str {
        self.service.as_deref().unwrap_or(ADMINISTRATORS)
    }
}

/// Every door of a configuration.
pub(super) fn doors(config: &Config) -> Vec<Door> {
    let services = config.socket.iter().map(|socket| Door {
        path: socket.path.clone(),
        uid: socket.uid,
        service: Some(socket.name.clone()),
    });
    let admin = config.admin.iter().map(|admin| Door {
        path: admin.path.clone(),
        uid: admin.uid,
        service: None,
    });
    services.chain(admin).collect()
}

impl Config {
    /// Reads the administrators' keys and refuses persons who could not be told apart.
    pub fn administrators(&self) -> Result<Vec<Administrator>, KeyStoreError> {
        let mut administrators = Vec::new();
        for settings in &self.administrator {
            let text = std::fs::read(&settings.key).map_err(|e| {
                KeyStoreError::Configuration(format!(
                    "key of administrator '{}': {}: {e}",
                    settings.name,
                    settings.key.display()
                ))
            })?;
            administrators.push(Administrator::from_pem(&settings.name, &text)?);
        }
        if !administrators.is_empty() {
            Administrators::new(&administrators)?;
        }
        Ok(administrators)
    }

    /// Names what is wrong with the section without looking at files.
    pub(super) fn check_admin(&self) -> Result<(), KeyStoreError> {
        let wrong = |what: &str| Err(KeyStoreError::Configuration(what.to_owned()));
        let Some(admin) = &self.admin else {
            return if self.administrator.is_empty() {
                Ok(())
            } else {
                wrong("[bridge.admin]: there are administrators and no socket for their orders")
            };
        };
        if self.administrator.is_empty() {
            return wrong(
                "[bridge.admin]: there is no [[bridge.administrator]] whose orders count",
            );
        }
        if self.socket.iter().any(|socket| socket.path == admin.path) {
            return wrong("[bridge.admin]: its socket is that of a service");
        }
        // An order names its token.
        match self.token.iter().find(|token| !is_name(&token.name)) {
            Some(_) => wrong("[bridge.admin]: the name of a token is longer than 64 letters"),
            None => Ok(()),
        }
    }
}
