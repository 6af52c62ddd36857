//! How long callers wait when the token's own server is killed: SoftHSM behind `p11-kit server`, as a network token is behind its client
//! library. The worker lives on and finds out by the errors that its module gives.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hsm_bridge::client::Client;
use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore, KeyStoreError};
use rustix::process::{Pid, Signal, kill_process_group};

use super::figures::Figures;
use super::place::Place;
use super::recovery::{REST, make_on_standby, sign};
use super::{ROUNDS, Row, TOKEN, failed, time_row};

/// The program, and the module of its clients below a library folder.
const PROGRAM: &str = "/usr/bin/p11-kit";
const MODULE: &str = "pkcs11/p11-kit-client.so";
/// A key that both tokens have, each its own, and one of the served token alone.
const SHARED: &str = "both/served";
const OWN: &str = "bench/served";
/// How long the server may take to be there.
const START: Duration = Duration::from_secs(10);
/// How often it is looked for the server's socket.
const LOOK: Duration = Duration::from_millis(1);

/// The module of the clients, where the package is installed.
fn module() -> Option<PathBuf> {
    if !Path::new(PROGRAM).exists() {
        return None;
    }
    let folders = fs::read_dir("/usr/lib").ok()?.flatten();
    folders
        .map(|folder| folder.path().join(MODULE))
        .find(|module| module.exists())
}

/// The token's server, and all the processes that it made.
struct Server<'a> {
    place: &'a Place,
    socket: PathBuf,
    child: Option<Child>,
}

impl<'a> Server<'a> {
    fn new(place: &'a Place) -> Self {
        Self {
            place,
            socket: place.folder.join("token-server.sock"),
            child: None,
        }
    }

    fn start(&mut self) -> Result<(), KeyStoreError> {
        let wrong = |e: std::io::Error| failed("p11-kit server", e);
        let child = Command::new(PROGRAM)
            .args(["server", "--foreground", "--name"])
            .arg(&self.socket)
            .arg("--provider")
            .arg(self.place.module_of(TOKEN))
            .arg(format!("pkcs11:token={TOKEN}"))
            .env("SOFTHSM2_CONF", self.place.folder.join("softhsm2.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(wrong)?;
        self.child = Some(child);
        let began = Instant::now();
        while !self.socket.exists() {
            if began.elapsed() > START {
                return Err(failed("p11-kit server", "it makes no socket"));
            }
            std::thread::park_timeout(LOOK);
        }
        Ok(())
    }

    /// kill -9 of the server and of its children.
    fn kill(&mut self) -> Result<(), KeyStoreError> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let group = group.ok_or_else(|| failed("p11-kit server", "it has no number"))?;
        kill_process_group(group, Signal::KILL).map_err(|e| failed("p11-kit server", e))?;
        child.wait().map_err(|e| failed("p11-kit server", e))?;
        fs::remove_file(&self.socket).map_err(|e| failed("p11-kit server", e))
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            tracing::warn!(%error, "the token's server could not be stopped");
        }
    }
}

pub(super) fn measure(place: &Place) -> Result<Vec<Row>, KeyStoreError> {
    let Some(module) = module() else {
        eprintln!("not measured: the end of a token's server; p11-kit is not installed");
        return Ok(Vec::new());
    };
    let mut server = Server::new(place);
    server.start()?;
    let address = format!("unix:path={}", server.socket.display());
    let daemon = place.serve_through(&module, ("P11_KIT_SERVER_ADDRESS", &address))?;
    let client = daemon.client()?;
    let label = |text| KeyLabel::parse(text).map_err(|e| failed("label", e));
    let (shared, own) = (label(SHARED)?, label(OWN)?);
    let of_first = client.generate(&shared, KeyAlgorithm::P256)?;
    client.generate(&own, KeyAlgorithm::P256)?;
    make_on_standby(&daemon, &client, &shared, of_first)?;
    let (mut standby, mut respawn) = (Figures::default(), Figures::default());
    for _ in 0..ROUNDS {
        let killed = kill_in_service(&mut server, &client, &own)?;
        sign(&client, &shared)?;
        standby.push(killed.elapsed().as_secs_f64() * 1e3);
        server.start()?;
        let killed = kill_in_service(&mut server, &client, &own)?;
        server.start()?;
        sign(&client, &own)?;
        respawn.push(killed.elapsed().as_secs_f64() * 1e3);
    }
    Ok(vec![
        time_row(
            "hsm.recover.server_standby",
            "ms",
            &standby,
            None,
            "from kill -9 of the server that a token is behind (p11-kit) to the first signature for a caller whose keys a second token serves as well".to_owned(),
        ),
        time_row(
            "hsm.recover.server_respawn",
            "ms",
            &respawn,
            None,
            "the same for a caller whose keys that token alone has, its server started again at once".to_owned(),
        ),
    ])
}

/// Kills the server of a token that has been left in peace and signs.
fn kill_in_service(
    server: &mut Server<'_>,
    client: &Client,
    own: &KeyLabel,
) -> Result<Instant, KeyStoreError> {
    sign(client, own)?;
    std::thread::park_timeout(REST);
    sign(client, own)?;
    server.kill()?;
    Ok(Instant::now())
}
