//! The search of some exports together.

use std::time::Instant;

use super::super::bench::data::Range;
use super::super::bench::options::Budget;
use super::super::lock::{self, Entry, Key, Pinned};
use super::super::session::{Outcome, Session};
use super::log::{Header, Line, Log, Past, Winner};
use super::notes::{Notes, Source, Status};
use super::subject::{Recipe, Subject};
use super::turns::{Plan, Progress, Turns};
use super::{Earlier, Event, error};
use crate::explore::{Limits, Method, Reason, Rejections};
use crate::graph::Graph;
use crate::loops::Kernel;
use crate::lower;
use crate::measure::crew::Crew;
use crate::measure::meter::{Hands, Leader};
use crate::space::knobs::Point;
use crate::target::{Platform, Target};

/// How to search.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The method.
    pub method: Method,
    /// Of chance, and of the inputs.
    pub seed: u64,
    /// For all exports together.
    pub budget: Budget,
    /// As it was given.
    pub budget_text: String,
    /// What to compile for.
    pub target: Target,
    /// What schedules are made for.
    pub platform: Platform,
    /// Threads of a call.
    pub threads: usize,
}

/// An export to be tuned.
#[derive(Debug)]
pub struct Job {
    /// What it computes.
    pub graph: Graph,
    /// Ranges of its inputs, where they are not any numbers; may be shorter.
    pub ranges: Vec<Option<Range>>,
}

/// The log, and trials from an earlier one.
#[derive(Debug)]
pub struct Records {
    /// Where trials go.
    pub log: Option<Log>,
    /// Where they may come from.
    pub past: Past,
    /// What they are.
    pub earlier: Earlier,
}

impl Records {
    /// Nothing is kept, and nothing is known.
    pub fn none() -> Self {
        Self { log: None, past: Past::default(), earlier: Earlier::None }
    }
}

/// An export that was tuned.
#[derive(Clone, Debug)]
pub struct Tuned {
    /// For the lock.
    pub entry: Entry,
    /// Trials.
    pub trials: usize,
    /// The seconds of the first candidate that worked: the model's choice.
    pub first: Option<f64>,
    /// Points that were refused or failed, by reason.
    pub reasons: Rejections,
    /// Seconds of the search, for all exports together.
    pub took: f64,
    /// Why other leaders were not taken.
    pub refused: Vec<Reason>,
}

/// Points that are compiled together, for each core: nvcc takes longer than all else together.
const BATCH: usize = 4;
const GPU_BATCH: usize = 1;
/// Batches before another export has its turn.
const TURN: usize = 3;
/// Trials in a second, about; what methods count with where the budget is a time.
const RATE: f64 = 10.0;

/// One export on its way.
struct Open<'j> {
    job: &'j Job,
    naive: Kernel,
    key: Key,
    subject: Subject,
    turns: Option<Turns>,
    progress: Progress,
    rejections: Rejections,
}

/// Searches for schedules of all jobs.
pub fn search(
    session: &mut Session,
    settings: &Settings,
    jobs: &[Job],
    records: Records,
    tell: &mut dyn FnMut(Event<'_>),
) -> Outcome<Vec<Tuned>> {
    let program = std::env::current_exe()
        .map_err(|cause| session.environment(super::driver_error::unwritable("the program's own path", &cause)))?;
    let started = Instant::now();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut crew = Crew::new(program, cores);
    let source = match records.earlier {
        Earlier::None => Source::Clock,
        Earlier::Resume => Source::PastThenClock,
        Earlier::Replay(_) => Source::Past,
    };
    let own = if matches!(settings.platform, Platform::Gpu(_)) { GPU_BATCH } else { BATCH };
    let batch = records.past.header.as_ref().map_or(own * cores, |header| header.batch);
    let mut open = open_all(session, settings, jobs, &mut crew)?;
    check_past(session, &records.past, &open)?;
    let mut show = |status: &Status| tell(Event::Status(status));
    let mut notes = Notes::new(records.log, records.past, source, settings.budget, &mut show);
    notes.write(&Line::Search(header(settings, batch, &open)));
    take_turns(session, settings, batch, &mut open, &mut crew, &mut notes);
    let mut found = Vec::new();
    for export in &mut open {
        if let Some(turns) = export.turns.take()
            && let Some(end) = turns.end()
        {
            export.rejections = end.rejections;
        }
        found.push(finish(session, export, &mut crew, &mut notes, started));
    }
    let failure = notes.failure.take();
    drop(notes);
    if let Some(cause) = failure {
        return Err(session.environment(super::driver_error::unwritable("the log", &cause)));
    }
    let mut tuned = Vec::new();
    for result in found {
        let result = result?;
        tell(Event::Done(&result));
        tuned.push(result);
    }
    Ok(tuned)
}

fn open_all<'j>(
    session: &mut Session,
    settings: &Settings,
    jobs: &'j [Job],
    crew: &mut Crew,
) -> Outcome<Vec<Open<'j>>> {
    let target = session.pinned.as_ref().map_or_else(String::new, |pinned| pinned.target.clone());
    let mut open = Vec::new();
    for job in jobs {
        let naive = session.passes.run("lower", || lower::lower(&job.graph));
        let recipe = Recipe {
            graph: &job.graph,
            ranges: &job.ranges,
            naive: &naive,
            target: &settings.target,
            platform: &settings.platform,
            threads: settings.threads,
            seed: settings.seed,
        };
        let subject = session.passes.run("reference", || Subject::new(&recipe, crew));
        let subject = subject.map_err(|reason| {
            let why = format!("{}: {}", reason.kind, reason.detail);
            session.environment(error::nothing_found(&job.graph.name, &why))
        })?;
        let key = Key::of(&naive, &target);
        let (progress, rejections) = (Progress::default(), Rejections::new());
        open.push(Open { job, naive, key, subject, turns: None, progress, rejections });
    }
    Ok(open)
}

fn header(settings: &Settings, batch: usize, open: &[Open<'_>]) -> Header {
    Header {
        compiler: env!("CARGO_PKG_VERSION").to_owned(),
        target: open.first().map_or_else(String::new, |export| export.key.target.clone()),
        search: settings.method.name().to_owned(),
        seed: settings.seed,
        budget: settings.budget_text.clone(),
        batch,
        exports: open.iter().map(|export| (export.job.graph.name.clone(), export.key.form.clone())).collect(),
    }
}

/// A log is of use for the same kernels alone.
fn check_past(session: &mut Session, past: &Past, open: &[Open<'_>]) -> Outcome<()> {
    let Some(header) = &past.header else { return Ok(()) };
    for export in open {
        let own = (export.job.graph.name.clone(), export.key.form.clone());
        if !header.exports.contains(&own) || header.target != export.key.target {
            let why = format!("it is not of `{}` on `{}`, or that has changed since", own.0, export.key.target);
            return Err(session.user(error::wrong_log(&past.path, &why)));
        }
    }
    Ok(())
}

fn take_turns(
    session: &Session,
    settings: &Settings,
    batch: usize,
    open: &mut [Open<'_>],
    crew: &mut Crew,
    notes: &mut Notes<'_>,
) {
    let limits = limits(settings.budget, batch, open.len());
    while let Some(at) = next(open, notes) {
        let hints = hints(session.pinned.as_ref(), open, at);
        let export = &mut open[at];
        notes.turn(&export.job.graph.name);
        if export.turns.is_none() {
            let mut starts = export.subject.starts.clone();
            starts.extend(hints);
            let plan = Plan { method: settings.method, seed: settings.seed, limits, starts };
            match Turns::start(&export.naive, &settings.platform, plan) {
                Ok(turns) => export.turns = Some(turns),
                Err(_) => return,
            }
        }
        for _ in 0..TURN {
            let Some(points) = export.turns.as_ref().and_then(|turns| turns.waiting.clone()) else { break };
            let begin = Instant::now();
            let mut hands = Hands { crew: &mut *crew, journal: &mut *notes };
            let trials = export.subject.meter.evaluate(&mut hands, &points);
            let best = export.subject.meter.best().map(|best| best.seconds);
            export.progress.batch(best, begin.elapsed().as_secs_f64());
            if trials.len() < points.len() {
                return;
            }
            if let Some(turns) = &mut export.turns {
                turns.answer(trials);
            }
        }
    }
}

fn limits(budget: Budget, batch: usize, exports: usize) -> Limits {
    match budget {
        Budget::Trials(count) => {
            let expected = (count as usize / exports.max(1)).max(1);
            Limits { trials: count as usize, expected, batch: batch.min(expected) }
        }
        Budget::Time(time) => {
            let expected = (time.as_secs_f64() * RATE) as usize / exports.max(1);
            Limits { trials: usize::MAX, expected: expected.max(1), batch }
        }
    }
}

/// The export that has the next turn: as in the log, else the one that promises most; none where all are done.
fn next(open: &[Open<'_>], notes: &Notes<'_>) -> Option<usize> {
    let is_open = |export: &Open<'_>| export.turns.as_ref().is_none_or(|turns| turns.waiting.is_some());
    let then = notes.turn_in_past();
    let then = then.and_then(|name| open.iter().position(|export| export.job.graph.name == name && is_open(export)));
    then.or_else(|| {
        let gains = open.iter().enumerate().filter(|(_, export)| is_open(export));
        let gains = gains.map(|(at, export)| (at, export.progress.expected_gain()));
        // The first of equals.
        gains
            .fold(None, |best: Option<(usize, f64)>, (at, gain)| match best {
                Some((_, most)) if most >= gain => best,
                _ => Some((at, gain)),
            })
            .map(|(at, _)| at)
    })
}

/// Points that were good for kernels of the same structure: those of this run, and those in the lock.
fn hints(pinned: Option<&Pinned>, open: &[Open<'_>], at: usize) -> Vec<Point> {
    let own = &open[at];
    let knobs = &own.subject.meter.candidates.knobs;
    let similar =
        open.iter().enumerate().filter(|(other, export)| *other != at && export.key.structure == own.key.structure);
    let texts = similar.filter_map(|(_, export)| {
        let best = export.subject.meter.best()?;
        Some(export.subject.meter.candidates.knobs.show(&best.point))
    });
    let mut texts: Vec<String> = texts.take(2).collect();
    if let Some(pinned) = pinned {
        texts.extend(pinned.exact(&own.key).map(|entry| entry.choices.clone()));
        texts.extend(pinned.near(&own.key).into_iter().take(2).map(|entry| entry.choices.clone()));
    }
    texts.iter().filter_map(|text| lock::nearest_point(knobs, text)).collect()
}

/// Picks the winner among the leaders: the first that passes the check.
fn finish(
    session: &mut Session,
    export: &mut Open<'_>,
    crew: &mut Crew,
    notes: &mut Notes<'_>,
    started: Instant,
) -> Outcome<Tuned> {
    let name = export.job.graph.name.clone();
    let mut refused = Vec::new();
    let winner = match notes.winner_in_past(&name).cloned() {
        Some(winner) => Some(winner),
        None if notes.replays() || notes.trials_of(&name) == 0 => None,
        None => checked(export, crew, &mut refused),
    };
    let status = notes.status(&name).clone();
    let mut reasons = export.rejections.clone();
    for (kind, count) in status.reasons {
        let known = reasons.entry(kind).or_default();
        *known = (*known).max(count);
    }
    let Some(winner) = winner else {
        let mut counted: Vec<_> = reasons.iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
        counted.extend(refused.first().map(|reason| format!("the winner: {}: {}", reason.kind, reason.detail)));
        let counted = counted.join(", ");
        return Err(session.environment(error::nothing_found(&name, &counted)));
    };
    notes.write(&Line::Winner(winner.clone()));
    let choices = export.subject.meter.candidates.knobs.show(&Point(winner.point));
    let entry = super::entry(&name, &export.key, winner.seconds, choices, winner.schedule);
    let trials = notes.trials_of(&name);
    Ok(Tuned { entry, trials, first: status.first, reasons, took: started.elapsed().as_secs_f64(), refused })
}

fn checked(export: &mut Open<'_>, crew: &mut Crew, refused: &mut Vec<Reason>) -> Option<Winner> {
    let finalists: Vec<Leader> = export.subject.meter.finale(crew, export.subject.chosen.clone());
    for leader in finalists {
        match export.subject.check(crew, &leader) {
            Ok(()) => {
                let (name, form) = (export.job.graph.name.clone(), export.key.form.clone());
                let (seconds, point) = (leader.seconds, leader.point.0.clone());
                return Some(Winner { export: name, form, seconds, point, schedule: leader.schedule.to_string() });
            }
            Err(reason) => refused.push(reason),
        }
    }
    None
}
