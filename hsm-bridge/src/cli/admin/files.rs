//! The files that orders travel in: `ORDER`, and `ORDER.approvals` beside it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use der::{Decode, pem};
use hsm_bridge::KeyStoreError;
use hsm_bridge::admin::{Approvals, Order};
use spki::SubjectPublicKeyInfoOwned;
use zeroize::Zeroizing;

/// What the file of signatures is called behind the name of its order.
const APPROVALS: &str = ".approvals";
/// No file that is read here is longer.
const MAX_FILE: u64 = 64 * 1024;

pub(super) fn wrong(path: &Path, error: &dyn std::fmt::Display) -> KeyStoreError {
    KeyStoreError::Configuration(format!("{}: {error}", path.display()))
}

/// Reads a short file into memory that is wiped: some of them hold keys.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyStoreError> {
    let work = || {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        if length > MAX_FILE {
            return Err(io::Error::other("is too long"));
        }
        // All its room at once: growing would leave copies behind.
        let room = usize::try_from(length).unwrap_or_default() + 1;
        let mut content = Zeroizing::new(Vec::with_capacity(room));
        file.read_to_end(&mut content)?;
        Ok(content)
    };
    work().map_err(|e| wrong(path, &e))
}

/// Reads an order and its bytes.
pub(super) fn order(path: &Path) -> Result<(Order, Vec<u8>), KeyStoreError> {
    let bytes = read(path)?.to_vec();
    let order = Order::parse(&bytes).map_err(|e| wrong(path, &e))?;
    Ok((order, bytes))
}

fn beside(order: &Path) -> PathBuf {
    let mut name: OsString = order.as_os_str().to_owned();
    name.push(APPROVALS);
    name.into()
}

/// Reads the signatures under an order; none when nobody has signed yet.
pub(super) fn approvals(path: &Path, bytes: &[u8]) -> Result<Approvals, KeyStoreError> {
    let path = beside(path);
    if !path.exists() {
        return Ok(Approvals::of(bytes));
    }
    Approvals::parse(&read(&path)?, bytes).map_err(|e| wrong(&path, &e))
}

/// Writes the signatures beside their order; what was there is replaced as a whole or not at all.
pub(super) fn write_approvals(path: &Path, approvals: &Approvals) -> Result<(), KeyStoreError> {
    let path = beside(path);
    let bytes = approvals.encode().map_err(|e| wrong(&path, &e))?;
    let mut under_way = path.clone().into_os_string();
    under_way.push(".new");
    let under_way = PathBuf::from(under_way);
    let work = || {
        let mut file = File::create(&under_way)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&under_way, &path)
    };
    work().map_err(|e| wrong(&path, &e))
}

/// Writes a new file; one that is there is left alone.
pub(super) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeyStoreError> {
    let work = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    work().map_err(|e| wrong(path, &e))
}

/// Reads a public key in PEM (RFC 7468 §13).
pub(super) fn public_key(path: &Path) -> Result<SubjectPublicKeyInfoOwned, KeyStoreError> {
    let text = read(path)?;
    let (label, der) = pem::decode_vec(&text).map_err(|e| wrong(path, &e))?;
    if label != "PUBLIC KEY" {
        return Err(wrong(path, &"not a PUBLIC KEY in PEM"));
    }
    SubjectPublicKeyInfoOwned::from_der(&der).map_err(|e| wrong(path, &e))
}
