//! Replaces what sends bytes away, so that a promise stands in the log between the changes before it and those after it.
//!
//! Heard are the answers to browsers (connections whose first bytes begin an HTTP answer) and what goes to devices over serial
//! lines. Everything else that leaves the program (MQTT, pipes, its own log) is let be.

use crate::{
    data::{gathered, wrote, wrote_parts},
    log::Op,
    real::{self, real},
    recorder::{Turn, recorder, turn_of},
};
use libc::{c_int, c_void, iovec, msghdr, size_t, sockaddr, socklen_t, ssize_t};
use std::{
    collections::BTreeMap,
    slice,
    sync::{Mutex, PoisonError},
};

/// How an HTTP answer begins.
const HTTP: &[u8] = b"HTTP/1.";

/// Sockets by inode: whether answers to browsers leave by them.
static SOCKETS: Mutex<BTreeMap<u64, bool>> = Mutex::new(BTreeMap::new());

/// Takes the turn where `fd` leads to a browser or a device. (A pipe to another process may block for long: never taken.)
fn outward(fd: c_int) -> Option<(Turn, libc::stat)> {
    let recorder = recorder()?;
    let _errno = real::Errno::keep();
    let about = real::about(fd)?;
    let leaves = match about.st_mode & libc::S_IFMT {
        libc::S_IFSOCK => real::is_internet(fd),
        libc::S_IFCHR => real::is_line(fd),
        _ => false,
    };
    leaves.then(|| (recorder.turn(), about))
}

/// Records what has left.
fn said(turn: &Turn, about: &libc::stat, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    if about.st_mode & libc::S_IFMT == libc::S_IFCHR {
        return turn.log(Op::Said, about.st_rdev, 0, b"line", bytes);
    }
    let mut sockets = SOCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    // An inode may be given out again: what begins an answer is one, whatever went before.
    let answers = sockets.entry(about.st_ino).or_default();
    *answers |= bytes.starts_with(HTTP);
    if *answers {
        turn.log(Op::Said, about.st_ino, 0, b"http", bytes);
    }
}

/// `call` writes through `fd`: into a recorded file, outward, or past us.
fn writes(fd: c_int, call: impl FnOnce() -> ssize_t, whole: impl FnOnce(ssize_t) -> Vec<u8>) -> ssize_t {
    let Some((turn, about)) = outward(fd) else { return call() };
    let done = call();
    said(&turn, &about, &whole(done));
    done
}

/// The first `done` bytes at `buffer`.
///
/// # Safety
/// `buffer` is readable for `done` bytes: a successful write has just read them.
unsafe fn first(buffer: *const c_void, done: ssize_t) -> Vec<u8> {
    match usize::try_from(done) {
        // SAFETY: by this function's own condition.
        Ok(done) if done > 0 => unsafe { slice::from_raw_parts(buffer.cast::<u8>(), done) }.to_vec(),
        _ => Vec::new(),
    }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, buffer: *const c_void, count: size_t) -> ssize_t {
    let real = real!(write as unsafe extern "C" fn(c_int, *const c_void, size_t) -> ssize_t);
    // SAFETY: the caller's promise, handed on unchanged; recorded is only what was written.
    unsafe {
        let Some((turn, opened)) = turn_of(fd) else {
            return writes(fd, || real(fd, buffer, count), |done| first(buffer, done));
        };
        let offset = real::position(fd);
        let done = real(fd, buffer, count);
        wrote(&turn, opened, offset, buffer, done);
        done
    }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    let real = real!(writev as unsafe extern "C" fn(c_int, *const iovec, c_int) -> ssize_t);
    let buffers = usize::try_from(count).unwrap_or(0);
    // SAFETY: the caller's promise, handed on unchanged; recorded is only what was written.
    unsafe {
        let Some((turn, opened)) = turn_of(fd) else {
            return writes(fd, || real(fd, parts, count), |done| gathered(parts, buffers, done));
        };
        let offset = real::position(fd);
        let done = real(fd, parts, count);
        wrote_parts(&turn, opened, offset, parts, buffers, done);
        done
    }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn send(fd: c_int, buffer: *const c_void, count: size_t, flags: c_int) -> ssize_t {
    let real = real!(send as unsafe extern "C" fn(c_int, *const c_void, size_t, c_int) -> ssize_t);
    // SAFETY: the caller's promise, handed on unchanged; recorded is only what was sent.
    unsafe { writes(fd, || real(fd, buffer, count, flags), |done| first(buffer, done)) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn sendto(
    fd: c_int,
    buffer: *const c_void,
    count: size_t,
    flags: c_int,
    to: *const sockaddr,
    length: socklen_t,
) -> ssize_t {
    type Real = unsafe extern "C" fn(c_int, *const c_void, size_t, c_int, *const sockaddr, socklen_t) -> ssize_t;
    let real = real!(sendto as Real);
    // SAFETY: the caller's promise, handed on unchanged; recorded is only what was sent.
    unsafe { writes(fd, || real(fd, buffer, count, flags, to, length), |done| first(buffer, done)) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    let real = real!(sendmsg as unsafe extern "C" fn(c_int, *const msghdr, c_int) -> ssize_t);
    // SAFETY: the caller's promise that the message and its buffers are readable; recorded is only what was sent.
    unsafe { writes(fd, || real(fd, message, flags), |done| gathered((*message).msg_iov, (*message).msg_iovlen, done)) }
}
