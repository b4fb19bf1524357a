//! The search of some exports together.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::super::bench::data::Range;
use super::super::bench::options::Budget;
use super::super::lock::{self, Entry, Key, Pinned};
use super::super::session::{Outcome, Session, Stop};
use super::log::{Header, Line, Log, Past, Winner};
use super::notes::{INTERRUPTED, Notes, Source, Status};
use super::subject::{Recipe, Subject};
use super::turns::{Plan, Progress, Turns};
use super::{Earlier, Event, error};
use crate::explore::{Limits, Method, Reason, Rejections};
use crate::graph::Graph;
use crate::loops::Kernel;
use crate::lower;
use crate::measure::crew::Crew;
use crate::measure::meter::{BUILD_LIMIT, Batch, Hands, Leader};
use crate::measure::parallel;
use crate::runtime::gpu::Device;
use crate::schedule::Schedule;
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
    /// What it is to give: the same, or the body of which it is a variant.
    pub definition: Graph,
    /// Ranges of its inputs, where they are not any numbers; may be shorter.
    pub ranges: Vec<Option<Range>>,
    /// What the model chooses, if it was asked before.
    pub chosen: Option<Schedule>,
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

/// Points of a batch, for each core.
const BATCH: usize = 4;
/// Points of a batch for a GPU, for each core: fewer where many exports share the time.
const GPU_BATCH: usize = 4;
const GPU_BATCH_OF_MANY: usize = 2;
const MANY: usize = 8;
/// Batches before another export has its turn.
const TURN: usize = 3;
/// Searches that look for their first points while others have their turns.
const EARLY: usize = 8;
/// Batches of different exports that are compiled before their turns.
const AHEAD: usize = 5;
/// Trials in a second, about; what methods count with where the budget is a time.
const RATE: f64 = 20.0;
const GPU_RATE: f64 = 30.0;

/// One export on its way.
struct Open<'j> {
    job: &'j Job,
    key: Key,
    subject: Subject,
    turns: Option<Turns>,
    progress: Progress,
    rejections: Rejections,
}

/// What a search found.
#[derive(Debug)]
pub struct Found {
    /// What was tuned.
    pub tuned: Vec<Tuned>,
    /// Why something was not.
    pub stop: Option<Stop>,
}

/// Searches for schedules of all jobs.
pub fn search(
    session: &mut Session,
    settings: &Settings,
    jobs: &[Job],
    records: Records,
    tell: &mut dyn FnMut(Event<'_>),
) -> Outcome<Found> {
    let program = std::env::current_exe()
        .map_err(|cause| session.environment(super::driver_error::unwritable("the program's own path", &cause)))?;
    let started = Instant::now();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let is_gpu = matches!(settings.platform, Platform::Gpu(_));
    let crew = if is_gpu { Crew::with_gpus(program, cores, &Device::names()) } else { Crew::new(program, cores) };
    let source = match records.earlier {
        Earlier::None => Source::Clock,
        Earlier::Resume => Source::PastThenClock,
        Earlier::Replay(_) => Source::Past,
    };
    let own = match settings.platform {
        Platform::Cpu(_) => BATCH,
        Platform::Gpu(_) if jobs.len() >= MANY => GPU_BATCH_OF_MANY,
        Platform::Gpu(_) => GPU_BATCH,
    };
    let batch = records.past.header.as_ref().map_or(own * cores, |header| header.batch);
    let mut open = open_all(session, settings, jobs, &crew)?;
    check_past(session, &records.past, &open)?;
    let mut show = |status: &Status| tell(Event::Status(status));
    let mut notes = Notes::new(records.log, records.past, source, (settings.budget, started), &mut show);
    notes.write(&Line::Search(header(settings, batch, &open)));
    notes.reserve = checking(&open);
    let mut round = Round {
        pinned: session.pinned.as_ref(),
        settings,
        limits: limits(settings, batch, open.len()),
        crew: &crew,
        open: &mut open,
        notes: &mut notes,
        is_over: false,
    };
    // A log says whose turn it was when all before was done.
    if is_gpu && round.notes.is_fresh() {
        round.overlap();
    } else {
        round.take_turns();
    }
    let most = most_of_final(settings.budget, open.len());
    let found = finish_all(session, &mut open, (&crew, most), &mut notes, started);
    let failure = notes.failure.take();
    drop(notes);
    if let Some(cause) = failure {
        return Err(session.environment(super::driver_error::unwritable("the log", &cause)));
    }
    let mut all = Found { tuned: Vec::new(), stop: None };
    for result in found {
        match result {
            Ok(result) => {
                tell(Event::Done(&result));
                all.tuned.push(result);
            }
            Err(stop) => all.stop = Some(stop),
        }
    }
    Ok(all)
}

fn open_all<'j>(session: &mut Session, settings: &Settings, jobs: &'j [Job], crew: &Crew) -> Outcome<Vec<Open<'j>>> {
    let target = session.pinned.as_ref().map_or_else(String::new, |pinned| pinned.target.clone());
    let naive: Vec<_> = jobs.iter().map(|job| session.passes.run("lower", || lower::lower(&job.graph))).collect();
    let Session { passes, pinned, diagnostics, .. } = session;
    // What is found takes their places.
    let broken = naive.iter().filter_map(|kernel| lock::finding(pinned.as_ref()?, kernel));
    diagnostics.extend(broken);
    let subjects = passes.run("reference", || subjects(settings, pinned.as_ref(), jobs, &naive, crew));
    let mut open = Vec::new();
    for ((job, naive), subject) in jobs.iter().zip(naive).zip(subjects) {
        let subject = subject.map_err(|reason| {
            let why = format!("{}: {}", reason.kind, reason.detail);
            session.environment(error::nothing_found(&job.graph.name, &why))
        })?;
        let key = Key::of(&naive, &target);
        let (progress, rejections) = (Progress::default(), Rejections::new());
        open.push(Open { job, key, subject, turns: None, progress, rejections });
    }
    Ok(open)
}

/// The data of all jobs.
fn subjects(
    settings: &Settings,
    pinned: Option<&Pinned>,
    jobs: &[Job],
    naive: &[Kernel],
    crew: &Crew,
) -> Vec<Result<Subject, Reason>> {
    let recipe = |(job, naive): (&Job, &Kernel)| {
        Subject::new(&Recipe {
            chosen: pinned
                .and_then(|pinned| lock::recorded(pinned, naive, &settings.platform))
                .or_else(|| job.chosen.clone()),
            graph: &job.graph,
            definition: &job.definition,
            ranges: &job.ranges,
            naive,
            target: &settings.target,
            platform: &settings.platform,
            threads: settings.threads,
            seed: settings.seed,
        })
    };
    let made = parallel::each(jobs.iter().zip(naive).collect(), recipe);
    let orders: Vec<_> = made.iter().map(|made| made.as_ref().ok().map(|(own, chosen)| own.order(chosen))).collect();
    let builds: Vec<_> = orders.iter().flatten().filter_map(|order| order.clone().ok()).collect();
    let mut built = crew.build(&builds, 1, BUILD_LIMIT).into_iter();
    let mut work = Vec::new();
    for (made, order) in made.into_iter().zip(orders) {
        let built = order.map_or(Ok(()), |order| order.and_then(|_| built.next().unwrap_or(Ok(()))));
        work.push((made, built));
    }
    parallel::each(work, |(made, built)| {
        let (mut subject, chosen) = made?;
        subject.expect(crew, chosen, built)?;
        Ok(subject)
    })
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

/// A search of all exports under way.
struct Round<'a, 'j, 'n> {
    pinned: Option<&'a Pinned>,
    settings: &'a Settings,
    limits: Limits,
    crew: &'a Crew,
    open: &'a mut [Open<'j>],
    notes: &'a mut Notes<'n>,
    is_over: bool,
}

impl Round<'_, '_, '_> {
    /// One export after the other, each for some batches.
    fn take_turns(&mut self) {
        while let (false, Some(at)) = (self.is_over, next(self.open, self.notes, &[])) {
            for _ in 0..TURN {
                let begin = Instant::now();
                let Some(batch) = self.begin(at) else { break };
                self.finish(at, batch, begin);
                // Nothing else may run while a candidate is timed.
                if let Some(turns) = &mut self.open[at].turns {
                    turns.points();
                }
                if self.is_over {
                    return;
                }
            }
        }
    }

    /// While candidates of one export are timed, those of others are compiled, and other searches think.
    fn overlap(&mut self) {
        let mut begun: VecDeque<(usize, Batch)> = VecDeque::new();
        let mut begin = Instant::now();
        loop {
            while begun.len() < AHEAD
                && let Some(next) = self.begin_another(&begun)
            {
                begun.push_back(next);
            }
            let Some((at, batch)) = begun.pop_front().filter(|_| !self.is_over) else { return };
            self.finish(at, batch, begin);
            begin = Instant::now();
        }
    }

    /// Begins a batch of the export that promises most, beside those that have their turns now.
    fn begin_another(&mut self, begun: &VecDeque<(usize, Batch)>) -> Option<(usize, Batch)> {
        let busy: Vec<_> = begun.iter().map(|(at, _)| *at).collect();
        while let Some(at) = next(self.open, self.notes, &busy) {
            self.start(at);
            let early = (0..self.open.len()).filter(|&at| self.open[at].turns.is_none()).take(EARLY);
            for at in early.collect::<Vec<_>>() {
                self.start(at);
            }
            if let Some(batch) = self.begin(at) {
                return Some((at, batch));
            }
        }
        None
    }

    /// Starts the search of an export, if that was not done.
    fn start(&mut self, at: usize) {
        if self.open[at].turns.is_some() {
            return;
        }
        let hints = hints(self.pinned, self.open, at);
        let export = &mut self.open[at];
        // What was good before comes right after the model's choice: a short search of a long kernel tries little else.
        let (choice, others) = export.subject.starts.split_at(export.subject.starts.len().min(1));
        let starts = [choice, &hints, others].concat();
        let plan = Plan { method: self.settings.method, seed: self.settings.seed, limits: self.limits, starts };
        match Turns::start(export.subject.meter.candidates.clone(), plan) {
            Ok(turns) => export.turns = Some(turns),
            Err(_) => self.is_over = true,
        }
    }

    /// Begins with what an export's search asks; none at the end of that.
    fn begin(&mut self, at: usize) -> Option<Batch> {
        self.start(at);
        let export = &mut self.open[at];
        self.notes.turn(&export.job.graph.name);
        let points = export.turns.as_mut()?.points()?.to_vec();
        let mut hands = Hands { crew: self.crew, journal: &mut *self.notes };
        Some(export.subject.meter.begin(&mut hands, &points))
    }

    fn finish(&mut self, at: usize, batch: Batch, begin: Instant) {
        let export = &mut self.open[at];
        self.notes.turn(&export.job.graph.name);
        let asked = batch.len();
        let mut hands = Hands { crew: self.crew, journal: &mut *self.notes };
        let trials = export.subject.meter.finish(&mut hands, batch);
        let best = export.subject.meter.best().map(|best| best.seconds);
        export.progress.batch(best, begin.elapsed().as_secs_f64());
        let most = most_of_final(self.settings.budget, self.open.len());
        self.notes.reserve = checking(self.open) + finals(self.open, most);
        let export = &mut self.open[at];
        if trials.len() < asked {
            self.is_over = true;
        } else if let Some(turns) = &mut export.turns {
            turns.answer(trials);
        }
    }
}

fn limits(settings: &Settings, batch: usize, exports: usize) -> Limits {
    let rate = if matches!(settings.platform, Platform::Gpu(_)) { GPU_RATE } else { RATE };
    match settings.budget {
        Budget::Trials(count) => {
            let expected = (count as usize / exports.max(1)).max(1);
            Limits { trials: count as usize, expected, batch: batch.min(expected) }
        }
        Budget::Time(time) => {
            let expected = (time.as_secs_f64() * rate) as usize / exports.max(1);
            Limits { trials: usize::MAX, expected: expected.max(1), batch }
        }
    }
}

/// The export that has the next turn: as in the log, else the one that promises most and has no turn yet; none where all
/// are done.
fn next(open: &[Open<'_>], notes: &Notes<'_>, busy: &[usize]) -> Option<usize> {
    let is_open = |export: &Open<'_>| export.turns.as_ref().is_none_or(|turns| !turns.is_over());
    let then = notes.turn_in_past();
    let then = then.and_then(|name| open.iter().position(|export| export.job.graph.name == name && is_open(export)));
    then.or_else(|| {
        let gains = open.iter().enumerate().filter(|(at, export)| !busy.contains(at) && is_open(export));
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

/// Seconds that the checks of winners will take, as many at a time as there are cores.
fn checking(open: &[Open<'_>]) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    open.iter().map(|export| export.subject.compared).sum::<f64>() / cores.min(open.len()).max(1) as f64
}

/// The share of a budget that finals may take where they need so much.
const FINALS: f64 = 0.12;

/// Seconds that the finals will take, of which each may take its part of the budget.
fn finals(open: &[Open<'_>], most: f64) -> f64 {
    open.iter().map(|export| export.subject.meter.final_seconds(most)).sum()
}

/// The seconds that one of so many finals may take.
fn most_of_final(budget: Budget, exports: usize) -> f64 {
    match budget {
        Budget::Trials(_) => f64::INFINITY,
        Budget::Time(time) => time.as_secs_f64() * FINALS / exports.max(1) as f64,
    }
}

/// Ends all searches and picks the winners: of the leaders, timed in turns, the first that passes the check.
fn finish_all(
    session: &mut Session,
    open: &mut [Open<'_>],
    (crew, most): (&Crew, f64),
    notes: &mut Notes<'_>,
    started: Instant,
) -> Vec<Outcome<Tuned>> {
    // Without a trial, what a build takes is timed and stays, unless nothing was to be tried at all.
    let is_idle = open.iter().all(|export| notes.trials_of(&export.job.graph.name) == 0);
    let is_cut = is_idle || INTERRUPTED.load(Ordering::Relaxed);
    let mut last = Vec::new();
    for at in 0..open.len() {
        let later = checking(open) + finals(&open[at + 1..], most);
        let export = &mut open[at];
        if let Some(end) = export.turns.take().and_then(Turns::end) {
            export.rejections = end.rejections;
        }
        let name = &export.job.graph.name;
        let is_left = notes.trials_of(name) == 0 && is_cut;
        let is_known = notes.winner_in_past(name).is_some() || notes.replays() || is_left;
        let chosen = export.subject.chosen.clone();
        let until = notes.before_end(later);
        last.push(if is_known { Vec::new() } else { export.subject.meter.finale(crew, chosen, until) });
    }
    let work: Vec<_> = open.iter_mut().zip(last).collect();
    let winners = parallel::each(work, |(export, finalists)| checked(export, crew, finalists));
    open.iter().zip(winners).map(|(export, winner)| finish(session, export, winner, notes, started)).collect()
}

/// What became of an export.
fn finish(
    session: &mut Session,
    export: &Open<'_>,
    (winner, refused): (Option<Winner>, Vec<Reason>),
    notes: &mut Notes<'_>,
    started: Instant,
) -> Outcome<Tuned> {
    let name = export.job.graph.name.clone();
    let winner = notes.winner_in_past(&name).cloned().or(winner);
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
    let first = status.first.map(|first| first * export.subject.meter.undisturbed());
    Ok(Tuned { entry, trials, first, reasons, took: started.elapsed().as_secs_f64(), refused })
}

/// The first of the finalists that passes the check, and why others did not.
fn checked(export: &mut Open<'_>, crew: &Crew, finalists: Vec<Leader>) -> (Option<Winner>, Vec<Reason>) {
    let mut refused = Vec::new();
    for leader in finalists {
        match export.subject.check(crew, &leader) {
            Ok(()) => {
                let (name, form) = (export.job.graph.name.clone(), export.key.form.clone());
                let (seconds, point) = (leader.seconds, leader.point.0.clone());
                let schedule = leader.schedule.to_string();
                return (Some(Winner { export: name, form, seconds, point, schedule }), refused);
            }
            Err(reason) => refused.push(reason),
        }
    }
    (None, refused)
}
