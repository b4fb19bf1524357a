//! Where an intermediate may be computed inside of the nest that reads it, so that it is never stored whole.
//!
//! ```text
//! fuse rest c.0 p.0 on threads      one axis in blocks, another one whole, in blocks, or outside
//!   compute t                       the box that the block reads
//!     c.1  p.1  q.0                 the axis along memory is the vector
//!       r  s  q.1
//! ```
//!
//! Windows that overlap are computed again in each block, small blocks are near when they are read: the model decides.

use super::facts::Facts;
use super::{div_ceil, one_loop};
use crate::schedule::Step;
use crate::schedule::nest::Program;
use crate::schedule::step::Tail;
use crate::target::Machine;

/// Blocks of the axis that goes with the rows.
const BLOCKS: [i64; 3] = [8, 16, 32];
/// Terms of sums that are written out.
const TERMS: i64 = 16;

/// Steps of a nest that compute one of the tensors that it reads inside of its loops; they may be refused.
pub fn placements(program: &Program, tensor: &str, reader: usize, machine: &Machine) -> Vec<Vec<Step>> {
    let facts = Facts::of(program, &program.nests[reader], machine);
    let Some(load) = facts.loads.iter().find(|load| load.name == tensor) else { return Vec::new() };
    let along = facts.spatial.iter().copied().find(|&axis| facts.store.strides[axis] == Some(1));
    let Some(last) = along.or(facts.spatial.last().copied()) else { return Vec::new() };
    let is_row = |axis: &usize| load.uses[*axis] && (*axis != last || facts.spatial.len() == 1);
    let mut found = Vec::new();
    for row in facts.spatial.iter().copied().filter(is_row) {
        let others: Vec<_> = facts.spatial.iter().copied().filter(|&axis| axis != row && axis != last).collect();
        for rows in blocks(facts.axes[row].extent, machine.threads) {
            let mut inside = vec![(Vec::new(), None), (others.clone(), None)];
            for &axis in &others {
                inside.push((vec![axis], None));
                let parts = BLOCKS.into_iter().filter(|&part| part < facts.axes[axis].extent);
                inside.extend(parts.map(|part| (vec![axis], Some(part))));
            }
            for (inside, part) in inside {
                let placement = Placement { tensor, last, row, rows, inside, part };
                if machine.threads > 1 {
                    found.push(placement.steps(&facts, machine, Threads::Several));
                }
                found.push(placement.steps(&facts, machine, Threads::One));
            }
        }
    }
    found
}

/// Rows of a block: those that divide the axis, and an even share for each thread.
fn blocks(extent: i64, threads: i64) -> Vec<i64> {
    let even = [1, 2].map(|shares| div_ceil(extent, threads * shares));
    let mut found: Vec<_> = (1..=32).filter(|rows| extent % rows == 0).chain([2, 4, 8]).chain(even).collect();
    found.sort_unstable();
    found.dedup();
    found.retain(|&rows| rows <= extent);
    found
}

/// What blocks run on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Threads {
    One,
    Several,
}

struct Placement<'a> {
    tensor: &'a str,
    /// The axis that is the vector.
    last: usize,
    /// The axis that is cut into blocks of so many rows.
    row: usize,
    rows: i64,
    /// Other axes inside of a block; if it is one, maybe only so many values of it.
    inside: Vec<usize>,
    part: Option<i64>,
}

impl Placement<'_> {
    fn steps(&self, facts: &Facts, machine: &Machine, threads: Threads) -> Vec<Step> {
        let name = |axis: usize| facts.axes[axis].name.clone();
        let part = |axis: usize, number: usize| format!("{}.{number}", name(axis));
        let extent = facts.axes[self.last].extent;
        let lanes = (machine.vector_bytes / facts.store.bytes.max(4))
            .min(extent.unsigned_abs().next_power_of_two().cast_signed());
        let mut steps = Vec::new();
        let (mut outer, mut inner) = (Vec::new(), Vec::new());
        for &axis in facts.spatial.iter().filter(|&&axis| axis != self.row && axis != self.last) {
            match self.part {
                _ if !self.inside.contains(&axis) => outer.push(name(axis)),
                None => inner.push(name(axis)),
                Some(values) => {
                    steps.push(split(name(axis), &[values]));
                    outer.push(part(axis, 0));
                    inner.push(part(axis, 1));
                }
            }
        }
        outer.push(part(self.row, 0));
        let lane = if self.row == self.last {
            steps.push(split(name(self.row), &[div_ceil(self.rows, lanes), lanes]));
            inner.push(part(self.row, 1));
            part(self.row, 2)
        } else {
            steps.extend([split(name(self.row), &[self.rows]), split(name(self.last), &[lanes])]);
            inner.extend([part(self.row, 1), part(self.last, 0)]);
            part(self.last, 1)
        };
        let sums = facts.names(&facts.reduced);
        let order = facts.names(&facts.ones).into_iter().chain(outer.clone()).chain(inner).chain(sums.clone());
        steps.push(Step::Reorder { axes: order.chain([lane.clone()]).collect() });
        let at = one_loop(outer, &mut steps);
        if threads == Threads::Several {
            steps.push(Step::Parallel { axis: at.clone() });
        }
        steps.push(Step::ComputeAt { tensor: self.tensor.to_owned(), at });
        if lanes > 1 {
            steps.push(Step::Vectorize { axis: lane });
        }
        if !sums.is_empty() && facts.length(&facts.reduced) <= TERMS {
            steps.push(Step::Unroll { axes: sums });
        }
        steps
    }
}

fn split(axis: String, parts: &[i64]) -> Step {
    Step::Split { axis, parts: parts.iter().map(|&part| Some(part)).collect(), tail: Tail::Peel }
}
