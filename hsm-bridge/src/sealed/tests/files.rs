//! One file and the folder it lies in.

use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::super::file::{Identity, SealedFile};
use super::*;
use crate::SignatureScheme;
use crate::activation::Holder;

const KINDS: [KeyAlgorithm; 3] = [
    KeyAlgorithm::P256,
    KeyAlgorithm::P384,
    KeyAlgorithm::Ed25519,
];

/// A holder whose passkey is the public half of a sealed key, which any P-256 key may be.
fn holder(keys: &SealedKeys, name: &str) -> Holder {
    let id = keys
        .generate(&label(name), KeyAlgorithm::P256, None)
        .unwrap();
    let key = keys.key(id).unwrap().unwrap();
    let der = der::Encode::to_der(&key.info().public_key).unwrap();
    Holder::new(&der, "id.example", "https://id.example").unwrap()
}

#[test]
fn keys_of_every_kind_sign_before_and_after_a_restart() {
    let shelf = Shelf::new(1);
    let keys = shelf.open();
    assert!(!shelf.path().exists());
    let made = KINDS.map(|kind| {
        let name = label(&format!("idp/{kind}"));
        let id = keys.generate(&name, kind, None).unwrap();
        signs(&keys, id).unwrap();
        (name, id, kind)
    });
    assert_eq!(shelf.vault.0.state.lock().unwrap().unwraps, 0);
    for path in shelf.files() {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let folder = path.parent().unwrap().metadata().unwrap();
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    }
    let again = shelf.open();
    for (name, id, kind) in made {
        assert_eq!(again.find(&name), Some(id));
        signs(&again, id).unwrap();
        signs(&again, id).unwrap();
        let key = again.key(id).unwrap().unwrap();
        assert_eq!((&key.info().label, key.info().algorithm), (&name, kind));
        let other = match kind {
            KeyAlgorithm::P256 => SignatureScheme::Ed25519,
            _ => SignatureScheme::EcdsaP256Sha256,
        };
        let odd = key.sign(other, &Signed::Message(b"x"), true);
        assert!(matches!(odd, Err(KeyStoreError::BadRequest(_))), "{odd:?}");
    }
    // Opened once each, whatever they sign.
    assert_eq!(shelf.vault.0.state.lock().unwrap().unwraps, 3);
    assert_eq!(again.find(&label("idp/other")), None);
}

#[test]
fn a_label_has_one_key_and_rsa_has_none() {
    let shelf = Shelf::new(2);
    let keys = shelf.open();
    let (one, taken) = (label("sign/one"), label("sign/taken"));
    keys.generate(&one, KeyAlgorithm::P256, None).unwrap();
    shelf
        .vault
        .0
        .state
        .lock()
        .unwrap()
        .pairs
        .insert(taken.clone());
    for name in [&one, &taken] {
        let refusal = keys.generate(name, KeyAlgorithm::P256, None);
        assert_eq!(refusal, Err(KeyStoreError::KeyExists(name.to_string())));
    }
    let rsa = keys.generate(&label("sign/rsa"), KeyAlgorithm::Rsa3072, None);
    assert!(matches!(rsa, Err(KeyStoreError::BadRequest(_))));
    // Of many who want one label, one gets it.
    let contested = label("sign/contested");
    let made = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| keys.generate(&contested, KeyAlgorithm::Ed25519, None)))
            .collect();
        let tries = tries.into_iter().map(|one| one.join().unwrap());
        tries.filter_map(Result::ok).collect::<Vec<_>>()
    });
    assert_eq!((made.len(), shelf.files().len()), (1, 2));
    assert_eq!(shelf.open().find(&contested), made.first().copied());
}

#[test]
fn a_destroyed_key_is_gone_even_when_its_file_no_longer_opens() {
    let shelf = Shelf::new(3);
    let keys = shelf.open();
    let (one, two) = (label("sign/one"), label("sign/two"));
    let first = keys.generate(&one, KeyAlgorithm::P256, None).unwrap();
    assert_eq!(keys.destroy(first), Ok(true));
    assert_eq!(keys.destroy(first), Ok(false));
    assert!(keys.key(first).unwrap().is_none() && keys.find(&one).is_none());
    assert!(shelf.files().is_empty());
    let second = keys.generate(&two, KeyAlgorithm::P256, None).unwrap();
    replace(&shelf.files()[0], b"not a key");
    let keys = shelf.open();
    assert!(is_refused(&keys.key(second)));
    assert_eq!(keys.destroy(second), Ok(true));
    assert!(shelf.files().is_empty());
    // The label is free again, for another key.
    assert_ne!(keys.generate(&one, KeyAlgorithm::P256, None), Ok(first));
}

#[test]
fn a_holder_lies_sealed_with_the_key_and_no_other_takes_it_over() {
    let shelf = Shelf::new(4);
    let keys = shelf.open();
    let (one, other) = (holder(&keys, "a/one"), holder(&keys, "a/other"));
    let name = label("sign/one");
    let id = keys.generate_held(&name, KeyAlgorithm::P256, &one).unwrap();
    let keys = shelf.open();
    assert_eq!(keys.generate_held(&name, KeyAlgorithm::P256, &one), Ok(id));
    let exists = Err(KeyStoreError::KeyExists(name.to_string()));
    assert_eq!(
        keys.generate_held(&name, KeyAlgorithm::P256, &other),
        exists
    );
    let free = keys.generate_held(&label("a/one"), KeyAlgorithm::P256, &one);
    assert!(matches!(free, Err(KeyStoreError::KeyExists(_))));
    assert_eq!(keys.key(id).unwrap().unwrap().holder(), Some(&one));
}

#[test]
fn files_of_another_key_or_another_token_are_refused() {
    let (shelf, foreign) = (Shelf::new(5), Shelf::new(6));
    let keys = shelf.open();
    let ids = ["sign/one", "sign/two"].map(|name| {
        keys.generate(&label(name), KeyAlgorithm::P256, None)
            .unwrap()
    });
    let files = shelf.files();
    let contents: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();

    // The other token has a key of that generation too, and its own folder of that name.
    foreign.vault.make(1).unwrap();
    for file in &files {
        let there = foreign
            .path()
            .join(file.strip_prefix(shelf.path()).unwrap());
        fs::create_dir_all(there.parent().unwrap()).unwrap();
        fs::copy(file, there).unwrap();
    }
    let theirs = foreign.open();
    for id in ids {
        assert!(is_refused(&theirs.key(id)));
    }

    // Whole files, then their parts, change places.
    let [a, b] = [&contents[0], &contents[1]].map(|bytes| SealedFile::parse(bytes).unwrap());
    let wrapped = SealedFile {
        wrapped: b.wrapped.clone(),
        ..a.clone()
    };
    let sealed = SealedFile {
        sealed: b.sealed.clone(),
        ..a.clone()
    };
    let both = SealedFile {
        wrapped: b.wrapped.clone(),
        ..sealed.clone()
    };
    let renamed = SealedFile {
        public: Identity {
            label: label("idp/id-token/g1"),
            ..a.public.clone()
        },
        ..a.clone()
    };
    let own = a.public.id;
    for forged in [&b, &wrapped, &sealed, &both, &renamed] {
        replace(&files[0], &forged.encode().unwrap());
        assert!(is_refused(&shelf.open().key(own)), "{forged:?}");
    }
    replace(&files[0], &contents[0]);
    signs(&shelf.open(), own).unwrap();

    // The file of one label under the name of another: what is in it speaks.
    let name = files[0].file_name().unwrap().to_str().unwrap();
    let other = files[1].file_name().unwrap().to_str().unwrap();
    let (id, label_of_other) = (&name[..40], &other[41..]);
    let lied = files[0].with_file_name(format!("{id}-{label_of_other}"));
    fs::rename(&files[1], shelf.folder.path().join("aside")).unwrap();
    fs::rename(&files[0], &lied).unwrap();
    let keys = shelf.open();
    assert!(
        keys.find(&b.public.label)
            .is_some_and(|found| is_refused(&keys.key(found)))
    );
    // Two files of one label, or of one key, and nothing is served.
    fs::copy(&lied, &files[0]).unwrap();
    assert!(is_refused(&SealedKeys::open(
        shelf.vault.clone(),
        shelf.path()
    )));
    fs::remove_file(&files[0]).unwrap();
    fs::rename(shelf.folder.path().join("aside"), &files[1]).unwrap();
    let twice = SealedKeys::open(shelf.vault.clone(), shelf.path());
    assert!(matches!(twice, Err(KeyStoreError::Configuration(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// An end in the middle of writing leaves a part of a file beside its place: no key of that name is there, and the part is gone.
    #[test]
    fn a_part_of_a_file_is_no_key(length in 0_usize..400, id: [u8; 20]) {
        let shelf = Shelf::new(7);
        let keys = shelf.open();
        let kept = keys.generate(&label("sign/kept"), KeyAlgorithm::Ed25519, None).unwrap();
        let whole = fs::read(&shelf.files()[0]).unwrap();
        let id = KeyId::from_bytes(id);
        let leaf = shelf.path().join(&id.to_string()[..3]);
        fs::create_dir_all(&leaf).unwrap();
        replace(&leaf.join(format!("{id}.tmp")), &whole[..length.min(whole.len())]);
        let keys = shelf.open();
        prop_assert!(keys.key(id).unwrap().is_none());
        signs(&keys, kept).unwrap();
        prop_assert_eq!(shelf.files().len(), 1);
    }

    #[test]
    fn files_survive_their_notation(
        name in "[a-z]{1,8}(/[a-z0-9]{1,12}){0,3}",
        id: [u8; 20],
        kind in 0_usize..3,
        public_key in proptest::collection::vec(any::<u8>(), 0..200),
        generation: u32,
        wrapped in proptest::collection::vec(any::<u8>(), 0..200),
        sealed in proptest::collection::vec(any::<u8>(), 0..2000),
        more in proptest::collection::vec(any::<u8>(), 1..4),
    ) {
        let file = SealedFile {
            public: Identity {
                label: label(&name),
                id: KeyId::from_bytes(id),
                algorithm: KINDS[kind],
                public_key,
            },
            generation,
            wrapped,
            sealed,
        };
        let mut bytes = file.encode().unwrap();
        prop_assert_eq!(SealedFile::parse(&bytes), Some(file));
        bytes.extend(more);
        prop_assert_eq!(SealedFile::parse(&bytes), None);
    }

    #[test]
    fn parsing_never_panics_and_reads_one_notation(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let marked = [&b"RSK\x01"[..], &bytes].concat();
        if let Some(file) = SealedFile::parse(&marked) {
            prop_assert_eq!(file.encode(), Some(marked));
        }
    }
}

#[test]
fn no_bit_of_a_file_can_be_changed() {
    for (seed, kind) in (10..).zip(KINDS) {
        let shelf = Shelf::new(seed);
        let keys = shelf.open();
        let passkey = holder(&keys, "a/passkey");
        let id = keys
            .generate_held(&label("sign/one"), kind, &passkey)
            .unwrap();
        let of_key = |path: &&PathBuf| path.to_str().unwrap().contains(&id.to_string());
        let file = shelf.files().iter().find(of_key).unwrap().clone();
        let whole = fs::read(&file).unwrap();
        // Nothing is open yet, and what is refused stays closed.
        let keys = shelf.open();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            replace(&file, &bytes);
            assert!(is_refused(&keys.key(id)), "{kind} bit {bit}");
        }
        for length in 0..whole.len() {
            replace(&file, &whole[..length]);
            assert!(is_refused(&keys.key(id)), "{kind} length {length}");
        }
        replace(&file, &whole);
        signs(&shelf.open(), id).unwrap();
    }
}
