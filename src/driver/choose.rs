//! The schedule where nobody gave one: the best of the space by the model, nest by nest. Nothing is measured.

use crate::explore::climb;
use crate::loops::Kernel;
use crate::model;
use crate::schedule::nest::{Nest, Program};
use crate::schedule::{self, Schedule, Step};
use crate::space::knobs::Point;
use crate::space::{self, NestSpace};
use crate::target::Machine;

/// Points of one nest that the model is asked about, at most.
const EVALUATIONS: usize = 8000;

/// The schedule that the model likes best.
pub fn choose(kernel: &Kernel, machine: &Machine) -> Schedule {
    let mut program = Program::of(kernel);
    let mut steps = space::fusions(&mut program);
    steps.extend(space::structure(&mut program));
    for nest in 0..program.nests.len() {
        if !program.nests[nest].order.is_empty() {
            steps.extend(Judge::of(&mut program, nest, machine).best());
        }
    }
    Schedule { steps }
}

/// The model as the judge of the points of one nest.
#[derive(Debug)]
pub struct Judge<'a> {
    /// The schedules of the nest.
    pub space: NestSpace,
    program: &'a mut Program,
    number: usize,
    machine: &'a Machine,
    plain: Nest,
}

impl<'a> Judge<'a> {
    /// For a nest whose loops are still those of the formula; it is left as it was.
    pub fn of(program: &'a mut Program, number: usize, machine: &'a Machine) -> Self {
        let space = NestSpace::of(program, number, machine);
        let plain = program.nests[number].clone();
        Self { space, program, number, machine, plain }
    }

    /// The steps of the best point found, or none if the nest as it is is better.
    pub fn best(&mut self) -> Vec<Step> {
        let choice = self.choice();
        choice.and_then(|(point, _)| self.space.steps(&point).ok()).unwrap_or_default()
    }

    /// The best point found, and its cycles; none if the nest as it is is better.
    pub fn choice(&mut self) -> Option<(Point, f64)> {
        let plain = self.cycles(&[]);
        let (knobs, starts) = (self.space.knobs.clone(), self.space.starts());
        let found = climb(&knobs, &starts, EVALUATIONS, |point| self.cost(point))?;
        plain.is_none_or(|plain| found.cost < plain).then_some((found.point, found.cost))
    }

    /// The cycles that the model gives a point; none if it is no schedule.
    pub fn cost(&mut self, point: &Point) -> Option<f64> {
        let steps = self.space.steps(point).ok()?;
        self.cycles(&steps)
    }

    /// The cycles of the nest under some steps; none if they are refused.
    fn cycles(&mut self, steps: &[Step]) -> Option<f64> {
        let legal = steps.iter().all(|step| self.program.apply(step).is_ok())
            && schedule::check(&self.program.nests[self.number]).is_ok();
        let cycles = legal.then(|| model::cycles(self.program, self.number, self.machine));
        self.program.nests[self.number] = self.plain.clone();
        cycles
    }
}
