//! Tokens and keys, for people to read.

use std::path::Path;

use hsm_bridge::daemon::{Config, TokenSettings, each_sealed_key};
use hsm_bridge::pkcs11::list_tokens;
use hsm_bridge::{KeyLabel, KeyStoreError, SecretPurpose};

pub(super) fn tokens(module: &Path) -> Result<(), KeyStoreError> {
    let tokens = list_tokens(module)?;
    if tokens.is_empty() {
        println!("the module shows no initialised token");
    }
    for token in tokens {
        let state = match (token.pin_locked, token.pin_count_low) {
            (true, _) => "PIN locked",
            (false, true) => "a wrong PIN was entered",
            (false, false) => "ready",
        };
        println!(
            "{:32} {} serial {} ({state})",
            token.label, token.model, token.serial_number
        );
    }
    Ok(())
}

pub(super) fn keys(config: &Config) -> Result<(), KeyStoreError> {
    for settings in &config.token {
        if config.token.len() > 1 {
            println!("token {}:", settings.name);
        }
        keys_of(config, settings)?;
        sealed_by(config, settings)?;
    }
    Ok(())
}

/// Prints what a token sealed, as the files have it.
fn sealed_by(config: &Config, settings: &TokenSettings) -> Result<(), KeyStoreError> {
    each_sealed_key(config, settings, |key| match key {
        Ok(key) => println!(
            "{:48} {:8} {} sealed, generation {}",
            key.label, key.algorithm, key.id, key.generation
        ),
        Err(error) => println!("not one of ours: {error}"),
    })
}

/// Prints how the key of a label was made, for every token that has it.
pub(super) fn evidence(config: &Config, label: &KeyLabel) -> Result<(), KeyStoreError> {
    let mut found = false;
    for settings in &config.token {
        match config.open_token(settings)?.evidence(label) {
            Ok(evidence) => println!("{evidence}"),
            Err(KeyStoreError::UnknownKey(_)) => continue,
            Err(error) => return Err(error),
        }
        found = true;
    }
    if found {
        Ok(())
    } else {
        Err(KeyStoreError::UnknownKey(label.to_string()))
    }
}

fn keys_of(config: &Config, settings: &TokenSettings) -> Result<(), KeyStoreError> {
    let token = config.open_token(settings)?;
    for key in token.list_keys()? {
        match key {
            Ok(key) => {
                let retired = if token.is_retired(&key.label)? {
                    " retired"
                } else {
                    ""
                };
                println!("{:48} {:8} {}{retired}", key.label, key.algorithm, key.id);
            }
            Err(error) => println!("not one of ours: {error}"),
        }
    }
    for secret in token.list_secrets()? {
        match secret {
            Ok(secret) => println!(
                "{:48} {}",
                secret.label,
                match secret.purpose {
                    SecretPurpose::KeyEncryption => "aes256   wraps data keys",
                    SecretPurpose::Mac => "hmac     authenticates",
                }
            ),
            Err(error) => println!("not one of ours: {error}"),
        }
    }
    Ok(())
}
