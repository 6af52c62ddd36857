//! A process, a strict token and a control page for each test: the faults of a module strike all of its process.

use std::path::{Path, PathBuf};

use hsm_bridge::pkcs11::{Token, TokenConfig, TokenOptions, init_token};
use hsm_bridge::testing::{SO_PIN, USER_PIN};
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{
    KeyAlgorithm, KeyId, KeyLabel, KeyStore, KeyStoreError, SignatureScheme, SignatureVerifier,
};
use strict_token::{Control, Profile, module_file};

use crate::process;

/// Names the folder of its token to a process that runs one test alone.
const FOLDER_VARIABLE: &str = "STRICT_TOKEN_TEST_FOLDER";
const LABEL: &str = "strict";
pub(crate) const MESSAGE: &[u8] = b"the message";

/// A strict token in this process, initialised, with all counters at zero.
pub(crate) struct Stage {
    pub(crate) control: Control,
    module: PathBuf,
}

/// A test that has a process to itself, with these knobs over this profile.
macro_rules! strict_test {
    ($(#[$attribute:meta])* $name:ident, $profile:expr, $knobs:expr, $body:expr) => {
        #[test]
        $(#[$attribute])*
        fn $name() {
            let test = concat!(module_path!(), "::", stringify!($name));
            crate::stage::alone(test, $profile, $knobs, $body);
        }
    };
}
pub(crate) use strict_test;

/// Runs `body` in a process of its own: this very program again, for this test alone, with a strict token in its environment.
pub(crate) fn alone(test: &str, profile: Profile, knobs: &str, body: impl FnOnce(Stage)) {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        return body(Stage::set(Path::new(&folder)));
    }
    let folder = tempfile::tempdir().unwrap();
    process::furnish(folder.path(), |settings| {
        settings.profile = profile;
        settings.knobs = knobs.parse().unwrap();
    });
    let name = test.split_once("::").map_or(test, |(_, name)| name);
    let place = [(FOLDER_VARIABLE, folder.path().as_os_str())];
    let ended = process::again(name, folder.path(), &place);
    assert!(ended.passed, "{}", ended.said);
}

pub(crate) fn label(text: &str) -> KeyLabel {
    KeyLabel::parse(text).unwrap()
}

impl Stage {
    fn set(folder: &Path) -> Self {
        let control = Control::open(&folder.join(process::CONTROL_FILE)).unwrap();
        let module = module_file().unwrap();
        init_token(&module, LABEL, &SO_PIN.into(), &USER_PIN.into()).unwrap();
        control.reset_counters();
        Self { control, module }
    }

    pub(crate) fn config(&self, pin: &str) -> TokenConfig {
        TokenConfig {
            module: self.module.clone(),
            label: LABEL.to_owned(),
            pin: pin.into(),
        }
    }

    pub(crate) fn module(&self) -> &Path {
        &self.module
    }

    pub(crate) fn open(&self) -> Token {
        Token::open(&self.config(USER_PIN)).unwrap()
    }

    /// An open token with one key, used once so that its handle is known; counters start at zero after that, but for the login.
    pub(crate) fn ready(&self, algorithm: KeyAlgorithm) -> Key {
        self.ready_with(algorithm, TokenOptions::default())
    }

    pub(crate) fn ready_with(&self, algorithm: KeyAlgorithm, options: TokenOptions) -> Key {
        let token = Token::open_with(&self.config(USER_PIN), options).unwrap();
        let id = token.generate(&label("test/key"), algorithm).unwrap();
        let key = Key {
            token,
            id,
            scheme: algorithm.default_scheme(),
        };
        key.sign().unwrap();
        self.control.reset_counters();
        key
    }

    /// PINs offered since the counters were set to zero, the wrong ones apart.
    pub(crate) fn pins(&self) -> (u64, u64) {
        (self.control.login_attempts(), self.control.wrong_pins())
    }
}

/// A key and the token it lies in.
pub(crate) struct Key {
    pub(crate) token: Token,
    pub(crate) id: KeyId,
    pub(crate) scheme: SignatureScheme,
}

impl Key {
    /// Signs [`MESSAGE`]; a signature that comes out was verified by a verifier of our own, not by the driver's word.
    pub(crate) fn sign(&self) -> Result<Vec<u8>, KeyStoreError> {
        let signer = self.token.signer(self.id, Some(self.scheme))?;
        let signature = signer.sign(MESSAGE)?;
        OpenSslVerifier
            .verify(signer.public_key(), self.scheme, MESSAGE, &signature)
            .expect("a signature that does not verify was released");
        Ok(signature)
    }
}
