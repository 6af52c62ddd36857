//! A person's look at the gate before it is started, or while it runs: what is right, what soon will not be, and what is wrong, in words.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::x509::{X509, X509Crl, X509ExtendedKeyUsage, X509NameRef, X509VerifyResult};
use rustix::process::geteuid;

use super::config::{GateCaller, GateConfig};
use super::material::Material;
use crate::client::{Client, ClientOptions};
use crate::{KeyStoreError, tls};

/// How long a socket of the bridge is tried.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is left of the time that a certificate or list is good for when it should have been renewed: a third, as renewing programs
/// have it.
const RENEWED_BY: i64 = 3;
const SECONDS_OF_A_DAY: i64 = 86_400;

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As it should be.
    Right,
    /// In force, and somebody should look at it.
    Soon,
    /// The gate does not start, or refuses whoever it is about.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it stands.
    pub standing: Standing,
    /// What it is, and what to do about it, in one line.
    pub text: String,
}

/// Looks at what a gate with these settings needs, as the user of this process; opens a connection to each socket and asks nothing on it.
pub fn look(config: &GateConfig) -> Vec<Finding> {
    let mut found = Findings(Vec::new());
    found.right(format!("looked at as user {}", geteuid().as_raw()));
    found.address(config.listen);
    found.own(&config.certificate, &config.key);
    let authorities = found.authorities(&config.client_ca);
    found.revocation(config, &authorities);
    if !found.has_wrong()
        && let Err(error) = Material::load(config)
    {
        found.wrong(error.to_string());
    }
    for caller in &config.caller {
        found.caller(caller);
    }
    found.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn say(&mut self, standing: Standing, text: String) {
        self.0.push(Finding { standing, text });
    }

    fn right(&mut self, text: String) {
        self.say(Standing::Right, text);
    }

    fn wrong(&mut self, text: String) {
        self.say(Standing::Wrong, text);
    }

    fn has_wrong(&self) -> bool {
        self.0.iter().any(|it| it.standing == Standing::Wrong)
    }

    fn address(&mut self, listen: SocketAddr) {
        match TcpListener::bind(listen) {
            Ok(_) => self.right(format!("nobody listens on {listen} yet")),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                self.right(format!(
                    "somebody listens on {listen}; the gate, if it runs"
                ));
            }
            Err(error) => self.wrong(format!("the gate cannot listen on {listen}: {error}")),
        }
    }

    fn own(&mut self, certificate: &Path, key: &Path) {
        let chain = self.reading(tls::certificates(certificate));
        let private = self.reading(tls::read_key(key));
        let Some((own, above)) = chain.as_deref().and_then(<[X509]>::split_first) else {
            return;
        };
        let title = format!("the gate's certificate {}", certificate.display());
        let names = names(own);
        if names.is_empty() {
            // RFC 9525 §6.3: the common name of a subject is no name of a host.
            self.wrong(format!(
                "{title} has no DNS name or IP address among its subject alternative names, so no client accepts it"
            ));
        } else {
            self.right(format!(
                "{title} is for {}; one of these is the server_name of its clients",
                names.join(", ")
            ));
        }
        let purposes = own.extended_key_usage();
        if purposes.is_some_and(|it| !it.contains(X509ExtendedKeyUsage::SSL_SERVER)) {
            self.wrong(format!("{title} is not one for servers (extendedKeyUsage)"));
        }
        self.ends(&title, own.not_before(), Some(own.not_after()));
        let mut below = own;
        for issuer in above {
            let title = format!("{} in {}", subject(issuer), certificate.display());
            if issuer.issued(below) != X509VerifyResult::OK {
                self.wrong(format!("{title} did not issue the certificate above it"));
            }
            self.ends(&title, issuer.not_before(), Some(issuer.not_after()));
            below = issuer;
        }
        if let Some(private) = private {
            let pair = own.public_key().is_ok_and(|own| private.public_eq(&own));
            if pair {
                self.right(format!(
                    "{} is its key, and nobody else's to read",
                    key.display()
                ));
            } else {
                self.wrong(format!(
                    "{} is not the key of {}",
                    key.display(),
                    certificate.display()
                ));
            }
        }
    }

    fn authorities(&mut self, path: &Path) -> Vec<X509> {
        let found = self.reading(tls::certificates(path)).unwrap_or_default();
        for authority in &found {
            let title = format!("the authority of clients {}", subject(authority));
            self.ends(&title, authority.not_before(), Some(authority.not_after()));
        }
        found
    }

    fn revocation(&mut self, config: &GateConfig, authorities: &[X509]) {
        if config.client_crl.is_empty() {
            let text = "client_crl names no list: a revoked certificate comes in until it ends";
            return self.say(Standing::Soon, text.to_owned());
        }
        let mut lists = Vec::new();
        for path in &config.client_crl {
            lists.extend(self.reading(tls::lists(path)).unwrap_or_default());
        }
        for list in &lists {
            self.list(list, authorities);
        }
        for authority in authorities {
            if !lists.iter().any(|list| is_of(list, authority)) {
                self.wrong(format!(
                    "there is no revocation list of {}: whatever it issued is refused",
                    subject(authority)
                ));
            }
        }
    }

    fn list(&mut self, list: &X509Crl, authorities: &[X509]) {
        let count = list.get_revoked().map_or(0, openssl::stack::StackRef::len);
        let title = format!("the revocation list of {}", in_words(list.issuer_name()));
        let mut own = authorities.iter().filter(|it| is_of(list, it)).peekable();
        let signed = |it: &X509| {
            it.public_key()
                .is_ok_and(|key| matches!(list.verify(&key), Ok(true)))
        };
        if own.peek().is_none() {
            self.right(format!(
                "{title} is of none in client_ca: of one below them"
            ));
        } else if !own.any(signed) {
            self.wrong(format!("{title} is not signed by it"));
        }
        self.ends(
            &format!("{title}, with {count} entries,"),
            list.last_update(),
            list.next_update(),
        );
    }

    fn caller(&mut self, caller: &GateCaller) {
        let known_by = [
            ("the DNS name", &caller.dns_name),
            ("the URI", &caller.uri),
            ("the SHA-256", &caller.certificate_sha256),
            ("a key with the SHA-256", &caller.key_sha256),
        ];
        let known_by = known_by
            .iter()
            .find_map(|(what, value)| Some(format!("{what} {}", value.as_ref()?)));
        let who = format!(
            "'{}', whose certificate has {}, goes to {}",
            caller.name,
            known_by.unwrap_or_default(),
            caller.socket.display()
        );
        let options = ClientOptions {
            deadline: PATIENCE,
            connections: 1,
        };
        match Client::connect_with(&caller.socket, options) {
            Ok(_) => self.right(format!("{who}, which answers")),
            Err(KeyStoreError::NotPermitted) => self.wrong(format!(
                "{who}, which refuses this user: the setting `uid` of the socket must be the gate's"
            )),
            Err(error) => self.wrong(format!(
                "{who}, which does not answer: {error}; does hsm-bridge serve run, and may this user open the socket?"
            )),
        }
    }

    /// Says when something begins and ends; without an end it cannot be told from one that is out of date.
    fn ends(&mut self, title: &str, from: &Asn1TimeRef, to: Option<&Asn1TimeRef>) {
        let Some(to) = to else {
            return self.wrong(format!("{title} does not say when it ends"));
        };
        let seconds = |from: &Asn1TimeRef, to: &Asn1TimeRef| {
            let between = from.diff(to).ok()?;
            Some(i64::from(between.days) * SECONDS_OF_A_DAY + i64::from(between.secs))
        };
        let now = Asn1Time::days_from_now(0).ok();
        let now = now.as_deref();
        let since = now.and_then(|now| seconds(from, now));
        let left = now.and_then(|now| seconds(now, to));
        let (Some(since), Some(left)) = (since, left) else {
            return self.wrong(format!("{title} has a time that cannot be read"));
        };
        if since < 0 {
            self.wrong(format!("{title} is not good before {from}"));
        } else if left < 0 {
            self.wrong(format!("{title} ended at {to}"));
        } else {
            let (standing, word) = if left < (since + left) / RENEWED_BY {
                (Standing::Soon, ": renew it")
            } else {
                (Standing::Right, "")
            };
            let days = left / SECONDS_OF_A_DAY;
            self.say(
                standing,
                format!("{title} ends at {to}, in {days} days{word}"),
            );
        }
    }

    fn reading<T>(&mut self, read: Result<T, KeyStoreError>) -> Option<T> {
        read.map_err(|e| self.wrong(e.to_string())).ok()
    }
}

fn is_of(list: &X509Crl, authority: &X509) -> bool {
    let same = list.issuer_name().try_cmp(authority.subject_name());
    matches!(same, Ok(std::cmp::Ordering::Equal))
}

/// What a client may expect the certificate to be for.
fn names(own: &X509) -> Vec<String> {
    let mut found = Vec::new();
    for name in own.subject_alt_names().iter().flatten() {
        if let Some(dns) = name.dnsname() {
            found.push(dns.to_owned());
        }
        match name.ipaddress() {
            Some(bytes) if bytes.len() == 4 => {
                found.extend(
                    <[u8; 4]>::try_from(bytes).map(|it| std::net::Ipv4Addr::from(it).to_string()),
                );
            }
            Some(bytes) => {
                found.extend(
                    <[u8; 16]>::try_from(bytes).map(|it| std::net::Ipv6Addr::from(it).to_string()),
                );
            }
            None => {}
        }
    }
    found
}

fn subject(certificate: &X509) -> String {
    in_words(certificate.subject_name())
}

/// A name as in `CN=..., O=...` (RFC 4514), for reading.
fn in_words(name: &X509NameRef) -> String {
    let parts = name.entries().filter_map(|entry| {
        let kind = entry.object().nid().short_name().ok()?;
        Some(format!("{kind}={}", entry.data().to_string().ok()?))
    });
    let mut text = String::from("'");
    text.push_str(&parts.collect::<Vec<_>>().join(", "));
    text.push('\'');
    text
}
