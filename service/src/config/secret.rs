//! Secrets from files that only the service may read.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use secrecy::SecretString;

use super::ConfigError;

/// Longest secret that is read.
const MAX_BYTES: u64 = 64 * 1024;
/// Permission bits of anybody but the owner and, for reading, the group.
const OTHERS: u32 = 0o037;

/// Reads a secret, without the newline at its end. Refused when others than owner and group could read it, or the
/// group could write it.
pub fn read_secret(path: &Path) -> Result<SecretString, ConfigError> {
    let bad = |reason: &str| ConfigError::Secret {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let metadata = std::fs::metadata(path).map_err(|e| bad(&e.to_string()))?;
    if metadata.permissions().mode() & OTHERS != 0 {
        return Err(bad("is open to others; permit its owner alone (chmod 600)"));
    }
    if metadata.len() > MAX_BYTES {
        return Err(bad("is too long for a secret"));
    }
    let text =
        zeroize::Zeroizing::new(std::fs::read_to_string(path).map_err(|e| bad(&e.to_string()))?);
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        return Err(bad("is empty"));
    }
    Ok(SecretString::from(secret))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn only_files_of_the_owner_are_read() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"hunter2\n").unwrap();
        assert_eq!(read_secret(file.path()).unwrap().expose_secret(), "hunter2");
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = read_secret(file.path()).unwrap_err().to_string();
        assert!(
            error.contains("others") && !error.contains("hunter2"),
            "{error}"
        );
    }
}
