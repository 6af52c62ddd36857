//! The data folder: who holds it, what lies where, and where each program finds its token.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::settings::{Choices, ROOT_TOKEN, Stage};

/// The ceremony that a development hierarchy is made from.
const CEREMONY: &str = include_str!("../../../ca/ceremony/development.toml");
/// The address in that file.
const CEREMONY_ADDRESS: &str = "http://localhost:8082";
/// Rights of folders with secrets.
const SECRET_FOLDER: u32 = 0o700;
/// Rights of files with secrets.
const SECRET_FILE: u32 = 0o600;
/// What the folder consists of.
const FOLDERS: [&str; 10] = [
    "",
    "secrets",
    "tls",
    "token/tokens",
    "root-token/tokens",
    "run",
    "log",
    "evidence",
    "status",
    "crl",
];
/// Remembers what the folder was made for: addresses stand in certificates and in registrations.
const PURPOSE: &str = "purpose.json";

/// The data folder.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

/// What cannot change once keys, certificates and clients are made.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Purpose {
    port_base: u16,
    tls: bool,
    postgres: bool,
}

/// The right to run with a folder, given up at the end of the process however it ends.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

fn said(path: &Path) -> impl Fn(std::io::Error) -> String {
    let path = path.display().to_string();
    move |error| format!("data folder: {path}: {error}")
}

impl Folder {
    /// Makes the folder and those in it, or finds them.
    pub fn open(path: &Path) -> Result<Self, String> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(SECRET_FOLDER);
        for name in FOLDERS {
            let path = if name.is_empty() {
                path.to_owned()
            } else {
                path.join(name)
            };
            builder.create(&path).map_err(said(&path))?;
        }
        let root = path.canonicalize().map_err(said(path))?;
        let folder = Self { root };
        for name in ["secrets", "tls"] {
            // A folder made by somebody else may be open to all.
            let path = folder.path(name);
            fs::set_permissions(&path, fs::Permissions::from_mode(SECRET_FOLDER))
                .map_err(said(&path))?;
        }
        for token in ["token", "root-token"] {
            folder.write_softhsm(token)?;
        }
        Ok(folder)
    }

    /// Takes the folder for this process alone.
    pub fn hold(&self) -> Result<Held, String> {
        let path = self.path("run/lock");
        let file = File::create(&path).map_err(said(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Held(file)),
            Err(_) => Err(format!(
                "data folder: {} is in use by another start; stop that one, or choose another --data",
                self.text("")
            )),
        }
    }

    /// Remembers what the folder is for, or refuses to use it for something else.
    pub fn keep_purpose(&self, choices: &Choices) -> Result<(), String> {
        let wanted = Purpose {
            port_base: choices.ports.base(),
            tls: choices.tls,
            postgres: choices.postgres.is_some(),
        };
        let path = self.path(PURPOSE);
        if self.has_ceremony() && path.exists() {
            let text = fs::read_to_string(&path).map_err(said(&path))?;
            let made: Purpose =
                serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
            if made != wanted {
                return Err(format!(
                    "data folder: {} was made with --port-base {}{}{}, and its certificates and clients name those addresses; \
                     start it the same way, or choose another --data",
                    self.text(""),
                    made.port_base,
                    if made.tls { " --tls" } else { " without --tls" },
                    if made.postgres { " --postgres" } else { "" },
                ));
            }
            return Ok(());
        }
        let text = serde_json::to_string(&wanted).map_err(|e| e.to_string())?;
        self.write(PURPOSE, &text).map(drop)
    }

    /// A path in the folder; the folder itself for an empty name.
    pub fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            self.root.clone()
        } else {
            self.root.join(name)
        }
    }

    /// A path in the folder as text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Whether the ceremony was held here.
    pub fn has_ceremony(&self) -> bool {
        self.path("ceremony/hierarchy.json").exists()
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: &str) -> Result<PathBuf, String> {
        let path = self.path(name);
        fs::write(&path, content).map_err(said(&path))?;
        Ok(path)
    }

    /// Writes a file that only its owner reads, from its first byte on.
    pub fn write_secret(&self, name: &str, content: &str) -> Result<PathBuf, String> {
        use std::io::Write as _;
        let path = self.path(name);
        let mut options = fs::OpenOptions::new();
        options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(SECRET_FILE);
        let mut file = options.open(&path).map_err(said(&path))?;
        file.set_permissions(fs::Permissions::from_mode(SECRET_FILE))
            .map_err(said(&path))?;
        file.write_all(content.as_bytes()).map_err(said(&path))?;
        Ok(path)
    }

    fn write_softhsm(&self, token: &str) -> Result<(), String> {
        let tokens = self.text(&format!("{token}/tokens"));
        let text = format!(
            "directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        );
        self.write(&format!("{token}/softhsm2.conf"), &text)
            .map(drop)
    }

    /// The environment in which SoftHSM finds the tokens of `token` or `root-token`.
    pub fn softhsm(&self, token: &str) -> (String, String) {
        (
            "SOFTHSM2_CONF".to_owned(),
            self.text(&format!("{token}/softhsm2.conf")),
        )
    }

    /// Writes the ceremony file with this demo's addresses.
    pub fn write_ceremony(&self, choices: &Choices) -> Result<PathBuf, String> {
        // RFC 5280 §4.2.1.6 wants a domain name or an address in a certificate; `localhost` alone is neither.
        let address = format!("http://127.0.0.1:{}", choices.ports.ocsp());
        self.write(
            "ceremony.toml",
            &CEREMONY.replace(CEREMONY_ADDRESS, &address),
        )
    }

    /// Takes the root's token away from where the bridge looks for tokens.
    pub fn put_root_away(&self) -> Result<(), String> {
        let from = self.path("token/tokens");
        let entries = fs::read_dir(&from).map_err(said(&from))?;
        for entry in entries.flatten() {
            let object = fs::read(entry.path().join("token.object")).unwrap_or_default();
            if object
                .windows(ROOT_TOKEN.len())
                .any(|window| window == ROOT_TOKEN.as_bytes())
            {
                let to = self.path("root-token/tokens").join(entry.file_name());
                return fs::rename(entry.path(), &to).map_err(said(&to));
            }
        }
        Err("the root's token is not in the token folder".to_owned())
    }

    /// Writes the settings of all programs and the bridge's policy.
    pub fn write_settings(&self, choices: &Choices, stage: Stage) -> Result<PathBuf, String> {
        self.write("bridge-policy.toml", &super::settings::policy(self))?;
        self.write(stage.file(), &super::settings::render(self, choices, stage))
    }

    /// The root's certificate.
    pub fn root_certificate(&self) -> Result<PathBuf, String> {
        #[derive(Deserialize)]
        struct Hierarchy {
            root: Entry,
        }
        #[derive(Deserialize)]
        struct Entry {
            certificate: String,
        }
        let path = self.path("ceremony/hierarchy.json");
        let text = fs::read_to_string(&path).map_err(said(&path))?;
        let hierarchy: Hierarchy =
            serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(self.path("ceremony").join(hierarchy.root.certificate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::ports::Ports;

    fn scratch() -> (tempfile::TempDir, Folder) {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Folder::open(&scratch.path().join("data")).unwrap();
        (scratch, folder)
    }

    fn choices(base: u16, tls: bool) -> Choices {
        Choices {
            ports: Ports::new(base, tls).unwrap(),
            postgres: None,
            tls,
        }
    }

    #[test]
    fn secrets_are_for_their_owner_alone_even_over_an_open_file() {
        let (_scratch, folder) = scratch();
        let path = folder.write("secrets/x", "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        folder.write_secret("secrets/x", "new").unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            SECRET_FILE
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn two_starts_do_not_share_a_folder() {
        let (_scratch, folder) = scratch();
        let held = folder.hold().unwrap();
        assert!(folder.hold().unwrap_err().contains("in use"));
        drop(held);
        folder.hold().unwrap();
    }

    #[test]
    fn a_folder_with_keys_keeps_its_addresses() {
        let (_scratch, folder) = scratch();
        folder.keep_purpose(&choices(9000, false)).unwrap();
        folder.keep_purpose(&choices(9100, false)).unwrap();
        fs::create_dir(folder.path("ceremony")).unwrap();
        folder.write("ceremony/hierarchy.json", "{}").unwrap();
        folder.keep_purpose(&choices(9100, false)).unwrap();
        for other in [choices(9000, false), choices(9100, true)] {
            assert!(
                folder
                    .keep_purpose(&other)
                    .unwrap_err()
                    .contains("--port-base 9100 without --tls")
            );
        }
    }

    #[test]
    fn the_ceremony_file_has_an_arc_that_linters_read_and_our_address() {
        let (_scratch, folder) = scratch();
        let text =
            fs::read_to_string(folder.write_ceremony(&choices(9000, false)).unwrap()).unwrap();
        let file: toml::Table = text.parse().unwrap();
        assert_eq!(file["oid_arc"].as_str(), Some("1.3.6.1.4.1.32473"));
        assert_eq!(
            file["publish_base_url"].as_str(),
            Some("http://127.0.0.1:9002")
        );
    }
}
