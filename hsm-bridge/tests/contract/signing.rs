//! Every algorithm by every scheme: what the token signs, OpenSSL verifies, and nothing else.

use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{
    KeyAlgorithm, KeyId, KeyStore, KeyStoreError, SignatureScheme, SignatureVerifier,
};

use crate::Contract;
use crate::place::{Place, label};

/// What is signed here.
const MESSAGE: &[u8] = b"message";

/// One contract for each algorithm and scheme that go together.
pub(crate) fn contracts() -> Vec<Contract> {
    // RSA-4096 takes a minute to make in an unoptimised token and differs from 3072 in length alone.
    let algorithms = KeyAlgorithm::ALL
        .into_iter()
        .filter(|algorithm| *algorithm != KeyAlgorithm::Rsa4096);
    let pairs = algorithms.flat_map(|algorithm| {
        SignatureScheme::ALL
            .into_iter()
            .filter(move |scheme| algorithm.fits(*scheme))
            .map(move |scheme| (algorithm, scheme))
    });
    pairs
        .map(|(algorithm, scheme)| {
            let name = format!("{algorithm} signs by {}", scheme.jose_alg());
            Contract::new(&name, move |place| signs(place, algorithm, scheme))
        })
        .collect()
}

fn signs(place: &Place, algorithm: KeyAlgorithm, scheme: SignatureScheme) {
    let token = place.open();
    let name = label("a/key");
    let id = token.generate(&name, algorithm).unwrap();
    assert_eq!(token.find(&name), Ok(Some(id)));
    assert_eq!(token.describe(id).unwrap().label, name);
    let signer = token.signer(id, Some(scheme)).unwrap();
    assert_eq!(KeyId::of(signer.public_key()), Ok(id));
    assert_eq!(KeyAlgorithm::of(signer.public_key()), Some(algorithm));
    let signature = signer.sign(MESSAGE).unwrap();
    let verify = |message: &[u8], signature: &[u8]| {
        OpenSslVerifier.verify(signer.public_key(), scheme, message, signature)
    };
    verify(MESSAGE, &signature).unwrap();
    verify(b"massage", &signature).unwrap_err();
    let mut bent = signature.clone();
    *bent.last_mut().unwrap() ^= 1;
    verify(MESSAGE, &bent).unwrap_err();
    let mut longer = signature;
    longer.push(0);
    verify(MESSAGE, &longer).unwrap_err();

    let usual = token.signer(id, None).unwrap();
    assert_eq!(usual.scheme(), algorithm.default_scheme());
    for other in SignatureScheme::ALL {
        if !algorithm.fits(other) {
            let answer = token.signer(id, Some(other)).map(|_| ());
            assert!(
                matches!(answer, Err(KeyStoreError::BadRequest(_))),
                "{answer:?}"
            );
        }
    }
    token.destroy(id).unwrap();
    assert_eq!(token.find(&name), Ok(None));
    assert!(matches!(
        token.signer(id, None),
        Err(KeyStoreError::UnknownKey(_))
    ));
}
