use der::Tagged;
use proptest::prelude::*;

use super::*;

fn person() -> DistinguishedName {
    DistinguishedName::new()
        .serial_number("9f0c11aa")
        .common_name("សុខ សុភា")
        .given_name("Sophea")
        .surname("Sok")
        .country("KH")
}

#[test]
fn attributes_keep_the_house_order_and_types() {
    let name = person().to_name().unwrap();
    let oids: Vec<_> = name.iter().map(|attribute| attribute.oid).collect();
    let expected = [
        Attribute::Country,
        Attribute::CommonName,
        Attribute::Surname,
        Attribute::GivenName,
        Attribute::SerialNumber,
    ];
    assert_eq!(oids, expected.map(Attribute::oid));
    let tags: Vec<_> = name.iter().map(|attribute| attribute.value.tag()).collect();
    assert_eq!(tags[0], der::Tag::PrintableString);
    assert_eq!(tags[1], der::Tag::Utf8String);
    assert_eq!(tags[4], der::Tag::PrintableString);
}

#[test]
fn bad_values_are_refused_by_attribute() {
    let refused = |name: DistinguishedName| name.to_name().unwrap_err();
    assert_eq!(refused(DistinguishedName::new()), NameError::Empty);
    assert_eq!(
        refused(person().country("kh")),
        NameError::Character(Attribute::Country)
    );
    assert_eq!(
        refused(person().country("KHM")),
        NameError::Length(Attribute::Country)
    );
    assert_eq!(
        refused(person().common_name("")),
        NameError::Length(Attribute::CommonName)
    );
    assert_eq!(
        refused(person().common_name("a".repeat(65))),
        NameError::Length(Attribute::CommonName)
    );
    assert_eq!(
        refused(person().common_name("Sok\u{202e}ahpoS")),
        NameError::Character(Attribute::CommonName)
    );
    assert_eq!(
        refused(person().surname(" Sok")),
        NameError::Character(Attribute::Surname)
    );
    assert_eq!(
        refused(person().serial_number("ខ្មែរ")),
        NameError::Character(Attribute::SerialNumber)
    );
}

#[test]
fn comparison_folds_case_and_space_but_not_more() {
    let name = |value: &str| {
        DistinguishedName::new()
            .organization(value)
            .to_name()
            .unwrap()
    };
    assert!(matches(
        &name("Ministry  of Post"),
        &name("ministry OF post")
    ));
    assert!(!matches(
        &name("Ministry of Post"),
        &name("Ministry of Posts")
    ));
    let longer = DistinguishedName::new()
        .organization("A")
        .common_name("B")
        .to_name()
        .unwrap();
    assert!(is_within(&longer, &name("a")));
    assert!(!is_within(&name("a"), &longer));
}

proptest! {
    #[test]
    fn building_never_panics_and_what_is_built_matches_itself(cn in ".{0,70}", sn in "[ -~]{0,70}") {
        let built = DistinguishedName::new().common_name(cn).serial_number(sn).to_name();
        if let Ok(name) = built {
            prop_assert!(matches(&name, &name));
            let again = Name::from_der(&name.to_der().unwrap()).unwrap();
            prop_assert_eq!(again, name);
        }
    }
}
