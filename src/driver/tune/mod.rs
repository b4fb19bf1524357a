//! `ftc tune`: schedules found by measuring, for every export; into the lock go those that were checked.
//!
//! ```text
//!  export ──lower──> plain loops ──subject──> candidates, data ──turns──> trials ──> leaders ──check──> winner ──> lock
//!                                                                 │ log
//! ```
//!
//! - `subject`: an export with its data, and the check of winners; `adverse`: inputs that schedules trip over; `floor`:
//!   what no kernel can beat; `turns`: whose candidates are tried next;
//! - `parallel`: work on all cores;
//! - `notes`: limits, what is told on the way; `log`: every trial as a line, for `--resume` and `--replay`;
//! - `search`: the search of some exports together, for `ftc tune` and `ftc bench`; `open`: what comes before the first trial,
//!   `end`: what comes after the last one; `rival`: the body that a build takes, where another one is searched.

pub mod adverse;
mod end;
pub mod error;
pub mod floor;
pub mod log;
pub mod notes;
mod open;
mod rival;
pub mod search;
pub mod subject;
pub mod turns;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::bench::error as option_error;
use super::bench::options::Budget;
use super::lock::{self, Entry, Key, Lock, Pinned};
use super::output::{self, Output};
use super::select::{self, Selection};
use super::session::{self, Outcome, Session};
use super::variants::{self, Wanted};
use super::{error as driver_error, gpu, machine};
use crate::explore::Method;
use crate::measure::worker;
use crate::target::{Machine, Platform, Target};

use notes::{INTERRUPTED, Status};
use search::{Job, Settings, Tuned};

/// What `ftc tune` was asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to tune.
    pub what: Selection,
    /// The name of the target, which must be this machine.
    pub target: String,
    /// What may be spent on all exports together: `30s`, `200trials`.
    pub budget: String,
    /// The name of the method.
    pub search: String,
    /// Of chance, and of the inputs.
    pub seed: u64,
    /// Threads of each kernel; all cores if not given.
    pub threads: Option<usize>,
    /// Where every trial goes.
    pub log: Option<PathBuf>,
    /// Where earlier trials come from.
    pub past: Earlier,
    /// Where a search begins.
    pub start: Start,
}

/// Where a search begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With what locks know about the same kernel and similar ones.
    Known,
    /// With the model alone: for comparing searches.
    Fresh,
}

/// Where earlier trials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// There are none.
    None,
    /// From the log that is gone on with.
    Resume,
    /// From this log, and nothing is measured.
    Replay(PathBuf),
}

/// What is said while a search runs.
#[derive(Debug)]
pub enum Event<'a> {
    /// How far it is.
    Status(&'a Status),
    /// An export is done.
    Done(&'a Tuned),
}

/// Works for another ftc until it has no more to do.
pub fn work(session: &mut Session) -> Outcome<()> {
    // Ctrl-C is for that other one: it says what is to become of its workers.
    let _ = ctrlc::set_handler(|| {});
    worker::serve(io::stdin().lock(), io::stdout().lock())
        .map_err(|cause| session.environment(driver_error::unwritable("to standard output", &cause)))
}

/// Searches, and writes the lock.
pub fn tune(session: &mut Session, request: &Request, tell: &mut dyn FnMut(Event<'_>)) -> Outcome<()> {
    let past = read_past(session, request)?;
    let (search, seed, budget) = match (&request.past, &past.header) {
        // A replay is of the same search.
        (Earlier::Replay(_), Some(header)) => (header.search.clone(), header.seed, header.budget.clone()),
        _ => (request.search.clone(), request.seed, request.budget.clone()),
    };
    let method = method(session, &search)?;
    let limit = Budget::parse(&budget).map_err(|wrong| session.user(wrong))?;
    let target = machine::target(session, &request.target)?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let model = runnable(session, &target, request.threads)?;
    let threads = if let Platform::Cpu(machine) = model { cores.min(machine.threads as usize) } else { 1 };
    let path = request.what.lock();
    lock::open(session, &path, &target, Some(&model))?;
    output::check(session, &path)?;
    if let (Start::Fresh, Some(pinned)) = (request.start, &mut session.pinned) {
        (pinned.lock, pinned.shipped) = (Lock::default(), Lock::default());
    }
    let forms: Option<Vec<_>> =
        past.header.as_ref().map(|header| header.exports.iter().map(|(_, form)| form.clone()).collect());
    let wanted = forms.as_deref().map_or(Wanted::Searched, Wanted::Logged);
    let jobs = jobs(session, &request.what, &target, wanted)?;
    let settings = Settings { method, seed, budget: limit, budget_text: budget, target, platform: model, threads };
    // Without a handler, Ctrl-C ends ftc at once; the log is complete even then.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::abort();
        }
    });
    let log = open_log(session, request, &past)?;
    let found =
        search::search(session, &settings, &jobs, search::Records { log, past, earlier: request.past.clone() }, tell)?;
    record(session, &found.tuned)?;
    found.stop.map_or(Ok(()), Err)
}

/// The method of a name.
pub fn method(session: &mut Session, name: &str) -> Outcome<Method> {
    Method::parse(name).ok_or_else(|| {
        let names: Vec<_> = Method::ALL.iter().map(|(_, name)| format!("`{name}`")).collect();
        session.user(option_error::option("--search", name, &names.join(", ")))
    })
}

/// What schedules are made for, if code for it runs here.
fn runnable(session: &mut Session, target: &Target, threads: Option<usize>) -> Outcome<Platform> {
    match target {
        Target::Cpu(cpu) => {
            if let Some(why) = machine::cannot_run(cpu) {
                return Err(session.user(driver_error::not_this_machine(&cpu.name, &why)));
            }
        }
        // Workers have it for themselves later: this one only asks whether it is there.
        Target::Gpu(chip) => drop(gpu::open(session, chip)?),
        Target::Interp => return Err(session.user(driver_error::interpreted_only())),
    }
    let model = machine::model(target).ok_or_else(|| session.user(driver_error::interpreted_only()))?;
    Ok(match (model, threads) {
        (Platform::Cpu(machine), Some(threads)) => Machine { threads: threads as i64, ..machine }.into(),
        (model, _) => model,
    })
}

fn jobs(session: &mut Session, what: &Selection, target: &Target, wanted: Wanted<'_>) -> Outcome<Vec<Job>> {
    let selected = select::select(session, what)?;
    let mut jobs = Vec::new();
    session::for_each(&selected.exports, |export| {
        let body = variants::of_export(session, &selected.program, export, &selected.request, target, wanted)?;
        let chosen = session.chosen.take().map(|(_, chosen)| chosen);
        let variants::Body { graph, definition, rival, .. } = body;
        jobs.push(Job { graph, definition, rival, ranges: Vec::new(), chosen });
        Ok(())
    })?;
    Ok(jobs)
}

fn read_past(session: &mut Session, request: &Request) -> Outcome<log::Past> {
    let path = match (&request.past, &request.log) {
        (Earlier::Replay(path), _) => path,
        (Earlier::Resume, Some(path)) if path.exists() => path,
        _ => return Ok(log::Past::default()),
    };
    log::read(path).map_err(|why| session.user(error::wrong_log(path, &why)))
}

fn open_log(session: &mut Session, request: &Request, past: &log::Past) -> Outcome<Option<log::Log>> {
    let Some(path) = &request.log else { return Ok(None) };
    if matches!(&request.past, Earlier::Replay(from) if from == path) {
        return Err(session.user(error::wrong_log(path, "a replay cannot be written over the log that it reads")));
    }
    let log = match request.past {
        Earlier::Resume if past.header.is_some() => log::Log::go_on(path, past.length),
        _ => log::Log::create(path),
    };
    let name = format!("`{}`", path.display());
    log.map(Some).map_err(|cause| session.environment(driver_error::unwritable(&name, &cause)))
}

/// Puts winners into the lock.
fn record(session: &mut Session, found: &[Tuned]) -> Outcome<()> {
    let Some(Pinned { path, .. }) = session.pinned.clone() else { return Ok(()) };
    // Somebody else may have written it meanwhile.
    let mut lock = lock::read(&path).map_err(|wrong| session.user(wrong))?;
    for tuned in found {
        tuned.rival.iter().chain([&tuned.entry]).for_each(|entry| lock.put(entry.clone()));
    }
    output::write_all(session, &[Output::new(path, lock.text())])
}

/// Seconds without noise: digits beyond the third are, and make differences under version control.
fn three_digits(seconds: f64) -> f64 {
    format!("{seconds:.2e}").parse().unwrap_or(seconds)
}

/// An entry of the lock.
fn entry(export: &str, key: &Key, seconds: f64, choices: String, schedule: String) -> Entry {
    let Key { tensors, target, form, structure } = key.clone();
    let compiler = env!("CARGO_PKG_VERSION").to_owned();
    let seconds = three_digits(seconds);
    Entry { export: export.to_owned(), tensors, target, compiler, form, structure, seconds, choices, schedule }
}
