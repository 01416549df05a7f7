//! A disk that forgets: what would be left of a folder if the power failed at some moment of a trace.
//!
//! What is assumed, and no more:
//! - A file's change (a write, a new length) is durable once a sync of the file has *finished* that began after the
//!   change had ended. Until then it may be there, be gone, or be there in some of its sectors of 512 bytes.
//! - A name is durable once a sync of its *folder* has finished; a sync of the file does not count, although most file
//!   systems would let it. A folder that was made is a name in its parent too.
//! - A change that was not synced does not wait for the ones before it: later ones may be there without earlier ones.
//! - A sync that fails has lost what it should have written, and no later one brings it back: the kernel calls such
//!   pages clean, while whoever reads the file still sees them.
//! - A process that is killed takes nothing with it: what it wrote waits for a sync of whoever comes next.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use fastrand::Rng;

use crate::trace::{Call, Moment, Trace, What};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;
/// The length of what stands before the first frame of SQLite's log.
const LOG_HEADER: usize = 32;

/// Which syncs the disk believes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syncs {
    /// All of them.
    AsTraced,
    /// Only those that SQLite would have made with `synchronous=normal`: of the log only when it begins anew and before
    /// a checkpoint, where a second sync follows the one of the last commit.
    AsIfNormal,
}

/// A disk under a trace.
pub struct Disk<'t> {
    root: PathBuf,
    syncs: Syncs,
    /// Beginnings and ends of calls that are still to come, the next one last.
    to_come: Vec<(Moment, &'t Call)>,
    inodes: Vec<Inode<'t>>,
    names: BTreeMap<&'t Path, Name>,
    /// What the syncs cover that have begun and not ended, by their beginning.
    syncing: HashMap<Moment, Covered<'t>>,
}

#[derive(Default)]
struct Inode<'t> {
    is_folder: bool,
    durable: Vec<u8>,
    pending: VecDeque<&'t Call>,
    /// How many changes have left `pending`.
    settled: usize,
    /// Whether something was written since the last sync, believed or not.
    touched: bool,
}

/// What a name stands for; `None`: nothing.
#[derive(Default)]
struct Name {
    durable: Option<usize>,
    pending: Vec<Option<usize>>,
}

enum Covered<'t> {
    /// The changes of an inode before this one.
    Changes(usize, usize),
    /// So many of the pending changes of each of these names.
    Names(Vec<(&'t Path, usize)>),
}

/// What happens to that which was not synced.
#[derive(Clone, Copy)]
enum Fate {
    Gone,
    Kept,
    /// Each change with this probability.
    Some(f64),
    /// Each sector with this probability.
    Torn(f64),
}

impl<'t> Disk<'t> {
    /// A disk before the first moment of a trace, with nothing in the folder `root`.
    pub fn before(trace: &'t Trace, root: &Path, syncs: Syncs) -> Self {
        let done = trace.calls.iter().filter(|call| !call.failed || matches!(call.what, What::Syncs(_)));
        let moments =
            done.flat_map(|call| [Some(call.began), call.ended].into_iter().flatten().map(move |at| (at, call)));
        let mut to_come: Vec<_> = moments.collect();
        to_come.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let (inodes, names, syncing) = Default::default();
        Self { root: root.to_owned(), syncs, to_come, inodes, names, syncing }
    }

    /// Lets everything happen up to a moment.
    pub fn advance(&mut self, until: Moment) {
        while let Some((at, call)) = self.to_come.pop_if(|(at, _)| *at <= until) {
            match (&call.what, at == call.began) {
                (What::Syncs(path), true) => self.sync_begins(path, at),
                (What::Syncs(_), false) => self.sync_ends(call),
                (_, true) => self.change(call),
                (_, false) => {}
            }
        }
    }

    fn change(&mut self, call: &'t Call) {
        match &call.what {
            What::MakesFolder(path) => self.make(path, true),
            What::MakesFile(path) if self.now(path).is_none() => self.make(path, false),
            What::Removes(path) => self.names.entry(path).or_default().pending.push(None),
            What::Writes { file, .. } | What::Cuts { file, .. } => {
                let inode = self.now(file).unwrap();
                self.inodes[inode].pending.push_back(call);
                self.inodes[inode].touched = true;
            }
            What::MakesFile(_) | What::Syncs(_) | What::Sends(_) => {}
        }
    }

    fn make(&mut self, path: &'t Path, is_folder: bool) {
        self.inodes.push(Inode { is_folder, ..Inode::default() });
        self.names.entry(path).or_default().pending.push(Some(self.inodes.len() - 1));
    }

    fn now(&self, path: &Path) -> Option<usize> {
        self.names.get(path).and_then(Name::now)
    }

    fn sync_begins(&mut self, path: &Path, now: Moment) {
        let inode = self.now(path).filter(|inode| !self.inodes[*inode].is_folder);
        let covered = if let Some(inode) = inode {
            let it = &mut self.inodes[inode];
            let believed = self.syncs == Syncs::AsTraced || !is_log(path) || it.would_be_synced_by_normal();
            it.touched = false;
            if !believed {
                return;
            }
            Covered::Changes(inode, it.settled + it.ended(now))
        } else {
            let names = self.names.iter().filter(|(name, _)| name.parent() == Some(path));
            Covered::Names(names.map(|(path, name)| (*path, name.pending.len())).collect())
        };
        self.syncing.insert(now, covered);
    }

    fn sync_ends(&mut self, call: &Call) {
        match self.syncing.remove(&call.began) {
            Some(Covered::Changes(inode, until)) => self.inodes[inode].settle(until, call.failed),
            Some(Covered::Names(names)) if !call.failed => {
                for (path, count) in names {
                    let name = self.names.get_mut(path).unwrap();
                    name.durable = name.pending.drain(..count).next_back().unwrap_or(name.durable);
                }
            }
            Some(Covered::Names(_)) | None => {}
        }
    }

    /// Puts into the folder `target` what is left if the power fails now.
    pub fn fail(&self, target: &Path, rng: &mut Rng) {
        let fate = Fate::any(rng);
        let mut there = vec![self.root.as_path()];
        for (path, name) in &self.names {
            // In order of their names a folder comes before what is in it.
            let Some(inode) = name.left(fate, rng).filter(|_| there.contains(&path.parent().unwrap())) else {
                continue;
            };
            there.push(path);
            let (target, inode) = (target.join(path.strip_prefix(&self.root).unwrap()), &self.inodes[inode]);
            if inode.is_folder {
                fs::create_dir(target).unwrap();
            } else if !is_scratch(path) {
                fs::write(target, inode.left(fate, rng)).unwrap();
            }
        }
    }

    /// The files of which the real folder says something else than this disk would if nothing were lost. If there are
    /// any, the trace has missed something.
    pub fn at_odds_with_the_real_one(&self) -> Vec<&Path> {
        let at_odds = |path: &Path, name: &Name| {
            let inode = name.now().map(|inode| &self.inodes[inode]).filter(|inode| !inode.is_folder);
            !is_scratch(path) && inode.map(|inode| inode.left(Fate::Kept, &mut Rng::new())) != fs::read(path).ok()
        };
        self.names.iter().filter(|(path, name)| at_odds(path, name)).map(|(path, _)| *path).collect()
    }
}

impl<'t> Inode<'t> {
    /// How many of the pending changes had ended before `now`, none of those before them being under way.
    fn ended(&self, now: Moment) -> usize {
        self.pending.iter().take_while(|change| change.ended.is_some_and(|ended| ended < now)).count()
    }

    fn would_be_synced_by_normal(&self) -> bool {
        let begins_anew =
            |call: &&Call| matches!(&call.what, What::Writes { at: 0, bytes, .. } if bytes.len() == LOG_HEADER);
        !self.touched || self.pending.back().is_some_and(begins_anew)
    }

    /// A sync of the changes before `until` is over.
    fn settle(&mut self, until: usize, failed: bool) {
        while self.settled < until {
            let Some(change) = self.pending.pop_front() else { return };
            self.settled += 1;
            if !failed {
                apply(&mut self.durable, change, || true);
            }
        }
    }

    fn left(&self, fate: Fate, rng: &mut Rng) -> Vec<u8> {
        let mut left = self.durable.clone();
        for change in &self.pending {
            if fate.keeps_change(rng) {
                apply(&mut left, change, || fate.keeps_sector(rng));
            }
        }
        left
    }
}

impl Name {
    fn now(&self) -> Option<usize> {
        self.pending.last().copied().unwrap_or(self.durable)
    }

    fn left(&self, fate: Fate, rng: &mut Rng) -> Option<usize> {
        let kept = self.pending.iter().rev().find(|_| fate.keeps_change(rng));
        kept.copied().unwrap_or(self.durable)
    }
}

impl Fate {
    fn any(rng: &mut Rng) -> Self {
        let chance = rng.choice([0.1, 0.5, 0.9]).unwrap_or_default();
        rng.choice([Self::Gone, Self::Kept, Self::Some(chance), Self::Torn(chance)]).unwrap_or(Self::Gone)
    }

    fn keeps_change(self, rng: &mut Rng) -> bool {
        match self {
            Self::Gone => false,
            Self::Kept | Self::Torn(_) => true,
            Self::Some(chance) => rng.f64() < chance,
        }
    }

    fn keeps_sector(self, rng: &mut Rng) -> bool {
        match self {
            Self::Torn(chance) => rng.f64() < chance,
            Self::Gone | Self::Kept | Self::Some(_) => true,
        }
    }
}

/// Writes a change into a file's bytes, sector by sector; a new length counts as one.
fn apply(file: &mut Vec<u8>, change: &Call, mut keeps: impl FnMut() -> bool) {
    match &change.what {
        What::Cuts { to, .. } if keeps() => file.resize(*to, 0),
        What::Writes { at, bytes, .. } => {
            let mut from = *at;
            while from < at + bytes.len() {
                let to = ((from / SECTOR + 1) * SECTOR).min(at + bytes.len());
                if keeps() {
                    file.resize(file.len().max(to), 0);
                    file[from..to].copy_from_slice(&bytes[from - at..to - at]);
                }
                from = to;
            }
        }
        _ => {}
    }
}

fn is_log(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"-wal")
}

/// The log's index is made anew by whoever opens the database first after a crash, and the lock file holds nothing.
fn is_scratch(path: &Path) -> bool {
    let name = path.as_os_str().as_encoded_bytes();
    name.ends_with(b"-shm") || name.ends_with(b".lock")
}
