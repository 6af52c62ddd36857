//! Configuration: one TOML file with a section per service, overridden by `ROMDUOL__SECTION__KEY`.
//!
//! Unknown keys are refused. Secrets are never values here: they are named by `*_file` keys and read with
//! [`read_secret`]. Defaults are valid for development.

mod overrides;
mod reference;
mod secret;

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use reference::{document_is_current, reference};
pub use secret::read_secret;

/// First part of the variables that override the file.
const PREFIX: &str = "ROMDUOL__";
/// What `print-config` shows instead of a secret.
const MASK: &str = "***";

/// A configuration that cannot be used; the words say where and why, in one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {path}: {reason}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The section does not fit.
    #[error("configuration section [{section}]: {reason}")]
    Section {
        /// Which section.
        section: String,
        /// Why not.
        reason: String,
    },
    /// A secret cannot be read.
    #[error("secret file {path}: {reason}")]
    Secret {
        /// Which file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A value is not permitted.
    #[error("configuration: {0}")]
    Value(String),
}

/// The variables of the process that may override the file.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect()
}

/// Reads `section` from `file` (all defaults when there is none), then the variables of `environment`.
pub fn load<T>(
    file: Option<&Path>,
    section: &str,
    environment: &[(String, String)],
) -> Result<T, ConfigError>
where
    T: Serialize + DeserializeOwned + Default,
{
    let in_section = |reason: String| ConfigError::Section {
        section: section.to_owned(),
        reason,
    };
    let mut table = match file {
        Some(path) => read_section(path, section)?,
        None => toml::Table::new(),
    };
    let defaults = toml::Table::try_from(T::default()).map_err(|e| in_section(e.to_string()))?;
    let prefix = format!("{PREFIX}{}__", section.to_uppercase().replace('-', "_"));
    for (name, value) in environment {
        if let Some(path) = name.strip_prefix(&prefix) {
            let path: Vec<String> = path.split("__").map(str::to_lowercase).collect();
            overrides::apply(&mut table, &defaults, &path, value)
                .map_err(|reason| in_section(format!("{name}: {reason}")))?;
        }
    }
    // A part of an inner table keeps the rest of that table as this service's default has it.
    let mut merged = defaults;
    lay_over(&mut merged, table);
    T::deserialize(merged).map_err(|e| in_section(one_line(&e.to_string())))
}

/// Replaces in `under` what `over` has, table by table; lists are replaced whole.
fn lay_over(under: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => lay_over(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

fn read_section(path: &Path, section: &str) -> Result<toml::Table, ConfigError> {
    let bad = |reason: String| ConfigError::File {
        path: path.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
    let mut file: toml::Table = text
        .parse()
        .map_err(|e: toml::de::Error| bad(one_line(&e.to_string())))?;
    match file.remove(section) {
        None => Ok(toml::Table::new()),
        Some(toml::Value::Table(table)) => Ok(table),
        Some(_) => Err(bad(format!("{section} is not a section"))),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The configuration as TOML, with everything that could be a secret masked.
pub fn print<T: Serialize>(section: &str, config: &T) -> Result<String, ConfigError> {
    let bad = |e: toml::ser::Error| ConfigError::Value(e.to_string());
    let mut value = toml::Value::try_from(config).map_err(bad)?;
    mask("", &mut value);
    let mut file = toml::Table::new();
    file.insert(section.to_owned(), value);
    toml::to_string_pretty(&file).map_err(bad)
}

fn mask(key: &str, value: &mut toml::Value) {
    match value {
        toml::Value::String(text) => {
            let secret = ["password", "secret", "pin", "token_value", "private_key"].contains(&key);
            if secret && !text.is_empty() {
                MASK.clone_into(text);
            } else if let Ok(mut url) = url::Url::parse(text)
                && url.password().is_some()
                && url.set_password(Some(MASK)).is_ok()
            {
                *text = url.to_string();
            }
        }
        toml::Value::Array(items) => items.iter_mut().for_each(|item| mask(key, item)),
        toml::Value::Table(table) => {
            for (key, value) in table.iter_mut() {
                mask(key, value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Example {
        name: String,
        workers: u16,
        url: String,
        proxies: Vec<String>,
        inner: Inner,
        optional: Option<String>,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Inner {
        on: bool,
        places: u16,
        key_file: Option<PathBuf>,
    }

    impl Default for Example {
        fn default() -> Self {
            Self {
                name: "x".into(),
                workers: 2,
                url: "postgres://u:p@h/db".into(),
                proxies: vec![],
                inner: Inner {
                    places: 7,
                    ..Inner::default()
                },
                optional: None,
            }
        }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn defaults_then_file_then_environment() {
        let none: Example = load(None, "ex", &[]).unwrap();
        assert_eq!(none, Example::default());
        let file = file("[ex]\nworkers = 3\nname = 'f'\n[other]\nanything = 1\n");
        let env = env(&[
            ("ROMDUOL__EX__NAME", "123"),
            ("ROMDUOL__EX__INNER__ON", "true"),
            ("ROMDUOL__EX__INNER__KEY_FILE", "/run/key"),
            ("ROMDUOL__EX__PROXIES", "[\"10.0.0.0/8\"]"),
            ("ROMDUOL__EX__OPTIONAL", "words"),
            ("ROMDUOL__OTHER__NAME", "not ours"),
        ]);
        let config: Example = load(Some(file.path()), "ex", &env).unwrap();
        assert_eq!((config.name.as_str(), config.workers), ("123", 3));
        assert!(config.inner.on);
        assert_eq!(
            config.inner.places, 7,
            "the service's default, not the inner type's"
        );
        assert_eq!(config.inner.key_file, Some("/run/key".into()));
        assert_eq!(config.proxies, ["10.0.0.0/8"]);
        assert_eq!(config.optional.as_deref(), Some("words"));
    }

    #[test]
    fn unknown_keys_and_wrong_types_are_refused_in_one_line() {
        for (text, pairs) in [
            ("[ex]\nworker = 3", &[][..]),
            ("[ex.inner]\noff = true", &[][..]),
            ("[ex]\nworkers = 'many'", &[][..]),
            ("", &[("ROMDUOL__EX__WORKRES", "1")][..]),
            ("", &[("ROMDUOL__EX__WORKERS", "70000")][..]),
            ("", &[("ROMDUOL__EX__NAME__DEEPER", "1")][..]),
            ("ex = 1", &[][..]),
            ("[ex", &[][..]),
        ] {
            let file = file(text);
            let error = load::<Example>(Some(file.path()), "ex", &env(pairs)).unwrap_err();
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }

    #[test]
    fn printing_masks_passwords() {
        let text = print("ex", &Example::default()).unwrap();
        assert!(text.contains("postgres://u:***@h/db"), "{text}");
    }
}
