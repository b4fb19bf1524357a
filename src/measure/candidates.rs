//! The candidates of a kernel: the spaces of all its nests as one space.
//!
//! A point has a value for each knob of each nest; its schedule is the steps that join and divide nests, then those of
//! each nest. Nests with the same knobs, such as the phases of a transposed convolution, share them: what is good for one
//! is good for the others, unless no point is a schedule of all of them. Nests are predicted one by one and remembered, since a search changes few knobs at a time.

use std::collections::HashMap;

use crate::explore::{self, Reason};
use crate::loops::{self, Kernel};
use crate::model;
use crate::schedule::nest::{Nest, Program};
use crate::schedule::{self, Refused, Schedule, Step};
use crate::space::knobs::{Knob, Knobs, Point};
use crate::space::{self, NestSpace};
use crate::target::Machine;

/// All candidates of a kernel.
#[derive(Debug)]
pub struct Candidates {
    /// What can be chosen, nest after nest.
    pub knobs: Knobs,
    kernel: Kernel,
    machine: Machine,
    /// After the steps that join and divide nests.
    program: Program,
    fixed: Vec<Step>,
    groups: Vec<Group>,
}

/// Nests that share knobs.
#[derive(Debug)]
struct Group {
    knobs: Knobs,
    /// The first of them among all.
    first: usize,
    nests: Vec<Part>,
    known: HashMap<Point, Result<f64, Reason>>,
}

/// One nest.
#[derive(Debug)]
struct Part {
    number: usize,
    space: NestSpace,
    /// As it is without steps.
    plain: Nest,
}

/// Points all over a space that are tried before nests are said to have no schedule in common.
const GUESSES: usize = 500;

/// Predictions for the start of each nest.
const CLIMB: usize = 1500;

impl Candidates {
    /// Those of a kernel of plain loops.
    pub fn of(kernel: &Kernel, machine: &Machine) -> Self {
        let mut program = Program::of(kernel);
        let mut fixed = space::fusions(&mut program);
        fixed.extend(space::structure(&mut program));
        let mut groups: Vec<Group> = Vec::new();
        for number in (0..program.nests.len()).filter(|&number| !program.nests[number].order.is_empty()) {
            let space = NestSpace::of(&program, number, machine);
            let (knobs, plain) = (space.knobs.clone(), program.nests[number].clone());
            let part = Part { number, space, plain };
            match groups.iter_mut().find(|group| group.knobs == knobs) {
                Some(group) => group.nests.push(part),
                None => groups.push(Group { knobs, first: 0, nests: vec![part], known: HashMap::new() }),
            }
        }
        let mut groups: Vec<_> = groups.into_iter().flat_map(|group| group.that_fit(&mut program, machine)).collect();
        let mut knobs = Knobs::default();
        let several = groups.len() > 1;
        for group in &mut groups {
            group.first = knobs.knobs.len();
            let prefix = if several { format!("nest {} ", group.nests[0].number + 1) } else { String::new() };
            let named = |knob: &Knob| Knob { name: format!("{prefix}{}", knob.name), ..knob.clone() };
            knobs.knobs.extend(group.knobs.knobs.iter().map(named));
        }
        Self { knobs, kernel: kernel.clone(), machine: *machine, program, fixed, groups }
    }

    /// The schedule of a point; it may still be refused when it is applied.
    pub fn schedule(&self, point: &Point) -> Result<Schedule, Reason> {
        let mut steps = self.fixed.clone();
        for group in &self.groups {
            for part in &group.nests {
                steps.extend(part.space.steps(&group.own(point)).map_err(rejected)?);
            }
        }
        Ok(Schedule { steps })
    }

    /// The loops under a schedule, as text.
    pub fn loops(&self, schedule: &Schedule) -> Result<String, Reason> {
        let kernel = schedule::apply(&self.kernel, schedule).map_err(|refused| refused_step(&refused.to_string()))?;
        Ok(loops::print::print(&loops::simplify::simplify(kernel)))
    }

    /// Whether schedules leave out products by zero that the plain loops compute.
    pub fn skip_zeros(&self) -> bool {
        self.fixed.iter().any(|step| matches!(step, Step::Phases { .. }))
    }

    /// The plain loops.
    pub const fn plain(&self) -> &Kernel {
        &self.kernel
    }

    /// The cycles that the model predicts, or why a point is no schedule.
    pub fn predict(&mut self, point: &Point) -> Result<f64, Reason> {
        let Self { program, groups, machine, .. } = self;
        let mut cycles = 0.0;
        for group in groups {
            cycles += group.predict(program, machine, &group.own(point))?;
        }
        Ok(cycles)
    }

    /// Points to start from: the best by the model for all nests; then, nest by nest, what the space of the nest offers.
    pub fn starts(&mut self, count: usize) -> Vec<Point> {
        let Self { program, groups, machine, .. } = self;
        let mut best = Vec::new();
        let mut others: Vec<(f64, usize, Point)> = Vec::new();
        for (at, group) in groups.iter_mut().enumerate() {
            let mut starts = group.nests[0].space.starts();
            starts.extend(explore::spread(&group.knobs, 4));
            let cost = |start| (group.predict(program, machine, start).unwrap_or(f64::INFINITY), start);
            let mut scored: Vec<_> = starts.iter().map(cost).collect();
            scored.sort_by(|a, b| a.0.total_cmp(&b.0));
            others.extend(scored.iter().take(count).map(|&(cost, start)| (cost, at, start.clone())));
            let knobs = group.knobs.clone();
            let climbed = explore::climb(&knobs, &starts, CLIMB, |own| group.predict(program, machine, own).ok());
            best.push(climbed.map_or_else(|| knobs.point(0), |climbed| climbed.point));
        }
        let joined = |best: &[Point]| Point(best.iter().flat_map(|own| own.0.iter().copied()).collect());
        let mut found = vec![joined(&best)];
        others.retain(|(cost, _, _)| cost.is_finite());
        others.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (_, at, own) in others {
            let mut all = best.clone();
            all[at] = own;
            found.push(joined(&all));
        }
        found.truncate(count);
        found
    }
}

impl Group {
    /// The group, if its nests have schedules in common; else one for each nest.
    fn that_fit(mut self, program: &mut Program, machine: &Machine) -> Vec<Self> {
        if self.nests.len() > 1 && self.guesses().iter().all(|own| self.predict(program, machine, own).is_err()) {
            let Self { knobs, nests, .. } = self;
            let alone = |part| Self { knobs: knobs.clone(), first: 0, nests: vec![part], known: HashMap::new() };
            return nests.into_iter().map(alone).collect();
        }
        vec![self]
    }

    /// Points that can be schedules of its nests.
    fn guesses(&self) -> Vec<Point> {
        let starts = self.nests.iter().flat_map(|part| part.space.starts());
        starts.chain(explore::spread(&self.knobs, GUESSES)).collect()
    }

    /// Its part of a point.
    fn own(&self, point: &Point) -> Point {
        Point(point.0[self.first..self.first + self.knobs.knobs.len()].to_vec())
    }

    fn predict(&mut self, program: &mut Program, machine: &Machine, own: &Point) -> Result<f64, Reason> {
        if let Some(known) = self.known.get(own) {
            return known.clone();
        }
        let mut nests = self.nests.iter();
        let predicted = nests.try_fold(0.0, |sum, part| Ok(sum + part.predict(program, machine, own)?));
        self.known.insert(own.clone(), predicted.clone());
        predicted
    }
}

impl Part {
    fn predict(&self, program: &mut Program, machine: &Machine, own: &Point) -> Result<f64, Reason> {
        let steps = self.space.steps(own).map_err(rejected)?;
        cycles(program, self.number, &self.plain, &steps, machine).map_err(|refused| refused_step(&refused.message))
    }
}

/// The cycles of a nest under some steps, or why they are refused. The nest, which is plain before, is so again.
pub fn cycles(
    program: &mut Program,
    nest: usize,
    plain: &Nest,
    steps: &[Step],
    machine: &Machine,
) -> Result<f64, Refused> {
    let mut applied = steps.iter().try_for_each(|step| program.apply(step));
    applied = applied.and_then(|()| schedule::check(&program.nests[nest]));
    let cycles = applied.map(|()| model::cycles(program, nest, machine));
    program.nests[nest] = plain.clone();
    cycles
}

fn rejected(why: space::Rejected) -> Reason {
    Reason::new(why.kind, why.reason)
}

fn refused_step(message: &str) -> Reason {
    Reason::new("refused step", message)
}
