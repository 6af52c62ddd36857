use super::super::{Jwks, MAX_KEYS};
use super::*;

/// RFC 7638 §3.1.
const RFC7638: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
/// RFC 8037 appendix A.2.
const RFC8037: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// RFC 7515 appendix A.3.1.
const RFC7515: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

#[test]
fn thumbprints_are_those_of_the_standards() {
    let thumbprint = |text: &str| Jwk::parse(text.as_bytes()).unwrap().thumbprint();
    assert_eq!(
        thumbprint(RFC7638),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
    assert_eq!(
        thumbprint(RFC8037),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
}

#[test]
fn keys_survive_spki_and_json() {
    for text in [RFC7638, RFC8037, RFC7515] {
        let key = Jwk::parse(text.as_bytes()).unwrap();
        let again = Jwk::from_spki(&key.to_spki().unwrap(), key.scheme()).unwrap();
        assert_eq!(again.thumbprint(), key.thumbprint());
        assert_eq!(again.kid(), Some(key.thumbprint().as_str()));
        assert_eq!(Jwk::from_value(&key.to_value()).unwrap(), key);
    }
}

#[test]
fn unfit_keys_are_refused() {
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let with = |text: &str, member: &str, to: Value| {
        let mut key = value(text);
        key[member] = to;
        Jwk::from_value(&key)
    };
    assert!(with(RFC7515, "d", json!("AA")).is_err());
    assert!(with(RFC7515, "use", json!("enc")).is_err());
    assert!(with(RFC7515, "key_ops", json!(["sign"])).is_err());
    assert!(with(RFC7515, "alg", json!("RS256")).is_err());
    assert!(with(RFC7515, "alg", json!("ES384")).is_err());
    assert!(with(RFC7515, "crv", json!("P-521")).is_err());
    assert!(with(RFC7515, "x", json!("AAAA")).is_err());
    assert!(with(RFC7515, "kid", json!("k".repeat(300))).is_err());
    assert!(with(RFC7638, "e", json!("Aw")).is_err());
    assert!(with(RFC7638, "n", json!("0vx7")).is_err());
    assert!(Jwk::parse(br#"{"kty":"oct","k":"AAAA"}"#).is_err());
    assert!(Jwk::parse(br#"{"kty":"EC","kty":"RSA"}"#).is_err());
}

#[test]
fn a_set_leaves_out_strangers_and_refuses_secrets() {
    let mixed = format!(r#"{{"keys":[{RFC8037},{{"kty":"EC","crv":"P-521"}},{RFC7515}]}}"#);
    assert_eq!(Jwks::parse(mixed.as_bytes()).unwrap().keys.len(), 2);
    let leaked = format!(r#"{{"keys":[{RFC8037},{{"kty":"oct","k":"AAAA"}}]}}"#);
    assert!(Jwks::parse(leaked.as_bytes()).is_err());
    let many = format!(r#"{{"keys":[{}]}}"#, vec![RFC8037; MAX_KEYS + 1].join(","));
    assert!(matches!(
        Jwks::parse(many.as_bytes()),
        Err(JoseError::TooLarge(_))
    ));
}
