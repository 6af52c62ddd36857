//! The `[bridge]` section of the configuration file; other sections belong to other programs and are not looked at.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::access::LoginMode;
use super::routes::Routes;
use crate::KeyStoreError;
use crate::pkcs11::linked;

/// A worker reports ten times a second; less than this many milliseconds of silence means nothing.
const SHORTEST_SILENCE_MS: u32 = 500;

/// Environment variables with this prefix override settings of the section: `ROMDUOL__BRIDGE__TOKEN_LABEL`.
const ENVIRONMENT_PREFIX: &str = "ROMDUOL__BRIDGE__";

/// Settings of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The policy file.
    pub policy: PathBuf,
    /// Folder of the audit logs, one per token.
    pub audit_folder: PathBuf,
    /// Folder for what the daemon must remember across restarts, such as PINs that were refused.
    pub state_folder: PathBuf,
    /// How many connections one token serves at once, over all sockets; one caller has three quarters of them at most.
    pub max_connections: usize,
    /// How long one call into a token may take, in milliseconds; making a key may take ten times as long. A call that
    /// takes longer costs its worker's life.
    pub call_limit_ms: u32,
    /// How long a worker may be silent before it is replaced, in milliseconds.
    pub silence_limit_ms: u32,
    /// How long a worker may take to load its module and to log in, in milliseconds.
    pub open_limit_ms: u32,
    /// How long a token may be idle before a signature is made to see that it still can, in milliseconds; 0 for never.
    pub canary_ms: u32,
    /// How long a token that came back must have been sound before its callers return to it, in seconds.
    pub fail_back_after_s: u32,
    /// Refuse to serve a token whose worker may not lock its memory; otherwise that is only said in the log.
    pub require_locked_memory: bool,
    /// The tokens; the first serves every key that no route names.
    pub token: Vec<TokenSettings>,
    /// Which tokens serve which keys.
    pub route: Vec<RouteSettings>,
    /// One socket per service.
    pub socket: Vec<SocketConfig>,
    /// Where administrators hand in orders; without it nobody can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin: Option<AdminSocket>,
    /// The persons who may order administrative work: three at least, since an order needs its author and two others.
    pub administrator: Vec<AdministratorSettings>,
}

/// One token and how it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenSettings {
    /// The name of the token in this file and in records.
    pub name: String,
    /// Path of the PKCS#11 module; `embedded:FILE` for the software token that a build with it has linked in, FILE ending in `.sql`.
    pub module: PathBuf,
    /// Label of the token in that module.
    pub label: String,
    /// How the token is logged in to: `pin-file`; `credential` for a systemd credential of the name in `pin_file`; `protected-path`
    /// for a PIN that a person enters at the token; `preloaded` for a token that a quorum of persons logs in, which is awaited.
    pub login: LoginMode,
    /// File that holds the user PIN; only its owner may be able to read it.
    pub pin_file: PathBuf,
    /// What the token wants to be told when a key is made: `generic`, `softhsm`, `kryoptic`, `luna`, `nshield`, `yubihsm`, `cloudhsm`,
    /// `ykcs`, or the path of a file of one's own, with a `/` in it.
    pub template: String,
    /// Sign with session copies of the keys: faster on software tokens.
    pub session_copy: bool,
    /// How many sessions the token is asked for at most.
    pub max_sessions: usize,
    /// User id that the worker of this token runs under; the daemon's own when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Group id that the worker of this token runs under; the daemon's own when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Files and folders that the worker of this token reads and writes, beside its audit log: the folder of a software token, the
    /// device of a card. With these or `read_paths` it can open nothing else; with neither its user's rights alone decide.
    pub paths: Vec<PathBuf>,
    /// Files and folders that the worker of this token reads, beside shared libraries and the folder of its module: the module's
    /// configuration.
    pub read_paths: Vec<PathBuf>,
    /// Whether the module reaches its token over a network; without it there are only Unix sockets for the worker.
    pub network: bool,
    /// Whether the worker is refused the system calls that no token needs, once its token is open.
    pub seccomp: Switch,
}

/// A protection that can be taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// In force.
    On,
    /// Taken off.
    Off,
}

/// The tokens that serve some keys, in order: the first that is sound is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSettings {
    /// A label, or everything below a prefix (`ca/*`).
    pub keys: String,
    /// Names of tokens.
    pub tokens: Vec<String>,
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

/// The administrators' door. Whoever can open it can hand in orders that others have signed, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminSocket {
    /// Path of the socket; it is made with mode 0660.
    pub path: PathBuf,
    /// User id that the peer must have; unchecked when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

/// One administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdministratorSettings {
    /// The person's name in orders and records.
    pub name: String,
    /// File with the public half of the person's own key (P-256 or Ed25519), in PEM.
    pub key: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            policy: ".romduol/bridge-policy.toml".into(),
            audit_folder: ".romduol/log/bridge".into(),
            state_folder: ".romduol/bridge".into(),
            max_connections: 64,
            call_limit_ms: 5_000,
            silence_limit_ms: 2_000,
            open_limit_ms: 60_000,
            canary_ms: 20_000,
            fail_back_after_s: 60,
            require_locked_memory: false,
            token: Vec::new(),
            route: Vec::new(),
            socket: Vec::new(),
            admin: None,
            administrator: Vec::new(),
        }
    }
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            name: "main".to_owned(),
            module: "/usr/lib/softhsm/libsofthsm2.so".into(),
            label: "romduol".to_owned(),
            login: LoginMode::PinFile,
            pin_file: ".romduol/secrets/token.pin".into(),
            template: "generic".to_owned(),
            session_copy: true,
            max_sessions: 16,
            uid: None,
            gid: None,
            paths: Vec::new(),
            read_paths: Vec::new(),
            network: false,
            seccomp: Switch::On,
        }
    }
}

/// Whether a word can name a token or a caller in files and paths.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

pub(super) fn wrong(what: impl std::fmt::Display) -> KeyStoreError {
    KeyStoreError::Configuration(what.to_string())
}

/// A TOML error without the lines of the file that its own text repeats.
fn in_one_line(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().trim().replace('\n', " ");
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message,
    }
}

/// Reads a file and gives its text to a parser, whose complaints are then about that file.
pub(super) fn in_file<T>(
    file: &Path,
    parse: impl FnOnce(&str) -> Result<T, KeyStoreError>,
) -> Result<T, KeyStoreError> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| wrong(format_args!("{}: {e}", file.display())))?;
    parse(&text).map_err(|e| match e {
        KeyStoreError::Configuration(text) => wrong(format_args!("{}: {text}", file.display())),
        other => other,
    })
}

/// Reads a section of a configuration file, with what the environment has under the prefix laid over it.
pub(super) fn section<T: serde::de::DeserializeOwned>(
    text: &str,
    name: &str,
    prefix: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<T, KeyStoreError> {
    let mut file: toml::Table = text.parse().map_err(|e| wrong(in_one_line(text, &e)))?;
    let mut section = match file.remove(name) {
        Some(toml::Value::Table(section)) => section,
        Some(_) => return Err(wrong(format_args!("[{name}] is not a section"))),
        None => return Err(wrong(format_args!("there is no section [{name}]"))),
    };
    for (variable, value) in environment {
        if let Some(key) = variable.strip_prefix(prefix) {
            section.insert(key.to_ascii_lowercase(), scalar(value));
        }
    }
    section
        .try_into()
        .map_err(|e| wrong(format_args!("[{name}]: {}", in_one_line("", &e))))
}

impl Config {
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
        let config: Self = section(text, "bridge", ENVIRONMENT_PREFIX, environment)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), KeyStoreError> {
        if self.token.is_empty() {
            return Err(wrong("[bridge]: there is no [[bridge.token]]"));
        }
        let limits = [
            ("max_connections", self.max_connections == 0),
            ("call_limit_ms", self.call_limit_ms == 0),
            ("open_limit_ms", self.open_limit_ms == 0),
            (
                "silence_limit_ms",
                self.silence_limit_ms < SHORTEST_SILENCE_MS,
            ),
        ];
        for (name, too_small) in limits {
            if too_small {
                return Err(wrong(format_args!("[bridge]: {name} is too small")));
            }
        }
        for (index, token) in self.token.iter().enumerate() {
            let others = self.token.iter().skip(index + 1);
            if !is_plain(&token.name) || others.clone().any(|other| other.name == token.name) {
                return Err(wrong(format_args!(
                    "[bridge]: '{}' is no name for a token, or names two",
                    token.name
                )));
            }
            token.check_login()?;
            linked::check(&token.module)?;
            if token.max_sessions == 0 {
                return Err(wrong("[[bridge.token]]: max_sessions must be at least 1"));
            }
        }
        for (index, socket) in self.socket.iter().enumerate() {
            if !is_plain(&socket.name) {
                return Err(wrong(format_args!(
                    "[bridge]: '{}' is no name for a socket",
                    socket.name
                )));
            }
            let mut others = self.socket.iter().skip(index + 1);
            if others.any(|other| other.path == socket.path) {
                return Err(wrong(format_args!(
                    "[bridge]: two sockets at {}",
                    socket.path.display()
                )));
            }
        }
        self.check_admin()?;
        Routes::compile(self).map(|_| ())
    }

    /// The settings of the token of this name.
    pub fn token(&self, name: &str) -> Option<&TokenSettings> {
        self.token.iter().find(|token| token.name == name)
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
        let text = "[ca]\nanything = 1\n[bridge]\npolicy = \"p\"\n[[bridge.token]]\nlabel = \"t\"\n[[bridge.socket]]\nname = \"idp\"\npath = \"/run/idp.sock\"\nuid = 7\n";
        let overlay = [
            (
                "ROMDUOL__BRIDGE__MAX_CONNECTIONS".to_owned(),
                "3".to_owned(),
            ),
            ("PATH".to_owned(), "x".to_owned()),
        ];
        let config = Config::parse(text, overlay).unwrap();
        assert_eq!(
            (config.token[0].label.as_str(), config.max_connections),
            ("t", 3)
        );
        assert_eq!(config.socket[0].uid, Some(7));
    }

    #[test]
    fn unknown_settings_and_odd_sockets_are_refused_by_name() {
        let with_token = |rest: &str| format!("[[bridge.token]]\n{rest}");
        for (text, word) in [
            ("[bridge]\npin = \"1234\"\n".to_owned(), "pin"),
            ("[bridge]\n".to_owned(), "[[bridge.token]]"),
            (with_token("pin = \"1234\"\n"), "pin"),
            (with_token("max_sessions = 0\n"), "max_sessions"),
            (with_token("login = \"quorum\"\n"), "quorum"),
            (
                with_token("login = \"credential\"\npin_file = \"a/b\"\n"),
                "name of a credential",
            ),
            (with_token("[[bridge.token]]\n"), "names two"),
            (
                with_token("[[bridge.route]]\nkeys = \"ca/*\"\ntokens = [\"other\"]\n"),
                "other",
            ),
            (
                with_token("[[bridge.route]]\nkeys = \"*\"\ntokens = [\"main\"]\n"),
                "label",
            ),
            (
                with_token("[[bridge.socket]]\nname = \"a b\"\npath = \"x\"\n"),
                "a b",
            ),
            (
                with_token(
                    "[[bridge.socket]]\nname = \"a\"\npath = \"x\"\n[[bridge.socket]]\nname = \"b\"\npath = \"x\"\n",
                ),
                "two sockets",
            ),
            ("[ca]\n".to_owned(), "[bridge]"),
        ] {
            let error = Config::parse(&text, []).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
