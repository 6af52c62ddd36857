//! A bridge with four administrators, whose workers are confined as in production.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use hsm_bridge::admin::{Approval, Operation, Order, OrderId, sign};
use hsm_bridge::client::submit;
use hsm_bridge::testing::SOFTHSM_MODULE;
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{KeyId, KeyLabel, KeyStore, KeyStoreError, SignatureVerifier};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use serde_json::Value;

use crate::support::House;

pub(crate) const POLICY: &str = "[[grant]]\ncaller = 'ca'\nkeys = 'sign/*'\noperations = ['generate', 'sign', 'destroy']\n\
    [[grant]]\ncaller = 'idp'\nkeys = 'idp/*'\noperations = ['generate', 'sign', 'wrap', 'unwrap', 'hmac']\n\
    [[key]]\nkeys = 'idp/*'\ntier = 'sealed'\n\
    [[key]]\nkeys = 'sign/held/*'\nproof = 'activation'\ndurable = true\n";
/// The token of a bridge that has one.
pub(crate) const TOKEN: &str = "main";
const NAMES: [&str; 4] = ["sok", "dara", "vanna", "bopha"];
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Stage {
    pub(crate) house: House,
    keys: Vec<PKey<Private>>,
}

pub(crate) fn label(text: &str) -> KeyLabel {
    KeyLabel::parse(text).unwrap()
}

pub(crate) fn p256() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the bridge looks at the same clock"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// An order of `sok` that is valid for an hour.
pub(crate) fn order_for(token: &str, operation: Operation) -> Vec<u8> {
    static WRITTEN: AtomicU32 = AtomicU32::new(0);
    let number = u128::from(WRITTEN.fetch_add(1, Ordering::Relaxed));
    let id = OrderId::from_bytes(number.to_be_bytes());
    let hour = Duration::from_hours(1);
    let order = Order::new(id, (token, "sok"), now(), hour, operation);
    order.unwrap().encode().unwrap()
}

pub(crate) fn order(operation: Operation) -> Vec<u8> {
    order_for(TOKEN, operation)
}

/// The section of one token that is a SoftHSM token.
pub(crate) fn token(name: &str, token: &str, module: &Path) -> String {
    format!(
        "[[bridge.token]]\nname = '{name}'\nmodule = '{}'\nlabel = '{token}'\npin_file = 'user.pin'\ntemplate = 'softhsm'\n",
        module.display()
    )
}

impl Stage {
    /// One token, whose worker sees no more files than it needs.
    pub(crate) fn build() -> Self {
        let confined = "paths = ['tokens']\nread_paths = ['softhsm2.conf']\n";
        Self::with(
            &[
                token(TOKEN, "house", Path::new(SOFTHSM_MODULE)),
                confined.to_owned(),
            ]
            .concat(),
        )
    }

    /// A bridge with these tokens and routes.
    pub(crate) fn with(tokens: &str) -> Self {
        let house = House::build();
        fs::write(house.path("policy.toml"), POLICY).unwrap();
        let mut keys: Vec<_> = NAMES.iter().map(|_| p256()).collect();
        keys[1] = PKey::generate_ed25519().unwrap();
        let mut text = format!(
            "[bridge]\npolicy = 'policy.toml'\naudit_folder = 'audit'\nstate_folder = 'state'\ncanary_ms = 0\nfail_back_after_s = 0\n{tokens}\
             [[bridge.socket]]\nname = 'idp'\npath = 'idp.sock'\n[[bridge.socket]]\nname = 'ca'\npath = 'ca.sock'\n\
             [bridge.admin]\npath = 'admin.sock'\n"
        );
        for (name, key) in NAMES.iter().zip(&keys) {
            let file = format!("{name}.pub");
            fs::write(house.path(&file), key.public_key_to_pem().unwrap()).unwrap();
            text.extend([
                "[[bridge.administrator]]\nname = '",
                name,
                "'\nkey = '",
                &file,
                "'\n",
            ]);
        }
        fs::write(house.path("romduol.toml"), text).unwrap();
        Self { house, keys }
    }

    pub(crate) fn key(&self, name: &str) -> &PKey<Private> {
        let place = NAMES.iter().position(|known| *known == name).unwrap();
        &self.keys[place]
    }

    /// Signatures of these persons, each with their own key.
    pub(crate) fn signed(&self, order: &[u8], names: &[&str]) -> Vec<Approval> {
        let by = |name: &&str| Approval::new(name, sign(self.key(name), order).unwrap()).unwrap();
        names.iter().map(by).collect()
    }

    pub(crate) fn submit(
        &self,
        order: &[u8],
        approvals: &[Approval],
    ) -> Result<Value, KeyStoreError> {
        // It is up: the doors are opened together.
        drop(self.house.client("ca"));
        let report = submit(&self.house.path("admin.sock"), order, approvals, LIMIT)?;
        Ok(serde_json::from_str(&report).unwrap())
    }

    /// Has an order carried out that its author and two others signed.
    pub(crate) fn carry_out(&self, operation: Operation) -> Result<Value, KeyStoreError> {
        self.carry_out_in(TOKEN, operation)
    }

    pub(crate) fn carry_out_in(
        &self,
        token: &str,
        operation: Operation,
    ) -> Result<Value, KeyStoreError> {
        let order = order_for(token, operation);
        self.submit(&order, &self.signed(&order, &["sok", "vanna", "dara"]))
    }

    /// What another program says of the token or does with it.
    pub(crate) fn pkcs11_tool(&self, work: &[&str]) -> String {
        let pin = fs::read_to_string(self.house.path("user.pin")).unwrap();
        let conf = self.house.path("softhsm2.conf");
        let conf = format!("SOFTHSM2_CONF={}", conf.display());
        let module = ["--module", SOFTHSM_MODULE, "--token-label", "house"];
        let login = ["--login", "--pin", pin.trim()];
        let line = [&[conf.as_str(), "pkcs11-tool"], &module[..], &login, work];
        run(&self.house.path(""), "env", &line.concat())
    }

    /// Lines of the audit log about orders.
    pub(crate) fn rows(&self, token: &str) -> Vec<Value> {
        let rows = self.house.audit_of(token).into_iter();
        rows.filter(|row| {
            row["operation"]
                .as_str()
                .is_some_and(|it| it.starts_with("order"))
        })
        .collect()
    }

    /// Signs with a key of `ca` and verifies.
    pub(crate) fn signs(&self, id: KeyId) -> Result<(), KeyStoreError> {
        signs(&self.house.client("ca"), id)
    }
}

pub(crate) fn signs(client: &dyn KeyStore, id: KeyId) -> Result<(), KeyStoreError> {
    let signer = client.signer(id, None)?;
    let signature = signer.sign(b"message")?;
    OpenSslVerifier
        .verify(signer.public_key(), signer.scheme(), b"message", &signature)
        .unwrap();
    Ok(())
}

pub(crate) fn id_of(report: &Value) -> KeyId {
    report["key_id"].as_str().unwrap().parse().unwrap()
}

/// Runs a program that must succeed, and gives what it said.
pub(crate) fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let ended = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(ended.status.success(), "{program} {arguments:?}: {ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}
