//! Boxes: the part of a tensor that the loops inside of a level read.
//!
//! A subscript that is a sum of multiples of naive axes is one of what loops outside of the level give, and what loops
//! inside give; the first says where the box starts, the second how far it goes. That needs each axis to be the sum of
//! its loops ([`is_apart`]). Used by `stage` without a layout and by `compute`; it changes nothing.

use super::nest::{Form, Nest, VarId};
use super::step::Tail;

/// Which loops count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Outside,
    Inside,
}

impl Side {
    /// Whether a loop is on this side of a level.
    pub(super) fn has(self, nest: &Nest, leaf: VarId, level: usize) -> bool {
        nest.position(leaf).is_some_and(|position| (position >= level) == (self == Self::Inside))
    }
}

/// Whether the values of a naive variable are a sum of what loops outside and loops inside give.
pub(super) fn is_apart(nest: &Nest, root: VarId, at: Option<VarId>) -> bool {
    let level = nest.level(at);
    match &nest.vars[root].form {
        Form::Loop => true,
        Form::Split { parts, tail } => {
            let loops = parts.iter().all(|&part| nest.vars[part].form == Form::Loop);
            *tail != Tail::Overlap && (loops || is_one_side(nest, root, level))
        }
        Form::Fused { .. } => is_one_side(nest, root, level),
    }
}

/// Whether all loops of a variable are inside of a level, or all are outside.
fn is_one_side(nest: &Nest, var: VarId, level: usize) -> bool {
    let leaves = nest.leaves(var);
    [Side::Inside, Side::Outside].iter().any(|side| leaves.iter().all(|&leaf| side.has(nest, leaf, level)))
}

/// The largest value that loops on one side of a level give to a variable.
pub(super) fn reach(nest: &Nest, var: VarId, level: usize, side: Side) -> i64 {
    let given = match side {
        Side::Outside => nest.vars[var].whole.map_or(0, |whole| whole - nest.vars[var].extent),
        Side::Inside => 0,
    };
    given
        + match &nest.vars[var].form {
            Form::Loop if side.has(nest, var, level) => nest.vars[var].extent - 1,
            Form::Loop => 0,
            Form::Split { parts, .. } => {
                let reached = |(place, &part)| nest.stride(parts, place) * reach(nest, part, level, side);
                parts.iter().enumerate().map(reached).sum()
            }
            Form::Fused { into, inner } => {
                let slowest = inner * nest.vars[var].extent == nest.vars[*into].extent;
                let reached = reach(nest, *into, level, side) / inner;
                if slowest { reached } else { reached.min(nest.vars[var].extent - 1) }
            }
        }
}
