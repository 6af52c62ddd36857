//! Programs of an earlier start whose demo did not live to stop them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use examples::demo::folder::Folder;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

/// How long a program may take to stop before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How often it is looked for.
const POLL: Duration = Duration::from_millis(50);

/// Stops what still runs from this folder. The caller holds the folder, so no living demo looks after them.
pub(crate) async fn stop(folder: &Folder) {
    let Ok(entries) = fs::read_dir(folder.path("run")) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_none_or(|extension| extension != "pid") {
            continue;
        }
        let id = fs::read_to_string(&path)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        if let Some(id) = id.and_then(Pid::from_raw).filter(|id| is_of(*id, folder)) {
            println!(
                "stopping {} of an earlier start",
                path.file_stem().unwrap_or_default().display()
            );
            end(id, folder).await;
        }
        let _gone_already = fs::remove_file(&path);
    }
}

async fn end(id: Pid, folder: &Folder) {
    for signal in [Signal::TERM, Signal::KILL] {
        // One that ends meanwhile needs no signal.
        let _gone = kill_process(id, signal);
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline {
            if !is_of(id, folder) {
                return;
            }
            sleep(POLL).await;
        }
    }
}

/// Whether the process runs from this folder: ids are used again, so its arguments decide.
fn is_of(id: Pid, folder: &Folder) -> bool {
    let arguments = fs::read(format!("/proc/{}/cmdline", id.as_raw_nonzero())).unwrap_or_default();
    names(&arguments, &folder.path(""))
}

/// Whether one of the arguments, each ended by a zero octet, lies in the folder.
fn names(arguments: &[u8], folder: &Path) -> bool {
    arguments
        .split(|octet| *octet == 0)
        .filter_map(|argument| std::str::from_utf8(argument).ok())
        .any(|argument| Path::new(argument).starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processes_of_this_folder_are_meant() {
        let ours = b"/x/ca\0serve\0--config\0/tmp/a/romduol.toml\0";
        assert!(names(ours, Path::new("/tmp/a")));
        assert!(!names(ours, Path::new("/tmp/b")));
        assert!(!names(
            b"/x/ca\0serve\0--config\0/tmp/ab/romduol.toml\0",
            Path::new("/tmp/a")
        ));
        assert!(!names(b"", Path::new("/tmp/a")));
    }
}
