//! `skinlink protocol replay`: a recording read again by the protocol file as it is today, with no device and no waiting.

use super::{catalogue, print::say, rows::Layout, watch::ProtocolFile};
use crate::{
    cli::{Replay, exit},
    protocol::{listing::Side, recording::Recording},
};
use anyhow::Context;
use std::{path::PathBuf, time::Duration};

/// Shows it; a fault where a frame of the device is not understood, or none is, so
/// that a script can hold old recordings against a new file.
///
/// # Errors
/// When the recording or the protocol cannot be read.
pub fn command(options: &Replay) -> anyhow::Result<u8> {
    let path = options.recording.display();
    let recording = Recording::parse(&catalogue::read(&options.recording)?).with_context(|| path.to_string())?;
    let named = options.protocol.clone().or_else(|| recording.head.protocol_id().map(PathBuf::from));
    let named = named.with_context(|| format!("{path} names no protocol; add --protocol ID"))?;
    let spec = ProtocolFile::find(&named, &options.folder.protocols).read()?;
    let layout = Layout::of_terminal();
    let (mut understood, mut not) = (0_usize, 0_usize);
    let unfinished = recording.rows(&spec, |at, side, row| {
        if side == Side::Device {
            *(if row.meaning.is_ok() { &mut understood } else { &mut not }) += 1;
        }
        say!("{}", layout.row(at, side, &row));
    });
    let lasting = recording.pieces.last().map_or(Duration::ZERO, |piece| piece.at);
    for row in unfinished {
        say!("{}", layout.row(lasting, Side::Device, &row));
    }
    say!("{understood} frames understood, {not} not, in {:.1} s of {path}", lasting.as_secs_f64());
    // Half a frame where the recording ends is nobody's fault; nothing else but that is another device's.
    Ok(if not == 0 && understood > 0 { exit::OK } else { exit::FAULT })
}
