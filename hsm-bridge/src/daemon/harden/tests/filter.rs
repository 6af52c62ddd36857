//! The filters as the kernel runs them: interpreted here, so that a call can be judged without being made.

use proptest::prelude::*;
use seccompiler::{BpfProgram, TargetArch};

use super::super::calls::{REFUSED, REFUSED_HERE, X32, refusals, thread_starts};

/// `linux/seccomp.h`
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
const KILL_PROCESS: u32 = 0x8000_0000;
const EPERM: u32 = ERRNO + 1;
const ENOSYS: u32 = ERRNO + 38;
/// `linux/audit.h`
#[cfg(target_arch = "x86_64")]
const HERE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const HERE: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const HERE: u32 = 0xc000_00f3;
/// 32-bit calls on x86-64.
const I386: u32 = 0x4000_0003;

const AF_UNIX: u64 = 1;
const CLONE_THREAD: u64 = 0x0001_0000;

/// A call: `struct seccomp_data` without the instruction pointer.
#[derive(Debug, Clone, Copy)]
struct Call {
    number: u32,
    architecture: u32,
    first: u64,
}

fn call(number: i64, first: u64) -> Call {
    Call {
        number: u32::try_from(number).unwrap(),
        architecture: HERE,
        first,
    }
}

/// The word of `struct seccomp_data` at this offset.
fn word(call: Call, offset: u32) -> u32 {
    match offset {
        0 => call.number,
        4 => call.architecture,
        16 => u32::try_from(call.first & 0xffff_ffff).unwrap(),
        20 => u32::try_from(call.first >> 32).unwrap(),
        other => panic!("a load from {other}"),
    }
}

/// Runs a program of classic BPF (`bpf(4)` of the BSDs; `linux/filter.h`): those instructions that filters are made of.
fn run(program: &BpfProgram, call: Call) -> u32 {
    let (mut at, mut accumulator) = (0_usize, 0_u32);
    loop {
        let step = &program[at];
        at += 1;
        let holds = match step.code {
            0x20 => {
                accumulator = word(call, step.k);
                continue;
            }
            0x54 => {
                accumulator &= step.k;
                continue;
            }
            0x06 => return step.k,
            0x05 => {
                at += usize::try_from(step.k).unwrap();
                continue;
            }
            0x15 => accumulator == step.k,
            0x25 => accumulator > step.k,
            0x35 => accumulator >= step.k,
            other => panic!("instruction {other:#x}"),
        };
        at += usize::from(if holds { step.jt } else { step.jf });
    }
}

fn here() -> TargetArch {
    TargetArch::try_from(std::env::consts::ARCH).unwrap()
}

fn without_network() -> BpfProgram {
    refusals(here(), false).unwrap()
}

#[test]
fn what_no_token_needs_is_refused_under_both_numbers() {
    let program = without_network();
    assert!(program.len() < 4096, "BPF_MAXINSNS");
    for number in REFUSED.iter().chain(REFUSED_HERE) {
        assert_eq!(run(&program, call(*number, 1)), EPERM, "{number}");
        if cfg!(target_arch = "x86_64") {
            assert_eq!(run(&program, call(*number | X32, 1)), EPERM, "{number}");
        }
    }
    let named = [
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_mount,
        libc::SYS_bpf,
        libc::SYS_kexec_load,
        libc::SYS_finit_module,
        libc::SYS_keyctl,
        libc::SYS_perf_event_open,
        libc::SYS_process_vm_readv,
        libc::SYS_io_uring_setup,
    ];
    for number in named {
        assert_eq!(run(&program, call(number, 0)), EPERM, "{number}");
    }
}

#[test]
fn a_thread_may_be_started_and_a_process_may_not() {
    let (program, starts) = (without_network(), thread_starts(here()).unwrap());
    // As the C library asks for a thread, and for fork and posix_spawn.
    let (thread, fork, spawn) = (0x003d_0f00, 0x0120_0011, 0x4111);
    assert_eq!(thread & CLONE_THREAD, CLONE_THREAD);
    assert_eq!(run(&program, call(libc::SYS_clone, thread)), ALLOW);
    assert_eq!(run(&program, call(libc::SYS_clone, fork)), EPERM);
    assert_eq!(run(&program, call(libc::SYS_clone, spawn)), EPERM);
    assert_eq!(run(&starts, call(libc::SYS_clone3, thread)), ENOSYS);
    assert_eq!(run(&starts, call(libc::SYS_clone, fork)), ALLOW);
}

#[test]
fn sockets_are_of_the_unix_kind_unless_the_token_is_on_a_network() {
    let with_network = refusals(here(), true).unwrap();
    for family in 0..64 {
        let expected = if family == AF_UNIX { ALLOW } else { EPERM };
        for number in [libc::SYS_socket, libc::SYS_socketpair] {
            assert_eq!(
                run(&without_network(), call(number, family)),
                expected,
                "{family}"
            );
            assert_eq!(run(&with_network, call(number, family)), ALLOW);
        }
    }
    // The kernel looks at 32 bits of the family: what stands above them does not hide another one.
    let hidden = call(libc::SYS_socket, (AF_UNIX << 32) | 2);
    assert_eq!(run(&without_network(), hidden), EPERM);
}

/// The second calling convention shares the architecture's mark with the first; only its numbers tell.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_other_calling_convention_opens_nothing_that_the_first_does_not() {
    let (program, starts) = (without_network(), thread_starts(here()).unwrap());
    let twin = |number: i64, first| call(number | X32, first);
    for family in 0..64 {
        for number in [libc::SYS_socket, libc::SYS_socketpair] {
            let (one, other) = (call(number, family), twin(number, family));
            assert_eq!(run(&program, other), run(&program, one), "{family}");
        }
    }
    let hidden = twin(libc::SYS_socket, (AF_UNIX << 32) | 2);
    assert_eq!(run(&program, hidden), EPERM);
    let (thread, fork) = (0x003d_0f00, 0x0120_0011);
    assert_eq!(run(&program, twin(libc::SYS_clone, thread)), ALLOW);
    assert_eq!(run(&program, twin(libc::SYS_clone, fork)), EPERM);
    assert_eq!(run(&starts, twin(libc::SYS_clone3, thread)), ENOSYS);
}

#[test]
fn calls_of_another_architecture_end_the_process() {
    let foreign = Call {
        architecture: I386,
        ..call(libc::SYS_read, 0)
    };
    assert_eq!(run(&without_network(), foreign), KILL_PROCESS);
    assert_eq!(run(&thread_starts(here()).unwrap(), foreign), KILL_PROCESS);
}

proptest! {
    #[test]
    fn everything_else_is_left_alone(number in 0_i64..600, first in any::<u64>()) {
        let judged = [libc::SYS_clone, libc::SYS_socket, libc::SYS_socketpair];
        let refused = REFUSED.contains(&number) || REFUSED_HERE.contains(&number);
        prop_assume!(!refused && !judged.contains(&number));
        prop_assert_eq!(run(&without_network(), call(number, first)), ALLOW);
    }
}
