use std::process::Command;

use hsm_bridge::verify::OpenSslVerifier;
use proptest::prelude::*;

use super::*;

/// A request made by OpenSSL with a throw-away key; `None` where OpenSSL is not installed.
fn openssl_request(arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("openssl")
        .args([
            "req",
            "-new",
            "-nodes",
            "-keyout",
            "/dev/null",
            "-subj",
            "/CN=www.example.gov.kh",
        ])
        .args(["-addext", "subjectAltName=DNS:www.example.gov.kh"])
        .args(arguments)
        .output();
    let Ok(output) = output else {
        println!("not run: openssl");
        return None;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(output.stdout)
}

const P256: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];

#[test]
fn possession_is_proven_or_the_request_refused() {
    let Some(pem) = openssl_request(&P256) else {
        return;
    };
    let request = parse(&pem, &OpenSslVerifier).unwrap();
    assert!(key::check(request.public_key()).is_ok());
    assert_eq!(request.extensions().unwrap().len(), 1);
    assert_eq!(request.subject().len(), 1);
    let Some(mut der) = openssl_request(&[&P256[..], &["-outform", "DER"]].concat()) else {
        return;
    };
    assert!(parse(&der, &OpenSslVerifier).is_ok());
    // The last octet belongs to the signature.
    *der.last_mut().unwrap() ^= 1;
    assert!(matches!(
        parse(&der, &OpenSslVerifier),
        Err(CsrError::Possession(_))
    ));
}

#[test]
fn rsa_requests_pass_and_short_keys_do_not() {
    let Some(pem) = openssl_request(&["-newkey", "rsa:2048"]) else {
        return;
    };
    assert!(parse(&pem, &OpenSslVerifier).is_ok());
    let Some(pem) = openssl_request(&["-newkey", "rsa:1024"]) else {
        return;
    };
    let error = parse(&pem, &OpenSslVerifier).unwrap_err();
    assert_eq!(error, CsrError::Key(KeyError::ModulusLength));
}

#[test]
fn oversized_input_is_refused_unread() {
    assert!(matches!(
        parse(&vec![0x30; MAX_OCTETS + 1], &OpenSslVerifier),
        Err(CsrError::TooLong)
    ));
}

proptest! {
    #[test]
    fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,200}") {
        let _ = parse(&bytes, &OpenSslVerifier);
        let _ = parse(text.as_bytes(), &OpenSslVerifier);
    }
}
