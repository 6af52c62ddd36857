//! PDFs: whole, readable, few pages, nothing that acts or hides another file. Kept as they came.
//!
//! The reader rebuilds what it can of a file that was cut short; evidence is what was sent, so it is not taken then.

use lopdf::{Dictionary, Document, LoadOptions, Object, ObjectId};

use super::{Clean, MAX_PAGES, UploadError};

/// What the streams of a file may grow to when unpacked.
const MAX_UNPACKED: usize = 64 * 1024 * 1024;
/// The last bytes of a file, in which its end must be marked.
const END_BYTES: usize = 1024;
/// Deepest nesting of objects looked into; deeper is refused.
const MAX_DEPTH: usize = 64;

/// Keys of dictionaries that carry a script, an action or a file (ISO 32000-2 §7.11.4, §12.6, §12.7.8).
const FORBIDDEN_KEYS: [&[u8]; 8] = [
    b"JS",
    b"JavaScript",
    b"AA",
    b"EmbeddedFiles",
    b"EF",
    b"XFA",
    b"RichMediaContent",
    b"Encrypt",
];

/// Types of actions and annotations that do more than show a page.
const FORBIDDEN_NAMES: [&[u8]; 10] = [
    b"JavaScript",
    b"Launch",
    b"SubmitForm",
    b"ImportData",
    b"GoToR",
    b"GoToE",
    b"EmbeddedFile",
    b"FileAttachment",
    b"RichMedia",
    b"Movie",
];

pub(super) fn check(bytes: &[u8]) -> Result<Clean, UploadError> {
    if !has_end(bytes) {
        return Err(UploadError::Damaged);
    }
    let options = LoadOptions::with_max_decompressed_size(MAX_UNPACKED);
    let document = match Document::load_mem_with_options(bytes, options) {
        Ok(document) => document,
        Err(lopdf::Error::Decryption(_) | lopdf::Error::InvalidPassword) => {
            return Err(UploadError::Encrypted);
        }
        Err(_) => return Err(UploadError::Damaged),
    };
    if document.is_encrypted() || document.trailer.has(b"Encrypt") {
        return Err(UploadError::Encrypted);
    }
    if is_active_dictionary(&document.trailer, 0)
        || document.objects.values().any(|object| is_active(object, 0))
    {
        return Err(UploadError::Active);
    }
    let found = document.get_pages();
    let pages = found.len();
    if pages == 0 || pages > MAX_PAGES {
        return Err(UploadError::Pages);
    }
    // A blank page has no content; a paper of blank pages shows nothing.
    let is_blank = |page: &ObjectId| document.get_page_contents(*page).is_empty();
    if !found.values().all(|page| is_whole(&document, *page)) || found.values().all(is_blank) {
        return Err(UploadError::Damaged);
    }
    Ok(Clean {
        media_type: "application/pdf",
        bytes: bytes.to_vec(),
        pixels: None,
        pages: Some(pages),
    })
}

/// Whether the file ends as ISO 32000-2 §7.5.5 says.
fn has_end(bytes: &[u8]) -> bool {
    let end = bytes
        .get(bytes.len().saturating_sub(END_BYTES)..)
        .unwrap_or_default();
    let after = |mark: &[u8]| {
        let at = end.windows(mark.len()).rposition(|window| window == mark);
        at.map(|at| at + mark.len())
    };
    matches!((after(b"startxref"), after(b"%%EOF")), (Some(table), Some(end)) if table < end)
}

/// Whether a page is there, with every stream that it shows.
fn is_whole(document: &Document, page: ObjectId) -> bool {
    let is_page = document
        .get_dictionary(page)
        .is_ok_and(|page| page.has_type(b"Page"));
    is_page
        && document.get_page_contents(page).into_iter().all(|id| {
            document
                .get_object(id)
                .is_ok_and(|content| content.as_stream().is_ok())
        })
}

fn is_active(object: &Object, depth: usize) -> bool {
    if depth > MAX_DEPTH {
        return true;
    }
    match object {
        Object::Array(items) => items.iter().any(|item| is_active(item, depth + 1)),
        Object::Dictionary(dictionary) => is_active_dictionary(dictionary, depth),
        Object::Stream(stream) => is_active_dictionary(&stream.dict, depth),
        _ => false,
    }
}

fn is_active_dictionary(dictionary: &Dictionary, depth: usize) -> bool {
    dictionary.iter().any(|(key, value)| {
        let named = [b"S".as_slice(), b"Subtype", b"Type"].contains(&key.as_slice())
            && value
                .as_name()
                .is_ok_and(|name| FORBIDDEN_NAMES.contains(&name));
        named || FORBIDDEN_KEYS.contains(&key.as_slice()) || is_active(value, depth + 1)
    })
}
