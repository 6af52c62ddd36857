//! From a token's settings to the open token: how it is logged in to, where its PIN is, and what it wants to be told.

use std::fs::File;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::config::TokenSettings;
use super::pin_file;
use crate::KeyStoreError;
use crate::pkcs11::{Clock, Leave, Login, Template, Token, TokenConfig, TokenOptions, WhenLost};

/// Where systemd puts the credentials of a service (systemd.exec(5), `LoadCredential=`).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// How a token is logged in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginMode {
    /// With the PIN in `pin_file`.
    #[default]
    PinFile,
    /// With the PIN in the systemd credential that `pin_file` names. One that was refused is offered again only when the daemon's memory
    /// of it, `NAME.pin.json` in the state folder, is removed: systemd writes a credential anew at every start.
    Credential,
    /// With what a person enters at the token itself; no PIN is handed to it.
    ProtectedPath,
    /// By a quorum of persons with the vendor's own tools; nothing is ever offered, and the token awaits them.
    Preloaded,
}

impl LoginMode {
    /// Whether a PIN is read and offered.
    pub(super) fn offers_pin(self) -> bool {
        matches!(self, Self::PinFile | Self::Credential)
    }

    fn driver(self) -> Login {
        match self {
            Self::PinFile | Self::Credential => Login::Pin,
            Self::ProtectedPath => Login::ProtectedPath,
            Self::Preloaded => Login::Preloaded,
        }
    }
}

/// What is read from outside before a token is opened.
pub(super) struct Access {
    pub(super) template: Template,
    pub(super) pin: SecretString,
    /// Who must agree before the PIN is offered.
    pub(super) leave: Leave,
}

impl TokenSettings {
    /// Opens the file with the PIN, for logins that offer one.
    pub(super) fn pin_source(&self) -> Result<Option<File>, KeyStoreError> {
        match self.login {
            LoginMode::PinFile => pin_file::open(&self.pin_file).map(Some),
            LoginMode::Credential => {
                let folder = std::env::var_os(CREDENTIALS);
                let path = credential(folder.as_deref().map(Path::new), &self.pin_file)?;
                pin_file::open_credential(&path).map(Some)
            }
            LoginMode::ProtectedPath | LoginMode::Preloaded => Ok(None),
        }
    }

    /// Reads the PIN from its open file; a login that offers none has an empty one, which is never used.
    pub(super) fn read_pin(&self, source: Option<File>) -> Result<SecretString, KeyStoreError> {
        let Some(mut file) = source else {
            return Ok(SecretString::default());
        };
        pin_file::read(&mut file).map_err(|e| {
            KeyStoreError::Configuration(format!("PIN file {}: {e}", self.pin_file.display()))
        })
    }

    /// Opens the token with what was read.
    pub(super) fn open_with(
        &self,
        access: Access,
        when_lost: WhenLost,
        clock: Option<Clock>,
    ) -> Result<Token, KeyStoreError> {
        Token::open_with(
            &TokenConfig {
                module: self.module.clone(),
                label: self.label.clone(),
                pin: access.pin,
            },
            TokenOptions {
                session_copy: self.session_copy,
                max_sessions: self.max_sessions,
                when_lost,
                login: self.login.driver(),
                leave: access.leave,
                template: access.template,
                clock,
                ..TokenOptions::default()
            },
        )
    }

    /// Names what is wrong with the settings of the login.
    pub(super) fn check_login(&self) -> Result<(), KeyStoreError> {
        if self.login == LoginMode::Credential {
            credential(Some(Path::new("")), &self.pin_file)?;
        }
        Ok(())
    }
}

/// The path of a credential, whose name is no path of its own.
fn credential(folder: Option<&Path>, name: &Path) -> Result<PathBuf, KeyStoreError> {
    let wrong =
        |what: &str| KeyStoreError::Configuration(format!("login = \"credential\": {what}"));
    let plain = name
        .file_name()
        .is_some_and(|last| last == name.as_os_str());
    if !plain {
        return Err(wrong("pin_file is the name of a credential, not a path"));
    }
    let folder = folder.ok_or_else(|| wrong("systemd has given this service no credentials"))?;
    Ok(folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_a_name_under_its_folder_and_nothing_else() {
        let at = |name: &str| credential(Some(Path::new("/run/credentials/x")), Path::new(name));
        assert_eq!(at("token-pin"), Ok("/run/credentials/x/token-pin".into()));
        for name in ["", ".", "..", "../pin", "a/b", "/etc/passwd", "pin/"] {
            let refusal = at(name).map_err(|e| e.to_string());
            assert!(
                refusal.is_err_and(|e| e.contains("name of a credential")),
                "{name}"
            );
        }
        let absent = credential(None, Path::new("token-pin")).unwrap_err();
        assert!(absent.to_string().contains("no credentials"), "{absent}");
    }

    #[test]
    fn only_modes_with_a_pin_open_a_file() {
        for (login, opens) in [
            (LoginMode::PinFile, true),
            (LoginMode::ProtectedPath, false),
            (LoginMode::Preloaded, false),
        ] {
            let settings = TokenSettings {
                login,
                pin_file: "/no/such/file".into(),
                ..TokenSettings::default()
            };
            assert_eq!(login.offers_pin(), opens);
            assert_eq!(settings.pin_source().is_err(), opens, "{login:?}");
        }
    }
}
