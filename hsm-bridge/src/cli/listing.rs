//! Tokens and keys, for people to read.

use std::collections::BTreeSet;
use std::path::Path;

use hsm_bridge::daemon::{Config, TokenSettings, each_sealed_key};
use hsm_bridge::pkcs11::{SecretInfo, Token, list_tokens};
use hsm_bridge::sealed::generation_of;
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
        let secrets = keys_of(config, settings)?;
        sealed_by(config, settings, &secrets)?;
    }
    Ok(())
}

/// Prints what a token sealed, as the files have it, and which generations are gone; `secrets` are the token's symmetric keys.
fn sealed_by(
    config: &Config,
    settings: &TokenSettings,
    secrets: &[KeyLabel],
) -> Result<(), KeyStoreError> {
    let there: BTreeSet<u32> = secrets.iter().filter_map(generation_of).collect();
    each_sealed_key(config, settings, |key| match key {
        Ok(key) => println!(
            "{:48} {:8} {} sealed, generation {}{}",
            key.label,
            key.algorithm,
            key.id,
            key.generation,
            if there.contains(&key.generation) {
                ""
            } else {
                ", which is not in the token: it cannot be opened"
            }
        ),
        Err(error) => println!("not one of ours: {error}"),
    })?;
    let newest = there.last().copied().unwrap_or_default();
    let gone = (1..newest).filter(|generation| !there.contains(generation));
    let gone: Vec<_> = gone.map(|generation| format!("g{generation}")).collect();
    if !gone.is_empty() {
        println!(
            "gone from the token: {} of bridge/sealed/; copies of files that lay under them open no more",
            gone.join(", ")
        );
    }
    Ok(())
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

/// Prints the keys of a token, and gives the labels of its symmetric ones.
fn keys_of(config: &Config, settings: &TokenSettings) -> Result<Vec<KeyLabel>, KeyStoreError> {
    let token = config.open_token(settings)?;
    for key in token.list_keys()? {
        match key {
            Ok(key) => {
                let retired = retired(&token, &key.label)?;
                println!("{:48} {:8} {}{retired}", key.label, key.algorithm, key.id);
            }
            Err(error) => println!("not one of ours: {error}"),
        }
    }
    let mut secrets = Vec::new();
    for secret in token.list_secrets()? {
        match secret {
            Ok(SecretInfo { label, purpose }) => {
                let does = match purpose {
                    SecretPurpose::KeyEncryption => "aes256   wraps data keys",
                    SecretPurpose::Mac => "hmac     authenticates",
                };
                println!("{:48} {does}{}", label, retired(&token, &label)?);
                secrets.push(label);
            }
            Err(error) => println!("not one of ours: {error}"),
        }
    }
    Ok(secrets)
}

fn retired(token: &Token, label: &KeyLabel) -> Result<&'static str, KeyStoreError> {
    Ok(if token.is_retired(label)? {
        " retired"
    } else {
        ""
    })
}
