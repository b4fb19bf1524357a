//! Boxes: the part of a tensor that the loops inside of a level read.
//!
//! A subscript that is a sum of multiples of naive axes is one of what loops outside of the level give, and what loops
//! inside give; the first says where the box starts, the second how far it goes. That needs each axis to be the sum of
//! its loops ([`is_apart`]). Used by `stage` without a layout and by `compute`; it changes nothing.

use super::nest::{Form, Nest, Reach, VarId};
use super::step::Tail;

/// Which loops count: those that a box spans, or the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Outside,
    Inside,
}

impl Side {
    /// Whether a loop is on this side.
    pub(super) fn has(self, nest: &Nest, leaf: VarId, reach: Reach) -> bool {
        nest.position(leaf).is_some() && nest.spans(reach, leaf) == (self == Self::Inside)
    }
}

/// Whether the values of a naive variable are a sum of what loops outside and loops inside give.
pub(super) fn is_apart(nest: &Nest, root: VarId, reach: Reach) -> bool {
    match &nest.vars[root].form {
        Form::Loop => true,
        Form::Split { parts, tail } => {
            *tail != Tail::Overlap && parts.iter().all(|&part| is_one_side(nest, part, reach))
        }
        Form::Fused { .. } => is_one_side(nest, root, reach),
    }
}

/// Whether all loops of a variable are inside of a level, or all are outside.
fn is_one_side(nest: &Nest, var: VarId, reach: Reach) -> bool {
    let leaves = nest.leaves(var);
    [Side::Inside, Side::Outside].iter().any(|side| leaves.iter().all(|&leaf| side.has(nest, leaf, reach)))
}

/// The largest value that loops on one side give to a variable.
pub(super) fn largest(nest: &Nest, var: VarId, reach: Reach, side: Side) -> i64 {
    let given = match side {
        Side::Outside => nest.vars[var].whole.map_or(0, |whole| whole - nest.vars[var].extent),
        Side::Inside => 0,
    };
    given
        + match &nest.vars[var].form {
            Form::Loop if side.has(nest, var, reach) => nest.vars[var].extent - 1,
            Form::Loop => 0,
            Form::Split { parts, .. } => {
                let reached = |(place, &part)| nest.stride(parts, place) * largest(nest, part, reach, side);
                parts.iter().enumerate().map(reached).sum()
            }
            Form::Fused { into, inner } => {
                let slowest = inner * nest.vars[var].extent == nest.vars[*into].extent;
                let reached = largest(nest, *into, reach, side) / inner;
                if slowest { reached } else { reached.min(nest.vars[var].extent - 1) }
            }
        }
}
