use proptest::prelude::*;
use serde_json::json;

use super::*;

fn recorded() -> Value {
    json!({
        "verification": {
            "trust_framework": "kh_vdia",
            "assurance_level": "urn:kh:vdia:2",
            "time": "2026-05-12T03:00:00Z",
            "evidence": [
                {"type": "document", "time": "2026-05-12T03:00:00Z",
                 "check_details": [{"check_method": "vri", "organization": "MoI"}, {"check_method": "data"}],
                 "document_details": {"type": "idcard", "issuer": {"country_code": "KHM"}}},
                {"type": "document", "document_details": {"type": "passport"}, "check_details": [{"check_method": "vcrypt"}]}
            ]
        },
        "claims": {"name": "SOK DARA", "birthdate": "1990-01-01", "nationalities": ["KHM"]}
    })
}

fn request(verification: &Value, claims: &Value) -> VerifiedRequest {
    VerifiedRequest {
        verification: verification.as_object().unwrap().clone(),
        claims: claims.as_object().unwrap().clone(),
    }
}

fn all() -> BTreeSet<String> {
    ["name", "birthdate", "nationalities"]
        .map(str::to_owned)
        .into()
}

fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn run(verification: &Value, claims: &Value) -> Option<Value> {
    select(&request(verification, claims), &recorded(), &all(), now())
}

#[test]
fn returns_only_what_is_asked_for() {
    let answer = run(
        &json!({"trust_framework": null, "time": null}),
        &json!({"birthdate": null}),
    )
    .unwrap();
    assert_eq!(
        answer,
        json!({"verification": {"trust_framework": "kh_vdia", "time": "2026-05-12T03:00:00Z"}, "claims": {"birthdate": "1990-01-01"}})
    );
}

#[test]
fn a_failed_constraint_in_verification_drops_everything() {
    let claims = json!({"name": null});
    for verification in [
        json!({"trust_framework": {"value": "eidas"}}),
        json!({"trust_framework": null, "assurance_level": {"values": ["urn:kh:vdia:3"]}}),
        json!({"trust_framework": null, "time": {"max_age": 3600}}),
        json!({"trust_framework": null, "evidence": [{"type": {"value": "vouch"}}]}),
        json!({"trust_framework": null, "evidence": [{"type": {"value": "document"}, "document_details": {"type": {"value": "driving_permit"}}}]}),
        json!({"trust_framework": null, "evidence": [{"type": {"value": "document"}, "check_details": [{"check_method": {"value": "vpip"}}]}]}),
        json!({"trust_framework": null, "assurance_process": {"policy": {"value": "x"}}}),
        json!({"trust_framework": {"value": "kh_vdia", "unheard_of": 1}}),
        json!({"trust_framework": "kh_vdia"}),
    ] {
        assert_eq!(run(&verification, &claims), None, "{verification}");
    }
}

#[test]
fn constraints_that_hold_select() {
    let answer = run(
        &json!({"trust_framework": {"value": "kh_vdia"}, "time": {"max_age": 63_113_852},
            "evidence": [{"type": {"value": "document"}, "document_details": {"type": {"values": ["idcard", "visa"]}},
                "check_details": [{"check_method": {"value": "data"}}, {"check_method": {"value": "vpip"}}]}]}),
        &json!({"name": null, "nationalities": {"value": "KHM"}}),
    )
    .unwrap();
    assert_eq!(
        answer["verification"]["evidence"],
        json!([{"type": "document", "document_details": {"type": "idcard"}, "check_details": [{"check_method": "data"}]}])
    );
    assert_eq!(answer["claims"]["nationalities"], json!(["KHM"]));
}

#[test]
fn a_failed_constraint_on_a_claim_drops_that_claim() {
    let answer = run(
        &json!({"trust_framework": null}),
        &json!({"name": null, "birthdate": {"value": "1991-01-01"}}),
    )
    .unwrap();
    assert_eq!(answer["claims"], json!({"name": "SOK DARA"}));
    assert_eq!(
        run(
            &json!({"trust_framework": null}),
            &json!({"birthdate": {"value": "1991-01-01"}})
        ),
        None
    );
}

#[test]
fn claims_without_consent_and_unknown_claims_stay_out() {
    let asked = request(
        &json!({"trust_framework": null}),
        &json!({"name": null, "birthdate": null, "title": null}),
    );
    let allowed = BTreeSet::from(["birthdate".to_owned()]);
    let answer = select(&asked, &recorded(), &allowed, now()).unwrap();
    assert_eq!(answer["claims"], json!({"birthdate": "1990-01-01"}));
    assert_eq!(select(&asked, &recorded(), &BTreeSet::new(), now()), None);
}

#[test]
fn essential_and_purpose_are_remarks() {
    let answer = run(
        &json!({"trust_framework": null, "evidence": null}),
        &json!({"name": {"essential": true, "purpose": "to greet you"}}),
    )
    .unwrap();
    assert_eq!(answer["claims"]["name"], "SOK DARA");
    assert_eq!(
        answer["verification"]["evidence"].as_array().unwrap().len(),
        2
    );
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop_oneof![Just("kh_vdia"), Just("document"), Just("idcard"), Just("x")]
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(
                (
                    prop_oneof![
                        Just("value"),
                        Just("values"),
                        Just("max_age"),
                        Just("type"),
                        Just("evidence"),
                        Just("document_details"),
                        Just("trust_framework"),
                        Just("claims")
                    ],
                    inner
                ),
                0..4
            )
            .prop_map(|pairs| Value::Object(
                pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
            )),
        ]
    })
}

/// Every scalar in `part` also stands in `whole`: selection invents nothing.
fn scalars(value: &Value, into: &mut Vec<Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|v| scalars(v, into)),
        Value::Object(members) => members.values().for_each(|v| scalars(v, into)),
        scalar => into.push(scalar.clone()),
    }
}

proptest! {
    #[test]
    fn selection_never_invents_and_never_panics(verification in json_value(), claims in json_value()) {
        let (Value::Object(verification), Value::Object(claims)) = (verification, claims) else { return Ok(()); };
        let asked = VerifiedRequest { verification, claims };
        if let Some(answer) = select(&asked, &recorded(), &all(), now()) {
            let (mut got, mut known) = (Vec::new(), Vec::new());
            scalars(&answer, &mut got);
            scalars(&recorded(), &mut known);
            for scalar in got { prop_assert!(known.contains(&scalar)); }
        }
    }

    #[test]
    fn a_value_constraint_is_never_broken(wanted in "[a-z_]{1,8}|kh_vdia") {
        let answer = run(&json!({"trust_framework": {"value": wanted}}), &json!({"name": null}));
        prop_assert_eq!(answer.is_some(), wanted == "kh_vdia");
    }
}
