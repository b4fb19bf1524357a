//! Which entry of which lock a kernel is built by; and the locks that come with ftc.

use std::fs;
use std::path::Path;

use ftc::driver::lock::{Entry, Key, Lock, Pinned, decide, parse_schedule};
use ftc::driver::{self, Session, select};
use ftc::loops::Kernel;
use ftc::measure::candidates::Candidates;
use ftc::schedule::{self, Schedule};
use ftc::target::{Machine, Platform, Target};

const TARGET: &str = "znver4, 2 threads";

fn machine() -> Platform {
    let Ok(Target::Cpu(cpu)) = Target::parse("x86-64-v4", None) else { panic!("a known target") };
    Machine::of(&cpu, 2).into()
}

fn kernel(rows: usize) -> Kernel {
    let mut session = Session::default();
    let exports = vec![format!("gemm(A: f32[{rows}, 64], B: f32[64, 80])")];
    let what = select::Selection { exports, ..select::Selection::default() };
    let selected = select::select(&mut session, &what).expect("the call is right");
    let graph = driver::instantiate(&mut session, &selected.program, &selected.exports[0], &selected.request);
    ftc::lower::lower(&graph.expect("the call is right"))
}

/// An entry with the schedule that the space likes at the given place.
fn entry(kernel: &Kernel, place: usize) -> Entry {
    let mut candidates = Candidates::of(kernel, &machine());
    let point = candidates.starts(8).swap_remove(place);
    let Key { tensors, target, form, structure } = Key::of(kernel, TARGET);
    let schedule = candidates.schedule(&point).expect("a start is legal").to_string();
    let compiler = env!("CARGO_PKG_VERSION").to_owned();
    let choices = candidates.knobs.show(&point);
    Entry { export: "gemm".to_owned(), tensors, target, compiler, form, structure, seconds: 1e-3, choices, schedule }
}

fn lock(entries: impl IntoIterator<Item = Entry>) -> Lock {
    let mut lock = Lock::default();
    entries.into_iter().for_each(|entry| lock.put(entry));
    lock
}

/// What a kernel is built with, where the model would do nothing.
fn decided(own: Lock, shipped: Lock, kernel: &Kernel) -> String {
    let pinned = Pinned { path: "ftc.lock".into(), lock: own, shipped, target: TARGET.to_owned() };
    let (schedule, finding) = decide(&pinned, kernel, &machine(), Schedule::default);
    assert!(finding.is_none() && schedule::apply(kernel, &schedule).is_ok(), "{schedule}");
    schedule.to_string()
}

#[test]
fn the_users_lock_goes_before_the_one_that_comes_with_ftc() {
    let kernel = kernel(96);
    let [own, shipped] = [0, 1].map(|place| entry(&kernel, place));
    assert_ne!(own.schedule, shipped.schedule);
    assert_eq!(decided(lock([own.clone()]), lock([shipped.clone()]), &kernel), own.schedule);
    assert_eq!(decided(Lock::default(), lock([shipped.clone()]), &kernel), shipped.schedule);
    let old = Entry { compiler: "0.0.1".to_owned(), ..shipped };
    assert_eq!(decided(Lock::default(), lock([old]), &kernel), "");
}

#[test]
fn the_nearest_size_is_made_to_fit() {
    let [small, large, other] = [96, 100, 1000].map(kernel);
    let near = entry(&small, 0);
    let found = decided(Lock::default(), lock([near.clone(), entry(&other, 0)]), &large);
    assert!(!found.is_empty());
    // The same choices, or the same steps.
    let candidates = Candidates::of(&large, &machine());
    let point = ftc::driver::lock::nearest_point(&candidates.knobs, &near.choices).expect("the same knobs");
    let fitted = candidates.schedule(&point).map(|schedule| schedule.to_string()).unwrap_or_default();
    assert!(found == fitted || found == near.schedule, "{found}");
}

#[test]
fn locks_that_come_with_ftc_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib/locks");
    for file in fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path()) {
        let Some(name) = file.file_name().and_then(|name| name.to_str()?.strip_suffix(".lock")) else { continue };
        let lock = Lock::parse(&fs::read_to_string(&file).expect("text")).unwrap_or_else(|why| panic!("{name}: {why}"));
        for entry in lock.entries() {
            assert_eq!(entry.compiler, env!("CARGO_PKG_VERSION"), "{name}: {}", entry.export);
            // With a number of threads, but for a GPU.
            assert_eq!(entry.target.split(", ").next(), Some(name), "{name}: {}", entry.target);
            assert!(parse_schedule(&entry.schedule).is_ok(), "{name}: {}", entry.export);
        }
    }
}
