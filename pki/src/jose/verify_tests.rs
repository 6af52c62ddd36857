use hsm_bridge::verify::OpenSslVerifier;

use super::*;

const ALL: Rules<'static> = Rules {
    allowed: &SignatureScheme::ALL,
    typ: &[],
};

#[test]
fn the_signatures_of_the_standards_verify() {
    // RFC 7515 appendix A.3.
    let key = br#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let key = Jwk::parse(key).unwrap();
    let verified = verify(token, &key, &ALL, &OpenSslVerifier).unwrap();
    assert_eq!(verified.claims().unwrap()["iss"], "joe");
    // RFC 8037 appendix A.4.
    let key = br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let key = Jwk::parse(key).unwrap();
    let verified = verify(token, &key, &ALL, &OpenSslVerifier).unwrap();
    assert_eq!(verified.payload, b"Example of Ed25519 signing");
}

#[test]
fn the_newer_name_of_ed25519_is_understood() {
    assert_eq!(scheme("Ed25519"), Some(SignatureScheme::Ed25519));
    assert_eq!(scheme("EdDSA"), Some(SignatureScheme::Ed25519));
    assert_eq!(scheme("none"), None);
}
