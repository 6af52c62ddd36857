//! Where the bench works: two SoftHSM tokens, a policy, and a daemon for as long as it is needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hsm_bridge::client::{Client, ClientOptions, Transport};
use hsm_bridge::{Health, KeyStoreError, Signer};

use super::{Arguments, HOPS, STANDBY, TOKEN, failed, signer};

/// Routes of the daemon; a call for health asks the token of each.
const ROUTES: u32 = 3;

/// Keys below `bench/fast` go out as the token made them, like those of the bare driver beside; all others are verified first.
const POLICY: &str = "[[grant]]\ncaller = 'bench'\nkeys = 'bench/*'\noperations = ['generate', 'sign']\n\
    [[grant]]\ncaller = 'bench'\nkeys = 'both/*'\noperations = ['generate', 'sign']\n\
    [[grant]]\ncaller = 'bench'\nkeys = 'other/*'\noperations = ['generate', 'sign']\n\
    [[key]]\nkeys = 'bench/fast/*'\nverify = false\n\
    [[key]]\nkeys = 'bench/sealed/*'\ntier = 'sealed'\nverify = false\n\
    [[key]]\nkeys = 'bench/durable/*'\ndurable = true\n";

/// The folder with token, PIN files, policy and configuration.
pub(super) struct Place {
    pub(super) folder: PathBuf,
    module: PathBuf,
    tokens: PathBuf,
    program: PathBuf,
}

/// Where the tokens lie: in memory where that is possible, since SoftHSM writes each object many times while it is made, and ten thousand
/// keys would take the disk a quarter of an hour. Records are on the disk all the same.
fn tokens_folder(folder: &Path) -> PathBuf {
    let memory = Path::new("/dev/shm");
    match memory.metadata() {
        Ok(found) if found.is_dir() && !found.permissions().readonly() => {
            memory.join(format!("hsm-bridge-bench-{}", std::process::id()))
        }
        _ => folder.join("tokens"),
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.tokens) {
            tracing::warn!(%error, folder = %self.tokens.display(), "the bench's tokens stay behind");
        }
    }
}

impl Place {
    pub(super) fn prepare(arguments: &Arguments, folder: &Path) -> Result<Self, KeyStoreError> {
        let wrong = |e: std::io::Error| failed("folder", e);
        fs::create_dir_all(folder).map_err(wrong)?;
        let folder = folder.canonicalize().map_err(wrong)?;
        let tokens = tokens_folder(&folder);
        fs::create_dir_all(&tokens).map_err(wrong)?;
        let softhsm = format!(
            "directories.tokendir = {}\nlog.level = ERROR\n",
            tokens.display()
        );
        fs::write(folder.join("softhsm2.conf"), softhsm).map_err(wrong)?;
        fs::write(folder.join("policy.toml"), POLICY).map_err(wrong)?;
        let program = std::env::current_exe().map_err(wrong)?;
        let place = Self {
            folder,
            tokens,
            module: arguments.module.clone(),
            program,
        };
        for (label, pin) in [(TOKEN, "user.pin"), (STANDBY, "standby.pin")] {
            place.init(label, pin)?;
        }
        Ok(place)
    }

    /// The module of a token; each embedded one has a file of its own.
    pub(super) fn module_of(&self, label: &str) -> PathBuf {
        if self.module == Path::new("embedded") {
            let file = self.folder.join(label).with_extension("sql");
            format!("embedded:{}", file.display()).into()
        } else {
            self.module.clone()
        }
    }

    /// Makes a token.
    pub(super) fn init(&self, label: &str, pin: &str) -> Result<(), KeyStoreError> {
        let made = self
            .command("init")
            .args(["--label", label, "--module"])
            .arg(self.module_of(label))
            .arg("--so-pin-file")
            .arg(self.folder.join("so.pin"))
            .arg("--pin-file")
            .arg(self.folder.join(pin))
            .stdout(Stdio::null())
            .status()
            .map_err(|e| failed("token", e))?;
        if made.success() {
            Ok(())
        } else {
            Err(failed("token", made))
        }
    }

    pub(super) fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--log", "error", verb])
            .env("SOFTHSM2_CONF", self.folder.join("softhsm2.conf"));
        command
    }

    pub(super) fn serve(&self, session_copy: bool) -> Result<Serving, KeyStoreError> {
        self.serve_token(TOKEN, "user.pin", session_copy)
    }

    /// Serves a token, with the standby beside it.
    pub(super) fn serve_token(
        &self,
        label: &str,
        pin: &str,
        session_copy: bool,
    ) -> Result<Serving, KeyStoreError> {
        self.serve_module(&self.module_of(label), (label, pin, session_copy), None)
    }

    /// Serves the first token through another module, which is told by a variable where it is.
    pub(super) fn serve_through(
        &self,
        module: &Path,
        variable: (&str, &str),
    ) -> Result<Serving, KeyStoreError> {
        self.serve_module(module, (TOKEN, "user.pin", false), Some(variable))
    }

    fn serve_module(
        &self,
        module: &Path,
        (label, pin, session_copy): (&str, &str, bool),
        variable: Option<(&str, &str)>,
    ) -> Result<Serving, KeyStoreError> {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let config = format!(
            "[bridge]\npolicy = '{}'\naudit_folder = '{}'\nstate_folder = '{}'\nfail_back_after_s = 0\n\
             [[bridge.token]]\nname = 'first'\nmodule = '{}'\nlabel = '{label}'\npin_file = '{}'\nsession_copy = {session_copy}\n\
             [[bridge.token]]\nname = 'standby'\nmodule = '{}'\nlabel = '{STANDBY}'\npin_file = '{}'\n\
             [[bridge.route]]\nkeys = 'both/*'\ntokens = ['first', 'standby']\n\
             [[bridge.route]]\nkeys = 'other/*'\ntokens = ['standby']\n\
             [[bridge.socket]]\nname = 'bench'\npath = '{}'\n",
            path("policy.toml"),
            path("audit"),
            path("state"),
            module.display(),
            path(pin),
            self.module_of(STANDBY).display(),
            path("standby.pin"),
            path("bench.sock"),
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
            .envs(variable)
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
        self.client_with(ClientOptions::default().deadline)
    }

    /// A client of one connection that waits so long for an answer.
    pub(super) fn client_with(&self, deadline: Duration) -> Result<Client, KeyStoreError> {
        self.connect(ClientOptions {
            deadline,
            connections: 1,
        })
    }

    fn connect(&self, options: ClientOptions) -> Result<Client, KeyStoreError> {
        Client::open(self.transport.clone(), options)
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

    /// Signers of so many threads that share so many connections.
    pub(super) fn sharing(
        &self,
        key: &str,
        connections: usize,
        threads: usize,
    ) -> Result<Vec<Box<dyn Signer>>, KeyStoreError> {
        let client = self.connect(ClientOptions {
            connections,
            ..ClientOptions::default()
        })?;
        (0..threads).map(|_| signer(&client, key)).collect()
    }

    /// The median time of a call that does next to nothing, in microseconds.
    pub(super) fn hop(&self) -> Result<f64, KeyStoreError> {
        let client = self.connect(ClientOptions {
            connections: ROUTES as usize,
            ..ClientOptions::default()
        })?;
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
