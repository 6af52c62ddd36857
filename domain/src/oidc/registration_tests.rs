use serde_json::json;

use super::*;

fn form() -> serde_json::Value {
    json!({
        "id": "gdt",
        "name": {"km": "ពន្ធដារ", "en": "Tax portal"},
        "organization": {"km": "អគ្គនាយកដ្ឋានពន្ធដារ", "en": "General Department of Taxation"},
        "mark": "GDT",
        "uri": "https://tax.gov.kh",
        "auth_method": "client_secret_basic",
        "redirect_uris": ["https://tax.gov.kh/callback"],
        "grant": {
            "number": "2026-GDT-0141",
            "applicant": {"km": "ក", "en": "GDT"},
            "granted_by": {"km": "ក", "en": "Ministry of Interior"},
            "legal_basis": {"km": "ក", "en": "Law on Taxation"},
            "reason": {"km": "ក", "en": "To file"},
            "not_after": "2030-01-01T00:00:00Z",
            "data": [{"id": "email", "scope": "email", "required": false, "purpose": {"km": "ក", "en": "Receipt"}}]
        }
    })
}

fn check(form: serde_json::Value) -> Result<(Client, Option<AccessGrant>), RegistrationError> {
    let registration: Registration = serde_json::from_value(form).unwrap();
    registration.check(Uuid::from_u128(1), Timestamp::UNIX_EPOCH)
}

#[test]
fn defaults_are_the_strict_ones() {
    let (client, grant) = check(form()).unwrap();
    assert!(client.require_par && client.enabled && !client.may_introspect);
    assert_eq!(client.sector, "tax.gov.kh");
    let grant = grant.unwrap();
    assert_eq!(
        grant.data[0].claims,
        BTreeSet::from(["email".to_owned(), "email_verified".to_owned()])
    );
}

#[test]
fn a_loopback_client_has_a_sector_of_its_own() {
    let mut loopback = form();
    loopback["redirect_uris"] = json!(["http://localhost:8090/callback"]);
    let (client, _) = check(loopback).unwrap();
    assert_eq!(client.sector, "gdt.client.invalid");
}

#[test]
fn unsound_registrations_are_refused() {
    for (path, value) in [
        ("id", json!("GDT!")),
        ("mark", json!("")),
        ("mark", json!("<b>")),
        ("uri", json!("javascript:alert(1)")),
        ("auth_method", json!("none")),
        ("auth_method", json!("private_key_jwt")),
        ("redirect_uris", json!([])),
        ("redirect_uris", json!(["http://tax.gov.kh/callback"])),
        (
            "redirect_uris",
            json!(["https://a.gov.kh/cb", "https://b.gov.kh/cb"]),
        ),
        ("sector", json!("a b")),
        ("grant", json!(null)),
        ("kind", json!("machine")),
        ("machine_scopes", json!(["ca.issue"])),
        ("resources", json!(["ca"])),
    ] {
        let mut changed = form();
        changed[path] = value.clone();
        assert!(check(changed).is_err(), "{path} = {value}");
    }
}

#[test]
fn unknown_keys_are_refused() {
    let mut changed = form();
    changed["requirepar"] = json!(false);
    assert!(serde_json::from_value::<Registration>(changed).is_err());
}

#[test]
fn a_machine_has_scopes_and_no_grant() {
    let mut machine = form();
    machine["kind"] = json!("machine");
    machine["redirect_uris"] = json!([]);
    machine["grant"] = json!(null);
    machine["machine_scopes"] = json!(["ca.issue", "ca.read"]);
    machine["resources"] = json!(["https://ca.gov.kh"]);
    assert!(check(machine.clone()).is_ok());
    machine["machine_scopes"] = json!(["openid"]);
    assert!(check(machine).is_err());
}
