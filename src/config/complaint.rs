//! Everything wrong with a file, in one report: file, line, key, remedy.

use std::fmt;

/// One thing that has to be put right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    /// Counted from 1; of the table where a key is missing, 1 where the table is missing too.
    pub line: usize,
    /// As written in a dotted path: `sync.window`; empty where the file is no TOML.
    pub key: String,
    /// What is wrong and what to write instead.
    pub what: String,
}

/// All complaints about one file, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaints {
    pub file: String,
    pub list: Vec<Complaint>,
}

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, list } = self;
        for (at, Complaint { line, key, what }) in list.iter().enumerate() {
            let break_before = if at == 0 { "" } else { "\n" };
            let colon = if key.is_empty() { "" } else { ": " };
            write!(f, "{break_before}{file}:{line}: {key}{colon}{what}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Complaints {}
