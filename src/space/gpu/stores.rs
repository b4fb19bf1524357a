//! Operands of matrix units that do not lie in memory as they are copied: windows, and what cannot be moved 16 bytes at a
//! time. They may be stored in another order first, by a launch of its own.
//!
//! ```text
//! x[n, c, p + r - 1, q + s - 1] else 0      store x as [n, c, r, s, p, q]       of f16: results lie together
//!                                           store x as [n, p, q, c, r, s]       of f32 as tf32: terms do
//! x[c, p, q] with 49 pixels                 store x as [p, q, c]
//! ```

use crate::schedule::Step;
use crate::space::facts::Moved;

use super::tensor::Tensor;

/// Bytes that are moved at once.
const WIDE: i64 = 16;

impl Tensor {
    /// Steps that store such operands; none if all lie well.
    pub(in crate::space) fn stores(&self) -> Vec<Step> {
        let loads = self.facts.loads.iter().filter(|load| !self.lies_well(load));
        loads.filter_map(|load| self.store(load)).collect()
    }

    /// The axes of an operand: those of no tile, of its side, and of the sum.
    fn axes_of(&self, load: &Moved) -> [Vec<usize>; 3] {
        let side = if load.uses_any(&self.rows) { &self.rows } else { &self.columns };
        let used = |axes: &[usize]| axes.iter().copied().filter(|&axis| load.uses[axis]).collect::<Vec<_>>();
        let ones: Vec<_> = self.facts.ones.iter().copied().filter(|axis| !self.rest.contains(axis)).collect();
        [used(&[&ones[..], &self.rest].concat()), used(side), used(&self.facts.reduced)]
    }

    /// Whether vectors of an operand lie together in memory, along its side or along the sum.
    fn lies_well(&self, load: &Moved) -> bool {
        let [_, side, reduced] = self.axes_of(load);
        let is_free = load.guarded.iter().all(|&guarded| !guarded) && load.strides.iter().all(Option::is_some);
        let is_dense = |axes: &[usize]| self.is_dense(load, axes);
        is_free && (is_dense(&reduced) || self.goes_across() && is_dense(&side))
    }

    /// Whether some axes, the last one fastest, go through memory without a gap, in whole vectors.
    fn is_dense(&self, load: &Moved, axes: &[usize]) -> bool {
        let mut size = 1;
        let is_next = |&axis: &usize| {
            let found = load.strides[axis] == Some(size);
            size *= self.facts.axes[axis].extent;
            found
        };
        axes.iter().rev().all(is_next) && size % (WIDE / self.bytes) == 0
    }

    /// Whether units take operands that lie across the sum.
    const fn goes_across(&self) -> bool {
        self.bytes == 2
    }

    fn store(&self, load: &Moved) -> Option<Step> {
        let [outer, side, reduced] = self.axes_of(load);
        let is_whole = |axes: &[usize]| self.facts.length(axes) % (WIDE / self.bytes) == 0;
        // Results are what most often lies along memory.
        let inner = if is_whole(&side) && self.goes_across() {
            [reduced, side]
        } else if is_whole(&reduced) {
            [side, reduced]
        } else {
            return None;
        };
        let layout = self.facts.names(&[outer, inner.concat()].concat());
        Some(Step::Store { operand: load.name.clone(), layout })
    }
}
