//! Holes of a schedule: numbers that are left open, found by the model.
//!
//! Each hole is a knob; a climb over them asks the model for the time of all nests under the steps with the numbers put
//! in. What a primitive refuses is no schedule; so the numbers that are found make one.

use crate::explore::{climb, spread};
use crate::loops::Kernel;
use crate::model;
use crate::schedule::nest::Program;
use crate::schedule::{self, Schedule, Step};
use crate::space::knobs::{Knob, Knobs, Point};
use crate::target::Platform;

/// Schedules that the model is asked about, at most.
const EVALUATIONS: usize = 4000;
/// Points from which the climb starts, besides those with one number everywhere.
const STARTS: usize = 24;

/// The schedule with numbers in its holes; none if no numbers that were tried make a schedule.
pub(super) fn fill(naive: &Kernel, schedule: &Schedule, platform: &Platform) -> Option<Schedule> {
    let plain = Program::of(naive);
    let values = values(&plain);
    let holes = schedule.steps.iter().map(open).sum();
    let knob = |hole: usize| Knob::line(format!("hole {}", hole + 1), values.iter().copied());
    let knobs = Knobs { knobs: (0..holes).map(knob).collect() };
    let uniform = (0..values.len()).map(|value| Point(vec![value as u16; holes]));
    let starts: Vec<_> = uniform.chain(spread(&knobs, STARTS)).collect();
    let found =
        climb(&knobs, &starts, EVALUATIONS, |point| cycles(&plain, &filled(schedule, &values, point), platform));
    found.map(|found| filled(schedule, &values, &found.point))
}

/// The numbers of holes in a step.
fn open(step: &Step) -> usize {
    match step {
        Step::Split { parts, .. } => parts.iter().filter(|part| part.is_none()).count(),
        _ => 0,
    }
}

/// Numbers that a hole may have: small ones, round ones, and those that divide an axis.
fn values(plain: &Program) -> Vec<i64> {
    let round = (0..10).flat_map(|log| [1 << log, 3 << log]);
    let extents = plain.nests.iter().flat_map(|nest| nest.vars.iter().map(|(_, var)| var.extent));
    let divisors = extents.flat_map(|extent| (1..=extent.min(512)).filter(move |part| extent % part == 0));
    let mut values: Vec<i64> = (1..=16).chain(round).chain(divisors).collect();
    values.sort_unstable();
    values.dedup();
    values
}

fn filled(schedule: &Schedule, values: &[i64], point: &Point) -> Schedule {
    let mut numbers = point.0.iter().map(|&value| values[usize::from(value)]);
    let mut steps = schedule.steps.clone();
    for step in &mut steps {
        if let Step::Split { parts, .. } = step {
            parts.iter_mut().filter(|part| part.is_none()).for_each(|part| *part = numbers.next());
        }
    }
    Schedule { steps }
}

/// The cycles of all nests under a schedule; none if it is refused.
fn cycles(plain: &Program, schedule: &Schedule, platform: &Platform) -> Option<f64> {
    let mut program = plain.clone();
    schedule.steps.iter().try_for_each(|step| program.apply(step)).ok()?;
    let live = program.live();
    live.iter().try_for_each(|&nest| schedule::check(&program.nests[nest])).ok()?;
    Some(live.iter().map(|&nest| model::cycles(&program, nest, platform)).sum())
}
