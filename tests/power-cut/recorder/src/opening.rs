//! Replaces what opens files, makes folders and maps files into memory.

use crate::{
    real::{self, real},
    recorder::{Recorder, recorder, watched},
};
use libc::{AT_FDCWD, c_char, c_int, c_void, mode_t, off_t, size_t};

/// Opens by `call` and watches what came of it.
///
/// # Safety
/// `path` is a C string, as every caller of an opening function must give.
unsafe fn opens(at: c_int, path: *const c_char, flags: c_int, mode: mode_t, call: impl FnOnce() -> c_int) -> c_int {
    // SAFETY: by this function's own condition.
    let place = recorder().and_then(|recorder| Some((recorder, unsafe { recorder.place(at, path) }?)));
    let Some((recorder, place)) = place else {
        return elsewhere(call());
    };
    if flags & libc::O_TMPFILE == libc::O_TMPFILE {
        real::refuse("a file without a name was opened (O_TMPFILE)");
    }
    let mut turn = recorder.turn();
    // SAFETY: as above.
    let existed = unsafe { real::exists(at, path) };
    let fd = call();
    if fd >= 0 && flags & libc::O_PATH == 0 {
        let made = (!existed && flags & libc::O_CREAT != 0).then_some(mode & 0o7777);
        turn.opens(fd, &place, made, flags & libc::O_TRUNC != 0);
    }
    fd
}

/// A descriptor for something else: its number may have been one of ours that was closed behind our back.
pub fn elsewhere(fd: c_int) -> c_int {
    if let Some(recorder) = recorder().filter(|_| watched(fd)) {
        recorder.turn().forget(fd);
    }
    fd
}

/// Opening functions: path first, from the current folder.
macro_rules! open_hooks {
    ($($name:ident),*) => {$(
        /// # Safety
        /// As the C library's function of this name. `mode` is passed on as it came, also where the caller gave none.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
            let real = real!($name as unsafe extern "C" fn(*const c_char, c_int, mode_t) -> c_int);
            // SAFETY: the caller's promise, handed on unchanged.
            unsafe { opens(AT_FDCWD, path, flags, mode, || real(path, flags, mode)) }
        }
    )*};
}

/// Opening functions: path second, from an open folder.
macro_rules! openat_hooks {
    ($($name:ident),*) => {$(
        /// # Safety
        /// As the C library's function of this name. `mode` is passed on as it came, also where the caller gave none.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
            let real = real!($name as unsafe extern "C" fn(c_int, *const c_char, c_int, mode_t) -> c_int);
            // SAFETY: the caller's promise, handed on unchanged.
            unsafe { opens(at, path, flags, mode, || real(at, path, flags, mode)) }
        }
    )*};
}

macro_rules! creat_hooks {
    ($($name:ident),*) => {$(
        /// # Safety
        /// As the C library's function of this name.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, mode: mode_t) -> c_int {
            let real = real!($name as unsafe extern "C" fn(*const c_char, mode_t) -> c_int);
            let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
            // SAFETY: the caller's promise, handed on unchanged.
            unsafe { opens(AT_FDCWD, path, flags, mode, || real(path, mode)) }
        }
    )*};
}

// The names with `_2` are what a C compiler with checked library calls makes of an opening without a mode; the further
// argument is passed in a register that they do not read.
open_hooks!(open, open64, __open_2, __open64_2);
openat_hooks!(openat, openat64, __openat_2, __openat64_2);
creat_hooks!(creat, creat64);

macro_rules! mmap_hooks {
    ($($name:ident),*) => {$(
        /// # Safety
        /// As the C library's function of this name.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            address: *mut c_void,
            length: size_t,
            protection: c_int,
            flags: c_int,
            fd: c_int,
            offset: off_t,
        ) -> *mut c_void {
            if protection & libc::PROT_WRITE != 0 && flags & libc::MAP_SHARED != 0 && is_ours(fd) {
                real::refuse("a recorded file was mapped shared and writable");
            }
            let real = real!($name as unsafe extern "C" fn(*mut c_void, size_t, c_int, c_int, c_int, off_t) -> *mut c_void);
            // SAFETY: the caller's promise, handed on unchanged.
            unsafe { real(address, length, protection, flags, fd, offset) }
        }
    )*};
}
mmap_hooks!(mmap, mmap64);

pub fn is_ours(fd: c_int) -> bool {
    watched(fd) && recorder().map(Recorder::turn).is_some_and(|mut turn| turn.opened(fd).is_some())
}
