//! The `[gate]` section of the configuration file.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::identity::Callers;
use crate::KeyStoreError;
use crate::daemon::config::{in_file, is_plain, section, wrong};

/// Environment variables with this prefix override settings of the section: `ROMDUOL__GATE__LISTEN`.
const ENVIRONMENT_PREFIX: &str = "ROMDUOL__GATE__";
/// The port of the gate; the services have the ones below.
const PORT: u16 = 8450;
/// Making a key may take this long without a byte on its connection, in seconds; a shorter limit would cut it off.
pub(super) const SHORTEST_IDLE_S: u32 = 60;

/// Settings of the gate for services on other hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateConfig {
    /// Address and port that the gate listens on.
    pub listen: SocketAddr,
    /// File with the gate's certificate and its chain (PEM); taken into use anew when it changes.
    pub certificate: PathBuf,
    /// File with the private key of that certificate (PEM, no password); only its owner may be able to read it.
    pub key: PathBuf,
    /// File with the authorities whose client certificates are accepted (PEM); each is an anchor of its own.
    pub client_ca: PathBuf,
    /// Files with revocation lists: any number in PEM, or one in DER. With one or more, every authority below an anchor, and the anchor itself, must have a list
    /// that has not ended, or its certificates are refused.
    pub client_crl: Vec<PathBuf>,
    /// How many connections are relayed at once.
    pub max_connections: usize,
    /// How many of them one caller may have, so that no caller keeps the others out.
    pub max_connections_each: usize,
    /// How long a peer may take for its handshake and its first request, together, in milliseconds.
    pub handshake_limit_ms: u32,
    /// How long nothing may move on a connection before it is ended, in seconds; its client opens another when it needs one.
    pub idle_limit_s: u32,
    /// How long calls under way may take to end when the gate is stopped, in milliseconds.
    pub stop_limit_ms: u32,
    /// Who may connect, and as whom.
    pub caller: Vec<GateCaller>,
}

/// A service on another host: one of `dns_name`, `uri`, `certificate_sha256` and `key_sha256` says what its certificate is known by.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateCaller {
    /// The name of the caller in the gate's log.
    pub name: String,
    /// The socket of `hsm-bridge serve` that its connections go to.
    pub socket: PathBuf,
    /// A DNS name among the subject alternative names of its certificate; wildcards match nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_name: Option<String>,
    /// A URI among the subject alternative names of its certificate, letter by letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// SHA-256 of its certificate, in hexadecimal with or without colons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_sha256: Option<String>,
    /// SHA-256 of the SubjectPublicKeyInfo of its certificate, in hexadecimal; stays the same when a certificate is renewed for its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_sha256: Option<String>,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
            certificate: ".romduol/gate/certificate.pem".into(),
            key: ".romduol/gate/key.pem".into(),
            client_ca: ".romduol/gate/client-ca.pem".into(),
            client_crl: Vec::new(),
            max_connections: 64,
            max_connections_each: 32,
            handshake_limit_ms: 2_000,
            idle_limit_s: 600,
            stop_limit_ms: 5_000,
            caller: Vec::new(),
        }
    }
}

impl GateConfig {
    /// Reads the section from a file; relative paths in it are taken from the working folder.
    pub fn load(
        file: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, KeyStoreError> {
        in_file(file, |text| Self::parse(text, environment))
    }

    /// Reads the section from the text of a configuration file and lays the environment over it.
    pub fn parse(
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, KeyStoreError> {
        let config: Self = section(text, "gate", ENVIRONMENT_PREFIX, environment)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), KeyStoreError> {
        let limits = [
            ("max_connections", self.max_connections == 0),
            ("max_connections_each", self.max_connections_each == 0),
            ("handshake_limit_ms", self.handshake_limit_ms == 0),
            ("idle_limit_s", self.idle_limit_s < SHORTEST_IDLE_S),
            ("stop_limit_ms", self.stop_limit_ms == 0),
        ];
        for (name, too_small) in limits {
            if too_small {
                return Err(wrong(format_args!("[gate]: {name} is too small")));
            }
        }
        if self.caller.is_empty() {
            return Err(wrong("[gate]: there is no [[gate.caller]]"));
        }
        for (index, caller) in self.caller.iter().enumerate() {
            let mut others = self.caller.iter().skip(index + 1);
            if !is_plain(&caller.name) || others.any(|other| other.name == caller.name) {
                return Err(wrong(format_args!(
                    "[gate]: '{}' is no name for a caller, or names two",
                    caller.name
                )));
            }
            if caller.socket.as_os_str().is_empty() {
                return Err(wrong(format_args!(
                    "[gate]: caller '{}' has no socket",
                    caller.name
                )));
            }
        }
        Callers::compile(self).map(drop)
    }

    /// The files that may be renewed while the gate runs.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.certificate, &self.key, &self.client_ca]
            .into_iter()
            .chain(&self.client_crl)
            .map(PathBuf::as_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: &str = "[[gate.caller]]\nname = \"ocsp\"\nsocket = \"a.sock\"\n";

    #[test]
    fn a_section_is_read_with_defaults_and_the_environment() {
        let text = format!("[bridge]\nx = 1\n[gate]\n{CALLER}dns_name = \"ocsp.example\"\n");
        let variable = ("ROMDUOL__GATE__LISTEN".to_owned(), "[::1]:8451".to_owned());
        let config = GateConfig::parse(&text, [variable]).unwrap();
        assert_eq!(config.listen, "[::1]:8451".parse().unwrap());
        assert_eq!(config.max_connections, 64);
        assert_eq!(config.caller[0].dns_name.as_deref(), Some("ocsp.example"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        let hex = "ab".repeat(32);
        for (rest, word) in [
            (String::new(), "[[gate.caller]]"),
            ("pin = \"1\"\n".to_owned(), "pin"),
            (
                format!("idle_limit_s = 5\n{CALLER}uri = \"a\"\n"),
                "idle_limit_s",
            ),
            (
                format!("max_connections = 0\n{CALLER}uri = \"a\"\n"),
                "max_connections",
            ),
            (CALLER.to_owned(), "exactly one of"),
            (
                format!("{CALLER}uri = \"a\"\ndns_name = \"b\"\n"),
                "exactly one of",
            ),
            (
                format!("{CALLER}uri = \"a\"\n{CALLER}uri = \"b\"\n"),
                "names two",
            ),
            (
                format!(
                    "{CALLER}dns_name = \"A.kh\"\n{}dns_name = \"a.KH\"\n",
                    CALLER.replace("ocsp", "idp")
                ),
                "both",
            ),
            (
                format!(
                    "{CALLER}key_sha256 = \"{hex}\"\n{}key_sha256 = \"{}\"\n",
                    CALLER.replace("ocsp", "idp"),
                    hex.to_uppercase()
                ),
                "both",
            ),
            (format!("{CALLER}key_sha256 = \"abcd\"\n"), "64"),
            (format!("{CALLER}dns_name = \"*.example\"\n"), "wildcard"),
            (format!("{CALLER}dns_name = \"\"\n"), "empty"),
            (
                "[[gate.caller]]\nname = \"a\"\nuri = \"b\"\n".to_owned(),
                "no socket",
            ),
        ] {
            let error = GateConfig::parse(&format!("[gate]\n{rest}"), [])
                .unwrap_err()
                .to_string();
            assert!(error.contains(word), "{word}: {error}");
        }
    }
}
