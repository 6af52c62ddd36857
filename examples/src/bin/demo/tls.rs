//! TLS certificates of the demo, from our own authority: asked for through its API by the machine of the
//! certificate office, with requests signed by fresh transport keys.
//!
//! Transport keys are short-lived and lie in a file that only their service reads; every other private key is in
//! the token. They are renewed while everything runs, and the services take the new files into use by themselves.

use std::fs;
use std::time::Duration;

use examples::demo::folder::Folder;
use examples::demo::{Choices, Stage};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509NameBuilder, X509ReqBuilder};
use pki::Certificate;
use serde::Deserialize;
use serde_json::json;
use service::{HttpClientConfig, Sources, http_client};

use super::children::Children;
use super::programs::{Client, Programs};

/// A certificate that the demo needs.
struct Wanted {
    /// Name of its files in `DIR/tls`.
    file: &'static str,
    profile: &'static str,
    /// DNS name in it.
    host: &'static str,
}

const fn server(file: &'static str) -> Wanted {
    Wanted {
        file,
        profile: "tls-server",
        host: "localhost",
    }
}

const fn client(file: &'static str, host: &'static str) -> Wanted {
    Wanted {
        file,
        profile: "device",
        host,
    }
}

const WANTED: [Wanted; 7] = [
    server("idp"),
    server("ca"),
    server("taxation"),
    server("social-security"),
    client("idp-client", "idp.romduol.internal"),
    client("ocsp-client", "ocsp.romduol.internal"),
    client("ca-officer", "ca-officer.romduol.internal"),
];

/// How often the certificates are looked at while everything runs.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Pause after a renewal that failed.
const TRY_AGAIN: Duration = Duration::from_mins(1);

/// Where certificates are asked for.
struct Office<'a> {
    http: reqwest::Client,
    provider: String,
    authority: String,
    /// The authority's name, which the token is for.
    resource: String,
    client: &'a Client,
}

/// What the authority answers.
#[derive(Deserialize)]
struct Issued {
    certificate: String,
    chain: Vec<String>,
}

/// What the provider answers.
#[derive(Deserialize)]
struct Token {
    access_token: String,
}

/// Makes or renews the certificates where one is missing or past the middle of its life. The bridge runs; the
/// authority and the provider are started without TLS for it, and stopped again.
pub(crate) async fn prepare(
    programs: &Programs,
    folder: &Folder,
    choices: &Choices,
    children: &mut Children,
) -> Result<(), String> {
    let root = folder.root_certificate()?;
    let root = fs::read_to_string(&root).map_err(|e| format!("{}: {e}", root.display()))?;
    folder.write("tls/root.pem", &root)?;
    if stale(folder).is_empty() {
        return Ok(());
    }
    println!("asking our authority for TLS certificates");
    folder.write_settings(choices, Stage::Preparation)?;
    let before = children.count();
    for name in ["idp", "ca"] {
        programs
            .start_service(folder, choices, children, name, Stage::Preparation)
            .await?;
    }
    let outcome = match programs
        .register_office(folder, choices, Stage::Preparation)
        .await
    {
        Ok(client) => {
            let office = Office {
                http: children.http().clone(),
                provider: format!("http://localhost:{}", choices.ports.idp()),
                authority: format!("http://localhost:{}", choices.ports.ca()),
                resource: choices.ca(),
                client: &client,
            };
            ask(&office, folder, &WANTED.iter().collect::<Vec<_>>()).await
        }
        Err(reason) => Err(reason),
    };
    children.stop_down_to(before).await;
    outcome
}

/// Renews certificates before they are old, or when a file is gone, as long as the demo runs.
pub(crate) async fn keep_fresh(folder: &Folder, choices: &Choices, client: &Client) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let stale = stale(folder);
        if stale.is_empty() {
            continue;
        }
        match renew(folder, choices, client, &stale).await {
            Ok(()) => {
                for wanted in stale {
                    println!("renewed the TLS certificate of {}", wanted.file);
                }
            }
            Err(reason) => {
                println!("{reason}; trying again in {TRY_AGAIN:?}");
                tokio::time::sleep(TRY_AGAIN).await;
            }
        }
    }
}

/// Asks the running authority, with the certificate of the office's machine.
async fn renew(
    folder: &Folder,
    choices: &Choices,
    client: &Client,
    stale: &[&'static Wanted],
) -> Result<(), String> {
    let http = http_client(&HttpClientConfig {
        root_ca_file: Some(folder.path("tls/root.pem")),
        client_certificate_file: Some(folder.path(&format!("tls/{}.pem", client.id))),
        client_key_file: Some(folder.path(&format!("tls/{}.key", client.id))),
        ..HttpClientConfig::default()
    });
    let office = Office {
        http: http.map_err(|e| format!("TLS certificates are not renewed: {e}"))?,
        provider: choices.idp(),
        authority: choices.ca(),
        resource: choices.ca(),
        client,
    };
    ask(&office, folder, stale).await
}

/// The certificates that are missing or past the middle of their life.
fn stale(folder: &Folder) -> Vec<&'static Wanted> {
    let now = u64::try_from(Sources::system().unix()).unwrap_or_default();
    WANTED
        .iter()
        .filter(|wanted| !is_fresh(folder, wanted, now))
        .collect()
}

async fn ask(office: &Office<'_>, folder: &Folder, all: &[&Wanted]) -> Result<(), String> {
    let token = token(office).await?;
    for wanted in all {
        let key = transport_key().map_err(|e| format!("transport key: {e}"))?;
        let csr = request(&key, wanted.host).map_err(|e| format!("certificate request: {e}"))?;
        let issued = issue(office, &token, wanted, &csr).await?;
        let key = key
            .private_key_to_pem_pkcs8()
            .map_err(|e| format!("transport key: {e}"))?;
        folder.write_secret(
            &format!("tls/{}.key", wanted.file),
            &String::from_utf8_lossy(&key),
        )?;
        let chain = issued.certificate + &issued.chain.concat();
        folder.write(&format!("tls/{}.pem", wanted.file), &chain)?;
    }
    Ok(())
}

/// Whether certificate and key are there, fit together, and have more than half of their life before them.
fn is_fresh(folder: &Folder, wanted: &Wanted, now: u64) -> bool {
    let read = |end: &str| fs::read(folder.path(&format!("tls/{}.{end}", wanted.file))).ok();
    let (Some(pem), Some(key)) = (read("pem"), read("key")) else {
        return false;
    };
    let (Ok(certificate), Ok(key)) = (X509::from_pem(&pem), PKey::private_key_from_pem(&key))
    else {
        return false;
    };
    let fits = certificate
        .public_key()
        .is_ok_and(|public| public.public_eq(&key));
    let parsed = certificate
        .to_der()
        .ok()
        .and_then(|der| Certificate::from_der(&der).ok());
    fits && parsed.is_some_and(|parsed| {
        let (start, end) = (parsed.not_before(), parsed.not_after());
        now >= start && now - start < end.saturating_sub(start) / 2
    })
}

fn transport_key() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}

/// A certification request (RFC 2986) for a host, PEM.
fn request(key: &PKey<Private>, host: &str) -> Result<String, ErrorStack> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, host)?;
    let mut builder = X509ReqBuilder::new()?;
    builder.set_subject_name(&name.build())?;
    builder.set_pubkey(key)?;
    builder.sign(key, MessageDigest::sha256())?;
    Ok(String::from_utf8_lossy(&builder.build().to_pem()?).into_owned())
}

/// An access token of the certificate office (RFC 6749 §4.4), for the authority's later address.
async fn token(office: &Office<'_>) -> Result<String, String> {
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "ca.issue"),
        ("resource", &office.resource),
    ];
    let answer = office
        .http
        .post(format!("{}/token", office.provider))
        .basic_auth(&office.client.id, Some(office.client.secret()?))
        .form(&form)
        .send()
        .await;
    read::<Token>(answer, "the provider gave no token")
        .await
        .map(|token| token.access_token)
}

async fn issue(
    office: &Office<'_>,
    token: &str,
    wanted: &Wanted,
    csr: &str,
) -> Result<Issued, String> {
    let body = json!({
        "profile": wanted.profile,
        "subject": { "common_name": wanted.host },
        "san": [{ "dns": wanted.host }],
        "csr": csr,
    });
    let call = office
        .http
        .post(format!("{}/api/v1/certificates", office.authority));
    let answer = call.bearer_auth(token).json(&body).send().await;
    read(answer, &format!("no TLS certificate for {}", wanted.file)).await
}

async fn read<T: for<'a> Deserialize<'a>>(
    answer: Result<reqwest::Response, reqwest::Error>,
    failure: &str,
) -> Result<T, String> {
    let answer = answer.map_err(|e| format!("{failure}: {e}"))?;
    let status = answer.status();
    let body = answer.text().await.map_err(|e| format!("{failure}: {e}"))?;
    if !status.is_success() {
        return Err(format!("{failure}: {status}: {body}"));
    }
    serde_json::from_str(&body).map_err(|e| format!("{failure}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsm_bridge::verify::OpenSslVerifier;

    #[test]
    fn requests_prove_their_key() {
        let key = transport_key().unwrap();
        let csr = request(&key, "localhost").unwrap();
        pki::csr::parse(csr.as_bytes(), &OpenSslVerifier).unwrap();
    }

    #[test]
    fn half_a_life_or_a_foreign_key_asks_for_renewal() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Folder::open(&scratch.path().join("data")).unwrap();
        let wanted = &WANTED[0];
        assert!(!is_fresh(&folder, wanted, 0));
        let key = transport_key().unwrap();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        let serial = openssl::bn::BigNum::from_u32(77)
            .unwrap()
            .to_asn1_integer()
            .unwrap();
        builder.set_serial_number(&serial).unwrap();
        builder.set_pubkey(&key).unwrap();
        let at = |second| openssl::asn1::Asn1Time::from_unix(second).unwrap();
        builder.set_not_before(&at(1_000_000)).unwrap();
        builder.set_not_after(&at(2_000_000)).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        let pem = String::from_utf8(builder.build().to_pem().unwrap()).unwrap();
        let write_key = |key: &PKey<Private>| {
            let pem = String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap();
            folder.write_secret("tls/idp.key", &pem).unwrap();
        };
        folder.write("tls/idp.pem", &pem).unwrap();
        write_key(&key);
        assert!(is_fresh(&folder, wanted, 1_100_000));
        assert!(!is_fresh(&folder, wanted, 1_500_000));
        assert!(!is_fresh(&folder, wanted, 999_999));
        write_key(&transport_key().unwrap());
        assert!(!is_fresh(&folder, wanted, 1_100_000));
    }
}
