//! Writes a zone: for documents the state issues to test citizens, and to check the parser against.

use super::{Format, charset::check_digit, layout::Place};
use crate::{
    name::{NameParts, latin},
    person::{PartialDate, Sex},
};
use jiff::civil::Date;

/// The fields of a zone to write. Text is upper case letters and digits; longer text is cut off at its field's end.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    /// Document code ("ID", "P").
    pub code: &'a str,
    /// Issuing state.
    pub issuer: &'a str,
    /// Document number, at most nine characters.
    pub number: &'a str,
    /// Nationality.
    pub nationality: &'a str,
    /// Birth date.
    pub birth_date: Option<PartialDate>,
    /// Sex.
    pub sex: Sex,
    /// Last day of validity.
    pub expires_on: Option<Date>,
    /// Names.
    pub name: &'a NameParts,
}

/// The lines of the zone, check digits included.
pub fn write(format: Format, draft: &Draft<'_>) -> Vec<String> {
    let layout = format.layout();
    let mut lines = vec![vec![b'<'; format.width()]; format.lines()];
    put(
        &mut lines,
        &Place {
            line: 0,
            columns: 0..2,
        },
        draft.code,
    );
    put(&mut lines, &layout.issuer, draft.issuer);
    put(&mut lines, &layout.nationality, draft.nationality);
    put(
        &mut lines,
        &layout.sex,
        match draft.sex {
            Sex::Female => "F",
            Sex::Male => "M",
            Sex::Unspecified => "<",
        },
    );
    let words = |name: &str| latin::mrz_form(name).replace(' ', "<");
    let names = match draft.name.given.as_str() {
        "" => words(&draft.name.family),
        given => format!("{}<<{}", words(&draft.name.family), words(given)),
    };
    put(&mut lines, &layout.names, &names);
    put_with_digit(&mut lines, &layout.number, draft.number);
    put_with_digit(&mut lines, &layout.birth, &birth(draft.birth_date));
    let expiry = draft.expires_on.map_or_else(
        || "<<<<<<".to_owned(),
        |date| birth(Some(PartialDate::from(date))),
    );
    put_with_digit(&mut lines, &layout.expiry, &expiry);
    let over: Vec<u8> = layout
        .composite_over
        .iter()
        .flat_map(|place| slice(&lines, place).to_vec())
        .collect();
    let digit = char::from(check_digit(&over)).to_string();
    put(&mut lines, &layout.composite, &digit);
    lines
        .into_iter()
        .map(|line| line.into_iter().map(char::from).collect())
        .collect()
}

fn birth(date: Option<PartialDate>) -> String {
    let two = |part: Option<i8>| part.map_or_else(|| "<<".to_owned(), |part| format!("{part:02}"));
    date.map_or_else(
        || "<<<<<<".to_owned(),
        |date| {
            let year = date.year().rem_euclid(100);
            format!("{year:02}{}{}", two(date.month()), two(date.day()))
        },
    )
}

fn slice<'a>(lines: &'a [Vec<u8>], place: &Place) -> &'a [u8] {
    lines
        .get(place.line)
        .and_then(|line| line.get(place.columns.clone()))
        .unwrap_or_default()
}

fn put(lines: &mut [Vec<u8>], place: &Place, text: &str) {
    let cells = lines
        .get_mut(place.line)
        .and_then(|line| line.get_mut(place.columns.clone()));
    for (cell, byte) in cells.into_iter().flatten().zip(text.bytes()) {
        *cell = byte;
    }
}

fn put_with_digit(lines: &mut [Vec<u8>], place: &Place, text: &str) {
    put(lines, place, text);
    let digit = char::from(check_digit(slice(lines, place))).to_string();
    let end = place.columns.end;
    put(
        lines,
        &Place {
            line: place.line,
            columns: end..end + 1,
        },
        &digit,
    );
}
