//! The schedules worth considering for a nest, from its structure and a machine alone.
//!
//! `FlexTensor` generates its space from what static analysis finds, never from the name of an operator; so does this.
//! [`fusions`] removes intermediates; a [`NestSpace`] holds the schedules of one nest, as points of knobs: each point is
//! steps that apply to the program after those, or is rejected with the reason. `FlexTensor`'s three prunings are here:
//! the depth of tiling is limited (two levels outside of registers), parameters that the machine decides are not searched
//! (lanes), and some loops are placed by rule (lanes innermost, rows around them, what is neither stays outermost or next
//! to the blocks).
//!
//! - `facts`: axes and accesses, all that a space is built from;
//! - `contraction`: reductions, with a tile of accumulators of rows and vectors;
//! - `elementwise`: what is computed without a reduction;
//! - `fusion`: intermediates that need not be stored;
//! - `gpu`: the spaces of the same two sorts for GPUs;
//! - `structure`: splits that are no choice;
//! - `placement`: those that are computed box by box inside of the nest that reads them;
//! - `knobs`: a space as a search sees it.

mod contraction;
mod elementwise;
mod facts;
mod fusion;
mod gpu;
pub mod knobs;
mod placement;
mod structure;

pub use fusion::fusions;
use knobs::{Knob, Knobs, Point};
pub use placement::placements;
pub use structure::{fixed, structure};

use crate::schedule::Step;
use crate::schedule::nest::Program;
use crate::target::{Chip, Machine, Platform};

/// The schedules of one nest.
#[derive(Clone, Debug)]
pub struct NestSpace {
    /// What a search sees.
    pub knobs: Knobs,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Nothing can be chosen.
    Plain,
    Contraction(Box<contraction::Contraction>),
    Elementwise(Box<elementwise::Elementwise>),
    Tensor(Box<gpu::tensor::Tensor>),
    Tiled(Box<gpu::tiled::Tiled>),
    Direct(Box<gpu::direct::Direct>),
    Boxed(Box<gpu::boxed::Boxed>),
    /// One of several: the first knob says which, and those of the others are at their first values.
    OneOf(Vec<(&'static str, NestSpace)>),
}

/// Why a point is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Rejected {
    /// What there is not enough of, in a word, to count by; `same` where a smaller point says the same.
    pub kind: &'static str,
    /// With the numbers.
    pub reason: String,
}

impl Rejected {
    fn new(kind: &'static str, reason: String) -> Self {
        Self { kind, reason }
    }

    fn same(reason: &str) -> Self {
        Self::new("same", reason.to_owned())
    }
}

impl NestSpace {
    /// The space of a nest whose loops are still those of the formula.
    pub fn of(program: &Program, nest: usize, platform: &Platform) -> Self {
        match platform {
            Platform::Cpu(machine) => Self::on_cpu(program, nest, machine),
            Platform::Gpu(chip) => Self::on_gpu(program, nest, chip),
        }
    }

    fn on_cpu(program: &Program, nest: usize, machine: &Machine) -> Self {
        let nest = &program.nests[nest];
        let facts = facts::Facts::of(program, nest, machine);
        if nest.reduction.is_some() && !facts.reduced.is_empty() {
            let space = contraction::Contraction::of(facts, machine);
            if !space.is_empty() {
                return Self { knobs: space.knobs(), kind: Kind::Contraction(Box::new(space)) };
            }
        } else {
            let space = elementwise::Elementwise::of(facts, machine);
            if !space.is_empty() {
                return Self { knobs: space.knobs(), kind: Kind::Elementwise(Box::new(space)) };
            }
        }
        Self { knobs: Knobs::default(), kind: Kind::Plain }
    }

    fn on_gpu(program: &Program, nest: usize, chip: &Chip) -> Self {
        let facts = facts::Facts::of_structure(program, &program.nests[nest]);
        let tensor = gpu::tensor::Tensor::of(program, &program.nests[nest], &facts, chip);
        let tensor = tensor.filter(|space| !space.starts().is_empty());
        let is_exact = tensor.as_ref().is_some_and(gpu::tensor::Tensor::is_exact);
        let tensor = tensor.map(|space| Self { knobs: space.knobs(), kind: Kind::Tensor(Box::new(space)) });
        // Small numbers have nothing else that is as fast.
        let tensor = match tensor {
            Some(space) if is_exact => return space,
            tensor => tensor.map(|space| (UNITS, space)),
        };
        let family = family(program, nest);
        let tiled = gpu::tiled::Tiled::of(facts.clone(), chip, family);
        let is_thin = tiled.as_ref().is_some_and(gpu::tiled::Tiled::is_thin);
        let direct =
            if tiled.is_none() || is_thin { gpu::direct::Direct::of(facts.clone(), chip, family) } else { None };
        let boxed = if is_thin { gpu::boxed::Boxed::of(facts, chip) } else { None };
        let tiled = tiled.map(|space| (TILES, Self { knobs: space.knobs(), kind: Kind::Tiled(Box::new(space)) }));
        let direct = direct.map(|space| (ELEMENTS, Self { knobs: space.knobs(), kind: Kind::Direct(Box::new(space)) }));
        let boxed =
            boxed.map(|space| (BOXES, Self { knobs: gpu::boxed::Boxed::knobs(), kind: Kind::Boxed(Box::new(space)) }));
        let mut sorts: Vec<_> = tensor.into_iter().chain(tiled).chain(direct).chain(boxed).collect();
        match sorts.len() {
            0 => Self { knobs: Knobs::default(), kind: Kind::Plain },
            1 => sorts.swap_remove(0).1,
            _ => Self::one_of(sorts),
        }
    }

    /// Steps that store operands of a nest in another order first; the nest, whose loops are still those of the formula,
    /// then has other spaces. None where all lie well.
    pub fn stores(program: &Program, nest: usize, platform: &Platform) -> Vec<Step> {
        let Platform::Gpu(chip) = platform else { return Vec::new() };
        let facts = facts::Facts::of_structure(program, &program.nests[nest]);
        let tensor = gpu::tensor::Tensor::of(program, &program.nests[nest], &facts, chip);
        tensor.map(|space| space.stores()).unwrap_or_default()
    }

    fn one_of(sorts: Vec<(&'static str, Self)>) -> Self {
        let words = sorts.iter().map(|(word, _)| (*word).to_owned());
        let mut knobs = vec![Knob::any("threads have", words)];
        for (word, space) in &sorts {
            let named = |knob: &Knob| Knob { name: format!("{word}: {}", knob.name), ..knob.clone() };
            knobs.extend(space.knobs.knobs.iter().map(named));
        }
        Self { knobs: Knobs { knobs }, kind: Kind::OneOf(sorts) }
    }

    /// The steps that a point stands for. They may still be refused by the primitives, which see more than accesses.
    pub fn steps(&self, point: &Point) -> Result<Vec<Step>, Rejected> {
        match &self.kind {
            Kind::Plain => Ok(Vec::new()),
            Kind::Contraction(space) => space.steps(point),
            Kind::Elementwise(space) => space.steps(point),
            Kind::Tensor(space) => space.steps(point),
            Kind::Tiled(space) => space.steps(point),
            Kind::Direct(space) => space.steps(point),
            Kind::Boxed(space) => space.steps(point),
            Kind::OneOf(sorts) => {
                let mut rest = &point.0[1..];
                let mut steps = Ok(Vec::new());
                for (at, (_, space)) in (0..).zip(sorts) {
                    let (own, others) = rest.split_at(space.knobs.knobs.len());
                    rest = others;
                    if at == point.0[0] {
                        steps = space.steps(&Point(own.to_vec()));
                    } else if own.iter().any(|&value| value != 0) {
                        return Err(Rejected::same("it differs in what has no meaning where it is"));
                    }
                }
                steps
            }
        }
    }

    /// Points from which a search may start, one of each sort.
    pub fn starts(&self) -> Vec<Point> {
        match &self.kind {
            Kind::Plain => vec![Point::default()],
            Kind::Contraction(space) => space.starts(),
            Kind::Elementwise(space) => space.starts(),
            Kind::Tensor(space) => space.starts(),
            Kind::Tiled(space) => space.starts(),
            Kind::Direct(space) => space.starts(),
            Kind::Boxed(space) => space.starts(),
            Kind::OneOf(sorts) => {
                let mut first = 1;
                let mut found = Vec::new();
                for (at, (_, space)) in (0..).zip(sorts) {
                    let plain = [vec![at], vec![0; self.knobs.knobs.len() - 1]].concat();
                    for own in space.starts() {
                        let mut point = plain.clone();
                        point[first..first + own.0.len()].copy_from_slice(&own.0);
                        found.push(Point(point));
                    }
                    first += space.knobs.knobs.len();
                }
                found
            }
        }
    }
}

/// What threads of a GPU have.
const UNITS: &str = "matrix units";
const TILES: &str = "tiles";
const ELEMENTS: &str = "elements";
const BOXES: &str = "boxes";

/// The nests that write the same tensor as one does.
fn family(program: &Program, nest: usize) -> gpu::Family {
    let own = &program.nests[nest];
    let all: Vec<_> = program.nests.iter().filter(|other| other.buffer == own.buffer).collect();
    let terms = |nest: &&crate::schedule::nest::Nest| {
        nest.order.iter().map(|&var| &nest.vars[var]).filter(|var| var.is_reduced()).map(|var| var.extent).product()
    };
    gpu::Family { longest: if all.len() > 1 { all.iter().map(terms).max() } else { None } }
}

/// One loop of several, fused if there is more than one; its name.
fn one_loop(axes: Vec<String>, steps: &mut Vec<Step>) -> String {
    let name = joined(&axes);
    if axes.len() > 1 {
        steps.push(Step::Fuse { axes, name: name.clone() });
    }
    name
}

/// The name of the loop that [`one_loop`] makes.
fn joined(axes: &[String]) -> String {
    if let [only] = axes { only.clone() } else { axes.join("_").replace('.', "_") }
}

const fn div_ceil(a: i64, b: i64) -> i64 {
    (a + b - 1) / b
}
