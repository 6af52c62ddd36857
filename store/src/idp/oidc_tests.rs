use std::collections::BTreeSet;

use domain::audit::{Actor, AuditEvent, action};
use domain::oidc::authorization::SignIn;
use domain::oidc::client::ClientKind;
use domain::oidc::consent::{Release, Share};
use domain::oidc::grant::GrantLine;
use domain::oidc::redirect::RedirectUri;
use domain::oidc::text::Bilingual;
use domain::oidc::{
    AccessGrant, AuthMethod, Authorization, Client, ClientId, Consent, Parameters, Scope,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::*;
use crate::{Schema, Store, StoreError, Writer};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn event() -> AuditEvent {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let id = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    AuditEvent::new(
        Uuid::from_u128(u128::from(id)),
        at(0),
        Actor::system("test"),
        action::IDP_CODE_ISSUED,
        "test",
    )
}

fn text() -> Bilingual {
    Bilingual {
        km: "ក".to_owned(),
        en: "a".to_owned(),
    }
}

fn client(id: &str) -> Client {
    Client {
        id: ClientId::parse(id).unwrap(),
        kind: ClientKind::Web,
        name: text(),
        organization: text(),
        mark: "X".to_owned(),
        uri: None,
        auth_method: AuthMethod::ClientSecretBasic,
        jwks: None,
        redirect_uris: vec![RedirectUri::parse("https://rp.example/cb").unwrap()],
        post_logout_redirect_uris: vec![],
        sector: "rp.example".to_owned(),
        require_par: true,
        machine_scopes: BTreeSet::new(),
        resources: BTreeSet::new(),
        may_introspect: false,
        enabled: true,
    }
}

fn grant(client: &str, id: u128) -> AccessGrant {
    AccessGrant {
        id: Uuid::from_u128(id),
        number: format!("G-{id}"),
        client_id: ClientId::parse(client).unwrap(),
        applicant: text(),
        granted_by: text(),
        legal_basis: text(),
        reason: text(),
        data: vec![GrantLine {
            id: "name".to_owned(),
            scope: Scope::Profile,
            claims: BTreeSet::from(["name".to_owned()]),
            required: true,
            purpose: text(),
        }],
        not_before: at(0),
        not_after: at(10_000),
        retention_days: None,
    }
}

fn consent(id: u128, person: u128, client: &str) -> Consent {
    Consent {
        id: Uuid::from_u128(id),
        person: Uuid::from_u128(person),
        client_id: ClientId::parse(client).unwrap(),
        grant_id: Uuid::from_u128(1),
        shares: vec![Share {
            line: "name".to_owned(),
            scope: Scope::Profile,
            claims: BTreeSet::from(["name".to_owned()]),
            accepted: true,
        }],
        granted_at: at(1),
        expires_at: at(9_000),
        withdrawn_at: None,
    }
}

fn authorization(id: u128, person: u128) -> Authorization {
    Authorization {
        id: Uuid::from_u128(id),
        client_id: ClientId::parse("one").unwrap(),
        person: Uuid::from_u128(person),
        subject: "s".to_owned(),
        grant_id: Uuid::from_u128(1),
        consent_id: Uuid::from_u128(50),
        session_id: Some("session".to_owned()),
        client_session_id: "sid".to_owned(),
        release: Release::default(),
        claims: domain::oidc::claims::ClaimsRequest::default(),
        resources: BTreeSet::new(),
        sign_in: SignIn {
            auth_time: at(0),
            acr: None,
            amr: vec![],
            ial: 1,
            aal: 1,
        },
        created_at: at(0),
    }
}

fn code(family: u128) -> CodeRecord {
    CodeRecord {
        family: Uuid::from_u128(family),
        redirect_uri: "https://rp.example/cb".to_owned(),
        code_challenge: "c".to_owned(),
        nonce: None,
        issued_at: at(0),
        expires_at: at(60),
    }
}

async fn prepared() -> Store {
    let store = Store::in_memory(Schema::Idp).unwrap();
    store
        .write(event(), |w| {
            w.insert_client(&client("one"), at(0))?;
            w.insert_client(&client("two"), at(0))?;
            w.insert_access_grant(&grant("one", 1), at(0))?;
            w.insert_consent(&consent(50, 7, "one"))?;
            w.insert_token_family(&authorization(100, 7), at(5_000))?;
            w.insert_authorization_code(&[1; 32], &code(100))
        })
        .await
        .unwrap();
    store
}

fn one() -> ClientId {
    ClientId::parse("one").unwrap()
}

async fn change<T: Send + 'static>(
    store: &Store,
    work: impl FnOnce(&mut Writer<'_>) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    store.write(event(), work).await
}

#[tokio::test]
async fn a_client_round_trips_and_its_id_is_unique() {
    let store = prepared().await;
    assert_eq!(
        store.read(|r| r.find_client(&one())).await.unwrap(),
        Some(client("one"))
    );
    assert!(matches!(
        change(&store, |w| w.insert_client(&client("one"), at(0))).await,
        Err(StoreError::Conflict(_))
    ));
    assert_eq!(store.read(|r| r.list_clients()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_expired_secret_is_not_listed() {
    let store = prepared().await;
    change(&store, |w| {
        w.insert_client_secret(&one(), &[1; 32], Some(at(10)), at(0))?;
        w.insert_client_secret(&one(), &[2; 32], None, at(0))
    })
    .await
    .unwrap();
    let count = |now| {
        let store = store.clone();
        async move {
            store
                .read(move |r| r.list_client_secret_hashes(&one(), now))
                .await
                .unwrap()
                .len()
        }
    };
    assert_eq!(count(at(9)).await, 2);
    assert_eq!(count(at(10)).await, 1);
}

#[tokio::test]
async fn a_grant_counts_in_its_period_and_until_revoked() {
    let store = prepared().await;
    let find = |now| {
        let store = store.clone();
        async move {
            store
                .read(move |r| r.find_access_grant(&one(), now))
                .await
                .unwrap()
        }
    };
    assert!(find(at(0)).await.is_some());
    assert!(find(at(10_000)).await.is_none());
    change(&store, |w| w.revoke_access_grant(Uuid::from_u128(1), at(5)))
        .await
        .unwrap();
    assert!(find(at(6)).await.is_none());
}

#[tokio::test]
async fn a_code_is_spent_once_and_its_reuse_ends_the_family() {
    let store = prepared().await;
    let redeem = |now| {
        let store = store.clone();
        async move {
            change(&store, move |w| {
                w.redeem_authorization_code(&[1; 32], &one(), now)
            })
            .await
            .unwrap()
        }
    };
    assert!(matches!(redeem(at(1)).await, Redemption::First { .. }));
    let family = Uuid::from_u128(100);
    assert!(
        !store
            .read(move |r| r.find_token_family(family))
            .await
            .unwrap()
            .unwrap()
            .revoked
    );
    assert_eq!(redeem(at(2)).await, Redemption::Reused { family });
    assert!(
        store
            .read(move |r| r.find_token_family(family))
            .await
            .unwrap()
            .unwrap()
            .revoked
    );
}

#[tokio::test]
async fn of_many_redemptions_at_once_one_is_first() {
    let store = prepared().await;
    let attempts = (0..20).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            change(&store, |w| {
                w.redeem_authorization_code(&[1; 32], &one(), at(1))
            })
            .await
            .unwrap()
        })
    });
    let mut first = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        first += usize::from(matches!(attempt.await.unwrap(), Redemption::First { .. }));
    }
    assert_eq!(first, 1);
}

#[tokio::test]
async fn a_code_of_another_client_is_left_alone_and_an_expired_one_is_unknown() {
    let store = prepared().await;
    let two = ClientId::parse("two").unwrap();
    let foreign = change(&store, move |w| {
        w.redeem_authorization_code(&[1; 32], &two, at(1))
    })
    .await
    .unwrap();
    assert_eq!(foreign, Redemption::Unknown);
    let late = change(&store, |w| {
        w.redeem_authorization_code(&[1; 32], &one(), at(60))
    })
    .await
    .unwrap();
    assert_eq!(late, Redemption::Unknown);
}

#[tokio::test]
async fn a_second_consent_takes_the_place_of_the_first() {
    let store = prepared().await;
    change(&store, |w| w.insert_consent(&consent(51, 7, "one")))
        .await
        .unwrap();
    let person = Uuid::from_u128(7);
    let found = store
        .read(move |r| r.find_consent(person, &one()))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.id, Uuid::from_u128(51));
    let used = store
        .read(move |r| r.list_used_services(person, at(2)))
        .await
        .unwrap();
    assert_eq!(used.len(), 1);
    assert_eq!(used[0].grant.number, "G-1");
}

#[tokio::test]
async fn withdrawing_ends_the_tokens_and_belongs_to_the_person_alone() {
    let store = prepared().await;
    let consent = Uuid::from_u128(50);
    let stranger = Uuid::from_u128(8);
    assert!(matches!(
        change(&store, move |w| w.withdraw_consent(
            stranger,
            consent,
            at(3)
        ))
        .await,
        Err(StoreError::NotFound)
    ));
    let person = Uuid::from_u128(7);
    assert_eq!(
        change(&store, move |w| w.withdraw_consent(person, consent, at(3)))
            .await
            .unwrap(),
        one()
    );
    let family = store
        .read(|r| r.find_token_family(Uuid::from_u128(100)))
        .await
        .unwrap()
        .unwrap();
    assert!(family.revoked);
    assert!(
        store
            .read(move |r| r.find_consent(person, &one()))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn refresh_tokens_rotate_and_reuse_ends_the_family() {
    let store = prepared().await;
    let family = Uuid::from_u128(100);
    change(&store, move |w| {
        w.insert_refresh_token(&[9; 32], family, at(0), at(1_000))
    })
    .await
    .unwrap();
    let two = ClientId::parse("two").unwrap();
    let foreign = change(&store, move |w| w.use_refresh_token(&[9; 32], &two, at(1)))
        .await
        .unwrap();
    assert_eq!(foreign, Refresh::Unknown);
    let first = change(&store, |w| w.use_refresh_token(&[9; 32], &one(), at(1)))
        .await
        .unwrap();
    assert!(matches!(first, Refresh::First { .. }));
    let again = change(&store, |w| w.use_refresh_token(&[9; 32], &one(), at(2)))
        .await
        .unwrap();
    assert_eq!(again, Refresh::Reused { family });
    assert!(
        store
            .read(move |r| r.find_token_family(family))
            .await
            .unwrap()
            .unwrap()
            .revoked
    );
}

#[tokio::test]
async fn an_access_token_dies_by_itself_or_with_its_family() {
    let store = prepared().await;
    let record = |jti, family| AccessTokenRecord {
        jti: Uuid::from_u128(jti),
        family,
        client_id: one(),
        issued_at: at(0),
        expires_at: at(300),
        revoked: false,
    };
    let (own, with_family) = (record(1, None), record(2, Some(Uuid::from_u128(100))));
    let (a, b) = (own.clone(), with_family.clone());
    change(&store, move |w| {
        w.insert_access_token(&a)?;
        w.insert_access_token(&b)
    })
    .await
    .unwrap();
    let revoked = |jti| {
        let store = store.clone();
        async move {
            store
                .read(move |r| r.find_access_token(jti))
                .await
                .unwrap()
                .unwrap()
                .revoked
        }
    };
    assert!(!revoked(own.jti).await && !revoked(with_family.jti).await);
    let jti = own.jti;
    change(&store, move |w| w.revoke_access_token(jti, &one(), at(1)))
        .await
        .unwrap();
    change(&store, |w| w.revoke_families_of_session("session", at(1)))
        .await
        .unwrap();
    assert!(revoked(own.jti).await && revoked(with_family.jti).await);
}

#[tokio::test]
async fn a_request_starts_and_finishes_once() {
    let store = prepared().await;
    let request = StoredRequest {
        client_id: one(),
        parameters: Parameters::from_pairs([("scope", "openid")]),
        started_at: None,
        expires_at: at(90),
        finished: false,
    };
    let stored = request.clone();
    change(&store, move |w| {
        w.insert_authorization_request(&[3; 32], &stored, at(0))
    })
    .await
    .unwrap();
    assert_eq!(
        store
            .read(|r| r.find_authorization_request(&[3; 32]))
            .await
            .unwrap(),
        Some(request)
    );
    change(&store, |w| {
        w.start_authorization_request(&[3; 32], at(5), at(600))
    })
    .await
    .unwrap();
    change(&store, |w| {
        w.start_authorization_request(&[3; 32], at(50), at(900))
    })
    .await
    .unwrap();
    let started = store
        .read(|r| r.find_authorization_request(&[3; 32]))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (started.started_at, started.expires_at),
        (Some(at(5)), at(600))
    );
    change(&store, |w| {
        w.finish_authorization_request(&[3; 32], at(100))
    })
    .await
    .unwrap();
    assert!(matches!(
        change(&store, |w| w
            .finish_authorization_request(&[3; 32], at(101)))
        .await,
        Err(StoreError::Conflict(_))
    ));
}

#[tokio::test]
async fn an_assertion_is_used_once_per_client() {
    let store = prepared().await;
    change(&store, |w| w.use_client_assertion(&one(), &[4; 32], at(60)))
        .await
        .unwrap();
    assert!(
        change(&store, |w| w.use_client_assertion(&one(), &[4; 32], at(60)))
            .await
            .is_err()
    );
    let two = ClientId::parse("two").unwrap();
    assert!(
        change(&store, move |w| w.use_client_assertion(
            &two,
            &[4; 32],
            at(60)
        ))
        .await
        .is_ok()
    );
}

#[tokio::test]
async fn cleaning_removes_what_expired_and_nothing_else() {
    let store = prepared().await;
    let family = Uuid::from_u128(100);
    change(&store, move |w| {
        w.use_client_assertion(&one(), &[4; 32], at(60))?;
        w.insert_refresh_token(&[9; 32], family, at(0), at(1_000))
    })
    .await
    .unwrap();
    let removed = change(&store, |w| w.clean_openid(at(100))).await.unwrap();
    assert_eq!(removed, 2, "the code and the assertion");
    assert!(
        store
            .read(move |r| r.find_token_family(family))
            .await
            .unwrap()
            .is_some()
    );
    let later = at(0)
        .saturating_add(SignedDuration::from_hours(100))
        .unwrap();
    assert_eq!(
        change(&store, move |w| w.clean_openid(later))
            .await
            .unwrap(),
        2
    );
    assert!(
        store
            .read(move |r| r.find_token_family(family))
            .await
            .unwrap()
            .is_none()
    );
}
