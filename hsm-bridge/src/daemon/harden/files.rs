//! Landlock: the files that a worker can still open, whoever its user is.
//!
//! Nothing below the rules is executable: a shared library is read and mapped, which Landlock does not count as executing.

use std::fs;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};
use std::os::unix::fs::DirBuilderExt as _;

use super::wrong;
use crate::KeyStoreError;
use crate::daemon::control::Configuration;
use crate::pkcs11::linked;

/// The newest rights that are asked for; an older kernel enforces those it knows. `landlock(7)`.
pub(super) const LEVEL: ABI = ABI::V6;

/// Shared libraries, and the little that the C library and OpenSSL read beside them.
pub(super) const SYSTEM: [&str; 10] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/etc/ssl/openssl.cnf",
    "/etc/localtime",
    "/dev/urandom",
    "/dev/random",
];
/// What finding a host by its name takes.
const NETWORK: [&str; 6] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/services",
    "/etc/gai.conf",
];
const NOTHING: &str = "/dev/null";
const ITSELF: &str = "/proc/self";

/// What Landlock keeps from this process.
pub(super) struct Restricted {
    /// Whether Landlock keeps anything at all.
    pub(super) in_force: bool,
    /// Which level of Landlock is in force, in words.
    pub(super) level: String,
    /// Whether files are restricted, beside TCP, abstract sockets and signals.
    pub(super) paths: bool,
    /// A rule is about the entry of `/proc` that is open here; closed, the kernel could forget it and make another.
    _itself: Option<PathFd>,
}

/// Restricts this thread and those it starts; a path of the configuration that is not there is an error.
pub(super) fn restrict(configuration: &Configuration) -> Result<Restricted, KeyStoreError> {
    let token = &configuration.token;
    let paths = !token.paths.is_empty() || !token.read_paths.is_empty();
    let failed = |e: landlock::RulesetError| wrong("Landlock", &e);
    let mut ruleset = Ruleset::default()
        .scope(Scope::from_all(LEVEL))
        .map_err(failed)?;
    if !token.network {
        ruleset = ruleset
            .handle_access(AccessNet::from_all(LEVEL))
            .map_err(failed)?;
    }
    if paths {
        ruleset = ruleset
            .handle_access(AccessFs::from_all(LEVEL))
            .map_err(failed)?;
    }
    let mut ruleset = ruleset.create().map_err(failed)?;
    let mut itself = None;
    if paths {
        ruleset = allow(ruleset, configuration)?;
        itself = PathFd::new(ITSELF).ok();
        if let Some(itself) = &itself {
            let rule = PathBeneath::new(itself, reading());
            ruleset = ruleset.add_rule(rule).map_err(failed)?;
        }
    }
    let status = ruleset.restrict_self().map_err(failed)?;
    let extent = match status.ruleset {
        RulesetStatus::FullyEnforced => "all of what is asked",
        RulesetStatus::PartiallyEnforced => "part of what is asked",
        RulesetStatus::NotEnforced => "nothing",
    };
    let level = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => {
            format!("{extent}, {effective_abi:?}")
        }
        LandlockStatus::NotEnabled => "nothing: not enabled in this kernel".to_owned(),
        LandlockStatus::NotImplemented => "nothing: this kernel has none".to_owned(),
    };
    Ok(Restricted {
        in_force: status.ruleset != RulesetStatus::NotEnforced,
        level,
        paths,
        _itself: itself,
    })
}

pub(super) fn reading() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// Everything but executing and making device nodes.
fn writing() -> BitFlags<AccessFs> {
    AccessFs::from_all(LEVEL) & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock)
}

/// What the log does to its folder, the checkpoint's rename among it.
fn recording() -> BitFlags<AccessFs> {
    reading() | AccessFs::WriteFile | AccessFs::MakeReg | AccessFs::RemoveFile | AccessFs::Truncate
}

fn allow(
    mut ruleset: RulesetCreated,
    configuration: &Configuration,
) -> Result<RulesetCreated, KeyStoreError> {
    let token = &configuration.token;
    let named = |path: &Path, e: &dyn std::fmt::Display| {
        KeyStoreError::Configuration(format!(
            "token '{}': Landlock: {}: {e}",
            token.name,
            path.display()
        ))
    };
    let mut rules: Vec<(PathBuf, BitFlags<AccessFs>)> = vec![(token.module.clone(), reading())];
    let own = [
        (&configuration.audit_folder, recording()),
        (
            &configuration.sealed_folder,
            recording() | AccessFs::MakeDir,
        ),
        (&configuration.orders_folder, recording()),
    ];
    for (folder, access) in own {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|e| named(folder, &e))?;
        rules.push((folder.clone(), access));
        // A new folder is made lasting by syncing the one above.
        let above = folder.parent();
        rules.extend(above.map(|it| (it.to_owned(), AccessFs::ReadDir.into())));
    }
    // A module comes with siblings that it loads; one that is missing is reported by the loader, in better words.
    rules.extend(token.module.parent().map(|it| (it.to_owned(), reading())));
    rules.extend(linked::folder(&token.module).map(|it| (it, writing())));
    rules.push((NOTHING.into(), reading() | AccessFs::WriteFile));
    rules.extend(SYSTEM.map(|path| (path.into(), reading())));
    if token.network {
        rules.extend(NETWORK.map(|path| (path.into(), reading())));
    }
    rules.retain(|(path, _)| path.exists());
    rules.extend(token.read_paths.iter().map(|it| (it.clone(), reading())));
    rules.extend(token.paths.iter().map(|it| (it.clone(), writing())));
    for (path, access) in rules {
        let opened = PathFd::new(&path).map_err(|e| named(&path, &e))?;
        let found = fs::metadata(&path).map_err(|e| named(&path, &e))?;
        let access = if found.is_dir() {
            access
        } else {
            access & AccessFs::from_file(LEVEL)
        };
        ruleset = ruleset
            .add_rule(PathBeneath::new(opened, access))
            .map_err(|e| named(&path, &e))?;
    }
    Ok(ruleset)
}
