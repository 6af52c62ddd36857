//! The programs that the demo runs: started in order, watched, started again after a crash, stopped in reverse.
//!
//! All of them end with this process, however it ends. A program that ends by itself with success was stopped by somebody and stays down until this program gets a
//! SIGHUP; one that crashes or is killed is started again, as an init system would.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Child;
use tokio::time::{Instant, sleep};

use super::launcher;

/// How long a program may take until it answers.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long a program may take to stop before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How often readiness is asked for.
const POLL: Duration = Duration::from_millis(50);
/// Pause before a crashed program is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(200);

/// With this code the bridge says that the token refused the PIN (`EX_NOPERM` of sysexits.h).
const PIN_REFUSED: i32 = 77;

/// How to start a program and how to see that it is ready.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Name for people, the log file and the process-id file.
    pub(crate) name: &'static str,
    /// The program's file.
    pub(crate) program: PathBuf,
    /// Its arguments; never a secret.
    pub(crate) arguments: Vec<String>,
    /// Environment beyond our own; never a secret.
    pub(crate) environment: Vec<(String, String)>,
    /// What to ask for readiness.
    pub(crate) ready: Ready,
}

/// How a program says that it is ready.
#[derive(Clone, Debug)]
pub(crate) enum Ready {
    /// This URL answers with success.
    Http(String),
    /// This socket exists and accepts.
    Socket(PathBuf),
}

struct Running {
    plan: Plan,
    child: Option<Child>,
}

/// The running programs, in the order in which they were started.
pub(crate) struct Children {
    data: PathBuf,
    running: Vec<Running>,
    http: reqwest::Client,
}

impl Children {
    /// None yet; logs go to `data/log`, process ids to `data/run`.
    pub(crate) fn new(data: &Path, http: reqwest::Client) -> Self {
        Self {
            data: data.to_owned(),
            running: Vec::new(),
            http,
        }
    }

    /// The HTTP client in use.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Asks for readiness with another HTTP client from now on.
    pub(crate) fn use_http(&mut self, http: reqwest::Client) {
        self.http = http;
    }

    /// How many programs were started and not stopped by us.
    pub(crate) fn count(&self) -> usize {
        self.running.len()
    }

    /// Starts a program and waits until it is ready.
    pub(crate) async fn start(&mut self, plan: Plan) -> Result<(), String> {
        let child = self.spawn(&plan)?;
        let mut running = Running {
            plan,
            child: Some(child),
        };
        let outcome = self.wait_ready(&mut running).await;
        self.running.push(running);
        outcome
    }

    fn spawn(&self, plan: &Plan) -> Result<Child, String> {
        let log = self.log(plan.name)?;
        let errors = log
            .try_clone()
            .map_err(|e| format!("log of {}: {e}", plan.name))?;
        let child = launcher::command(&plan.program)
            .args(&plan.arguments)
            .envs(
                plan.environment
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str())),
            )
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C reaches the whole process group: the programs are stopped by us, in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| format!("cannot start {}: {e}", plan.program.display()))?;
        if let Some(id) = child.id() {
            let path = self.data.join("run").join(format!("{}.pid", plan.name));
            fs::write(&path, id.to_string()).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        Ok(child)
    }

    fn log(&self, name: &str) -> Result<File, String> {
        let path = self.data.join("log").join(format!("{name}.log"));
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|e| format!("{}: {e}", path.display()))
    }

    async fn wait_ready(&self, running: &mut Running) -> Result<(), String> {
        let name = running.plan.name;
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(child) = &mut running.child
                && let Ok(Some(status)) = child.try_wait()
            {
                return Err(format!(
                    "{name} ended at once ({status}): {}",
                    self.last_words(name)
                ));
            }
            let ready = match &running.plan.ready {
                Ready::Http(url) => self
                    .http
                    .get(url)
                    .send()
                    .await
                    .is_ok_and(|answer| answer.status().is_success()),
                Ready::Socket(path) => tokio::net::UnixStream::connect(path).await.is_ok(),
            };
            if ready {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "{name} is not ready after {START_LIMIT:?}: {}",
                    self.last_words(name)
                ));
            }
            sleep(POLL).await;
        }
    }

    /// The last line of a program's log, for the one line that people get.
    fn last_words(&self, name: &str) -> String {
        let path = self.data.join("log").join(format!("{name}.log"));
        let text = fs::read_to_string(&path).unwrap_or_default();
        let line = text
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("no output");
        format!("{line} (see {})", path.display())
    }

    /// Looks after the programs until `stop` resolves.
    pub(crate) async fn watch(
        &mut self,
        stop: impl Future<Output = ()>,
        mut start_again: tokio::signal::unix::Signal,
    ) {
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = start_again.recv() => self.start_stopped().await,
                () = sleep(RESTART_PAUSE) => self.restart_crashed(),
            }
        }
    }

    fn restart_crashed(&mut self) {
        for index in 0..self.running.len() {
            let Some(running) = self.running.get_mut(index) else {
                continue;
            };
            let Some(child) = &mut running.child else {
                continue;
            };
            let Ok(Some(status)) = child.try_wait() else {
                continue;
            };
            let plan = running.plan.clone();
            running.child = None;
            if status.success() {
                println!(
                    "{} was stopped; send SIGHUP to this program to start it again",
                    plan.name
                );
                continue;
            }
            if status.code() == Some(PIN_REFUSED) {
                println!(
                    "{} ended ({status}): {}",
                    plan.name,
                    self.last_words(plan.name)
                );
                println!(
                    "it is not started again by itself, because a token locks after a few wrong PINs"
                );
                continue;
            }
            println!("{} ended ({status}); starting it again", plan.name);
            match self.spawn(&plan) {
                Ok(child) => {
                    if let Some(running) = self.running.get_mut(index) {
                        running.child = Some(child);
                    }
                }
                Err(error) => println!("{error}"),
            }
        }
    }

    async fn start_stopped(&mut self) {
        for index in 0..self.running.len() {
            let Some(plan) = self
                .running
                .get(index)
                .filter(|running| running.child.is_none())
                .map(|running| running.plan.clone())
            else {
                continue;
            };
            println!("starting {}", plan.name);
            match self.spawn(&plan) {
                Ok(child) => {
                    let mut again = Running {
                        plan,
                        child: Some(child),
                    };
                    if let Err(error) = self.wait_ready(&mut again).await {
                        println!("{error}");
                    }
                    if let Some(running) = self.running.get_mut(index) {
                        *running = again;
                    }
                }
                Err(error) => println!("{error}"),
            }
        }
    }

    /// Stops every program, the last started first.
    pub(crate) async fn stop(&mut self) {
        self.stop_down_to(0).await;
    }

    /// Stops programs, the last started first, until `count` are left.
    pub(crate) async fn stop_down_to(&mut self, count: usize) {
        while self.running.len() > count {
            let Some(Running { plan, child }) = self.running.pop() else {
                return;
            };
            let Some(mut child) = child else { continue };
            if let Some(id) = child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .and_then(rustix::process::Pid::from_raw)
            {
                // A program that is already gone needs no signal.
                let _gone = rustix::process::kill_process(id, rustix::process::Signal::TERM);
            }
            if tokio::time::timeout(STOP_LIMIT, child.wait())
                .await
                .is_err()
            {
                println!(
                    "{} did not stop within {STOP_LIMIT:?} and is killed",
                    plan.name
                );
                let _killed = child.kill().await;
            }
            let _no_file =
                fs::remove_file(self.data.join("run").join(format!("{}.pid", plan.name)));
        }
    }
}
