//! What a token cannot do, and how it is told: a contract in this list must be broken, and in these words.

use strict_token::Profile;

use crate::worlds::{World, is_linked};

/// A contract that a token cannot keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exception {
    pub(crate) contract: &'static str,
    /// What the driver's answer has in it.
    pub(crate) says: &'static str,
    /// Why the vendor's tokens are so.
    pub(crate) because: &'static str,
}

const FIPS_MODE: &str = "in FIPS mode RSA signs by PSS alone";
const NO_EDWARDS: &str = "the cluster has no Edwards curves";
const NO_GCM: &str = "without AES-GCM no data key can be wrapped in its context";
const PIV: &str = "PIV has P-256, P-384 and RSA-2048, and no symmetric keys";
const NO_ML_DSA: &str = "its template lists its algorithms, and ML-DSA is none of them";

/// Each of these contracts is broken in these words.
fn all(says: &'static str, because: &'static str, contracts: &[&'static str]) -> Vec<Exception> {
    let one = |contract: &&'static str| Exception {
        contract,
        says,
        because,
    };
    contracts.iter().map(one).collect()
}

/// The exceptions of one token.
pub(crate) fn exceptions(world: World) -> Vec<Exception> {
    let World::Played(vendor) = world else {
        return Vec::new();
    };
    let mut listed = match vendor {
        Profile::LunaLike => all(
            "An invalid mechanism was specified",
            FIPS_MODE,
            &["rsa2048 signs by RS256", "rsa3072 signs by RS256"],
        ),
        Profile::CloudhsmLike => all(
            "makes no ed25519 keys",
            NO_EDWARDS,
            &["ed25519 signs by EdDSA"],
        ),
        Profile::YubihsmLike => all(
            "makes no keys that wrap data keys",
            NO_GCM,
            &[
                "a key that wraps cannot be read or wrapped",
                "a key that wraps makes no MACs",
                "wrapped keys open only in their own context",
            ],
        ),
        Profile::YkcsLike => [
            all("makes no ed25519 keys", PIV, &["ed25519 signs by EdDSA"]),
            all(
                "makes no rsa3072 keys",
                PIV,
                &["rsa3072 signs by RS256", "rsa3072 signs by PS256"],
            ),
            all(
                "makes no keys that wrap data keys",
                PIV,
                &[
                    "a key that wraps cannot be read or wrapped",
                    "a key that wraps makes no MACs",
                    "wrapped keys open only in their own context",
                ],
            ),
            all(
                "makes no keys that authenticate",
                PIV,
                &[
                    "a MAC key cannot be read or wrapped",
                    "a MAC key wraps nothing",
                    "MACs are those of a key nobody knows",
                    "a secret key's label is taken",
                ],
            ),
        ]
        .concat(),
        Profile::Plain | Profile::NshieldLike | Profile::KryopticLike => Vec::new(),
    };
    if is_linked() && matches!(vendor, Profile::CloudhsmLike | Profile::YkcsLike) {
        listed.extend(all(
            "makes no ml-dsa-65 keys",
            NO_ML_DSA,
            &["ml-dsa-65 signs by ML-DSA-65"],
        ));
    }
    listed
}
