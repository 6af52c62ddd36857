//! The data folder: settings, policy, ceremony file, and where each program finds its token.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::ports::Ports;

/// The PKCS#11 module of Debian's `softhsm2`.
pub(crate) const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// Label of the token that the bridge owns.
pub(crate) const ONLINE_TOKEN: &str = "romduol-online";
/// Label of the root's token.
pub(crate) const ROOT_TOKEN: &str = "romduol-root";
/// The ceremony that a development hierarchy is made from.
const CEREMONY: &str = include_str!("../../../../ca/ceremony/development.toml");
/// The address in that file.
const CEREMONY_ADDRESS: &str = "http://localhost:8082";
/// Rights of folders with secrets.
const SECRET_FOLDER: u32 = 0o700;

/// Who may do what with which key.
const POLICY: &str = r#"# Who may do what with which key; everything else is refused.

[[grant]]
caller = "ca"
keys = "ca/*"
operations = ["sign"]

[[grant]]
caller = "ca"
keys = "tsa/*"
operations = ["sign"]

[[grant]]
caller = "ca"
keys = "sign/*"
operations = ["generate", "sign", "destroy"]

[[grant]]
caller = "ocsp"
keys = "ocsp/*"
operations = ["sign"]

[[grant]]
caller = "idp"
keys = "idp/*"
operations = ["sign", "wrap", "unwrap", "hmac"]
"#;

/// What the settings depend on beside the folder.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    pub(crate) ports: Ports,
    /// Address of a PostgreSQL server whose databases `romduol_ca` and `romduol_idp` are used in place of SQLite.
    pub(crate) postgres: Option<String>,
}

/// The data folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Makes the folder and those in it, or finds them.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(SECRET_FOLDER);
        for name in ["", "secrets", "token/tokens", "root-token/tokens", "run", "log", "evidence", "status", "crl"] {
            builder.create(path.join(name)).map_err(|e| format!("{}: {e}", path.join(name).display()))?;
        }
        let root = path.canonicalize().map_err(|e| format!("{}: {e}", path.display()))?;
        let folder = Self { root };
        // A folder made by somebody else may be open to all.
        fs::set_permissions(folder.path("secrets"), fs::Permissions::from_mode(SECRET_FOLDER))
            .map_err(|e| format!("secrets: {e}"))?;
        for token in ["token", "root-token"] {
            folder.write_softhsm(token)?;
        }
        Ok(folder)
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A path in the folder as text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Whether the ceremony was held here.
    pub(crate) fn has_ceremony(&self) -> bool {
        self.path("ceremony/hierarchy.json").exists()
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<PathBuf, String> {
        let path = self.path(name);
        fs::write(&path, content).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }

    /// Writes a file that only its owner reads.
    pub(crate) fn write_secret(&self, name: &str, content: &str) -> Result<PathBuf, String> {
        let path = self.write(name, content)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }

    fn write_softhsm(&self, token: &str) -> Result<(), String> {
        let tokens = self.text(&format!("{token}/tokens"));
        let text = format!("directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n");
        self.write(&format!("{token}/softhsm2.conf"), &text).map(drop)
    }

    /// The environment in which SoftHSM finds the tokens of `token` or `root-token`.
    pub(crate) fn softhsm(&self, token: &str) -> (String, String) {
        ("SOFTHSM2_CONF".to_owned(), self.text(&format!("{token}/softhsm2.conf")))
    }

    /// Writes the ceremony file with this demo's addresses.
    pub(crate) fn write_ceremony(&self, choices: &Choices) -> Result<PathBuf, String> {
        let address = format!("http://localhost:{}", choices.ports.ocsp());
        self.write("ceremony.toml", &CEREMONY.replace(CEREMONY_ADDRESS, &address))
    }

    /// Takes the root's token away from where the bridge looks for tokens.
    pub(crate) fn put_root_away(&self) -> Result<(), String> {
        let from = self.path("token/tokens");
        let entries = fs::read_dir(&from).map_err(|e| format!("{}: {e}", from.display()))?;
        for entry in entries.flatten() {
            let object = fs::read(entry.path().join("token.object")).unwrap_or_default();
            if object.windows(ROOT_TOKEN.len()).any(|window| window == ROOT_TOKEN.as_bytes()) {
                let to = self.path("root-token/tokens").join(entry.file_name());
                return fs::rename(entry.path(), &to).map_err(|e| format!("{}: {e}", to.display()));
            }
        }
        Err("the root's token is not in the token folder".to_owned())
    }

    /// Writes the settings of all programs and the bridge's policy.
    pub(crate) fn write_settings(&self, choices: &Choices) -> Result<PathBuf, String> {
        self.write("bridge-policy.toml", POLICY)?;
        self.write("romduol.toml", &self.settings(choices))
    }

    fn settings(&self, choices: &Choices) -> String {
        let ports = choices.ports;
        let (idp, ca, ocsp, tsa) = (ports.idp(), ports.ca(), ports.ocsp(), ports.tsa());
        let (idp_admin, ca_admin, ocsp_admin) = (ports.idp_admin(), ports.ca_admin(), ports.ocsp_admin());
        let at = |name: &str| self.text(name);
        let database = |name: &str| match &choices.postgres {
            Some(server) => format!("{}/romduol_{name}", server.trim_end_matches('/')),
            None => format!("sqlite://{}", at(&format!("{name}.db"))),
        };
        format!(
            r#"# Settings of the demo, written anew at each start.

[bridge]
module = "{MODULE}"
token_label = "{ONLINE_TOKEN}"
pin_file = "{pin}"
policy = "{policy}"
audit_file = "{audit}"

[[bridge.socket]]
name = "ca"
path = "{bridge_ca}"

[[bridge.socket]]
name = "ocsp"
path = "{bridge_ocsp}"

[[bridge.socket]]
name = "idp"
path = "{bridge_idp}"

[ca]
base_url = "http://localhost:{ca}"
ceremony = "{ceremony}"
bridge_socket = "{bridge_ca}"
store.url = "{ca_database}"
listener.address = "127.0.0.1:{ca}"
tsa_listener.address = "127.0.0.1:{tsa}"
monitor.address = "127.0.0.1:{ca_admin}"
access_tokens.issuer = "http://localhost:{idp}"
access_tokens.jwks_uri = "http://localhost:{idp}/jwks"

[ocsp]
base_url = "http://localhost:{ocsp}"
hierarchy_folder = "{ceremony}"
status_folder = "{status}"
crl_folder = "{crl}"
bridge_socket = "{bridge_ocsp}"
listener.address = "127.0.0.1:{ocsp}"
monitor.address = "127.0.0.1:{ocsp_admin}"
ca.url = "http://localhost:{ca}"
ca.audience = "http://localhost:{ca}"

[idp]
environment = "development"
issuer = "http://localhost:{idp}"
store.url = "{idp_database}"
bridge_socket = "{bridge_idp}"
evidence = "{evidence}"
listener.address = "127.0.0.1:{idp}"
monitor.address = "127.0.0.1:{idp_admin}"
ca.base_url = "http://localhost:{ca}"
"#,
            pin = at("secrets/online.pin"),
            policy = at("bridge-policy.toml"),
            audit = at("log/bridge-audit.jsonl"),
            bridge_ca = at("run/bridge-ca.sock"),
            bridge_ocsp = at("run/bridge-ocsp.sock"),
            bridge_idp = at("run/bridge-idp.sock"),
            ceremony = at("ceremony"),
            status = at("status"),
            crl = at("crl"),
            evidence = at("evidence"),
            ca_database = database("ca"),
            idp_database = database("idp"),
        )
    }
}
