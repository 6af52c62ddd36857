//! An incremental update (ISO 32000-2 §7.5.6): new and changed objects behind the old file, a cross-reference
//! section of the same kind as the last one, and a trailer that loses nothing.

use core::fmt::Write as _;

use lopdf::{Dictionary, Object, ObjectId, StringFormat};
use sha2::{Digest, Sha256};

use super::PadesError;
use super::document::{Document, XrefKind};
use super::serialise;

/// Keys of the old trailer that belong to its own section alone.
const SECTION_KEYS: [&[u8]; 11] = [
    b"Prev",
    b"XRefStm",
    b"Size",
    b"ID",
    b"Type",
    b"W",
    b"Index",
    b"Length",
    b"Filter",
    b"DecodeParms",
    b"DL",
];
/// Bytes of the second half of `/ID`.
const ID_BYTES: usize = 16;
/// Bytes of an offset in a cross-reference stream.
const OFFSET_BYTES: usize = 4;

/// An update under construction; the old file is its beginning and is never touched.
pub(super) struct Update {
    bytes: Vec<u8>,
    start: usize,
    entries: Vec<(ObjectId, usize)>,
    next_number: u32,
}

impl Update {
    pub(super) fn new(pdf: &[u8], next_number: u32) -> Self {
        let mut bytes = Vec::with_capacity(pdf.len() + 64 * 1024);
        bytes.extend_from_slice(pdf);
        if !matches!(pdf.last(), Some(b'\n' | b'\r')) {
            bytes.push(b'\n');
        }
        Self {
            start: bytes.len(),
            bytes,
            entries: Vec::new(),
            next_number,
        }
    }

    /// A number for a new object.
    pub(super) fn allocate(&mut self) -> Result<ObjectId, PadesError> {
        let id = (self.next_number, 0);
        self.next_number = self
            .next_number
            .checked_add(1)
            .ok_or(PadesError::Malformed("object numbers"))?;
        Ok(id)
    }

    /// Writes one object whole.
    pub(super) fn put(&mut self, id: ObjectId, object: &Object) {
        let mut body = Vec::new();
        serialise::write(&mut body, object);
        self.put_bytes(id, &body);
    }

    /// Writes one object from its bytes and says where they start in the file.
    pub(super) fn put_bytes(&mut self, id: ObjectId, body: &[u8]) -> usize {
        self.entries.push((id, self.bytes.len()));
        self.bytes
            .extend_from_slice(format!("{} {} obj\n", id.0, id.1).as_bytes());
        let start = self.bytes.len();
        self.bytes.extend_from_slice(body);
        self.bytes.extend_from_slice(b"\nendobj\n");
        start
    }

    /// Adds cross-references and trailer, and gives the file.
    pub(super) fn finish(mut self, document: &Document) -> Result<Vec<u8>, PadesError> {
        let mut trailer = self.trailer(document)?;
        let offset = self.bytes.len();
        match document.xref_kind {
            XrefKind::Table => {
                trailer.set("Size", i64::from(self.next_number));
                self.write_table();
                self.bytes.extend_from_slice(b"trailer\n");
                serialise::write_dictionary(&mut self.bytes, &trailer);
            }
            XrefKind::Stream => self.write_stream(trailer)?,
        }
        self.bytes
            .extend_from_slice(format!("\nstartxref\n{offset}\n%%EOF\n").as_bytes());
        Ok(self.bytes)
    }

    fn trailer(&self, document: &Document) -> Result<Dictionary, PadesError> {
        let mut trailer = Dictionary::new();
        for (key, value) in document.trailer() {
            if !SECTION_KEYS.contains(&key.as_slice()) {
                trailer.set(key.clone(), value.clone());
            }
        }
        let previous =
            i64::try_from(document.xref_start).map_err(|_| PadesError::TooLarge("file"))?;
        trailer.set("Prev", previous);
        trailer.set("ID", self.file_identifier(document));
        Ok(trailer)
    }

    /// First half kept, second half changed (ISO 32000-2 §14.4); derived from the update, so that preparing the
    /// same signature twice gives the same file.
    fn file_identifier(&self, document: &Document) -> Object {
        let old = document
            .value(document.trailer(), b"ID")
            .and_then(|id| id.as_array().ok())
            .and_then(|id| id.first())
            .and_then(|first| document.resolve(first).1.as_str().ok());
        let mut hasher = Sha256::new();
        hasher.update(old.unwrap_or_default());
        hasher.update(self.bytes.get(self.start..).unwrap_or_default());
        let new = hasher.finalize();
        let new = new.get(..ID_BYTES).unwrap_or_default().to_vec();
        let first = old.map_or_else(|| new.clone(), <[u8]>::to_vec);
        let string = |bytes| Object::String(bytes, StringFormat::Hexadecimal);
        Object::Array(vec![string(first), string(new)])
    }

    /// Entries in ascending order, grouped into runs of consecutive numbers.
    fn sections(&mut self) -> Vec<Vec<(ObjectId, usize)>> {
        self.entries.sort_unstable();
        let mut sections: Vec<Vec<(ObjectId, usize)>> = Vec::new();
        for entry in &self.entries {
            match sections.last_mut() {
                Some(run) if run.last().is_some_and(|l| l.0.0 + 1 == entry.0.0) => run.push(*entry),
                _ => sections.push(vec![*entry]),
            }
        }
        sections
    }

    fn write_table(&mut self) {
        // Writing into a String cannot fail.
        let mut table = String::from("xref\n");
        for section in self.sections() {
            let first = section.first().map_or(0, |e| e.0.0);
            let _ = writeln!(table, "{first} {}", section.len());
            for ((_, generation), offset) in section {
                let _ = write!(table, "{offset:010} {generation:05} n\r\n");
            }
        }
        self.bytes.extend_from_slice(table.as_bytes());
    }

    fn write_stream(&mut self, mut trailer: Dictionary) -> Result<(), PadesError> {
        let id = self.allocate()?;
        self.entries.push((id, self.bytes.len()));
        let mut index = Vec::new();
        let mut rows = Vec::new();
        for section in self.sections() {
            let first = section.first().map_or(0, |e| e.0.0);
            index.push(Object::Integer(i64::from(first)));
            let count = i64::try_from(section.len()).unwrap_or_default();
            index.push(Object::Integer(count));
            for ((_, generation), offset) in section {
                let offset = u32::try_from(offset).map_err(|_| PadesError::TooLarge("file"))?;
                rows.push(1);
                rows.extend_from_slice(&offset.to_be_bytes());
                rows.extend_from_slice(&generation.to_be_bytes());
            }
        }
        let offset_width = i64::try_from(OFFSET_BYTES).unwrap_or_default();
        trailer.set("Type", Object::Name(b"XRef".to_vec()));
        trailer.set(
            "W",
            Object::Array(vec![1.into(), offset_width.into(), 2.into()]),
        );
        trailer.set("Index", Object::Array(index));
        trailer.set("Size", i64::from(self.next_number));
        trailer.set("Length", i64::try_from(rows.len()).unwrap_or_default());
        self.bytes
            .extend_from_slice(format!("{} 0 obj\n", id.0).as_bytes());
        serialise::write_dictionary(&mut self.bytes, &trailer);
        self.bytes.extend_from_slice(b"\nstream\n");
        self.bytes.extend_from_slice(&rows);
        self.bytes.extend_from_slice(b"\nendstream\nendobj");
        Ok(())
    }
}
