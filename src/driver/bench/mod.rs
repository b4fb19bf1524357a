//! `ftc bench`: every workload of a suite compiled, checked against its definition, and timed.
//!
//! ```text
//! suite.json ──suite──> workloads ──options──> those asked for
//!            for each: ──bind──> sizes ──> graph ──> library ──reference──> error ──timing──> seconds ──> row
//! ```
//!
//! Nothing here knows an operator: what parameters mean is said by the `workload` attributes in `stdlib`. A workload
//! that fails costs its own row; the others are measured all the same.

pub mod bind;
pub mod data;
pub mod error;
pub mod options;
pub mod peer;
pub mod reference;
pub mod report;
pub mod suite;
pub mod timing;
pub mod workload;

use std::path::{Path, PathBuf};

use self::peer::{Peer, Where};
use self::report::{PeerColumns, Report, Row, Table};
use self::suite::{Suite, Workload};
use self::workload::{Bench, Weights};
use super::lock::{self, Lock, Pinned};
use super::modules::Modules;
use super::output::{self, Folder, Output};
use super::select::Selection;
use super::session::{Outcome, Session, Stop};
use super::{arrays, build, files, gpu, machine, tune, variants};
use crate::runtime::gpu::Device;
use crate::runtime::threads;
use crate::sema;
use crate::target::{Machine, Platform, Target};

/// What `ftc bench` was asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The suite.
    pub suite: PathBuf,
    /// The name of the target, which must be this machine.
    pub target: String,
    /// Operators to measure; all if empty.
    pub ops: Vec<String>,
    /// A regular expression that names must match.
    pub filter: Option<String>,
    /// What to measure beside.
    pub peer: Option<String>,
    /// Python for the peer.
    pub python: String,
    /// Threads; all cores if not given.
    pub threads: Option<usize>,
    /// Seed of the inputs.
    pub seed: u64,
    /// What may be spent on finding the schedule of each workload.
    pub budget: Option<String>,
    /// Schedules that were found before; those that are found now go there too.
    pub lock: Option<PathBuf>,
    /// How to search.
    pub search: String,
    /// Whether weights count as constants, packed ahead of time.
    pub const_weights: bool,
    /// The variants to compile where they apply; where none is given, ftc chooses.
    pub variants: Vec<String>,
    /// Where the report goes.
    pub json: Option<PathBuf>,
    /// Where inputs and outputs go.
    pub dump: Option<PathBuf>,
    /// Kinds of artefacts to write for each workload.
    pub emit: Vec<String>,
    /// Where artefacts go.
    pub output: PathBuf,
}

/// What is said while a benchmark runs.
#[derive(Debug)]
pub enum Event<'a> {
    /// Something that a reader of the numbers should know.
    Note(&'a str),
    /// It begins: so many workloads, in a table of this form.
    Start(usize, &'a Table),
    /// This workload begins.
    Workload(&'a str),
    /// This one is done.
    Row(&'a Row, &'a Table),
    /// All are done.
    End(&'a Report, &'a Table),
}

/// Measures a suite. Rows are reported as they come, the report is written even where some of them failed.
pub fn bench(session: &mut Session, request: &Request, tell: &mut dyn FnMut(Event<'_>)) -> Outcome<()> {
    threads::bind();
    let budget = options::budget(request).map_err(|wrong| session.user(wrong))?;
    let method = tune::method(session, &request.search)?;
    let suite = read_suite(session, &request.suite)?;
    let chosen =
        options::select(&suite, &request.ops, request.filter.as_deref()).map_err(|wrong| session.user(wrong))?;
    let (program, found) =
        session.passes.run("load", || sema::load_std(&mut session.sources, &mut Modules::beside("")));
    session.report(found)?;
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let count = request.threads.unwrap_or_else(cores);
    let target = target(session, &request.target)?;
    let device = if let Target::Gpu(gpu) = &target { Some(gpu::open(session, gpu)?) } else { None };
    let mut peer = start_peer(session, request, &target, count)?;
    let platform = platform(session, &target, count)?;
    open_lock(session, request, &target, &platform)?;
    check_report(session, request.json.as_deref())?;
    let columns = if peer.is_some() { PeerColumns::Shown } else { PeerColumns::Absent };
    let table = Table::new(chosen.iter().map(|workload| (workload.name.as_str(), workload.op.as_str())), columns);
    let has_weights = |op: &str| program.function(op).is_none_or(bind::has_weights);
    if let Some(note) = options::without_weights(request, &chosen, &has_weights) {
        tell(Event::Note(&note));
    }
    let weights = if request.const_weights { Weights::Constant } else { Weights::Variable };
    variants::check(session, &program, &request.variants)?;
    let mut shared = Bench {
        program: &program,
        target: &target,
        device: device.as_ref(),
        platform,
        ahead: &gpu::Images::new(),
        threads: count,
        seed: request.seed,
        budget,
        method,
        weights,
        variants: &request.variants,
    };
    let ahead = compile_ahead(session, &shared, &chosen);
    shared.ahead = &ahead;
    tell(Event::Start(chosen.len(), &table));
    let mut rows = Vec::new();
    let measured = super::session::for_each(chosen, |workload| {
        tell(Event::Workload(&workload.name));
        let (row, outcome) = row(session, request, &shared, workload, peer.as_mut());
        tell(Event::Row(&row, &table));
        rows.push(row);
        outcome
    });
    let report = Report {
        note: suite.note.clone(),
        ftc: env!("CARGO_PKG_VERSION").to_owned(),
        target: words(&target, device.as_ref()),
        threads: count,
        seed: request.seed,
        const_weights: request.const_weights,
        peer: peer.map(|peer| peer.name.clone()),
        summary: report::summarize(&rows),
        rows,
    };
    tell(Event::End(&report, &table));
    write_report(session, request.json.as_deref(), &report)?;
    write_lock(session, request)?;
    measured
}

/// Schedules from a lock, else those that come with ftc; and those that are found on the way.
fn open_lock(session: &mut Session, request: &Request, target: &Target, platform: &Platform) -> Outcome<()> {
    let Some(path) = &request.lock else {
        session.pinned = Some(Pinned::shipped(lock::target_name(target, platform)));
        return Ok(());
    };
    lock::open(session, path, target, Some(platform))?;
    if let Some(pinned) = &mut session.pinned {
        // A lock that is named is all that counts, so that an empty one shows what the model alone does.
        pinned.shipped = Lock::default();
    }
    Ok(())
}

/// The code of all workloads for a GPU, compiled at once; nothing where schedules are searched first.
fn compile_ahead(session: &mut Session, shared: &Bench<'_>, chosen: &[&Workload]) -> gpu::Images {
    let (Target::Gpu(target), None) = (shared.target, shared.budget) else { return gpu::Images::new() };
    let mut modules = Vec::new();
    for workload in chosen {
        let module = workload::module(session, shared, workload, target);
        modules.extend(module.map(|module| (workload.name.clone(), module)));
    }
    session.passes.run("nvcc", || gpu::compile_ahead(&modules, target))
}

/// What schedules are chosen for: the target with this machine's threads.
fn platform(session: &mut Session, target: &Target, threads: usize) -> Outcome<Platform> {
    match target {
        Target::Cpu(cpu) => Ok(Machine::of(cpu, threads as i64).into()),
        Target::Gpu(gpu) => Ok(gpu.chip().into()),
        Target::Interp => Err(session.user(super::error::interpreted_only())),
    }
}

/// The target and what it is here: `native (znver4 x86_64-unknown-linux-gnu)`.
fn words(target: &Target, device: Option<&Device>) -> String {
    match (target, device) {
        (Target::Cpu(cpu), _) => format!("{} ({} {})", cpu.name, cpu.cpu, cpu.arch.triple()),
        (Target::Gpu(gpu), Some(device)) => format!("{} ({} {})", gpu.name, gpu.arch(), device.name),
        _ => target.name().to_owned(),
    }
}

fn write_lock(session: &mut Session, request: &Request) -> Outcome<()> {
    let (Some(path), Some(pinned), Some(_)) = (&request.lock, &session.pinned, &request.budget) else { return Ok(()) };
    let text = pinned.lock.text();
    output::write_all(session, &[Output::new(path, text)])
}

/// The target, if it is one that code runs on, and not another processor than this one.
fn target(session: &mut Session, name: &str) -> Outcome<Target> {
    let target = machine::target(session, name)?;
    match &target {
        Target::Interp => Err(session.user(super::error::interpreted_only())),
        Target::Gpu(_) => Ok(target),
        Target::Cpu(cpu) => match machine::cannot_run(cpu) {
            Some(why) => Err(session.user(super::error::not_this_machine(&cpu.name, &why))),
            None => Ok(target),
        },
    }
}

fn read_suite(session: &mut Session, path: &Path) -> Outcome<Suite> {
    let file = files::read_source(session, path)?;
    suite::parse(file, &session.sources.file(file).text).or_else(|found| session.report(found).and(Err(Stop::User)))
}

fn start_peer(session: &mut Session, request: &Request, target: &Target, threads: usize) -> Outcome<Option<Peer>> {
    match request.peer.as_deref() {
        None => Ok(None),
        Some("torch") => Peer::start(&request.python, threads, Where::of(target))
            .map(Some)
            .map_err(|cause| session.environment(error::no_peer(cause.to_string()))),
        Some(other) => Err(session.user(error::option("--peer", other, "`torch`"))),
    }
}

/// Measures one workload; what went wrong is in the row and in the session.
fn row(
    session: &mut Session,
    request: &Request,
    shared: &Bench<'_>,
    workload: &Workload,
    peer: Option<&mut Peer>,
) -> (Row, Outcome<()>) {
    let mut row = Row { name: workload.name.clone(), op: workload.op.clone(), ..Row::default() };
    let before = session.diagnostics.len();
    let outcome = workload::run(session, shared, workload, &mut row).and_then(|mut ran| {
        let written = write_artefacts(session, request, workload, &ran);
        let timed = workload::time(session, shared, &mut ran, workload, peer);
        row = ran.row;
        written.and(timed)
    });
    if let Err(stop) = &outcome {
        let said = session.diagnostics[before..].iter().find(|diagnostic| diagnostic.is_error());
        row.error = Some(match (stop, said) {
            (Stop::Internal(text), _) => text.clone(),
            (_, Some(diagnostic)) => format!("{}: {}", diagnostic.code.0, diagnostic.message),
            (_, None) => "failed".to_owned(),
        });
    }
    let outcome = match (&outcome, &row.error) {
        (Ok(()), Some(error)) => {
            session.diagnostics.push(error::no_comparison(&workload.name, error));
            Err(Stop::Environment)
        }
        _ => outcome,
    };
    (row, outcome)
}

/// The arrays that `--dump` asks for, and the artefacts of `--emit`.
fn write_artefacts(session: &mut Session, request: &Request, workload: &Workload, ran: &workload::Ran) -> Outcome<()> {
    if let Some(path) = &request.dump {
        let folder = Folder::open(session, path)?;
        let groups = [("in", &ran.inputs), ("out", &ran.outputs)];
        let arrays = groups.into_iter().flat_map(|(kind, arrays)| {
            arrays.iter().enumerate().map(move |(index, array)| (format!("{kind}{index}"), array))
        });
        let outputs: Vec<_> = arrays
            .map(|(part, array)| {
                let name = format!("{}.{part}.npy", workload.name);
                Output::new(folder.join(Path::new(&name)), arrays::bytes(array))
            })
            .collect();
        output::write_all(session, &outputs)?;
    }
    if request.emit.is_empty() {
        return Ok(());
    }
    let variants = ran.row.variant.iter().cloned().collect();
    let what = Selection { exports: vec![ran.export.clone()], variants, ..Selection::default() };
    let request = build::Request {
        what,
        target: request.target.clone(),
        emit: request.emit.clone(),
        to: build::Destination::Folder(request.output.clone()),
        name: Some(workload.name.clone()),
    };
    build::build(session, &request).map(drop)
}

/// A report that cannot be written is no reason to find out after an hour.
fn check_report(session: &mut Session, path: Option<&Path>) -> Outcome<()> {
    path.map_or(Ok(()), |path| output::check(session, path))
}

fn write_report(session: &mut Session, path: Option<&Path>, report: &Report) -> Outcome<()> {
    let Some(path) = path else { return Ok(()) };
    let text = serde_json::to_string_pretty(report).expect("a report has only strings for keys");
    output::write_all(session, &[Output::new(path, text + "\n")])
}
