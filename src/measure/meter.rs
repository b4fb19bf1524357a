//! What points of a kernel cost, by the clock: the [`Evaluate`] of a search.
//!
//! A batch is compiled on all cores, then timed one candidate at a time. Before each batch the incumbent is timed again: what
//! it takes now, against what it took, says how much faster or slower the machine became, and times are counted in
//! the incumbent's. At the end the leaders are timed in turns, and of those that are nearly equal the simplest wins, so
//! that two searches agree.
//!
//! Each trial goes to a [`Journal`], which can also know it from before, and says when the time is up.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::candidates::Candidates;
use super::crew::Crew;
use super::protocol::{Build, Effort, Reply, Request, Setup, Time};
use crate::explore::{Evaluate, Reason, Trial};
use crate::loops;
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
}

/// Measures the candidates of one kernel.
pub struct Meter<'a> {
    /// The candidates.
    pub candidates: Candidates,
    /// Who works.
    pub crew: &'a mut Crew,
    /// What they are set up for.
    pub setup: Setup,
    /// No kernel can be faster than this, in seconds.
    pub fastest: f64,
    /// Where trials are noted.
    pub journal: &'a mut dyn Journal,
    leaders: Vec<Leader>,
    known: BTreeSet<String>,
    drift: f64,
    made: usize,
}

/// Leaders that are kept for the final.
const LEADERS: usize = 6;
/// How far a leader may be behind the best to be in the final, and in it, to count as equal.
const BEHIND: f64 = 0.12;
const EQUAL: f64 = 0.015;
/// Turns of the final.
const TURNS: usize = 7;
/// Compiling takes longer than this only where something is wrong.
const BUILD_LIMIT: Duration = Duration::from_secs(20);

impl std::fmt::Debug for Meter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").field("leaders", &self.leaders).finish_non_exhaustive()
    }
}

/// A candidate on its way through a batch.
struct Open {
    point: Point,
    schedule: Schedule,
    text: String,
    library: PathBuf,
    /// Its loops as text, or what became of it already.
    state: Result<String, Trial>,
}

impl<'a> Meter<'a> {
    /// A meter that has measured nothing.
    pub fn new(
        candidates: Candidates,
        crew: &'a mut Crew,
        setup: Setup,
        fastest: f64,
        journal: &'a mut dyn Journal,
    ) -> Self {
        let (leaders, known) = (Vec::new(), BTreeSet::new());
        Self { candidates, crew, setup, fastest, journal, leaders, known, drift: 1.0, made: 0 }
    }

    /// The best so far.
    pub fn best(&self) -> Option<&Leader> {
        self.leaders.first()
    }

    /// Puts a point into the form in which workers take it.
    fn open(&mut self, point: &Point) -> Open {
        self.made += 1;
        let library = self.setup.folder.join(format!("candidate{}.so", self.made));
        let open = |schedule: Schedule, state| {
            let text = schedule.to_string();
            Open { point: point.clone(), schedule, text, library, state }
        };
        let schedule = match self.candidates.schedule(point) {
            Ok(schedule) => schedule,
            Err(reason) => return open(Schedule::default(), Err(Trial::Rejected(reason))),
        };
        let text = schedule.to_string();
        if self.known.contains(&text) {
            return open(schedule, Err(Trial::Rejected(Reason::new("same", "another point has the same schedule"))));
        }
        let loops = self.candidates.loops(&schedule);
        let state = loops.map(|kernel| loops::print::print(&kernel)).map_err(Trial::Rejected);
        open(schedule, state)
    }

    /// Compiles what is open; gives what failed its state.
    fn build(&mut self, batch: &mut [Open]) {
        let waiting: Vec<_> = (0..batch.len()).filter(|&at| batch[at].state.is_ok()).collect();
        let builds: Vec<_> = waiting
            .iter()
            .filter_map(|&at| {
                let loops = batch[at].state.clone().ok()?;
                Some(Build { loops, library: batch[at].library.clone() })
            })
            .collect();
        let built = self.crew.build(&self.setup, &builds, BUILD_LIMIT);
        for (at, result) in waiting.into_iter().zip(built) {
            if let Err(reason) = result {
                batch[at].state = Err(Trial::Failed(reason));
            }
        }
    }

    /// Seconds of samples of a library, as the clock says.
    fn clock(&mut self, library: PathBuf, effort: Effort) -> Result<Vec<f64>, Reason> {
        let limit = self.best().map_or(60.0, |best| 2.0 + 200.0 * best.seconds);
        let request = Request::Time(Time { library, effort });
        match self.crew.alone(&self.setup, &request, Duration::from_secs_f64(limit))? {
            Reply::Samples(samples) => Ok(samples),
            other => Err(Reason::new("worker", format!("it said {other:?}"))),
        }
    }

    fn effort(&self) -> Effort {
        let hopeless = self.best().map(|best| best.seconds * self.drift * 1.3);
        Effort { samples: 7, seconds: 0.12, hopeless, fastest: self.fastest }
    }

    /// Times the incumbent again, to see what the machine became.
    fn look_at_drift(&mut self) {
        let Some(best) = self.best() else { return };
        let (library, before) = (best.library.clone(), best.seconds);
        let effort = Effort { hopeless: None, ..self.effort() };
        if let Ok(samples) = self.clock(library, effort) {
            let now = typical(&samples) / before;
            // A single reading is half believed.
            self.drift = (self.drift * now).sqrt().clamp(0.1, 10.0);
        }
    }

    fn time(&mut self, open: &Open) -> (Trial, Vec<f64>) {
        if let Err(trial) = &open.state {
            return (trial.clone(), Vec::new());
        }
        match self.clock(open.library.clone(), self.effort()) {
            Ok(samples) => (Trial::Measured(typical(&samples) / self.drift), samples),
            Err(reason) => (Trial::Failed(reason), Vec::new()),
        }
    }

    fn note(&mut self, open: Open, trial: &Trial, samples: Vec<f64>) {
        let cycles = self.candidates.predict(&open.point).ok();
        let Open { point, schedule, text, library, .. } = open;
        self.known.insert(text.clone());
        let record =
            Record { point: point.clone(), schedule: text, cycles, samples, drift: self.drift, trial: trial.clone() };
        self.journal.record(&record);
        if let Trial::Measured(seconds) = *trial {
            self.lead(Leader { point, schedule, seconds, library });
        }
    }

    /// Takes a candidate among the leaders, if it is one.
    fn lead(&mut self, candidate: Leader) {
        let at = self.leaders.partition_point(|other| other.seconds <= candidate.seconds);
        self.leaders.insert(at, candidate);
        for loser in self.leaders.drain(LEADERS.min(self.leaders.len())..) {
            // If it stays, the folder goes away with all that is in it.
            let _ = std::fs::remove_file(&loser.library);
        }
    }

    /// The winner of the leaders, timed in turns; the simplest of those that are as good as equal.
    pub fn finale(&mut self) -> Option<Leader> {
        let best = self.best()?.seconds;
        let mut finalists: Vec<Leader> = self.leaders.clone();
        finalists.retain(|leader| leader.seconds <= best * (1.0 + BEHIND));
        if finalists.len() > 1 {
            self.take_turns(&mut finalists);
        }
        let least = finalists.iter().map(|leader| leader.seconds).fold(f64::INFINITY, f64::min);
        finalists.retain(|leader| leader.seconds <= least * (1.0 + EQUAL));
        let simplest = |leader: &Leader| {
            let text = leader.schedule.to_string();
            (leader.schedule.steps.len(), text.len(), text)
        };
        finalists.into_iter().min_by_key(simplest)
    }

    /// Times all in turn, several times over; their seconds are then the medians.
    fn take_turns(&mut self, finalists: &mut [Leader]) {
        let effort = Effort { samples: 2, seconds: 0.05, hopeless: None, fastest: self.fastest };
        let mut samples = vec![Vec::new(); finalists.len()];
        for _ in 0..TURNS {
            for (leader, samples) in finalists.iter_mut().zip(&mut samples) {
                // A library may be missing: a trial that was recalled has none.
                if self.restore(leader).is_ok()
                    && let Ok(times) = self.clock(leader.library.clone(), effort)
                {
                    samples.push(typical(&times));
                }
            }
        }
        for (leader, samples) in finalists.iter_mut().zip(&samples) {
            leader.seconds = if samples.is_empty() { f64::INFINITY } else { median(samples) };
        }
    }

    /// Compiles a leader whose library is not there.
    fn restore(&mut self, leader: &Leader) -> Result<(), Reason> {
        if leader.library.exists() {
            return Ok(());
        }
        let loops = loops::print::print(&self.candidates.loops(&leader.schedule)?);
        let build = Build { loops, library: leader.library.clone() };
        self.crew.build(&self.setup, &[build], BUILD_LIMIT).swap_remove(0)
    }
}

impl Evaluate for Meter<'_> {
    fn evaluate(&mut self, points: &[Point]) -> Vec<Trial> {
        let mut trials = Vec::new();
        let mut batch: Vec<Open> = points.iter().map(|point| self.open(point)).collect();
        let mut recalled: Vec<Option<Record>> = Vec::new();
        for open in &mut batch {
            let record = if open.state.is_ok() { self.journal.recall(&open.text) } else { None };
            if let Some(record) = &record {
                open.state = Err(record.trial.clone());
            }
            recalled.push(record);
        }
        if batch.iter().any(|open| open.state.is_ok()) {
            if !self.journal.has_time() {
                return trials;
            }
            self.build(&mut batch);
            self.look_at_drift();
        }
        for (open, record) in batch.into_iter().zip(recalled) {
            if open.state.is_ok() && !self.journal.has_time() {
                break;
            }
            let (trial, samples) = match record {
                Some(record) => {
                    self.drift = record.drift;
                    (record.trial, record.samples)
                }
                None => self.time(&open),
            };
            self.note(open, &trial, samples);
            trials.push(trial);
        }
        trials
    }

    fn predict(&mut self, point: &Point) -> Result<f64, Reason> {
        self.candidates.predict(point)
    }
}

/// What a call takes when nothing disturbs it: the mean of the faster half of the samples.
fn typical(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = &sorted[..sorted.len().div_ceil(2)];
    half.iter().sum::<f64>() / half.len().max(1) as f64
}

fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
