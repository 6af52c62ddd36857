//! The linked-in token in this process: made, opened, told apart from others, indexed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hsm_bridge::pkcs11::{Template, Token, TokenConfig, TokenOptions, init_token, list_tokens};
use hsm_bridge::testing::{SO_PIN, USER_PIN};
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{
    KeyAlgorithm, KeyLabel, KeyStore, KeyStoreError, SecretPurpose, SecretStore, SignatureVerifier,
};
use hsm_bridge_embedded::link;
use rusqlite::Connection;

/// A folder with one token in it; it stays, since the module opens the files of all its slots anew when another is added.
struct Place {
    folder: PathBuf,
    label: String,
}

/// An empty folder of this name, which no other test has.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

static MAKING: Mutex<()> = Mutex::new(());

fn label(text: &str) -> KeyLabel {
    KeyLabel::parse(text).unwrap()
}

impl Place {
    /// Makes a token of this label; no two of one process may share one.
    fn with(name: &str) -> Self {
        link();
        let place = Self {
            folder: folder(name),
            label: name.to_owned(),
        };
        // The first blank token of the process is taken, which must be the one of this file.
        let _one_at_a_time = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        init_token(&place.module(), name, &SO_PIN.into(), &USER_PIN.into()).unwrap();
        place
    }

    fn file(&self) -> PathBuf {
        self.folder.join("token.sql")
    }

    fn module(&self) -> PathBuf {
        format!("embedded:{}", self.file().display()).into()
    }

    fn open(&self, pin: &str, session_copy: bool) -> Result<Token, KeyStoreError> {
        let config = TokenConfig {
            module: self.module(),
            label: self.label.clone(),
            pin: pin.into(),
        };
        let options = TokenOptions {
            session_copy,
            template: Template::load("kryoptic").unwrap(),
            ..TokenOptions::default()
        };
        Token::open_with(&config, options)
    }
}

#[test]
fn every_algorithm_signs_what_openssl_verifies_with_and_without_session_copies() {
    let place = Place::with("algorithms");
    for session_copy in [false, true] {
        let token = place.open(USER_PIN, session_copy).unwrap();
        for algorithm in KeyAlgorithm::ALL {
            if algorithm == KeyAlgorithm::Rsa4096 {
                continue; // differs from 3072 in length alone, and takes long to make
            }
            let name = label(&format!("test/{algorithm}"));
            let id = token.generate(&name, algorithm).unwrap();
            let signer = token.signer(id, None).unwrap();
            assert_eq!(KeyAlgorithm::of(signer.public_key()), Some(algorithm));
            let signature = signer.sign(b"message").unwrap();
            let verify = |message: &[u8]| {
                OpenSslVerifier.verify(signer.public_key(), signer.scheme(), message, &signature)
            };
            verify(b"message").unwrap();
            verify(b"massage").unwrap_err();
            token.destroy(id).unwrap();
            assert_eq!(token.find(&name), Ok(None));
        }
    }
}

#[test]
fn a_token_is_its_file_and_the_file_is_its_owners() {
    let (one, two) = (Place::with("file-one"), Place::with("file-two"));
    let mode = fs::metadata(one.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (first, second) = (one.open(USER_PIN, false), two.open(USER_PIN, false));
    let (first, second) = (first.unwrap(), second.unwrap());
    let name = label("test/key");
    first.generate(&name, KeyAlgorithm::P256).unwrap();
    first
        .generate_secret(&label("test/kek"), SecretPurpose::KeyEncryption)
        .unwrap();
    assert!(first.find(&name).unwrap().is_some());
    assert_eq!(second.find(&name), Ok(None));

    // What is initialised is never wiped.
    let again = init_token(&one.module(), "file-one", &SO_PIN.into(), &USER_PIN.into());
    assert!(matches!(again, Err(KeyStoreError::Configuration(_))));
    assert!(
        one.open(USER_PIN, false)
            .unwrap()
            .find(&name)
            .unwrap()
            .is_some()
    );
    let shown = list_tokens(&one.module()).unwrap();
    assert!(shown.iter().any(|token| token.label == "file-one"));
}

#[test]
fn a_search_by_value_uses_the_index_and_a_blank_file_is_left_alone() {
    let place = Place::with("index");
    // Made when the token is opened.
    place.open(USER_PIN, false).unwrap();
    let connection = Connection::open(place.file()).unwrap();
    let plan: String = connection
        .query_row(
            "EXPLAIN QUERY PLAN SELECT id FROM objects WHERE attr = 3 AND val = x'61'",
            [],
            |row| row.get(3),
        )
        .unwrap();
    assert!(plan.contains("objects_by_value"), "{plan}");
    hsm_bridge_embedded::make_index(&place.file()).unwrap();

    let blank = place.folder.join("blank.sql");
    fs::write(&blank, b"").unwrap();
    hsm_bridge_embedded::make_index(&blank).unwrap();
    assert_eq!(fs::metadata(&blank).unwrap().len(), 0);
    hsm_bridge_embedded::make_index(&place.folder.join("absent.sql")).unwrap_err();
}

#[test]
fn what_cannot_be_opened_is_said_in_words_and_makes_no_file() {
    link();
    let folder = folder("unusable");
    let at = |name: &str| -> PathBuf { format!("embedded:{}", folder.join(name).display()).into() };
    let said = list_tokens(&at("none.sql")).unwrap_err().to_string();
    assert!(
        said.contains("no such file") && said.contains("none.sql"),
        "{said}"
    );
    fs::write(
        folder.join("text.sql"),
        "not a database, but long enough to be read as one",
    )
    .unwrap();
    let said = list_tokens(&at("text.sql")).unwrap_err().to_string();
    assert!(said.contains("not a database"), "{said}");
    assert!(!folder.join("none.sql").exists());
}

#[test]
fn a_wrong_pin_is_refused_in_words_and_a_locked_one_is_not_offered() {
    let place = Place::with("pins");
    let mut answers = Vec::new();
    // Each opening offers the PIN once; kryoptic locks it after a few.
    for _ in 0..20 {
        answers.push(place.open("not the pin", false).err().unwrap());
    }
    assert_eq!(answers.first(), Some(&KeyStoreError::PinRefused));
    assert_eq!(answers.last(), Some(&KeyStoreError::PinLocked));
    // Locked for the right one too, and the token says so without a try.
    assert_eq!(
        place.open(USER_PIN, false).err(),
        Some(KeyStoreError::PinLocked)
    );
}
