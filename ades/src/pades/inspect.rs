//! The signatures of a file, and what each of them covers. Everything here is structure; whether a signature
//! holds is [`Signature::verify`]'s answer.

use core::ops::Range;

use lopdf::{Dictionary, Object};

use super::document::Document;
use super::{MAX_SIGNATURES, PadesError, changes, field, revision, text};

/// How much of the file a signature speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// All of it, but for the signature itself.
    WholeFile,
    /// An earlier revision; later ones only added signatures or validation data.
    Revision,
    /// An earlier revision, and something was changed after it; says what.
    ChangedSince(&'static str),
}

/// One signature of a file.
#[derive(Clone, Debug)]
pub struct Signature {
    /// Name of the form field.
    pub field: String,
    /// `/SubFilter`.
    pub sub_filter: String,
    /// `/Name`, claimed.
    pub signer_name: Option<String>,
    /// `/Reason`.
    pub reason: Option<String>,
    /// `/Location`.
    pub location: Option<String>,
    /// `/M`, claimed, as the file has it.
    pub signed_at: Option<String>,
    /// What it covers.
    pub coverage: Coverage,
    /// The CMS or time-stamp token, without padding.
    pub contents: Vec<u8>,
    pub(super) gap: Range<usize>,
    pub(super) end: usize,
}

/// Lists the signatures in the order of the revisions they close. A signature whose ByteRange leaves out more
/// than its own value, or is not there, makes the whole file unacceptable.
pub fn signatures(pdf: &[u8]) -> Result<Vec<Signature>, PadesError> {
    let document = Document::open(pdf)?;
    let signed = field::fields(&document)?
        .into_iter()
        .filter(|f| f.is_signature);
    let mut found = Vec::new();
    for field in signed {
        let Some(value) = field.value else { continue };
        if found.len() >= MAX_SIGNATURES {
            return Err(PadesError::TooLarge("number of signatures"));
        }
        let value = value
            .as_dict()
            .map_err(|_| PadesError::Signature("not a dictionary"))?;
        found.push(read(pdf, &document, field.name, value)?);
    }
    found.sort_by_key(|signature| signature.end);
    // Two fields with one value would show one signature twice.
    let ends = found.iter().map(|signature| signature.end);
    if ends
        .clone()
        .zip(ends.skip(1))
        .any(|(one, next)| one == next)
    {
        return Err(PadesError::Signature("two signatures over one revision"));
    }
    Ok(found)
}

fn read(
    pdf: &[u8],
    document: &Document,
    field: String,
    dictionary: &Dictionary,
) -> Result<Signature, PadesError> {
    let (gap, end) = byte_range(document, dictionary)?;
    if end > pdf.len() {
        return Err(PadesError::Signature("ByteRange ends behind the file"));
    }
    let value = document
        .value(dictionary, b"Contents")
        .and_then(|contents| contents.as_str().ok())
        .ok_or(PadesError::Signature("no Contents"))?;
    check_gap(pdf.get(gap.clone()).unwrap_or_default(), value)?;
    let text = |key: &[u8]| document.value(dictionary, key).and_then(text::read);
    let sub_filter = document
        .value(dictionary, b"SubFilter")
        .and_then(|s| s.as_name().ok());
    Ok(Signature {
        field,
        sub_filter: String::from_utf8_lossy(sub_filter.unwrap_or_default()).into_owned(),
        signer_name: text(b"Name"),
        reason: text(b"Reason"),
        location: text(b"Location"),
        signed_at: text(b"M"),
        coverage: coverage(pdf, document, end)?,
        contents: without_padding(value)?,
        gap,
        end,
    })
}

/// The gap and the end of `/ByteRange`, which must be `[0 a b c]` with one gap between.
fn byte_range(
    document: &Document,
    dictionary: &Dictionary,
) -> Result<(Range<usize>, usize), PadesError> {
    let bad = || PadesError::Signature("ByteRange");
    let range = document.value(dictionary, b"ByteRange").ok_or_else(bad)?;
    let numbers: Vec<usize> = range
        .as_array()
        .map_err(|_| bad())?
        .iter()
        .map(|n| match n {
            Object::Integer(n) => usize::try_from(*n).map_err(|_| bad()),
            _ => Err(bad()),
        })
        .collect::<Result<_, _>>()?;
    let [0, first, second, length] = numbers.as_slice() else {
        return Err(bad());
    };
    let end = second.checked_add(*length).ok_or_else(bad)?;
    if *first == 0 || second <= first || *length == 0 {
        return Err(bad());
    }
    Ok((*first..*second, end))
}

/// What is left out must be the hexadecimal string of the value and nothing else.
fn check_gap(gap: &[u8], value: &[u8]) -> Result<(), PadesError> {
    let inner = gap
        .strip_prefix(b"<")
        .and_then(|rest| rest.strip_suffix(b">"));
    let inner = inner.ok_or(PadesError::Signature(
        "ByteRange leaves out more than the value",
    ))?;
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut decoded = Vec::with_capacity(inner.len() / 2);
    for pair in inner.chunks(2) {
        let [high, low] = pair else {
            return Err(PadesError::Signature("odd number of digits"));
        };
        match (digit(high), digit(low)) {
            (Some(high), Some(low)) => decoded.extend(u8::try_from(high * 16 + low)),
            _ => {
                return Err(PadesError::Signature(
                    "ByteRange leaves out more than the value",
                ));
            }
        }
    }
    if decoded != value {
        return Err(PadesError::Signature("ByteRange leaves out something else"));
    }
    Ok(())
}

fn without_padding(value: &[u8]) -> Result<Vec<u8>, PadesError> {
    use der::Reader as _;
    let bad = |_| PadesError::Signature("value is not DER");
    let mut reader = der::SliceReader::new(value).map_err(bad)?;
    let der = reader.tlv_bytes().map_err(bad)?;
    let padding = value.get(der.len()..).unwrap_or_default();
    if padding.iter().any(|byte| *byte != 0) {
        return Err(PadesError::Signature("data behind the value"));
    }
    Ok(der.to_vec())
}

fn coverage(pdf: &[u8], document: &Document, end: usize) -> Result<Coverage, PadesError> {
    if end == pdf.len() {
        return Ok(Coverage::WholeFile);
    }
    if !revision::ends_at(pdf, end) {
        return Err(PadesError::Signature(
            "ByteRange does not end with a revision",
        ));
    }
    let signed = Document::open(pdf.get(..end).unwrap_or_default())?;
    Ok(match changes::forbidden(&signed, document) {
        None => Coverage::Revision,
        Some(what) => Coverage::ChangedSince(what),
    })
}
