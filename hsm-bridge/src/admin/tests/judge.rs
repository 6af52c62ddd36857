use std::sync::LazyLock;

use super::*;

const NAMES: [&str; 4] = ["sok", "dara", "vanna", "bopha"];

struct House {
    keys: Vec<PKey<Private>>,
    administrators: Administrators,
}

static HOUSE: LazyLock<House> = LazyLock::new(|| {
    let mut keys: Vec<_> = NAMES.iter().map(|_| p256()).collect();
    keys[1] = PKey::generate_ed25519().unwrap();
    let persons: Vec<_> = NAMES
        .iter()
        .zip(&keys)
        .map(|(name, key)| administrator(name, key))
        .collect();
    House {
        administrators: Administrators::new(&persons).unwrap(),
        keys,
    }
});

fn signed(bytes: &[u8], name: &str, key: usize) -> Approval {
    Approval::new(name, sign(&HOUSE.keys[key], bytes).unwrap()).unwrap()
}

fn judge(order: &Order, approvals: &[Approval]) -> Judgement {
    let bytes = order.encode().unwrap();
    let now = UNIX_EPOCH + BEGIN + Duration::from_secs(5);
    HOUSE
        .administrators
        .judge((order, &bytes), approvals, "main", now)
}

proptest! {
    /// Whoever signs with whatever key how often: an order passes when every signature is its person's, nobody signed twice, its author is
    /// among them and two others are.
    #[test]
    fn exactly_the_author_and_two_others_suffice(
        author in 0_usize..4,
        hands in vec((0_usize..4, prop::bool::weighted(0.95)), 0..6),
    ) {
        let order = order(NAMES[author], attest());
        let bytes = order.encode().unwrap();
        let approvals: Vec<_> = hands
            .iter()
            .map(|(who, honest)| signed(&bytes, NAMES[*who], if *honest { *who } else { (*who + 1) % 4 }))
            .collect();
        let judged = judge(&order, &approvals);
        let distinct: std::collections::HashSet<_> = hands.iter().map(|(who, _)| *who).collect();
        let sound = hands.iter().all(|(_, honest)| *honest) && distinct.len() == hands.len();
        let enough = distinct.contains(&author) && distinct.len() >= 3;
        prop_assert_eq!(judged.verdict.is_ok(), sound && enough, "{:?}", judged.verdict);
        if let Ok(agreed) = judged.verdict {
            prop_assert_eq!(&agreed.author, NAMES[author]);
            prop_assert!(!agreed.approvers.contains(&agreed.author));
            prop_assert_eq!(agreed.approvers.len() + 1, distinct.len());
        }
    }
}

#[test]
fn each_refusal_has_its_own_word_and_names_whose_signatures_hold() {
    let order = order("sok", attest());
    let bytes = order.encode().unwrap();
    let of = |who: usize| signed(&bytes, NAMES[who], who);
    let other = {
        let mut other = bytes.clone();
        other.push(b' ');
        signed(&other, "dara", 1)
    };
    let cases = [
        (vec![], Refusal::NoAuthor("sok".into()), vec![]),
        (
            vec![of(0), of(1)],
            Refusal::TooFew {
                signed: 1,
                needed: 2,
            },
            vec!["sok", "dara"],
        ),
        (
            vec![of(0), of(1), of(1)],
            Refusal::Twice("dara".into()),
            vec!["sok", "dara"],
        ),
        (
            vec![of(0), of(0), of(1)],
            Refusal::Twice("sok".into()),
            vec!["sok", "dara"],
        ),
        (
            vec![of(1), of(2), of(3)],
            Refusal::NoAuthor("sok".into()),
            vec!["dara", "vanna", "bopha"],
        ),
        (
            vec![of(0), other, of(2)],
            Refusal::BadSignature("dara".into()),
            vec!["sok", "vanna"],
        ),
        (
            vec![of(0), signed(&bytes, "vanna", 1), of(1)],
            Refusal::BadSignature("vanna".into()),
            vec!["sok", "dara"],
        ),
        (
            vec![of(0), of(1), signed(&bytes, "mallory", 2)],
            Refusal::Unknown("mallory".into()),
            vec!["sok", "dara"],
        ),
        (vec![of(0); 33], Refusal::TooMany, vec!["sok"]),
    ];
    for (approvals, refusal, signers) in cases {
        let judged = judge(&order, &approvals);
        assert_eq!(judged.verdict, Err(refusal));
        assert_eq!(judged.signers, signers);
    }
    assert!(judge(&order, &[of(0), of(1), of(2)]).verdict.is_ok());
}

#[test]
fn an_order_holds_for_its_token_and_its_time_to_the_second() {
    let order = order("sok", attest());
    let bytes = order.encode().unwrap();
    let approvals: Vec<_> = (0..3).map(|who| signed(&bytes, NAMES[who], who)).collect();
    let at = |token: &str, seconds: i64| {
        let now = UNIX_EPOCH + BEGIN.saturating_add_signed(seconds);
        HOUSE
            .administrators
            .judge((&order, &bytes), &approvals, token, now)
            .verdict
    };
    assert!(at("main", 0).is_ok() && at("main", 86_399).is_ok());
    assert!(matches!(at("main", -1), Err(Refusal::TooEarly(_))));
    assert!(matches!(at("main", 86_400), Err(Refusal::Expired(_))));
    assert_eq!(at("spare", 0), Err(Refusal::OtherToken("main".into())));
}

trait AddSigned {
    fn saturating_add_signed(self, seconds: i64) -> Self;
}

impl AddSigned for Duration {
    fn saturating_add_signed(self, seconds: i64) -> Self {
        Self::from_secs(self.as_secs().saturating_add_signed(seconds))
    }
}

#[test]
fn persons_who_cannot_be_told_apart_are_no_administrators() {
    let keys: Vec<_> = (0..3).map(|_| p256()).collect();
    let three = |names: [&str; 3], which: [usize; 3]| {
        let persons: Vec<_> = names
            .iter()
            .zip(which)
            .map(|(name, key)| administrator(name, &keys[key]))
            .collect();
        Administrators::new(&persons)
            .map(|_| ())
            .map_err(|e| e.to_string())
    };
    assert_eq!(three(["a", "b", "c"], [0, 1, 2]), Ok(()));
    assert!(
        three(["a", "b", "a"], [0, 1, 2])
            .unwrap_err()
            .contains("names two")
    );
    assert!(
        three(["a", "b", "c"], [0, 1, 0])
            .unwrap_err()
            .contains("one key")
    );
    assert!(
        three(["a", "b", "c d"], [0, 1, 2])
            .unwrap_err()
            .contains("no name")
    );
    let two = [administrator("a", &keys[0]), administrator("b", &keys[1])];
    assert!(
        Administrators::new(&two)
            .unwrap_err()
            .to_string()
            .contains("2 others")
    );
    let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let with_rsa = [
        administrator("a", &keys[0]),
        administrator("b", &keys[1]),
        administrator("c", &rsa),
    ];
    assert!(
        Administrators::new(&with_rsa)
            .unwrap_err()
            .to_string()
            .contains("neither")
    );
    assert!(Administrator::from_pem("a", &keys[0].private_key_to_pem_pkcs8().unwrap()).is_err());
}

/// One key in two notations is one key: a compressed point (SEC 1 §2.3.3) does not make a second person of the first.
#[test]
fn a_key_in_another_notation_is_no_other_key() {
    use der::asn1::BitString;
    use der::pem::LineEnding;
    use der::{Decode, Encode, pem};
    use openssl::bn::BigNumContext;
    use openssl::ec::PointConversionForm;
    let key = p256();
    let elliptic = key.ec_key().unwrap();
    let mut context = BigNumContext::new().unwrap();
    let point = elliptic
        .public_key()
        .to_bytes(
            elliptic.group(),
            PointConversionForm::COMPRESSED,
            &mut context,
        )
        .unwrap();
    let mut short =
        spki::SubjectPublicKeyInfoOwned::from_der(&key.public_key_to_der().unwrap()).unwrap();
    short.subject_public_key = BitString::from_bytes(&point).unwrap();
    let pem = pem::encode_string("PUBLIC KEY", LineEnding::LF, &short.to_der().unwrap()).unwrap();
    let persons = [
        administrator("a", &key),
        administrator("b", &p256()),
        Administrator::from_pem("c", pem.as_bytes()).unwrap(),
    ];
    Administrators::new(&persons).unwrap_err();
}
