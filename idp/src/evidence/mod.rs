//! Pictures and papers that people hand in: checked, cleaned, sealed, kept as files named by their digest.
//!
//! What leaves [`inspect`] is either a JPEG that we encoded ourselves, so nothing the sender hid in it survives, or a PDF
//! without scripts, forms or attachments.

mod files;
mod pdf;
mod picture;

pub use files::{EvidenceFiles, FileError};

/// Largest file taken.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Most pixels of a picture.
pub const MAX_PIXELS: u64 = 40_000_000;
/// Most pages of a PDF.
pub const MAX_PAGES: usize = 10;

/// A file that may be kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Clean {
    /// `image/jpeg` or `application/pdf`.
    pub media_type: &'static str,
    /// The content.
    pub bytes: Vec<u8>,
    /// Width and height, of pictures.
    pub pixels: Option<(u32, u32)>,
    /// Pages, of PDFs.
    pub pages: Option<usize>,
}

impl std::fmt::Debug for Clean {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clean")
            .field("media_type", &self.media_type)
            .field("bytes", &self.bytes.len())
            .field("pixels", &self.pixels)
            .field("pages", &self.pages)
            .finish()
    }
}

/// Why a file was refused; each has a sentence for the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// No file, or an empty one.
    #[error("no file")]
    Empty,
    /// More than [`MAX_BYTES`].
    #[error("file too large")]
    TooLarge,
    /// Neither JPEG, PNG nor PDF.
    #[error("kind of file not accepted")]
    Kind,
    /// The content is of another kind than the sender's program said.
    #[error("content differs from the declared kind")]
    Mismatch,
    /// Cannot be decoded.
    #[error("file is damaged")]
    Damaged,
    /// More than [`MAX_PIXELS`].
    #[error("too many pixels")]
    TooManyPixels,
    /// Too small to read anything on it.
    #[error("too few pixels")]
    TooFewPixels,
    /// A PDF where a photo is needed.
    #[error("a photo is needed")]
    PhotoNeeded,
    /// More than [`MAX_PAGES`], or none.
    #[error("number of pages")]
    Pages,
    /// A PDF that needs a password.
    #[error("file is encrypted")]
    Encrypted,
    /// A PDF with a script, a form action or an attached file.
    #[error("active content")]
    Active,
}

impl UploadError {
    /// Text key of the sentence for the sender, in `apply.ftl`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Empty => "upload-empty",
            Self::TooLarge => "upload-too-large",
            Self::Kind => "upload-kind",
            Self::Mismatch => "upload-mismatch",
            Self::Damaged => "upload-damaged",
            Self::TooManyPixels => "upload-too-many-pixels",
            Self::TooFewPixels => "upload-too-few-pixels",
            Self::PhotoNeeded => "upload-photo-needed",
            Self::Pages => "upload-pages",
            Self::Encrypted => "upload-encrypted",
            Self::Active => "upload-active",
        }
    }
}

/// Checks and cleans a file: by its first bytes and the declared type and by decoding it. Blocks; memory and time are
/// bounded by the limits above.
pub fn inspect(
    bytes: &[u8],
    declared: Option<&str>,
    accepts_pdf: bool,
) -> Result<Clean, UploadError> {
    if bytes.is_empty() {
        return Err(UploadError::Empty);
    }
    if bytes.len() > MAX_BYTES {
        return Err(UploadError::TooLarge);
    }
    let found = infer::get(bytes).map(|kind| kind.mime_type());
    let format = match found {
        Some("image/jpeg") => Some(image::ImageFormat::Jpeg),
        Some("image/png") => Some(image::ImageFormat::Png),
        Some("application/pdf") => None,
        _ => return Err(UploadError::Kind),
    };
    // Old phones say image/jpg; programs that do not know say octet-stream, which claims nothing.
    let claims = match declared {
        Some("image/jpg" | "image/pjpeg") => Some("image/jpeg"),
        Some("application/octet-stream") | None => found,
        other => other,
    };
    if claims != found {
        return Err(UploadError::Mismatch);
    }
    match format {
        Some(format) => picture::clean(bytes, format),
        None if accepts_pdf => pdf::check(bytes),
        None => Err(UploadError::PhotoNeeded),
    }
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;

    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests;
