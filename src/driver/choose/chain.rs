//! Chains of intermediates that are computed together, block by block of the nest that reads the last of them.
//!
//! ```text
//! V = …; M = … V …; Y = … M …; y = … Y …      ==>      for each block of y { boxes of V, M and Y; the block }
//! ```
//!
//! What one nest writes is near when the next one reads it. The pair of the last two nests is placed as any pair is
//! (`inside`); each further nest goes to the outermost loop of the one that reads it, so that it computes all that one
//! block of that needs.

use crate::loops::{Kernel, LoopKind};
use crate::measure::candidates::{Candidates, Link, Placement};
use crate::measure::parallel;
use crate::model;
use crate::schedule::nest::{Program, loads_of};
use crate::schedule::{self, Step};
use crate::space;
use crate::target::{Machine, Platform};

use super::inside::{AGAIN, can_be_inside, placed};
use super::{Choice, Judge};

/// Chains that a search is offered.
const OFFERED: usize = 2;
/// What all boxes of a block may take, of the cache that a core has for itself.
const BOXES: i64 = 4;
/// Points of each nest of a chain that the model is asked about.
const LOOK: usize = 1000;

/// A chain in one place.
struct Chain {
    /// The steps of the nest that reads.
    outer: Vec<Step>,
    /// The nest whose box it reads.
    first: usize,
    /// The others.
    links: Vec<Link>,
    /// What it costs, with the nests that stay apart.
    cycles: f64,
}

/// The best schedule with a chain, if there is one.
pub(super) fn choice(kernel: &Kernel, machine: &Machine) -> Option<Choice> {
    let platform = Platform::Cpu(*machine);
    let mut program = Program::of(kernel);
    space::fixed(&mut program, &platform);
    let place = chains(&program, machine).into_iter().next()?;
    let (schedule, cycles) = Candidates::placed(kernel, &platform, &place)?;
    schedule::apply(kernel, &schedule).ok()?;
    Some(Choice { schedule, cycles })
}

/// The chains that look best.
pub(super) fn chains(program: &Program, machine: &Machine) -> Vec<Placement> {
    let mut found = Vec::new();
    for reader in (0..program.nests.len()).rev() {
        for first in (0..program.nests.len()).filter(|&nest| reads(program, reader, nest)) {
            let mut chains = in_blocks(program, (first, reader), machine);
            chains.sort_by(|a, b| a.cycles.total_cmp(&b.cycles));
            let named = chains.into_iter().take(OFFERED).enumerate();
            found.extend(named.map(|(at, chain)| placement(program, chain, reader, at + 1)));
        }
        if !found.is_empty() {
            break;
        }
    }
    found.truncate(OFFERED);
    found
}

/// Whether a nest reads what another one makes on each call.
fn reads(program: &Program, reader: usize, producer: usize) -> bool {
    let nest = &program.nests[reader];
    let tensor = program.nests[producer].buffer;
    let loads = |expr| !loads_of(&program.kernel, expr, tensor).is_empty();
    reader != producer
        && !nest.order.is_empty()
        && can_be_inside(program, producer)
        && (loads(nest.value()) || loads(nest.result))
}

fn placement(program: &Program, chain: Chain, reader: usize, number: usize) -> Placement {
    let name = |nest: usize| program.kernel.buffers[program.nests[nest].buffer].name.as_str();
    let inside: Vec<_> = [chain.first].into_iter().chain(chain.links.iter().map(|link| link.nest)).map(name).collect();
    let name = format!("{} in {} {number}", inside.join(" "), name(reader));
    Placement { name, steps: chain.outer, producer: chain.first, reader, links: chain.links }
}

/// The chains that begin with a pair of nests, one for each way to cut the nest that reads into blocks.
fn in_blocks(program: &Program, (first, reader): (usize, usize), machine: &Machine) -> Vec<Chain> {
    let tensor = &program.kernel.buffers[program.nests[first].buffer].name;
    let mut seen = Vec::new();
    let mut trials = Vec::new();
    for outer in space::placements(program, tensor, reader, machine) {
        let Some(trial) = placed(program, reader, &outer) else { continue };
        let shape = trial.shape(trial.nests[first].buffer);
        let on_threads = trial.nests[reader].order.iter().any(|&var| {
            let var = &trial.nests[reader].vars[var];
            var.kind == LoopKind::Parallel && var.extent >= machine.threads
        });
        if (on_threads || machine.threads == 1) && !seen.contains(&shape) {
            seen.push(shape);
            trials.push((outer, trial));
        }
    }
    let mut chains: Vec<_> = trials
        .into_iter()
        .filter_map(|(outer, trial)| chain(program, &trial, (first, reader), outer, machine))
        .collect();
    let longest = chains.iter().map(|chain| chain.links.len()).max();
    chains.retain(|chain| Some(chain.links.len()) == longest);
    if chains.is_empty() {
        return Vec::new();
    }
    let platform = Platform::Cpu(*machine);
    let others = (0..program.nests.len()).filter(|&nest| nest != reader && can_be_inside(program, nest)).collect();
    let apart = parallel::each(others, |nest| (nest, look(&mut program.clone(), nest, nest, &platform)));
    let judged = parallel::each(chains, |chain| {
        let is_apart = |nest: usize| nest != chain.first && chain.links.iter().all(|link| link.nest != nest);
        let beside = apart.iter().filter(|(nest, _)| is_apart(*nest)).filter_map(|(_, cycles)| *cycles);
        let cycles = cost(program, &chain, reader, machine)? + beside.sum::<f64>();
        Some(Chain { cycles, ..chain })
    });
    judged.into_iter().flatten().collect()
}

/// The longest chain from a pair on; none if it is only the pair.
fn chain(
    program: &Program,
    trial: &Program,
    (first, reader): (usize, usize),
    outer: Vec<Step>,
    machine: &Machine,
) -> Option<Chain> {
    let mut boxes = Boxes { trips: 1.0, bytes: 0, most: BOXES * machine.caches[1] };
    boxes.add(program, trial, (first, reader))?;
    let mut chain = Chain { outer, first, links: Vec::new(), cycles: 0.0 };
    let (mut trial, mut last) = (trial.clone(), first);
    while let Some((link, more)) = further(program, &trial, last, &mut boxes) {
        (trial, last) = (more, link.nest);
        chain.links.push(link);
    }
    (!chain.links.is_empty()).then_some(chain)
}

/// What a chain costs, after a look at each of its nests.
fn cost(program: &Program, chain: &Chain, reader: usize, machine: &Machine) -> Option<f64> {
    let platform = Platform::Cpu(*machine);
    let mut trial = placed(program, reader, &chain.outer)?;
    let boxes = model::boxes(&trial, reader, machine);
    let mut cycles = look(&mut trial, chain.first, reader, &platform)?;
    for link in &chain.links {
        trial.apply(&link.front).and_then(|()| trial.apply(&link.step)).ok()?;
        cycles += boxes * look(&mut trial, link.nest, link.nest, &platform)?;
    }
    Some(cycles)
}

/// A nest that can be computed for each box of another one that reads it, and the program where it is.
fn further(program: &Program, trial: &Program, last: usize, boxes: &mut Boxes) -> Option<(Link, Program)> {
    let nest = &trial.nests[last];
    let mut axes: Vec<_> = nest.order.iter().map(|&var| nest.vars[var].name.clone()).collect();
    let one = nest.order.iter().position(|&var| nest.vars[var].extent == 1)?;
    axes[..=one].rotate_right(1);
    let (at, front) = (axes[0].clone(), Step::Reorder { axes });
    let producers = (0..program.nests.len()).filter(|&producer| reads(program, last, producer));
    let mut found = producers.filter_map(|producer| {
        let tensor = program.kernel.buffers[program.nests[producer].buffer].name.clone();
        let step = Step::ComputeAt { tensor, at: at.clone() };
        let mut more = trial.clone();
        more.apply(&front).and_then(|()| more.apply(&step)).ok()?;
        boxes.add(program, &more, (producer, last))?;
        Some((Link { nest: producer, front: front.clone(), step }, more))
    });
    found.next()
}

/// The boxes of a chain.
struct Boxes {
    /// How often there is one of each.
    trips: f64,
    /// What they take.
    bytes: i64,
    /// What they may take.
    most: i64,
}

impl Boxes {
    /// Adds that of a nest inside of another one; none if it is too large, or computes too much again.
    fn add(&mut self, program: &Program, trial: &Program, (producer, reader): (usize, usize)) -> Option<()> {
        let buffer = &program.kernel.buffers[program.nests[producer].buffer];
        let outer = &trial.nests[reader];
        let at = outer.computes.iter().find(|inner| inner.nest == producer)?.at;
        let around = &outer.order[..outer.level(Some(at))];
        let trips = self.trips * around.iter().map(|&var| outer.vars[var].extent as f64).product::<f64>();
        let elements = trial.shape(trial.nests[producer].buffer).iter().product::<i64>();
        let again = trips * elements as f64 / buffer.shape.iter().product::<i64>() as f64;
        let bytes = self.bytes + elements * buffer.dtype.bytes() as i64;
        if again > AGAIN || bytes > self.most {
            return None;
        }
        (self.trips, self.bytes) = (trips, bytes);
        Some(())
    }
}

/// What a nest costs with the best of some points for one that is computed inside of it, or for itself.
fn look(trial: &mut Program, nest: usize, judged: usize, platform: &Platform) -> Option<f64> {
    let steps = Judge::of(trial, nest, platform).best(LOOK);
    let plain = trial.nests[nest].clone();
    let legal = steps.iter().all(|step| trial.apply(step).is_ok());
    let cycles = model::cycles(trial, judged, platform);
    trial.nests[nest] = plain;
    legal.then_some(cycles)
}
