//! Replaces what changes names: rename, link, unlink, folders.

use crate::{
    log::Op,
    real::{self, real},
    recorder::{Recorder, recorder},
};
use libc::{AT_FDCWD, c_char, c_int, c_uint, mode_t};

/// Where `path` lies in the recorded folder.
///
/// # Safety
/// `path` is null or a C string.
unsafe fn placed(at: c_int, path: *const c_char) -> Option<(&'static Recorder, Vec<u8>)> {
    let recorder = recorder()?;
    // SAFETY: by this function's own condition.
    Some((recorder, unsafe { recorder.place(at, path) }?))
}

/// Records `op` on one name if `call` succeeds.
///
/// # Safety
/// `path` is null or a C string.
unsafe fn on_one(op: Op, at: c_int, path: *const c_char, number: u64, call: impl FnOnce() -> c_int) -> c_int {
    // SAFETY: by this function's own condition.
    let Some((recorder, place)) = (unsafe { placed(at, path) }) else { return call() };
    let turn = recorder.turn();
    let result = call();
    if result == 0 && !place.ends_with(b"-shm") {
        turn.log(op, 0, number, &place, b"");
    }
    result
}

/// Records `op` from one name to another if `call` succeeds.
///
/// # Safety
/// The paths are null or C strings.
unsafe fn on_two(
    op: Op,
    from: (c_int, *const c_char),
    to: (c_int, *const c_char),
    call: impl FnOnce() -> c_int,
) -> c_int {
    // SAFETY: by this function's own condition.
    match unsafe { (placed(from.0, from.1), placed(to.0, to.1)) } {
        (None, None) => call(),
        (Some((recorder, old)), Some((_, new))) => {
            let turn = recorder.turn();
            let result = call();
            if result == 0 {
                turn.log(op, 0, 0, &old, &new);
            }
            result
        }
        _ => real::refuse("a name crossed the border of the recorded folder"),
    }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let real = real!(rename as unsafe extern "C" fn(*const c_char, *const c_char) -> c_int);
    // SAFETY: the caller's promise, handed on unchanged.
    unsafe { on_two(Op::Rename, (AT_FDCWD, from), (AT_FDCWD, to), || real(from, to)) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn renameat(at: c_int, from: *const c_char, to_at: c_int, to: *const c_char) -> c_int {
    let real = real!(renameat as unsafe extern "C" fn(c_int, *const c_char, c_int, *const c_char) -> c_int);
    // SAFETY: the caller's promise, handed on unchanged.
    unsafe { on_two(Op::Rename, (at, from), (to_at, to), || real(at, from, to_at, to)) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn renameat2(
    at: c_int,
    from: *const c_char,
    to_at: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    type Real = unsafe extern "C" fn(c_int, *const c_char, c_int, *const c_char, c_uint) -> c_int;
    let real = real!(renameat2 as Real);
    // SAFETY: the caller's promise, handed on unchanged.
    unsafe {
        if flags & !libc::RENAME_NOREPLACE != 0 && placed(at, from).is_some() {
            real::refuse("two names were exchanged (renameat2)");
        }
        on_two(Op::Rename, (at, from), (to_at, to), || real(at, from, to_at, to, flags))
    }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn link(from: *const c_char, to: *const c_char) -> c_int {
    let real = real!(link as unsafe extern "C" fn(*const c_char, *const c_char) -> c_int);
    // SAFETY: the caller's promise, handed on unchanged.
    unsafe { on_two(Op::Link, (AT_FDCWD, from), (AT_FDCWD, to), || real(from, to)) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn linkat(at: c_int, from: *const c_char, to_at: c_int, to: *const c_char, flags: c_int) -> c_int {
    type Real = unsafe extern "C" fn(c_int, *const c_char, c_int, *const c_char, c_int) -> c_int;
    let real = real!(linkat as Real);
    // SAFETY: the caller's promise, handed on unchanged.
    unsafe { on_two(Op::Link, (at, from), (to_at, to), || real(at, from, to_at, to, flags)) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn symlink(to: *const c_char, path: *const c_char) -> c_int {
    let real = real!(symlink as unsafe extern "C" fn(*const c_char, *const c_char) -> c_int);
    // SAFETY: the caller's promise, handed on unchanged.
    unsafe {
        if placed(AT_FDCWD, path).is_some() {
            real::refuse("a symbolic link was made");
        }
        real(to, path)
    }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn symlinkat(to: *const c_char, at: c_int, path: *const c_char) -> c_int {
    let real = real!(symlinkat as unsafe extern "C" fn(*const c_char, c_int, *const c_char) -> c_int);
    // SAFETY: the caller's promise, handed on unchanged.
    unsafe {
        if placed(at, path).is_some() {
            real::refuse("a symbolic link was made");
        }
        real(to, at, path)
    }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    let real = real!(unlink as unsafe extern "C" fn(*const c_char) -> c_int);
    // SAFETY: the caller's promise, handed on unchanged.
    unsafe { on_one(Op::Unlink, AT_FDCWD, path, 0, || real(path)) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn unlinkat(at: c_int, path: *const c_char, flags: c_int) -> c_int {
    let real = real!(unlinkat as unsafe extern "C" fn(c_int, *const c_char, c_int) -> c_int);
    let op = if flags & libc::AT_REMOVEDIR == 0 { Op::Unlink } else { Op::RemoveFolder };
    // SAFETY: the caller's promise, handed on unchanged.
    unsafe { on_one(op, at, path, 0, || real(at, path, flags)) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn remove(path: *const c_char) -> c_int {
    let real = real!(remove as unsafe extern "C" fn(*const c_char) -> c_int);
    // SAFETY: the caller's promise, handed on unchanged.
    unsafe {
        if placed(AT_FDCWD, path).is_some() {
            real::refuse("a file or folder was removed by C's remove");
        }
        real(path)
    }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn rmdir(path: *const c_char) -> c_int {
    let real = real!(rmdir as unsafe extern "C" fn(*const c_char) -> c_int);
    // SAFETY: the caller's promise, handed on unchanged.
    unsafe { on_one(Op::RemoveFolder, AT_FDCWD, path, 0, || real(path)) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    let real = real!(mkdir as unsafe extern "C" fn(*const c_char, mode_t) -> c_int);
    // SAFETY: the caller's promise, handed on unchanged.
    unsafe { on_one(Op::MakeFolder, AT_FDCWD, path, u64::from(mode), || real(path, mode)) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn mkdirat(at: c_int, path: *const c_char, mode: mode_t) -> c_int {
    let real = real!(mkdirat as unsafe extern "C" fn(c_int, *const c_char, mode_t) -> c_int);
    // SAFETY: the caller's promise, handed on unchanged.
    unsafe { on_one(Op::MakeFolder, at, path, u64::from(mode), || real(at, path, mode)) }
}
