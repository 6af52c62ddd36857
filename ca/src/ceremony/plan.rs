//! The ceremony file: everything that a ceremony will make, checked before anything is made.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use domain::certificate::Role;
use hsm_bridge::{KeyAlgorithm, KeyLabel, SecretPurpose};
use pki::issue::PublishUrls;
use pki::name::DistinguishedName;
use pki::profile::{PolicyOids, ProfileName};
use serde::Deserialize;

use super::CeremonyError;

/// Longest ceremony file that is read, in bytes.
const MAX_FILE: usize = 256 * 1024;
/// Most shards of one authority's revocation lists.
const MAX_SHARDS: u16 = 4096;
/// Arcs set aside for examples (X.660, RFC 5612).
const EXAMPLE_ARCS: [&str; 2] = ["2.999", "1.3.6.1.4.1.32473"];
/// Longest life of a revocation list, in days.
const MAX_CRL_DAYS: u16 = 400;

/// A reviewed ceremony.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What the hierarchy is called.
    pub name: String,
    /// What it is for.
    pub environment: Environment,
    /// The arc below which policies are identified.
    pub oid_arc: String,
    /// Where status and issuers are published; stands in every certificate.
    pub publish_base_url: String,
    /// Who takes part, for the transcript.
    #[serde(rename = "participant")]
    pub participants: Vec<Participant>,
    /// The two tokens.
    pub token: Tokens,
    /// The trust anchor.
    pub root: RootPlan,
    /// The authorities below it.
    pub issuing: Vec<IssuingPlan>,
    /// Service keys that get a certificate.
    #[serde(rename = "certificate", default)]
    pub certificates: Vec<CertificatePlan>,
    /// Service keys without a certificate.
    #[serde(rename = "key", default)]
    pub keys: Vec<KeyPlan>,
    /// Symmetric keys.
    #[serde(rename = "secret", default)]
    pub secrets: Vec<SecretPlan>,
    /// Services that prove their name to others.
    #[serde(rename = "peer", default)]
    pub peers: Vec<PeerPlan>,
}

/// What a hierarchy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    /// Trying things out: examples are permitted where names are needed.
    Development,
    /// Real people: names that stay for decades.
    Production,
}

/// Somebody in the room.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Participant {
    /// Name as it goes into the transcript.
    pub name: String,
    /// What the person does at the ceremony.
    pub role: String,
}

/// The two tokens of a ceremony.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Holds the root key and nothing else.
    pub root: TokenPlan,
    /// Holds every key that services use.
    pub online: TokenPlan,
}

/// One token.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenPlan {
    /// The PKCS#11 module.
    pub module: PathBuf,
    /// The token's label.
    pub label: String,
    /// File with the user PIN.
    pub pin_file: PathBuf,
    /// File with the security officer's PIN; needed to initialise.
    pub so_pin_file: Option<PathBuf>,
    /// Whether the ceremony makes the token, and PIN files where they are missing.
    #[serde(default)]
    pub initialise: bool,
}

/// The trust anchor.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootPlan {
    /// Label of its key, in the root token.
    pub key: KeyLabel,
    /// Kind of key.
    pub algorithm: KeyAlgorithm,
    /// Its name.
    pub subject: DistinguishedName,
    /// Life of its revocation list in days.
    pub crl_days: u16,
}

/// An authority below the root.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuingPlan {
    /// Label of its key, in the online token.
    pub key: KeyLabel,
    /// Kind of key.
    pub algorithm: KeyAlgorithm,
    /// Its name.
    pub subject: DistinguishedName,
    /// Number of shards of its revocation lists, for ever.
    pub crl_shards: NonZeroU16,
    /// Life of its first revocation lists in days.
    pub crl_days: u16,
    /// The certificate profiles it issues.
    pub profiles: BTreeSet<ProfileName>,
}

/// A service key with a certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificatePlan {
    /// The profile: `ocsp-responder` or `tsa`.
    pub profile: ProfileName,
    /// Key label of the issuing authority.
    pub issuer: KeyLabel,
    /// Label of the key, in the online token.
    pub key: KeyLabel,
    /// Kind of key.
    pub algorithm: KeyAlgorithm,
    /// Its name.
    pub subject: DistinguishedName,
}

/// A service key without a certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPlan {
    /// Label, in the online token.
    pub label: KeyLabel,
    /// Kind of key.
    pub algorithm: KeyAlgorithm,
}

/// A symmetric key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretPlan {
    /// Label, in the online token.
    pub label: KeyLabel,
    /// What it is for.
    pub purpose: SecretPurpose,
}

/// A service that proves its name to others.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerPlan {
    /// The name.
    pub name: String,
    /// Label of the key that signs its tokens; one of the `[[key]]` entries.
    pub key: KeyLabel,
    /// What it may ask the authority for.
    pub roles: BTreeSet<Role>,
    /// Host names it may get TLS certificates for.
    #[serde(default)]
    pub tls_names: BTreeSet<String>,
}

impl Plan {
    /// Reads and checks a ceremony file; relative paths in it are taken from `base`.
    pub fn parse(text: &str, base: &Path) -> Result<Self, CeremonyError> {
        if text.len() > MAX_FILE {
            return Err(CeremonyError::plan("the file is too long"));
        }
        let mut plan: Self =
            toml::from_str(text).map_err(|error| CeremonyError::Plan(error.to_string()))?;
        for token in [&mut plan.token.root, &mut plan.token.online] {
            token.pin_file = base.join(&token.pin_file);
            token.so_pin_file = token.so_pin_file.as_ref().map(|path| base.join(path));
        }
        plan.check()?;
        Ok(plan)
    }

    /// The label and kind of every key pair of the online token, in the order of making.
    pub fn online_keys(&self) -> impl Iterator<Item = (&KeyLabel, KeyAlgorithm)> {
        let issuing = self
            .issuing
            .iter()
            .map(|entry| (&entry.key, entry.algorithm));
        let certified = self
            .certificates
            .iter()
            .map(|entry| (&entry.key, entry.algorithm));
        let plain = self
            .keys
            .iter()
            .map(|entry| (&entry.label, entry.algorithm));
        issuing.chain(certified).chain(plain)
    }

    /// The policy identifiers below the file's arc.
    pub fn policies(&self) -> Result<PolicyOids, CeremonyError> {
        PolicyOids::new(&self.oid_arc).map_err(|error| CeremonyError::Plan(error.to_string()))
    }

    /// The addresses in certificates of an authority with so many shards.
    pub fn publish(&self, shards: NonZeroU16) -> Result<PublishUrls, CeremonyError> {
        PublishUrls::new(&self.publish_base_url, shards)
            .map_err(|error| CeremonyError::Plan(error.to_string()))
    }

    fn check(&self) -> Result<(), CeremonyError> {
        self.policies()?;
        self.publish(NonZeroU16::MIN)?;
        if self.participants.is_empty() {
            return Err(CeremonyError::plan(
                "a ceremony needs at least one [[participant]]",
            ));
        }
        let (root, online) = (&self.token.root, &self.token.online);
        if root.label == online.label {
            return Err(CeremonyError::plan("the root key needs a token of its own"));
        }
        if root.pin_file == online.pin_file {
            return Err(CeremonyError::plan("the two tokens need PINs of their own"));
        }
        for token in [root, online] {
            if token.initialise && token.so_pin_file.is_none() {
                return Err(CeremonyError::plan("initialise needs so_pin_file"));
            }
        }
        self.check_environment()?;
        self.check_labels()?;
        self.check_authorities()?;
        self.check_certificates()?;
        self.check_peers()
    }

    /// What production certificates carry must mean something outside this machine.
    fn check_environment(&self) -> Result<(), CeremonyError> {
        if self.environment == Environment::Development {
            return Ok(());
        }
        let below = |arc: &str| {
            self.oid_arc
                .strip_prefix(arc)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if EXAMPLE_ARCS.into_iter().any(below) {
            return Err(CeremonyError::plan(
                "oid_arc is an example arc; production needs one of its own",
            ));
        }
        let host = url::Url::parse(&self.publish_base_url)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_default();
        let local = host == "localhost" || host.ends_with(".localhost");
        if local || host.starts_with("127.") || host == "[::1]" {
            return Err(CeremonyError::plan(
                "publish_base_url is local to this machine",
            ));
        }
        Ok(())
    }

    fn check_labels(&self) -> Result<(), CeremonyError> {
        let mut seen = BTreeSet::from([&self.root.key]);
        let secrets = self.secrets.iter().map(|entry| &entry.label);
        for label in self.online_keys().map(|(label, _)| label).chain(secrets) {
            if !seen.insert(label) {
                return Err(CeremonyError::Plan(format!("{label} is named twice")));
            }
        }
        Ok(())
    }

    fn check_authorities(&self) -> Result<(), CeremonyError> {
        if self.issuing.is_empty() {
            return Err(CeremonyError::plan("there is no [[issuing]] authority"));
        }
        let mut owner: BTreeMap<ProfileName, &KeyLabel> = BTreeMap::new();
        for authority in &self.issuing {
            if authority.crl_shards.get() > MAX_SHARDS {
                return Err(CeremonyError::Plan(format!(
                    "at most {MAX_SHARDS} CRL shards"
                )));
            }
            for &profile in &authority.profiles {
                if matches!(
                    profile,
                    ProfileName::Root
                        | ProfileName::Issuing
                        | ProfileName::Cross
                        | ProfileName::OcspResponder
                ) {
                    return Err(CeremonyError::Plan(format!(
                        "{profile} is not a profile to assign: authorities are certified here, and \
                         each authority certifies its own responders"
                    )));
                }
                if let Some(other) = owner.insert(profile, &authority.key) {
                    return Err(CeremonyError::Plan(format!(
                        "{profile} is issued by {other} and by {}",
                        authority.key
                    )));
                }
            }
        }
        let lives = self
            .issuing
            .iter()
            .map(|entry| entry.crl_days)
            .chain([self.root.crl_days]);
        if lives
            .into_iter()
            .any(|days| days == 0 || days > MAX_CRL_DAYS)
        {
            return Err(CeremonyError::Plan(format!(
                "crl_days is 1 to {MAX_CRL_DAYS}"
            )));
        }
        Ok(())
    }

    fn check_certificates(&self) -> Result<(), CeremonyError> {
        for entry in &self.certificates {
            let issuer = self
                .issuing
                .iter()
                .find(|authority| authority.key == entry.issuer);
            let Some(issuer) = issuer else {
                return Err(CeremonyError::Plan(format!(
                    "no authority has the key {}",
                    entry.issuer
                )));
            };
            let fits = match entry.profile {
                ProfileName::OcspResponder => true,
                ProfileName::Tsa => issuer.profiles.contains(&ProfileName::Tsa),
                _ => false,
            };
            if !fits {
                return Err(CeremonyError::Plan(format!(
                    "{} cannot certify {} as {}",
                    entry.issuer, entry.key, entry.profile
                )));
            }
        }
        Ok(())
    }

    fn check_peers(&self) -> Result<(), CeremonyError> {
        let mut names = BTreeSet::new();
        for peer in &self.peers {
            if !names.insert(&peer.name) {
                return Err(CeremonyError::Plan(format!(
                    "peer {} is named twice",
                    peer.name
                )));
            }
            if !self.keys.iter().any(|key| key.label == peer.key) {
                return Err(CeremonyError::Plan(format!(
                    "{} is not a [[key]]",
                    peer.key
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVELOPMENT: &str = include_str!("../../ceremony/development.toml");

    fn refused(from: &str, to: &str) -> String {
        assert!(DEVELOPMENT.contains(from), "{from}");
        let text = DEVELOPMENT.replacen(from, to, 1);
        Plan::parse(&text, Path::new("/base"))
            .expect_err(to)
            .to_string()
    }

    #[test]
    fn the_shipped_file_is_sound() {
        let plan = Plan::parse(DEVELOPMENT, Path::new("/base")).expect("sound");
        assert_eq!(
            plan.token.root.pin_file,
            Path::new("/base/secrets/root.pin")
        );
        assert_eq!(plan.online_keys().count(), 9);
    }

    #[test]
    fn unsound_files_are_refused_before_anything_is_made() {
        for (from, to, word) in [
            (
                "label = \"romduol-root\"",
                "label = \"romduol-online\"",
                "token of its own",
            ),
            (
                "secrets/root.pin",
                "secrets/online.pin",
                "PINs of their own",
            ),
            (
                "key = \"ca/persons/g1\"",
                "key = \"ca/root/g1\"",
                "named twice",
            ),
            (
                "\"citizen-auth\", ",
                "\"root\", ",
                "not a profile to assign",
            ),
            ("\"tls-server\", ", "\"citizen-auth\", ", "is issued by"),
            ("crl_days = 365", "crl_days = 0", "crl_days"),
            (
                "key = \"idp/peer/g1\"",
                "key = \"idp/other/g1\"",
                "not a [[key]]",
            ),
            (
                "oid_arc = \"1.3.6.1.4.1.32473\"",
                "oid_arc = \"nonsense\"",
                "arc",
            ),
            ("http://localhost:8082", "ftp://localhost", "base address"),
            ("[root]", "surprise = 1\n[root]", "surprise"),
        ] {
            let message = refused(from, to);
            assert!(message.contains(word), "{word} is not in: {message}");
        }
    }

    #[test]
    fn production_refuses_example_arcs_and_local_addresses() {
        let production = DEVELOPMENT.replace("\"development\"", "\"production\"");
        let refused = |text: &str, word: &str| {
            let error = Plan::parse(text, Path::new("/"))
                .expect_err(word)
                .to_string();
            assert!(error.contains(word), "{error}");
        };
        refused(&production, "example arc");
        let old = production.replace("1.3.6.1.4.1.32473", "2.999.7");
        refused(&old, "example arc");
        let own = production.replace("1.3.6.1.4.1.32473", "1.3.6.1.4.1.324731");
        refused(&own, "local");
        let sound = own.replace("http://localhost:8082", "http://status.example.kh");
        assert!(Plan::parse(&sound, Path::new("/")).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn any_text_gets_an_answer(text in ".{0,400}") {
            let _ = Plan::parse(&text, Path::new("/"));
        }
    }
}
