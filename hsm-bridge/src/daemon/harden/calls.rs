//! seccomp: the system calls that a worker with an open token never needs, answered by `EPERM`.
//!
//! A list of refusals, not of permissions: what a vendor's library needs is not known, and one that is refused something shall say so
//! rather than be killed. `seccomp(2)`.

use std::collections::BTreeMap;

use libc::{
    SYS_acct, SYS_add_key, SYS_adjtimex, SYS_bpf, SYS_chroot, SYS_clock_adjtime, SYS_clock_settime,
    SYS_clone, SYS_clone3, SYS_delete_module, SYS_execve, SYS_execveat, SYS_fanotify_init,
    SYS_finit_module, SYS_fsconfig, SYS_fsmount, SYS_fsopen, SYS_fspick, SYS_init_module,
    SYS_io_uring_enter, SYS_io_uring_register, SYS_io_uring_setup, SYS_kcmp, SYS_kexec_load,
    SYS_keyctl, SYS_lookup_dcookie, SYS_mount, SYS_mount_setattr, SYS_move_mount,
    SYS_open_by_handle_at, SYS_open_tree, SYS_perf_event_open, SYS_pidfd_getfd, SYS_pivot_root,
    SYS_process_vm_readv, SYS_process_vm_writev, SYS_ptrace, SYS_quotactl, SYS_quotactl_fd,
    SYS_reboot, SYS_request_key, SYS_setdomainname, SYS_sethostname, SYS_setns, SYS_settimeofday,
    SYS_socket, SYS_socketpair, SYS_swapoff, SYS_swapon, SYS_syslog, SYS_umount2, SYS_unshare,
    SYS_userfaultfd, SYS_vhangup,
};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};

use super::wrong;
use crate::KeyStoreError;

#[cfg(not(target_arch = "riscv64"))]
const KEXEC_FILE_LOAD: i64 = libc::SYS_kexec_file_load;
/// `include/uapi/asm-generic/unistd.h` of Linux: libc 0.2 has no name for it on this processor.
#[cfg(target_arch = "riscv64")]
const KEXEC_FILE_LOAD: i64 = 294;

/// Refused whatever their arguments are.
pub(super) const REFUSED: &[i64] = &[
    // other programs
    SYS_execve,
    SYS_execveat,
    // other processes' memory and descriptors
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_getfd,
    // file systems and namespaces
    SYS_mount,
    SYS_umount2,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    SYS_open_by_handle_at,
    SYS_fanotify_init,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    // the kernel
    SYS_bpf,
    SYS_kexec_load,
    KEXEC_FILE_LOAD,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_perf_event_open,
    SYS_lookup_dcookie,
    SYS_syslog,
    SYS_userfaultfd,
    SYS_reboot,
    SYS_vhangup,
    SYS_sethostname,
    SYS_setdomainname,
    // keys of the kernel
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    // the clock, which the audit log is read by
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    // a ring makes calls that no filter sees
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
];

/// Refused as well, where the processor has them.
#[cfg(target_arch = "x86_64")]
pub(super) const REFUSED_HERE: &[i64] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    // Of the second calling convention of this processor: execve, ptrace, kexec_load, process_vm_readv and _writev, execveat have
    // numbers of their own there (`arch/x86/entry/syscalls/syscall_64.tbl` of Linux).
    520,
    521,
    528,
    539,
    540,
    545,
];
/// Refused as well, where the processor has them.
#[cfg(not(target_arch = "x86_64"))]
pub(super) const REFUSED_HERE: &[i64] = &[];

/// Set in the number of a call of the second calling convention of x86-64, which shares its filter with the first.
pub(super) const X32: i64 = 0x4000_0000;

/// Refuses them in every thread of this process, and in those that are started later.
pub(super) fn refuse(network: bool) -> Result<(), KeyStoreError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)
        .map_err(|e| wrong("seccomp; it can be set to \"off\" for a token", &e))?;
    let compiled = |e: BackendError| wrong("seccomp", &e);
    let programs = [
        refusals(architecture, network).map_err(compiled)?,
        thread_starts(architecture).map_err(compiled)?,
    ];
    for program in programs {
        apply_filter_all_threads(&program)
            .map_err(|e| wrong("seccomp; it can be set to \"off\" for a token", &e))?;
    }
    Ok(())
}

/// The refusals, as a program for the kernel.
pub(super) fn refusals(
    architecture: TargetArch,
    network: bool,
) -> Result<BpfProgram, BackendError> {
    let mut rules = BTreeMap::new();
    for number in REFUSED.iter().chain(REFUSED_HERE) {
        rules.insert(*number, Vec::new());
    }
    // A new process, as opposed to a new thread.
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    rules.insert(SYS_clone, vec![when(SeccompCmpOp::MaskedEq(thread), 0)?]);
    if !network {
        let unix = u64::from(libc::AF_UNIX.unsigned_abs());
        for number in [SYS_socket, SYS_socketpair] {
            rules.insert(number, vec![when(SeccompCmpOp::Ne, unix)?]);
        }
    }
    program(architecture, rules, libc::EPERM)
}

/// The newer call for threads hides its flags behind a pointer: it is declared missing, and the C library takes the older one.
pub(super) fn thread_starts(architecture: TargetArch) -> Result<BpfProgram, BackendError> {
    let rules = BTreeMap::from([(SYS_clone3, Vec::new())]);
    program(architecture, rules, libc::ENOSYS)
}

/// A rule about the first argument.
fn when(operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        operator,
        value,
    )?])
}

fn program(
    architecture: TargetArch,
    mut rules: BTreeMap<i64, Vec<SeccompRule>>,
    answer: i32,
) -> Result<BpfProgram, BackendError> {
    if cfg!(target_arch = "x86_64") {
        let twins = rules.clone().into_iter();
        rules.extend(twins.map(|(number, rule)| (number | X32, rule)));
    }
    SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(answer.unsigned_abs()),
        architecture,
    )?
    .try_into()
}
