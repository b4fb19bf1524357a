//! What points of a kernel cost, by the clock.
//!
//! A batch is compiled on all cores and timed one candidate at a time: on a CPU after all are compiled, on a GPU, with one
//! candidate on each, as soon as they are. On a CPU each is timed beside an anchor (`anchor`, `samples`), and before each
//! batch some of the leaders are timed again (`again`). At the end the leaders are timed in turns (`last`).
//!
//! Each trial goes to a [`Journal`], which can also know it from before, and says when the time is up.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::anchor::Anchor;
use super::batch::{Batch, Slot, Stage};
use super::candidates::Candidates;
use super::crew::{Crew, Event};
use super::parallel;
use super::protocol::{Build, Effort, Reply, Request, Setup, Time};
use super::samples::Samples;
use crate::explore::{Reason, Trial};
use crate::schedule::Schedule;
use crate::space::knobs::Point;

/// Takes note of trials.
pub trait Journal {
    /// What became of a schedule, if that is known from before.
    fn recall(&mut self, schedule: &str) -> Option<Record>;
    /// Takes note of a trial.
    fn record(&mut self, record: &Record);
    /// Whether there is time for another trial.
    fn has_time(&mut self) -> bool;
}

/// A trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The point.
    pub point: Point,
    /// Its schedule.
    pub schedule: String,
    /// What the model predicts.
    pub cycles: Option<f64>,
    /// The seconds of each sample, as the clock said.
    pub samples: Vec<f64>,
    /// How many times slower the machine was than at the beginning.
    pub drift: f64,
    /// Seconds since the search began; none where the journal is to say.
    pub at: Option<f64>,
    /// What became of it.
    pub trial: Trial,
}

/// One of the best so far.
#[derive(Clone, Debug)]
pub struct Leader {
    /// The point.
    pub point: Point,
    /// Its schedule.
    pub schedule: Schedule,
    /// Its seconds.
    pub seconds: f64,
    /// Its library.
    pub library: PathBuf,
    /// What the clock said each time that it was looked at.
    pub looks: Vec<f64>,
}

/// What all meters share.
pub struct Hands<'a> {
    /// Who works.
    pub crew: &'a Crew,
    /// Where trials are noted.
    pub journal: &'a mut dyn Journal,
}

impl std::fmt::Debug for Hands<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hands").field("crew", &self.crew).finish_non_exhaustive()
    }
}

/// Measures the candidates of one kernel.
#[derive(Debug)]
pub struct Meter {
    /// The candidates.
    pub candidates: Candidates,
    /// What workers are set up for.
    pub setup: Setup,
    /// No kernel can be faster than this, in seconds.
    pub fastest: f64,
    /// The best, in order.
    pub(super) leaders: Vec<Leader>,
    known: BTreeSet<String>,
    /// What candidates are timed beside.
    pub(super) anchor: Option<Anchor>,
    /// Libraries so far.
    pub(super) made: usize,
}

/// Leaders that are kept for the final.
const LEADERS: usize = 16;
/// How many times as long as the best a candidate may take to be called often, by its first call and beside the anchor.
const HOPELESS: f64 = 1.3;
const LATE: f64 = 1.08;
/// How far a leader may be behind the best to be in the final.
const BEHIND: f64 = 0.15;
/// How often it is asked whether there is time for what is being compiled.
const LOOK: Duration = Duration::from_millis(100);
/// Compiling takes longer than this only where something is wrong.
pub const BUILD_LIMIT: Duration = Duration::from_secs(20);
/// The same for nvcc: it takes a second, and where it takes much longer the code is too long to be fast.
const NVCC_LIMIT: Duration = Duration::from_secs(6);
/// Candidates that one call of nvcc compiles: it takes 0.2 s to start, and as much again for each.
const TOGETHER: usize = 4;
/// Seconds after which a kernel on a GPU does not end.
const HANGS: f64 = 10.0;

impl Meter {
    /// A meter that has measured nothing.
    pub fn new(candidates: Candidates, setup: Setup, fastest: f64) -> Self {
        Self { candidates, setup, fastest, leaders: Vec::new(), known: BTreeSet::new(), anchor: None, made: 0 }
    }

    /// Has candidates timed beside a library that works.
    pub fn moor(&mut self, library: PathBuf) {
        self.anchor = Some(Anchor::new(library));
    }

    /// Begins to try points: compiles them.
    pub fn begin(&mut self, hands: &mut Hands<'_>, points: &[Point]) -> Batch {
        let mut slots: Vec<_> = points.iter().map(|point| self.open(point)).collect();
        for slot in &mut slots {
            if let Stage::Waiting(_) = slot.stage
                && let Some(record) = hands.journal.recall(&slot.text)
            {
                slot.stage = Stage::Known(record);
            }
        }
        self.write(&mut slots);
        let (sender, events) = mpsc::channel();
        let mut batch = Batch { slots, building: None, sender, events, is_late: false };
        let builds: Vec<_> = batch.slots.iter().enumerate().filter_map(|(at, slot)| self.build(at, slot)).collect();
        if !builds.is_empty() {
            batch.is_late = !hands.journal.has_time();
        }
        if !batch.is_late {
            let even = builds.len().div_ceil(hands.crew.builders());
            let together = if self.is_gpu() { even.min(TOGETHER) } else { 1 };
            batch.building = Some(hands.crew.start(&builds, together, self.build_limit(), &batch.sender));
        }
        batch
    }

    /// Times a batch; gives what became of its points, in order; of fewer if the time is up. What is ready first is timed
    /// first. On a GPU others may be compiled meanwhile; on a CPU nothing may run beside.
    pub fn finish(&mut self, hands: &mut Hands<'_>, mut batch: Batch) -> Vec<Trial> {
        let mut trials = Vec::new();
        let mut idle: Vec<usize> = (0..hands.crew.timers()).rev().collect();
        // Where there is no time, what is known of the first points still counts.
        let (mut is_over, mut has_looked) = (batch.is_late, false);
        loop {
            while let (false, Some(&timer), Some(at)) = (is_over, idle.last(), batch.next(self.is_gpu())) {
                is_over = !hands.journal.has_time();
                if !is_over {
                    if !std::mem::replace(&mut has_looked, true) {
                        self.look_around(hands.crew);
                    }
                    idle.pop();
                    let request = self.request(&batch.slots[at].library, self.effort(), false);
                    batch.slots[at].stage = Stage::Timing;
                    let asked = (&self.setup, request);
                    hands.crew.ask(timer, asked, self.time_limit(), at, &batch.sender);
                }
            }
            while let Some(slot) = batch.slots.get_mut(trials.len()).filter(|slot| slot.is_done()) {
                let slot = slot.take();
                trials.push(self.note(hands.journal, slot));
            }
            if trials.len() == batch.slots.len() || (is_over && idle.len() == hands.crew.timers()) {
                return trials;
            }
            match batch.events.recv_timeout(LOOK) {
                Ok(event) => idle.extend(self.hear(&mut batch, event)),
                Err(RecvTimeoutError::Timeout) => is_over |= !hands.journal.has_time(),
                Err(RecvTimeoutError::Disconnected) => return trials,
            }
        }
    }

    /// Tries points, in order; fewer if the time is up. As [`explore::Evaluate::evaluate`](crate::explore::Evaluate).
    pub fn evaluate(&mut self, hands: &mut Hands<'_>, points: &[Point]) -> Vec<Trial> {
        let batch = self.begin(hands, points);
        self.finish(hands, batch)
    }

    /// Puts what workers did where it belongs; gives the worker that has nothing to do now.
    fn hear(&mut self, batch: &mut Batch, event: Event) -> Option<usize> {
        match event {
            Event::Built(at, result) => {
                batch.slots[at].stage = match result {
                    Ok(()) => Stage::Built,
                    Err(reason) => Stage::Done(Trial::Failed(reason), Vec::new()),
                };
                None
            }
            Event::Replied { timer, at, reply } => {
                batch.slots[at].stage = match samples_of(reply) {
                    Ok(samples) => Stage::Done(Trial::Measured(self.judge(&samples)), samples.own),
                    Err(reason) => Stage::Done(Trial::Failed(reason), Vec::new()),
                };
                Some(timer)
            }
        }
    }

    pub(super) const fn is_gpu(&self) -> bool {
        self.setup.processor.is_gpu()
    }

    /// The best so far.
    pub fn best(&self) -> Option<&Leader> {
        self.leaders.first()
    }

    /// A point with its schedule; its loops are still to be written.
    fn open(&mut self, point: &Point) -> Slot {
        self.made += 1;
        let library = self.setup.folder.join(format!("candidate{}.so", self.made));
        let slot = |schedule: Schedule, stage| {
            let text = schedule.to_string();
            Slot { point: point.clone(), schedule, text, library, stage }
        };
        let rejected = |reason| Stage::Done(Trial::Rejected(reason), Vec::new());
        let schedule = match self.candidates.schedule(point) {
            Ok(schedule) => schedule,
            Err(reason) => return slot(Schedule::default(), rejected(reason)),
        };
        if self.known.contains(&schedule.to_string()) {
            return slot(schedule, rejected(Reason::new("same", "another point has the same schedule")));
        }
        slot(schedule, Stage::Waiting(String::new()))
    }

    /// Puts points into the form in which workers take them.
    fn write(&self, slots: &mut [Slot]) {
        let waiting = slots.iter_mut().filter(|slot| matches!(slot.stage, Stage::Waiting(_)));
        parallel::each(waiting.collect(), |slot| {
            slot.stage = match self.candidates.loops(&slot.schedule) {
                Ok(loops) => Stage::Waiting(loops),
                Err(reason) => Stage::Done(Trial::Rejected(reason), Vec::new()),
            };
        });
    }

    /// What is to be compiled of a point.
    fn build(&self, at: usize, slot: &Slot) -> Option<(usize, Build)> {
        let Stage::Waiting(loops) = &slot.stage else { return None };
        Some((at, self.job(loops.clone(), slot.library.clone())))
    }

    /// How long a candidate may take in all.
    fn time_limit(&self) -> Duration {
        let most = if self.is_gpu() { HANGS } else { 60.0 };
        Duration::from_secs_f64(self.best().map_or(most, |best| 2.0 + 200.0 * best.seconds))
    }

    fn request(&self, library: &Path, effort: Effort, checked: bool) -> Request {
        let anchor = self.anchor.as_ref().map(|anchor| anchor.library.clone());
        Request::Time(Time { library: library.to_owned(), effort, checked, anchor })
    }

    /// Times a library.
    pub(super) fn time(&self, crew: &Crew, library: &Path, effort: Effort, checked: bool) -> Result<Samples, Reason> {
        let effort = Effort { fastest: self.fastest, ..effort };
        samples_of(crew.alone(&self.setup, &self.request(library, effort, checked), self.time_limit()))
    }

    /// What a call of a library takes.
    pub(super) fn seconds(
        &mut self,
        crew: &Crew,
        library: &Path,
        effort: Effort,
        checked: bool,
    ) -> Result<f64, Reason> {
        self.time(crew, library, effort, checked).map(|samples| self.judge(&samples))
    }

    fn judge(&mut self, samples: &Samples) -> f64 {
        self.anchor.as_mut().map_or_else(|| samples.least(), |anchor| anchor.judge(samples))
    }

    fn drift(&self) -> f64 {
        self.anchor.as_ref().map_or(1.0, |anchor| anchor.drift)
    }

    /// What a call takes while nothing disturbs it, of the seconds of trials.
    pub fn undisturbed(&self) -> f64 {
        self.anchor.as_ref().map_or(1.0, Anchor::undisturbed)
    }

    fn effort(&self) -> Effort {
        let best = self.best().map(|best| best.seconds);
        let hopeless = best.map(|best| best * self.drift() * HOPELESS);
        let behind = best.zip(self.anchor.as_ref()).and_then(|(best, anchor)| anchor.ratio(best * LATE));
        Effort { samples: 7, seconds: 0.12, hopeless, behind, fastest: self.fastest }
    }

    fn note(&mut self, journal: &mut dyn Journal, slot: Slot) -> Trial {
        let cycles = self.candidates.predict(&slot.point).ok();
        let Slot { point, schedule, text, library, stage } = slot;
        self.known.insert(text.clone());
        let record = match stage {
            Stage::Known(record) => Record { point: point.clone(), schedule: text, cycles, ..record },
            Stage::Done(trial, samples) => {
                let drift = self.drift();
                Record { point: point.clone(), schedule: text, cycles, samples, drift, at: None, trial }
            }
            Stage::Waiting(_) | Stage::Built | Stage::Timing => unreachable!("only what is done is noted"),
        };
        journal.record(&record);
        if let Trial::Measured(seconds) = record.trial {
            self.lead(Leader { point, schedule, seconds, library, looks: vec![seconds] });
        }
        record.trial
    }

    /// Takes a candidate among the leaders, if it is one.
    pub(super) fn lead(&mut self, candidate: Leader) {
        let at = self.leaders.partition_point(|other| other.seconds <= candidate.seconds);
        self.leaders.insert(at, candidate);
        for loser in self.leaders.drain(LEADERS.min(self.leaders.len())..) {
            // If it stays, the folder goes away with all that is in it.
            let _ = std::fs::remove_file(&loser.library);
        }
    }

    /// Those who are near enough to the best.
    pub(super) fn finalists(&self) -> impl Iterator<Item = &Leader> {
        let best = self.best().map_or(f64::INFINITY, |best| best.seconds);
        self.leaders.iter().filter(move |leader| leader.seconds <= best * (1.0 + BEHIND))
    }

    /// How long compiling a candidate may take.
    const fn build_limit(&self) -> Duration {
        if self.is_gpu() { NVCC_LIMIT } else { BUILD_LIMIT }
    }

    /// The kernel under a schedule, to be compiled.
    pub fn order(&self, schedule: &Schedule, library: PathBuf) -> Result<Build, Reason> {
        Ok(self.job(self.candidates.loops(schedule)?, library))
    }

    /// Loops, to be compiled.
    pub fn job(&self, loops: String, library: PathBuf) -> Build {
        Build { loops, processor: self.setup.processor.clone(), library }
    }

    /// Compiles a leader whose library is not there.
    pub fn restore(&self, crew: &Crew, leader: &Leader) -> Result<(), Reason> {
        if leader.library.exists() {
            return Ok(());
        }
        self.compile(crew, &leader.schedule, leader.library.clone())
    }

    /// Compiles the kernel under a schedule.
    pub fn compile(&self, crew: &Crew, schedule: &Schedule, library: PathBuf) -> Result<(), Reason> {
        let loops = self.candidates.loops(schedule)?;
        let build = self.job(loops, library);
        crew.build(&[build], 1, BUILD_LIMIT).swap_remove(0)
    }
}

/// The samples that a worker replied.
fn samples_of(reply: Result<Reply, Reason>) -> Result<Samples, Reason> {
    match reply? {
        Reply::Samples(samples) => Ok(samples),
        other => Err(Reason::new("worker", format!("it said {other:?}"))),
    }
}
