//! From checked lines to fields.

use jiff::civil::Date;

use super::{
    Format, Mrz, MrzError, MrzErrorKind,
    charset::check_digit,
    date,
    layout::{Layout, Place},
};
use crate::{name::NameParts, person::Sex};

/// Lines whose length and characters were checked.
struct Zone<'a>(&'a [&'a str]);

impl<'a> Zone<'a> {
    fn get(&self, place: &Place) -> &'a str {
        self.0
            .get(place.line)
            .and_then(|line| line.get(place.columns.clone()))
            .unwrap_or_default()
    }

    fn byte(&self, line: usize, column: usize) -> u8 {
        self.0
            .get(line)
            .and_then(|line| line.as_bytes().get(column))
            .copied()
            .unwrap_or(b'<')
    }

    fn fail<T>(kind: MrzErrorKind, place: &Place) -> Result<T, MrzError> {
        Err(MrzError::at(kind, place.line, place.columns.clone()))
    }

    /// Checks the digit that follows a field; returns how many were there.
    fn following_digit(&self, place: &Place, kind: MrzErrorKind) -> Result<(), MrzError> {
        let field = self.get(place);
        let digit = self.byte(place.line, place.columns.end);
        // A field of fillers only has the digit 0, which may be a filler too.
        let empty = digit == b'<' && field.bytes().all(|byte| byte == b'<');
        if empty || digit == check_digit(field.as_bytes()) {
            return Ok(());
        }
        let with_digit = Place {
            line: place.line,
            columns: place.columns.start..place.columns.end + 1,
        };
        Self::fail(kind, &with_digit)
    }
}

pub(super) fn read(format: Format, lines: &[&str], today: Date) -> Result<Mrz, MrzError> {
    let zone = Zone(lines);
    let layout = format.layout();
    let code = document_code(&zone, format)?;
    let (number, mut optional) = number(&zone, layout)?;
    zone.following_digit(&layout.birth, MrzErrorKind::BirthDateCheckDigit)?;
    zone.following_digit(&layout.expiry, MrzErrorKind::ExpiryDateCheckDigit)?;
    let mut check_digits = 4;
    if layout.optional_digit.is_some() {
        for place in layout.optional {
            zone.following_digit(place, MrzErrorKind::OptionalDataCheckDigit)?;
        }
        check_digits += 1;
    }
    composite(&zone, layout)?;
    optional.extend(
        layout
            .optional
            .iter()
            .skip(optional.len())
            .map(|place| fillers_off(zone.get(place))),
    );

    let Ok(birth_date) = date::birth(zone.get(&layout.birth).as_bytes(), today) else {
        return Zone::fail(MrzErrorKind::BirthDate, &layout.birth);
    };
    let Ok(expires_on) = date::expiry(zone.get(&layout.expiry).as_bytes(), today) else {
        return Zone::fail(MrzErrorKind::ExpiryDate, &layout.expiry);
    };
    let sex = match zone.get(&layout.sex) {
        "F" => Sex::Female,
        "M" => Sex::Male,
        "<" | "X" => Sex::Unspecified,
        _ => return Zone::fail(MrzErrorKind::Sex, &layout.sex),
    };
    let (name, truncated) = names(&zone, layout)?;
    Ok(Mrz {
        format,
        code,
        issuer: state(&zone, &layout.issuer, MrzErrorKind::Issuer)?,
        number,
        nationality: state(&zone, &layout.nationality, MrzErrorKind::Nationality)?,
        birth_date,
        sex,
        expires_on,
        name,
        truncated,
        optional: optional
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" "),
        check_digits,
    })
}

fn fillers_off(field: &str) -> String {
    field.trim_end_matches('<').replace('<', " ")
}

/// ICAO 9303-5 §4.2.2: cards begin with A, C or I, passports with P; the second character is the issuer's own.
fn document_code(zone: &Zone<'_>, format: Format) -> Result<String, MrzError> {
    let (first, second) = (zone.byte(0, 0), zone.byte(0, 1));
    let known = match format {
        Format::Td3 => first == b'P',
        Format::Td1 | Format::Td2 => matches!(first, b'A' | b'C' | b'I'),
    };
    if !known {
        // What readers and people take for an I.
        let repair = (format != Format::Td3 && matches!(first, b'L' | b'T' | b'1')).then_some('I');
        return Err(MrzError {
            repair,
            ..MrzError::at(MrzErrorKind::DocumentCode, 0, 0..1)
        });
    }
    if second.is_ascii_digit() {
        return Err(MrzError::at(MrzErrorKind::DocumentCode, 0, 1..2));
    }
    let code = [first, second]
        .into_iter()
        .filter(|byte| *byte != b'<')
        .map(char::from);
    Ok(code.collect())
}

/// The number, and the first optional field where a long number took part of it (ICAO 9303-5 §4.2.4, note j).
fn number(zone: &Zone<'_>, layout: &Layout) -> Result<(String, Vec<String>), MrzError> {
    const KIND: MrzErrorKind = MrzErrorKind::DocumentNumberCheckDigit;
    let place = &layout.number;
    let field = zone.get(place);
    let first_optional = layout
        .optional
        .first()
        .map(|place| zone.get(place))
        .unwrap_or_default();
    let long = zone.byte(place.line, place.columns.end) == b'<'
        && layout.optional_digit.is_none()
        && !field.ends_with('<')
        && !first_optional.starts_with('<');
    if !long {
        zone.following_digit(place, KIND)?;
        let number = field.trim_end_matches('<');
        if number.is_empty() {
            return Zone::fail(MrzErrorKind::DocumentNumber, place);
        }
        return Ok((number.replace('<', ""), Vec::new()));
    }
    let (rest, left) = first_optional
        .split_once('<')
        .unwrap_or((first_optional, ""));
    let Some((rest, digit)) = rest.split_at_checked(rest.len().saturating_sub(1)) else {
        return Zone::fail(KIND, place);
    };
    let number = format!("{field}{rest}");
    if digit.as_bytes() != [check_digit(number.as_bytes())] {
        return Zone::fail(KIND, place);
    }
    Ok((number.replace('<', ""), vec![fillers_off(left)]))
}

fn composite(zone: &Zone<'_>, layout: &Layout) -> Result<(), MrzError> {
    let digit = check_digit(
        layout
            .composite_over
            .iter()
            .flat_map(|place| zone.get(place).as_bytes()),
    );
    if zone.get(&layout.composite).as_bytes() == [digit] {
        return Ok(());
    }
    Zone::fail(MrzErrorKind::CompositeCheckDigit, &layout.composite)
}

fn state(zone: &Zone<'_>, place: &Place, kind: MrzErrorKind) -> Result<String, MrzError> {
    let code = zone.get(place).trim_end_matches('<');
    if code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Zone::fail(kind, place);
    }
    Ok(code.to_owned())
}

fn names(zone: &Zone<'_>, layout: &Layout) -> Result<(NameParts, bool), MrzError> {
    let field = zone.get(&layout.names);
    if field.bytes().any(|byte| byte.is_ascii_digit()) || field.starts_with('<') {
        return Zone::fail(MrzErrorKind::Name, &layout.names);
    }
    let (family, given) = field.split_once("<<").unwrap_or((field, ""));
    let words = |part: &str| {
        part.split('<')
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    };
    Ok((
        NameParts {
            family: words(family),
            given: words(given),
        },
        !field.ends_with('<'),
    ))
}
