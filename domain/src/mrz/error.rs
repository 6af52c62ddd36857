//! What is wrong with a zone, and where.

use std::{fmt, ops::Range};

/// Kinds of error; [`MrzErrorKind::code`] is the stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MrzErrorKind {
    /// Number of lines or characters.
    Length,
    /// A character that a zone does not have, lower case and spaces included.
    Character,
    /// The first characters do not name an identity card or passport.
    DocumentCode,
    /// Issuing state.
    Issuer,
    /// Check digit of the document number.
    DocumentNumberCheckDigit,
    /// Check digit of the birth date.
    BirthDateCheckDigit,
    /// Check digit of the expiry date.
    ExpiryDateCheckDigit,
    /// Check digit of the optional data.
    OptionalDataCheckDigit,
    /// Check digit over all fields.
    CompositeCheckDigit,
    /// No such birth date.
    BirthDate,
    /// No such expiry date.
    ExpiryDate,
    /// Neither F, M nor a filler.
    Sex,
    /// Nationality.
    Nationality,
    /// The names field is empty or holds digits.
    Name,
    /// The document number is empty.
    DocumentNumber,
}

impl MrzErrorKind {
    /// Stable name in snake case.
    pub fn code(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Character => "character",
            Self::DocumentCode => "document_code",
            Self::Issuer => "issuer",
            Self::DocumentNumberCheckDigit => "document_number_check_digit",
            Self::BirthDateCheckDigit => "birth_date_check_digit",
            Self::ExpiryDateCheckDigit => "expiry_date_check_digit",
            Self::OptionalDataCheckDigit => "optional_data_check_digit",
            Self::CompositeCheckDigit => "composite_check_digit",
            Self::BirthDate => "birth_date",
            Self::ExpiryDate => "expiry_date",
            Self::Sex => "sex",
            Self::Nationality => "nationality",
            Self::Name => "name",
            Self::DocumentNumber => "document_number",
        }
    }
}

/// An error with its place; it never repeats what was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MrzError {
    /// What is wrong.
    pub kind: MrzErrorKind,
    /// Line, counted from one.
    pub line: Option<usize>,
    /// First and last column, counted from one.
    pub columns: Option<(usize, usize)>,
    /// The character that probably belongs at the first column.
    pub repair: Option<char>,
}

impl MrzError {
    pub(super) fn of(kind: MrzErrorKind) -> Self {
        Self {
            kind,
            line: None,
            columns: None,
            repair: None,
        }
    }

    /// `line` and `columns` count from zero, end excluded.
    pub(super) fn at(kind: MrzErrorKind, line: usize, columns: Range<usize>) -> Self {
        Self {
            line: Some(line + 1),
            columns: Some((columns.start + 1, columns.end)),
            ..Self::of(kind)
        }
    }
}

impl fmt::Display for MrzError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.code())?;
        if let Some(line) = self.line {
            write!(f, " in line {line}")?;
        }
        if let Some((first, last)) = self.columns {
            write!(f, ", columns {first} to {last}")?;
        }
        Ok(())
    }
}

impl std::error::Error for MrzError {}
