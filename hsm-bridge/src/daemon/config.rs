//! The `[bridge]` section of the configuration file; other sections belong to other programs and are not looked at.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::KeyStoreError;

/// Environment variables with this prefix override settings of the section: `ROMDUOL__BRIDGE__TOKEN_LABEL`.
const ENVIRONMENT_PREFIX: &str = "ROMDUOL__BRIDGE__";

/// Settings of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Path of the PKCS#11 module.
    pub module: PathBuf,
    /// Label of the token to own.
    pub token_label: String,
    /// File that holds the user PIN; only its owner may be able to read it.
    pub pin_file: PathBuf,
    /// The policy file.
    pub policy: PathBuf,
    /// Where uses of keys are recorded, one JSON object a line; standard output when absent.
    pub audit_file: Option<PathBuf>,
    /// Sign with session copies of the keys: faster on software tokens.
    pub session_copy: bool,
    /// How many sessions the token is asked for at most.
    pub max_sessions: usize,
    /// How many connections are served at once, over all sockets.
    pub max_connections: usize,
    /// One socket per service.
    pub socket: Vec<SocketConfig>,
}

/// One service's door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketConfig {
    /// The caller's name in the policy.
    pub name: String,
    /// Path of the socket; it is made with mode 0660.
    pub path: PathBuf,
    /// User id that the peer must have; unchecked when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            module: "/usr/lib/softhsm/libsofthsm2.so".into(),
            token_label: "romduol".to_owned(),
            pin_file: ".romduol/secrets/token.pin".into(),
            policy: ".romduol/bridge-policy.toml".into(),
            audit_file: None,
            session_copy: true,
            max_sessions: 16,
            max_connections: 64,
            socket: Vec::new(),
        }
    }
}

fn wrong(what: impl std::fmt::Display) -> KeyStoreError {
    KeyStoreError::Configuration(what.to_string())
}

/// A TOML error without the lines of the file that its own text repeats.
pub(super) fn in_one_line(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().trim().replace('\n', " ");
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message,
    }
}

impl Config {
    /// Reads the section from a file; relative paths in it are taken from the working folder.
    pub fn load(
        file: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, KeyStoreError> {
        let text = std::fs::read_to_string(file)
            .map_err(|e| wrong(format_args!("{}: {e}", file.display())))?;
        Self::parse(&text, environment).map_err(|e| match e {
            KeyStoreError::Configuration(text) => wrong(format_args!("{}: {text}", file.display())),
            other => other,
        })
    }

    /// Reads the section from the text of a configuration file and lays the environment over it.
    pub fn parse(
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, KeyStoreError> {
        let mut file: toml::Table = text.parse().map_err(|e| wrong(in_one_line(text, &e)))?;
        let mut section = match file.remove("bridge") {
            Some(toml::Value::Table(section)) => section,
            Some(_) => return Err(wrong("[bridge] is not a section")),
            None => return Err(wrong("there is no section [bridge]")),
        };
        for (name, value) in environment {
            if let Some(key) = name.strip_prefix(ENVIRONMENT_PREFIX) {
                section.insert(key.to_ascii_lowercase(), scalar(value));
            }
        }
        let config: Self = section
            .try_into()
            .map_err(|e| wrong(format_args!("[bridge]: {}", in_one_line("", &e))))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), KeyStoreError> {
        if self.max_sessions == 0 || self.max_connections == 0 {
            return Err(wrong(
                "[bridge]: max_sessions and max_connections must be at least 1",
            ));
        }
        for (index, socket) in self.socket.iter().enumerate() {
            let name_is_plain = !socket.name.is_empty()
                && socket
                    .name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if !name_is_plain {
                return Err(wrong(format_args!(
                    "[bridge]: '{}' is no name for a socket",
                    socket.name
                )));
            }
            if self
                .socket
                .iter()
                .skip(index + 1)
                .any(|other| other.path == socket.path)
            {
                return Err(wrong(format_args!(
                    "[bridge]: two sockets at {}",
                    socket.path.display()
                )));
            }
        }
        Ok(())
    }
}

fn scalar(value: String) -> toml::Value {
    match (value.parse::<i64>(), value.parse::<bool>()) {
        (Ok(number), _) => toml::Value::Integer(number),
        (_, Ok(truth)) => toml::Value::Boolean(truth),
        _ => toml::Value::String(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_is_read_and_the_rest_of_the_file_is_left_alone() {
        let text = "[ca]\nanything = 1\n[bridge]\ntoken_label = \"t\"\n[[bridge.socket]]\nname = \"idp\"\npath = \"/run/idp.sock\"\nuid = 7\n";
        let overlay = [
            ("ROMDUOL__BRIDGE__MAX_SESSIONS".to_owned(), "3".to_owned()),
            ("PATH".to_owned(), "x".to_owned()),
        ];
        let config = Config::parse(text, overlay).unwrap();
        assert_eq!((config.token_label.as_str(), config.max_sessions), ("t", 3));
        assert_eq!(config.socket[0].uid, Some(7));
    }

    #[test]
    fn unknown_settings_and_odd_sockets_are_refused_by_name() {
        for (text, word) in [
            ("[bridge]\npin = \"1234\"\n", "pin"),
            ("[bridge]\nmax_sessions = 0\n", "max_sessions"),
            ("[[bridge.socket]]\nname = \"a b\"\npath = \"x\"\n", "a b"),
            (
                "[[bridge.socket]]\nname = \"a\"\npath = \"x\"\n[[bridge.socket]]\nname = \"b\"\npath = \"x\"\n",
                "two sockets",
            ),
            ("[ca]\n", "[bridge]"),
        ] {
            let error = Config::parse(text, []).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
