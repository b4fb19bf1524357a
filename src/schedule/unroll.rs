//! `unroll i.1 j.1`: the iterations of loops are written out one after another.
//!
//! Always legal. Accumulators whose loops are all written out or vectors live in registers. Refused where so much code
//! would come of it that compiling it would be no fun.

use super::nest::{Nest, VarId};
use super::{Refusal, refuse};
use crate::loops::LoopKind;

/// Copies of the innermost statement that all written out loops of a nest make together, at most.
const MOST: i64 = 1 << 10;

pub(super) fn unroll(nest: &mut Nest, vars: &[VarId]) -> Result<(), Refusal> {
    for &var in vars {
        super::set_kind(nest, var, LoopKind::Unroll)?;
    }
    let unrolled = nest.order.iter().filter(|&&var| nest.vars[var].kind == LoopKind::Unroll);
    let copies = unrolled.fold(1i64, |product, &var| product.saturating_mul(nest.vars[var].extent));
    if copies > MOST {
        return refuse(
            format!("that would write {copies} copies of the innermost statement"),
            "`split` the loops first",
        );
    }
    Ok(())
}
