//! Decides which intermediates are computed inside of the nests that read them.
//!
//! It takes what is best for each nest on its own, and compares: a nest with the box that it reads computed inside of it,
//! against both one after another. Each nest has a part in one such pair at most.

use crate::loops::{BufferKind, Kernel, LoopKind};
use crate::measure::candidates::{Candidates, Placement};
use crate::measure::parallel;
use crate::model;
use crate::schedule::nest::Program;
use crate::schedule::{self, Step};
use crate::space;
use crate::target::{Machine, Platform};

use super::chain::chains;
use super::{GAIN, Judge};

/// Points of a box's nest that the model is asked about for each place, at first.
const GLANCE: usize = 12;
/// Places that are looked at again, each with so many points.
const PROMISING: (usize, usize) = (8, 200);
/// Points for the last place.
const LAST: usize = 3000;
/// How often elements may be computed, on average.
pub(super) const AGAIN: f64 = 1.5;

/// What is done to a nest.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) steps: Vec<Step>,
    /// What the model says about it, with what is inside of it.
    pub(super) cycles: f64,
    /// The nest that it runs inside of.
    pub(super) inside: Option<usize>,
}

/// Moves nests inside of others where that is better.
pub(super) fn inside(program: &Program, chosen: &mut [Chosen], machine: &Machine) {
    for reader in (0..chosen.len()).rev() {
        let is_free = |nest: usize| {
            let none_inside = chosen.iter().all(|other| other.inside != Some(nest));
            chosen[nest].inside.is_none() && none_inside && !program.nests[nest].order.is_empty()
        };
        let mut pairs = (0..reader).filter(|&producer| is_free(producer) && is_free(reader));
        let found = pairs.find_map(|producer| best(program, (producer, reader), chosen, machine));
        if let Some((producer, place)) = found {
            chosen[reader] = Chosen { steps: place.outer, cycles: place.cycles, inside: None };
            chosen[producer] = Chosen { steps: place.inner, cycles: 0.0, inside: Some(reader) };
        }
    }
}

/// Places of each pair of nests that a search is offered, and pairs.
const OFFERED: usize = 2;
const PAIRS: usize = 2;

/// All candidates of a kernel: the space that searches go through, with the places that look best for each intermediate.
pub fn candidates(kernel: &Kernel, platform: &Platform) -> Candidates {
    let Platform::Cpu(machine) = platform else { return Candidates::of(kernel, platform) };
    let mut program = Program::of(kernel);
    space::fixed(&mut program, platform);
    let readers = (0..program.nests.len()).rev();
    let pairs = readers.flat_map(|reader| (0..reader).rev().map(move |producer| (producer, reader)));
    let pairs = pairs.filter(|&(producer, _)| can_be_inside(&program, producer));
    // Looking at a pair takes long: no more of them than are offered.
    let mut found: Vec<_> = pairs.flat_map(|pair| offered(&program, pair, machine)).take(OFFERED * PAIRS).collect();
    found.extend(chains(&program, machine));
    Candidates::with(kernel, platform, &found)
}

/// The places of a pair that look best.
fn offered(program: &Program, (producer, reader): (usize, usize), machine: &Machine) -> Vec<Placement> {
    let mut places = places(program, (producer, reader), machine);
    places.sort_by(|a, b| a.cycles.total_cmp(&b.cycles));
    let [tensor, outer] = [producer, reader].map(|nest| &program.kernel.buffers[program.nests[nest].buffer].name);
    let named = places.into_iter().take(OFFERED).enumerate().map(|(at, place)| {
        let name = format!("{tensor} in {outer} {}", at + 1);
        Placement { name, steps: place.outer, producer, reader, links: Vec::new() }
    });
    named.collect()
}

/// Whether a nest makes an intermediate, on each call: what is computed ahead of all calls costs nothing.
pub(super) fn can_be_inside(program: &Program, nest: usize) -> bool {
    let buffer = program.nests[nest].buffer;
    let is_temp = matches!(program.kernel.buffers[buffer].kind, BufferKind::Temp(_));
    is_temp && !program.ahead.contains(&buffer) && !program.nests[nest].order.is_empty()
}

/// The best place for a nest inside of another one, if there is one that is worth it.
fn best(
    program: &Program,
    (producer, reader): (usize, usize),
    chosen: &[Chosen],
    machine: &Machine,
) -> Option<(usize, Place)> {
    if !can_be_inside(program, producer) {
        return None;
    }
    let apart = chosen[producer].cycles + chosen[reader].cycles;
    let mut places = places(program, (producer, reader), machine);
    for (kept, evaluations) in [PROMISING, (1, LAST)] {
        places.sort_by(|a, b| a.cycles.total_cmp(&b.cycles));
        places.truncate(kept);
        let looked_at = parallel::each(places, |mut place| {
            let found = inner(&mut place.trial, (producer, reader), evaluations, machine);
            found.map(|(inner, cycles)| Place { inner, cycles, ..place })
        });
        places = looked_at.into_iter().collect::<Option<_>>()?;
    }
    let place = places.pop().filter(|place| place.cycles < GAIN * apart)?;
    Some((producer, place))
}

/// A place for a nest inside of another one.
struct Place {
    /// The steps of the nest that reads.
    outer: Vec<Step>,
    /// The program with these.
    trial: Program,
    /// The steps of the nest inside.
    inner: Vec<Step>,
    /// What both cost.
    cycles: f64,
}

/// The places that can be worth it, after a glance at each.
fn places(program: &Program, (producer, reader): (usize, usize), machine: &Machine) -> Vec<Place> {
    let buffer = &program.kernel.buffers[program.nests[producer].buffer];
    let mut places = Vec::new();
    let mut seen = Vec::new();
    for outer in space::placements(program, &buffer.name, reader, machine) {
        let Some(trial) = placed(program, reader, &outer) else { continue };
        let box_of = trial.shape(trial.nests[producer].buffer);
        let nest = &trial.nests[reader];
        let level = nest.computes.first().map_or(0, |inner| nest.level(Some(inner.at)));
        let trips: f64 = nest.order[..level].iter().map(|&var| nest.vars[var].extent as f64).product();
        let elements = box_of.iter().product::<i64>();
        let again = trips * elements as f64 / buffer.shape.iter().product::<i64>() as f64;
        let is_near = elements * buffer.dtype.bytes() as i64 <= machine.caches[1] / 2;
        let on_threads = nest.order.iter().any(|&var| nest.vars[var].kind == LoopKind::Parallel);
        let is_known = seen.contains(&(box_of.clone(), on_threads));
        if again > AGAIN || !is_near || on_threads && trips < machine.threads as f64 || is_known {
            continue;
        }
        seen.push((box_of, on_threads));
        places.push((outer, trial));
    }
    let glanced = parallel::each(places, |(outer, mut trial)| {
        let (inner, cycles) = inner(&mut trial, (producer, reader), GLANCE, machine)?;
        Some(Place { outer, trial, inner, cycles })
    });
    glanced.into_iter().flatten().collect()
}

/// The program with some steps, if they are legal.
pub(super) fn placed(program: &Program, reader: usize, steps: &[Step]) -> Option<Program> {
    let mut trial = program.clone();
    let legal = steps.iter().all(|step| trial.apply(step).is_ok()) && schedule::check(&trial.nests[reader]).is_ok();
    legal.then_some(trial)
}

/// The best steps of the nest of a box, and what both nests cost with them.
fn inner(
    trial: &mut Program,
    (producer, reader): (usize, usize),
    evaluations: usize,
    machine: &Machine,
) -> Option<(Vec<Step>, f64)> {
    let steps = Judge::of(trial, producer, &Platform::Cpu(*machine)).best(evaluations);
    let plain = trial.nests[producer].clone();
    let legal = steps.iter().all(|step| trial.apply(step).is_ok());
    let cycles = model::cycles(trial, reader, &Platform::Cpu(*machine));
    trial.nests[producer] = plain;
    legal.then_some((steps, cycles))
}
