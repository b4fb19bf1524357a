//! `vectorize j.2`: the iterations of a loop are the lanes of vectors.
//!
//! Legal for a loop of 2, 4, … 64 iterations that is innermost, spatial or with private accumulators (`rfactor`). What
//! is longer than a register becomes several registers. Inside of it may be unrolled parts of the sum: each lane joins
//! some products in a row, which is what the dot products of small numbers do in one instruction.

use super::nest::{Nest, Role, VarId};
use super::{Refusal, refuse};
use crate::loops::LoopKind;

/// Lanes of the longest vector.
const MOST: i64 = 64;

pub(super) fn vectorize(nest: &mut Nest, var: VarId) -> Result<(), Refusal> {
    let (name, extent) = (nest.vars[var].name.clone(), nest.vars[var].extent);
    if nest.vars[var].role == Role::Reduced {
        return refuse(
            format!("the lanes of `{name}` would join their values to one accumulator"),
            format!("`rfactor {name}` first gives each lane its own"),
        );
    }
    if extent == 1 {
        return refuse(
            format!("`{name}` has one value, and lanes are 2, 4, 8, … {MOST}"),
            "vectorize a longer loop, or leave this one as it is",
        );
    }
    if !(2..=MOST).contains(&extent) || extent.count_ones() != 1 {
        return refuse(
            format!("a vector of {extent} lanes does not exist"),
            format!("`split {name} by [?, 16]` and vectorize `{name}.1`: lanes are 2, 4, 8, … {MOST}"),
        );
    }
    super::set_kind(nest, var, LoopKind::Vector)
}

/// Once all steps are applied: vectors are innermost, but for unrolled parts of the sum.
pub(super) fn check(nest: &Nest) -> Result<(), Refusal> {
    let Some(at) = nest.order.iter().position(|&var| nest.vars[var].kind == LoopKind::Vector) else { return Ok(()) };
    let joins = |var: VarId| nest.vars[var].kind == LoopKind::Unroll && nest.vars[var].role == Role::Reduced;
    let name = |var: VarId| &nest.vars[var].name;
    let Some(&inside) = nest.order[at + 1..].iter().find(|&&var| !joins(var)) else {
        return Ok(());
    };
    let innermost = nest.order[nest.order.len() - 1];
    refuse(
        format!("`{}` is a vector, and the loop of `{}` is inside of it", name(nest.order[at]), name(inside)),
        format!("`reorder` it inside of `{}`: lanes are innermost, and one loop alone is lanes", name(innermost)),
    )
}
