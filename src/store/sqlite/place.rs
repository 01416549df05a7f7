//! Where the database lies: its folder, its files' modes, its lock, and how much room is left.
//!
//! One relay at a time uses a database. SQLite's own locks would let two take turns, and each would put back what the
//! other is sending; so a lock file beside it is held as long as the database is open. The kernel drops the lock
//! when the process ends, however it ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::store::sqlite::opening::OpenError;

/// Below so many free bytes nothing new is accepted, so that what is under way can still be finished.
pub(super) const FLOOR: u64 = 16 * 1024 * 1024;

/// Readable and writable by the owner alone: payloads are nobody else's business.
const PRIVATE: u32 = 0o600;

/// File systems that other machines may write to: SQLite's log needs memory shared between all who open it.
const NETWORK: [&str; 17] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "davfs",
    "gfs2",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "smb",
    "smb2",
    "smb3",
    "sshfs",
];

/// A database's place, ours alone as long as this value lives.
#[derive(Debug)]
pub(super) struct Place {
    /// The database file; absolute.
    pub(super) path: PathBuf,
    _lock: File,
}

impl Place {
    /// Makes the folder if it is missing, takes the lock and sees to the files' modes.
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let path = absolute(path)?;
        refuse_network(&path)?;
        let lock = lock(&path)?;
        make_private(&path)?;
        Ok(Self { path, _lock: lock })
    }
}

/// How much room there is on the database's file system.
#[derive(Debug, Clone)]
pub(super) struct Room {
    folder: PathBuf,
    floor: u64,
}

impl Room {
    /// The room around a database, of which `floor` bytes must be free.
    pub(super) fn around(path: &Path, floor: u64) -> Self {
        Self { folder: path.parent().unwrap_or(path).to_owned(), floor }
    }

    /// Whether there is enough to take something new. A file system that does not say is believed to have room:
    /// SQLite will tell.
    pub(super) fn is_enough(&self) -> bool {
        fs4::statvfs(&self.folder).map_or(true, |disk| disk.total_space() == 0 || disk.available_space() >= self.floor)
    }
}

fn absolute(path: &Path) -> Result<PathBuf, OpenError> {
    let name = path.file_name().ok_or_else(|| OpenError::file(path, io::ErrorKind::IsADirectory.into()))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let in_folder = |source| OpenError::Folder { path: folder.to_owned(), source };
    make(folder).map_err(in_folder)?;
    let path = folder.canonicalize().map_err(in_folder)?.join(name);
    // Whoever comes through a link must meet the same lock.
    Ok(path.canonicalize().unwrap_or(path))
}

/// Makes a folder and what is missing above it. Each is a name in its parent, and a name outlives a power failure only
/// when the folder it stands in was synced (law 1): SQLite sees to that for its files, nobody does for their folder.
fn make(folder: &Path) -> io::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|it| !it.as_os_str().is_empty() && !it.exists()).collect();
    fs::create_dir_all(folder)?;
    let parents = missing.iter().filter_map(|made| made.parent());
    parents.map(|it| if it.as_os_str().is_empty() { Path::new(".") } else { it }).try_for_each(sync)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn refuse_network(path: &Path) -> Result<(), OpenError> {
    // Only Linux has this file; elsewhere nothing is known and nothing is refused.
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    match kind_of_mount(&mounts, path).filter(|kind| is_network(kind)) {
        Some(kind) => Err(OpenError::Network { path: path.to_owned(), kind: kind.to_owned() }),
        None => Ok(()),
    }
}

/// The file system type of the innermost mount point above `path`; of two at the same point the later one counts.
fn kind_of_mount<'m>(mounts: &'m str, path: &Path) -> Option<&'m str> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((unescaped(fields.next()?), fields.next()?))
        })
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind)
}

/// The kernel writes blanks of a mount point in octal (see getmntent(3)).
fn unescaped(point: &str) -> String {
    point.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

fn is_network(kind: &str) -> bool {
    NETWORK.contains(&kind.strip_prefix("fuse.").unwrap_or(kind))
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let lock = beside(path, ".lock");
    let file = private_file(&lock).map_err(|source| OpenError::file(&lock, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.to_owned(), lock }),
        Err(TryLockError::Error(source)) => Err(OpenError::file(&lock, source)),
    }
}

/// SQLite gives the log the mode of the database, so the database must be private before SQLite sees it.
fn make_private(path: &Path) -> Result<(), OpenError> {
    private_file(path).map_err(|source| OpenError::file(path, source))?;
    for file in [beside(path, "-wal"), beside(path, "-shm")] {
        if fs::symlink_metadata(&file).is_ok_and(|it| it.is_file()) {
            fs::set_permissions(&file, PermissionsExt::from_mode(PRIVATE))
                .map_err(|source| OpenError::file(&file, source))?;
        }
    }
    Ok(())
}

fn private_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(PRIVATE).open(path)?;
    if file.metadata()?.is_file() {
        file.set_permissions(PermissionsExt::from_mode(PRIVATE))?;
    }
    Ok(file)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
/dev/vda / ext4 rw 0 0
server:/x /srv/nfs nfs4 rw 0 0
/dev/vdb /srv/nfs/local xfs rw 0 0
host /mnt/two\\040words 9p rw 0 0
me@there: /home/me/there fuse.sshfs rw 0 0
/dev/fuse /run/user/1000/doc fuse.portal rw 0 0
";

    #[test]
    fn the_innermost_mount_decides_what_kind_of_file_system_it_is() {
        let kind = |path: &str| kind_of_mount(MOUNTS, Path::new(path));
        assert_eq!(kind("/var/lib/relay.db"), Some("ext4"));
        assert_eq!(kind("/srv/nfs/relay.db"), Some("nfs4"));
        assert_eq!(kind("/srv/nfs/local/relay.db"), Some("xfs"));
        assert_eq!(kind("/srv/nfs-not/relay.db"), Some("ext4"));
        assert_eq!(kind("/mnt/two words/relay.db"), Some("9p"));
    }

    #[test]
    fn file_systems_of_other_machines_are_refused_and_local_ones_are_not() {
        for kind in ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph"] {
            assert!(is_network(kind), "{kind}");
        }
        for kind in ["ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs", "fuse.portal", "virtiofs"] {
            assert!(!is_network(kind), "{kind}");
        }
    }

    #[test]
    fn a_file_that_others_could_read_is_made_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("relay.db");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        let place = Place::take(&path).unwrap();
        assert_eq!(fs::metadata(&place.path).unwrap().permissions().mode() & 0o777, PRIVATE);
    }
}
