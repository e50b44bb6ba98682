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
unsafe fn wrote(turn: &Turn, opened: Opened, offset: u64, buffer: *const c_void, done: ssize_t) {
    let Some(done) = usize::try_from(done).ok().filter(|done| *done > 0) else { return };
    // SAFETY: by this function's own condition.
    let bytes = unsafe { slice::from_raw_parts(buffer.cast::<u8>(), done) };
    turn.log(Op::Write, opened.handle, offset, b"", bytes);
}

/// The same for scattered buffers.
///
/// # Safety
/// `parts` holds `count` buffers, readable: a successful write has just read `done` bytes of them.
unsafe fn wrote_parts(turn: &Turn, opened: Opened, offset: u64, parts: *const iovec, count: c_int, done: ssize_t) {
    let Some(mut left) = usize::try_from(done).ok().filter(|done| *done > 0) else { return };
    let mut bytes = Vec::with_capacity(left);
    for at in 0..usize::try_from(count).unwrap_or(0) {
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
    turn.log(Op::Write, opened.handle, offset, b"", &bytes);
}

fn offset_of(offset: off_t) -> u64 {
    u64::try_from(offset).unwrap_or(0)
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, buffer: *const c_void, count: size_t) -> ssize_t {
    let real = real!(write as unsafe extern "C" fn(c_int, *const c_void, size_t) -> ssize_t);
    let turn = turn_of(fd);
    let offset = if turn.is_some() { real::position(fd) } else { 0 };
    // SAFETY: the caller's promise, handed on unchanged; recorded is only what was written.
    unsafe {
        let done = real(fd, buffer, count);
        if let Some((turn, opened)) = turn {
            wrote(&turn, opened, offset, buffer, done);
        }
        done
    }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    let real = real!(writev as unsafe extern "C" fn(c_int, *const iovec, c_int) -> ssize_t);
    let turn = turn_of(fd);
    let offset = if turn.is_some() { real::position(fd) } else { 0 };
    // SAFETY: the caller's promise, handed on unchanged; recorded is only what was written.
    unsafe {
        let done = real(fd, parts, count);
        if let Some((turn, opened)) = turn {
            wrote_parts(&turn, opened, offset, parts, count, done);
        }
        done
    }
}

macro_rules! pwrite_hooks {
    ($($name:ident),*) => {$(
        /// # Safety
        /// As the C library's function of this name.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fd: c_int, buffer: *const c_void, count: size_t, offset: off_t) -> ssize_t {
            let real = real!($name as unsafe extern "C" fn(c_int, *const c_void, size_t, off_t) -> ssize_t);
            let turn = turn_of(fd);
            // SAFETY: the caller's promise, handed on unchanged; recorded is only what was written.
            unsafe {
                let done = real(fd, buffer, count, offset);
                if let Some((turn, opened)) = turn {
                    wrote(&turn, opened, offset_of(offset), buffer, done);
                }
                done
            }
        }
    )*};
}
pwrite_hooks!(pwrite, pwrite64);

macro_rules! pwritev_hooks {
    ($($name:ident($($flags:ident: $type:ty)?)),*) => {$(
        /// # Safety
        /// As the C library's function of this name.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fd: c_int, parts: *const iovec, count: c_int, offset: off_t $(, $flags: $type)?) -> ssize_t {
            let real = real!($name as unsafe extern "C" fn(c_int, *const iovec, c_int, off_t $(, $type)?) -> ssize_t);
            let turn = turn_of(fd);
            // Version 2 takes -1 for "at the file's own position".
            let at = if offset < 0 && turn.is_some() { real::position(fd) } else { offset_of(offset) };
            // SAFETY: the caller's promise, handed on unchanged; recorded is only what was written.
            unsafe {
                let done = real(fd, parts, count, offset $(, $flags)?);
                if let Some((turn, opened)) = turn {
                    wrote_parts(&turn, opened, at, parts, count, done);
                }
                done
            }
        }
    )*};
}
pwritev_hooks!(pwritev(), pwritev64(), pwritev2(flags: c_int), pwritev64v2(flags: c_int));

macro_rules! ftruncate_hooks {
    ($($name:ident),*) => {$(
        /// # Safety
        /// As the C library's function of this name.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fd: c_int, length: off_t) -> c_int {
            let real = real!($name as unsafe extern "C" fn(c_int, off_t) -> c_int);
            let turn = turn_of(fd);
            // SAFETY: no memory is handed over.
            let result = unsafe { real(fd, length) };
            if let Some((turn, opened)) = turn.filter(|_| result == 0) {
                turn.log(Op::Truncate, opened.handle, offset_of(length), b"", b"");
            }
            result
        }
    )*};
}
ftruncate_hooks!(ftruncate, ftruncate64);

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

/// Room that is reserved makes the file longer; other kinds of reserving are refused.
fn reserved(turn: Option<(Turn, Opened)>, mode: c_int, end: off_t, succeeded: bool) {
    let Some((turn, opened)) = turn.filter(|_| succeeded) else { return };
    match mode {
        0 => turn.log(Op::Extend, opened.handle, offset_of(end), b"", b""),
        libc::FALLOC_FL_KEEP_SIZE => {}
        _ => real::refuse("a hole was made in a recorded file (fallocate)"),
    }
}

macro_rules! fallocate_hooks {
    ($($name:ident),*) => {$(
        /// # Safety
        /// As the C library's function of this name.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
            let real = real!($name as unsafe extern "C" fn(c_int, c_int, off_t, off_t) -> c_int);
            let turn = turn_of(fd);
            // SAFETY: no memory is handed over.
            let result = unsafe { real(fd, mode, offset, length) };
            reserved(turn, mode, offset + length, result == 0);
            result
        }
    )*};
}
fallocate_hooks!(fallocate, fallocate64);

macro_rules! posix_fallocate_hooks {
    ($($name:ident),*) => {$(
        /// # Safety
        /// As the C library's function of this name.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fd: c_int, offset: off_t, length: off_t) -> c_int {
            let real = real!($name as unsafe extern "C" fn(c_int, off_t, off_t) -> c_int);
            let turn = turn_of(fd);
            // SAFETY: no memory is handed over.
            let result = unsafe { real(fd, offset, length) };
            reserved(turn, 0, offset + length, result == 0);
            result
        }
    )*};
}
posix_fallocate_hooks!(posix_fallocate, posix_fallocate64);

/// Copied bytes never passed through the program's memory: they are read back from the file.
fn copied(turn: Option<(Turn, Opened)>, fd: c_int, offset: u64, done: ssize_t) {
    let Some((turn, opened)) = turn else { return };
    let Some(done) = usize::try_from(done).ok().filter(|done| *done > 0) else { return };
    let _errno = real::Errno::keep();
    turn.log(Op::Write, opened.handle, offset, b"", &real::read_back(fd, offset, done));
}

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
        copied(turn, to, offset, done);
        done
    }
}

macro_rules! sendfile_hooks {
    ($($name:ident),*) => {$(
        /// # Safety
        /// As the C library's function of this name.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(to: c_int, from: c_int, offset: *mut off_t, count: size_t) -> ssize_t {
            let real = real!($name as unsafe extern "C" fn(c_int, c_int, *mut off_t, size_t) -> ssize_t);
            let turn = turn_of(to);
            let at = if turn.is_some() { real::position(to) } else { 0 };
            // SAFETY: the caller's promise, handed on unchanged.
            let done = unsafe { real(to, from, offset, count) };
            copied(turn, to, at, done);
            done
        }
    )*};
}
sendfile_hooks!(sendfile, sendfile64);

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

macro_rules! sync_hooks {
    ($($name:ident),*) => {$(
        /// # Safety
        /// As the C library's function of this name.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fd: c_int) -> c_int {
            let real = real!($name as unsafe extern "C" fn(c_int) -> c_int);
            let turn = turn_of(fd);
            // SAFETY: no memory is handed over.
            let result = unsafe { real(fd) };
            if let Some((turn, opened)) = turn.filter(|_| result == 0) {
                turn.log(Op::Sync, opened.handle, 0, b"", b"");
            }
            result
        }
    )*};
}
sync_hooks!(fsync, fdatasync);

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
