//! A device's end of a cable: a pseudo-terminal behind a stable name, to be plugged in and pulled.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};
use tokio_serial::{SerialPort, SerialStream};

/// One plugged-in end. Dropping it is pulling the cable: the gateway's side hangs up and the name vanishes.
pub struct Plug {
    pub wire: SerialStream,
    /// Kept open, so that the device's side can write before the gateway has opened its own.
    _far_end: SerialStream,
    pub name: PathBuf,
}

impl Plug {
    /// Plugs a new pseudo-terminal in as `name`, a symlink that must not exist.
    pub fn insert(name: &Path) -> Self {
        let (wire, far_end) = SerialStream::pair().expect("the machine has pseudo-terminals");
        let node = far_end.name().expect("a terminal has a name");
        symlink(&node, name).expect("the name is free");
        Self { wire, _far_end: far_end, name: name.to_owned() }
    }
}

impl Drop for Plug {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.name);
    }
}
