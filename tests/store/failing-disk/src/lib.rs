//! Loaded before a program (`LD_PRELOAD`), it lets one call that changes a file of one folder fail, once, as a disk does that
//! is about to die or is full for a moment.
//!
//! `SKINLINK_FAIL_FOLDER` is the folder; `SKINLINK_FAIL_AT` the call, counted from 1 once a file named `armed` was written in
//! the folder; `SKINLINK_FAIL_WITH` the error number. The program's standard error tells when it has failed. Without all of
//! them every call goes to the kernel as it is. It sees what goes through the C library's functions named here: SQLite,
//! OpenSSL and Rust's standard library all do.
#![expect(unsafe_code, reason = "functions of the C library can only be replaced through unsafe code")]

use libc::{c_int, c_long, c_void, off_t, size_t, ssize_t};
use std::{
    env, fs,
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

struct Orders {
    folder: PathBuf,
    at: u64,
    with: c_int,
}

fn orders() -> Option<&'static Orders> {
    static ORDERS: OnceLock<Option<Orders>> = OnceLock::new();
    let read = || {
        let number = |name| env::var(name).ok()?.parse::<u32>().ok();
        let folder = PathBuf::from(env::var_os("SKINLINK_FAIL_FOLDER")?);
        let with = c_int::try_from(number("SKINLINK_FAIL_WITH")?).ok()?;
        Some(Orders { folder, at: number("SKINLINK_FAIL_AT")?.into(), with })
    };
    ORDERS.get_or_init(read).as_ref()
}

/// The error that this call on `fd` is to end with.
fn fails(fd: c_int) -> Option<c_int> {
    static ARMED: AtomicBool = AtomicBool::new(false);
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let Orders { folder, at, with } = orders()?;
    let path = fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
    if !path.starts_with(folder) {
        return None;
    }
    if path.ends_with("armed") {
        ARMED.store(true, Ordering::SeqCst);
        return None;
    }
    if !ARMED.load(Ordering::SeqCst) || CALLS.fetch_add(1, Ordering::SeqCst) + 1 != *at {
        return None;
    }
    let said = format!("call {at} on {} fails\n", path.display());
    // SAFETY: the text is readable for its length.
    unsafe { libc::syscall(libc::SYS_write, 2, said.as_ptr(), said.len()) };
    Some(*with)
}

/// Fails the call, or does it.
///
/// # Safety
/// As the system call that `really` makes.
unsafe fn unless_it_fails(fd: c_int, really: impl FnOnce() -> c_long) -> c_long {
    let Some(with) = fails(fd) else { return really() };
    // SAFETY: the C library gives each thread its own, always valid.
    unsafe { *libc::__errno_location() = with };
    -1
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, buffer: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: the caller's promise, handed on unchanged.
    unsafe { unless_it_fails(fd, || libc::syscall(libc::SYS_write, fd, buffer, count)) as ssize_t }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite(fd: c_int, buffer: *const c_void, count: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the caller's promise, handed on unchanged.
    unsafe { unless_it_fails(fd, || libc::syscall(libc::SYS_pwrite64, fd, buffer, count, offset)) as ssize_t }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(fd: c_int, buffer: *const c_void, count: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the caller's promise, handed on unchanged.
    unsafe { pwrite(fd, buffer, count, offset) }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    // SAFETY: no memory is handed over.
    unsafe { unless_it_fails(fd, || libc::syscall(libc::SYS_fsync, fd)) as c_int }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    // SAFETY: no memory is handed over.
    unsafe { unless_it_fails(fd, || libc::syscall(libc::SYS_fdatasync, fd)) as c_int }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    // SAFETY: no memory is handed over.
    unsafe { unless_it_fails(fd, || libc::syscall(libc::SYS_ftruncate, fd, length)) as c_int }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn ftruncate64(fd: c_int, length: off_t) -> c_int {
    // SAFETY: no memory is handed over.
    unsafe { ftruncate(fd, length) }
}
