//! Which descriptors are watched, and the turn: the lock held over a real call and its record.

use crate::{
    log::{self, Op},
    real,
};
use libc::{AT_FDCWD, c_char, c_int};
use std::{
    collections::BTreeMap,
    env,
    ffi::{CString, OsStr},
    fs,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    sync::{
        LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Descriptors beyond are refused when they are opened in the folder; a gateway has some fifty.
const DESCRIPTORS: usize = 4096;

/// Whether a descriptor may be one of ours: the question of every call, answered without a lock. (Between fork and exec a
/// child asks it too, where a lock may be held by a thread that is not there.)
static WATCHED: [AtomicBool; DESCRIPTORS] = [const { AtomicBool::new(false) }; DESCRIPTORS];

static RECORDER: LazyLock<Option<Recorder>> = LazyLock::new(Recorder::from_environment);

/// One opening of a file or folder. Duplicated descriptors share it.
#[derive(Clone, Copy)]
pub struct Opened {
    pub handle: u64,
    /// Device and inode: a descriptor closed behind our back and given to another file is no longer this one.
    identity: (u64, u64),
}

#[derive(Default)]
struct Watched {
    open: BTreeMap<c_int, Opened>,
    last_handle: u64,
}

pub struct Recorder {
    folder: PathBuf,
    log: c_int,
    watched: Mutex<Watched>,
}

/// The recorder, where this process is recorded.
pub fn recorder() -> Option<&'static Recorder> {
    RECORDER.as_ref()
}

/// Whether `fd` may be ours; [`Turn::opened`] says for sure.
pub fn watched(fd: c_int) -> bool {
    usize::try_from(fd).ok().and_then(|fd| WATCHED.get(fd)).is_some_and(|watched| watched.load(Ordering::Acquire))
}

/// The turn of a call through `fd`, where that is ours.
pub fn turn_of(fd: c_int) -> Option<(Turn, Opened)> {
    if !watched(fd) {
        return None;
    }
    let mut turn = recorder()?.turn();
    let opened = turn.opened(fd)?;
    Some((turn, opened))
}

impl Recorder {
    fn from_environment() -> Option<Self> {
        let (folder, log) = (env::var_os("SKINLINK_RECORD_FOLDER")?, env::var_os("SKINLINK_RECORD_LOG")?);
        let Ok(folder) = fs::canonicalize(&folder) else { real::refuse("SKINLINK_RECORD_FOLDER is no folder") };
        let log = CString::new(log.into_vec()).expect("a variable of the environment holds no NUL");
        let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT;
        let Some(log) = real::open(&log, flags, 0o600) else { real::refuse("SKINLINK_RECORD_LOG cannot be opened") };
        Some(Self { folder, log, watched: Mutex::default() })
    }

    /// The name below the folder that `path` means, seen from the folder open at `at`. `None` outside. Symbolic links in
    /// the way are followed; the last part is taken as it is.
    ///
    /// # Safety
    /// `path` is null or a C string.
    pub unsafe fn place(&self, at: c_int, path: *const c_char) -> Option<Vec<u8>> {
        let _errno = real::Errno::keep();
        // SAFETY: by this function's own condition.
        let path = Path::new(OsStr::from_bytes(unsafe { real::bytes(path) }?));
        let from = match at {
            AT_FDCWD => PathBuf::from("."),
            folder => PathBuf::from(format!("/proc/self/fd/{folder}")),
        };
        let whole = from.join(path);
        let whole = match whole.file_name() {
            Some(name) => fs::canonicalize(whole.parent()?).ok()?.join(name),
            // "." and ".." at the end
            None => fs::canonicalize(&whole).ok()?,
        };
        let below = whole.strip_prefix(&self.folder).ok()?;
        Some([b"/", below.as_os_str().as_bytes()].concat())
    }

    /// Waits until no other call is under way.
    pub fn turn(&'static self) -> Turn {
        Turn { log: self.log, watched: self.watched.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

/// While it lives, no other call that matters happens.
pub struct Turn {
    log: c_int,
    watched: MutexGuard<'static, Watched>,
}

impl Turn {
    /// The opening behind `fd`, unless it was closed behind our back.
    pub fn opened(&mut self, fd: c_int) -> Option<Opened> {
        let _errno = real::Errno::keep();
        let opened = *self.watched.open.get(&fd)?;
        let now = real::about(fd).map(|about| (about.st_dev, about.st_ino));
        if now == Some(opened.identity) {
            return Some(opened);
        }
        self.forget(fd);
        None
    }

    /// Watches what was just opened at `place`; other things than files and folders, and `-shm` files, are let be.
    pub fn opens(&mut self, fd: c_int, place: &[u8], made: Option<u32>, emptied: bool) {
        let _errno = real::Errno::keep();
        self.forget(fd);
        let Some(about) = real::about(fd) else { return };
        let matters = matches!(about.st_mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFDIR);
        if !matters || place.ends_with(b"-shm") {
            return;
        }
        self.watched.last_handle += 1;
        let opened = Opened { handle: self.watched.last_handle, identity: (about.st_dev, about.st_ino) };
        self.watch(fd, opened);
        match made {
            Some(mode) => self.log(Op::Create, opened.handle, u64::from(mode), place, b""),
            None => self.log(Op::Open, opened.handle, 0, place, b""),
        }
        if emptied && made.is_none() {
            self.log(Op::Truncate, opened.handle, 0, b"", b"");
        }
    }

    pub fn watch(&mut self, fd: c_int, opened: Opened) {
        let Some(watched) = usize::try_from(fd).ok().and_then(|fd| WATCHED.get(fd)) else {
            real::refuse("more descriptors are open than are watched");
        };
        self.watched.open.insert(fd, opened);
        watched.store(true, Ordering::Release);
    }

    pub fn forget(&mut self, fd: c_int) {
        if self.watched.open.remove(&fd).is_some() {
            WATCHED[usize::try_from(fd).expect("it was watched")].store(false, Ordering::Release);
        }
    }

    pub fn log(&self, op: Op, handle: u64, number: u64, name: &[u8], rest: &[u8]) {
        let _errno = real::Errno::keep();
        log::append(self.log, op, handle, number, name, rest);
    }
}
