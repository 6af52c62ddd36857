use hsm_bridge::testing::SoftHsm;
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore as _};

use super::*;

const NOW: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn a_token_proves_a_name_to_one_audience_once_and_for_a_minute() {
    let hsm = SoftHsm::new().unwrap();
    let token = hsm.open().unwrap();
    let key = |label: &str| {
        let id = token
            .generate(&KeyLabel::parse(label).unwrap(), KeyAlgorithm::P256)
            .unwrap();
        Arc::<dyn Signer>::from(token.signer(id, None).unwrap())
    };
    let ocsp = PeerSigner::new("ocsp", key("ocsp/peer/g1")).unwrap();
    let stranger = PeerSigner::new("ocsp", key("idp/peer/g1")).unwrap();
    let peers = BTreeMap::from([("ocsp".to_owned(), ocsp.public_key().unwrap())]);
    let ca = PeerVerifier::new(peers.clone(), "ca", Arc::new(OpenSslVerifier));

    let good = ocsp.token("ca", at(NOW), "1").unwrap();
    assert_eq!(ca.verify(&good, at(NOW + 1)).unwrap().as_str(), "ocsp");
    assert_eq!(ca.verify(&good, at(NOW + 1)), Err(PeerError::Replayed));

    let foreign = ocsp.token("idp", at(NOW), "2").unwrap();
    assert_eq!(ca.verify(&foreign, at(NOW)), Err(PeerError::Claim("aud")));
    let late = ocsp.token("ca", at(NOW), "3").unwrap();
    assert_eq!(
        ca.verify(&late, at(NOW + LIFE + SKEW)),
        Err(PeerError::Time)
    );
    assert_eq!(ca.verify(&late, at(NOW - SKEW - 1)), Err(PeerError::Time));
    let forged = stranger.token("ca", at(NOW), "4").unwrap();
    assert!(matches!(
        ca.verify(&forged, at(NOW)),
        Err(PeerError::Token(_))
    ));
    let mut changed = ocsp.token("ca", at(NOW), "5").unwrap();
    changed.insert(changed.len() - 4, 'A');
    assert!(matches!(
        ca.verify(&changed, at(NOW)),
        Err(PeerError::Token(_))
    ));
    assert!(matches!(ca.verify("", at(NOW)), Err(PeerError::Token(_))));
}
