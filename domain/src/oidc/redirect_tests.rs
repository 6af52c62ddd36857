use proptest::prelude::*;

use super::*;

const REGISTERED: &str = "https://tax.gov.kh/callback";

/// What an attacker would try in place of [`REGISTERED`]; none may match.
const VARIANTS: &[&str] = &[
    "",
    "https://tax.gov.kh",
    "https://tax.gov.kh/",
    "https://tax.gov.kh/callback/",
    "https://tax.gov.kh/callback/x",
    "https://tax.gov.kh/callback?",
    "https://tax.gov.kh/callback?x=1",
    "https://tax.gov.kh/callback#",
    "https://tax.gov.kh/callback#x",
    "https://tax.gov.kh/callback;x",
    "https://tax.gov.kh/callback%00",
    "https://tax.gov.kh/callback%20",
    "https://tax.gov.kh/callback ",
    " https://tax.gov.kh/callback",
    "https://tax.gov.kh/callback\n",
    "https://tax.gov.kh/callback\r\nLocation: https://evil.example",
    "https://tax.gov.kh/callback\t",
    "https://tax.gov.kh/callback\0",
    "https://tax.gov.kh/Callback",
    "https://tax.gov.kh/callbac%6b",
    "https://tax.gov.kh/%63allback",
    "https://tax.gov.kh/callback%2f",
    "https://tax.gov.kh/callback/..",
    "https://tax.gov.kh/callback/../callback",
    "https://tax.gov.kh/./callback",
    "https://tax.gov.kh//callback",
    "https://tax.gov.kh/x/../callback",
    "https://tax.gov.kh/%2e%2e/callback",
    "https://tax.gov.kh\\callback",
    "https://tax.gov.kh/\\callback",
    "https://TAX.gov.kh/callback",
    "HTTPS://tax.gov.kh/callback",
    "http://tax.gov.kh/callback",
    "https:/tax.gov.kh/callback",
    "https:///tax.gov.kh/callback",
    "https:tax.gov.kh/callback",
    "//tax.gov.kh/callback",
    "tax.gov.kh/callback",
    "/callback",
    "https://tax.gov.kh:443/callback",
    "https://tax.gov.kh:8443/callback",
    "https://tax.gov.kh:/callback",
    "https://tax.gov.kh./callback",
    "https://tax.gov.kh.evil.example/callback",
    "https://evil.example/callback",
    "https://evil.example/https://tax.gov.kh/callback",
    "https://evil.example?https://tax.gov.kh/callback",
    "https://evil.example#https://tax.gov.kh/callback",
    "https://evil.example\\@tax.gov.kh/callback",
    "https://tax.gov.kh@evil.example/callback",
    "https://tax.gov.kh:x@evil.example/callback",
    "https://user@tax.gov.kh/callback",
    "https://xtax.gov.kh/callback",
    "https://x.tax.gov.kh/callback",
    "https://tax.gov.kh%2eevil.example/callback",
    "https://tax。gov.kh/callback",
    "https://tах.gov.kh/callback",
    "https://*.gov.kh/callback",
    "javascript:alert(1)//https://tax.gov.kh/callback",
    "data:text/html,https://tax.gov.kh/callback",
    "https://tax.gov.kh/callback,https://evil.example/",
    "https://tax.gov.kh/callback https://evil.example/",
    "https://[::ffff:tax.gov.kh]/callback",
    "custom://tax.gov.kh/callback",
];

#[test]
fn no_variant_matches() {
    let registered = RedirectUri::parse(REGISTERED).unwrap();
    assert!(VARIANTS.len() >= 60, "corpus has {}", VARIANTS.len());
    assert!(registered.matches(REGISTERED));
    for variant in VARIANTS {
        assert!(!registered.matches(variant), "{variant:?}");
    }
}

#[test]
fn a_registered_query_is_part_of_the_identity() {
    let registered = RedirectUri::parse("https://rp.example/cb?dummy1=lorem&dummy2=ipsum").unwrap();
    assert!(registered.matches("https://rp.example/cb?dummy1=lorem&dummy2=ipsum"));
    assert!(!registered.matches("https://rp.example/cb?dummy2=ipsum&dummy1=lorem"));
    assert!(!registered.matches("https://rp.example/cb"));
}

#[test]
fn registration_refuses_what_is_dangerous() {
    for (text, error) in [
        ("http://tax.gov.kh/cb", RedirectUriError::Scheme),
        ("javascript:alert(1)", RedirectUriError::Malformed),
        ("custom://x/cb", RedirectUriError::Scheme),
        ("https://tax.gov.kh/cb#x", RedirectUriError::Forbidden),
        ("https://u:p@tax.gov.kh/cb", RedirectUriError::Forbidden),
        ("https://*.gov.kh/cb", RedirectUriError::Malformed),
        ("https://tax.gov.kh/*", RedirectUriError::Pattern),
        ("https://tax.gov.kh/a/../b", RedirectUriError::Pattern),
        ("https://TAX.gov.kh/cb", RedirectUriError::Malformed),
        ("https://tax.gov.kh:443/cb", RedirectUriError::Malformed),
        ("/cb", RedirectUriError::Malformed),
    ] {
        let refused = RedirectUri::parse(text);
        assert!(refused.is_err(), "{text}");
        if text != "https://*.gov.kh/cb" {
            assert_eq!(refused.unwrap_err(), error, "{text}");
        }
    }
    for text in [
        "http://localhost:8090/callback",
        "http://127.0.0.1:8090/callback",
        "http://[::1]:8090/callback",
        "https://localhost:8443/test/a/x/callback",
    ] {
        assert!(RedirectUri::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn origin_and_host() {
    let uri = RedirectUri::parse("http://localhost:8090/callback").unwrap();
    assert_eq!(uri.origin(), "http://localhost:8090");
    assert_eq!(uri.host(), "localhost");
}

proptest! {
    #[test]
    fn matching_is_equality(text in "\\PC{0,80}") {
        let registered = RedirectUri::parse(REGISTERED).unwrap();
        prop_assert_eq!(registered.matches(&text), text == REGISTERED);
    }

    #[test]
    fn what_parses_is_what_a_browser_visits(text in "https?://[a-zA-Z0-9.@:\\[\\]-]{1,20}/[a-zA-Z0-9/.%?#;\\\\]{0,20}") {
        if let Ok(uri) = RedirectUri::parse(&text) {
            let visited = Url::parse(&text).unwrap();
            prop_assert_eq!(visited.as_str(), uri.as_str());
            prop_assert!(visited.username().is_empty());
        }
    }
}
