//! Where one contract is tried: a token of its own, in a process of its own, opened as its vendor's tokens are.

use std::fmt::Write as _;
use std::path::PathBuf;

use cryptoki::context::Pkcs11;
use cryptoki::session::{Session, UserType};
use hsm_bridge::KeyLabel;
use hsm_bridge::pkcs11::{Template, Token, TokenConfig, TokenOptions, init_token};
use hsm_bridge::testing::{SO_PIN, USER_PIN};

use crate::worlds::World;

const LABEL: &str = "contract";
/// What keys are called here; a token with numbered places has one for each.
const LABELS: [&str; 8] = [
    "a/key",
    "a/other",
    "a/rsa",
    "a/edwards",
    "a/kek1",
    "a/kek2",
    "a/mac1",
    "a/mac2",
];

/// A token that was initialised and is empty.
pub(crate) struct Place {
    module: PathBuf,
    template: Template,
}

pub(crate) fn label(text: &str) -> KeyLabel {
    assert!(LABELS.contains(&text), "{text} has no place");
    KeyLabel::parse(text).unwrap()
}

/// The template of a world; labels that lie in places get one each.
fn template(world: World) -> Template {
    if world.template() != "ykcs" {
        return Template::load(world.template()).unwrap();
    }
    let mut text = String::from("base = 'ykcs'\n[places]\n");
    for (place, name) in (0x82..).zip(LABELS) {
        writeln!(text, "'{name}' = '{place:02x}'").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("template.toml");
    std::fs::write(&file, text).unwrap();
    Template::load(file.to_str().unwrap()).unwrap()
}

impl Place {
    /// Initialises the token that this process was started for.
    pub(crate) fn make(world: World) -> Self {
        let module = world.module();
        init_token(&module, LABEL, &SO_PIN.into(), &USER_PIN.into()).unwrap();
        Self {
            module,
            template: template(world),
        }
    }

    pub(crate) fn config(&self, pin: &str) -> TokenConfig {
        TokenConfig {
            module: self.module.clone(),
            label: LABEL.to_owned(),
            pin: pin.into(),
        }
    }

    /// Opens the token with some options, and the template of its vendor.
    pub(crate) fn open_with(&self, options: TokenOptions) -> Token {
        let template = self.template.clone();
        let options = TokenOptions {
            template,
            ..options
        };
        Token::open_with(&self.config(USER_PIN), options).unwrap()
    }

    pub(crate) fn open(&self) -> Token {
        self.open_with(TokenOptions::default())
    }

    /// The token as its vendor's tools would open it, beside our driver.
    pub(crate) fn raw_session(&self) -> Session {
        // The driver initialises the module.
        drop(self.open());
        let module = Pkcs11::new(&self.module).unwrap();
        let is_ours = |slot: &_| {
            let token = module.get_token_info(*slot).unwrap();
            token.label().trim_end() == LABEL
        };
        let slots = module.get_slots_with_initialized_token().unwrap();
        let session = module
            .open_rw_session(slots.into_iter().find(is_ours).unwrap())
            .unwrap();
        // Another session of this process may be logged in already.
        let _logged_in = session.login(UserType::User, Some(&USER_PIN.into()));
        session
    }
}
