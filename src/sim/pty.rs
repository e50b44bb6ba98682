//! A pseudo-terminal with a fixed name, as the end of a cable: the gateway opens the name like any serial port.
//!
//! When the gateway closes it, the terminal is replaced by a fresh one under the same name: nothing of the old conversation,
//! neither bytes nor an exclusive lock, is left over.

use nix::{
    fcntl::OFlag,
    pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt},
    sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr},
};
use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};
use tokio::io::unix::AsyncFd;

/// The device's end; the name disappears when it is dropped, as a node does when the plug is pulled.
#[derive(Debug)]
pub(super) struct Pty {
    master: AsyncFd<PtyMaster>,
    name: PathBuf,
    node: String,
}

impl Pty {
    /// Opens a terminal and makes `name` a link to it, replacing a link that is there.
    pub(super) fn open(name: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(name).is_ok_and(|there| !there.is_symlink()) {
            let what = format!("{} is there and is no link; name another place for the port", name.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
        }
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        // Raw, so that neither echo nor line editing touches the bytes before the gateway has opened it.
        let mut settings = tcgetattr(&master)?;
        cfmakeraw(&mut settings);
        tcsetattr(&master, SetArg::TCSANOW, &settings)?;
        let node = ptsname_r(&master)?;
        let new = name.with_extension(format!("new-{}", std::process::id()));
        let _ = fs::remove_file(&new);
        symlink(&node, &new)?;
        fs::rename(&new, name)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe: the descriptor must stay the same, and a PtyMaster's does"
        )]
        let master = AsyncFd::new(master)?;
        Ok(Self { master, name: name.to_owned(), node })
    }

    /// Waits for bytes; an error when the other side has closed, though it may have opened again since. Cancel-safe.
    pub(super) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.master.readable().await?;
            let closed = ready.ready().is_read_closed();
            match ready.try_io(|master| master.get_ref().read(buffer)) {
                Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(result) => return result,
                // That it was closed once stays known for ever: to wait on would be to turn in a circle.
                Err(_would_block) if closed => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(_would_block) => {}
            }
        }
    }

    /// Sends what the line takes now; the rest is lost, as on a line nobody reads.
    pub(super) fn write(&self, bytes: &[u8]) {
        let _ = self.master.get_ref().write(bytes);
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        if fs::read_link(&self.name).is_ok_and(|target| target == Path::new(&self.node)) {
            let _ = fs::remove_file(&self.name);
        }
    }
}
