//! Frames over blocking pipes; their layout stands in [`crate::analysis::job`].

use crate::analysis::job::{self, FrameError, PREFIX, Prefix, Reply, Request};
use std::io::{self, Read, Write};

#[derive(Debug, thiserror::Error)]
pub(super) enum PipeError {
    #[error("the gateway cannot be heard: {0}")]
    Io(#[from] io::Error),
    #[error("the gateway sent what is no request: {0}")]
    Frame(#[from] FrameError),
}

/// A request with its parts.
pub(super) type Heard = (Request, Vec<Vec<u8>>);

/// The next request with its parts; `None` when the gateway closed the pipe between two requests.
pub(super) fn read(input: &mut impl Read) -> Result<Option<Heard>, PipeError> {
    let mut prefix = [0; PREFIX];
    let mut have = 0;
    while have < PREFIX {
        match input.read(&mut prefix[have..])? {
            0 if have == 0 => return Ok(None),
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            more => have += more,
        }
    }
    let Prefix { header, parts } = Prefix::parse(prefix)?;
    let lengths = Prefix::part_lengths(&exactly(input, 4 * parts)?)?;
    let request = job::parse_header(&exactly(input, header)?)?;
    let parts = lengths.into_iter().map(|length| exactly(input, length)).collect::<Result<_, _>>()?;
    Ok(Some((request, parts)))
}

pub(super) fn write(output: &mut impl Write, reply: &Reply, parts: &[Vec<u8>]) -> Result<(), PipeError> {
    let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    output.write_all(&job::head(reply, &slices)?)?;
    for part in parts {
        output.write_all(part)?;
    }
    Ok(output.flush()?)
}

fn exactly(input: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}
