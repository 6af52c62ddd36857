//! A daemon with one strict token behind it, and what is known about both from outside.

use std::fs;
use std::time::{Duration, Instant};

use hsm_bridge::client::{Client, ClientOptions};
use hsm_bridge::testing::SOFTHSM_MODULE;
use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore, KeyStoreError, SecretPurpose, SecretStore};
use rustix::process::{Pid, Signal, kill_process};
use strict_token::{Control, Function, Settings};

use crate::support::{House, Running};

/// How long a caller of a token that is at fault waits.
pub const DEADLINE: Duration = Duration::from_millis(300);
/// How much later its answer may come: what two busy cores take to wake a thread.
pub const GRACE: Duration = Duration::from_millis(700);
/// How long a caller waits for a token that was mended.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The supervisor waits before it replaces a worker that ended for the so-many-th time without having served for a while.
const TOO_MANY_ENDS: u32 = 3;

const TOKEN: &str = "house";
const SETTINGS: &str =
    "canary_ms = 0\nfail_back_after_s = 0\ncall_limit_ms = 2000\nopen_limit_ms = 4000";
const POLICY: &str = "[[grant]]\ncaller = 'ca'\nkeys = 'plain/*'\noperations = ['generate', 'sign']\n\
    [[grant]]\ncaller = 'ca'\nkeys = 'fault/*'\n\
    operations = ['generate', 'sign', 'destroy', 'wrap', 'unwrap', 'hmac']\n\
    [[key]]\nkeys = 'fault/*'\ndurable = true\n";

/// The keys that are there from the beginning; of the first a use is recorded before it is made.
pub const SIGNS: &str = "fault/signs";
pub const SIGNS_PLAIN: &str = "plain/signs";
pub const WRAPS: &str = "fault/wraps";
pub const AUTHENTICATES: &str = "fault/authenticates";

pub fn label(text: &str) -> KeyLabel {
    KeyLabel::parse(text).unwrap()
}

/// A daemon, its token and the token's other end.
pub struct Scene {
    pub house: House,
    pub control: Control,
    daemon: Option<Running>,
    /// Ends of workers since the daemon was started: after some, the supervisor waits before it starts another.
    ends: u32,
    worker: Option<Pid>,
}

impl Scene {
    /// A token that was never logged in to by a daemon; none runs yet.
    pub fn fresh() -> Self {
        let house = House::build();
        let control = Control::create(&house.path("control")).unwrap();
        let mut settings = Settings::new(SOFTHSM_MODULE, house.path("control"));
        settings.knobs = "pin_tries = 3".parse().unwrap();
        settings.write(&house.path("strict.toml")).unwrap();
        fs::write(house.path("policy.toml"), POLICY).unwrap();
        let module = strict_token::module_file().unwrap();
        let text = format!(
            "[bridge]\npolicy = 'policy.toml'\naudit_folder = 'audit'\nstate_folder = 'state'\n{SETTINGS}\n\
             [[bridge.token]]\nname = '{TOKEN}'\nmodule = '{}'\nlabel = 'house'\npin_file = 'user.pin'\n\
             [[bridge.socket]]\nname = 'ca'\npath = 'ca.sock'\n",
            module.display()
        );
        fs::write(house.path("romduol.toml"), text).unwrap();
        Self {
            house,
            control,
            daemon: None,
            ends: 0,
            worker: None,
        }
    }

    /// A running daemon whose token holds the keys of [`SIGNS`], [`WRAPS`] and [`AUTHENTICATES`].
    pub fn build() -> Self {
        let mut scene = Self::fresh();
        scene.start();
        let client = scene.patient().unwrap();
        for key in [SIGNS, SIGNS_PLAIN] {
            client.generate(&label(key), KeyAlgorithm::P256).unwrap();
        }
        client
            .generate_secret(&label(WRAPS), SecretPurpose::KeyEncryption)
            .unwrap();
        client
            .generate_secret(&label(AUTHENTICATES), SecretPurpose::Mac)
            .unwrap();
        scene
    }

    /// Starts the daemon, if it does not run.
    pub fn start(&mut self) {
        if self.daemon.is_none() {
            self.daemon = Some(self.house.serve());
            (self.ends, self.worker) = (0, None);
        }
    }

    /// Ends the daemon in order.
    pub fn stop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            assert_eq!(daemon.stop(), Some(0), "the daemon's end");
        }
    }

    /// kill -9 of the daemon.
    pub fn kill(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.kill();
        }
    }

    /// Waits until a function was struck so many times since its fault was armed.
    pub fn await_hits(&self, function: Function, hits: u64) {
        let began = Instant::now();
        while self.control.hits(function) < hits {
            assert!(
                began.elapsed() < PATIENCE,
                "{} was not called",
                function.name()
            );
            std::thread::yield_now();
        }
    }

    /// kill -9 of the worker, as the supervisor meets it when it ends by itself.
    pub fn kill_worker(&mut self) {
        // Those that follow end before they serve.
        self.ends = TOO_MANY_ENDS;
        if let Some(worker) = self.find_worker() {
            // It may be about to end by itself.
            let _killed = kill_process(worker, Signal::KILL);
        }
    }

    /// A client that waits for [`PATIENCE`] for the daemon and for each answer.
    pub fn patient(&self) -> Result<Client, String> {
        let options = ClientOptions {
            deadline: PATIENCE,
            connections: 2,
        };
        Client::connect_with(&self.house.path("ca.sock"), options)
            .map_err(|e| format!("no daemon: {e}"))
    }

    /// A new client that waits for [`DEADLINE`], on a connection of its own.
    pub fn caller(&self) -> Result<Client, KeyStoreError> {
        let options = ClientOptions {
            deadline: DEADLINE,
            connections: 1,
        };
        Client::connect_with(&self.house.path("ca.sock"), options)
    }

    /// Starts the daemon anew when workers ended so often that it has begun to wait longer between two.
    pub fn rest(&mut self) {
        let worker = self.find_worker();
        if worker != self.worker {
            self.ends += u32::from(self.worker.is_some());
            self.worker = worker;
        }
        if self.ends >= TOO_MANY_ENDS {
            self.stop();
            self.start();
        }
    }

    /// Waits until the supervisor has given up starting workers.
    pub fn await_no_worker(&self) {
        let began = Instant::now();
        while self.find_worker().is_some() {
            assert!(began.elapsed() < PATIENCE, "the worker stays");
            std::thread::yield_now();
        }
    }

    /// The operator's act that allows another attempt with a PIN.
    pub fn write_pin_anew(&self) {
        let (pin, draft) = (self.house.path("user.pin"), self.house.path("draft.pin"));
        fs::copy(&pin, &draft).unwrap();
        crate::support::set_mode(&draft, 0o600);
        fs::rename(&draft, &pin).unwrap();
    }

    fn find_worker(&self) -> Option<Pid> {
        let daemon = self.daemon.as_ref()?;
        let tasks = fs::read_dir(format!("/proc/{}/task", daemon.0.id())).unwrap();
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace() {
                let line = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
                if line.starts_with("hsm-bridge worker") {
                    return Pid::from_raw(child.parse().unwrap());
                }
            }
        }
        None
    }
}
