//! What a schedule must know about a graph: how much each stage computes and moves, and how its axes go through its
//! tensors. A side table: it takes a graph that verifies, and changes nothing.
//!
//! - *Statistical*, by stage: its axes and their extents, points, operations, bytes, and the ratio of the last two.
//! - *Structural*, by stage: the accesses ([`access`]), the class of each axis in a contraction ([`classes`]), the
//!   splits that decide a congruence or a quotient ([`splits`]).
//! - *Structural*, by intermediate: who makes it, who reads it, and where it could be computed ([`flow`]).
//!
//! ```text
//! y[p: 14, k: 128] = sum[c: 64, r: 3]((x[c, 2 * p + r - 1] else 0) * w[k, c, r])
//!
//! p   M    x: dim 1 +2        shares its subscript with r
//! k   N    w: dim 0 +1
//! c   K    x: dim 0 +1        w: dim 1 +1
//! r   K    x: dim 1 +1        w: dim 2 +1
//! ```
//!
//! Loops are not known here, so nothing depends on their order: what a nest touches at a level is asked for by the
//! trips of the axes inside ([`Access::footprint`]).

pub mod access;
pub mod classes;
pub mod flow;
pub mod splits;

pub use access::Access;
pub use classes::{AxisUse, Class, Contraction};
pub use flow::{Flow, Inlining};
pub use splits::Split;

use std::collections::BTreeMap;

use super::flops::{self, Work};
use super::{Graph, Stage};
use crate::expr::{AxisId, TensorId};

/// All that is known of a graph.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// One for each stage, in the same order.
    pub stages: Vec<StageAnalysis>,
    /// One for each intermediate, in the order of their ids.
    pub flows: Vec<Flow>,
}

/// What is known of a stage.
#[derive(Clone, Debug)]
pub struct StageAnalysis {
    /// Spatial axes, then reduced ones, in the order of the stage.
    pub axes: Vec<AxisUse>,
    /// Operations, and the points of the axes at which they matter.
    pub work: Work,
    /// Where it writes.
    pub store: Access,
    /// What it reads: loads that differ by constants alone are one.
    pub reads: Vec<Access>,
    /// Bytes of all elements that are read or written, each once.
    pub bytes: u64,
    /// The two sides of a sum of products.
    pub contraction: Option<Contraction>,
    /// Splits of axes that decide a condition, or make a subscript regular.
    pub splits: Vec<Split>,
}

/// Analyses all stages, and what passes between them.
pub fn analyse(graph: &Graph) -> Analysis {
    let works = flops::works(graph);
    let stages: Vec<_> =
        graph.stages.iter().zip(works).map(|(stage, work)| analyse_stage(graph, stage, work)).collect();
    let flows = flow::flows(graph, &stages);
    Analysis { stages, flows }
}

fn analyse_stage(graph: &Graph, stage: &Stage, work: Work) -> StageAnalysis {
    let store = access::store(graph, stage);
    let reads = access::loads(graph, stage);
    let contraction = classes::contraction(graph, stage);
    let axes = classes::classify(graph, stage, contraction.as_ref(), &reads);
    let bytes = bytes(graph, &store, &reads);
    let splits = splits::splits(graph, stage);
    StageAnalysis { axes, work, store, reads, bytes, contraction, splits }
}

impl StageAnalysis {
    /// Operations for each byte that must be moved.
    pub fn intensity(&self) -> f64 {
        self.work.flops as f64 / self.bytes as f64
    }

    /// How often each element that an access touches is read, on average. Padding counts as if it were read.
    pub fn reuse(&self, graph: &Graph, access: &Access) -> f64 {
        let elements = access.footprint(graph, &|axis| graph.axes[axis].extent);
        self.work.points as f64 * access.loads.len() as f64 / elements as f64
    }

    /// The use of an axis.
    pub fn axis(&self, axis: AxisId) -> Option<&AxisUse> {
        self.axes.iter().find(|found| found.axis == axis)
    }
}

fn bytes(graph: &Graph, store: &Access, reads: &[Access]) -> u64 {
    let extent = |axis: AxisId| graph.axes[axis].extent;
    let mut touched: BTreeMap<TensorId, i64> = BTreeMap::new();
    for read in reads {
        let elements = touched.entry(read.tensor).or_default();
        *elements = elements.saturating_add(read.footprint(graph, &extent)).min(graph.tensors[read.tensor].len());
    }
    let written = (store.tensor, store.footprint(graph, &extent));
    touched.into_iter().chain([written]).fold(0, |sum: u64, (tensor, elements)| {
        sum.saturating_add((elements as u64).saturating_mul(graph.tensors[tensor].dtype.bytes() as u64))
    })
}
