//! Vectors, and a parser held against a writer.

use std::path::PathBuf;

use super::*;
use jiff::civil::date;
use proptest::prelude::*;

const TODAY: Date = date(2026, 11, 22);
const CARD: [&str; 3] = [
    "IDKHM1234567897<<<<<<<<<<<<<<<",
    "9001011F3301018KHM<<<<<<<<<<<2",
    "SOK<<DARA<<<<<<<<<<<<<<<<<<<<<",
];

#[test]
fn a_khmer_card() {
    let mrz = parse(&CARD, TODAY).unwrap();
    assert_eq!(
        (mrz.format, mrz.code.as_str(), mrz.issuer.as_str()),
        (Format::Td1, "ID", "KHM")
    );
    assert_eq!((mrz.number.as_str(), mrz.check_digits), ("123456789", 4));
    assert_eq!(
        (mrz.name.family.as_str(), mrz.name.given.as_str()),
        ("SOK", "DARA")
    );
    assert_eq!(mrz.birth_date, "1990-01-01".parse().ok());
    assert_eq!(
        (mrz.expires_on, mrz.sex),
        (Some(date(2033, 1, 1)), Sex::Female)
    );
    assert!(!mrz.truncated);
}

#[test]
fn a_long_number_continues_in_the_optional_data() {
    // ICAO 9303-5, appendix B: number D23145890734 with its check digit after it.
    let lines = [
        "I<UTOD23145890<7349<<<<<<<<<<<",
        "7408122F1204159UTO<<<<<<<<<<<0",
        "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
    ];
    let error = parse(&lines, TODAY).map(|mrz| mrz.number);
    let composite = match &error {
        Ok(number) => return assert_eq!(number, "D23145890734"),
        Err(error) => error.kind,
    };
    assert_eq!(
        composite,
        MrzErrorKind::CompositeCheckDigit,
        "the number itself is read"
    );
}

#[test]
fn errors_say_where() {
    let mut lines = CARD.map(str::to_owned);
    lines[0].replace_range(14..15, "0");
    let error = parse(&lines, TODAY).unwrap_err();
    assert_eq!(error.kind, MrzErrorKind::DocumentNumberCheckDigit);
    assert_eq!((error.line, error.columns), (Some(1), Some((6, 15))));
    let error = parse(&CARD[..2], TODAY).unwrap_err();
    assert_eq!((error.kind, error.line), (MrzErrorKind::Length, None));
    let short = [CARD[0], &CARD[1][..29], CARD[2]];
    assert_eq!(parse(&short, TODAY).unwrap_err().line, Some(2));
}

#[test]
fn tidying_repairs_the_form_only() {
    let typed = "idkhm1234567897<<<<<<<<<<<<<<<\r\n 9001011F3301018KHM<<<<<<<<<<<2 \n\nSOK«DARA<<<<<<<<<<<<<<<<<<<<<";
    assert_eq!(tidy(typed), CARD.join("\n"));
    assert_eq!(tidy(&CARD.concat()), CARD.join("\n"));
    assert!(parse_text(&tidy(typed), TODAY).is_ok());
}

#[test]
fn centuries() {
    let birth =
        |field: &str| date::birth(field.as_bytes(), TODAY).map(|d| d.map(|d| d.to_string()));
    assert_eq!(birth("261122"), Ok(Some("2026-11-22".to_owned())));
    assert_eq!(birth("261123"), Ok(Some("1926-11-23".to_owned())));
    assert_eq!(birth("55<<<<"), Ok(Some("1955".to_owned())));
    assert_eq!(birth("<<<<<<"), Ok(None));
    assert_eq!(birth("<<0101"), Err(()));
    assert_eq!(birth("9002<<"), Ok(Some("1990-02".to_owned())));
    assert_eq!(birth("900230"), Err(()));
    let expiry = |field: &str| date::expiry(field.as_bytes(), TODAY).map(|d| d.map(Date::year));
    assert_eq!(expiry("120415"), Ok(Some(2012)));
    assert_eq!(expiry("760415"), Ok(Some(2076)));
    assert_eq!(expiry("770415"), Ok(Some(1977)));
    assert_eq!(expiry("33<<<<"), Err(()));
}

#[test]
fn shared_vectors() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one setting of tests: where their material lies"
    )]
    let folder = std::env::var("ROMDUOL_TEST_DATA").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let Ok(text) = std::fs::read_to_string(folder.join("mrz.json")) else {
        eprintln!("not run: mrz.json is not here; set ROMDUOL_TEST_DATA to run it");
        return;
    };
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() >= 14);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let lines: Vec<&str> = case["lines"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|line| line.as_str())
            .collect();
        match (case["valid"].as_bool().unwrap(), parse(&lines, TODAY)) {
            (true, Ok(mrz)) => agrees(name, &case, &mrz),
            (false, Err(error)) => {
                assert_eq!(Some(error.kind.code()), case["error"].as_str(), "{name}");
                let repair = error.repair.map(String::from);
                assert_eq!(repair.as_deref(), case["repair"].as_str(), "{name}");
            }
            (_, other) => panic!("{name}: {other:?}"),
        }
    }
}

fn agrees(name: &str, case: &serde_json::Value, mrz: &Mrz) {
    let same = |field: &str, found: &str| {
        if let Some(expected) = case[field].as_str() {
            assert_eq!(found, expected, "{name}: {field}");
        }
    };
    same("format", mrz.format.as_str());
    same("document_number", &mrz.number);
    same("surname", &mrz.name.family);
    same("given_names", &mrz.name.given);
    same("nationality", &mrz.nationality);
    same(
        "birth_date",
        &mrz.birth_date
            .map(|date| date.to_string())
            .unwrap_or_default(),
    );
    same("sex", if mrz.sex == Sex::Female { "F" } else { "M" });
    if let Some(truncated) = case["truncated"].as_bool() {
        assert_eq!(mrz.truncated, truncated, "{name}");
    }
}

fn name() -> impl Strategy<Value = NameParts> {
    ("[A-Z]{1,12}( [A-Z]{1,6})?", "([A-Z]{1,8})?")
        .prop_map(|(family, given)| NameParts { family, given })
}

fn zone() -> impl Strategy<Value = (Format, Vec<String>, String, NameParts)> {
    let dates = (1930i16..=2020, 1i8..=12, 1i8..=28, 0usize..3);
    (
        0usize..3,
        "[A-Z0-9]{1,9}",
        name(),
        dates,
        0usize..3,
        2027i16..=2060,
    )
        .prop_map(
            |(format, number, name, (year, month, day, known), sex, expiry)| {
                let format = Format::ALL[format];
                let birth = PartialDate::new(
                    year,
                    (known > 0).then_some(month),
                    (known > 1).then_some(day),
                );
                let draft = Draft {
                    code: if format == Format::Td3 { "P" } else { "ID" },
                    issuer: "KHM",
                    number: &number,
                    nationality: "KHM",
                    birth_date: birth.ok(),
                    sex: [Sex::Female, Sex::Male, Sex::Unspecified][sex],
                    expires_on: Some(date(expiry, month, day)),
                    name: &name,
                };
                (format, write(format, &draft), number.clone(), name.clone())
            },
        )
}

proptest! {
    #[test]
    fn what_was_written_is_read((format, lines, number, name) in zone()) {
        let mrz = parse(&lines, TODAY).unwrap();
        prop_assert_eq!(mrz.format, format);
        prop_assert_eq!(mrz.number, number);
        if !mrz.truncated {
            prop_assert_eq!(mrz.name, name);
        }
        prop_assert_eq!(parse_text(&tidy(&lines.concat().to_lowercase()), TODAY).unwrap().number, mrz.optional.clone() + &parse(&lines, TODAY).unwrap().number);
    }

    /// Weights 7, 3 and 1 have no factor in common with 10, so one changed digit in a protected field is always seen.
    #[test]
    fn one_changed_digit_is_seen((format, lines, _, _) in zone(), pick in 0usize..1000, add in 1u8..10) {
        let layout = format.layout();
        let places = [&layout.number, &layout.birth, &layout.expiry];
        let place = places[pick % 3];
        let column = place.columns.start + pick / 3 % (place.columns.len() + 1);
        let byte = lines[place.line].as_bytes()[column];
        prop_assume!(byte.is_ascii_digit());
        let changed = char::from((byte - b'0' + add) % 10 + b'0');
        let mut lines = lines;
        lines[place.line].replace_range(column..=column, &changed.to_string());
        prop_assert!(parse(&lines, TODAY).is_err());
    }

    #[test]
    fn anything_is_answered(text in "\\PC{0,140}", lines in proptest::collection::vec("[A-Z0-9<]{30}|[A-Z0-9<]{36}|[A-Z0-9<]{44}", 0..4)) {
        let _ = parse_text(&text, TODAY);
        let _ = parse(&lines, TODAY);
        let _ = tidy(&text);
    }
}
