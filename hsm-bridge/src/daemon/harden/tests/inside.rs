//! What a confined and sealed process can still do: tried in a process of its own, since nothing of it can be undone.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use super::super::{confine, process, seal};
use crate::daemon::config::{Switch, TokenSettings};
use crate::daemon::control::Configuration;

/// Names its folder to a process that runs one test alone.
const FOLDER_VARIABLE: &str = "HARDEN_TEST_FOLDER";
const EPERM: i32 = 1;
const SYSTEM_MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// Runs `body` in a process of its own: this very program again, for this test alone.
fn alone(test: &str, body: impl FnOnce(&Path)) {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        return body(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let name = format!("daemon::harden::tests::inside::{test}");
    let ended = Command::new(std::env::current_exe().unwrap())
        .args([
            OsStr::new(&name),
            "--exact".as_ref(),
            "--nocapture".as_ref(),
        ])
        .env(FOLDER_VARIABLE, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    let complained = String::from_utf8_lossy(&ended.stderr);
    assert!(
        ended.status.success() && said.contains("1 passed"),
        "{said}{complained}"
    );
}

fn configuration(folder: &Path, token: TokenSettings) -> Configuration {
    Configuration {
        token: TokenSettings {
            module: SYSTEM_MODULE.into(),
            ..token
        },
        policy: String::new(),
        max_connections: 1,
        call_limit_ms: 1,
        audit_folder: folder.join("audit").join("main"),
        sealed_folder: folder.join("sealed").join("main"),
        orders_folder: folder.join("orders").join("main"),
        administrators: Vec::new(),
        canary_ms: 0,
        require_locked_memory: false,
    }
}

/// Hardens this process as a worker does, and tells whether Landlock is there to be seen.
fn harden(configuration: &Configuration) -> bool {
    process().unwrap();
    let confined = confine(configuration).unwrap();
    seal(configuration, &confined).unwrap();
    confined.files.in_force
}

fn code<T>(result: io::Result<T>) -> Option<i32> {
    result.err().map(|e| e.raw_os_error().unwrap_or_default())
}

fn denied<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|e| e.kind() == io::ErrorKind::PermissionDenied)
}

/// A token's folder and a file that is none of its business.
fn files(folder: &Path) -> (PathBuf, PathBuf) {
    let (tokens, outside) = (folder.join("tokens"), folder.join("outside"));
    fs::create_dir(&tokens).unwrap();
    fs::write(tokens.join("object"), "x").unwrap();
    fs::write(&outside, "secret").unwrap();
    (tokens, outside)
}

#[test]
fn no_program_is_executed_and_no_process_begins() {
    alone("no_program_is_executed_and_no_process_begins", |folder| {
        assert!(Command::new("/bin/true").status().unwrap().success());
        harden(&configuration(folder, TokenSettings::default()));
        assert_eq!(code(Command::new("/bin/true").status()), Some(EPERM));
        let error = Command::new("/bin/true").exec();
        assert_eq!(error.raw_os_error(), Some(EPERM));
        // Threads go on being started.
        assert_eq!(std::thread::spawn(|| 7).join().unwrap(), 7);
    });
}

#[test]
fn no_socket_reaches_a_network() {
    alone("no_socket_reaches_a_network", |folder| {
        assert_eq!(code(UdpSocket::bind("127.0.0.1:0")), None);
        harden(&configuration(folder, TokenSettings::default()));
        assert_eq!(code(UdpSocket::bind("127.0.0.1:0")), Some(EPERM));
        assert_eq!(code(TcpStream::connect("127.0.0.1:9")), Some(EPERM));
        assert_eq!(code(UnixStream::pair()), None);
    });
}

#[test]
fn a_token_on_a_network_has_its_sockets() {
    alone("a_token_on_a_network_has_its_sockets", |folder| {
        let token = TokenSettings {
            network: true,
            ..TokenSettings::default()
        };
        harden(&configuration(folder, token));
        assert_eq!(code(UdpSocket::bind("127.0.0.1:0")), None);
        let refused = TcpStream::connect("127.0.0.1:9").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn no_file_outside_is_opened_and_those_of_the_token_are() {
    alone(
        "no_file_outside_is_opened_and_those_of_the_token_are",
        |folder| {
            let (tokens, outside) = files(folder);
            let readable = folder.join("readable");
            fs::write(&readable, "r").unwrap();
            let token = TokenSettings {
                paths: vec![tokens.clone()],
                read_paths: vec![readable.clone()],
                ..TokenSettings::default()
            };
            let configuration = configuration(folder, token);
            if !harden(&configuration) {
                println!("not run: this kernel has no Landlock");
                return;
            }
            assert!(denied(fs::read(&outside)));
            assert!(denied(fs::write(&outside, "y")));
            assert!(denied(fs::write(folder.join("new"), "y")));
            assert!(denied(fs::read("/etc/passwd")));
            assert!(denied(fs::read_dir("/")));
            assert_eq!(fs::read(&readable).unwrap(), b"r");
            assert!(denied(fs::write(&readable, "y")));
            assert!(denied(fs::write("/usr/lib/hsm-bridge-test", "y")));

            assert_eq!(fs::read(tokens.join("object")).unwrap(), b"x");
            fs::create_dir(tokens.join("new")).unwrap();
            fs::write(tokens.join("new/object"), "y").unwrap();
            fs::rename(tokens.join("new/object"), tokens.join("object")).unwrap();
            fs::remove_dir_all(tokens.join("new")).unwrap();
            let log = configuration.audit_folder.join("1.jsonl");
            fs::write(&log, "line").unwrap();
            fs::rename(&log, configuration.audit_folder.join("2.jsonl")).unwrap();
            assert_eq!(code(fs::File::open(folder.join("audit"))), None);
            assert_eq!(code(fs::File::open("/dev/urandom")), None);
            assert_eq!(code(fs::read_to_string("/proc/self/status")), None);
            assert_eq!(code(fs::read(SYSTEM_MODULE)), None);
        },
    );
}

#[test]
fn without_paths_files_are_left_to_the_rights_of_the_user() {
    alone(
        "without_paths_files_are_left_to_the_rights_of_the_user",
        |folder| {
            let (_, outside) = files(folder);
            harden(&configuration(folder, TokenSettings::default()));
            assert_eq!(fs::read(&outside).unwrap(), b"secret");
        },
    );
}

#[test]
fn a_path_that_is_not_there_is_named() {
    alone("a_path_that_is_not_there_is_named", |folder| {
        let token = TokenSettings {
            paths: vec![folder.join("absent")],
            ..TokenSettings::default()
        };
        let error = confine(&configuration(folder, token)).err().unwrap();
        assert!(error.to_string().contains("absent"), "{error}");
    });
}

#[test]
fn seccomp_can_be_taken_off() {
    alone("seccomp_can_be_taken_off", |folder| {
        let token = TokenSettings {
            seccomp: Switch::Off,
            ..TokenSettings::default()
        };
        harden(&configuration(folder, token));
        assert!(Command::new("/bin/true").status().unwrap().success());
    });
}

#[test]
fn capabilities_are_gone_and_files_are_for_their_owner() {
    alone(
        "capabilities_are_gone_and_files_are_for_their_owner",
        |folder| {
            use std::os::unix::fs::PermissionsExt as _;
            harden(&configuration(folder, TokenSettings::default()));
            let left = rustix::thread::capabilities(None).unwrap();
            // Kept where it is what locks the memory.
            let allowed = CapabilitySet::IPC_LOCK;
            assert_eq!(
                (left.effective | left.permitted) - allowed,
                CapabilitySet::empty()
            );
            fs::write(folder.join("file"), "").unwrap();
            let mode = fs::metadata(folder.join("file"))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        },
    );
}

#[test]
fn memory_that_must_be_locked_and_may_not_be_is_an_error() {
    alone(
        "memory_that_must_be_locked_and_may_not_be_is_an_error",
        |folder| {
            use rustix::process::{Resource, Rlimit, setrlimit};
            let none = CapabilitySets {
                effective: CapabilitySet::empty(),
                permitted: CapabilitySet::empty(),
                inheritable: CapabilitySet::empty(),
            };
            let limit = Rlimit {
                current: Some(65_536),
                maximum: Some(65_536),
            };
            setrlimit(Resource::Memlock, limit).unwrap();
            set_capabilities(None, none).unwrap();
            let mut configuration = configuration(folder, TokenSettings::default());
            configuration.require_locked_memory = true;
            let error = confine(&configuration).err().unwrap();
            assert!(error.to_string().contains("RLIMIT_MEMLOCK"), "{error}");
            configuration.require_locked_memory = false;
            confine(&configuration).unwrap();
        },
    );
}
