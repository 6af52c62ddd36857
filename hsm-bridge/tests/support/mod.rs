//! A daemon of its own for each test: its own folder, token and process.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use hsm_bridge::client::{Client, ClientOptions};
use hsm_bridge::testing::{SOFTHSM_MODULE, write_configuration};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub const POLICY: &str = r#"
    [[grant]]
    caller = "ca"
    keys = "sign/*"
    operations = ["generate", "sign", "destroy"]

    [[grant]]
    caller = "idp"
    keys = "idp/*"
    operations = ["generate", "sign", "wrap", "unwrap", "hmac"]
"#;

pub struct House {
    folder: TempDir,
}

impl House {
    /// Makes a token through `hsm-bridge init`, a policy and a configuration with the sockets `ca` and `idp`.
    pub fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_configuration(folder.path()).unwrap();
        let house = Self { folder };
        let made = house.run(
            "init",
            &[
                "--so-pin-file",
                "so.pin",
                "--pin-file",
                "user.pin",
                "--label",
                "house",
            ],
        );
        assert!(made.status.success(), "{made:?}");
        fs::write(house.path("policy.toml"), POLICY).unwrap();
        house.configure("", "");
        house
    }

    /// Writes the configuration, with more settings for the section and for the socket `ca`.
    pub fn configure(&self, section: &str, socket: &str) {
        let text = format!(
            "[ca]\nnot_ours = true\n[bridge]\npolicy = 'policy.toml'\naudit_folder = 'audit'\nstate_folder = 'state'\n{section}\n[[bridge.token]]\nname = 'house'\nmodule = '{SOFTHSM_MODULE}'\nlabel = 'house'\npin_file = 'user.pin'\n[[bridge.socket]]\nname = 'idp'\npath = 'idp.sock'\n[[bridge.socket]]\nname = 'ca'\npath = 'ca.sock'\n{socket}\n",
        );
        fs::write(self.path("romduol.toml"), text).unwrap();
    }

    /// Makes another token, with the same PIN files.
    pub fn add_token(&self, label: &str) {
        let made = self.run(
            "init",
            &[
                "--so-pin-file",
                "so.pin",
                "--pin-file",
                "user.pin",
                "--label",
                label,
            ],
        );
        assert!(made.status.success(), "{made:?}");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, verb: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hsm-bridge"));
        command
            .arg(verb)
            .args(arguments)
            .current_dir(self.folder.path())
            .env("SOFTHSM2_CONF", self.path("softhsm2.conf"))
            .env(strict_token::CONFIG_VARIABLE, self.path("strict.toml"))
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, verb: &str, arguments: &[&str]) -> Output {
        self.command(verb, arguments).output().unwrap()
    }

    pub fn serve(&self) -> Running {
        let mut command = self.command("serve", &["--log", "warn"]);
        Running(command.stdout(Stdio::null()).spawn().unwrap())
    }

    pub fn client(&self, caller: &str) -> Client {
        let options = ClientOptions {
            // An RSA key takes its time where many tests run at once.
            deadline: Duration::from_secs(30),
            ..ClientOptions::default()
        };
        Client::connect_with(&self.path(&format!("{caller}.sock")), options).unwrap()
    }

    pub fn impatient_client(&self, caller: &str) -> Client {
        let options = ClientOptions {
            deadline: Duration::from_millis(400),
            ..ClientOptions::default()
        };
        // Wait for the daemon with patience, then be impatient.
        drop(self.client(caller));
        Client::connect_with(&self.path(&format!("{caller}.sock")), options).unwrap()
    }

    /// Every line of the audit log of the token `house`.
    pub fn audit(&self) -> Vec<serde_json::Value> {
        self.audit_of("house")
    }

    /// Every line of the audit log of a token.
    pub fn audit_of(&self, token: &str) -> Vec<serde_json::Value> {
        let mut segments: Vec<_> = fs::read_dir(self.path("audit").join(token))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|kind| kind == "jsonl"))
            .collect();
        segments.sort();
        segments
            .iter()
            .flat_map(|path| {
                let text = fs::read_to_string(path).unwrap();
                text.lines()
                    .map(|line| serde_json::from_str(line).unwrap())
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub struct Running(pub Child);

impl Running {
    /// kill -9
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM; gives the exit status.
    pub fn stop(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Killed and waited for already where the test did so.
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}
