//! The C library's own functions behind the ones replaced here, and the few calls the recorder makes for itself.
//!
//! The recorder never calls a function that it replaces: it would meet itself. For its own needs it asks the kernel.

use libc::{AT_FDCWD, SYS_fcntl, SYS_openat, SYS_pread64, c_char, c_int, c_long, c_void, mode_t, off_t};
use std::{
    ffi::CStr,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// Where the next library's function of that name lies; looked up once.
pub fn find(found: &AtomicPtr<c_void>, name: &CStr) -> *mut c_void {
    let known = found.load(Ordering::Relaxed);
    if !known.is_null() {
        return known;
    }
    // SAFETY: `name` is a C string that lives through the call; RTLD_NEXT is valid in a loaded library.
    let next = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    if next.is_null() {
        refuse(&format!("the C library has no {}", name.to_string_lossy()));
    }
    found.store(next, Ordering::Relaxed);
    next
}

/// The real function of this name and type.
macro_rules! real {
    ($name:ident as $signature:ty) => {{
        static FOUND: std::sync::atomic::AtomicPtr<libc::c_void> =
            std::sync::atomic::AtomicPtr::new(std::ptr::null_mut());
        const NAME: &std::ffi::CStr =
            match std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!("an identifier holds no NUL"),
            };
        let found = crate::real::find(&FOUND, NAME);
        // SAFETY: `found` is the C library's function of that name, and each use names the type its manual page states.
        // The two functions that take variable arguments are named with all of them, which 64-bit Linux passes alike.
        unsafe { std::mem::transmute::<*mut libc::c_void, $signature>(found) }
    }};
}
pub(crate) use real;

/// Ends the program: what it does cannot be replayed, so a recording of it would prove nothing.
pub fn refuse(why: &str) -> ! {
    eprintln!("power-cut recorder: {why}; teach the recorder and the replayer before this can be recorded");
    std::process::abort();
}

/// `errno` as it was, put back when dropped.
pub struct Errno(c_int);

impl Errno {
    pub fn keep() -> Self {
        // SAFETY: the C library gives each thread its own, always valid.
        Self(unsafe { *libc::__errno_location() })
    }
}

impl Drop for Errno {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = self.0 }
    }
}

fn kernel(result: c_long) -> Option<c_int> {
    c_int::try_from(result).ok().filter(|result| *result >= 0)
}

/// Opens without passing through the hooks.
pub fn open(path: &CStr, flags: c_int, mode: mode_t) -> Option<c_int> {
    // SAFETY: `path` is a C string that lives through the call.
    kernel(unsafe { libc::syscall(SYS_openat, AT_FDCWD, path.as_ptr(), flags | libc::O_CLOEXEC, mode) })
}

pub fn close(fd: c_int) {
    // SAFETY: closing takes no memory; callers own `fd`.
    unsafe { libc::syscall(libc::SYS_close, fd) };
}

/// Writes all of `bytes`, or says `false`.
pub fn write_all(fd: c_int, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        // SAFETY: the slice is readable for its length.
        let done = unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) };
        match usize::try_from(done) {
            Ok(done) if done > 0 => bytes = &bytes[done..],
            _ => return false,
        }
    }
    true
}

/// What stands in a file, read through a descriptor of its own, as the writer's may be for writing only.
pub fn read_back(fd: c_int, offset: u64, length: usize) -> Vec<u8> {
    let path = format!("/proc/self/fd/{fd}\0");
    let path = CStr::from_bytes_with_nul(path.as_bytes()).expect("one NUL, at the end");
    let Some(own) = open(path, libc::O_RDONLY, 0) else { refuse("a file that was copied into cannot be read back") };
    let mut bytes = vec![0_u8; length];
    let mut have = 0;
    while have < length {
        let at = off_t::try_from(offset + have as u64).expect("a file's offset");
        // SAFETY: the rest of `bytes` is writable for its length.
        let done = unsafe { libc::syscall(SYS_pread64, own, bytes[have..].as_mut_ptr(), length - have, at) };
        match usize::try_from(done) {
            Ok(done) if done > 0 => have += done,
            _ => refuse("a file that was copied into cannot be read back"),
        }
    }
    close(own);
    bytes
}

/// Kind, size and identity of an open file.
pub fn about(fd: c_int) -> Option<libc::stat> {
    let mut about = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `about` is writable and large enough; it is read only where the call filled it.
    unsafe { (libc::fstat(fd, about.as_mut_ptr()) == 0).then(|| about.assume_init()) }
}

/// Whether `fd` is a serial line or a pseudo-terminal.
pub fn is_line(fd: c_int) -> bool {
    let _errno = Errno::keep();
    // SAFETY: a question about a descriptor; no memory is handed over.
    unsafe { libc::isatty(fd) == 1 }
}

/// Whether `fd` is a socket of the internet's families.
pub fn is_internet(fd: c_int) -> bool {
    let (mut family, mut length) = (0 as c_int, size_of::<c_int>() as libc::socklen_t);
    // SAFETY: both are writable, and `length` says how large `family` is.
    let asked = unsafe {
        let family = ptr::from_mut(&mut family).cast();
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_DOMAIN, family, &raw mut length)
    };
    asked == 0 && matches!(family, libc::AF_INET | libc::AF_INET6)
}

/// Where the next plain `write` through `fd` goes.
pub fn position(fd: c_int) -> u64 {
    // SAFETY: a question about a descriptor; no memory is handed over.
    let (flags, at) = unsafe { (libc::syscall(SYS_fcntl, fd, libc::F_GETFL), libc::lseek(fd, 0, libc::SEEK_CUR)) };
    let appends = kernel(flags).is_some_and(|flags| flags & libc::O_APPEND != 0);
    let at = if appends { about(fd).map_or(0, |about| about.st_size) } else { at };
    u64::try_from(at).unwrap_or(0)
}

/// Whether something has this name already.
///
/// # Safety
/// `path` is a C string, as the caller of an opening function must give.
pub unsafe fn exists(at: c_int, path: *const c_char) -> bool {
    // SAFETY: by this function's own condition.
    unsafe { libc::faccessat(at, path, libc::F_OK, libc::AT_SYMLINK_NOFOLLOW) == 0 }
}

/// A C string's bytes; none for a null pointer.
///
/// # Safety
/// `text` is null or a C string that outlives the result.
pub unsafe fn bytes<'a>(text: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: by this function's own condition.
    (!ptr::eq(text, ptr::null())).then(|| unsafe { CStr::from_ptr(text) }.to_bytes())
}
