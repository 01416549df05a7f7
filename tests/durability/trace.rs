//! What a process did, read from the lines of `strace -f -y -xx`: every call that changes a file of one folder, and
//! every answer that it sends.
//!
//! Strace writes a call's arguments before the kernel sees it, and its result before the process goes on. So the order
//! of the lines is sound in the direction that counts: a sync whose end stands above the beginning of an answer was
//! finished before a byte of that answer left. A call that may change a file and that this file does not understand
//! ends the test: a proof that overlooks something proves nothing. Writes through a memory map are invisible, so a map
//! of anything but SQLite's index of its log (`-shm`, which is made anew after a crash) ends the test too.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// What strace is told: follow threads, name descriptors, everything in hexadecimal, whole pages, and every call that
/// can change a file's bytes, length or name (`?`: not every processor's kernel has it). A filter inside the kernel
/// keeps all others at full speed.
pub const TRACED: [&str; 9] = [
    "-f",
    "-qq",
    "-y",
    "-xx",
    "-s",
    "16384",
    "--seccomp-bpf",
    "-e",
    "trace=execve,?open,openat,openat2,?creat,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,sendmmsg,fsync,\
     fdatasync,sync_file_range,ftruncate,truncate,fallocate,copy_file_range,sendfile,splice,?mkdir,mkdirat,?rmdir,\
     ?unlink,unlinkat,?rename,?renameat,renameat2,?link,linkat,?symlink,symlinkat,mmap,io_uring_setup",
];

/// A point in time: every line has two, its call's beginning and its end (where it stands on one line).
pub type Moment = usize;

/// One call.
#[derive(Debug)]
pub struct Call {
    /// When the kernel was asked.
    pub began: Moment,
    /// When it had answered; `None` if the process was gone before.
    pub ended: Option<Moment>,
    /// Whether the answer was an error.
    pub failed: bool,
    /// What was asked.
    pub what: What,
}

/// What a call does.
#[derive(Debug)]
pub enum What {
    /// Makes a folder.
    MakesFolder(PathBuf),
    /// Makes a file, unless it is there.
    MakesFile(PathBuf),
    /// Writes bytes at an offset.
    Writes { file: PathBuf, at: usize, bytes: Vec<u8> },
    /// Makes a file this long.
    Cuts { file: PathBuf, to: usize },
    /// Syncs a file or a folder.
    Syncs(PathBuf),
    /// Takes a name away.
    Removes(PathBuf),
    /// Writes to a socket.
    Sends(Vec<u8>),
}

/// The calls of one or several runs, in the order in which they began.
#[derive(Debug, Default)]
pub struct Trace {
    pub calls: Vec<Call>,
    /// The moment after the last one.
    pub end: Moment,
}

impl Trace {
    /// Adds a run: what it did in `folder` (and with it: its making), and what it sent.
    pub fn read(&mut self, file: &Path, folder: &Path) {
        let mut under_way = HashMap::new();
        for line in BufReader::new(File::open(file).unwrap()).lines() {
            self.line(&line.unwrap(), folder, &mut under_way);
            self.end += 2;
        }
        let unsettled = self.calls.iter_mut().filter(|call| call.ended.is_none() && !call.failed);
        unsettled.for_each(|call| call.settle(self.end));
    }

    fn line(&mut self, line: &str, folder: &Path, under_way: &mut HashMap<String, Option<usize>>) {
        let (pid, line) = line.split_once(' ').unwrap();
        let line = line.trim_start();
        if line.starts_with("---") || line.starts_with("+++") {
            return;
        }
        if let Some(rest) = line.strip_prefix("<... ") {
            let (_, rest) = rest.split_once(" resumed>").unwrap();
            if let Some(call) = under_way.remove(pid).unwrap() {
                self.end_of(call, rest);
            }
        } else if let Some((head, rest)) = line.split_once(" <unfinished ...>") {
            let call = self.begin(head, folder);
            if rest.is_empty() {
                under_way.insert(pid.to_owned(), call);
            }
        } else if let Some(call) = self.begin(line, folder) {
            self.end_of(call, line);
        }
    }

    fn begin(&mut self, line: &str, folder: &Path) -> Option<usize> {
        let what = What::read(line, folder)?;
        self.calls.push(Call { began: self.end, ended: None, failed: false, what });
        Some(self.calls.len() - 1)
    }

    fn end_of(&mut self, call: usize, line: &str) {
        let result = line.rsplit_once(" = ").unwrap().1;
        if result.starts_with('?') {
            return;
        }
        let call = &mut self.calls[call];
        call.ended = Some(self.end + 1);
        call.failed = result.starts_with('-');
        if let What::Writes { bytes, .. } = &mut call.what {
            // A disk that runs full takes a part.
            bytes.truncate(result.split(' ').next().unwrap().parse().unwrap_or(0));
        }
    }
}

impl Call {
    /// A process that was killed inside a call has no answer. How far it got is seen in the file: nobody else writes to
    /// it. A sync stays unfinished, and nothing may be built on it.
    fn settle(&mut self, now: Moment) {
        match &mut self.what {
            What::Writes { file, at, bytes } => {
                let real = fs::read(file).unwrap_or_default();
                let real = real.get(*at..).unwrap_or_default();
                let same = bytes.iter().zip(real).take_while(|(wanted, real)| wanted == real).count();
                bytes.truncate(same);
                self.ended = Some(now);
            }
            What::MakesFile(file) => self.failed = !file.exists(),
            What::Syncs(_) | What::Sends(_) => {}
            other => panic!("nobody knows whether this was done: {other:?}"),
        }
    }
}

impl What {
    fn read(line: &str, folder: &Path) -> Option<Self> {
        let (name, args) = line.split_once('(')?;
        let inside = |path: &PathBuf| path.starts_with(folder);
        let file = || descriptor(args).filter(|path| inside(path));
        match name {
            "mkdir" | "mkdirat" => Some(Self::MakesFolder(named(args).filter(inside)?)),
            "unlink" | "unlinkat" => Some(Self::Removes(named(args).filter(inside)?)),
            "fsync" | "fdatasync" => Some(Self::Syncs(file()?)),
            "pwrite64" => Some(Self::Writes { file: file()?, at: number(args, 3), bytes: whole(args) }),
            "ftruncate" => Some(Self::Cuts { file: file()?, to: number(args, 1) }),
            "openat" => {
                let file = named(args).filter(inside).filter(|_| args.contains("O_CREAT"))?;
                assert!(!args.contains("O_TRUNC"), "a file is made empty: {file:?}");
                Some(Self::MakesFile(file))
            }
            "write" | "writev" | "sendto" | "sendmsg" if file().is_none() => {
                is_socket(args).then(|| Self::Sends(quoted(args).flat_map(bytes_of).collect()))
            }
            "execve" => None,
            "mmap" if !args.contains("MAP_SHARED") || !args.contains("PROT_WRITE") => None,
            "mmap" if args.contains(&format!("{}>", hexadecimal("-shm"))) => None,
            _ => {
                assert_ne!(name, "io_uring_setup", "what goes through a ring is not seen");
                let folder = hexadecimal(folder.to_str().unwrap());
                assert!(!args.contains(&folder), "nobody knows what this does to a disk: {name}({args}");
                None
            }
        }
    }
}

/// The text of the `n`th argument, the first one being 0. There is no comma inside of any: strings are hexadecimal.
fn argument(args: &str, n: usize) -> &str {
    args.split([',', ')']).nth(n).unwrap().trim()
}

fn number(args: &str, n: usize) -> usize {
    argument(args, n).parse().unwrap()
}

/// The path of a leading `12<path>`; a file whose name is gone has none.
fn descriptor(args: &str) -> Option<PathBuf> {
    let (path, rest) = args.split_once('<')?.1.split_once('>')?;
    if rest.starts_with("(deleted)") { None } else { Some(path_of(path)) }
}

/// The path that a call names, seen from the folder it names before, if it does.
fn named(args: &str) -> Option<PathBuf> {
    let name = quoted(args).map(path_of).next()?;
    Some(descriptor(args).unwrap_or_default().join(name))
}

fn is_socket(args: &str) -> bool {
    args.split_once('<').is_some_and(|(_, path)| path.starts_with(&hexadecimal("socket:")))
}

/// All that is written, in one piece.
fn whole(args: &str) -> Vec<u8> {
    assert!(!args.contains("\"..."), "strace has shortened what is written: {args}");
    quoted(args).flat_map(bytes_of).collect()
}

fn quoted(args: &str) -> impl Iterator<Item = &str> {
    args.split('"').skip(1).step_by(2)
}

fn path_of(text: &str) -> PathBuf {
    String::from_utf8(bytes_of(text)).unwrap().into()
}

/// The bytes of `\x66\x72`.
fn bytes_of(text: &str) -> Vec<u8> {
    let digit = |digit: u8| if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 };
    text.as_bytes().chunks_exact(4).map(|four| digit(four[2]) << 4 | digit(four[3])).collect()
}

fn hexadecimal(text: &str) -> String {
    text.bytes().map(|byte| format!("\\x{byte:02x}")).collect()
}
