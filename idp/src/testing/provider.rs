//! A provider with a token of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::account::SignInMethod;
use domain::audit::{Actor, AuditEvent, action};
use hsm_bridge::pkcs11::Token;
use hsm_bridge::testing::SoftHsm;
use hsm_bridge::{KeyAlgorithm, KeyStore, SecretPurpose, SecretStore};
use service::{Sources, TestClock};
use sha2::{Digest, Sha256};
use store::idp::SessionRow;
use store::{Schema, Store};
use uuid::Uuid;

use super::Browser;
use crate::app::{App, Parts};
use crate::config::Config;

/// When every test begins.
const START: &str = "2026-11-22T03:00:00Z";

/// A provider on a real token, a store in memory and a clock that stands still.
pub(crate) struct Provider {
    pub(crate) app: App,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) keys: Arc<Token>,
    pub(crate) folder: tempfile::TempDir,
    _token: SoftHsm,
}

/// A fresh token, open. One at a time: SoftHSM aborts when its list of tokens is read while one is being made.
fn token() -> Option<(SoftHsm, Arc<Token>)> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(soft) = SoftHsm::new() else {
        eprintln!("not run: needs SoftHSM (Debian package softhsm2)");
        return None;
    };
    let token = Arc::new(soft.open().unwrap());
    Some((soft, token))
}

impl Provider {
    /// A provider whose randomness begins at `seed`; `None`, said aloud, where SoftHSM is not installed.
    pub(crate) fn open(seed: u64) -> Option<Self> {
        let (soft, keys) = token()?;
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config {
            evidence: folder.path().join("evidence"),
            ..Config::default()
        };
        config.listener.address = "127.0.0.1:0".to_owned();
        // The least that Argon2 takes: what is tested is not its cost.
        config.account.password_memory_kib = 8;
        config.account.password_passes = 1;
        for label in &config.keys.id_token {
            keys.generate(label, KeyAlgorithm::P256).unwrap();
        }
        keys.generate_secret(&config.keys.key_encryption, SecretPurpose::KeyEncryption)
            .unwrap();
        for label in [&config.keys.blind_index, &config.keys.pairwise] {
            keys.generate_secret(label, SecretPurpose::Mac).unwrap();
        }
        let (sources, clock) = Sources::test(START.parse().unwrap(), seed);
        let app = App::new(Parts {
            config,
            store: Store::in_memory(Schema::Idp).unwrap(),
            keys: Arc::<Token>::clone(&keys),
            secrets: Arc::<Token>::clone(&keys),
            sources,
        })
        .unwrap();
        Some(Self {
            app,
            clock,
            keys,
            folder,
            _token: soft,
        })
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// The event under which a test writes to the store by itself.
    pub(crate) fn event(&self) -> AuditEvent {
        let (id, now) = (self.app.sources.uuid(), self.app.sources.now());
        let actor = Actor::system("test");
        AuditEvent::new(id, now, actor, action::IDP_ACCOUNT_INVITED, "account:test")
    }

    /// Signs an account in, just now and with two factors, at this browser.
    pub(crate) async fn sign_in(&self, account: Uuid, browser: &mut Browser) {
        let (app, now) = (&self.app, self.app.sources.unix());
        let token = app.sources.token(32);
        let method = SignInMethod::PasswordAndApp;
        let session = SessionRow {
            id: app.sources.uuid().to_string(),
            token_hash: Sha256::digest(token.as_bytes()).to_vec(),
            account_id: account.to_string(),
            method: serde_json::to_string(&method).unwrap(),
            amr: method.amr().join(" "),
            aal: i64::from(method.aal()),
            client: String::new(),
            signed_in_at: now,
            last_seen_at: now,
            expires_at: now + 36_000,
            ended_at: None,
        };
        app.store
            .write(self.event(), move |w| w.insert_session(&session))
            .await
            .unwrap();
        browser.cookies.insert("session".to_owned(), token);
    }
}
