//! Loaded before a program (`LD_PRELOAD`), it writes down every change that program makes to the files of one folder, in
//! order and with the bytes, so that a test can rebuild what a power cut at any moment could have left on the disk.
//!
//! `SKINLINK_RECORD_FOLDER` is the folder, `SKINLINK_RECORD_LOG` the file to append to; without both, every call passes
//! straight through. Layout of the log: `log.rs`.
//!
//! It sees what goes through the C library's own functions: SQLite, OpenSSL and Rust's standard library all do. It does not
//! see raw system calls, io_uring, or what the C library does within itself (`fopen`). So a recording proves its own
//! completeness: replayed to its end it must give the files that are on the disk, byte for byte (a test). What is seen but
//! not modelled (a shared writable mapping, a hole punched, a rename across the folder's border, …) ends the program loudly.
//! SQLite's `-shm` files are exempt: they are shared memory, and after a power cut SQLite builds them anew.
//!
//! What the program says to browsers and serial devices stands in the log too (`speaking.rs`): a promise must not leave before
//! what it promises is durable.
//!
//! Invariants: one lock is held over the real call and its record, so the log's order is the order of the calls; `errno` is
//! what the real call left; a record is one `write` to a descriptor opened with `O_APPEND`, so a second writer (the test,
//! noting what was confirmed to it) never splits one. Modes are those at creation: `chmod` is not recorded.
#![expect(unsafe_code, reason = "functions of the C library can only be replaced and called through unsafe code")]

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64")))]
compile_error!("the recorder replaces functions of the GNU C library on 64-bit Linux");

mod data;
mod descriptors;
mod log;
mod names;
mod opening;
mod real;
mod recorder;
mod speaking;
