//! What is remembered of a document on its way: sealed with the official's key.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::idp::{Account, SigningDocument};
use store::sealing::SubjectKey;

use crate::account::{self, AccountError};
use crate::app::App;

const TABLE: &str = "signing_documents";
const DETAILS: &str = "details_sealed";
const DOCUMENT: &str = "document_sealed";
/// Longest file name shown and kept, in characters.
const NAME_MAX: usize = 120;

/// Facts of a document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Details {
    pub(super) name: String,
    pub(super) reason: Option<String>,
    pub(super) bytes: usize,
    pub(super) pages: usize,
    /// SHA-256 of the file handed over, hex.
    pub(super) digest: String,
    /// Hash of what is signed, hex, as `ca` gave it.
    pub(super) signed_digest: String,
    /// The challenge for the passkey, base64url.
    pub(super) challenge: String,
    /// SHA-256 of the signed file, hex.
    pub(super) result_digest: Option<String>,
    /// When it was signed.
    pub(super) signed_at: Option<Timestamp>,
}

/// The key of an official's account.
pub(super) async fn key(app: &App, account: &Account) -> Result<SubjectKey, AccountError> {
    account::open_key(app, account).await
}

pub(super) fn seal(
    app: &App,
    key: &SubjectKey,
    id: &str,
    details: &Details,
) -> Result<Vec<u8>, AccountError> {
    Ok(account::seal(
        app,
        key,
        TABLE,
        DETAILS,
        id,
        &serde_json::to_vec(details)?,
    )?)
}

pub(super) fn open(key: &SubjectKey, row: &SigningDocument) -> Result<Details, AccountError> {
    let plain = account::open(key, TABLE, DETAILS, &row.id, &row.details_sealed)?;
    Ok(serde_json::from_slice(&plain)?)
}

pub(super) fn seal_document(
    app: &App,
    key: &SubjectKey,
    id: &str,
    pdf: &[u8],
) -> Result<Vec<u8>, AccountError> {
    Ok(account::seal(app, key, TABLE, DOCUMENT, id, pdf)?)
}

pub(super) fn open_document(
    key: &SubjectKey,
    id: &str,
    sealed: &[u8],
) -> Result<Vec<u8>, AccountError> {
    Ok(account::open(key, TABLE, DOCUMENT, id, sealed)?.to_vec())
}

/// The last part of a name that a browser sent, without anything that a header, a page or a file system minds.
pub(super) fn clean_name(sent: &str) -> String {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last
        .chars()
        .filter(|c| !c.is_control() && !"\"<>:|?*".contains(*c) && !is_direction(*c))
        .take(NAME_MAX)
        .collect();
    let name = name.trim().trim_start_matches('.').to_owned();
    if name.is_empty() {
        "document.pdf".to_owned()
    } else {
        name
    }
}

/// Marks that turn the reading direction, with which a name can lie about its end (UAX #9).
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Bytes as lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
            // Writing into a String cannot fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_what_could_hurt() {
        assert_eq!(clean_name("C:\\files\\..\\លិខិត ១.pdf"), "លិខិត ១.pdf");
        assert_eq!(clean_name("../../etc/passwd"), "passwd");
        assert_eq!(clean_name("a\u{202e}fdp.exe\r\n\"x"), "afdp.exex");
        assert_eq!(clean_name("..."), "document.pdf");
    }
}
