//! A program's first moments: this binary, started again, asks the kernel to be told when the demo ends, and then
//! becomes the program it is for. So nothing is left running when the demo is killed, and no unsafe code between
//! fork and exec is needed.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use tokio::process::Command;

/// The first argument of this binary when it is to become another program.
const WORD: &str = "--as-child-of";
/// This binary, also after a build has replaced its file.
const THIS: &str = "/proc/self/exe";

/// A command for `program` that ends with this process. The kernel counts from the thread that spawns it, which
/// must be one that lives as long as the process: the main thread.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(THIS);
    command
        .arg(WORD)
        .arg(std::process::id().to_string())
        .arg(program);
    command
}

/// Becomes the program that [`command`] named. Returns `None` when this is the demo itself, and words when
/// becoming the program failed.
pub(crate) fn become_program(arguments: impl IntoIterator<Item = OsString>) -> Option<String> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != WORD {
        return None;
    }
    let (Some(parent), Some(program)) = (arguments.next(), arguments.next()) else {
        return Some(format!("{WORD} needs a process id and a program"));
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::TERM)) {
        return Some(format!("{}: {error}", program.display()));
    }
    // It may have ended before the kernel was asked.
    let now = getppid().map(|id| id.as_raw_nonzero().to_string());
    if now.map(OsString::from) != Some(parent) {
        return Some("the demo has ended".to_owned());
    }
    let error = std::process::Command::new(&program).args(arguments).exec();
    Some(format!("cannot start {}: {error}", program.display()))
}
