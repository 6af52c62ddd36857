//! JOSE with keys in the token: every scheme round-trips, every known trick is refused.

use base64ct::{Base64UrlUnpadded as B64, Encoding};
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{SignatureScheme, Signer};
use pki::jose::{
    JoseError, Jwk, Jwks, KeySource, MAX_TOKEN_BYTES, Rules, header, parse_compact, sign_compact,
    verify,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixture::key;
use hsm_bridge::testing::SoftHsm;

const ALL: Rules<'static> = Rules {
    allowed: &SignatureScheme::ALL,
    typ: &[],
};

struct Keys {
    _hsm: SoftHsm,
    signers: Vec<Box<dyn Signer>>,
    set: Jwks,
}

fn keys() -> Keys {
    let hsm = SoftHsm::new().unwrap();
    let token = hsm.open().unwrap();
    let signers: Vec<_> = SignatureScheme::ALL
        .iter()
        .enumerate()
        .map(|(n, scheme)| key(&token, &format!("idp/key/{n}"), *scheme))
        .collect();
    let set = signers
        .iter()
        .map(|s| Jwk::from_signer(&**s).unwrap())
        .collect();
    Keys {
        _hsm: hsm,
        signers,
        set: Jwks { keys: set },
    }
}

fn with_header(header: &Value, payload: &[u8], signer: &dyn Signer) -> String {
    let input = format!(
        "{}.{}",
        B64::encode_string(header.to_string().as_bytes()),
        B64::encode_string(payload)
    );
    let der = signer.sign(input.as_bytes()).unwrap();
    let raw = hsm_bridge::ecdsa::raw_from_der(signer.scheme(), &der).unwrap();
    format!("{input}.{}", B64::encode_string(&raw))
}

#[test]
fn every_scheme_round_trips_through_a_published_set() {
    let keys = keys();
    let published = serde_json::to_vec(&keys.set).unwrap();
    let set = Jwks::parse(&published).unwrap();
    assert_eq!(set, keys.set);
    for (signer, jwk) in keys.signers.iter().zip(&set.keys) {
        assert_eq!(&jwk.to_spki().unwrap(), signer.public_key());
        let header = header("at+jwt", jwk.kid().unwrap());
        let token = sign_compact(header, br#"{"sub":"x"}"#, &**signer).unwrap();
        let verified = verify(&token, &set, &ALL, &OpenSslVerifier).unwrap();
        assert_eq!(verified.claims().unwrap()["sub"], "x");
        assert_eq!(&verified.key, jwk);
        verify(&token, jwk, &ALL, &OpenSslVerifier).unwrap();
        let others: Vec<_> = SignatureScheme::ALL
            .into_iter()
            .filter(|s| *s != signer.scheme())
            .collect();
        let narrow = Rules {
            allowed: &others,
            typ: &[],
        };
        let refused = verify(&token, &set, &narrow, &OpenSslVerifier);
        assert!(matches!(refused, Err(JoseError::Algorithm)));
    }
}

#[test]
fn the_type_is_checked_where_asked() {
    let keys = keys();
    let (signer, jwk) = (&*keys.signers[0], &keys.set.keys[0]);
    let token = sign_compact(header("at+jwt", "k"), b"{}", signer).unwrap();
    let jwk = jwk.clone().with_kid("k");
    let check = |typ: &[&str]| {
        let rules = Rules {
            allowed: &[SignatureScheme::EcdsaP256Sha256],
            typ,
        };
        verify(&token, &jwk, &rules, &OpenSslVerifier)
    };
    assert!(check(&["AT+JWT"]).is_ok());
    assert!(check(&["application/at+jwt"]).is_ok());
    assert!(matches!(check(&["dpop+jwt"]), Err(JoseError::Type)));
    assert!(matches!(check(&[""]), Err(JoseError::Type)));
    assert!(check(&[]).is_ok());
}

#[test]
fn the_header_cannot_choose_its_key_or_meaning() {
    let keys = keys();
    let (signer, jwk) = (&*keys.signers[0], &keys.set.keys[0]);
    let kid = jwk.kid().unwrap();
    let check = |header: Value| {
        let token = with_header(&header, b"{}", signer);
        verify(&token, &keys.set, &ALL, &OpenSslVerifier)
    };
    assert!(check(json!({"alg": "ES256", "kid": kid})).is_ok());
    for (member, value) in [
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("jku", json!("https://x")),
        ("x5u", json!("https://x")),
        ("x5c", json!([])),
        ("jwk", jwk.to_value()),
    ] {
        let mut header = json!({"alg": "ES256", "kid": kid});
        header[member] = value;
        assert!(matches!(check(header), Err(JoseError::HeaderMember(m)) if m == member));
    }
    for alg in ["none", "None", "HS256", "ES256K", "RS1", ""] {
        assert!(matches!(
            check(json!({"alg": alg, "kid": kid})),
            Err(JoseError::Algorithm)
        ));
    }
    assert!(matches!(
        check(json!({"kid": kid})),
        Err(JoseError::Algorithm)
    ));
    // A kid is compared, not interpreted.
    for kid in ["../../etc/passwd", "' OR 1=1", "*", ""] {
        assert!(matches!(
            check(json!({"alg": "ES256", "kid": kid})),
            Err(JoseError::UnknownKey)
        ));
    }
    // Another key's algorithm under this key's name.
    assert!(check(json!({"alg": "RS256", "kid": kid})).is_err());
    assert!(check(json!({"alg": "ES256", "kid": 5})).is_err());
}

#[test]
fn an_embedded_key_is_taken_only_where_asked() {
    let keys = keys();
    let (signer, jwk) = (&*keys.signers[0], &keys.set.keys[0]);
    let rules = Rules {
        allowed: &[SignatureScheme::EcdsaP256Sha256],
        typ: &["dpop+jwt"],
    };
    let header = json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk.to_value()});
    let token = with_header(&header, b"{}", signer);
    let verified = verify(&token, KeySource::Embedded, &rules, &OpenSslVerifier).unwrap();
    assert_eq!(verified.key.thumbprint(), jwk.thumbprint());
    let without = with_header(&json!({"alg": "ES256", "typ": "dpop+jwt"}), b"{}", signer);
    assert!(verify(&without, KeySource::Embedded, &rules, &OpenSslVerifier).is_err());
    let mut private = jwk.to_value();
    private["d"] = json!("AAAA");
    let header = json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": private});
    let token = with_header(&header, b"{}", signer);
    let refused = verify(&token, KeySource::Embedded, &rules, &OpenSslVerifier);
    assert!(matches!(refused, Err(JoseError::Key(_))));
}

#[test]
fn a_token_without_kid_needs_the_only_fitting_key() {
    let keys = keys();
    let signer = &*keys.signers[0];
    let token = with_header(&json!({"alg": "ES256"}), b"{}", signer);
    assert!(verify(&token, &keys.set, &ALL, &OpenSslVerifier).is_ok());
    let jwk = keys.set.keys[0].clone();
    let double = Jwks {
        keys: vec![jwk.clone(), jwk.with_kid("other")],
    };
    let refused = verify(&token, &double, &ALL, &OpenSslVerifier);
    assert!(matches!(refused, Err(JoseError::AmbiguousKey)));
    let empty = verify(&token, &Jwks::default(), &ALL, &OpenSslVerifier);
    assert!(matches!(empty, Err(JoseError::UnknownKey)));
}

#[test]
fn forms_other_than_the_canonical_one_are_refused() {
    let keys = keys();
    let (signer, jwk) = (&*keys.signers[0], &keys.set.keys[0]);
    let token = sign_compact(header("JWT", jwk.kid().unwrap()), b"{}", signer).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    for wrong in [
        format!("{token}="),
        format!("{token}."),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}..{}", parts[0], parts[2]),
        format!(" {token}"),
        String::new(),
        "...".to_owned(),
    ] {
        assert!(
            verify(&wrong, &keys.set, &ALL, &OpenSslVerifier).is_err(),
            "{wrong}"
        );
    }
    let duplicate = br#"{"alg":"ES256","alg":"none"}"#;
    let wrong = format!(
        "{}.{}.{}",
        B64::encode_string(duplicate),
        parts[1],
        parts[2]
    );
    assert!(matches!(parse_compact(&wrong), Err(JoseError::Json(_))));
    let long = format!("{token}{}", "A".repeat(MAX_TOKEN_BYTES));
    assert!(matches!(parse_compact(&long), Err(JoseError::TooLarge(_))));
    let other = sign_compact(
        json!({"alg": "RS256"}).as_object().unwrap().clone(),
        b"{}",
        signer,
    );
    assert!(matches!(other, Err(JoseError::Algorithm)));
}

#[test]
fn no_changed_character_verifies() {
    let keys = keys();
    let (signer, jwk) = (&*keys.signers[0], &keys.set.keys[0]);
    let payload = br#"{"sub":"x"}"#;
    let token = sign_compact(header("JWT", jwk.kid().unwrap()), payload, signer).unwrap();
    for position in 0..token.len() {
        for replacement in ['A', 'B', '_', '.'] {
            let mut changed: Vec<char> = token.chars().collect();
            if changed[position] == replacement {
                continue;
            }
            changed[position] = replacement;
            let changed: String = changed.into_iter().collect();
            assert!(
                verify(&changed, jwk, &ALL, &OpenSslVerifier).is_err(),
                "{changed}"
            );
        }
    }
}

proptest! {
    #[test]
    fn garbage_never_panics(text in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_compact(&text);
        let _ = Jwk::parse(&bytes);
        let _ = Jwks::parse(text.as_bytes());
    }

    #[test]
    fn random_parts_never_panic(a in "[A-Za-z0-9_-]{0,40}", b in "[A-Za-z0-9_-]{0,40}", c in "[A-Za-z0-9_-]{0,40}") {
        let _ = parse_compact(&format!("{a}.{b}.{c}"));
        let header = B64::encode_string(format!("{{\"alg\":\"ES256\",\"kid\":\"{a}\"}}").as_bytes());
        let _ = parse_compact(&format!("{header}.{b}.{c}"));
    }
}
