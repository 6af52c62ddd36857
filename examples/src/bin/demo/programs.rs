//! The programs of the demo and how each is started.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::process::Command;

use super::children::{Children, Plan, Ready};
use examples::demo::folder::Folder;
use examples::demo::{Choices, Stage};

/// The programs' files.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
}

/// A relying party of the demo.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) name: &'static str,
    pub(crate) method: &'static str,
    pub(crate) redirect_uris: Vec<String>,
    /// File with the secret or the private key.
    pub(crate) credential: PathBuf,
    /// The name under which `demo.json` lists its address; none for machines.
    pub(crate) relying_party: Option<&'static str>,
}

impl Client {
    /// The shared secret of a client that has one.
    pub(crate) fn secret(&self) -> Result<String, String> {
        let path = self.credential.display();
        let text = std::fs::read_to_string(&self.credential).map_err(|e| format!("{path}: {e}"))?;
        Ok(text.trim().to_owned())
    }
}

impl Programs {
    /// The programs that lie beside this one.
    pub(crate) fn beside_this_one() -> Result<Self, String> {
        let this = std::env::current_exe()
            .map_err(|e| format!("cannot tell where this program is: {e}"))?;
        let folder = this
            .parent()
            .ok_or("this program has no folder")?
            .to_owned();
        for name in ["hsm-bridge", "ca", "ocsp", "idp", "ministry"] {
            if !folder.join(name).exists() {
                return Err(format!(
                    "{} is missing: build it first (./dev demo does)",
                    folder.join(name).display()
                ));
            }
        }
        Ok(Self { folder })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs a program to its end; its last words become the error.
    pub(crate) async fn run(
        &self,
        name: &str,
        arguments: &[&str],
        environment: &[(String, String)],
    ) -> Result<String, String> {
        let output = Command::new(self.path(name))
            .args(arguments)
            .envs(
                environment
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str())),
            )
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|e| format!("cannot start {name}: {e}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = words
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("no output");
        Err(format!(
            "{name} {} failed: {last}",
            arguments.first().copied().unwrap_or_default()
        ))
    }

    /// Makes all keys and certificates, then puts the root's token away.
    pub(crate) async fn hold_ceremony(
        &self,
        folder: &Folder,
        choices: &Choices,
    ) -> Result<(), String> {
        let file = folder.write_ceremony(choices)?.display().to_string();
        let (out, base) = (folder.text("ceremony"), folder.text(""));
        let arguments = [
            "ceremony", "run", "--file", &file, "--out", &out, "--base", &base,
        ];
        self.run("ca", &arguments, &[folder.softhsm("token")])
            .await?;
        folder.put_root_away()
    }

    /// Starts the bridge.
    pub(crate) async fn start_bridge(
        &self,
        folder: &Folder,
        children: &mut Children,
    ) -> Result<(), String> {
        let plan = Plan {
            name: "hsm-bridge",
            program: self.path("hsm-bridge"),
            arguments: serve(folder, Stage::Service),
            environment: vec![folder.softhsm("token")],
            ready: Ready::Socket(folder.path("run/bridge-idp.sock")),
        };
        children.start(plan).await
    }

    /// Brings a service's database up to date and starts the service.
    pub(crate) async fn start_service(
        &self,
        folder: &Folder,
        choices: &Choices,
        children: &mut Children,
        name: &'static str,
        stage: Stage,
    ) -> Result<(), String> {
        let ports = choices.ports;
        let port = match name {
            "ca" => ports.ca_admin(),
            "ocsp" => ports.ocsp_admin(),
            _ => ports.idp_admin(),
        };
        if name != "ocsp" {
            self.run(
                name,
                &["migrate", "--config", &folder.text(stage.file())],
                &[],
            )
            .await?;
        }
        let plan = Plan {
            name,
            program: self.path(name),
            arguments: serve(folder, stage),
            environment: Vec::new(),
            ready: Ready::Http(format!("http://localhost:{port}/health/ready")),
        };
        children.start(plan).await
    }
}

fn serve(folder: &Folder, stage: Stage) -> Vec<String> {
    vec![
        "serve".to_owned(),
        "--config".to_owned(),
        folder.text(stage.file()),
    ]
}

/// Reads a JSON file.
pub(crate) fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))
}
