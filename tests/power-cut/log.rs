//! Reads the recorder's log; its layout is described in `recorder/src/log.rs`.

use crate::{facts::Facts, promises::Listener};
use std::{collections::BTreeMap, fs, ops::Range, path::Path};

/// One record, in the order of the calls.
#[derive(Debug, Clone, Copy)]
pub struct Record<'l> {
    pub op: Op,
    pub process: u32,
    pub handle: u64,
    pub number: u64,
    pub name: &'l str,
    pub rest: &'l [u8],
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Create,
    Open,
    Write,
    Truncate,
    Extend,
    Sync,
    Rename,
    Link,
    Unlink,
    MakeFolder,
    RemoveFolder,
    /// Bytes left for a browser or a device: see [`crate::promises`].
    Said,
    /// Written by the test: something was confirmed to it, or is about to be undone.
    Note,
}

impl Op {
    fn from_byte(byte: u8) -> Self {
        match byte {
            b'C' => Self::Create,
            b'O' => Self::Open,
            b'W' => Self::Write,
            b'T' => Self::Truncate,
            b'E' => Self::Extend,
            b'S' => Self::Sync,
            b'R' => Self::Rename,
            b'L' => Self::Link,
            b'U' => Self::Unlink,
            b'M' => Self::MakeFolder,
            b'D' => Self::RemoveFolder,
            b'A' => Self::Said,
            b'K' => Self::Note,
            other => panic!("the log has an operation {other:#04x} that this test does not know"),
        }
    }
}

/// A recording in memory.
#[derive(Debug)]
pub struct Log {
    bytes: Vec<u8>,
    records: Vec<Range<usize>>,
    /// By place among the records: what was promised there. Words that promise nothing new are no records.
    promised: BTreeMap<usize, Facts>,
    points: usize,
}

impl Log {
    pub fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (mut records, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
            records.push(at + 4..at + 4 + length);
            at += 4 + length;
        }
        let mut log = Self { bytes, records, promised: BTreeMap::new(), points: 0 };
        log.listen();
        log.points = log.records().iter().filter(|record| record.is_point()).count();
        assert_processes_took_turns(&log.records());
        log
    }

    pub fn records(&self) -> Vec<Record<'_>> {
        self.records.iter().map(|range| parse(&self.bytes[range.clone()])).collect()
    }

    /// Hears what was said, in its order.
    fn listen(&mut self) {
        let mut listener = Listener::default();
        let (mut kept, mut promised) = (Vec::new(), BTreeMap::new());
        for (range, record) in self.records.iter().zip(self.records()) {
            if record.op == Op::Said {
                let facts = listener.hear(&record);
                if facts.is_empty() {
                    continue;
                }
                promised.insert(kept.len(), facts);
            }
            kept.push(range.clone());
        }
        (self.records, self.promised) = (kept, promised);
    }

    /// What was promised, by the place of the record that said it.
    pub fn promised(&self) -> &BTreeMap<usize, Facts> {
        &self.promised
    }

    /// Moments after which the disk or the demands are others than before.
    pub fn points(&self) -> usize {
        self.points
    }
}

impl Record<'_> {
    /// Whether a power cut right after it is another than right before.
    pub fn is_point(&self) -> bool {
        self.op != Op::Open
    }
}

fn parse(record: &[u8]) -> Record<'_> {
    let number = |at: usize| u64::from_le_bytes(record[at..at + 8].try_into().unwrap());
    let short = |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().unwrap());
    let (name, rest) = record[25..].split_at(short(21) as usize);
    Record {
        op: Op::from_byte(record[0]),
        process: short(1),
        handle: number(5),
        number: number(13),
        name: std::str::from_utf8(name).unwrap(),
        rest,
    }
}

/// Calls of one process stand in their order; those of two at the same time might not.
fn assert_processes_took_turns(records: &[Record<'_>]) {
    let mut processes: Vec<u32> = records
        .iter()
        .filter(|record| !matches!(record.op, Op::Note | Op::Said))
        .map(|record| record.process)
        .collect();
    processes.dedup();
    let turns = processes.len();
    processes.sort_unstable();
    processes.dedup();
    assert_eq!(turns, processes.len(), "two recorded processes changed the folder at the same time");
}
