//! The state of a search, whatever its method: history, best point, what is left of the limit, chance.
//!
//! A method hands in points and gets their costs. Points that were tried before cost nothing, and so do points that are
//! rejected before anything is built: those are counted by reason.

use std::collections::{BTreeMap, HashMap};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::space::knobs::{Knobs, Point};

/// Says what points cost.
pub trait Evaluate {
    /// Tries points, in order. Fewer trials than points mean that the search is to end: there is no time left.
    fn evaluate(&mut self, points: &[Point]) -> Vec<Trial>;

    /// What the analytic model says that a point costs, in any unit, or why it cannot be built. Free of charge.
    fn predict(&mut self, point: &Point) -> Result<f64, Reason>;
}

/// What became of a point.
#[derive(Clone, Debug, PartialEq)]
pub enum Trial {
    /// It takes so many seconds.
    Measured(f64),
    /// It was refused before anything was built.
    Rejected(Reason),
    /// It was built, or nearly, and did not work: it crashed, took too long, gave wrong values.
    Failed(Reason),
}

/// Why a point has no cost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// By which reasons are counted: "registers", "crash".
    pub kind: String,
    /// What exactly.
    pub detail: String,
}

impl Reason {
    /// A reason.
    pub fn new(kind: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind: kind.into(), detail: detail.into() }
    }
}

/// When to stop, and how many points may be tried together.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Points that may be tried.
    pub trials: usize,
    /// Points that there will probably be time for: methods that change their ways on the way go by this.
    pub expected: usize,
    /// Points that are handed to the evaluator at a time, so that it can build them in parallel.
    pub batch: usize,
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Done {
    /// As many points were tried as were allowed.
    #[error("all trials were used")]
    Trials,
    /// The evaluator said so.
    #[error("the time was up")]
    Stopped,
    /// Nothing is left to try.
    #[error("nothing was left to try")]
    Exhausted,
}

/// How often points were refused or failed, by kind of reason.
pub type Rejections = BTreeMap<String, usize>;

/// The end of a search.
#[derive(Clone, Debug)]
pub struct Found {
    /// The best point and its seconds.
    pub best: Option<(Point, f64)>,
    /// Everything that was tried, in order.
    pub history: Vec<(Point, Trial)>,
    /// Points that were refused before anything was built.
    pub rejections: Rejections,
    /// Why it ended.
    pub done: Done,
}

/// Proposals in a row that may bring nothing new before there is nothing left to try.
const FRUITLESS: usize = 20_000;

/// A search under way.
pub struct Search<'a> {
    /// What can be chosen.
    pub knobs: &'a Knobs,
    /// Points that are tried at a time.
    pub batch: usize,
    /// Chance, the only one that methods use.
    pub rng: StdRng,
    evaluator: &'a mut dyn Evaluate,
    trials: usize,
    expected: usize,
    history: Vec<(Point, Trial)>,
    known: HashMap<Point, Option<f64>>,
    predictions: HashMap<Point, Option<f64>>,
    rejections: Rejections,
    best: Option<(Point, f64)>,
    fruitless: usize,
}

impl std::fmt::Debug for Search<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Search").field("trials", &self.trials).field("best", &self.best).finish_non_exhaustive()
    }
}

impl<'a> Search<'a> {
    pub(super) fn new(knobs: &'a Knobs, limits: Limits, seed: u64, evaluator: &'a mut dyn Evaluate) -> Self {
        Self {
            knobs,
            batch: limits.batch.max(1),
            rng: StdRng::seed_from_u64(seed),
            evaluator,
            trials: limits.trials,
            expected: limits.expected.min(limits.trials).max(1),
            history: Vec::new(),
            known: HashMap::new(),
            predictions: HashMap::new(),
            rejections: BTreeMap::new(),
            best: None,
            fruitless: 0,
        }
    }

    pub(super) fn found(self, done: Done) -> Found {
        Found { best: self.best, history: self.history, rejections: self.rejections, done }
    }

    /// Costs of points, in seconds, none where a point has no cost. Known points and those that cannot be built are not
    /// tried; the search ends when it may try no more.
    pub fn try_all(&mut self, points: &[Point]) -> Result<Vec<Option<f64>>, Done> {
        let mut fresh: Vec<Point> = Vec::new();
        for point in points {
            if !self.known.contains_key(point) && !fresh.contains(point) && self.predict(point).is_some() {
                fresh.push(point.clone());
            }
        }
        if fresh.is_empty() {
            self.fruitless += points.len().max(1);
            if self.fruitless > FRUITLESS {
                return Err(Done::Exhausted);
            }
        } else {
            self.fruitless = 0;
        }
        for batch in fresh.chunks(self.batch) {
            self.try_batch(batch)?;
        }
        Ok(points.iter().map(|point| self.known.get(point).copied().flatten()).collect())
    }

    fn try_batch(&mut self, batch: &[Point]) -> Result<(), Done> {
        let batch = &batch[..batch.len().min(self.trials)];
        let trials = if batch.is_empty() { Vec::new() } else { self.evaluator.evaluate(batch) };
        let complete = trials.len() == batch.len();
        for (point, trial) in batch.iter().zip(trials) {
            self.record(point, trial);
        }
        match complete {
            false => Err(Done::Stopped),
            true if self.trials == 0 => Err(Done::Trials),
            true => Ok(()),
        }
    }

    fn record(&mut self, point: &Point, trial: Trial) {
        let cost = cost_of(&trial);
        match &trial {
            Trial::Rejected(reason) => *self.rejections.entry(reason.kind.clone()).or_default() += 1,
            Trial::Measured(_) | Trial::Failed(_) => self.trials -= 1,
        }
        self.known.insert(point.clone(), cost);
        if let Some(seconds) = cost
            && self.best.as_ref().is_none_or(|(_, best)| seconds < *best)
        {
            self.best = Some((point.clone(), seconds));
        }
        self.history.push((point.clone(), trial));
    }

    /// What the model says of a point; none if it cannot be built. Each refused point is counted once.
    pub fn predict(&mut self, point: &Point) -> Option<f64> {
        if let Some(&cost) = self.predictions.get(point) {
            return cost;
        }
        let cost = match self.evaluator.predict(point) {
            Ok(cost) => Some(cost),
            Err(reason) => {
                *self.rejections.entry(reason.kind).or_default() += 1;
                None
            }
        };
        self.predictions.insert(point.clone(), cost);
        cost
    }

    /// Whether a point was tried.
    pub fn is_known(&self, point: &Point) -> bool {
        self.known.contains_key(point)
    }

    /// The seconds of a point; none if it has none, or was not tried.
    pub fn cost(&self, point: &Point) -> Option<f64> {
        self.known.get(point).copied().flatten()
    }

    /// The best point so far, and its seconds.
    pub const fn best(&self) -> Option<&(Point, f64)> {
        self.best.as_ref()
    }

    /// Trials that there will probably be.
    pub const fn expected(&self) -> usize {
        self.expected
    }

    /// Trials so far.
    pub fn tried(&self) -> usize {
        self.history.len()
    }

    /// The points that were measured, with their seconds, in the order in which they were.
    pub fn measured(&self) -> Vec<(&Point, f64)> {
        self.history.iter().filter_map(|(point, trial)| cost_of(trial).map(|cost| (point, cost))).collect()
    }

    /// A point at random, legal or not.
    pub fn any_point(&mut self) -> Point {
        let values = self.knobs.knobs.iter().map(|knob| self.rng.random_range(0..knob.values.len()) as u16);
        self.knobs.canonical(Point(values.collect()))
    }

    /// A legal point at random that was not tried. Spaces can be so full of holes that chance alone finds none: then it
    /// walks from a known point.
    pub fn fresh_point(&mut self) -> Result<Point, Done> {
        for attempt in 0..FRUITLESS {
            let point = if attempt % 64 < 48 { self.any_point() } else { self.walk(1 + attempt / 512) };
            if !self.is_known(&point) && self.predict(&point).is_some() {
                return Ok(point);
            }
        }
        Err(Done::Exhausted)
    }

    /// Some steps from a measured point, in directions at random.
    fn walk(&mut self, steps: usize) -> Point {
        let count = self.measured().len();
        if count == 0 {
            return self.any_point();
        }
        let pick = self.rng.random_range(0..count);
        let mut point = self.measured()[pick].0.clone();
        for _ in 0..steps {
            if let Some(next) = self.step_at_random(&point) {
                point = next;
            }
        }
        point
    }

    /// A neighbour at random; none where the direction leads over an end.
    pub fn step_at_random(&mut self, point: &Point) -> Option<Point> {
        let directions = self.knobs.directions();
        if directions.is_empty() {
            return None;
        }
        let direction = directions[self.rng.random_range(0..directions.len())];
        self.knobs.step(point, direction)
    }
}

const fn cost_of(trial: &Trial) -> Option<f64> {
    match trial {
        Trial::Measured(seconds) => Some(*seconds),
        Trial::Rejected(_) | Trial::Failed(_) => None,
    }
}
