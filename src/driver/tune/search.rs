//! The search of some exports together.

use std::collections::VecDeque;
use std::time::Instant;

use super::super::bench::data::Range;
use super::super::bench::options::Budget;
use super::super::lock::Entry;
use super::super::session::{Outcome, Session, Stop};
use super::end::{checking, finals, finish_all, most_of_final};
use super::log::{Line, Log, Past};
use super::notes::{Notes, Source, Status};
use super::open::{Open, check_past, header, open_all, pinned_hints, similar};
use super::turns::{Plan, Turns};
use super::{Earlier, Event};
use crate::explore::{Limits, Method, Reason, Rejections};
use crate::graph::Graph;
use crate::measure::batch::Batch;
use crate::measure::crew::Crew;
use crate::measure::meter::Hands;
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
    /// The body that a build takes before this search, if that is another one.
    pub rival: Option<Graph>,
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
    /// The entry of another body, which was in the final too.
    pub rival: Option<Entry>,
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
    let hints = pinned_hints(&records.past, session.pinned.as_ref(), &open);
    let mut show = |status: &Status| tell(Event::Status(status));
    let mut notes = Notes::new(records.log, records.past, source, (settings.budget, started), &mut show);
    notes.write(&Line::Search(header(settings, batch, &open, &hints)));
    notes.reserve = checking(&open);
    let mut round = Round {
        hints,
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

/// A search of all exports under way.
struct Round<'a, 'j, 'n> {
    /// What the lock gives each export to start from.
    hints: Vec<Vec<Point>>,
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
        let hints = [similar(self.open, at), self.hints[at].clone()].concat();
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
