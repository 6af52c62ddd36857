//! Where one revision of a file ends and the next begins (ISO 32000-2 §7.5.6).

/// Whether the first `end` bytes are a whole revision: they end with `%%EOF` and at most one end of line.
pub(super) fn ends_at(pdf: &[u8], end: usize) -> bool {
    let head = pdf.get(..end).unwrap_or_default();
    [&b"%%EOF"[..], b"%%EOF\n", b"%%EOF\r", b"%%EOF\r\n"]
        .iter()
        .any(|tail| head.ends_with(tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_revision_ends() {
        assert!(ends_at(b"x%%EOF\n", 7));
        assert!(ends_at(b"x%%EOF\r\ny", 8));
        assert!(!ends_at(b"x%%EOF\n\n", 8));
        assert!(!ends_at(b"x%%EO", 5));
        assert!(!ends_at(b"x%%EOF", 90));
    }
}
