//! The settings of all programs of a demo, and who may do what with which key.

use std::fmt::Write as _;

use super::folder::Folder;
use super::ports::Ports;

/// The PKCS#11 module of Debian's `softhsm2`.
pub const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// Label of the token that the bridge owns.
pub const ONLINE_TOKEN: &str = "romduol-online";
/// Label of the root's token.
pub const ROOT_TOKEN: &str = "romduol-root";

/// Who may do what with which key, and what the authorities' keys sign at all.
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

# What a taken-over authority could still sign: certificates of its own kinds, and lists. No sub-authority, nothing unread.
[[key]]
keys = "ca/persons/g1"
signs = ["certificate", "certificate-list"]
durable = true
{persons}
[key.certificate]
longest_days = 1096
extended_key_usage = ["id-kp-clientAuth", "id-kp-emailProtection", "id-kp-OCSPSigning", "1.3.6.1.5.5.7.3.36"]
extended_key_usage_required = false

[key.certificate_list]
longest_hours = 192

[[key]]
keys = "ca/servers/g1"
signs = ["certificate", "certificate-list"]
durable = true
{servers}
[key.certificate]
longest_days = 1826
extended_key_usage = ["id-kp-serverAuth", "id-kp-clientAuth", "id-kp-OCSPSigning", "id-kp-timeStamping"]

[key.certificate_list]
longest_hours = 192

# Keys of officials sign what their holders agreed to, and nothing else.
[[key]]
keys = "sign/*"
proof = "activation"
durable = true
"#;

/// The bridge's policy; after the ceremony the authorities' keys are bound to the names and ends of their certificates.
pub(super) fn policy(folder: &Folder) -> String {
    let pinned = |name: &str| {
        let path = folder.path(&format!("ceremony/certificates/{name}.pem"));
        match std::fs::read_to_string(path) {
            Ok(pem) => format!("issuer_certificate = \"\"\"\n{pem}\"\"\"\n"),
            Err(_) => String::new(),
        }
    };
    POLICY
        .replace("{persons}", &pinned("ca-persons-g1"))
        .replace("{servers}", &pinned("ca-servers-g1"))
}

/// What the settings depend on beside the folder.
#[derive(Clone, Debug)]
pub struct Choices {
    /// The ports.
    pub ports: Ports,
    /// Address of a PostgreSQL server whose databases `romduol_ca` and `romduol_idp` are used in place of SQLite.
    pub postgres: Option<String>,
    /// Whether browsers, ministries and services meet over TLS.
    pub tls: bool,
}

impl Choices {
    /// The address of a site of the demo that people or programs reach.
    pub fn site(&self, port: u16) -> String {
        format!(
            "{}://localhost:{port}",
            if self.tls { "https" } else { "http" }
        )
    }

    /// The provider's address and issuer identifier.
    pub fn idp(&self) -> String {
        self.site(self.ports.idp())
    }

    /// The authority's address.
    pub fn ca(&self) -> String {
        self.site(self.ports.ca())
    }
}

/// Which start the settings are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The authority and the provider without TLS, so that the first TLS certificates can be asked for; they have
    /// the names of the later start already, and listen on this machine alone.
    Preparation,
    /// Everything.
    Service,
}

impl Stage {
    /// The file of its settings.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Preparation => "preparation.toml",
            Self::Service => "romduol.toml",
        }
    }
}

/// The settings file.
pub(super) fn render(folder: &Folder, choices: &Choices, stage: Stage) -> String {
    let tls = choices.tls && stage == Stage::Service;
    let mut text = format!(
        "# Settings of the demo, written anew at each start.\n\n{}",
        bridge(folder)
    );
    // Writing to a string does not fail.
    let _ = write!(text, "\n{}", ca(folder, choices, tls));
    let _ = write!(text, "\n{}", ocsp(folder, choices, tls));
    let _ = write!(text, "\n{}", idp(folder, choices, tls));
    text
}

fn database(folder: &Folder, choices: &Choices, name: &str) -> String {
    match &choices.postgres {
        Some(server) => format!("{}/romduol_{name}", server.trim_end_matches('/')),
        None => format!("sqlite://{}", folder.text(&format!("{name}.db"))),
    }
}

/// A listener's certificate and key.
fn server_tls(folder: &Folder, key: &str, name: &str) -> String {
    format!(
        "{key}.certificate_file = \"{}\"\n{key}.key_file = \"{}\"\n",
        folder.text(&format!("tls/{name}.pem")),
        folder.text(&format!("tls/{name}.key")),
    )
}

/// A caller's trust anchor and, where it has one, its own certificate.
fn client_tls(folder: &Folder, key: &str, name: Option<&str>) -> String {
    let mut text = format!("{key}.root_ca_file = \"{}\"\n", folder.text("tls/root.pem"));
    if let Some(name) = name {
        let _ = write!(
            text,
            "{key}.client_certificate_file = \"{}\"\n{key}.client_key_file = \"{}\"\n",
            folder.text(&format!("tls/{name}.pem")),
            folder.text(&format!("tls/{name}.key")),
        );
    }
    text
}

fn bridge(folder: &Folder) -> String {
    let at = |name: &str| folder.text(name);
    let mut text = format!(
        "[bridge]\npolicy = \"{}\"\naudit_folder = \"{}\"\nstate_folder = \"{}\"\n\n[[bridge.token]]\nname = \"online\"\nmodule = \"{MODULE}\"\nlabel = \"{ONLINE_TOKEN}\"\npin_file = \"{}\"\n",
        at("bridge-policy.toml"),
        at("log/bridge"),
        at("bridge"),
        at("secrets/online.pin"),
    );
    for name in ["ca", "ocsp", "idp"] {
        let path = at(&format!("run/bridge-{name}.sock"));
        let _ = write!(
            text,
            "\n[[bridge.socket]]\nname = \"{name}\"\npath = \"{path}\"\n"
        );
    }
    text
}

fn ca(folder: &Folder, choices: &Choices, tls: bool) -> String {
    let ports = choices.ports;
    let (address, idp) = (choices.ca(), choices.idp());
    let scheme = if tls { "https" } else { "http" };
    let mut text = format!(
        r#"[ca]
base_url = "{address}"
ceremony = "{}"
bridge_socket = "{}"
store.url = "{}"
listener.address = "127.0.0.1:{}"
tsa_listener.address = "127.0.0.1:{}"
monitor.address = "127.0.0.1:{}"
access_tokens.issuer = "{idp}"
access_tokens.jwks_uri = "{scheme}://localhost:{}/jwks"
"#,
        folder.text("ceremony"),
        folder.text("run/bridge-ca.sock"),
        database(folder, choices, "ca"),
        ports.ca(),
        ports.tsa(),
        ports.ca_admin(),
        ports.idp(),
    );
    if tls {
        text += &server_tls(folder, "listener.tls", "ca");
        text += "listener.tls.client_certificates = \"required\"\n";
        let _ = writeln!(
            text,
            "listener.tls.client_ca_file = \"{}\"",
            folder.text("tls/root.pem")
        );
        text += &client_tls(folder, "http_client", None);
        // The services prove themselves by their keys in the token as well; this name alone may only read.
        text += "tls_clients = [{ name = \"ca-officer.romduol.internal\", roles = [\"audit\"] }]\n";
    }
    text
}

fn ocsp(folder: &Folder, choices: &Choices, tls: bool) -> String {
    let ports = choices.ports;
    let address = choices.ca();
    let mut text = format!(
        r#"[ocsp]
base_url = "http://localhost:{port}"
hierarchy_folder = "{}"
status_folder = "{}"
crl_folder = "{}"
bridge_socket = "{}"
listener.address = "127.0.0.1:{port}"
monitor.address = "127.0.0.1:{}"
ca.url = "{address}"
ca.audience = "{address}"
"#,
        folder.text("ceremony"),
        folder.text("status"),
        folder.text("crl"),
        folder.text("run/bridge-ocsp.sock"),
        ports.ocsp_admin(),
        port = ports.ocsp(),
    );
    if tls {
        text += &client_tls(folder, "ca.client", Some("ocsp-client"));
    }
    text
}

fn idp(folder: &Folder, choices: &Choices, tls: bool) -> String {
    let ports = choices.ports;
    let mut text = format!(
        r#"[idp]
environment = "development"
issuer = "{}"
store.url = "{}"
bridge_socket = "{}"
evidence = "{}"
listener.address = "127.0.0.1:{}"
monitor.address = "127.0.0.1:{}"
ca.base_url = "{}"
"#,
        choices.idp(),
        database(folder, choices, "idp"),
        folder.text("run/bridge-idp.sock"),
        folder.text("evidence"),
        ports.idp(),
        ports.idp_admin(),
        choices.ca(),
    );
    if tls {
        text += &server_tls(folder, "listener.tls", "idp");
        text += &client_tls(folder, "ca.http", Some("idp-client"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::config::load;

    fn rendered(tls: bool, stage: Stage) -> (tempfile::TempDir, std::path::PathBuf) {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Folder::open(&scratch.path().join("data")).unwrap();
        let choices = Choices {
            ports: Ports::new(8080, tls).unwrap(),
            postgres: None,
            tls,
        };
        let file = folder.write_settings(&choices, stage).unwrap();
        (scratch, file)
    }

    #[test]
    fn every_program_accepts_its_section() {
        for (tls, stage) in [
            (false, Stage::Service),
            (true, Stage::Preparation),
            (true, Stage::Service),
        ] {
            let (_scratch, file) = rendered(tls, stage);
            load::<ca::Config>(Some(&file), "ca", &[])
                .unwrap()
                .check()
                .unwrap();
            load::<ocsp::Config>(Some(&file), "ocsp", &[])
                .unwrap()
                .check()
                .unwrap();
            load::<idp::config::Config>(Some(&file), "idp", &[])
                .unwrap()
                .check()
                .unwrap();
            hsm_bridge::daemon::Config::load(&file, []).unwrap();
        }
    }

    #[test]
    fn the_page_of_the_bridge_is_current() {
        use hsm_bridge::daemon::{Config, GateConfig};
        use service::config::reference;
        let sources = [include_str!("../../../hsm-bridge/src/daemon/config.rs")];
        let page = reference::<Config>("bridge", "Config", &sources).unwrap();
        service::config::document_is_current("configuration/hsm-bridge.md", &page).unwrap();
        let sources = [include_str!(
            "../../../hsm-bridge/src/daemon/gate/config.rs"
        )];
        let page = reference::<GateConfig>("gate", "GateConfig", &sources).unwrap();
        service::config::document_is_current("configuration/bridge-gate.md", &page).unwrap();
    }

    #[test]
    fn preparation_has_the_later_names_without_tls() {
        let (_scratch, file) = rendered(true, Stage::Preparation);
        let ca = load::<ca::Config>(Some(&file), "ca", &[]).unwrap();
        assert_eq!(ca.base_url, "https://localhost:8081");
        assert!(ca.listener.tls.is_none());
        let tokens = ca.access_tokens.unwrap();
        assert_eq!(tokens.issuer, "https://localhost:8443");
        assert_eq!(tokens.jwks_uri, "http://localhost:8443/jwks");
        let (_scratch, file) = rendered(true, Stage::Service);
        let ca = load::<ca::Config>(Some(&file), "ca", &[]).unwrap();
        assert_eq!(
            ca.access_tokens.unwrap().jwks_uri,
            "https://localhost:8443/jwks"
        );
        let tls = ca.listener.tls.unwrap();
        assert_eq!(
            tls.client_certificates,
            service::tls::ClientCertificates::Required
        );
    }
}
