//! Replaces what changes the bytes of open files, and what makes them durable.

use crate::{
    log::Op,
    opening::is_ours,
    real::{self, real},
    recorder::{Opened, Turn, recorder, turn_of},
};
use libc::{c_char, c_int, c_uint, c_void, iovec, off_t, size_t, ssize_t};
use std::slice;

/// Records `done` bytes at `buffer`, if any were written.
///
/// # Safety
/// `buffer` is readable for `done` bytes: a successful write has just read them.
pub unsafe fn wrote(turn: &Turn, opened: Opened, offset: u64, buffer: *const c_void, done: ssize_t) {
    let Some(done) = usize::try_from(done).ok().filter(|done| *done > 0) else { return };
    // SAFETY: by this function's own condition.
    let bytes = unsafe { slice::from_raw_parts(buffer.cast::<u8>(), done) };
    turn.log(Op::Write, opened.handle, offset, b"", bytes);
}

/// The same for scattered buffers.
///
/// # Safety
/// As [`gathered`].
pub unsafe fn wrote_parts(turn: &Turn, opened: Opened, offset: u64, parts: *const iovec, count: usize, done: ssize_t) {
    // SAFETY: by this function's own condition.
    let bytes = unsafe { gathered(parts, count, done) };
    if !bytes.is_empty() {
        turn.log(Op::Write, opened.handle, offset, b"", &bytes);
    }
}

/// The first `done` bytes of scattered buffers.
///
/// # Safety
/// `parts` holds `count` buffers, readable: a successful write has just read `done` bytes of them.
pub unsafe fn gathered(parts: *const iovec, count: usize, done: ssize_t) -> Vec<u8> {
    let mut left = usize::try_from(done).unwrap_or(0);
    let mut bytes = Vec::with_capacity(left);
    for at in 0..count {
        // SAFETY: by this function's own condition; no more than `done` bytes are read.
        let part = unsafe {
            let part = &*parts.add(at);
            slice::from_raw_parts(part.iov_base.cast::<u8>(), part.iov_len.min(left))
        };
        bytes.extend_from_slice(part);
        left -= part.len();
        if left == 0 {
            break;
        }
    }
    bytes
}

fn offset_of(offset: off_t) -> u64 {
    u64::try_from(offset).unwrap_or(0)
}

/// Replaces a function that works on the open file `$fd`. When that file is recorded, `$at` is asked before the real function
/// runs, and what it gave back is told afterwards.
macro_rules! hook {
    ($name:ident($fd:ident: c_int $(, $arg:ident: $type:ty)*) -> $result:ty, $at:expr,
        |$turn:ident, $opened:ident, $then:ident, $done:ident| $told:expr
    ) => {
        /// # Safety
        /// As the C library's function of this name.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($fd: c_int $(, $arg: $type)*) -> $result {
            let real = real!($name as unsafe extern "C" fn(c_int $(, $type)*) -> $result);
            let turn = turn_of($fd).map(|(turn, opened)| (turn, opened, $at));
            // SAFETY: the caller's promise, handed on unchanged; recorded is only what was done.
            unsafe {
                let $done = real($fd $(, $arg)*);
                if let Some(($turn, $opened, $then)) = turn {
                    $told;
                }
                $done
            }
        }
    };
}

/// The same under each of several names: a function and its twin for large files.
macro_rules! hooks {
    ([$($name:ident)*] $signature:tt -> $result:ty, { $at:expr }, $told:tt) => {
        $(hooks!(@one $name $signature -> $result, $at, $told);)*
    };
    (@one $name:ident ($($arguments:tt)*) -> $result:ty, $at:expr, { $($told:tt)* }) => {
        hook!($name($($arguments)*) -> $result, $at, $($told)*);
    };
}

hooks!(
    [pwrite pwrite64](fd: c_int, buffer: *const c_void, count: size_t, offset: off_t) -> ssize_t,
    { offset_of(offset) },
    { |turn, opened, at, done| wrote(&turn, opened, at, buffer, done) }
);
hooks!(
    [pwritev pwritev64](fd: c_int, parts: *const iovec, count: c_int, offset: off_t) -> ssize_t,
    { offset_of(offset) },
    { |turn, opened, at, done| wrote_parts(&turn, opened, at, parts, usize::try_from(count).unwrap_or(0), done) }
);
hooks!(
    [pwritev2 pwritev64v2](fd: c_int, parts: *const iovec, count: c_int, offset: off_t, flags: c_int) -> ssize_t,
    // Version 2 takes -1 for "at the file's own position".
    { if offset < 0 { real::position(fd) } else { offset_of(offset) } },
    { |turn, opened, at, done| wrote_parts(&turn, opened, at, parts, usize::try_from(count).unwrap_or(0), done) }
);
hooks!(
    [ftruncate ftruncate64](fd: c_int, length: off_t) -> c_int,
    { offset_of(length) },
    { |turn, opened, at, result| succeeded(&turn, opened, Op::Truncate, at, result) }
);
hooks!(
    [fsync](fd: c_int) -> c_int,
    { 0 },
    { |turn, opened, at, result| succeeded(&turn, opened, Op::Sync, at, result) }
);
hooks!(
    [fdatasync](fd: c_int) -> c_int,
    { 1 },
    { |turn, opened, at, result| succeeded(&turn, opened, Op::Sync, at, result) }
);
hooks!(
    [fallocate fallocate64](fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int,
    { offset_of(offset + length) },
    { |turn, opened, end, result| reserved(&turn, opened, mode, end, result) }
);
hooks!(
    [posix_fallocate posix_fallocate64](fd: c_int, offset: off_t, length: off_t) -> c_int,
    { offset_of(offset + length) },
    { |turn, opened, end, result| reserved(&turn, opened, 0, end, result) }
);
hooks!(
    [sendfile sendfile64](to: c_int, from: c_int, offset: *mut off_t, count: size_t) -> ssize_t,
    { real::position(to) },
    { |turn, opened, at, done| copied(&turn, opened, to, at, done) }
);

/// Records what needs no bytes, where the real function gave 0.
fn succeeded(turn: &Turn, opened: Opened, op: Op, at: u64, result: c_int) {
    if result == 0 {
        turn.log(op, opened.handle, at, b"", b"");
    }
}

/// Room that is reserved makes the file longer; other kinds of reserving are refused.
fn reserved(turn: &Turn, opened: Opened, mode: c_int, end: u64, result: c_int) {
    match mode {
        0 => succeeded(turn, opened, Op::Extend, end, result),
        libc::FALLOC_FL_KEEP_SIZE => {}
        _ if result != 0 => {}
        _ => real::refuse("a hole was made in a recorded file (fallocate)"),
    }
}

/// Copied bytes never passed through the program's memory: they are read back from the file.
fn copied(turn: &Turn, opened: Opened, fd: c_int, offset: u64, done: ssize_t) {
    let Some(done) = usize::try_from(done).ok().filter(|done| *done > 0) else { return };
    let _errno = real::Errno::keep();
    turn.log(Op::Write, opened.handle, offset, b"", &real::read_back(fd, offset, done));
}

macro_rules! truncate_hooks {
    ($($name:ident),*) => {$(
        /// # Safety
        /// As the C library's function of this name.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, length: off_t) -> c_int {
            // SAFETY: the caller's promise that `path` is a C string.
            if recorder().is_some_and(|recorder| unsafe { recorder.place(libc::AT_FDCWD, path) }.is_some()) {
                real::refuse("a file was cut by its name (truncate)");
            }
            let real = real!($name as unsafe extern "C" fn(*const c_char, off_t) -> c_int);
            // SAFETY: the caller's promise, handed on unchanged.
            unsafe { real(path, length) }
        }
    )*};
}
truncate_hooks!(truncate, truncate64);

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn copy_file_range(
    from: c_int,
    from_offset: *mut off_t,
    to: c_int,
    to_offset: *mut off_t,
    count: size_t,
    flags: c_uint,
) -> ssize_t {
    type Real = unsafe extern "C" fn(c_int, *mut off_t, c_int, *mut off_t, size_t, c_uint) -> ssize_t;
    let real = real!(copy_file_range as Real);
    let turn = turn_of(to);
    // SAFETY: the caller's promise that the offset is null or readable; the rest is handed on unchanged.
    unsafe {
        let offset = if to_offset.is_null() { real::position(to) } else { offset_of(*to_offset) };
        let done = real(from, from_offset, to, to_offset, count, flags);
        if let Some((turn, opened)) = turn {
            copied(&turn, opened, to, offset, done);
        }
        done
    }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn splice(
    from: c_int,
    from_offset: *mut off_t,
    to: c_int,
    to_offset: *mut off_t,
    count: size_t,
    flags: c_uint,
) -> ssize_t {
    type Real = unsafe extern "C" fn(c_int, *mut off_t, c_int, *mut off_t, size_t, c_uint) -> ssize_t;
    if is_ours(to) {
        real::refuse("a pipe was emptied into a recorded file (splice)");
    }
    let real = real!(splice as Real);
    // SAFETY: the caller's promise, handed on unchanged.
    unsafe { real(from, from_offset, to, to_offset, count, flags) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn sync_file_range(fd: c_int, offset: off_t, length: off_t, flags: c_uint) -> c_int {
    if is_ours(fd) {
        real::refuse("part of a recorded file was synced (sync_file_range), which promises nothing");
    }
    let real = real!(sync_file_range as unsafe extern "C" fn(c_int, off_t, off_t, c_uint) -> c_int);
    // SAFETY: no memory is handed over.
    unsafe { real(fd, offset, length, flags) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn syncfs(fd: c_int) -> c_int {
    if is_ours(fd) {
        real::refuse("the whole file system was synced (syncfs)");
    }
    let real = real!(syncfs as unsafe extern "C" fn(c_int) -> c_int);
    // SAFETY: no memory is handed over.
    unsafe { real(fd) }
}
