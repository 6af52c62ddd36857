//! What everybody may know and ask: the root, the authorities below it, the time-stamping service, and the
//! revocation lists that certificates name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pki::Certificate;
use pki::crl::CertificateList;
use pki::name::Attribute;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use service::http_client::read_body;
use service::{HttpClientConfig, http_client};
use x509_cert::ext::pkix::CrlDistributionPoints;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};

/// Largest revocation list read, in bytes.
const MAX_CRL: usize = 64 * 1024 * 1024;
/// Most revocation lists fetched for one document.
const MAX_LISTS: usize = 32;

/// What `demo.json` says to everybody.
#[derive(Deserialize)]
struct Demo {
    root: PathBuf,
    issuing: Vec<Issuing>,
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Issuing {
    certificate: PathBuf,
}

#[derive(Deserialize)]
struct Endpoints {
    tsa: String,
}

/// The public side of a running demo.
pub(crate) struct Public {
    pub(crate) anchors: Vec<Certificate>,
    issuing: Vec<Certificate>,
    tsa: String,
    http: reqwest::Client,
}

impl Public {
    pub(crate) fn read(demo: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(demo).map_err(|e| {
            format!(
                "{}: {e} (start ./dev demo, or say --demo DIR/demo.json)",
                demo.display()
            )
        })?;
        let demo: Demo =
            serde_json::from_str(&text).map_err(|e| format!("{}: {e}", demo.display()))?;
        let issuing: Result<_, _> = demo
            .issuing
            .iter()
            .map(|entry| certificate(&entry.certificate))
            .collect();
        let http = http_client(&HttpClientConfig::default()).map_err(|e| e.to_string())?;
        Ok(Self {
            anchors: vec![certificate(&demo.root)?],
            issuing: issuing?,
            tsa: demo.endpoints.tsa,
            http,
        })
    }

    /// A certificate, those that came with it, and the known authorities: what a path can be built from.
    pub(crate) fn chain(&self, leaf: &Certificate, others: &[Certificate]) -> Vec<Certificate> {
        let mut chain = vec![leaf.clone()];
        for other in others.iter().chain(&self.issuing) {
            if !chain.iter().any(|known| known.der() == other.der()) {
                chain.push(other.clone());
            }
        }
        chain
    }

    /// Asks the time-stamping authority; the answer is DER and not checked yet.
    pub(crate) async fn time_stamp(&self, request: Vec<u8>) -> Result<Vec<u8>, String> {
        let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", self.tsa);
        let query = self
            .http
            .post(&self.tsa)
            .header(CONTENT_TYPE, "application/timestamp-query");
        let answer = query.body(request).send().await.map_err(|e| failed(&e))?;
        let answer = answer.error_for_status().map_err(|e| failed(&e))?;
        let body = read_body(answer, pki::tsp::MAX_RESPONSE_BYTES)
            .await
            .map_err(|e| failed(&e))?;
        Ok(body.to_vec())
    }

    /// The revocation lists that these certificates name. One that cannot be had is left out: path validation
    /// then says that the status is unknown.
    pub(crate) async fn lists(&self, certificates: &[Certificate]) -> Vec<CertificateList> {
        let urls: BTreeSet<String> = certificates.iter().flat_map(list_addresses).collect();
        let mut lists = Vec::new();
        for url in urls.into_iter().take(MAX_LISTS) {
            match self.list(&url).await {
                Ok(list) => lists.push(list),
                Err(reason) => eprintln!("revocation list left out: {reason}"),
            }
        }
        lists
    }

    async fn list(&self, url: &str) -> Result<CertificateList, String> {
        let failed = |e: &dyn std::fmt::Display| format!("{url}: {e}");
        let answer = self.http.get(url).send().await.map_err(|e| failed(&e))?;
        let answer = answer.error_for_status().map_err(|e| failed(&e))?;
        let body = read_body(answer, MAX_CRL).await.map_err(|e| failed(&e))?;
        pki::crl::parse(&body).map_err(|e| failed(&e))
    }
}

fn certificate(path: &Path) -> Result<Certificate, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Certificate::from_pem(&text).map_err(|e| format!("{}: {e}", path.display()))
}

/// The HTTP addresses of a certificate's revocation lists (RFC 5280 §4.2.1.13).
fn list_addresses(certificate: &Certificate) -> Vec<String> {
    let Ok(Some((_, points))) = certificate.extension::<CrlDistributionPoints>() else {
        return Vec::new();
    };
    let names = points
        .0
        .into_iter()
        .filter_map(|point| match point.distribution_point {
            Some(DistributionPointName::FullName(names)) => Some(names),
            _ => None,
        });
    names
        .flatten()
        .filter_map(|name| match name {
            GeneralName::UniformResourceIdentifier(uri) if uri.as_str().starts_with("http://") => {
                Some(uri.to_string())
            }
            _ => None,
        })
        .collect()
}

/// A certificate's holder in words: common name and, where there is one, the organization.
pub(crate) fn holder(certificate: &Certificate) -> String {
    let part = |attribute: Attribute| {
        let mut values = certificate
            .subject()
            .iter_rdn()
            .flat_map(x509_cert::name::RelativeDistinguishedName::iter);
        let found = values.find(|value| value.oid == attribute.oid())?;
        std::str::from_utf8(found.value.value()).ok().map(printable)
    };
    let name = part(Attribute::CommonName).unwrap_or_else(|| "somebody without a name".to_owned());
    match part(Attribute::Organization) {
        Some(organization) => format!("{name}, {organization}"),
        None => name,
    }
}

/// Text from a file, fit for a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
