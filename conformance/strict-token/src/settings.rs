//! The settings file: which module is wrapped, by which profile, with which seed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::knobs::Knobs;

/// Which vendor the token plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// The wrapped module as it is, with counters and faults.
    #[default]
    Plain,
    /// A network appliance: latency, no combined mechanisms, one purpose per key.
    LunaLike,
    /// A security world: one purpose per key, read-only attributes refused, new objects of others unseen.
    NshieldLike,
    /// A small USB token: few sessions, a link that dies, one call at once.
    YubihsmLike,
    /// A cloud cluster: no read-only sessions, throttling by `CKR_DEVICE_ERROR`, its own GCM nonces.
    CloudhsmLike,
    /// A strict software token: PINs lock, stale handles have a name of their own.
    KryopticLike,
    /// A PIV token: `CKA_EXTRACTABLE` and `CKA_MODIFIABLE` are refused.
    YkcsLike,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 7] = [
        Self::Plain,
        Self::LunaLike,
        Self::NshieldLike,
        Self::YubihsmLike,
        Self::CloudhsmLike,
        Self::KryopticLike,
        Self::YkcsLike,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::Plain => include_str!("../profiles/plain.toml"),
            Self::LunaLike => include_str!("../profiles/luna-like.toml"),
            Self::NshieldLike => include_str!("../profiles/nshield-like.toml"),
            Self::YubihsmLike => include_str!("../profiles/yubihsm-like.toml"),
            Self::CloudhsmLike => include_str!("../profiles/cloudhsm-like.toml"),
            Self::KryopticLike => include_str!("../profiles/kryoptic-like.toml"),
            Self::YkcsLike => include_str!("../profiles/ykcs-like.toml"),
        }
    }
}

/// What the file that [`crate::CONFIG_VARIABLE`] names says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Path of the wrapped module.
    pub module: PathBuf,
    /// Path of the control file; it is made when absent. Without one, nobody can reach the token, and its PIN lock dies with it.
    pub control: Option<PathBuf>,
    /// Seed of storms, slot ids and spoilt bits.
    #[serde(default)]
    pub seed: u64,
    /// Which vendor to play.
    #[serde(default)]
    pub profile: Profile,
    /// Knobs that differ from the profile, by the names in `profiles/*.toml`.
    #[serde(default)]
    pub knobs: toml::Table,
}

impl Settings {
    /// The wrapped module as it is, under control of this file.
    pub fn new(module: impl Into<PathBuf>, control: impl Into<PathBuf>) -> Self {
        Self {
            module: module.into(),
            control: Some(control.into()),
            seed: 1,
            profile: Profile::Plain,
            knobs: toml::Table::new(),
        }
    }

    /// Writes the settings where the module will read them.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        self.resolve()?;
        let text = toml::to_string(self).map_err(|e| e.to_string())?;
        std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Reads settings.
    pub fn read(path: &Path) -> Result<Self, String> {
        let in_words = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| in_words(&e))?;
        toml::from_str(&text).map_err(|e| in_words(&e))
    }

    /// The profile's knobs, with those of the file laid over them.
    pub(crate) fn resolve(&self) -> Result<Knobs, String> {
        let mut table: toml::Table =
            toml::from_str(self.profile.text()).map_err(|e| format!("{:?}: {e}", self.profile))?;
        table.extend(self.knobs.clone());
        table.try_into().map_err(|e| format!("knobs: {e}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_made_of_known_knobs() {
        for profile in Profile::ALL {
            let settings = Settings {
                profile,
                ..Settings::new("m.so", "control")
            };
            settings.resolve().unwrap();
        }
    }

    #[test]
    fn a_file_says_what_was_written_and_unknown_knobs_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("strict.toml");
        let mut settings = Settings::new("/m.so", "/control");
        settings.profile = Profile::YubihsmLike;
        settings.knobs = toml::from_str("max_sessions = 3").unwrap();
        settings.write(&file).unwrap();
        let read = Settings::read(&file).unwrap();
        assert_eq!(read, settings);
        let knobs = read.resolve().unwrap();
        assert_eq!((knobs.max_sessions, knobs.capacity), (Some(3), Some(1)));
        settings.knobs = toml::from_str("max_session = 3").unwrap();
        assert!(settings.write(&file).unwrap_err().contains("max_session"));
        settings.knobs = toml::from_str("death_code = 'NO_SUCH'").unwrap();
        assert!(settings.write(&file).unwrap_err().contains("NO_SUCH"));
    }
}
