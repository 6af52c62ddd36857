//! The floor plan as a check: which room may use which, and how large its files are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rooms from left to right; a room may use only rooms of a smaller rank. A room inside another is called by its path.
pub const RANKS: [(&str, u8); 13] = [
    ("conformance/strict-token", 0),
    ("hsm-bridge", 0),
    ("hsm-bridge/embedded", 1),
    ("pki", 1),
    ("ades", 2),
    ("domain", 3),
    ("store", 4),
    ("service", 4),
    ("ca", 5),
    ("ocsp", 5),
    ("idp", 5),
    ("conformance", 6),
    ("examples", 6),
];

/// Crates that belong to one room alone.
pub const FENCED: [(&str, &[&str]); 10] = [
    ("cryptoki", &["hsm-bridge"]),
    ("cryptoki-sys", &["conformance/strict-token"]),
    // A token that lies on command: tests may depend on it, programs may not.
    ("strict-token", &["conformance"]),
    // The token that is linked in, and its SQLite: another than that of the services, in a lock file of its own.
    ("kryoptic-lib", &["hsm-bridge/embedded"]),
    ("rusqlite", &["hsm-bridge/embedded"]),
    ("diesel", &["store"]),
    ("diesel_migrations", &["store"]),
    ("rsa", &[]),
    ("openidconnect", &["examples"]),
    ("oauth2", &["examples"]),
];

/// Source lines a file may have, tests cut off.
pub const FILE_CAP: usize = 500;

/// One crate's manifest, as far as the floor plan reads it.
#[derive(Debug, serde::Deserialize)]
struct Manifest {
    #[serde(default)]
    dependencies: BTreeMap<String, toml::Value>,
}

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What `room` depends on at run time.
pub fn dependencies(room: &str) -> Result<Vec<String>, String> {
    let path = root().join(room).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let manifest: Manifest =
        toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(manifest.dependencies.into_keys().collect())
}

/// Every arrow that points upward and every fenced crate outside its room, in words.
pub fn violations() -> Result<Vec<String>, String> {
    let ranks: BTreeMap<&str, u8> = RANKS.into_iter().collect();
    let mut found = Vec::new();
    for (room, rank) in RANKS {
        for dependency in dependencies(room)? {
            if ranks
                .get(dependency.as_str())
                .is_some_and(|other| *other >= rank)
            {
                found.push(format!(
                    "{room} uses {dependency}, which does not stand to its left"
                ));
            }
            let fence = FENCED.iter().find(|(name, _)| *name == dependency);
            if fence.is_some_and(|(_, rooms)| !rooms.contains(&room)) {
                found.push(format!("{room} uses {dependency}, which is fenced in"));
            }
        }
    }
    Ok(found)
}

/// Words that mean a private key outside the token, with the rooms that may say them.
const PRIVATE_KEY_WORDS: [&str; 5] = [
    "PKey<Private>",
    "SigningKey::",
    "EcKey<Private>",
    "sign::Signer::new",
    "private_key_from",
];

/// Places outside `hsm-bridge` that handle a private key in memory, tests cut off.
///
/// Transport keys are the one exception: short-lived, certified by our own CA, in `service/src/tls` alone.
pub fn private_keys_outside() -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for (room, _) in RANKS {
        if matches!(room, "hsm-bridge" | "conformance" | "examples") {
            continue;
        }
        for file in sources(room)? {
            let transport = file
                .components()
                .any(|part| part.as_os_str().to_string_lossy().starts_with("tls"));
            if transport {
                continue;
            }
            let text = without_tests(&file)?;
            for word in PRIVATE_KEY_WORDS {
                if text.contains(word) {
                    found.push(format!("{}: {word}", file.display()));
                }
            }
        }
    }
    Ok(found)
}

/// The source files of a room, tests in files of their own left out.
pub fn sources(room: &str) -> Result<Vec<PathBuf>, String> {
    let mut folders = vec![root().join(room).join("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|e| e.to_string())?.path();
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            let is_test = name == "tests"
                || name == "tests.rs"
                || name.ends_with("_tests.rs")
                || name == "testing.rs";
            if is_test {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn without_tests(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    Ok(text.get(..end).unwrap_or_default().to_owned())
}

/// How long the files of a room are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// Number of files.
    pub files: usize,
    /// Lines in all of them.
    pub lines: usize,
    /// The file in the middle.
    pub median: usize,
    /// Nine in ten are no longer.
    pub ninth_decile: usize,
    /// The longest, with its lines.
    pub longest: (PathBuf, usize),
}

/// Sizes of a room's source files, tests cut off; `None` for a room without files.
pub fn sizes(room: &str) -> Result<Option<Sizes>, String> {
    let mut lines = Vec::new();
    for file in sources(room)? {
        lines.push((without_tests(&file)?.lines().count(), file));
    }
    lines.sort();
    let Some((longest_lines, longest)) = lines.last().cloned() else {
        return Ok(None);
    };
    let at = |share: usize| {
        lines
            .get((lines.len() - 1) * share / 10)
            .map_or(0, |(count, _)| *count)
    };
    Ok(Some(Sizes {
        files: lines.len(),
        lines: lines.iter().map(|(count, _)| count).sum(),
        median: at(5),
        ninth_decile: at(9),
        longest: (longest, longest_lines),
    }))
}
