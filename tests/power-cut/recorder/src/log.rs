//! The log's layout. All numbers little-endian; a record is
//!
//! | bytes | |
//! |---|---|
//! | 4 | length of what follows |
//! | 1 | what happened, [`Op`] |
//! | 4 | process id |
//! | 8 | handle: one opening of a file, counted within the process |
//! | 8 | a number: offset, length or mode, by operation |
//! | 4 | length of the name |
//! | … | the name, below the folder, beginning with `/` |
//! | … | the rest: written bytes, or the second name |

use crate::real;
use libc::c_int;

/// What happened. `K`, a note of the test about what was confirmed to it, is written by the test alone.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Op {
    /// name: a file was made and opened; number: mode
    Create = b'C',
    /// name: a file or folder that was there was opened
    Open = b'O',
    /// number: offset; rest: bytes
    Write = b'W',
    /// number: the new length
    Truncate = b'T',
    /// number: the file is at least this long from now on
    Extend = b'E',
    /// number: 1 where only the data was synced (`fdatasync`), else 0
    Sync = b'S',
    /// name, rest: from, to
    Rename = b'R',
    /// name, rest: a second name for the same file
    Link = b'L',
    Unlink = b'U',
    MakeFolder = b'M',
    RemoveFolder = b'D',
    /// handle: the connection or line; name: `http` or `line`; rest: bytes that have left the program
    Said = b'A',
}

pub fn append(log: c_int, op: Op, handle: u64, number: u64, name: &[u8], rest: &[u8]) {
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or_else(|_| real::refuse("a write of more than 4 GiB"));
    let following = 1 + 4 + 8 + 8 + 4 + name.len() + rest.len();
    let mut record = Vec::with_capacity(4 + following);
    record.extend(length(following).to_le_bytes());
    record.push(op as u8);
    record.extend(std::process::id().to_le_bytes());
    record.extend(handle.to_le_bytes());
    record.extend(number.to_le_bytes());
    record.extend(length(name.len()).to_le_bytes());
    record.extend(name);
    record.extend(rest);
    if !real::write_all(log, &record) {
        real::refuse("the log cannot be written");
    }
}
