//! Whether what a file or a folder holds has changed.
//!
//! By looking every second, and at the contents: a dozen files of a few kilobytes, which costs less than it takes to
//! explain. Being told by the kernel (inotify) would mean to watch the folders *and* what their links lead to, since a
//! mounted ConfigMap or Secret is swapped by renaming the link `..data` while the files one watches never change; to
//! watch anew what was taken away and came back; and to have an instance at all, of which a node has 128 for all its
//! pods. It hears nothing of a network file system or of some bind mounts. Times and sizes would be read faster, but
//! two versions of a secret have the same length, and clocks have ticks. A change counts when two looks in a row agree
//! on it, so that what is half-written is not read.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

/// How long from one look to the next: a change is noticed after the second one.
const LOOK: Duration = Duration::from_secs(1);

/// What tells one content from another.
type Print = [u8; 32];
/// Of a content that could not be looked at, whatever it is.
const UNKNOWN: Print = [0; 32];

/// Files and folders, and what they held when that was last acted on.
#[derive(Debug, Clone)]
pub struct Files {
    known: BTreeMap<PathBuf, Print>,
    last: BTreeMap<PathBuf, Print>,
}

impl Files {
    /// These, as they are now.
    pub fn at(places: impl IntoIterator<Item = PathBuf>) -> Self {
        let known = prints(places);
        Self { last: known.clone(), known }
    }

    /// The same as they are now.
    pub fn read_anew(&self) -> Self {
        Self::at(self.known.keys().cloned())
    }

    /// These instead. What was among them before is as it was, so that a change since then will be told.
    pub fn replaced_by(self, places: impl IntoIterator<Item = PathBuf>) -> Self {
        let print = |place: &PathBuf| self.known.get(place).copied().unwrap_or_else(|| print_of(place));
        let known: BTreeMap<_, _> = places.into_iter().map(|place| (place.clone(), print(&place))).collect();
        Self { last: known.clone(), known }
    }

    /// Whether a place held the same when these and those were known.
    pub fn agree_on(&self, place: &Path, other: &Self) -> bool {
        self.known.get(place) == other.known.get(place)
    }

    /// Looks again. Says which have changed, each change once, when two looks have agreed on it.
    pub fn look(&mut self) -> BTreeSet<PathBuf> {
        self.compare(prints(self.known.keys().cloned()))
    }

    fn compare(&mut self, mut now: BTreeMap<PathBuf, Print>) -> BTreeSet<PathBuf> {
        for (place, print) in &mut now {
            if *print == UNKNOWN
                && let Some(known) = self.known.get(place)
            {
                *print = *known;
            }
        }
        let before = std::mem::replace(&mut self.last, now);
        if before != self.last || self.last == self.known {
            return BTreeSet::new();
        }
        let changed = self.last.iter().filter(|(place, print)| self.known.get(*place) != Some(print));
        let changed = changed.map(|(place, _)| place.clone()).collect();
        self.known.clone_from(&self.last);
        changed
    }

    /// Resolves when some have changed, with these. Nothing is lost when it is dropped before.
    pub async fn changed(&mut self) -> BTreeSet<PathBuf> {
        loop {
            tokio::time::sleep(LOOK).await;
            let places: Vec<_> = self.known.keys().cloned().collect();
            // A disk may take its time, and must not take that of the webhooks.
            let Ok(now) = tokio::task::spawn_blocking(|| prints(places)).await else { continue };
            let changed = self.compare(now);
            if !changed.is_empty() {
                return changed;
            }
        }
    }
}

fn prints(places: impl IntoIterator<Item = PathBuf>) -> BTreeMap<PathBuf, Print> {
    places.into_iter().map(|place| (place.clone(), print_of(&place))).collect()
}

fn print_of(place: &Path) -> Print {
    let mut print = Sha256::new();
    let entries = match std::fs::read_dir(place) {
        Ok(entries) => entries,
        Err(error) if is_trouble_of_ours(&error) => return UNKNOWN,
        Err(_no_folder) => return content_of(place),
    };
    let files: BTreeSet<_> = entries.flatten().map(|entry| entry.path()).filter(|path| matters(path)).collect();
    for file in files {
        let content = content_of(&file);
        if content == UNKNOWN {
            return UNKNOWN;
        }
        print.update(file.as_os_str().as_encoded_bytes());
        print.update(content);
    }
    print.finalize().into()
}

/// What is not there, or not for us, is a content of its own: it may have gone away, or come back. What is no file is
/// never read: a pipe would be emptied, or make us wait.
fn content_of(file: &Path) -> Print {
    let content =
        std::fs::metadata(file).and_then(|meta| if meta.is_file() { std::fs::read(file) } else { Ok(vec![]) });
    match content {
        Ok(content) => Sha256::digest(content).into(),
        Err(error) if is_trouble_of_ours(&error) => UNKNOWN,
        Err(error) => Sha256::digest(error.kind().to_string()).into(),
    }
}

/// Whether an error says nothing of the file: no descriptor is left, the disk does not answer.
fn is_trouble_of_ours(error: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound, PermissionDenied};
    !matches!(error.kind(), NotFound | PermissionDenied | NotADirectory | IsADirectory)
}

/// The files of a folder that a configuration is read from: the rest may be a database.
fn matters(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    !name.starts_with('.') && [".yaml", ".yml", ".md.j2"].iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// What is told by each of three looks.
    fn three_looks(files: &mut Files) -> [usize; 3] {
        [(); 3].map(|()| files.look().len())
    }

    #[test]
    fn a_change_is_told_once_when_two_looks_agree_on_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "one").unwrap();
        let mut files = Files::at([file.clone()]);
        assert_eq!(three_looks(&mut files), [0, 0, 0]);

        fs::write(&file, "tw").unwrap();
        assert_eq!(files.look().len(), 0);
        fs::write(&file, "two").unwrap();
        assert_eq!(three_looks(&mut files), [0, 1, 0], "what was half-written is not told");

        fs::write(&file, "two").unwrap();
        assert_eq!(three_looks(&mut files), [0, 0, 0], "the same again is no change");
        fs::remove_file(&file).unwrap();
        assert_eq!(three_looks(&mut files), [0, 1, 0]);
        fs::write(&file, "two").unwrap();
        assert_eq!(files.look(), BTreeSet::new());
        assert_eq!(files.look(), BTreeSet::from([file]));
    }

    #[test]
    fn a_mounted_volume_that_is_swapped_by_its_link_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path();
        let publish = |version: &str, text: &str| {
            // As the kubelet's atomic writer does it: a new folder, then one rename of the link to it.
            fs::create_dir(volume.join(version)).unwrap();
            fs::write(volume.join(version).join("relay.yaml"), text).unwrap();
            symlink(version, volume.join("..data_tmp")).unwrap();
            fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
        };
        publish("..2026_11_21_1", "retry: {}");
        symlink("..data/relay.yaml", volume.join("relay.yaml")).unwrap();
        let mut by_folder = Files::at([volume.to_owned()]);
        let mut by_file = Files::at([volume.join("relay.yaml")]);

        publish("..2026_11_21_2", "retry: []");

        assert_eq!(three_looks(&mut by_folder), [0, 1, 0]);
        assert_eq!(three_looks(&mut by_file), [0, 1, 0]);
    }

    #[test]
    fn what_cannot_be_looked_at_is_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "one").unwrap();
        let mut files = Files::at([file.clone()]);
        for _ in 0..3 {
            assert_eq!(files.compare(BTreeMap::from([(file.clone(), UNKNOWN)])), BTreeSet::new());
        }
        let no_descriptor = io::Error::from_raw_os_error(24);
        assert!(is_trouble_of_ours(&no_descriptor), "{no_descriptor}");
        assert!(!is_trouble_of_ours(&fs::read(folder.path().join("gone")).unwrap_err()));
    }

    #[test]
    fn of_a_folder_only_what_a_configuration_is_read_from_counts() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::at([folder.path().to_owned()]);
        for name in ["relay.db", ".hidden.yaml", "notes.txt"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        assert_eq!(three_looks(&mut files), [0, 0, 0]);
        fs::write(folder.path().join("mine.md.j2"), "x").unwrap();
        assert_eq!(three_looks(&mut files), [0, 1, 0]);
    }
}
