//! A PDF opened for reading: bounded, unencrypted, undamaged. Signing a file that has to be repaired first would
//! sign a guess, so files with broken cross-references are refused.

use lopdf::{Dictionary, LoadOptions, Object, ObjectId};

use super::{MAX_FILE_BYTES, MAX_OBJECTS, MAX_PAGES, PadesError};

/// Bytes that all object streams of a file together may unpack to.
const OBJECT_STREAM_BUDGET: usize = 256 * 1024 * 1024;
/// Bytes that one object stream may unpack to.
const OBJECT_STREAM_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Deepest chain of references from one value to the next.
const MAX_REFERENCE_DEPTH: usize = 16;

/// How the last section of a file keeps its cross-references; an update must do the same (ISO 32000-2 §7.5.8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum XrefKind {
    /// A table; hybrid files count as such.
    Table,
    /// A stream.
    Stream,
}

pub(super) struct Document {
    inner: lopdf::Document,
    pub(super) xref_kind: XrefKind,
    pub(super) xref_start: usize,
}

impl Document {
    pub(super) fn open(pdf: &[u8]) -> Result<Self, PadesError> {
        if pdf.len() > MAX_FILE_BYTES {
            return Err(PadesError::TooLarge("file"));
        }
        // Offsets count from the header; bytes before it would shift every one of them.
        if !pdf.starts_with(b"%PDF-") {
            return Err(PadesError::Malformed("header is not at the start"));
        }
        let options = LoadOptions {
            max_decompressed_size: Some(stream_limit(pdf)),
            ..LoadOptions::default()
        };
        let inner = lopdf::Document::load_mem_with_options(pdf, options)
            .map_err(|_| PadesError::Malformed("structure"))?;
        if inner.is_encrypted() || inner.was_encrypted() || inner.trailer.has(b"Encrypt") {
            return Err(PadesError::Encrypted);
        }
        if inner.xref_recovery.is_some() {
            return Err(PadesError::Malformed("cross-references are damaged"));
        }
        let entries = inner.reference_table.entries.len();
        if inner.objects.len() > MAX_OBJECTS || entries > MAX_OBJECTS {
            return Err(PadesError::TooLarge("number of objects"));
        }
        if inner.page_iter().take(MAX_PAGES + 1).count() > MAX_PAGES {
            return Err(PadesError::TooLarge("number of pages"));
        }
        let xref_start = last_startxref(pdf)?;
        let section = pdf.get(xref_start..).unwrap_or_default();
        let xref_kind = if section.starts_with(b"xref") {
            XrefKind::Table
        } else {
            XrefKind::Stream
        };
        Ok(Self {
            inner,
            xref_kind,
            xref_start,
        })
    }

    pub(super) fn trailer(&self) -> &Dictionary {
        &self.inner.trailer
    }

    /// The number after the highest one in use.
    pub(super) fn next_number(&self) -> Result<u32, PadesError> {
        let size = self
            .inner
            .trailer
            .get(b"Size")
            .and_then(Object::as_i64)
            .unwrap_or(0);
        let size = u32::try_from(size).map_err(|_| PadesError::Malformed("Size"))?;
        let after = |number: u32| number.checked_add(1);
        let highest = self
            .inner
            .reference_table
            .entries
            .keys()
            .next_back()
            .copied();
        after(self.inner.max_id.max(highest.unwrap_or(0)))
            .map(|next| next.max(size))
            .ok_or(PadesError::Malformed("object numbers"))
    }

    pub(super) fn catalog(&self) -> Result<(ObjectId, &Dictionary), PadesError> {
        let id = self
            .inner
            .trailer
            .get(b"Root")
            .and_then(Object::as_reference)
            .map_err(|_| PadesError::Malformed("Root"))?;
        Ok((
            id,
            self.dictionary_at(id)
                .ok_or(PadesError::Malformed("catalog"))?,
        ))
    }

    pub(super) fn first_page(&self) -> Result<(ObjectId, &Dictionary), PadesError> {
        let id = self
            .inner
            .page_iter()
            .next()
            .ok_or(PadesError::Malformed("no page"))?;
        Ok((
            id,
            self.dictionary_at(id)
                .ok_or(PadesError::Malformed("page"))?,
        ))
    }

    pub(super) fn dictionary_at(&self, id: ObjectId) -> Option<&Dictionary> {
        self.inner
            .get_object(id)
            .ok()
            .and_then(|o| o.as_dict().ok())
    }

    /// Follows references to a value; the id is that of the last indirect object, none for a direct value.
    pub(super) fn resolve<'a>(&'a self, mut object: &'a Object) -> (Option<ObjectId>, &'a Object) {
        let mut id = None;
        for _ in 0..MAX_REFERENCE_DEPTH {
            let Object::Reference(target) = object else {
                return (id, object);
            };
            id = Some(*target);
            // A reference to nothing is null (ISO 32000-2 §7.3.10).
            object = self.inner.objects.get(target).unwrap_or(&Object::Null);
        }
        (id, &Object::Null)
    }

    pub(super) fn value<'a>(
        &'a self,
        dictionary: &'a Dictionary,
        key: &[u8],
    ) -> Option<&'a Object> {
        let value = self.resolve(dictionary.get(key).ok()?).1;
        (!value.is_null()).then_some(value)
    }

    pub(super) fn dictionary<'a>(
        &'a self,
        dictionary: &'a Dictionary,
        key: &[u8],
    ) -> Option<&'a Dictionary> {
        self.value(dictionary, key)?.as_dict().ok()
    }

    pub(super) fn objects(&self) -> &std::collections::BTreeMap<ObjectId, Object> {
        &self.inner.objects
    }
}

/// Shares the budget among the object streams that the file can hold. Names may hide letters behind `#xx`, so
/// such spellings count as well.
fn stream_limit(pdf: &[u8]) -> usize {
    let spelled = pdf.windows(6).filter(|w| *w == b"ObjStm").count();
    let hidden = pdf
        .windows(3)
        .filter(|w| w.first() == Some(&b'#'))
        .filter(|w| {
            let code = w.get(1..).unwrap_or_default().to_ascii_lowercase();
            [b"4f", b"62", b"6a", b"53", b"74", b"6d"]
                .iter()
                .any(|c| code == **c)
        })
        .count();
    (OBJECT_STREAM_BUDGET / (spelled + hidden).max(1)).min(OBJECT_STREAM_MAX_BYTES)
}

/// The offset after the last `startxref` (ISO 32000-2 §7.5.5).
fn last_startxref(pdf: &[u8]) -> Result<usize, PadesError> {
    const KEYWORD: &[u8] = b"startxref";
    let bad = PadesError::Malformed("startxref");
    let at = pdf.windows(KEYWORD.len()).rposition(|w| w == KEYWORD);
    let rest = at.and_then(|at| pdf.get(at + KEYWORD.len()..));
    let digits: String = rest
        .unwrap_or_default()
        .iter()
        .skip_while(|b| b.is_ascii_whitespace())
        .take_while(|b| b.is_ascii_digit())
        .map(|b| char::from(*b))
        .collect();
    match digits.parse() {
        Ok(offset) if offset < pdf.len() => Ok(offset),
        _ => Err(bad),
    }
}
