//! Sealed personal data.

/// A value that could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealingError {
    /// The sealed bytes are damaged, belong elsewhere, or the key is another subject's.
    #[error("sealed value does not open")]
    Refused,
}
