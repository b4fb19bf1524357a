//! What passes between stages: who makes an intermediate, who reads it, and where it could be computed instead of
//! being stored whole.
//!
//! ```text
//! let s[i] = sum[k](A[i, k] * x[k])      s: an epilogue, stage 2 can finish it; or inside i of stage 2
//! y[i] = max(s[i] + b[i], 0)
//!
//! let e[i, c] = exp(x[i, c] - m[i])      e: inlined, or inside i of both
//! let z[i] = sum[c](e[i, c])             z: inside i of stage 3
//! y[i, c] = e[i, c] / z[i]
//! ```

use crate::expr::{AxisId, TensorId};

use super::super::{Body, Graph, Role};
use super::StageAnalysis;
use super::access::{Access, Dim};

/// An intermediate.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Which one.
    pub tensor: TensorId,
    /// The stages that define it, by their places in the graph.
    pub producers: Vec<usize>,
    /// The stages that read it.
    pub consumers: Vec<Consumer>,
    /// Whether it can go into its consumers.
    pub inlining: Inlining,
    /// The dimensions of which consumers need one piece at a time. Inside the loops over their axes a part of it is
    /// enough, and if there are several consumers, these share the loops.
    pub levels: Vec<Level>,
}

/// A stage that reads an intermediate.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// Its place in the graph.
    pub stage: usize,
    /// How often it reads each element, on average.
    pub reuse: f64,
}

/// Whether an intermediate can go into its consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inlining {
    /// It is computed element by element: its value can stand where it is read.
    Map,
    /// It is a reduction, and all that is done with it is done once for each element: after the reduction's last
    /// step.
    Epilogue,
    /// It is a reduction that would be done again for every read.
    Recomputed,
    /// Several stages define it.
    Pieces,
}

/// A dimension of an intermediate of which consumers need a part at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// The dimension.
    pub dim: usize,
    /// The axes that go through it, in the order of the consumers.
    pub axes: Vec<AxisId>,
    /// How much of the dimension one value of the axis needs; more than the step means that parts overlap.
    pub needs: i64,
    /// How far the next value of the axis is.
    pub step: i64,
}

impl Flow {
    /// Whether it can only be stored whole.
    pub fn must_be_stored(&self) -> bool {
        !self.can_inline() && self.levels.is_empty()
    }

    /// Whether it can go into its consumers.
    pub const fn can_inline(&self) -> bool {
        matches!(self.inlining, Inlining::Map | Inlining::Epilogue)
    }
}

/// The flow through every intermediate.
pub fn flows(graph: &Graph, stages: &[StageAnalysis]) -> Vec<Flow> {
    let intermediates = graph.tensors.iter().filter(|(_, tensor)| tensor.role == Role::Intermediate);
    intermediates.map(|(tensor, _)| flow(graph, stages, tensor)).collect()
}

fn flow(graph: &Graph, stages: &[StageAnalysis], tensor: TensorId) -> Flow {
    let places = graph.stages.iter().enumerate();
    let producers: Vec<_> = places.filter(|(_, stage)| stage.tensor == tensor).map(|(place, _)| place).collect();
    let reads = |stage: &StageAnalysis| -> Vec<_> {
        stage.reads.iter().filter(|read| read.tensor == tensor).cloned().collect()
    };
    let readers = stages.iter().enumerate().map(|(place, stage)| (place, reads(stage)));
    let readers: Vec<(usize, Vec<Access>)> = readers.filter(|(_, reads)| !reads.is_empty()).collect();
    let consumers = readers.iter().map(|(place, reads)| Consumer {
        stage: *place,
        reuse: reads.iter().map(|read| stages[*place].reuse(graph, read)).sum(),
    });
    let rank = graph.tensors[tensor].shape.len();
    let levels = (0..rank).filter_map(|dim| level(graph, tensor, dim, &readers));
    let levels = if producers.len() == 1 { levels.collect() } else { Vec::new() };
    let inlining = inlining(graph, &producers, &readers);
    Flow { tensor, consumers: consumers.collect(), inlining, levels, producers }
}

fn inlining(graph: &Graph, producers: &[usize], readers: &[(usize, Vec<Access>)]) -> Inlining {
    let &[producer] = producers else { return Inlining::Pieces };
    if matches!(graph.stages[producer].body, Body::Map(_)) {
        return Inlining::Map;
    }
    match readers {
        [(place, reads)] => match &reads[..] {
            [read] if is_elementwise(graph, *place, read) => Inlining::Epilogue,
            _ => Inlining::Recomputed,
        },
        _ => Inlining::Recomputed,
    }
}

/// Whether a stage reads each element once, for one element of its own.
fn is_elementwise(graph: &Graph, place: usize, read: &Access) -> bool {
    let stage = &graph.stages[place];
    let has_loop = |axis: &&AxisId| graph.axes[**axis].extent > 1;
    let mut seen = std::collections::BTreeSet::new();
    let shape = &graph.tensors[read.tensor].shape;
    let is_own = |(dim, &extent): (&Dim, &i64)| match dim.as_axis() {
        Some(axis) => graph.axes[axis].extent == extent && seen.insert(axis),
        None => extent == 1,
    };
    matches!(stage.body, Body::Map(_))
        && read.dims.iter().zip(shape).all(is_own)
        && stage.axes.iter().filter(has_loop).all(|axis| seen.contains(axis))
}

/// Whether the loops of its readers go through a dimension piece by piece.
fn level(graph: &Graph, tensor: TensorId, place: usize, readers: &[(usize, Vec<Access>)]) -> Option<Level> {
    let extent = graph.tensors[tensor].shape[place];
    let mut found: Option<Level> = None;
    let is_shared = readers.iter().map(|(_, reads)| reads.len()).sum::<usize>() > 1;
    for (stage, reads) in readers {
        for read in reads {
            let dim = &read.dims[place];
            // Readers that share a loop must ask for the same part.
            if is_shared && dim.as_axis().is_none() {
                return None;
            }
            let spatial = graph.stages[*stage].axes.iter().filter(|axis| graph.axes[**axis].extent > 1);
            // The outer of two axes that share a subscript moves it further.
            let axis = spatial
                .filter(|axis| dim.steps.contains_key(axis))
                .max_by_key(|axis| dim.steps[axis].unsigned_abs())?;
            let needs = part(graph, dim, *axis).filter(|&needs| needs < extent)?;
            let level =
                found.get_or_insert_with(|| Level { dim: place, axes: Vec::new(), needs, step: dim.steps[axis] });
            if !level.axes.contains(axis) {
                level.axes.push(*axis);
            }
        }
    }
    found
}

/// How many values a subscript spans at one value of an axis.
fn part(graph: &Graph, dim: &Dim, axis: AxisId) -> Option<i64> {
    if !dim.irregular.is_empty() {
        return None;
    }
    let mut others = dim.steps.iter().filter(|(other, _)| **other != axis);
    others.try_fold(dim.spread.checked_add(1)?, |sum, (other, step)| {
        sum.checked_add(step.checked_abs()?.checked_mul(graph.axes[*other].extent - 1)?)
    })
}
