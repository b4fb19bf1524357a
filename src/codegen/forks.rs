//! Which parallel loops are *forks*: divided among threads.
//!
//! Takes a kernel that verifies, before a backend changes it; gives the axes of its forks, and how many iterations a
//! thread takes at least. A parallel loop is a fork unless
//!
//! - it is inside of another fork,
//! - it has too few iterations to divide, or
//! - two of its iterations may reduce into one place (see `races`): in an order that changed from call to call, floats
//!   would not be the same to the bit.
//!
//! Then it runs one iteration after another, which is always right; the last case is worth a warning.

use std::collections::BTreeMap;

use super::bounds::domain;
use super::races;
use crate::expr::AxisId;
use crate::expr::range::Domain;
use crate::loops::{For, Kernel, LoopKind, Stmt};

/// Iterations that a thread takes together where one alone is only a few instructions.
const GRAIN: i64 = 256;

/// The forks of a kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forks {
    grains: BTreeMap<AxisId, i64>,
    /// Parallel loops that are none because iterations may reduce into one place.
    pub joined: Vec<AxisId>,
}

impl Forks {
    /// Whether a loop is divided among threads.
    pub fn has(&self, nest: &For) -> bool {
        self.grains.contains_key(&nest.axis)
    }

    /// How many iterations of a fork a thread takes together; the last part of them may be smaller.
    pub fn grain(&self, nest: &For) -> i64 {
        self.grains.get(&nest.axis).copied().unwrap_or(1)
    }

    /// How many parts of a fork can be given to threads.
    pub fn units(&self, nest: &For) -> i64 {
        units(nest.extent, self.grain(nest))
    }
}

/// Finds the forks of `kernel`.
pub fn forks(kernel: &Kernel) -> Forks {
    let mut forks = Forks::default();
    find(kernel, &domain(kernel), &kernel.body, &mut forks);
    forks
}

fn find(kernel: &Kernel, domain: &Domain, block: &[Stmt], forks: &mut Forks) {
    for stmt in block {
        match stmt {
            Stmt::For(nest) if is_divided(nest) && !races::may_meet(kernel, domain, nest) => {
                forks.grains.insert(nest.axis, grain(nest));
            }
            Stmt::For(nest) if is_divided(nest) => {
                forks.joined.push(nest.axis);
                find(kernel, domain, &nest.body, forks);
            }
            Stmt::For(For { body, .. }) | Stmt::Alloc { body, .. } => find(kernel, domain, body, forks),
            Stmt::If { then, otherwise, .. } => {
                find(kernel, domain, then, forks);
                find(kernel, domain, otherwise, forks);
            }
            Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => {}
        }
    }
}

fn is_divided(nest: &For) -> bool {
    nest.kind == LoopKind::Parallel && units(nest.extent, grain(nest)) > 1
}

/// Where an iteration is but a few instructions it is a part of a vector: what is computed must not depend on the
/// number of threads, and the vectors and the rest of a loop may differ in the last bit. So a thread has whole vectors.
fn grain(nest: &For) -> i64 {
    if has_loop(&nest.body) { 1 } else { GRAIN }
}

const fn units(extent: i64, grain: i64) -> i64 {
    // An extent is at least 1.
    (extent - 1) / grain + 1
}

/// Whether anything is repeated at run time.
fn has_loop(block: &[Stmt]) -> bool {
    block.iter().any(|stmt| match stmt {
        Stmt::For(nest) => (nest.kind != LoopKind::Unroll && nest.extent > 1) || has_loop(&nest.body),
        Stmt::If { then, otherwise, .. } => has_loop(then) || has_loop(otherwise),
        Stmt::Alloc { body, .. } => has_loop(body),
        Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => false,
    })
}
