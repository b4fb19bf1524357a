//! Nests without a reduction: one axis is the vector, outer ones are threads.
//!
//! ```text
//! fuse n c p q as ncpq          where all operands go along together
//! split ncpq by [?, 64, 4, 16]
//! parallel ncpq.0; unroll ncpq.2; vectorize ncpq.3
//! ```

use super::facts::{Facts, Moved};
use super::knobs::{Knob, Knobs, Point};
use super::{Rejected, one_loop};
use crate::schedule::Step;
use crate::schedule::step::Tail;
use crate::target::Machine;

/// Vectors that one thread computes before it asks for more.
const CHUNK: i64 = 64;
/// The values of the knob `unroll`.
const UNROLL: [i64; 4] = [1, 2, 4, 8];

/// The schedules of a nest without a reduction.
#[derive(Clone, Debug)]
pub(super) struct Elementwise {
    facts: Facts,
    lanes: i64,
    threads: i64,
    /// Axes that may be the vector, several as if they were one.
    vectors: Vec<Vec<usize>>,
}

impl Elementwise {
    pub(super) fn of(facts: Facts, machine: &Machine) -> Self {
        let lanes = machine.vector_bytes / facts.store.bytes.max(4);
        let mut vectors = Vec::new();
        let axes = facts.spatial.clone();
        if let Some((&last, outer)) = axes.split_last() {
            let together = fusable(&facts);
            if together > 1 {
                vectors.push(axes[axes.len() - together..].to_vec());
            }
            vectors.push(vec![last]);
            let along = |axis: &&usize| facts.loads.iter().any(|load| load.strides[**axis] == Some(1));
            vectors.extend(outer.iter().filter(along).map(|&axis| vec![axis]));
        }
        Self { facts, lanes, threads: machine.threads, vectors }
    }

    pub(super) fn knobs(&self) -> Knobs {
        let words = if self.threads > 1 { vec!["yes", "no"] } else { vec!["no"] };
        Knobs {
            knobs: vec![
                Knob::any("vector", self.vectors.iter().map(|axes| self.facts.names(axes).join(" "))),
                Knob::line("unroll", UNROLL),
                Knob::any("threads", words.into_iter().map(str::to_owned)),
            ],
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.vectors.is_empty()
    }

    pub(super) fn starts(&self) -> Vec<Point> {
        (0..self.vectors.len()).map(|vector| Point(vec![vector as u16, 0, 0])).collect()
    }

    pub(super) fn steps(&self, point: &Point) -> Result<Vec<Step>, Rejected> {
        let at: Vec<_> = point.0.iter().map(|&value| usize::from(value)).collect();
        let inner = &self.vectors[at[0]];
        let outer: Vec<_> = self.facts.spatial.iter().copied().filter(|axis| !inner.contains(axis)).collect();
        let (unroll, threads) = (UNROLL[at[1]], self.threads > 1 && at[2] == 0);
        let extent = self.facts.length(inner);
        let lanes = self.lanes.min(extent.unsigned_abs().next_power_of_two().cast_signed());
        if unroll > 1 && unroll > extent / lanes {
            return Err(Rejected::new("vectors", format!("the axis has fewer than {unroll} vectors")));
        }
        let chunk = CHUNK.min((extent / (lanes * unroll)).max(1));
        if threads && outer.is_empty() && extent <= lanes * unroll * chunk {
            return Err(Rejected::same("there is one iteration for the threads"));
        }
        Ok(self.written(&outer, inner, (lanes, unroll, chunk), threads))
    }

    fn written(
        &self,
        outer: &[usize],
        inner: &[usize],
        (lanes, unroll, chunk): (i64, i64, i64),
        threads: bool,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        let vector = one_loop(self.facts.names(inner), &mut steps);
        let mut parts = vec![Some(unroll), Some(lanes)];
        if outer.is_empty() && threads {
            parts.insert(0, Some(chunk));
        }
        let last = parts.len();
        steps.push(Step::Split { axis: vector.clone(), parts, tail: Tail::Peel });
        let parts = (0..=last).map(|part| format!("{vector}.{part}"));
        let names = self.facts.names(&self.facts.ones).into_iter().chain(self.facts.names(outer));
        steps.push(Step::Reorder { axes: names.chain(parts).collect() });
        if threads {
            let parallel = match outer {
                [] => format!("{vector}.0"),
                _ => one_loop(self.facts.names(outer), &mut steps),
            };
            steps.push(Step::Parallel { axis: parallel });
        }
        steps.push(Step::Unroll { axes: vec![format!("{vector}.{}", last - 1)] });
        steps.push(Step::Vectorize { axis: format!("{vector}.{last}") });
        steps
    }
}

/// The number of innermost axes that all accesses go along as if they were one.
fn fusable(facts: &Facts) -> usize {
    let axes = &facts.spatial;
    let goes_on = |access: &Moved, outer: usize, inner: usize| {
        let extent = facts.axes[inner].extent;
        let is_row = matches!((access.strides[outer], access.strides[inner]), (Some(a), Some(b)) if a == b * extent);
        is_row && !access.guarded[outer]
    };
    let mut count = 1;
    while count < axes.len() {
        let (outer, inner) = (axes[axes.len() - count - 1], axes[axes.len() - count]);
        if outer + 1 != inner || !facts.loads.iter().chain([&facts.store]).all(|access| goes_on(access, outer, inner)) {
            break;
        }
        count += 1;
    }
    count
}
