//! What the processes of a running daemon gave up, as the kernel tells it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    dead_code,
    reason = "a test fails by panicking, and its support module is private to it and shared with others"
)]

mod support;

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use hsm_bridge::testing::SOFTHSM_MODULE;
use hsm_bridge::verify::OpenSslVerifier;
use hsm_bridge::{KeyAlgorithm, KeyLabel, KeyStore, SignatureVerifier};
use landlock::{AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
use support::{House, Running};

/// The user `nobody` of Debian, whom no file of a test belongs to before it is given to him.
const NOBODY: u32 = 65_534;

/// Sets of capabilities, as `/proc/PID/status` has them.
const NO_CAPABILITY: &str = "0000000000000000";
const IPC_LOCK: &str = "0000000000004000";

/// A daemon with one token and these settings for it.
fn house(section: &str, token: &str) -> House {
    let house = House::build();
    let text = format!(
        "[bridge]\npolicy = 'policy.toml'\naudit_folder = 'audit'\nstate_folder = 'state'\n{section}\n\
         [[bridge.token]]\nname = 'house'\nmodule = '{SOFTHSM_MODULE}'\nlabel = 'house'\npin_file = 'user.pin'\n{token}\n\
         [[bridge.socket]]\nname = 'ca'\npath = 'ca.sock'\n"
    );
    fs::write(house.path("romduol.toml"), text).unwrap();
    house
}

/// `/proc/PID/status`, by name.
fn status(process: u32) -> HashMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

/// The process id of the one worker.
fn worker(daemon: &Running) -> u32 {
    for task in fs::read_dir(format!("/proc/{}/task", daemon.0.id())).unwrap() {
        let children = fs::read_to_string(task.unwrap().path().join("children")).unwrap();
        if let Some(child) = children.split_whitespace().next() {
            return child.parse().unwrap();
        }
    }
    panic!("no worker");
}

/// Whether a process has no limit of locked memory.
fn may_lock_all(process: u32) -> bool {
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max locked memory"));
    line.unwrap().split_whitespace().nth(3) == Some("unlimited")
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Makes a key, signs with it and verifies, so that every part of the worker has been at work.
fn sign(house: &House) {
    let client = house.client("ca");
    let label = KeyLabel::parse("sign/one").unwrap();
    let id = client.generate(&label, KeyAlgorithm::P256).unwrap();
    let signer = client.signer(id, None).unwrap();
    let signature = signer.sign(b"message").unwrap();
    OpenSslVerifier
        .verify(signer.public_key(), signer.scheme(), b"message", &signature)
        .unwrap();
}

#[test]
fn the_kernel_confirms_what_was_given_up() {
    let house = house("", "paths = ['tokens']\nread_paths = ['softhsm2.conf']");
    let daemon = house.serve();
    sign(&house);
    let (above, below) = (daemon.0.id(), worker(&daemon));
    for process in [above, below] {
        let status = status(process);
        assert_eq!(status["NoNewPrivs"], "1");
        assert_eq!(status["Umask"], "0077");
        assert_eq!(status["CoreDumping"], "0");
        let filter = fs::read_to_string(format!("/proc/{process}/coredump_filter")).unwrap();
        assert_eq!(filter.trim(), "00000000");
        let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core"))
            .unwrap();
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    }
    let confined = status(below);
    assert_eq!(confined["Seccomp"], "2");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        let left = &*confined[set];
        assert!([NO_CAPABILITY, IPC_LOCK].contains(&left), "{set} {left}");
    }
    if confined["CapPrm"] == IPC_LOCK || may_lock_all(below) {
        assert_ne!(confined["VmLck"], "0 kB");
    } else {
        println!("not run: locked memory, which takes CAP_IPC_LOCK or no limit");
    }
    let mut threads = 0;
    for task in fs::read_dir(format!("/proc/{below}/task")).unwrap() {
        // A thread may end between the two looks; what it may do no longer matters.
        let Ok(text) = fs::read_to_string(task.unwrap().path().join("status")) else {
            continue;
        };
        threads += 1;
        assert!(
            text.contains("Seccomp:\t2") && text.contains("NoNewPrivs:\t1"),
            "{text}"
        );
    }
    assert!(threads > 1, "the worker and its pulse at least");
    assert_eq!(status(above)["Seccomp"], "0");
    assert_eq!(daemon.stop(), Some(0));
}

/// Whether this kernel knows Landlock and was started with it.
fn has_landlock() -> bool {
    let level = CompatLevel::HardRequirement;
    let asked = Ruleset::default()
        .set_compatibility(level)
        .handle_access(AccessFs::ReadFile);
    asked.and_then(Ruleset::create).is_ok()
}

#[test]
fn a_token_whose_files_are_not_among_its_paths_is_not_served() {
    if !has_landlock() {
        println!("not run: this kernel has no Landlock");
        return;
    }
    let house = house("", "paths = ['other']\nread_paths = ['softhsm2.conf']");
    fs::create_dir(house.path("other")).unwrap();
    let ended = house.run("serve", &["--log", "warn"]);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(69), "{said}");
    assert!(said.contains("libsofthsm2"), "{said}");
}

#[test]
fn what_is_in_force_is_in_the_log() {
    let house = house("", "seccomp = 'off'");
    let mut command = house.command("serve", &["--log", "info"]);
    let log = fs::File::create(house.path("log")).unwrap();
    let daemon = Running(command.stderr(log).spawn().unwrap());
    sign(&house);
    assert_eq!(status(worker(&daemon))["Seccomp"], "0");
    assert_eq!(daemon.stop(), Some(0));
    let said = fs::read_to_string(house.path("log")).unwrap();
    assert!(said.contains("seccomp is off for this token"), "{said}");
    let told = said
        .lines()
        .find(|line| line.contains("\"confined\""))
        .unwrap();
    for word in ["memory", "landlock", "no paths are set"] {
        assert!(told.contains(word), "{word}: {told}");
    }
}

fn give(path: &Path, to: u32) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), to);
        }
    }
    chown(path, Some(to), Some(to)).unwrap();
}

#[test]
fn a_worker_runs_under_a_user_of_its_own_with_a_log_of_its_own() {
    if !is_root() {
        println!("not run: changing the user takes root");
        return;
    }
    let house = house(
        "",
        &format!(
            "uid = {NOBODY}\ngid = {NOBODY}\npaths = ['tokens']\nread_paths = ['softhsm2.conf']"
        ),
    );
    support::set_mode(&house.path(""), 0o711);
    give(&house.path("tokens"), NOBODY);
    // A log from before the token had a user goes along.
    fs::create_dir_all(house.path("audit/house")).unwrap();
    fs::write(house.path("audit/house/note"), "kept").unwrap();
    let daemon = house.serve();
    sign(&house);
    let status = status(worker(&daemon));
    let ids = format!("{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}");
    assert_eq!((&status["Uid"], &status["Gid"]), (&ids, &ids));
    assert_eq!(
        (&*status["Groups"], &*status["CapPrm"]),
        ("", NO_CAPABILITY)
    );
    let locked = status["VmLck"] != "0 kB";
    assert_eq!(locked, may_lock_all(worker(&daemon)));
    assert_eq!(daemon.stop(), Some(0));
    let sealed = fs::metadata(house.path("state/sealed/house")).unwrap();
    assert_eq!(sealed.uid(), NOBODY);
    let log = house.path("audit/house");
    let found = fs::metadata(&log).unwrap();
    assert_eq!(
        (found.uid(), found.permissions().mode() & 0o777),
        (NOBODY, 0o700)
    );
    assert_eq!(fs::metadata(log.join("note")).unwrap().uid(), NOBODY);
    assert!(house.audit().iter().any(|row| row["operation"] == "sign"));
}
