//! The files of certificates and keys: how they are read, and how it is seen that they were renewed.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use openssl::pkey::{PKey, Private};
use openssl::x509::X509Crl;
use zeroize::Zeroizing;

use super::wrong;
use crate::KeyStoreError;
use crate::daemon::open_own;

/// No honest certificate file or key file is longer; lists of revoked certificates may be.
const MAX_FILE: u64 = 64 << 20;

/// How a list in PEM begins (RFC 7468 §6).
const BEGIN_LIST: &str = "-----BEGIN X509 CRL-----";

/// What files looked like when they were read. Files that are replaced (renamed onto their name), as renewals do, never look the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp(Vec<Option<(u64, u64, i64, i64)>>);

impl Stamp {
    /// Looks at the files, without reading them.
    pub(crate) fn of<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Self {
        let look = |path: &Path| {
            let found = fs::metadata(path).ok()?;
            Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
        };
        Self(paths.into_iter().map(look).collect())
    }
}

/// Reads a file that anybody may see.
pub(crate) fn read_pem(path: &Path) -> Result<Vec<u8>, KeyStoreError> {
    let mut content = Vec::new();
    let file = fs::File::open(path).map_err(|e| wrong(path, &e))?;
    file.take(MAX_FILE)
        .read_to_end(&mut content)
        .map_err(|e| wrong(path, &e))?;
    Ok(content)
}

/// Reads revocation lists: any number in PEM, or one in DER; there must be one at least.
pub(crate) fn lists(path: &Path) -> Result<Vec<X509Crl>, KeyStoreError> {
    let content = read_pem(path)?;
    if let Ok(list) = X509Crl::from_der(&content) {
        return Ok(vec![list]);
    }
    let text = String::from_utf8_lossy(&content);
    let each = text.match_indices(BEGIN_LIST).map(|(from, _)| {
        X509Crl::from_pem(text.get(from..).unwrap_or_default().as_bytes())
            .map_err(|e| wrong(path, &e))
    });
    let found: Vec<X509Crl> = each.collect::<Result<_, _>>()?;
    if found.is_empty() {
        return Err(wrong(path, &"holds no revocation list"));
    }
    Ok(found)
}

/// Reads a private key in PEM from a file that only its owner may read. One under a password is refused, since nobody is there to type it.
pub(crate) fn read_key(path: &Path) -> Result<PKey<Private>, KeyStoreError> {
    let file = open_own("key file", path)?;
    let mut content = Zeroizing::new(Vec::new());
    file.take(MAX_FILE)
        .read_to_end(&mut content)
        .map_err(|e| wrong(path, &e))?;
    PKey::private_key_from_pem_callback(&content, |_| Ok(0))
        .map_err(|_| wrong(path, &"holds no private key in PEM without a password"))
}
