//! Tells when something may have been plugged in: a node or a stable name has appeared under `/dev`, or its rights changed.
//!
//! Does not say what it was, nor look: whoever misses a device looks then ([`super::discovery`]). Waiting costs nothing, so
//! a missing device need not be looked for over and over. By inotify and not by the kernel's netlink, since udev's links and
//! rights come after the kernel's own message, and a link to a simulated port counts as well.
//!
//! Folders that are not there yet (udev removes `by-id` with the last device) are watched as soon as they appear.

use nix::{
    errno::Errno,
    sys::inotify::{AddWatchFlags, InitFlags, Inotify},
};
use std::{
    collections::BTreeSet,
    io,
    os::fd::{AsFd, AsRawFd, RawFd},
    path::PathBuf,
    time::Duration,
};
use tokio::{io::unix::AsyncFd, sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

/// udev makes a node, its links and its rights within this; one look after all of them does.
const SETTLES: Duration = Duration::from_millis(50);

/// Events of the same second are one: a busy folder must not keep anyone looking.
const AT_MOST_EVERY: Duration = Duration::from_millis(150);

/// How often to look where nothing is told.
const UNWATCHED: Duration = Duration::from_millis(400);

/// Whether anything has been plugged in since it was last looked at. Cheap to clone; each clone looks for itself.
#[derive(Debug, Clone)]
pub struct Plugged(watch::Receiver<u64>);

impl Plugged {
    /// Waits until something may have been plugged in since this was last waited for, at most for `limit`; says whether
    /// something was. Where nobody watches any more, the clock wakes more often instead.
    pub async fn changed(&mut self, limit: Duration) -> bool {
        let change = async {
            let told = self.0.changed().await.is_ok();
            if !told {
                sleep(limit.min(UNWATCHED)).await;
            }
            told
        };
        tokio::select! {
            told = change => told,
            () = sleep(limit) => false,
        }
    }
}

/// Watches folders, to be run.
#[derive(Debug)]
pub struct Watcher {
    inotify: AsyncFd<Watched>,
    folders: BTreeSet<PathBuf>,
    tell: watch::Sender<u64>,
}

/// An inotify instance, as the reactor wants it.
#[derive(Debug)]
struct Watched(Inotify);

impl AsRawFd for Watched {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Watcher {
    /// Watches `folders`, whether they are there or not.
    ///
    /// # Errors
    /// Where the machine has no inotify instance left for this user.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> io::Result<(Plugged, Self)> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe: the descriptor must stay the same, and an Inotify's does"
        )]
        let inotify = AsyncFd::new(Watched(inotify))?;
        let (tell, seen) = watch::channel(0);
        let watcher = Self { inotify, folders: folders.into_iter().collect(), tell };
        watcher.look_after_all();
        Ok((Plugged(seen), watcher))
    }

    /// Tells until `stop`.
    ///
    /// # Errors
    /// Where the kernel refuses to be read; what is missing is then looked for by the clock alone.
    pub async fn run(self, stop: CancellationToken) -> io::Result<()> {
        loop {
            let events = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                ready = self.inotify.readable() => {
                    let mut ready = ready?;
                    ready.try_io(|inotify| inotify.get_ref().0.read_events().map_err(io::Error::from))
                }
            };
            match events {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => continue,
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = sleep(SETTLES) => {}
            }
            // First watched, then told: what appears in between is seen by whoever looks.
            self.look_after_all();
            self.tell.send_modify(|count| *count += 1);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = sleep(AT_MOST_EVERY) => {}
            }
        }
    }

    /// Adding a folder that is watched changes nothing; one that came back is watched anew.
    fn look_after_all(&self) {
        let what = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_ONLYDIR
            | AddWatchFlags::IN_DELETE_SELF;
        for folder in &self.folders {
            match self.inotify.get_ref().0.add_watch(folder, what) {
                Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES) => {}
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "cannot be watched; looked at by the clock")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tokio::time::{Instant, timeout};

    async fn told(plugged: &mut Plugged) -> Duration {
        let begun = Instant::now();
        timeout(Duration::from_secs(5), plugged.changed(Duration::from_secs(60))).await.expect("told within the limit");
        begun.elapsed()
    }

    #[tokio::test]
    async fn a_name_that_appears_is_told_also_in_a_folder_that_was_not_there() {
        let dev = tempfile::tempdir().unwrap();
        let by_id = dev.path().join("serial/by-id");
        let folders = [dev.path().to_owned(), dev.path().join("serial"), by_id.clone()];
        let (mut plugged, watcher) = Watcher::new(folders).unwrap();
        let stop = CancellationToken::new();
        let story = async {
            fs::write(dev.path().join("ttyUSB0"), "").unwrap();
            told(&mut plugged).await;
            fs::create_dir_all(&by_id).unwrap();
            told(&mut plugged).await;
            // Whoever looks between the two tellings sees the folder; the watch on it is there by then.
            fs::write(by_id.join("usb-probe"), "").unwrap();
            let after = told(&mut plugged).await;
            assert!(after < Duration::from_secs(1), "told after {after:?}");
            fs::remove_dir_all(dev.path().join("serial")).unwrap();
            fs::create_dir_all(&by_id).unwrap();
            told(&mut plugged).await;
            stop.cancel();
        };
        let (ended, ()) = tokio::join!(watcher.run(stop.clone()), story);
        ended.unwrap();
    }

    #[tokio::test]
    async fn without_a_watcher_the_clock_wakes() {
        let (mut plugged, watcher) = Watcher::new([]).unwrap();
        drop(watcher);
        timeout(Duration::from_secs(5), plugged.changed(Duration::from_millis(20))).await.expect("woken");
    }
}
