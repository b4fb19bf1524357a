//! The schedule where nobody gave one: the best of the space by the model, nest by nest, then two nests as one, or a
//! chain of them, where that is better. Nothing is measured.

mod chain;
mod inside;

use crate::explore::{climb, spread};
use crate::loops::Kernel;
use crate::measure::{candidates as measured, parallel};
use crate::model;
use crate::schedule::nest::{Nest, Program};
use crate::schedule::{Schedule, Step};
use crate::space::knobs::Point;
use crate::space::{self, NestSpace};
use crate::target::Platform;

use inside::Chosen;
pub use inside::candidates;

/// Points of one nest that the model is asked about, at most.
pub const EVALUATIONS: usize = 8000;

/// What was chosen for a kernel.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The schedule that the model likes best.
    pub schedule: Schedule,
    /// The cycles that it sees. What is computed ahead of all calls costs nothing.
    pub cycles: f64,
}

/// The schedule that the model likes best.
pub fn choose(kernel: &Kernel, platform: &Platform) -> Schedule {
    choice(kernel, platform).schedule
}

/// The schedule that the model likes best, and what it costs.
pub fn choice(kernel: &Kernel, platform: &Platform) -> Choice {
    let pairs = in_pairs(kernel, platform);
    let chain = if let Platform::Cpu(machine) = platform { chain::choice(kernel, machine) } else { None };
    chain.filter(|chain| chain.cycles < GAIN * pairs.cycles).unwrap_or(pairs)
}

/// What a more involved schedule must cost at most, of what a simpler one does.
const GAIN: f64 = 0.97;

/// The best where each nest has a part in one pair at most.
fn in_pairs(kernel: &Kernel, platform: &Platform) -> Choice {
    let mut program = Program::of(kernel);
    let mut steps = space::fixed(&mut program, platform);
    let nests = (0..program.nests.len()).collect();
    let mut chosen = parallel::each(nests, |nest| alone(&mut program.clone(), nest, platform));
    let first = stored(&mut program, &mut chosen, platform);
    steps.extend(first);
    if let Platform::Cpu(machine) = platform {
        inside::inside(&program, &mut chosen, machine);
    }
    let mut cycles = 0.0;
    for nest in (0..chosen.len()).filter(|&nest| chosen[nest].inside.is_none()) {
        if !program.ahead.contains(&program.nests[nest].buffer) {
            cycles += chosen[nest].cycles;
        }
        let inner = chosen.iter().filter(|inner| inner.inside == Some(nest));
        steps.extend(chosen[nest].steps.iter().chain(inner.flat_map(|inner| &inner.steps)).cloned());
    }
    Choice { schedule: Schedule { steps }, cycles }
}

/// Stores operands of nests in another order first, where that is better; gives the steps that do.
fn stored(program: &mut Program, chosen: &mut Vec<Chosen>, platform: &Platform) -> Vec<Step> {
    let mut steps = Vec::new();
    for nest in 0..chosen.len() {
        if program.nests[nest].order.is_empty() {
            continue;
        }
        let stores = NestSpace::stores(program, nest, platform);
        let mut trial = program.clone();
        if stores.is_empty() || stores.iter().any(|step| trial.apply(step).is_err()) {
            continue;
        }
        let reader = alone(&mut trial, nest, platform);
        let makers: Vec<_> = (chosen.len()..trial.nests.len()).map(|nest| alone(&mut trial, nest, platform)).collect();
        let cycles = reader.cycles + makers.iter().map(|maker| maker.cycles).sum::<f64>();
        if cycles < chosen[nest].cycles {
            chosen[nest] = reader;
            chosen.extend(makers);
            *program = trial;
            steps.extend(stores);
        }
    }
    steps
}

/// What is best for a nest where it is.
fn alone(program: &mut Program, nest: usize, platform: &Platform) -> Chosen {
    if program.nests[nest].order.is_empty() {
        return Chosen { steps: Vec::new(), cycles: 0.0, inside: None };
    }
    let mut judge = Judge::of(program, nest, platform);
    let best = judge.choice(EVALUATIONS);
    let best = best.and_then(|(point, cycles)| Some((judge.space.steps(&point).ok()?, cycles)));
    let (steps, cycles) = best.unwrap_or_else(|| (Vec::new(), model::cycles(program, nest, platform)));
    Chosen { steps, cycles, inside: None }
}

/// The model as the judge of the points of one nest.
#[derive(Debug)]
pub struct Judge<'a> {
    /// The schedules of the nest.
    pub space: NestSpace,
    program: &'a mut Program,
    number: usize,
    platform: &'a Platform,
    plain: Nest,
}

impl<'a> Judge<'a> {
    /// For a nest whose loops are still those of the formula; it is left as it was.
    pub fn of(program: &'a mut Program, number: usize, platform: &'a Platform) -> Self {
        let space = NestSpace::of(program, number, platform);
        let plain = program.nests[number].clone();
        Self { space, program, number, platform, plain }
    }

    /// The steps of the best of so many points, or none if the nest as it is is better.
    pub fn best(&mut self, evaluations: usize) -> Vec<Step> {
        let choice = self.choice(evaluations);
        choice.and_then(|(point, _)| self.space.steps(&point).ok()).unwrap_or_default()
    }

    /// The best of so many points, and its cycles; none if the nest as it is is better.
    pub fn choice(&mut self, evaluations: usize) -> Option<(Point, f64)> {
        let plain = self.cycles(&[]);
        let (knobs, starts) = (self.space.knobs.clone(), self.space.starts());
        let climbed = climb(&knobs, &starts, evaluations, |point| self.cost(point));
        // Where no start is a schedule, one of the whole space may be.
        let spread = || climb(&knobs, &spread(&knobs, evaluations / 4), evaluations, |point| self.cost(point));
        let found = climbed.or_else(spread)?;
        plain.is_none_or(|plain| found.cost < plain).then_some((found.point, found.cost))
    }

    /// The cycles that the model gives a point; none if it is no schedule.
    pub fn cost(&mut self, point: &Point) -> Option<f64> {
        let steps = self.space.steps(point).ok()?;
        self.cycles(&steps)
    }

    /// The cycles of the nest under some steps; none if they are refused.
    fn cycles(&mut self, steps: &[Step]) -> Option<f64> {
        measured::cycles(self.program, self.number, &self.plain, steps, self.platform).ok()
    }
}
