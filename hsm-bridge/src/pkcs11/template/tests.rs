//! Templates as files: what they may say, and what becomes of a key's attributes.

use cryptoki::object::{Attribute, AttributeType};
use proptest::prelude::*;

use super::*;

fn kinds(attributes: &[Attribute]) -> Vec<AttributeType> {
    attributes.iter().map(Attribute::attribute_type).collect()
}

fn protected() -> Vec<Attribute> {
    vec![
        Attribute::Token(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
    ]
}

#[test]
fn every_template_of_the_program_is_sound() {
    for (name, _) in BUILT_IN {
        let template = Template::load(name).unwrap();
        assert_eq!(template.name(), name);
        assert_eq!(
            template.software(),
            ["softhsm", "kryoptic"].contains(&name),
            "{name}"
        );
        let sent = template.of_private(protected());
        assert!(sent.contains(&Attribute::Token(true)), "{name}");
        for never in [
            AttributeType::AlwaysSensitive,
            AttributeType::NeverExtractable,
            AttributeType::Local,
        ] {
            assert!(!kinds(&sent).contains(&never), "{name}");
        }
    }
    assert_eq!(Template::load("generic").unwrap(), Template::default());
}

#[test]
fn a_piv_token_is_not_told_that_its_keys_stay_inside() {
    let ykcs = Template::load("ykcs").unwrap();
    let sent = kinds(&ykcs.of_private(protected()));
    assert_eq!(sent, [AttributeType::Token, AttributeType::Sensitive]);
    assert!(ykcs.allows(KeyAlgorithm::P256).is_ok());
    for refusal in [
        ykcs.allows(KeyAlgorithm::Rsa4096),
        ykcs.allows_secret(SecretPurpose::Mac),
    ] {
        let error = refusal.unwrap_err().to_string();
        assert!(error.contains("'ykcs'"), "{error}");
    }
}

#[test]
fn a_file_of_the_site_stands_over_its_base() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.toml");
    let text = "base = 'luna'\nedwards_curve = 'name'\n[private]\nsend = { COPYABLE = false }\n";
    std::fs::write(&path, text).unwrap();
    let own = Template::load(path.to_str().unwrap()).unwrap();
    assert_eq!(own.edwards25519(), b"\x13\x0cedwards25519");
    let sent = own.of_private(vec![Attribute::Copyable(true)]);
    assert_eq!(sent, [Attribute::Copyable(false)]);
    let luna = Template::load("luna").unwrap();
    assert_eq!(luna.edwards25519(), EDWARDS_OID);
    assert_eq!(own.secret, luna.secret);
}

#[test]
fn a_template_cannot_weaken_a_key_nor_send_what_the_token_sets() {
    for (text, word) in [
        (
            "[private]\nsend = { EXTRACTABLE = true }",
            "CKA_EXTRACTABLE",
        ),
        ("[private]\nsend = { SENSITIVE = false }", "CKA_SENSITIVE"),
        ("[private]\nsend = { DECRYPT = true }", "CKA_DECRYPT"),
        ("[private]\nsend = { PRIVATE = false }", "CKA_PRIVATE"),
        ("[secret]\nsend = { DERIVE = true }", "CKA_DERIVE"),
        ("[private]\nomit = ['TOKEN']", "CKA_TOKEN"),
        ("[private]\nsend = { LOCAL = true }", "CKA_LOCAL"),
        (
            "[public]\nomit = ['KEY_GEN_MECHANISM']",
            "CKA_KEY_GEN_MECHANISM",
        ),
        (
            "[secret]\nomit = ['NEVER_EXTRACTABLE']",
            "CKA_NEVER_EXTRACTABLE",
        ),
        (
            "[private]\nomit = ['COPYABLE']\nsend = { COPYABLE = false }",
            "both",
        ),
        ("[private]\nsend = { MODIFIABLE = false }", "CKA_ID"),
        ("[public]\nsend = { MODIFIABLE = false }", "CKA_ID"),
        ("[private]\nomit = ['COLOUR']", "COLOUR"),
        ("base = 'other'", "other"),
        ("base = 7", "base"),
        ("sensitive = false", "sensitive"),
        ("[places]\n'a/b' = '02'", "[places]"),
        (
            "key_id = 'place'\n[places]\n'a/b' = '02'\n'a/c' = '02'",
            "one place",
        ),
        ("key_id = 'place'\n[places]\n'a/b' = '2'", "'2'"),
        ("key_id = 'place'\n[places]\n'a/b' = 'zz'", "'zz'"),
        ("key_id = 'place'\n[places]\n'a b' = '02'", "label"),
    ] {
        let error = Template::parse("t", text).unwrap_err();
        let KeyStoreError::Configuration(said) = error else {
            panic!("{error:?}");
        };
        assert!(said.contains(word), "{text}: {said}");
    }
    // A public key may be called private where the token insists.
    Template::parse("t", "[public]\nsend = { PRIVATE = true }").unwrap();
    assert!(
        Template::load("lunar")
            .unwrap_err()
            .to_string()
            .contains("luna,")
    );
    assert!(Template::load("/no/such/file").is_err());
}

proptest! {
    #[test]
    fn files_never_panic(text in ".{0,200}") {
        let _ = Template::parse("t", &text);
    }

    #[test]
    fn no_attribute_is_sent_twice(copyable: bool, modifiable: bool, omitted in 0..4_usize) {
        let omit = ["SENSITIVE", "EXTRACTABLE", "SIGN", "DERIVE"][omitted];
        let text = format!(
            "key_id = 'at-generation'\n[private]\nomit = ['{omit}']\nsend = {{ COPYABLE = {copyable}, MODIFIABLE = {modifiable} }}"
        );
        let template = Template::parse("t", &text).unwrap();
        let sent = template.of_private([protected(), vec![Attribute::Modifiable(true)]].concat());
        let kinds = kinds(&sent);
        for (place, kind) in kinds.iter().enumerate() {
            prop_assert!(!kinds[..place].contains(kind));
        }
        prop_assert!(sent.contains(&Attribute::Copyable(copyable)));
        prop_assert!(sent.contains(&Attribute::Modifiable(modifiable)));
    }
}
