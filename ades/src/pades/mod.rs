//! PAdES baseline signatures (ETSI EN 319 142-1) with a key that is elsewhere.
//!
//! [`prepare`] appends an incremental update with an empty signature and says what the key must sign;
//! [`Prepared::finish`] puts the signature in. Nothing that was in the file before is rewritten, so earlier
//! signatures keep their meaning. [`signatures`] reads them back: what each covers, and whether it holds.

mod changes;
mod document;
mod field;
mod finish;
mod inspect;
mod prepare;
mod revision;
mod serialise;
mod text;
mod update;
mod verify;

pub use finish::Prepared;
pub use inspect::{Coverage, Signature, signatures};
pub use prepare::{Level, SignOptions, prepare};
pub use verify::{SignatureTimeStamp, Verified};

/// Largest PDF taken, in bytes.
pub const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;
/// Most objects in one PDF.
pub const MAX_OBJECTS: usize = 500_000;
/// Most pages in one PDF.
pub const MAX_PAGES: usize = 20_000;
/// Most form fields looked at.
pub const MAX_FIELDS: usize = 20_000;
/// Deepest field tree followed.
pub const MAX_FIELD_DEPTH: usize = 16;
/// Most signatures in one PDF.
pub const MAX_SIGNATURES: usize = 50;
/// Bytes kept free for a time-stamp token where the caller does not know its authority's size.
pub const TIME_STAMP_BYTES: usize = 8 * 1024;
/// Longest text (name, reason, location) written into a signature, in characters.
pub const MAX_TEXT_CHARS: usize = 500;

/// Why a PDF was refused, could not be signed, or does not verify.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PadesError {
    /// Larger than a limit of this module; names the part.
    #[error("{0} exceeds the limit")]
    TooLarge(&'static str),
    /// Not a PDF, or damaged so that signing would have to guess.
    #[error("not an acceptable PDF: {0}")]
    Malformed(&'static str),
    /// Encrypted files are not signed.
    #[error("the PDF is encrypted")]
    Encrypted,
    /// An earlier certification signature forbids any change (ISO 32000-2 §12.8.2.2).
    #[error("an earlier signature forbids changes")]
    ChangesForbidden,
    /// The signature field exists and is signed, or is not a signature field.
    #[error("field {0:?} cannot be signed")]
    Field(String),
    /// A text is too long or a name has a character it must not have.
    #[error("{0} is not acceptable")]
    Text(&'static str),
    /// The space for the signature is too small; nothing was signed.
    #[error("signature needs {needed} bytes, {available} are there")]
    ContentsTooSmall {
        /// Bytes the CMS may take.
        needed: usize,
        /// Bytes reserved.
        available: usize,
    },
    /// Level B-T was promised, and no time-stamp was given.
    #[error("a time-stamp is required for this level")]
    TimeStampMissing,
    /// The time-stamp is not over this signature.
    #[error("the time-stamp does not belong to this signature")]
    TimeStampMismatch,
    /// What was stored is not a prepared signature.
    #[error("not a prepared signature")]
    NotPrepared,
    /// The signature dictionary or its ByteRange is not what EN 319 142-1 §5.3 describes.
    #[error("signature is malformed: {0}")]
    Signature(&'static str),
    /// The file is not the one that was signed; says how that shows.
    #[error("the file was changed after it was signed: {0}")]
    Changed(&'static str),
    /// The CMS part does not hold.
    #[error(transparent)]
    Cms(#[from] pki::cms::CmsError),
    /// The signature time-stamp does not hold.
    #[error("time-stamp: {0}")]
    TimeStamp(#[from] pki::tsp::TspError),
}
