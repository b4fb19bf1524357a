//! Tensor graph to naive loop nests: one nest a stage, loops in the order of the source, no optimisation.

use crate::graph::Graph;
use crate::loops::Kernel;

/// The kernel that computes `graph` in the plainest way.
pub fn lower(_graph: &Graph) -> Kernel {
    unreachable!("stub")
}
