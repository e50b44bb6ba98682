//! A serial line as a [`Link`]: opened by path, found to be what the path means, locked against other programs, closed without
//! waiting.
//!
//! Does not look for devices ([`super::discovery`] does) and never opens again by itself: a link that is gone stays gone.
//! What the kernel does and this file hides:
//!
//! - A hang-up (unplugged, or the other side of a pseudo-terminal closed) reads as zero bytes for ever and writes as EIO.
//!   Both are [`LinkError::Gone`], and so is every later call, without asking the kernel again.
//! - A locked port comes back from the library as `ErrorKind::NoDevice`, a missing one as `Io(NotFound)`.
//! - Closing a port waits until its output has left, up to 30 s on a line with stuck flow control: output is thrown away
//!   first. `TIOCEXCL` outlives the descriptor while someone else has the terminal open: it is taken back first.
//! - A pseudo-terminal's number is given to the next one at once. The link of a simulator that was killed leads to somebody
//!   else's terminal then, and a name may change hands while it is opened: a link older than the terminal it leads to means a
//!   device that is gone, and what was opened must still be what the name means.
//! - Opening talks to a USB adapter's chip, which a faulty one answers after seconds: it happens off the async threads.

use crate::{
    ports::{Link, LinkError},
    protocol::spec::{self, FlowControl, Parity},
};
use nix::sys::stat::major;
use std::{
    fmt,
    fs::{self, Metadata},
    io,
    ops::RangeInclusive,
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_serial::{ClearBuffer, DataBits, ErrorKind, SerialPort, SerialStream, StopBits};

/// An open serial line, held exclusively until dropped.
pub struct SerialLink {
    port: SerialStream,
    path: PathBuf,
    gone: bool,
}

impl fmt::Debug for SerialLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port: _, path, gone } = self;
        f.debug_struct("SerialLink").field("path", path).field("gone", gone).finish()
    }
}

impl SerialLink {
    /// Opens `path` (a node or a symlink to one) and locks it. Bytes that already wait in the kernel are kept: a device
    /// may have spoken while nobody listened.
    ///
    /// # Errors
    /// [`LinkError::Busy`], [`LinkError::Forbidden`], [`LinkError::Absent`]; `Io` where `path` is no serial port or
    /// refuses the settings.
    pub async fn open(path: &Path, settings: &spec::Serial) -> Result<Self, LinkError> {
        let (path, builder) = (path.to_owned(), builder(path, settings));
        let opened = tokio::task::spawn_blocking(move || open_meant(&path, &builder)).await;
        opened.map_err(io::Error::other)?
    }

    fn gone(&mut self, how: &str) -> LinkError {
        self.gone = true;
        LinkError::Gone(format!("{} {how}", self.path.display()))
    }

    fn fault(&mut self, error: io::Error) -> LinkError {
        match error.raw_os_error() {
            Some(code) if HUNG_UP.contains(&code) => self.gone("hung up"),
            _ if error.kind() == io::ErrorKind::WriteZero => self.gone("takes no more bytes"),
            _ => LinkError::Io(error),
        }
    }
}

fn open_meant(path: &Path, builder: &tokio_serial::SerialPortBuilder) -> Result<SerialLink, LinkError> {
    let absent = || LinkError::Absent { what: path.display().to_string() };
    // Before as well: what the name does not mean is not touched. What the name lacks, the opening says.
    if fs::metadata(path).is_ok_and(|there| !is_meant(path, &there)) {
        return Err(absent());
    }
    let port = SerialStream::open(builder).map_err(|e| open_error(path, &e))?;
    let opened = fs::metadata(format!("/proc/self/fd/{}", port.as_raw_fd()));
    let link = SerialLink { port, path: path.to_owned(), gone: false };
    if opened.is_ok_and(|opened| is_meant(path, &opened)) { Ok(link) } else { Err(absent()) }
}

/// Whether the node `opened` is the one that `path` means now.
fn is_meant(path: &Path, opened: &Metadata) -> bool {
    let (Some(name), Ok(leads_to)) = (last_link(path), fs::metadata(path)) else { return false };
    let changed = |about: &Metadata| (about.ctime(), about.ctime_nsec());
    let another = (leads_to.dev(), leads_to.ino()) != (opened.dev(), opened.ino());
    let reused = PSEUDO_TERMINALS.contains(&major(opened.rdev())) && changed(opened) > changed(&name);
    !another && !reused
}

/// The link that names the node itself: the others before it may be older, they name that link and not the node. A path
/// that is no link names itself.
fn last_link(path: &Path) -> Option<Metadata> {
    let mut path = path.to_owned();
    // As many links as Linux follows: path_resolution(7).
    for _ in 0..40 {
        let about = fs::symlink_metadata(&path).ok()?;
        let Ok(target) = fs::read_link(&path) else { return Some(about) };
        let next = path.parent().unwrap_or(Path::new("/")).join(target);
        if !fs::symlink_metadata(&next).is_ok_and(|next| next.is_symlink()) {
            return Some(about);
        }
        path = next;
    }
    None
}

/// Major numbers of Unix 98 pseudo-terminals: Linux, Documentation/admin-guide/devices.txt.
const PSEUDO_TERMINALS: RangeInclusive<u64> = 136..=143;

fn builder(path: &Path, settings: &spec::Serial) -> tokio_serial::SerialPortBuilder {
    tokio_serial::new(path.to_string_lossy(), settings.baud)
        .data_bits(match settings.data_bits {
            5 => DataBits::Five,
            6 => DataBits::Six,
            7 => DataBits::Seven,
            _ => DataBits::Eight,
        })
        .parity(match settings.parity {
            Parity::None => tokio_serial::Parity::None,
            Parity::Even => tokio_serial::Parity::Even,
            Parity::Odd => tokio_serial::Parity::Odd,
        })
        .stop_bits(if settings.stop_bits == 2 { StopBits::Two } else { StopBits::One })
        .flow_control(match settings.flow {
            FlowControl::None => tokio_serial::FlowControl::None,
            FlowControl::Hardware => tokio_serial::FlowControl::Hardware,
            FlowControl::Software => tokio_serial::FlowControl::Software,
        })
}

/// What reads and writes of a vanished terminal answer.
const HUNG_UP: &[i32] = {
    use nix::errno::Errno;
    &[Errno::EIO as i32, Errno::ENXIO as i32, Errno::ENODEV as i32, Errno::EPIPE as i32]
};

fn open_error(path: &Path, error: &tokio_serial::Error) -> LinkError {
    let port = path.display().to_string();
    match error.kind() {
        ErrorKind::NoDevice => LinkError::Busy { port },
        ErrorKind::Io(io::ErrorKind::NotFound) => LinkError::Absent { what: port },
        ErrorKind::Io(io::ErrorKind::PermissionDenied) => LinkError::Forbidden { port },
        _ => LinkError::Io(io::Error::other(format!("{port} cannot be opened as a serial port: {error}"))),
    }
}

impl Link for SerialLink {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        if self.gone {
            return Err(self.gone("was unplugged"));
        }
        // Without flush: it is `tcdrain`, which blocks the thread until the last bit has left.
        match self.port.write_all(bytes).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.fault(error)),
        }
    }

    async fn recv(&mut self, buffer: &mut [u8]) -> Result<usize, LinkError> {
        if self.gone {
            return Err(self.gone("was unplugged"));
        }
        if buffer.is_empty() {
            return Err(LinkError::Io(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the buffer has no room for a byte",
            )));
        }
        match self.port.read(buffer).await {
            Ok(0) => Err(self.gone("was unplugged")),
            Ok(count) => Ok(count),
            Err(error) => Err(self.fault(error)),
        }
    }
}

impl Drop for SerialLink {
    fn drop(&mut self) {
        // Both may fail on a terminal that is gone; then there is nothing left to wait for or to unlock.
        let _ = self.port.clear(ClearBuffer::Output);
        let _ = self.port.set_exclusive(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::fs::symlink, thread::sleep, time::Duration};

    /// A user named a simulator's link in a link of their own. The simulator makes its terminal and its link anew after
    /// every close, the user's link stays: the first opening was granted, every later one was refused.
    #[test]
    fn an_old_link_to_a_link_that_is_made_anew_goes_on_meaning_the_device() {
        let folder = tempfile::tempdir().unwrap();
        let [users, simulators] = ["users", "simulators"].map(|name| folder.path().join(name));
        symlink(&simulators, &users).unwrap();
        for _ in 0..2 {
            sleep(Duration::from_millis(20));
            let pair = nix::pty::openpty(None, None).unwrap();
            let node = nix::unistd::ttyname(&pair.slave).unwrap();
            sleep(Duration::from_millis(20));
            let _ = fs::remove_file(&simulators);
            symlink(&node, &simulators).unwrap();
            assert!(is_meant(&users, &fs::metadata(&node).unwrap()));
        }
        // The other way round: the simulator is gone, its link is left, and the number means somebody else's terminal.
        let node = fs::read_link(&simulators).unwrap();
        sleep(Duration::from_millis(20));
        // The lowest free number is given next: it is among these, or whoever else asked meanwhile has it.
        let strangers = std::iter::repeat_with(|| nix::pty::openpty(None, None).unwrap()).take(64);
        let _strangers = strangers.collect::<Vec<_>>();
        assert!(!is_meant(&users, &fs::metadata(&node).unwrap()));
    }

    #[test]
    fn a_name_that_changed_hands_while_it_was_opened_does_not_mean_what_was_opened() {
        let folder = tempfile::tempdir().unwrap();
        let [ours, other, name] = ["ours", "other", "name"].map(|file| folder.path().join(file));
        fs::write(&ours, "").unwrap();
        fs::write(&other, "").unwrap();
        symlink(&ours, &name).unwrap();
        assert!(is_meant(&name, &fs::metadata(&ours).unwrap()));
        assert!(!is_meant(&name, &fs::metadata(&other).unwrap()));
        let opened = fs::metadata(&ours).unwrap();
        fs::remove_file(&ours).unwrap();
        assert!(!is_meant(&name, &opened), "nothing is meant any more");
    }
}
