//! Transactions, the audit chain and the rules of reading and writing, on the real store.

use diesel::prelude::*;
use domain::audit::{Actor, AuditEvent};
use jiff::Timestamp;
use uuid::Uuid;

use crate::schema::audit::audit_events;
use crate::{AuditFilter, AuditHead, ChainError, Schema, Store, StoreConfig, StoreError};

fn event(number: u128) -> AuditEvent {
    AuditEvent::new(
        Uuid::from_u128(number),
        Timestamp::from_second(1_800_000_000).unwrap(),
        Actor::system("test"),
        "store.schema.migrated",
        format!("thing:{number}"),
    )
}

fn file_store(folder: &std::path::Path) -> Store {
    let url = format!("sqlite://{}", folder.join("test.db").display());
    Store::open(&StoreConfig { url, pool_size: 4 }, Schema::Ca).unwrap()
}

#[tokio::test]
async fn a_failed_change_leaves_no_trace_and_its_neighbours_stay() {
    let store = Store::in_memory(Schema::Ca).unwrap();
    let many: Vec<_> = (1..=200_u128)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .write(event(number), move |w| {
                        w.note("number", u64::try_from(number).unwrap());
                        if number % 3 == 0 {
                            Err(StoreError::Conflict("on purpose"))
                        } else {
                            Ok(number)
                        }
                    })
                    .await
            })
        })
        .collect();
    let mut kept = 0;
    for (number, task) in (1_u128..).zip(many) {
        match task.await.unwrap() {
            Ok(value) => {
                assert_eq!(value, number);
                kept += 1;
            }
            Err(error) => {
                assert!(matches!(error, StoreError::Conflict("on purpose")) && number % 3 == 0);
            }
        }
    }
    assert_eq!(kept, 134);
    let head = store.verify_audit_chain(None).await.unwrap();
    assert_eq!(head.seq, kept);
    let filter = AuditFilter {
        object: Some("thing:7".to_owned()),
        ..AuditFilter::default()
    };
    let found = store
        .read(move |r| r.list_audit_records_where(&filter, 0, 10))
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].detail, r#"{"number":7}"#);
}

#[tokio::test]
async fn further_events_follow_the_first_in_the_same_transaction() {
    let store = Store::in_memory(Schema::Idp).unwrap();
    store
        .write(event(1), |w| {
            w.also(event(2));
            Ok(())
        })
        .await
        .unwrap();
    // The second event's id exists already, so nothing of this change may stay.
    let clash = store
        .write(event(3), |w| {
            w.also(event(2));
            Ok(())
        })
        .await;
    assert!(matches!(clash, Err(StoreError::Conflict(_))), "{clash:?}");
    assert_eq!(store.verify_audit_chain(None).await.unwrap().seq, 2);
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let on_disk = file_store(folder.path());
    on_disk.migrate().await.unwrap();
    for store in [on_disk, Store::in_memory(Schema::Ca).unwrap()] {
        store.write(event(1), |_| Ok(())).await.unwrap();
        let outcome = store
            .read(|r| {
                diesel::sql_query("CREATE TABLE sneaked (a INTEGER)").execute(r.conn())?;
                Ok(())
            })
            .await;
        assert!(
            matches!(outcome, Err(StoreError::Database(_))),
            "{outcome:?}"
        );
        store.write(event(2), |_| Ok(())).await.unwrap();
    }
}

#[tokio::test]
async fn audit_events_cannot_be_changed_and_a_changed_file_shows() {
    let folder = tempfile::tempdir().unwrap();
    let store = file_store(folder.path());
    store.migrate().await.unwrap();
    for number in 1..=5 {
        store.write(event(number), |_| Ok(())).await.unwrap();
    }
    let refused = store
        .write(event(9), |w| {
            diesel::update(audit_events::table.find(3))
                .set(audit_events::object.eq("other"))
                .execute(w.conn())?;
            Ok(())
        })
        .await;
    assert!(refused.is_err());
    let middle = store
        .read(|r| r.list_audit_records(1, 1))
        .await
        .unwrap()
        .remove(0);
    let known = AuditHead {
        seq: 2,
        hash: middle.hash.try_into().unwrap(),
    };

    // Somebody with the file in hand drops the guard.
    let path = folder.path().join("test.db");
    let mut raw = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    let tamper =
        |raw: &mut SqliteConnection, sql: &str| diesel::sql_query(sql).execute(raw).unwrap();
    tamper(&mut raw, "DROP TRIGGER audit_events_no_update");
    tamper(&mut raw, "DROP TRIGGER audit_events_no_delete");
    tamper(
        &mut raw,
        "UPDATE audit_events SET object = 'other' WHERE seq = 4",
    );
    let verdict = store.verify_audit_chain(Some(known)).await;
    assert!(
        matches!(verdict, Err(ChainError::Changed(4))),
        "{verdict:?}"
    );
    tamper(&mut raw, "DELETE FROM audit_events WHERE seq = 3");
    let verdict = store.verify_audit_chain(None).await;
    assert!(
        matches!(
            verdict,
            Err(ChainError::Gap {
                expected: 3,
                found: 4
            })
        ),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn a_write_outlives_its_caller() {
    let store = Store::in_memory(Schema::Ca).unwrap();
    let (started, is_started) = tokio::sync::oneshot::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let inner = store.clone();
    let caller = tokio::spawn(async move {
        inner
            .write(event(1), move |_| {
                started.send(()).unwrap();
                wait.recv().unwrap();
                Ok(())
            })
            .await
    });
    is_started.await.unwrap();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    go.send(()).unwrap();
    store.write(event(2), |_| Ok(())).await.unwrap();
    assert_eq!(store.verify_audit_chain(None).await.unwrap().seq, 2);
}

#[tokio::test]
async fn a_panicking_change_is_undone_and_the_store_goes_on() {
    let store = Store::in_memory(Schema::Ca).unwrap();
    let outcome = store.write::<()>(event(1), |_| panic!("on purpose")).await;
    assert!(matches!(outcome, Err(StoreError::Interrupted)));
    store.write(event(2), |_| Ok(())).await.unwrap();
    assert_eq!(store.verify_audit_chain(None).await.unwrap().seq, 1);
}

#[tokio::test]
async fn migrating_twice_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = file_store(folder.path());
    assert!(!store.pending_migrations().await.unwrap().is_empty());
    assert!(!store.migrate().await.unwrap().is_empty());
    assert!(store.migrate().await.unwrap().is_empty());
    assert!(store.pending_migrations().await.unwrap().is_empty());
    store.health().await.unwrap();
}

#[tokio::test]
async fn the_same_upsert_runs_on_both_backends() {
    let store = Store::in_memory(Schema::Ca).unwrap();
    let count = store
        .write(event(1), |w| {
            diesel::sql_query("CREATE TABLE probe (id TEXT PRIMARY KEY, value BIGINT NOT NULL)")
                .execute(w.conn())?;
            for value in [1_i64, 2] {
                diesel::sql_query(
                    "INSERT INTO probe (id, value) VALUES ($1, $2)
                     ON CONFLICT (id) DO UPDATE SET value = excluded.value",
                )
                .bind::<diesel::sql_types::Text, _>("a")
                .bind::<diesel::sql_types::BigInt, _>(value)
                .execute(w.conn())?;
            }
            Ok(diesel::sql_query("DELETE FROM probe WHERE value = 2").execute(w.conn())?)
        })
        .await
        .unwrap();
    assert_eq!(count, 1);
}

#[test]
fn an_unknown_address_is_refused_in_words() {
    let config = StoreConfig {
        url: "mysql://h/db".to_owned(),
        pool_size: 1,
    };
    let error = Store::open(&config, Schema::Ca).unwrap_err();
    assert!(error.to_string().contains("sqlite://"), "{error}");
}

/// A server that was away costs what it interrupted, and nothing after that.
#[tokio::test]
async fn lost_connections_are_not_used_again_on_postgres() {
    let Some(server) = std::env::var_os("ROMDUOL_TEST_POSTGRES") else {
        println!("not run: ROMDUOL_TEST_POSTGRES names no server");
        return;
    };
    let server = server.into_string().unwrap();
    let mut admin = PgConnection::establish(&format!("{server}/postgres")).unwrap();
    for sql in [
        "DROP DATABASE IF EXISTS romduol_lost",
        "CREATE DATABASE romduol_lost",
    ] {
        diesel::sql_query(sql).execute(&mut admin).unwrap();
    }
    let config = StoreConfig {
        url: format!("{server}/romduol_lost"),
        pool_size: 4,
    };
    let store = Store::open(&config, Schema::Ca).unwrap();
    store.migrate().await.unwrap();
    let cut = |admin: &mut PgConnection| {
        let sql =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'romduol_lost'";
        diesel::sql_query(sql).execute(admin).unwrap();
    };
    // Several connections for reading, all open at once.
    let together = std::sync::Arc::new(std::sync::Barrier::new(4));
    let reads: Vec<_> = (0..4)
        .map(|_| {
            let (store, together) = (store.clone(), std::sync::Arc::clone(&together));
            tokio::spawn(async move {
                store
                    .read(move |r| {
                        together.wait();
                        r.ping()
                    })
                    .await
            })
        })
        .collect();
    for read in reads {
        read.await.unwrap().unwrap();
    }
    cut(&mut admin);
    let noticed = store.health().await;
    assert!(
        noticed.is_err(),
        "the first to meet a lost connection says so"
    );
    for number in 1..=5_u128 {
        store.health().await.unwrap();
        store.write(event(number), |_| Ok(())).await.unwrap();
    }
    // Nobody read meanwhile: a write has nothing to lose before its transaction began.
    cut(&mut admin);
    store.write(event(9), |_| Ok(())).await.unwrap();
}

/// The same rules on PostgreSQL, with two nodes that write at once.
#[tokio::test]
async fn two_nodes_share_one_chain_on_postgres() {
    // The environment names a server on which databases may be created and dropped.
    let Some(server) = std::env::var_os("ROMDUOL_TEST_POSTGRES") else {
        println!("not run: ROMDUOL_TEST_POSTGRES names no server");
        return;
    };
    let server = server.into_string().unwrap();
    let mut admin = PgConnection::establish(&format!("{server}/postgres")).unwrap();
    for sql in [
        "DROP DATABASE IF EXISTS romduol_chain",
        "CREATE DATABASE romduol_chain",
    ] {
        diesel::sql_query(sql).execute(&mut admin).unwrap();
    }
    let config = StoreConfig {
        url: format!("{server}/romduol_chain"),
        pool_size: 2,
    };
    let nodes = [(); 2].map(|()| Store::open(&config, Schema::Ca).unwrap());
    let migrated = tokio::join!(nodes[0].migrate(), nodes[1].migrate());
    assert!(!(migrated.0.unwrap().is_empty() && migrated.1.unwrap().is_empty()));
    let writes: Vec<_> = (1..=100_u128)
        .map(|number| {
            let store = nodes[usize::try_from(number % 2).unwrap()].clone();
            tokio::spawn(async move {
                store
                    .write(event(number), move |w| {
                        if number % 10 == 0 {
                            // A statement that fails must not take the others of its group along.
                            diesel::sql_query("SELECT 1 / 0").execute(w.conn())?;
                        }
                        Ok(())
                    })
                    .await
            })
        })
        .collect();
    for (number, write) in (1_u128..).zip(writes) {
        assert_eq!(write.await.unwrap().is_ok(), number % 10 != 0, "{number}");
    }
    assert_eq!(nodes[0].verify_audit_chain(None).await.unwrap().seq, 90);
    let sneaked = nodes[1]
        .read(|r| Ok(diesel::sql_query("CREATE TABLE sneaked (a INTEGER)").execute(r.conn())?))
        .await;
    assert!(sneaked.is_err(), "a reader cannot write");
    let removed = nodes[1]
        .write(event(999), |w| {
            Ok(diesel::delete(audit_events::table).execute(w.conn())?)
        })
        .await;
    assert!(removed.is_err(), "audit events stay");
}
