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
use knobs::{Knobs, Point};
pub use placement::placements;
pub use structure::structure;

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
    Tiled(Box<gpu::tiled::Tiled>),
    Direct(Box<gpu::direct::Direct>),
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
        if let Some(space) = gpu::tiled::Tiled::of(facts.clone(), chip) {
            return Self { knobs: space.knobs(), kind: Kind::Tiled(Box::new(space)) };
        }
        if let Some(space) = gpu::direct::Direct::of(facts, chip) {
            return Self { knobs: space.knobs(), kind: Kind::Direct(Box::new(space)) };
        }
        Self { knobs: Knobs::default(), kind: Kind::Plain }
    }

    /// The steps that a point stands for. They may still be refused by the primitives, which see more than accesses.
    pub fn steps(&self, point: &Point) -> Result<Vec<Step>, Rejected> {
        match &self.kind {
            Kind::Plain => Ok(Vec::new()),
            Kind::Contraction(space) => space.steps(point),
            Kind::Elementwise(space) => space.steps(point),
            Kind::Tiled(space) => space.steps(point),
            Kind::Direct(space) => space.steps(point),
        }
    }

    /// Points from which a search may start, one of each sort.
    pub fn starts(&self) -> Vec<Point> {
        match &self.kind {
            Kind::Plain => vec![Point::default()],
            Kind::Contraction(space) => space.starts(),
            Kind::Elementwise(space) => space.starts(),
            Kind::Tiled(space) => space.starts(),
            Kind::Direct(space) => space.starts(),
        }
    }
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
