//! Orders as files, and who may agree to them.

use std::time::{Duration, UNIX_EPOCH};

use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::{KeyAlgorithm, KeyId, KeyLabel, SecretPurpose};

mod judge;
mod orders;
mod used;

/// When the orders of these tests begin to be valid.
const BEGIN: Duration = Duration::from_hours(500_000);

fn p256() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn administrator(name: &str, key: &PKey<Private>) -> Administrator {
    Administrator::from_pem(name, &key.public_key_to_pem().unwrap()).unwrap()
}

fn label() -> impl Strategy<Value = KeyLabel> {
    "[a-z]{1,8}/[A-Za-z0-9][a-z0-9._-]{0,9}"
        .prop_filter_map("a label", |text| KeyLabel::parse(&text).ok())
}

fn order(author: &str, operation: Operation) -> Order {
    let id = OrderId::from_bytes([7; 16]);
    let from = UNIX_EPOCH + BEGIN;
    Order::new(id, ("main", author), from, MAX_VALIDITY, operation).unwrap()
}

fn attest() -> Operation {
    Operation::Attest {
        label: KeyLabel::parse("ca/root").unwrap(),
    }
}
