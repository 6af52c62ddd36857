//! The control page: one file mapped into every process that plays or watches the token. All of it is atomic words.
//!
//! Zeroed bytes are a valid page, so a new file needs no more than its length and its mark. Counters add up over processes and
//! outlive them; sessions and hanging calls belong to one process each, and count only while that process lives.
#![expect(
    unsafe_code,
    reason = "shared memory: mapped once here, and seen as atomics only"
)]

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use crate::Function;
use crate::plan::{Fault, Plan};

/// Marks a finished page of this layout: "strict" and the layout's number.
const MARK: u64 = u64::from_be_bytes(*b"strict\0\x01");
/// How many processes may hold the token at once.
const PROCESSES: usize = 64;

/// The layout of the file.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Page {
    mark: AtomicU64,
    /// Signatures the wrapped module made, whatever became of them.
    pub(crate) signatures_made: AtomicU64,
    /// Signatures handed out with `CKR_OK`, spoilt ones included.
    pub(crate) signatures_released: AtomicU64,
    /// PINs the wrapped module refused.
    pub(crate) wrong_pins: AtomicU64,
    /// PINs refused since the last right one.
    pub(crate) pin_failures: AtomicU64,
    /// The most sessions that were open at once.
    pub(crate) sessions_most: AtomicU64,
    /// How often idle sessions were ordered to die.
    pub(crate) session_deaths: AtomicU64,
    /// How often the login was ordered away.
    pub(crate) logouts: AtomicU64,
    /// How often the token was taken out of its slot.
    pub(crate) removals: AtomicU64,
    /// 1 while the token is out of its slot.
    pub(crate) absent: AtomicU64,
    /// How often the link to the token died; a process comes back by `C_Finalize` and `C_Initialize`.
    pub(crate) deaths: AtomicU64,
    /// 1 while the token's server is down.
    pub(crate) down: AtomicU64,
    calls: [AtomicU64; Function::COUNT],
    faults: [Armed; Function::COUNT],
    processes: [Process; PROCESSES],
}

/// A plan as it stands in the page; `kind` 0 is none.
#[derive(Debug)]
#[repr(C)]
struct Armed {
    kind: AtomicU64,
    code: AtomicU64,
    from: AtomicU64,
    calls: AtomicU64,
    chance: AtomicU64,
    seen: AtomicU64,
    hits: AtomicU64,
}

/// What one process holds.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Process {
    id: AtomicU64,
    /// Sessions open now.
    pub(crate) sessions: AtomicU64,
    /// Calls that hang now.
    pub(crate) hanging: AtomicU64,
}

impl Page {
    /// Counts a call and tells the fault that strikes it, if one does.
    pub(crate) fn count(&self, function: Function, seed: u64) -> Option<Fault> {
        self.calls
            .get(function.index())?
            .fetch_add(1, Ordering::Relaxed);
        let armed = self.faults.get(function.index())?;
        let plan = armed.plan()?;
        let call = armed.seen.fetch_add(1, Ordering::AcqRel) + 1;
        if !plan.strikes(call, seed ^ function.index() as u64) {
            return None;
        }
        armed.hits.fetch_add(1, Ordering::AcqRel);
        Some(plan.fault)
    }

    /// Whether the calls of a function are to hang still.
    pub(crate) fn hangs(&self, function: Function) -> bool {
        self.faults
            .get(function.index())
            .and_then(Armed::plan)
            .is_some_and(|plan| matches!(plan.fault, Fault::Hang | Fault::HangAfter))
    }

    /// Arms a plan in place of the one before; the kind is written last, so that no call sees half a plan of a new kind.
    pub(crate) fn arm(&self, function: Function, plan: Plan) {
        let Some(armed) = self.faults.get(function.index()) else {
            return;
        };
        armed.kind.store(0, Ordering::Release);
        let (kind, code) = plan.fault.encode();
        armed.code.store(code, Ordering::Relaxed);
        armed.from.store(plan.from, Ordering::Relaxed);
        armed.calls.store(plan.calls, Ordering::Relaxed);
        armed.chance.store(plan.chance, Ordering::Relaxed);
        armed.seen.store(0, Ordering::Relaxed);
        armed.hits.store(0, Ordering::Relaxed);
        armed.kind.store(kind, Ordering::Release);
    }

    pub(crate) fn disarm(&self, function: Function) {
        if let Some(armed) = self.faults.get(function.index()) {
            armed.kind.store(0, Ordering::Release);
        }
    }

    /// How many calls the plan armed last has struck.
    pub(crate) fn hits(&self, function: Function) -> u64 {
        self.faults
            .get(function.index())
            .map_or(0, |armed| armed.hits.load(Ordering::Acquire))
    }

    pub(crate) fn calls(&self, function: Function) -> u64 {
        self.calls
            .get(function.index())
            .map_or(0, |count| count.load(Ordering::Acquire))
    }

    pub(crate) fn reset_counters(&self) {
        for count in &self.calls {
            count.store(0, Ordering::Release);
        }
        for count in [
            &self.signatures_made,
            &self.signatures_released,
            &self.wrong_pins,
        ] {
            count.store(0, Ordering::Release);
        }
        self.sessions_most
            .store(self.sum(|process| &process.sessions), Ordering::Release);
    }

    /// The sum of something over the processes that live.
    pub(crate) fn sum(&self, what: impl Fn(&Process) -> &AtomicU64) -> u64 {
        self.processes
            .iter()
            .filter(|process| lives(process.id.load(Ordering::Acquire)))
            .map(|process| what(process).load(Ordering::Acquire))
            .sum()
    }

    /// This process's own place, taken from a process that is gone if need be; `None` when all are taken.
    pub(crate) fn process(&self) -> Option<&Process> {
        let own = u64::from(std::process::id());
        let mine = |process: &&Process| process.id.load(Ordering::Acquire) == own;
        if let Some(process) = self.processes.iter().find(mine) {
            return Some(process);
        }
        let free = self.processes.iter().find(|process| {
            let before = process.id.load(Ordering::Acquire);
            !lives(before)
                && process
                    .id
                    .compare_exchange(before, own, Ordering::AcqRel, Ordering::Acquire)
                    .is_ok()
        })?;
        free.sessions.store(0, Ordering::Release);
        free.hanging.store(0, Ordering::Release);
        Some(free)
    }
}

impl Armed {
    fn plan(&self) -> Option<Plan> {
        let fault = Fault::decode(
            self.kind.load(Ordering::Acquire),
            self.code.load(Ordering::Acquire),
        )?;
        Some(Plan {
            fault,
            from: self.from.load(Ordering::Acquire),
            calls: self.calls.load(Ordering::Acquire),
            chance: self.chance.load(Ordering::Acquire),
        })
    }
}

/// Whether a process of this id lives. A place nobody took has id 0; one that was killed and not yet waited for is gone as well.
fn lives(id: u64) -> bool {
    if id == 0 {
        return false;
    }
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else {
        return false;
    };
    // The name before the state stands in parentheses and may hold any character (proc(5)).
    let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
    !state.is_some_and(|state| state.starts_with(['Z', 'X']))
}

/// A page in memory, shared through its file or private to this process.
#[derive(Debug)]
pub(crate) struct Mapping(NonNull<Page>);

// SAFETY: a page consists of atomics alone, which any thread may use; the mapping stays in place until the value is dropped.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Makes a new file; one that exists already is refused. It appears under its name only when it is whole.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let draft = PathBuf::from(format!("{}.{}", path.display(), std::process::id()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&draft)?;
        file.set_len(size_of::<Page>() as u64)?;
        let mapping = Self::map(&file)?;
        mapping.mark.store(MARK, Ordering::Release);
        let placed = std::fs::hard_link(&draft, path);
        std::fs::remove_file(&draft)?;
        placed.map(|()| mapping)
    }

    /// Maps a file that exists.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let other = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "not a control page of this version",
            )
        };
        if file.metadata()?.len() != size_of::<Page>() as u64 {
            return Err(other());
        }
        let mapping = Self::map(&file)?;
        if mapping.mark.load(Ordering::Acquire) != MARK {
            return Err(other());
        }
        Ok(mapping)
    }

    /// A page that no other process sees.
    pub(crate) fn private() -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: asks for new memory at an address of the kernel's choice, of the length that is unmapped in `drop`.
        let address = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                size_of::<Page>(),
                access,
                MapFlags::PRIVATE,
            )
        }?;
        Self::of(address.cast())
    }

    fn map(file: &File) -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: new memory at an address of the kernel's choice. Other processes write to it, which is sound because all of it is
        // read and written as atomics; the file's length was set or checked by the caller, and nobody shortens it.
        let address = unsafe {
            mmap(
                ptr::null_mut(),
                size_of::<Page>(),
                access,
                MapFlags::SHARED,
                file,
                0,
            )
        }?;
        Self::of(address.cast())
    }

    fn of(address: *mut Page) -> io::Result<Self> {
        NonNull::new(address)
            .map(Self)
            .ok_or_else(|| io::Error::other("mapped at address zero"))
    }
}

impl Deref for Mapping {
    type Target = Page;

    fn deref(&self) -> &Page {
        // SAFETY: the mapping is as long as a page, aligned to a memory page, and lives as long as `self`; any bytes are valid atomics.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: address and length are those that were mapped, and no reference outlives `self`.
        let gone = unsafe { munmap(self.0.as_ptr().cast(), size_of::<Page>()) };
        debug_assert!(gone.is_ok(), "{gone:?}");
    }
}
