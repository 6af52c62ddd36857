//! Signatures a second through the bridge beside the bare driver, in one run on one SoftHSM token.
//!
//! Driver and daemon run in processes of their own, as they would; both verify each signature before they give it out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use hsm_bridge::client::{Client, ClientOptions};
use hsm_bridge::daemon::read_pin;
use hsm_bridge::pkcs11::{Token, TokenConfig, TokenOptions};
use hsm_bridge::{Health, KeyAlgorithm, KeyLabel, KeyStore, KeyStoreError, Signer};
use serde::{Deserialize, Serialize};

/// Label of the token and of the key that the bench makes.
const TOKEN: &str = "bench";
const KEY: &str = "bench/p256/g1";
/// What is signed: as long as a small TBSCertificate.
const MESSAGE: [u8; 512] = [0x5a; 512];
/// Calls whose times make the median of a hop.
const HOPS: usize = 20_000;

/// What `bench` needs to know.
#[derive(Args)]
pub(super) struct Arguments {
    /// Print the figures as JSON rows instead of a table.
    #[arg(long)]
    json: bool,
    /// Seconds per figure.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Path of the PKCS#11 module.
    #[arg(long, default_value = "/usr/lib/softhsm/libsofthsm2.so")]
    module: PathBuf,
    /// An empty folder for the token; made under the system's folder for temporary files when not given, and removed after.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// What the child process that measures the bare driver needs to know.
#[derive(Args)]
pub(super) struct DriverArguments {
    #[arg(long)]
    module: PathBuf,
    #[arg(long)]
    pin_file: PathBuf,
    #[arg(long)]
    seconds: u64,
}

#[derive(Serialize, Deserialize)]
struct DriverFigures {
    one: f64,
    two: f64,
    two_copy: f64,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    value: f64,
    unit: &'static str,
    baseline_name: Option<&'static str>,
    baseline: Option<f64>,
    ratio: Option<f64>,
    note: String,
}

fn failed(what: &str, error: impl std::fmt::Display) -> KeyStoreError {
    KeyStoreError::Configuration(format!("bench: {what}: {error}"))
}

pub(super) fn run(arguments: &Arguments) -> Result<(), KeyStoreError> {
    let temporary = std::env::temp_dir().join(format!("hsm-bridge-bench-{}", std::process::id()));
    let folder = arguments
        .folder
        .clone()
        .unwrap_or_else(|| temporary.clone());
    let rows = measure(arguments, &folder);
    if arguments.folder.is_none()
        && let Err(error) = fs::remove_dir_all(&temporary)
    {
        tracing::warn!(%error, "the bench's folder stays behind");
    }
    print(&rows?, arguments.json)
}

fn measure(arguments: &Arguments, folder: &Path) -> Result<Vec<Row>, KeyStoreError> {
    let place = Place::prepare(arguments, folder)?;
    let driver = place.driver(arguments.seconds)?;
    let seconds = Duration::from_secs(arguments.seconds);
    let (plain, hop) = {
        let daemon = place.serve(false)?;
        (rate(&daemon.signers(2)?, seconds)?, daemon.hop()?)
    };
    let copy = {
        let daemon = place.serve(true)?;
        rate(&daemon.signers(2)?, seconds)?
    };
    let both = "two connections, two threads in the bare driver; both verify before release";
    Ok(vec![
        Row {
            name: "hsm.sign.p256.bridge",
            value: plain,
            unit: "1/s",
            baseline_name: Some("bare driver"),
            baseline: Some(driver.two),
            ratio: Some(plain / driver.two),
            note: format!("{both}; bare driver on one thread {:.0}/s", driver.one),
        },
        Row {
            name: "hsm.sign.p256.bridge_copy",
            value: copy,
            unit: "1/s",
            baseline_name: Some("bare driver with a session copy"),
            baseline: Some(driver.two_copy),
            ratio: Some(copy / driver.two_copy),
            note: both.to_owned(),
        },
        Row {
            name: "hsm.hop.p50",
            value: hop,
            unit: "us",
            baseline_name: None,
            baseline: None,
            ratio: None,
            note: "a health call: socket, policy-free, one call to the token".to_owned(),
        },
    ])
}

fn print(rows: &[Row], json: bool) -> Result<(), KeyStoreError> {
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(rows).map_err(|e| failed("output", e))?
        );
        return Ok(());
    }
    for row in rows {
        let beside = match (row.baseline_name, row.baseline, row.ratio) {
            (Some(name), Some(baseline), Some(ratio)) => {
                format!("{name} {baseline:.0}, ratio {ratio:.2}")
            }
            _ => String::new(),
        };
        println!(
            "{:28} {:>10.1} {:4} {beside} ({})",
            row.name, row.value, row.unit, row.note
        );
    }
    Ok(())
}

/// The folder with token, PIN files, policy and configuration.
struct Place {
    folder: PathBuf,
    module: PathBuf,
    program: PathBuf,
}

impl Place {
    fn prepare(arguments: &Arguments, folder: &Path) -> Result<Self, KeyStoreError> {
        let wrong = |e: std::io::Error| failed("folder", e);
        fs::create_dir_all(folder.join("tokens")).map_err(wrong)?;
        let folder = folder.canonicalize().map_err(wrong)?;
        let softhsm = format!(
            "directories.tokendir = {}\nlog.level = ERROR\n",
            folder.join("tokens").display()
        );
        fs::write(folder.join("softhsm2.conf"), softhsm).map_err(wrong)?;
        let policy = "[[grant]]\ncaller = \"bench\"\nkeys = \"bench/*\"\noperations = [\"sign\"]\n";
        fs::write(folder.join("policy.toml"), policy).map_err(wrong)?;
        let program = std::env::current_exe().map_err(wrong)?;
        let place = Self {
            folder,
            module: arguments.module.clone(),
            program,
        };
        let made = place
            .command("init")
            .args(["--label", TOKEN, "--module"])
            .arg(&place.module)
            .arg("--so-pin-file")
            .arg(place.folder.join("so.pin"))
            .arg("--pin-file")
            .arg(place.folder.join("user.pin"))
            .stdout(Stdio::null())
            .status()
            .map_err(wrong)?;
        if made.success() {
            Ok(place)
        } else {
            Err(failed("token", made))
        }
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--log", "error", verb])
            .env("SOFTHSM2_CONF", self.folder.join("softhsm2.conf"));
        command
    }

    fn driver(&self, seconds: u64) -> Result<DriverFigures, KeyStoreError> {
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

    fn serve(&self, session_copy: bool) -> Result<Serving, KeyStoreError> {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let config = format!(
            "[bridge]\npolicy = '{}'\naudit_folder = '{}'\nstate_folder = '{}'\n[[bridge.token]]\nmodule = '{}'\nlabel = '{TOKEN}'\npin_file = '{}'\nsession_copy = {session_copy}\n[[bridge.socket]]\nname = 'bench'\npath = '{}'\n",
            path("policy.toml"),
            path("audit"),
            path("state"),
            self.module.display(),
            path("user.pin"),
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
            .spawn()
            .map_err(|e| failed("daemon", e))?;
        Ok(Serving {
            child,
            socket: self.folder.join("bench.sock"),
        })
    }
}

/// A daemon for as long as this value lives.
struct Serving {
    child: Child,
    socket: PathBuf,
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            tracing::warn!(%error, "the bench's daemon could not be stopped");
        }
    }
}

impl Serving {
    fn client(&self) -> Result<Client, KeyStoreError> {
        Client::connect_with(
            &self.socket,
            ClientOptions {
                connections: 1,
                ..ClientOptions::default()
            },
        )
    }

    /// One signer per connection.
    fn signers(&self, connections: usize) -> Result<Vec<Box<dyn Signer>>, KeyStoreError> {
        (0..connections).map(|_| signer(&self.client()?)).collect()
    }

    /// The median time of a call that does next to nothing, in microseconds.
    fn hop(&self) -> Result<f64, KeyStoreError> {
        let client = self.client()?;
        let mut times = Vec::with_capacity(HOPS);
        for _ in 0..HOPS {
            let began = Instant::now();
            client.health()?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        Ok(times
            .get(HOPS / 2)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1e6))
    }
}

fn signer(store: &dyn KeyStore) -> Result<Box<dyn Signer>, KeyStoreError> {
    let label = KeyLabel::parse(KEY).map_err(|e| failed("label", e))?;
    let id = store
        .find(&label)?
        .ok_or_else(|| KeyStoreError::UnknownKey(KEY.to_owned()))?;
    store.signer(id, None)
}

/// Signatures a second over all signers, a thread each.
fn rate(signers: &[Box<dyn Signer>], period: Duration) -> Result<f64, KeyStoreError> {
    for signer in signers {
        signer.sign(&MESSAGE)?;
    }
    let began = Instant::now();
    let counts = std::thread::scope(|scope| {
        let threads: Vec<_> = signers
            .iter()
            .map(|signer| {
                scope.spawn(move || {
                    let mut count = 0_u32;
                    while began.elapsed() < period {
                        signer.sign(&MESSAGE)?;
                        count += 1;
                    }
                    Ok(count)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(failed("thread", "panicked")))
            })
            .sum::<Result<u32, KeyStoreError>>()
    })?;
    Ok(f64::from(counts) / began.elapsed().as_secs_f64())
}

/// Makes the key and measures the driver without daemon and socket.
pub(super) fn run_driver(arguments: &DriverArguments) -> Result<(), KeyStoreError> {
    let config = TokenConfig {
        module: arguments.module.clone(),
        label: TOKEN.to_owned(),
        pin: read_pin(&arguments.pin_file)?,
    };
    let period = Duration::from_secs(arguments.seconds);
    let token = Token::open(&config)?;
    let label = KeyLabel::parse(KEY).map_err(|e| failed("label", e))?;
    token.generate(&label, KeyAlgorithm::P256)?;
    let one = rate(&[signer(&token)?], period)?;
    let two = rate(&[signer(&token)?, signer(&token)?], period)?;
    let copying = Token::open_with(
        &config,
        TokenOptions {
            session_copy: true,
            ..TokenOptions::default()
        },
    )?;
    let two_copy = rate(&[signer(&copying)?, signer(&copying)?], period)?;
    let figures = DriverFigures { one, two, two_copy };
    println!(
        "{}",
        serde_json::to_string(&figures).map_err(|e| failed("output", e))?
    );
    Ok(())
}
