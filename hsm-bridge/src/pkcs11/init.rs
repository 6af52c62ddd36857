//! Preparing and listing tokens, before any key exists.

use std::path::Path;

use cryptoki::session::UserType;
use secrecy::SecretString;

use super::{linked, module, recovery};
use crate::KeyStoreError;

/// PKCS#11 pads token labels to this many bytes.
const MAX_TOKEN_LABEL: usize = 32;

/// What a module tells about one token without a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSummary {
    /// Label, without its padding.
    pub label: String,
    /// Model as the vendor names it.
    pub model: String,
    /// Serial number as the vendor gives it.
    pub serial_number: String,
    /// Whether the user PIN is locked.
    pub pin_locked: bool,
    /// Whether a wrong PIN was entered since the last right one.
    pub pin_count_low: bool,
}

/// Initialises the first blank token of a module and sets its PINs; a label in use is refused, so no token is ever wiped.
pub fn init_token(
    module: &Path,
    label: &str,
    so_pin: &SecretString,
    user_pin: &SecretString,
) -> Result<(), KeyStoreError> {
    if label.is_empty() || label.len() > MAX_TOKEN_LABEL {
        return Err(KeyStoreError::Configuration(format!(
            "a token label has 1 to {MAX_TOKEN_LABEL} bytes"
        )));
    }
    linked::make(module)?;
    if list_tokens(module)?
        .iter()
        .any(|token| token.label == label)
    {
        return Err(KeyStoreError::Configuration(format!(
            "there is a token '{label}' already"
        )));
    }
    let answer = |e: cryptoki::error::Error| recovery::answer(&e);
    let context = module::load(module)?;
    let mut blank = None;
    for slot in context.get_slots_with_token().map_err(answer)? {
        if !context
            .get_token_info(slot)
            .map_err(answer)?
            .token_initialized()
        {
            blank = Some(slot);
            break;
        }
    }
    let slot = blank.ok_or_else(|| {
        KeyStoreError::TokenUnavailable("the module shows no blank token".to_owned())
    })?;
    context.init_token(slot, so_pin, label).map_err(answer)?;
    let session = context.open_rw_session(slot).map_err(answer)?;
    session.login(UserType::So, Some(so_pin)).map_err(answer)?;
    session.init_pin(user_pin).map_err(answer)?;
    session.logout().map_err(answer)?;
    linked::prepare(module)
}

/// Every initialised token a module shows.
pub fn list_tokens(module: &Path) -> Result<Vec<TokenSummary>, KeyStoreError> {
    let answer = |e: cryptoki::error::Error| recovery::answer(&e);
    let context = module::load(module)?;
    let mut tokens = Vec::new();
    for slot in context.get_slots_with_initialized_token().map_err(answer)? {
        let info = context.get_token_info(slot).map_err(answer)?;
        tokens.push(TokenSummary {
            label: info.label().trim_end().to_owned(),
            model: info.model().trim_end().to_owned(),
            serial_number: info.serial_number().trim_end().to_owned(),
            pin_locked: info.user_pin_locked(),
            pin_count_low: info.user_pin_count_low(),
        });
    }
    Ok(tokens)
}
