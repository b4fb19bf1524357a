//! The schedule where nobody gave one: the best of the space by the model, nest by nest. Nothing is measured.

use std::collections::BTreeMap;

use crate::loops::Kernel;
use crate::model;
use crate::schedule::nest::{Nest, Program};
use crate::schedule::{self, Schedule, Step};
use crate::space::NestSpace;
use crate::space::knobs::Point;
use crate::target::Machine;

/// Points from which the search goes on after a first look around each.
const KEPT: usize = 6;
/// Times that all knobs are tried from one point.
const ROUNDS: usize = 4;

/// The schedule that the model likes best.
pub fn choose(kernel: &Kernel, machine: &Machine) -> Schedule {
    let mut program = Program::of(kernel);
    let mut steps = crate::space::fusions(&mut program);
    for nest in 0..program.nests.len() {
        if !program.nests[nest].order.is_empty() {
            let mut judge = Judge::of(&mut program, nest, machine);
            steps.extend(judge.best());
        }
    }
    Schedule { steps }
}

/// What the model says of points of one nest.
struct Judge<'a> {
    program: &'a mut Program,
    number: usize,
    machine: &'a Machine,
    space: NestSpace,
    plain: Nest,
    known: BTreeMap<Point, f64>,
}

impl<'a> Judge<'a> {
    fn of(program: &'a mut Program, number: usize, machine: &'a Machine) -> Self {
        let space = NestSpace::of(program, number, machine);
        let plain = program.nests[number].clone();
        Self { program, number, machine, space, plain, known: BTreeMap::new() }
    }

    /// The steps of the best point found, or none if the nest as it is is better.
    fn best(&mut self) -> Vec<Step> {
        let starts = self.space.starts();
        let mut found: Vec<_> = starts.into_iter().map(|start| self.climb(start, 1)).collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found.truncate(KEPT);
        let climbed: Vec<_> = found.into_iter().map(|(_, point)| self.climb(point, ROUNDS)).collect();
        let best = climbed.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
        let plain = self.cycles(&[]);
        match best {
            Some((cycles, point)) if cycles < plain => self.space.steps(&point).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// Tries all values of one knob after the other, and keeps the best.
    fn climb(&mut self, start: Point, rounds: usize) -> (f64, Point) {
        let mut best = (self.at(&start), start);
        for _ in 0..rounds {
            let before = best.0;
            for knob in 0..self.space.knobs.knobs.len() {
                for value in 0..self.space.knobs.knobs[knob].values.len() {
                    let mut point = best.1.clone();
                    point.0[knob] = value as u16;
                    let cycles = self.at(&point);
                    if cycles < best.0 {
                        best = (cycles, point);
                    }
                }
            }
            if best.0 >= before {
                break;
            }
        }
        best
    }

    fn at(&mut self, point: &Point) -> f64 {
        if let Some(&known) = self.known.get(point) {
            return known;
        }
        let cycles = self.space.steps(point).map_or(f64::INFINITY, |steps| self.cycles(&steps));
        self.known.insert(point.clone(), cycles);
        cycles
    }

    /// The cycles of the nest under some steps; the program is left as it was.
    fn cycles(&mut self, steps: &[Step]) -> f64 {
        let legal = steps.iter().all(|step| self.program.apply(step).is_ok())
            && schedule::check(&self.program.nests[self.number]).is_ok();
        let cycles = if legal { model::cycles(self.program, self.number, self.machine) } else { f64::INFINITY };
        self.program.nests[self.number] = self.plain.clone();
        cycles
    }
}
