//! Where a model lies among the gateway's, and how another one takes its place. A cut at any moment leaves a whole model under
//! its name, and the next activation clears up behind it.
//!
//! 1. The model that comes is copied whole beside the one in place, as `.ID.coming`, with a note inside that it never was there.
//! 2. The two names are exchanged at once; `.ID.coming` now holds the one before, which has no such note.
//! 3. Taken, that becomes `.ID.former`, and the former before it goes. Refused, the names are exchanged again, and what came is
//!    removed; an older `.ID.former` was never touched.
//!
//! Names that begin with a dot are read by nobody.

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, Flock, FlockArg, RenameFlags, renameat2},
};
use openssl::sha::sha256;
use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

/// In a folder that has not been in place yet.
const NOTE: &str = ".coming";

pub(super) struct Place {
    models: PathBuf,
    own: PathBuf,
    coming: PathBuf,
    former: PathBuf,
    /// What is being removed: a folder that is half gone must not look like anything else.
    gone: PathBuf,
    lock: PathBuf,
}

impl Place {
    pub(super) fn of(models: &Path, id: &str) -> Self {
        let [coming, former, gone, lock] =
            ["coming", "former", "gone", "lock"].map(|what| models.join(format!(".{id}.{what}")));
        Self { models: models.to_owned(), own: models.join(id), coming, former, gone, lock }
    }

    /// For one activation at a time, from before [`Self::take`] until it is known how it came out: a second one would take what the
    /// first has laid for a remnant. `None` while another one is under way. It ends with the process too.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn alone(&self) -> io::Result<Option<Flock<File>>> {
        fs::create_dir_all(&self.models)?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&self.lock)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(lock)),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(errno.into()),
        }
    }

    /// Whether a model lies in place.
    pub(super) fn has_one(&self) -> bool {
        self.own.exists()
    }

    /// Puts the model in place, unless it lies there already; whether anything was changed. [`Self::keep`] or
    /// [`Self::put_back`] has to follow. `tried` is the SHA-256 of the manifest that passed its trial, lower-case hex.
    ///
    /// # Errors
    /// The disk's, or that the source became another model meanwhile; the one before is in place then.
    pub(super) fn take(&self, source: &Path, files: &[&str], tried: &str) -> io::Result<bool> {
        self.clear_up()?;
        if self.own.exists() && fs::canonicalize(source)? == fs::canonicalize(&self.own)? {
            return Ok(false);
        }
        self.lay(source, files)?;
        let laid = hex::encode(sha256(&fs::read(self.coming.join("manifest.toml"))?));
        if laid != tried {
            self.away(&self.coming)?;
            return Err(io::Error::other("its manifest became another one after its trial; activate it once more"));
        }
        self.exchange()?;
        if let Err(fault) = self.sync() {
            self.undo()?;
            return Err(fault);
        }
        Ok(true)
    }

    /// Back to before [`Self::exchange`], without a word to the disk.
    fn undo(&self) -> io::Result<()> {
        if self.coming.exists() { self.exchange() } else { fs::rename(&self.own, &self.coming) }
    }

    /// What an activation that was cut off left behind: a copy that never was in place goes, a model that was is kept.
    fn clear_up(&self) -> io::Result<()> {
        remove(&self.gone)?;
        if !self.coming.exists() {
            return unmark(&self.own);
        }
        let was_in_place = self.coming.join("manifest.toml").exists() && !self.coming.join(NOTE).exists();
        if was_in_place { self.keep() } else { self.away(&self.coming) }
    }

    /// Removes a folder, if it is there. A cut in the middle leaves nothing half removed under its name.
    fn away(&self, folder: &Path) -> io::Result<()> {
        remove(&self.gone)?;
        gone(fs::rename(folder, &self.gone))?;
        remove(&self.gone)
    }

    fn lay(&self, source: &Path, files: &[&str]) -> io::Result<()> {
        fs::create_dir_all(&self.coming)?;
        // On the disk before anything else of it.
        File::create(self.coming.join(NOTE))?.sync_all()?;
        File::open(&self.coming)?.sync_all()?;
        for file in files {
            let (from, to) = (source.join(file), self.coming.join(file));
            let folder = to.parent().unwrap_or(&self.coming);
            fs::create_dir_all(folder)?;
            fs::copy(&from, &to)?;
            File::open(&to)?.sync_all()?;
            File::open(folder)?.sync_all()?;
        }
        File::open(&self.coming)?.sync_all()
    }

    fn exchange(&self) -> io::Result<()> {
        if self.own.exists() {
            let swapped = renameat2(AT_FDCWD, &self.coming, AT_FDCWD, &self.own, RenameFlags::RENAME_EXCHANGE);
            swapped.map_err(|errno| match errno {
                Errno::EINVAL | Errno::ENOSYS => io::Error::new(
                    io::ErrorKind::Unsupported,
                    "its file system cannot exchange two folders at once; keep the models on a local one (ext4, xfs, btrfs)",
                ),
                other => other.into(),
            })?;
        } else {
            fs::rename(&self.coming, &self.own)?;
        }
        Ok(())
    }

    /// The model that came stays; the one before becomes the former.
    ///
    /// # Errors
    /// The disk's; the next activation does what is left.
    pub(super) fn keep(&self) -> io::Result<()> {
        unmark(&self.own)?;
        if self.coming.exists() {
            self.away(&self.former)?;
            fs::rename(&self.coming, &self.former)?;
        }
        self.sync()
    }

    /// The one before is in place again; what came goes.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn put_back(&self) -> io::Result<()> {
        if !self.coming.exists() {
            self.away(&self.own)?;
            return self.sync();
        }
        self.exchange()?;
        self.sync()?;
        self.away(&self.coming)
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.models)?.sync_all()
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    gone(fs::remove_dir_all(folder))
}

fn unmark(folder: &Path) -> io::Result<()> {
    gone(fs::remove_file(folder.join(NOTE)))
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const FILES: [&str; 2] = ["manifest.toml", "golden/a.png"];

    fn model(at: &Path, version: &str) {
        fs::create_dir_all(at.join("golden")).unwrap();
        for file in FILES {
            fs::write(at.join(file), version).unwrap();
        }
    }

    /// Of its manifest.
    fn pin(model: &Path) -> String {
        hex::encode(sha256(&fs::read(model.join(FILES[0])).unwrap()))
    }

    /// Its version, if it is whole.
    fn whole(at: &Path) -> Option<String> {
        let read = FILES.map(|file| fs::read_to_string(at.join(file)).ok());
        let [Some(one), Some(other)] = read else { return None };
        (one == other).then_some(one)
    }

    /// Version 2 in place, 1 its former, 3 about to come.
    fn salon() -> (TempDir, Place, PathBuf) {
        let folder = TempDir::new().unwrap();
        let models = folder.path().join("models");
        let source = folder.path().join("source");
        let place = Place::of(&models, "pores");
        for (at, version) in [(&place.own, "2"), (&place.former, "1"), (&source, "3")] {
            model(at, version);
        }
        (folder, place, source)
    }

    /// Of the one in place and of the former.
    type Versions = [Option<String>; 2];

    fn versions(place: &Place) -> Versions {
        [whole(&place.own), whole(&place.former)]
    }

    fn are(own: &str, former: &str) -> Versions {
        [Some(own.to_owned()), Some(former.to_owned())]
    }

    /// Between two renames there was no model at all, and whoever started the gateway then measured nothing.
    #[test]
    fn a_cut_between_any_two_steps_leaves_a_whole_model_and_the_next_activation_clears_up() {
        type Steps = fn(&Place, &Path);
        let cuts: [(&str, Steps, Versions, Versions); 7] = [
            ("before the note", |place, _| fs::create_dir_all(&place.coming).unwrap(), are("2", "1"), are("4", "2")),
            (
                "in the middle of the copy",
                |place, source| {
                    fs::create_dir_all(&place.coming).unwrap();
                    fs::write(place.coming.join(NOTE), "").unwrap();
                    fs::copy(source.join(FILES[0]), place.coming.join(FILES[0])).unwrap();
                },
                are("2", "1"),
                are("4", "2"),
            ),
            ("after the copy", |place, source| place.lay(source, &FILES).unwrap(), are("2", "1"), are("4", "2")),
            (
                "after the exchange",
                |place, source| {
                    place.lay(source, &FILES).unwrap();
                    place.exchange().unwrap();
                },
                are("3", "1"),
                are("4", "3"),
            ),
            (
                "once the former is gone",
                |place, source| {
                    place.take(source, &FILES, &pin(source)).unwrap();
                    unmark(&place.own).unwrap();
                    remove(&place.former).unwrap();
                },
                [Some("3".to_owned()), None],
                are("4", "3"),
            ),
            (
                "when it was put back and not yet removed",
                |place, source| {
                    place.take(source, &FILES, &pin(source)).unwrap();
                    place.exchange().unwrap();
                },
                are("2", "1"),
                are("4", "2"),
            ),
            (
                "after all of it",
                |place, source| {
                    place.take(source, &FILES, &pin(source)).unwrap();
                    place.keep().unwrap();
                },
                are("3", "2"),
                are("4", "3"),
            ),
        ];
        for (when, steps, then, next) in cuts {
            let (folder, place, source) = salon();
            steps(&place, &source);
            assert_eq!(versions(&place), then, "{when}");
            let later = folder.path().join("later");
            model(&later, "4");
            assert!(place.take(&later, &FILES, &pin(&later)).unwrap(), "{when}");
            place.keep().unwrap();
            assert_eq!(versions(&place), next, "{when}");
            assert!(!place.coming.exists() && !place.own.join(NOTE).exists(), "{when}");
        }
    }

    /// A refused model used to take the former one with it.
    #[test]
    fn a_refused_model_leaves_everything_as_it_was() {
        let (_folder, place, source) = salon();
        assert!(place.take(&source, &FILES, &pin(&source)).unwrap());
        assert_eq!(versions(&place), are("3", "1"), "in place while the gateway tries it");
        place.put_back().unwrap();
        assert_eq!(versions(&place), are("2", "1"));
        assert!(!place.coming.exists());
    }

    /// Two activations of one model each took what the other had laid for a remnant; the second removed the model in place.
    #[test]
    fn a_second_activation_is_kept_out_while_the_first_is_under_way() {
        let (_folder, place, _) = salon();
        let first = place.alone().unwrap();
        assert!(first.is_some());
        let second = Place::of(&place.models, "pores");
        assert!(second.alone().unwrap().is_none());
        assert!(Place::of(&place.models, "spots").alone().unwrap().is_some(), "another model is another matter");
        drop(first);
        assert!(second.alone().unwrap().is_some());
    }

    /// What had passed its trial and what was laid in place could be two models: the source was exchanged between the two.
    #[test]
    fn what_was_not_tried_is_not_put_in_place() {
        let (_folder, place, source) = salon();
        let tried = pin(&source);
        model(&source, "4");
        let refused = place.take(&source, &FILES, &tried).unwrap_err().to_string();
        assert!(refused.contains("activate it once more"), "{refused}");
        assert_eq!(versions(&place), are("2", "1"));
        assert!(!place.coming.exists() && !place.gone.exists());
    }

    /// Where the disk refused to promise the exchange, it was told as failed, and the folders stayed exchanged.
    #[test]
    fn an_exchange_that_is_told_as_failed_is_undone() {
        let (_folder, place, source) = salon();
        for place in [&place, &Place::of(&place.models, "spots")] {
            let before = versions(place);
            place.lay(&source, &FILES).unwrap();
            place.exchange().unwrap();
            place.undo().unwrap();
            assert_eq!(versions(place), before);
            assert!(place.coming.join(NOTE).exists(), "the next activation clears it up");
        }
    }

    #[test]
    fn the_first_one_of_its_name_and_the_one_that_lies_there() {
        let (_folder, place, source) = salon();
        let first = Place::of(&place.models, "spots");
        assert!(first.take(&source, &FILES, &pin(&source)).unwrap());
        first.put_back().unwrap();
        assert!(!first.own.exists(), "refused, it is gone");
        assert!(first.take(&source, &FILES, &pin(&source)).unwrap());
        first.keep().unwrap();
        assert_eq!(versions(&first), [Some("3".to_owned()), None]);
        assert!(!first.take(&first.own, &FILES, &pin(&first.own)).unwrap(), "it lies there already");
        assert!(place.take(&place.former, &FILES, &pin(&place.former)).unwrap(), "back to the former");
        place.keep().unwrap();
        assert_eq!(versions(&place), are("1", "2"));
    }
}
