//! Replaces what closes and duplicates descriptors.

use crate::{
    opening::elsewhere,
    real::real,
    recorder::{recorder, turn_of, watched},
};
use libc::c_int;

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn close(fd: c_int) -> c_int {
    let real = real!(close as unsafe extern "C" fn(c_int) -> c_int);
    // Held over the call: the number must not be given out again before it is forgotten.
    let turn = recorder().filter(|_| watched(fd)).map(|recorder| {
        let mut turn = recorder.turn();
        turn.forget(fd);
        turn
    });
    // SAFETY: no memory is handed over.
    let result = unsafe { real(fd) };
    drop(turn);
    result
}

/// `call` makes a second descriptor of `fd`.
fn doubles(fd: c_int, call: impl FnOnce() -> c_int) -> c_int {
    match turn_of(fd) {
        None => elsewhere(call()),
        Some((mut turn, opened)) => {
            let second = call();
            if second >= 0 && second != fd {
                turn.watch(second, opened);
            }
            second
        }
    }
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn dup(fd: c_int) -> c_int {
    let real = real!(dup as unsafe extern "C" fn(c_int) -> c_int);
    // SAFETY: no memory is handed over.
    doubles(fd, || unsafe { real(fd) })
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn dup2(fd: c_int, second: c_int) -> c_int {
    let real = real!(dup2 as unsafe extern "C" fn(c_int, c_int) -> c_int);
    // SAFETY: no memory is handed over.
    doubles(fd, || unsafe { real(fd, second) })
}

/// # Safety
/// As the C library's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn dup3(fd: c_int, second: c_int, flags: c_int) -> c_int {
    let real = real!(dup3 as unsafe extern "C" fn(c_int, c_int, c_int) -> c_int);
    // SAFETY: no memory is handed over.
    doubles(fd, || unsafe { real(fd, second, flags) })
}

macro_rules! fcntl_hooks {
    ($($name:ident),*) => {$(
        /// # Safety
        /// As the C library's function of this name; the third argument is passed on as it came, whatever it means.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(fd: c_int, command: c_int, argument: usize) -> c_int {
            let real = real!($name as unsafe extern "C" fn(c_int, c_int, usize) -> c_int);
            // SAFETY: the caller's promise, handed on unchanged.
            let call = || unsafe { real(fd, command, argument) };
            match command {
                libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => doubles(fd, call),
                _ => call(),
            }
        }
    )*};
}
fcntl_hooks!(fcntl, fcntl64);
