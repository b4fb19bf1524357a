//! `ftc.lock`: schedules that were measured, as text under version control. `ftc tune` writes it, `ftc build` reads it.
//!
//! An entry is for one kernel on one target, as one version of ftc compiles it. A kernel is known by its *form*, a
//! fingerprint of its plain loops without its name, so two exports that compute the same share an entry. Kernels of the
//! same *structure* differ in sizes alone; the schedule of the nearest one is tried for a kernel that has none.
//!
//! Entries are tables of a list, in order, so that branches that tuned different kernels merge without help; where they
//! tuned the same one and both entries stay, the faster one is taken. `shipped` has the entries that come with ftc, `decide`
//! says which entry is gone by.

mod decide;
mod shipped;

pub use decide::{cycles, decide, finding, nearest_point, recorded};

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::schedules;
use super::select::Selection;
use super::session::Session;
use super::tune::error;
use crate::diag::Diagnostic;
use crate::loops::{self, BufferKind, Kernel};
use crate::schedule::Schedule;
use crate::source::SourceMap;
use crate::syntax::{ast, parser};
use crate::target::{Numbers, Platform, Target};

/// The name of the file.
pub const NAME: &str = "ftc.lock";
/// The only form of the file that there is.
const VERSION: u32 = 1;
/// What every file begins with.
const HEAD: &str =
    "# Schedules that were measured: `ftc tune` writes them, `ftc build` reads them. Edit and merge freely.\n";

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lock {
    /// The form of the file.
    version: u32,
    /// The entries.
    #[serde(default)]
    kernel: Vec<Entry>,
}

/// A schedule and what it is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The export that was tuned.
    pub export: String,
    /// Its tensors, for people.
    pub tensors: String,
    /// The processor and the number of threads.
    pub target: String,
    /// The version of ftc.
    pub compiler: String,
    /// The fingerprint of the kernel.
    pub form: String,
    /// The fingerprint of the kernel without its sizes.
    pub structure: String,
    /// What it took.
    pub seconds: f64,
    /// The point of the space, for people and for later searches.
    pub choices: String,
    /// The steps.
    pub schedule: String,
}

/// What an entry is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The tensors, as in the entry.
    pub tensors: String,
    /// The target, as in the entry.
    pub target: String,
    /// The kernel's fingerprint.
    pub form: String,
    /// The fingerprint without sizes.
    pub structure: String,
}

impl Default for Lock {
    fn default() -> Self {
        Self { version: VERSION, kernel: Vec::new() }
    }
}

impl Key {
    /// The key of a kernel of plain loops.
    pub fn of(kernel: &Kernel, target: &str) -> Self {
        let unnamed = Kernel { name: "kernel".to_owned(), ..kernel.clone() };
        let text = loops::print::print(&unnamed);
        let tensor = |&id: &crate::expr::TensorId| {
            let buffer = &kernel.buffers[id];
            let shape: Vec<_> = buffer.shape.iter().map(ToString::to_string).collect();
            let out = if matches!(buffer.kind, BufferKind::Output) { "-> " } else { "" };
            format!("{out}{}: {}[{}]", buffer.name, buffer.dtype, shape.join(", "))
        };
        let tensors: Vec<_> = kernel.params.iter().map(tensor).collect();
        Self {
            tensors: tensors.join(", "),
            target: target.to_owned(),
            form: fingerprint(&text),
            structure: fingerprint(&without_sizes(&text)),
        }
    }
}

/// FNV-1a: the same on every machine. A schedule cannot change results, so a collision costs time and nothing else.
fn fingerprint(text: &str) -> String {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

fn without_sizes(text: &str) -> String {
    let mut kept = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if kept.ends_with('#') => {}
            '0'..='9' => kept.push('#'),
            _ => kept.push(c),
        }
    }
    kept
}

/// The numbers of a text.
fn sizes(text: &str) -> Vec<f64> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// How a target is called in a lock: by the processor, and the number of its threads if it is one that lends them; where
/// rounding is allowed, by that, too, for such a schedule is none for who has not allowed it.
pub fn target_name(target: &Target, platform: &Platform) -> String {
    let name = match target {
        Target::Cpu(cpu) => cpu.cpu.clone(),
        Target::Gpu(gpu) if gpu.numbers == Numbers::Tf32 => format!("{}, tf32", gpu.arch()),
        Target::Gpu(gpu) => gpu.arch(),
        Target::Interp => target.name().to_owned(),
    };
    match platform {
        Platform::Cpu(machine) => format!("{name}, {} threads", machine.threads),
        Platform::Gpu(_) => name,
    }
}

impl Lock {
    /// Reads a lock.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lock: Self = toml::from_str(text).map_err(|cause| cause.to_string())?;
        match lock.version {
            VERSION => Ok(lock),
            other => Err(format!("its version is {other}, and this ftc knows version {VERSION}")),
        }
    }

    /// As it is written.
    pub fn text(&self) -> String {
        let body = toml::to_string_pretty(self).expect("strings and numbers can be written");
        format!("{HEAD}{body}")
    }

    /// All entries, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.kernel
    }

    /// The entry of a kernel: of the current version of ftc, the fastest.
    pub fn exact(&self, key: &Key) -> Option<&Entry> {
        let own = self.current(key).filter(|entry| entry.form == key.form);
        own.min_by(|a, b| a.seconds.total_cmp(&b.seconds))
    }

    /// Entries of kernels that differ in sizes alone, the nearest first.
    pub fn near(&self, key: &Key) -> Vec<&Entry> {
        let wanted = sizes(&key.tensors);
        let distance = |entry: &Entry| {
            let found = sizes(&entry.tensors);
            (found.len() == wanted.len())
                .then(|| wanted.iter().zip(&found).map(|(a, b)| (a / b.max(1.0)).ln().abs()).sum::<f64>())
        };
        let similar = self.current(key).filter(|entry| entry.structure == key.structure && entry.form != key.form);
        let mut found: Vec<_> = similar.filter_map(|entry| Some((distance(entry)?, entry))).collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found.into_iter().map(|(_, entry)| entry).collect()
    }

    fn current(&self, key: &Key) -> impl Iterator<Item = &Entry> {
        let target = key.target.clone();
        self.kernel.iter().filter(move |entry| entry.target == target && entry.compiler == env!("CARGO_PKG_VERSION"))
    }

    /// An entry for a kernel that is of another version of ftc, if there is no current one.
    pub fn stale(&self, key: &Key) -> Option<&Entry> {
        let own = |entry: &&Entry| entry.target == key.target && entry.form == key.form;
        self.exact(key).map_or_else(|| self.kernel.iter().find(own), |_| None)
    }

    /// Puts an entry in the place of those for the same kernel and target.
    pub fn put(&mut self, entry: Entry) {
        self.kernel.retain(|other| (&other.form, &other.target) != (&entry.form, &entry.target));
        self.kernel.push(entry);
        let key = |entry: &Entry| {
            let Entry { export, tensors, target, form, .. } = entry.clone();
            (export, tensors, target, form)
        };
        self.kernel.sort_by_key(key);
    }
}

/// The lock of a run, and what it is asked for.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub lock: Lock,
    /// What comes with ftc.
    pub shipped: Lock,
    /// The target, in the lock's words.
    pub target: String,
}

/// The lock beside a source file, or of the current folder.
pub fn beside(file: Option<&Path>) -> PathBuf {
    let folder = file.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).join(NAME)
}

/// Reads a lock; one that is not there is empty.
pub fn read(path: &Path) -> Result<Lock, Diagnostic> {
    match std::fs::read_to_string(path) {
        Ok(text) => Lock::parse(&text).map_err(|why| error::malformed_lock(path, &why)),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(Lock::default()),
        Err(cause) => Err(error::malformed_lock(path, &super::error::reason(&cause))),
    }
}

/// Reads the lock that a command goes by and leaves as it is. One that is named has to be there.
pub fn open_for(
    session: &mut Session,
    what: &Selection,
    target: &Target,
    platform: Option<&Platform>,
) -> super::Outcome<()> {
    if let Some(path) = what.lock.as_deref().filter(|path| !path.exists()) {
        return Err(session.user(error::malformed_lock(path, "there is no such file")));
    }
    open(session, &what.lock(), target, platform)
}

/// Reads the lock that a command goes by.
pub fn open(session: &mut Session, path: &Path, target: &Target, platform: Option<&Platform>) -> super::Outcome<()> {
    let Some(platform) = platform else { return Ok(()) };
    let lock = read(path).map_err(|wrong| session.user(wrong))?;
    let target = target_name(target, platform);
    let shipped = shipped::lock(&target);
    session.pinned = Some(Pinned { path: path.to_owned(), lock, shipped, target });
    Ok(())
}

/// Steps from their text; else what is wrong with it.
pub fn parse_schedule(text: &str) -> Result<Schedule, String> {
    let source = format!("schedule pinned {{\n{text}\n}}\n");
    let file = SourceMap::default().add("schedule", source.as_str());
    let (tree, found) = parser::parse(file, &source);
    let block = tree.items.iter().find_map(|item| match item {
        ast::Item::Schedule(block) => Some(block),
        _ => None,
    });
    match (block, found.first()) {
        (Some(block), None) => Ok(schedules::steps_of(block)),
        (_, Some(wrong)) => Err(wrong.message.clone()),
        (None, None) => Err("it has no steps".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(form: &str, tensors: &str, seconds: f64) -> Entry {
        Entry {
            export: "gemm".into(),
            tensors: tensors.into(),
            target: "znver4, 2 threads".into(),
            compiler: env!("CARGO_PKG_VERSION").into(),
            form: form.into(),
            structure: "s".into(),
            seconds,
            choices: String::new(),
            schedule: "split i by [?, 14]\nvectorize j\n".into(),
        }
    }

    fn key(form: &str, tensors: &str) -> Key {
        let (tensors, target) = (tensors.to_owned(), "znver4, 2 threads".to_owned());
        Key { tensors, target, form: form.to_owned(), structure: "s".to_owned() }
    }

    #[test]
    fn a_lock_reads_back_and_is_in_order() {
        let mut lock = Lock::default();
        lock.put(entry("b", "A: f32[64]", 2e-3));
        lock.put(entry("a", "A: f32[32]", 1e-3));
        lock.put(entry("b", "A: f32[64]", 1.5e-3));
        let text = lock.text();
        assert_eq!(Lock::parse(&text).as_ref(), Ok(&lock));
        assert_eq!(text.matches("[[kernel]]").count(), 2);
        assert!(
            text.find("f32[32]") < text.find("f32[64]") && text.contains("split i by [?, 14]\nvectorize j\n"),
            "{text}"
        );
    }

    #[test]
    fn of_two_entries_that_a_merge_left_the_faster_counts() {
        let lock = Lock { version: 1, kernel: vec![entry("a", "", 2.0), entry("a", "", 1.0)] };
        assert_eq!(lock.exact(&key("a", "")).map(|entry| entry.seconds), Some(1.0));
    }

    #[test]
    fn the_nearest_sizes_come_first_and_other_versions_never() {
        let old = Entry { compiler: "0.0.1".into(), ..entry("c", "A: f32[65]", 1.0) };
        let kernel = vec![entry("a", "A: f32[512]", 1.0), entry("b", "A: f32[128]", 1.0), old];
        let lock = Lock { version: 1, kernel };
        let near: Vec<_> = lock.near(&key("z", "A: f32[64]")).into_iter().map(|entry| entry.form.as_str()).collect();
        assert_eq!(near, ["b", "a"]);
        assert!(lock.exact(&key("c", "")).is_none() && lock.stale(&key("c", "")).is_some());
    }

    #[test]
    fn steps_read_back() {
        let text = "split i by [?, 14]\nstage B at k.0 as [k.1, j]\nvectorize j\n";
        assert_eq!(parse_schedule(text).map(|schedule| schedule.to_string()).as_deref(), Ok(text));
        assert!(parse_schedule("split i by").is_err());
    }
}
