use super::*;

fn purpose() -> impl Strategy<Value = SecretPurpose> {
    prop::sample::select(vec![SecretPurpose::KeyEncryption, SecretPurpose::Mac])
}

fn operation() -> impl Strategy<Value = Operation> {
    let id = any::<[u8; 20]>().prop_map(KeyId::from_bytes);
    let algorithm = prop::sample::select(KeyAlgorithm::ALL.to_vec());
    let public_key = p256().public_key_to_der().unwrap();
    prop_oneof![
        (label(), algorithm)
            .prop_map(|(label, algorithm)| Operation::Generate { label, algorithm }),
        (label(), purpose())
            .prop_map(|(label, purpose)| Operation::GenerateSecret { label, purpose }),
        label().prop_map(|label| Operation::MakeTransportKey { label }),
        (label(), label(), vec(any::<u8>(), 1..900), any::<bool>()).prop_map(
            move |(label, transport, wrapped, sha1)| {
                let oaep = if sha1 { Oaep::Sha1 } else { Oaep::Sha256 };
                let key = ImportedKey::new(label, &public_key, transport, oaep, wrapped);
                Operation::Import(key.unwrap())
            }
        ),
        (label(), id.clone()).prop_map(|(label, id)| Operation::Retire { label, id }),
        (label(), id.clone()).prop_map(|(label, id)| Operation::Restore { label, id }),
        (label(), id).prop_map(|(label, id)| Operation::Destroy { label, id }),
        (label(), purpose())
            .prop_map(|(label, purpose)| Operation::RetireSecret { label, purpose }),
        (label(), purpose())
            .prop_map(|(label, purpose)| Operation::RestoreSecret { label, purpose }),
        (label(), purpose()).prop_map(|(label, purpose)| Operation::DestroySecret {
            label,
            purpose,
            loses: Some(purpose.into()),
        }),
        (1_u32..).prop_map(|generation| Operation::DestroySecret {
            label: crate::sealed::label_of(generation).unwrap(),
            purpose: SecretPurpose::KeyEncryption,
            loses: None,
        }),
        label().prop_map(|label| Operation::Attest { label }),
    ]
}

fn any_order() -> impl Strategy<Value = Order> {
    let seconds = 0_u64..200_000_000_000;
    (
        any::<[u8; 16]>(),
        "[a-z0-9-]{1,64}",
        "[A-Za-z]{1,9}",
        seconds,
        1_u64..=86_400,
        operation(),
    )
        .prop_map(|(id, token, author, from, seconds, operation)| {
            Order::new(
                OrderId::from_bytes(id),
                (&token, &author),
                UNIX_EPOCH + Duration::from_secs(from),
                Duration::from_secs(seconds),
                operation,
            )
            .unwrap()
        })
}

proptest! {
    #[test]
    fn an_order_survives_its_file_and_its_file_has_one_form(order in any_order(), place: prop::sample::Index, bit in 0_u8..8) {
        let bytes = order.encode().unwrap();
        prop_assert_eq!(Order::parse(&bytes), Ok(order.clone()));
        let begins = bytes.starts_with(b"{\n  \"format\": \"romduol hsm-bridge order 1\",\n");
        prop_assert!(begins);
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        prop_assert!(Order::parse(json.to_string().as_bytes()).is_err());
        // Another file is another order, or none.
        let mut bent = bytes.clone();
        bent[place.index(bytes.len())] ^= 1 << bit;
        prop_assert_ne!(Order::parse(&bent), Ok(order));
    }

    #[test]
    fn no_bytes_make_the_parsers_panic(bytes in vec(any::<u8>(), 0..400), cut in any_order(), at: prop::sample::Index) {
        let _ = Order::parse(&bytes);
        let _ = Approvals::parse(&bytes, b"order");
        let whole = cut.encode().unwrap();
        prop_assert!(Order::parse(&whole[..at.index(whole.len())]).is_err());
    }
}

#[test]
fn what_is_written_otherwise_or_says_more_is_refused() {
    let good = String::from_utf8(order("sok", attest()).encode().unwrap()).unwrap();
    assert!(Order::parse(good.as_bytes()).is_ok());
    for (from, to) in [
        ("order 1", "order 2"),
        ("\"main\"", "\"ma\\u0069n\""),
        ("\"main\"", "\"m n\""),
        ("\"main\"", "\"\""),
        ("  \"author\": \"sok\",\n", ""),
        (
            "\"author\": \"sok\",",
            "\"author\": \"sok\",\n  \"comment\": \"\",",
        ),
        (
            "\"author\": \"sok\",",
            "\"author\": \"dara\",\n  \"author\": \"sok\",",
        ),
        (
            "\"label\": \"ca/root\"",
            "\"label\": \"ca/root\",\n    \"force\": true",
        ),
        ("attest", "sign"),
        ("ca/root", "ca//root"),
        ("0707", "0G07"),
        ("\n}\n", "\n}"),
        ("\n}\n", "\n}\n\n"),
        ("2027", "1969"),
    ] {
        let bent = good.replacen(from, to, 1);
        assert_ne!(bent, good, "{from}");
        assert!(Order::parse(bent.as_bytes()).is_err(), "{bent}");
    }
    let long = [good.as_bytes(), &[b' '; MAX_ORDER_BYTES]].concat();
    assert_eq!(
        Order::parse(&long),
        Err(OrderError::TooLong(MAX_ORDER_BYTES))
    );
}

#[test]
fn an_order_lasts_a_day_at_most_and_leaves_the_bridges_own_keys_alone() {
    let made = |seconds, operation| {
        let from = UNIX_EPOCH + BEGIN;
        Order::new(
            OrderId::from_bytes([1; 16]),
            ("main", "sok"),
            from,
            Duration::from_secs(seconds),
            operation,
        )
    };
    assert!(made(86_400, attest()).is_ok());
    for seconds in [0, 86_401] {
        assert!(
            matches!(made(seconds, attest()), Err(OrderError::Value(_))),
            "{seconds}"
        );
    }
    let own = KeyLabel::parse("bridge/audit/g1").unwrap();
    let destroy = Operation::Destroy {
        label: own.clone(),
        id: KeyId::from_bytes([1; 20]),
    };
    assert!(matches!(made(60, destroy), Err(OrderError::Value(_))));
    assert!(made(60, Operation::Attest { label: own }).is_ok());
}

#[test]
fn signatures_stay_with_their_order() {
    let mut approvals = Approvals::of(b"order");
    approvals
        .approvals
        .push(Approval::new("sok", vec![1, 2]).unwrap());
    let file = approvals.encode().unwrap();
    assert_eq!(Approvals::parse(&file, b"order"), Ok(approvals));
    assert!(matches!(
        Approvals::parse(&file, b"ordes"),
        Err(OrderError::Value(_))
    ));
    for (name, signature) in [
        ("", vec![1]),
        ("a b", vec![1]),
        ("sok", vec![]),
        ("sok", vec![0; 81]),
    ] {
        assert!(Approval::new(name, signature).is_err(), "{name}");
    }
}

#[test]
fn only_large_rsa_keys_carry_others() {
    let transport = |bits| {
        let key = PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap();
        PKey::public_key_from_der(&key.public_key_to_der().unwrap()).unwrap()
    };
    let key = p256();
    assert!(matches!(
        wrap(&key, &transport(2048), Oaep::Sha1),
        Err(OrderError::Value(_))
    ));
    let elliptic = PKey::public_key_from_der(&key.public_key_to_der().unwrap()).unwrap();
    assert!(wrap(&key, &elliptic, Oaep::Sha1).is_err());
    // RFC 5649 §3: a block of 8 bytes in front, and the key filled up to a multiple of 8.
    let pkcs8 = key.private_key_to_pkcs8().unwrap().len();
    let wrapped = wrap(&key, &transport(3072), Oaep::Sha256).unwrap();
    assert_eq!(wrapped.len(), 384 + 8 + pkcs8.div_ceil(8) * 8);
}

#[test]
fn who_ends_a_symmetric_key_names_what_is_lost_and_a_generation_loses_nothing() {
    const WRAPS: SecretPurpose = SecretPurpose::KeyEncryption;
    let made = |operation: Operation| {
        let from = UNIX_EPOCH + BEGIN;
        let id = OrderId::from_bytes([1; 16]);
        Order::new(id, ("main", "sok"), from, MAX_VALIDITY, operation)
    };
    let destroy = |label: &str, purpose, loses| {
        made(Operation::DestroySecret {
            label: KeyLabel::parse(label).unwrap(),
            purpose,
            loses,
        })
    };
    let (wrapped, computed) = (Some(Loss::Wrapped), Some(Loss::Computed));
    for (label, purpose, loses, good) in [
        ("idp/kek", WRAPS, wrapped, true),
        ("idp/kek", WRAPS, computed, false),
        ("idp/kek", WRAPS, None, false),
        ("idp/mac", SecretPurpose::Mac, computed, true),
        ("idp/mac", SecretPurpose::Mac, wrapped, false),
        ("idp/mac", SecretPurpose::Mac, None, false),
        ("bridge/sealed/g1", WRAPS, None, true),
        ("bridge/sealed/g1", WRAPS, wrapped, false),
        ("bridge/sealed/g1", SecretPurpose::Mac, computed, false),
        ("bridge/sealed/g01", WRAPS, None, false),
        ("bridge/sealed/g01", WRAPS, wrapped, false),
        ("bridge/sealed/g", WRAPS, wrapped, false),
        ("bridge/sealed/g4294967296", WRAPS, wrapped, false),
        ("bridge/other", WRAPS, wrapped, false),
    ] {
        let order = destroy(label, purpose, loses);
        assert_eq!(
            order.is_ok(),
            good,
            "{label} {purpose:?} {loses:?}: {order:?}"
        );
    }
    let words = destroy("idp/kek", WRAPS, None).unwrap_err().to_string();
    assert!(words.contains("can never be opened again"), "{words}");
    let text = destroy("idp/kek", WRAPS, wrapped)
        .unwrap()
        .encode()
        .unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.contains("\"loses\": \"everything wrapped under it\""),
        "{text}"
    );
    // The words are part of what is signed; without them the order is none.
    let silent = text.replace(",\n    \"loses\": \"everything wrapped under it\"", "");
    assert_ne!(silent, text);
    assert!(matches!(
        Order::parse(silent.as_bytes()),
        Err(OrderError::Value(_))
    ));
    for label in ["bridge/sealed/g1", "bridge/audit/g1"] {
        let label = KeyLabel::parse(label).unwrap();
        let good = label.as_str().contains("sealed");
        let (of, purpose) = (label.clone(), WRAPS);
        assert_eq!(
            made(Operation::RetireSecret { label: of, purpose }).is_ok(),
            good
        );
        assert_eq!(
            made(Operation::RestoreSecret { label, purpose }).is_ok(),
            good
        );
    }
}

#[test]
fn what_is_repeated_of_a_bad_file_moves_nobodys_cursor() {
    let good = String::from_utf8(order("sok", attest()).encode().unwrap()).unwrap();
    let tricks = "\\u001b[2J\\nsigned by dara\\u202e";
    for (from, to) in [
        ("romduol hsm-bridge order 1", tricks.to_owned()),
        ("attest", tricks.to_owned()),
        (
            "\"author\": \"sok\"",
            format!("\"author\": \"sok\", \"{tricks}\": 1"),
        ),
        ("2027", tricks.to_owned()),
    ] {
        let bent = good.replacen(from, &to, 1);
        assert_ne!(bent, good, "{from}");
        let words = Order::parse(bent.as_bytes()).unwrap_err().to_string();
        let raw = |c: char| c.is_control() || c == '\u{202e}';
        assert!(
            words.contains("signed by dara") && !words.contains(raw),
            "{words:?}"
        );
    }
    let file = String::from_utf8(Approvals::of(b"order").encode().unwrap()).unwrap();
    let bent = file.replacen("romduol", tricks, 1);
    let words = Approvals::parse(bent.as_bytes(), b"order").unwrap_err();
    assert!(!words.to_string().contains(char::is_control), "{words:?}");
}
