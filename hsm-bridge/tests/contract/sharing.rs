//! Several callers at once: each has its turn, and what one does to the login does not stop another.

use hsm_bridge::pkcs11::TokenOptions;
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{KeyAlgorithm, KeyStore, SignatureVerifier};

use crate::Contract;
use crate::place::{Place, label};

pub(crate) fn contracts() -> Vec<Contract> {
    vec![
        Contract::new("one label made by many becomes one key", one_key),
        Contract::new("more threads than sessions all get their turn", turns),
        Contract::new("a logout elsewhere is healed by one login", logout),
    ]
}

fn one_key(place: &Place) {
    let token = place.open();
    let try_once = || usize::from(token.generate(&label("a/key"), KeyAlgorithm::P256).is_ok());
    let made: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(try_once)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(made, 1);
}

fn turns(place: &Place) {
    let token = place.open_with(TokenOptions {
        max_sessions: 2,
        ..TokenOptions::default()
    });
    let id = token.generate(&label("a/key"), KeyAlgorithm::P256).unwrap();
    let signer = token.signer(id, None).unwrap();
    std::thread::scope(|scope| {
        for number in 0..10_u8 {
            let signer = &signer;
            scope.spawn(move || {
                for _ in 0..20 {
                    let signature = signer.sign(&[number]).unwrap();
                    OpenSslVerifier
                        .verify(signer.public_key(), signer.scheme(), &[number], &signature)
                        .unwrap();
                }
            });
        }
    });
}

fn logout(place: &Place) {
    let token = place.open();
    let id = token.generate(&label("a/key"), KeyAlgorithm::P256).unwrap();
    let signer = token.signer(id, None).unwrap();
    place.raw_session().logout().unwrap();
    signer.sign(b"x").unwrap();
    assert_eq!(token.login_attempts(), 2);
}
