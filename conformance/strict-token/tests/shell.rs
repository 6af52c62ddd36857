//! The control page from a shell.

use std::process::Command;

use strict_token::{Control, Function};

#[test]
fn a_shell_arms_orders_and_reads() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("control");
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strict-token"));
        let (first, rest) = words.split_first().unwrap();
        command.arg(first).arg(&file).args(rest).output().unwrap()
    };
    let works = |words: &[&str]| {
        let ended = run(words);
        assert!(ended.status.success(), "{words:?} {ended:?}");
        String::from_utf8(ended.stdout).unwrap()
    };
    works(&["create"]);
    assert!(!run(&["create"]).status.success());
    for fault in [
        "hang",
        "lost:GENERAL_ERROR",
        "zeros",
        "short",
        "DEVICE_ERROR",
    ] {
        works(&[
            "arm",
            "C_Sign(NULL)",
            fault,
            "from=3",
            "times=2",
            "chance=5000",
        ]);
    }
    works(&["clear", "C_Sign(NULL)"]);
    works(&["clear"]);
    for wrong in [
        ["arm", "C_Sing", "hang"].as_slice(),
        &["arm", "C_Sign", "NO_SUCH_CODE"],
        &["arm", "C_Sign", "hang", "until=5"],
        &["arm", "C_Sign", "hang", "times=many"],
        &["order", "sit"],
        &["show", "more"],
    ] {
        assert!(!run(wrong).status.success(), "{wrong:?}");
    }
    works(&["order", "stop-server"]);
    assert_eq!(works(&["show"]).lines().next(), Some("signatures_made=0"));
    assert_eq!(Control::open(&file).unwrap().calls(Function::Sign), 0);
}
