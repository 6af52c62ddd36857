//! Where the bench works: two SoftHSM tokens, a policy, and a daemon for as long as it is needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use hsm_bridge::client::{Client, ClientOptions, Transport};
use hsm_bridge::{Health, KeyStoreError, Signer};

use super::{Arguments, DriverFigures, HOPS, STANDBY, TOKEN, failed, signer};

/// Routes of the daemon; a call for health asks the token of each.
const ROUTES: u32 = 2;

/// Keys below `bench/fast` go out as the token made them, like those of the bare driver beside; all others are verified first.
const POLICY: &str = "[[grant]]\ncaller = 'bench'\nkeys = 'bench/*'\noperations = ['generate', 'sign']\n\
    [[grant]]\ncaller = 'bench'\nkeys = 'both/*'\noperations = ['generate', 'sign']\n\
    [[key]]\nkeys = 'bench/fast/*'\nverify = false\n\
    [[key]]\nkeys = 'bench/sealed/*'\ntier = 'sealed'\nverify = false\n\
    [[key]]\nkeys = 'bench/durable/*'\ndurable = true\n";

/// The folder with token, PIN files, policy and configuration.
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) module: PathBuf,
    program: PathBuf,
}

impl Place {
    pub(super) fn prepare(arguments: &Arguments, folder: &Path) -> Result<Self, KeyStoreError> {
        let wrong = |e: std::io::Error| failed("folder", e);
        fs::create_dir_all(folder.join("tokens")).map_err(wrong)?;
        let folder = folder.canonicalize().map_err(wrong)?;
        let softhsm = format!(
            "directories.tokendir = {}\nlog.level = ERROR\n",
            folder.join("tokens").display()
        );
        fs::write(folder.join("softhsm2.conf"), softhsm).map_err(wrong)?;
        fs::write(folder.join("policy.toml"), POLICY).map_err(wrong)?;
        let program = std::env::current_exe().map_err(wrong)?;
        let place = Self {
            folder,
            module: arguments.module.clone(),
            program,
        };
        for (label, pin) in [(TOKEN, "user.pin"), (STANDBY, "standby.pin")] {
            let made = place
                .command("init")
                .args(["--label", label, "--module"])
                .arg(&place.module)
                .arg("--so-pin-file")
                .arg(place.folder.join("so.pin"))
                .arg("--pin-file")
                .arg(place.folder.join(pin))
                .stdout(Stdio::null())
                .status()
                .map_err(wrong)?;
            if !made.success() {
                return Err(failed("token", made));
            }
        }
        Ok(place)
    }

    pub(super) fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--log", "error", verb])
            .env("SOFTHSM2_CONF", self.folder.join("softhsm2.conf"));
        command
    }

    pub(super) fn driver(&self, seconds: u64) -> Result<DriverFigures, KeyStoreError> {
        let output = self
            .command("bench-driver")
            .arg("--module")
            .arg(&self.module)
            .arg("--pin-file")
            .arg(self.folder.join("user.pin"))
            .args(["--seconds", &seconds.to_string()])
            .stderr(Stdio::inherit())
            .output()
            .map_err(|e| failed("driver", e))?;
        serde_json::from_slice(&output.stdout).map_err(|e| failed("driver", e))
    }

    pub(super) fn serve(&self, session_copy: bool) -> Result<Serving, KeyStoreError> {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let config = format!(
            "[bridge]\npolicy = '{}'\naudit_folder = '{}'\nstate_folder = '{}'\nfail_back_after_s = 0\n\
             [[bridge.token]]\nname = 'first'\nmodule = '{module}'\nlabel = '{TOKEN}'\npin_file = '{}'\nsession_copy = {session_copy}\n\
             [[bridge.token]]\nname = 'standby'\nmodule = '{module}'\nlabel = '{STANDBY}'\npin_file = '{}'\n\
             [[bridge.route]]\nkeys = 'both/*'\ntokens = ['first', 'standby']\n\
             [[bridge.socket]]\nname = 'bench'\npath = '{}'\n",
            path("policy.toml"),
            path("audit"),
            path("state"),
            path("user.pin"),
            path("standby.pin"),
            path("bench.sock"),
            module = self.module.display(),
        );
        let file = self.folder.join("romduol.toml");
        fs::write(&file, config).map_err(|e| failed("configuration", e))?;
        // A daemon that was killed leaves its socket; a connection must not find the old one.
        if let Err(error) = fs::remove_file(self.folder.join("bench.sock"))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(failed("socket", error));
        }
        let child = self
            .command("serve")
            .arg("--config")
            .arg(file)
            .spawn()
            .map_err(|e| failed("daemon", e))?;
        Ok(Serving {
            child,
            transport: Transport::Unix(self.folder.join("bench.sock")),
        })
    }
}

/// A daemon, or its gate, for as long as this value lives.
pub(super) struct Serving {
    pub(super) child: Child,
    pub(super) transport: Transport,
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            tracing::warn!(%error, "the bench's daemon could not be stopped");
        }
    }
}

impl Serving {
    pub(super) fn client(&self) -> Result<Client, KeyStoreError> {
        self.client_with(1)
    }

    fn client_with(&self, connections: usize) -> Result<Client, KeyStoreError> {
        Client::open(
            self.transport.clone(),
            ClientOptions {
                connections,
                ..ClientOptions::default()
            },
        )
    }

    /// One signer per connection.
    pub(super) fn signers(
        &self,
        key: &str,
        connections: usize,
    ) -> Result<Vec<Box<dyn Signer>>, KeyStoreError> {
        (0..connections)
            .map(|_| signer(&self.client()?, key))
            .collect()
    }

    /// The median time of a call that does next to nothing, in microseconds.
    pub(super) fn hop(&self) -> Result<f64, KeyStoreError> {
        let client = self.client_with(ROUTES as usize)?;
        let mut times = Vec::with_capacity(HOPS);
        for _ in 0..HOPS {
            let began = Instant::now();
            client.health()?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        Ok(times
            .get(HOPS / 2)
            .map_or(f64::NAN, |time| (*time / ROUTES).as_secs_f64() * 1e6))
    }
}
