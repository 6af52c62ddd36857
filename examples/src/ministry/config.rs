//! What a ministry has to know: flags, or the same names in a TOML file.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use serde::Deserialize;

/// Flags; each may stand in the file of `--config` as well, and wins over it.
#[derive(Clone, Debug, Default, Parser, Deserialize)]
#[command(name = "ministry", about = "A ministry's service as relying party")]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// TOML file with the same names.
    #[arg(long)]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Issuer identifier of the provider.
    #[arg(long)]
    pub issuer: Option<String>,
    /// Client id.
    #[arg(long)]
    pub client_id: Option<String>,
    /// How the client authenticates.
    #[arg(long, value_enum)]
    pub auth_method: Option<Method>,
    /// File with the client secret.
    #[arg(long)]
    pub secret_file: Option<PathBuf>,
    /// File with the client's private key (Ed25519, PKCS#8 PEM).
    #[arg(long)]
    pub key_file: Option<PathBuf>,
    /// Address to listen on.
    #[arg(long)]
    pub bind: Option<String>,
    /// Port to listen on.
    #[arg(long)]
    pub port: Option<u16>,
    /// Where browsers reach it; the redirect URI is this and /callback.
    #[arg(long)]
    pub base_url: Option<String>,
    /// File with the TLS certificate and its chain (PEM); without it the service speaks plain HTTP.
    #[arg(long)]
    pub tls_certificate_file: Option<PathBuf>,
    /// File with the private key of that certificate (PEM).
    #[arg(long)]
    pub tls_key_file: Option<PathBuf>,
    /// File with a further trust anchor for calls to the provider (PEM).
    #[arg(long)]
    pub root_ca_file: Option<PathBuf>,
    /// Name in English.
    #[arg(long)]
    pub name_en: Option<String>,
    /// Name in Khmer.
    #[arg(long)]
    pub name_km: Option<String>,
    /// A few letters shown as logo.
    #[arg(long)]
    pub mark: Option<String>,
    /// Scopes to ask for.
    #[arg(long)]
    pub scope: Option<String>,
    /// Levels to ask for.
    #[arg(long)]
    pub acr_values: Option<String>,
}

/// How the client authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Method {
    /// With a secret in HTTP Basic.
    ClientSecretBasic,
    /// With a signed assertion.
    PrivateKeyJwt,
}

/// The options with their defaults, secrets read.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) credential: Credential,
    pub(super) bind: String,
    pub(super) port: u16,
    pub(super) base_url: String,
    pub(super) tls: Option<Tls>,
    pub(super) root_ca_file: Option<PathBuf>,
    pub(super) name_en: String,
    pub(super) name_km: String,
    pub(super) mark: String,
    pub(super) scope: String,
    pub(super) acr_values: String,
}

/// Files of the TLS listener.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) certificate_file: PathBuf,
    pub(super) key_file: PathBuf,
}

/// What the client proves itself with.
#[derive(Clone)]
pub(super) enum Credential {
    /// A shared secret.
    Secret(String),
    /// A private key as PEM.
    Key(String),
}

const DEFAULT_PORT: u16 = 8090;

impl Config {
    pub(super) fn load(flags: Options) -> Result<Self, String> {
        let file = match &flags.config {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?
            }
            None => Options::default(),
        };
        let text = |flag: Option<String>, file: Option<String>, default: &str| {
            flag.or(file).unwrap_or_else(|| default.to_owned())
        };
        let port = flags.port.or(file.port).unwrap_or(DEFAULT_PORT);
        let method = flags
            .auth_method
            .or(file.auth_method)
            .unwrap_or(Method::ClientSecretBasic);
        let credential = match method {
            Method::ClientSecretBasic => {
                Credential::Secret(read("secret_file", flags.secret_file.or(file.secret_file))?)
            }
            Method::PrivateKeyJwt => {
                Credential::Key(read("key_file", flags.key_file.or(file.key_file))?)
            }
        };
        let tls = tls(
            flags.tls_certificate_file.or(file.tls_certificate_file),
            flags.tls_key_file.or(file.tls_key_file),
        )?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let base_url = text(
            flags.base_url,
            file.base_url,
            &format!("{scheme}://localhost:{port}"),
        );
        Ok(Self {
            issuer: text(flags.issuer, file.issuer, "http://localhost:8080"),
            client_id: text(flags.client_id, file.client_id, "gdt"),
            credential,
            bind: text(flags.bind, file.bind, "127.0.0.1"),
            port,
            base_url: base_url.trim_end_matches('/').to_owned(),
            tls,
            root_ca_file: flags.root_ca_file.or(file.root_ca_file),
            name_en: text(
                flags.name_en,
                file.name_en,
                "General Department of Taxation",
            ),
            name_km: text(flags.name_km, file.name_km, "អគ្គនាយកដ្ឋានពន្ធដារ"),
            mark: text(flags.mark, file.mark, "GDT"),
            scope: text(flags.scope, file.scope, "openid profile identity"),
            acr_values: text(flags.acr_values, file.acr_values, "urn:kh:vdia:2"),
        })
    }

    /// Where the provider sends the browser back to.
    pub(super) fn redirect_uri(&self) -> String {
        format!("{}/callback", self.base_url)
    }

    /// The session cookie: browsers do not keep ports apart, so its name does. Over HTTPS the prefix keeps other
    /// hosts and plain HTTP from setting it (RFC 6265bis §4.1.3.2).
    pub(super) fn cookie_name(&self) -> String {
        let prefix = if self.is_secure() { "__Host-" } else { "" };
        format!("{prefix}ministry-{}", self.client_id)
    }

    /// Whether cookies are for HTTPS alone.
    pub(super) fn is_secure(&self) -> bool {
        self.base_url.starts_with("https://")
    }
}

fn tls(certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<Tls>, String> {
    match (certificate, key) {
        (Some(certificate_file), Some(key_file)) => Ok(Some(Tls {
            certificate_file,
            key_file,
        })),
        (None, None) => Ok(None),
        _ => Err("tls_certificate_file and tls_key_file belong together".to_owned()),
    }
}

fn read(name: &str, path: Option<PathBuf>) -> Result<String, String> {
    let path = path.ok_or_else(|| format!("{name} is not set"))?;
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
