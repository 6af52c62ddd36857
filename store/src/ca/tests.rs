//! The queries on SQLite in memory: what is given out once stays given out once.

use domain::audit::{Actor, AuditEvent, action};
use domain::certificate::{IntentOutcome, RevocationReason};
use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::{Schema, Store, StoreError, Writer};

const NOW: i64 = 1_795_000_000;

fn event() -> AuditEvent {
    let at = Timestamp::from_second(NOW).expect("in range");
    let actor = Actor::system("ca");
    AuditEvent::new(
        Uuid::from_u128(7),
        at,
        actor,
        action::CA_CERTIFICATE_ISSUED,
        "test:1",
    )
}

/// Every event needs an identifier of its own.
fn numbered(id: u128) -> AuditEvent {
    AuditEvent {
        id: Uuid::from_u128(id),
        ..event()
    }
}

async fn write<T: Send + 'static>(
    store: &Store,
    id: u128,
    work: impl FnOnce(&mut Writer<'_>) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    store.write(numbered(id), work).await
}

fn intent(id: &str, key: Option<&str>) -> IntentRow {
    IntentRow {
        id: id.to_owned(),
        caller: "idp".to_owned(),
        idempotency_key: key.map(str::to_owned),
        request_hash: vec![1; 32],
        profile: "citizen-auth".to_owned(),
        issuer: "aa".to_owned(),
        serial: format!("01{id}"),
        spki_hash: vec![2; 32],
        holder_hash: vec![3; 32],
        tbs: vec![0x30, 0],
        state: "pending".to_owned(),
        failure: None,
        created_at: NOW,
        ended_at: None,
        keep_until: NOW + 100,
    }
}

fn certificate(serial: &str, shard: i64) -> CertificateRow {
    CertificateRow {
        serial: serial.to_owned(),
        issuer: "aa".to_owned(),
        shard,
        profile: "citizen-auth".to_owned(),
        intent: None,
        caller: "idp".to_owned(),
        spki_hash: vec![2; 32],
        holder_hash: vec![3; 32],
        certificate: vec![0x30, 0],
        not_before: NOW,
        not_after: NOW + 50,
        status: "good".to_owned(),
        reason: None,
        revoked_at: None,
        created_at: NOW,
        keep_until: NOW + 100,
    }
}

#[tokio::test]
async fn a_key_names_one_live_intent_and_is_free_again_after_a_failure() {
    let store = Store::in_memory(Schema::Ca).expect("a database");
    write(&store, 1, |w| w.insert_intent(&intent("a", Some("k"))))
        .await
        .expect("first");
    let second = write(&store, 2, |w| w.insert_intent(&intent("b", Some("k")))).await;
    assert!(matches!(second, Err(StoreError::Conflict(_))), "{second:?}");
    write(&store, 3, |w| {
        w.end_intent("a", IntentOutcome::Abandoned, None, NOW)
    })
    .await
    .expect("end");
    let again = write(&store, 4, |w| {
        w.end_intent("a", IntentOutcome::Issued, None, NOW)
    })
    .await;
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    write(&store, 5, |w| w.insert_intent(&intent("b", Some("k"))))
        .await
        .expect("free again");
    let found = store
        .read(|r| r.find_intent_by_key("idp", "k"))
        .await
        .expect("read");
    assert_eq!(found.map(|row| row.id), Some("b".to_owned()));
    let mut reused = intent("c", None);
    reused.serial = "01a".to_owned();
    let reused = write(&store, 6, move |w| w.insert_intent(&reused)).await;
    assert!(
        matches!(reused, Err(StoreError::Conflict(_))),
        "a serial number is used once"
    );
}

#[tokio::test]
async fn a_revocation_reaches_the_log_the_list_and_the_blocked_keys() {
    let store = Store::in_memory(Schema::Ca).expect("a database");
    write(&store, 1, |w| w.insert_certificate(&certificate("01aa", 3)))
        .await
        .expect("insert");
    write(&store, 2, |w| w.insert_certificate(&certificate("01bb", 4)))
        .await
        .expect("insert");
    let at = Timestamp::from_second(NOW + 5).expect("in range");
    let revoke = move |w: &mut Writer<'_>| {
        w.revoke_certificate(Revocation {
            serial: "01aa",
            reason: RevocationReason::KeyCompromise,
            at,
        })
    };
    write(&store, 3, revoke).await.expect("revoke");
    let twice = write(&store, 4, revoke).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))), "{twice:?}");
    let (log, listed, elsewhere, blocked, last) = store
        .read(|r| {
            Ok((
                r.list_statuses(0, 10)?,
                r.list_revoked("aa", 3, NOW)?,
                r.list_revoked("aa", 4, NOW)?,
                r.is_key_blocked(&[2; 32])?,
                r.last_revocation("aa", 3)?,
            ))
        })
        .await
        .expect("read");
    let statuses: Vec<(i64, &str, &str)> = log
        .iter()
        .map(|e| (e.sequence, e.serial.as_str(), e.status.as_str()))
        .collect();
    assert_eq!(
        statuses,
        [
            (1, "01aa", "good"),
            (2, "01bb", "good"),
            (3, "01aa", "revoked")
        ]
    );
    assert_eq!(listed.len(), 1);
    assert!(elsewhere.is_empty());
    assert!(blocked);
    assert_eq!(last, 3);
}

#[tokio::test]
async fn numbers_grow_even_after_everything_was_cleaned_away() {
    let store = Store::in_memory(Schema::Ca).expect("a database");
    let stamp = || TimeStampRow {
        serial: 0,
        policy: "2.999.2.1".to_owned(),
        hash_oid: "2.16.840.1.101.3.4.2.1".to_owned(),
        imprint: vec![1; 32],
        gen_time: NOW,
        keep_until: NOW + 1,
    };
    let first = write(&store, 1, move |w| w.insert_time_stamp(stamp()))
        .await
        .expect("stamp");
    write(&store, 2, |w| w.insert_certificate(&certificate("01aa", 0)))
        .await
        .expect("insert");
    let removed = write(&store, 3, |w| w.remove_expired_records(NOW + 1000))
        .await
        .expect("clean");
    assert_eq!((removed.time_stamps, removed.certificates), (1, 1));
    let second = write(&store, 4, move |w| w.insert_time_stamp(stamp()))
        .await
        .expect("stamp");
    assert_eq!((first, second), (1, 2));
    write(&store, 5, |w| w.insert_certificate(&certificate("01bb", 0)))
        .await
        .expect("insert");
    let log = store.read(|r| r.list_statuses(0, 10)).await.expect("read");
    assert_eq!(log.iter().map(|e| e.sequence).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn an_older_list_never_replaces_a_newer_one() {
    let store = Store::in_memory(Schema::Ca).expect("a database");
    let list = |number: i64| CrlRow {
        issuer: "aa".to_owned(),
        shard: 0,
        allocated: number,
        number,
        covers: 0,
        this_update: NOW,
        next_update: NOW + 10,
        der: vec![u8::try_from(number).unwrap_or(0)],
    };
    let unknown = write(&store, 1, |w| w.allocate_crl_number("aa", 0)).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)));
    assert!(
        write(&store, 2, move |w| w.adopt_crl(&list(1)))
            .await
            .expect("adopt")
    );
    let two = write(&store, 3, |w| w.allocate_crl_number("aa", 0))
        .await
        .expect("number");
    let three = write(&store, 4, |w| w.allocate_crl_number("aa", 0))
        .await
        .expect("number");
    assert_eq!((two, three), (2, 3));
    assert!(
        write(&store, 5, move |w| w.publish_crl(&list(3)))
            .await
            .expect("publish")
    );
    assert!(
        !write(&store, 6, move |w| w.publish_crl(&list(2)))
            .await
            .expect("late")
    );
    assert!(
        !write(&store, 7, move |w| w.publish_crl(&list(9)))
            .await
            .expect("never allocated")
    );
    assert!(
        !write(&store, 8, move |w| w.adopt_crl(&list(1)))
            .await
            .expect("known")
    );
    let present = store
        .read(|r| r.find_crl("aa", 0))
        .await
        .expect("read")
        .expect("a list");
    assert_eq!((present.number, present.der), (3, vec![3]));
}

#[tokio::test]
async fn a_document_is_authorised_once_and_loses_its_bytes() {
    let store = Store::in_memory(Schema::Ca).expect("a database");
    let credential = CredentialRow {
        id: "c".to_owned(),
        caller: "idp".to_owned(),
        request_key: "k".to_owned(),
        request_hash: vec![1; 32],
        state: "pending".to_owned(),
        key_id: None,
        serial: None,
        activation_id: vec![1],
        activation_key: vec![2],
        rp_id: "id.example".to_owned(),
        origin: "https://id.example".to_owned(),
        sign_count: 0,
        created_at: NOW,
        keep_until: NOW + 100,
    };
    let document = |id: &str| DocumentRow {
        id: id.to_owned(),
        credential: "c".to_owned(),
        caller: "idp".to_owned(),
        level: "b-t".to_owned(),
        document_digest: vec![1; 32],
        dtbs_digest: vec![2; 32],
        challenge: vec![3; 32],
        state: "prepared".to_owned(),
        bytes: Some(vec![4; 10]),
        size: 10,
        created_at: NOW,
        expires_at: NOW + 300,
        ended_at: None,
        keep_until: NOW + 400,
    };
    write(&store, 1, move |w| {
        w.insert_credential(&credential)?;
        w.insert_certificate(&certificate("01aa", 0))?;
        w.activate_credential("c", "00", "01aa", NOW + 100)?;
        w.insert_document(&document("d"))?;
        w.insert_document(&document("e"))
    })
    .await
    .expect("insert");
    assert_eq!(
        store
            .read(|r| r.waiting_documents("c"))
            .await
            .expect("read"),
        (2, 20)
    );
    let late = write(&store, 2, |w| w.authorise_document("d", NOW + 300)).await;
    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
    write(&store, 3, |w| w.authorise_document("d", NOW + 299))
        .await
        .expect("in time");
    let twice = write(&store, 4, |w| w.authorise_document("d", NOW + 299)).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))), "{twice:?}");
    write(&store, 5, |w| w.end_document("d", true, NOW + 299))
        .await
        .expect("end");
    let ended = write(&store, 6, |w| w.expire_documents(NOW + 300, NOW))
        .await
        .expect("expire");
    assert_eq!(ended, 1);
    for (id, state) in [("d", "signed"), ("e", "expired")] {
        let row = store
            .read(move |r| r.find_document(id))
            .await
            .expect("read")
            .expect("a row");
        assert_eq!((row.state.as_str(), row.bytes), (state, None));
    }
}
