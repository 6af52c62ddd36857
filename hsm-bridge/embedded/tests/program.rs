//! The program with the token linked in: what it exports, and the whole way from `init` to a signature through the daemon.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use hsm_bridge::client::Client;
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore, SignatureVerifier};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hsm-bridge-embedded");
const POLICY: &str =
    "[[grant]]\ncaller = 'ca'\nkeys = 'sign/*'\noperations = ['generate', 'sign', 'destroy']\n";
/// With `paths`, the worker can open nothing but what is named, the token's own folder among it.
const CONFIGURATION: &str = "[bridge]\npolicy = 'policy.toml'\naudit_folder = 'audit'\nstate_folder = 'state'\n\
    [[bridge.token]]\nname = 'soft'\nmodule = 'embedded:keys/token.sql'\nlabel = 'soft'\npin_file = 'user.pin'\n\
    template = 'kryoptic'\nread_paths = ['/dev/null']\n\
    [[bridge.socket]]\nname = 'ca'\npath = 'ca.sock'\n";

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn init(folder: &Path) -> Output {
    run(
        folder,
        &[
            "init",
            "--module",
            "embedded:keys/token.sql",
            "--label",
            "soft",
            "--so-pin-file",
            "so.pin",
            "--pin-file",
            "user.pin",
        ],
    )
}

/// What the dynamic loader may bind other modules to, as binutils reads it.
fn exports(program: &str) -> Vec<String> {
    let listed = Command::new("nm")
        .args([
            "--dynamic",
            "--defined-only",
            "--format=just-symbols",
            program,
        ])
        .output()
        .unwrap();
    assert!(listed.status.success(), "{}", said(&listed));
    let mut names: Vec<_> = String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

#[test]
fn only_the_entry_points_of_pkcs11_are_exported() {
    let wanted = ["C_GetFunctionList", "C_GetInterface", "C_GetInterfaceList"];
    assert_eq!(exports(PROGRAM), wanted);
}

#[test]
fn a_token_that_init_made_signs_through_a_confined_worker_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let made = init(at);
    assert!(made.status.success(), "{}", said(&made));
    assert!(said(&init(at)).contains("already"));
    fs::write(at.join("policy.toml"), POLICY).unwrap();
    fs::write(at.join("romduol.toml"), CONFIGURATION).unwrap();
    let checked = run(at, &["check"]);
    assert!(checked.status.success(), "{}", said(&checked));

    let serve = || {
        let mut daemon = command(at, &["serve", "--log", "warn"]);
        Running(daemon.stdout(Stdio::null()).spawn().unwrap())
    };
    let name = KeyLabel::parse("sign/one").unwrap();
    let running = serve();
    let client = Client::connect(&at.join("ca.sock")).unwrap();
    let id = client.generate(&name, KeyAlgorithm::P256).unwrap();
    drop(running);

    let running = serve();
    let client = Client::connect(&at.join("ca.sock")).unwrap();
    assert_eq!(client.find(&name), Ok(Some(id)));
    let signer = client.signer(id, None).unwrap();
    let signature = signer.sign(b"message").unwrap();
    OpenSslVerifier
        .verify(signer.public_key(), signer.scheme(), b"message", &signature)
        .unwrap();
    // Post-quantum, over the wire: FIPS 204 tables 1 and 2.
    let name = KeyLabel::parse("sign/quantum").unwrap();
    let id = client.generate(&name, KeyAlgorithm::MlDsa65).unwrap();
    let signer = client.signer(id, None).unwrap();
    let message = vec![7; 100_000];
    let mut signature = signer.sign(&message).unwrap();
    assert_eq!(
        signer.public_key().subject_public_key.raw_bytes().len(),
        1952
    );
    assert_eq!(signature.len(), 3309);
    let verify = |message: &[u8], signature: &[u8]| {
        OpenSslVerifier.verify(signer.public_key(), signer.scheme(), message, signature)
    };
    verify(&message, &signature).unwrap();
    verify(b"message", &signature).unwrap_err();
    signature[1000] ^= 1;
    verify(&message, &signature).unwrap_err();
    drop(running);
    assert!(said(&run(at, &["keys"])).contains("sign/one"));
}
