//! What administrators hand in: orders, signatures under them, public keys of persons, and evidence that is read again.

use der::pem::{self, LineEnding};

use crate::admin::{Administrator, Administrators, Approvals, Order};
use crate::pkcs11::import_told_in;

/// An order whose file is read says the same to any other reader of JSON (RFC 8259), is written in this one way, and lasts no longer than an
/// order may; a refusal is one line.
pub fn order(bytes: &[u8]) {
    let order = match Order::parse(bytes) {
        Ok(order) => order,
        Err(why) => return assert!(!why.to_string().contains(char::is_control), "{why}"),
    };
    assert_eq!(order.encode().as_deref(), Ok(bytes));
    let other: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let text = |pointer: &str| {
        let value = other.as_ref()?.pointer(pointer)?;
        value.as_str().map(str::to_owned)
    };
    let operation = &order.operation;
    assert_eq!(text("/operation/name").as_deref(), Some(operation.name()));
    assert_eq!(
        text("/operation/label").as_deref(),
        Some(operation.label().as_str())
    );
    assert_eq!(text("/token").as_ref(), Some(&order.token));
    assert_eq!(text("/author").as_ref(), Some(&order.author));
    let lasts = order.expires.time().duration_since(order.not_before.time());
    assert!(lasts.is_ok_and(|lasts| !lasts.is_zero() && lasts <= crate::admin::MAX_VALIDITY));
    // A bit elsewhere is another order, or none: nothing in the file is without meaning.
    for (place, bit) in [(0, 1), (bytes.len() / 2, 4), (bytes.len() - 1, 64)] {
        let mut bent = bytes.to_vec();
        if let Some(byte) = bent.get_mut(place) {
            *byte ^= bit;
        }
        assert_ne!(Order::parse(&bent).as_ref(), Ok(&order));
    }
}

/// Signatures are read under their own order alone, and again as they were written.
pub fn approvals(bytes: &[u8]) {
    let (order, file) = bytes.split_at(bytes.len().min(ORDER_LENGTH));
    let Ok(approvals) = Approvals::parse(file, order) else {
        return;
    };
    let again = approvals.encode();
    let again = again.and_then(|file| Approvals::parse(&file, order));
    assert_eq!(again.as_ref(), Ok(&approvals));
    assert!(Approvals::parse(file, b"another order").is_err());
}

/// The first bytes of an input of [`approvals`] stand for the order.
pub(super) const ORDER_LENGTH: usize = 8;

/// A person's key that is read is one PEM file of one key, and a second person cannot have it, whatever way it is written.
pub fn administrator(bytes: &[u8]) {
    let Ok(person) = Administrator::from_pem("sok", bytes) else {
        return;
    };
    let parsed = pem::decode_vec(bytes).ok();
    let der = parsed.map(|(_, der)| der).unwrap_or_default();
    let written = pem::encode_string("PUBLIC KEY", LineEnding::CRLF, &der).unwrap_or_default();
    assert_eq!(
        Administrator::from_pem("sok", written.as_bytes()),
        Ok(person.clone())
    );
    let Ok(other) = Administrator::from_pem("dara", written.as_bytes()) else {
        return;
    };
    // Three persons with two keys are no three persons: whoever has the key signs twice.
    let third = Administrator::from_pem("vanna", THIRD.as_bytes());
    assert!(third.is_ok_and(|third| Administrators::new(&[person, other, third]).is_err()));
}

/// A sound key that belongs to nobody (the point of RFC 6979 §A.2.5).
const THIRD: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7
Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==
-----END PUBLIC KEY-----
";

/// Evidence that lets a key of elsewhere be used is JSON that names this key to any other reader.
pub fn evidence(bytes: &[u8]) {
    let Some((label, id)) = import_told_in(bytes) else {
        return;
    };
    let other: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let text = |pointer: &str| {
        let value = other.as_ref()?.pointer(pointer)?;
        value.as_str().map(str::to_owned)
    };
    assert_eq!(text("/label").as_deref(), Some(label.as_str()));
    assert_eq!(text("/key_id"), Some(id.to_string()));
    assert!(text("/imported/order").is_some_and(|order| !order.is_empty()));
}
