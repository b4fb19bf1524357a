//! Where the lanes of a vector loop find their elements: the offsets of an access, lane by lane.
//!
//! `x[16*i + v]` has the pattern of base `16*i` and offsets `0, 1, 2, …`; `x[4*(v / 4)]` has those of `0, 0, 0, 0, 4, …`.
//! An access whose distances between lanes are not constants has none, and is addressed lane by lane; so is one that
//! does not use the axis, which is one element for all lanes.
//!
//! Takes subscripts that are one simplified offset already (`prepare`).

use std::collections::HashMap;

use crate::expr::affine::linear;
use crate::expr::range::Domain;
use crate::expr::simplify::simplify;
use crate::expr::{AxisId, Expr, ExprId, Pool};

/// The elements of one access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// The offset for lane 0.
    pub(super) base: ExprId,
    /// What each lane adds; 0 for lane 0.
    pub(super) offsets: Vec<i64>,
}

/// The patterns of all accesses in vector loops.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    known: HashMap<(AxisId, ExprId), Option<Pattern>>,
}

impl Patterns {
    /// The pattern of the offset `flat` in the loop of `axis`, if it has one.
    #[cfg(feature = "llvm")]
    pub(super) fn get(&self, axis: AxisId, flat: ExprId) -> Option<&Pattern> {
        self.known.get(&(axis, flat))?.as_ref()
    }

    /// Finds the pattern of an offset.
    pub(super) fn add(&mut self, pool: &mut Pool, (axis, lanes): (AxisId, i64), flat: ExprId, domain: &Domain) {
        self.known.entry((axis, flat)).or_insert_with(|| find(pool, (axis, lanes), flat, domain));
    }
}

/// The distance of neighbours, if it is the same for all.
#[cfg(feature = "llvm")]
pub(super) fn stride(offsets: &[i64]) -> Option<i64> {
    let stride = offsets.get(1)?.checked_sub(offsets[0])?;
    offsets.windows(2).all(|pair| pair[1].checked_sub(pair[0]) == Some(stride)).then_some(stride)
}

fn find(pool: &mut Pool, (axis, lanes): (AxisId, i64), flat: ExprId, domain: &Domain) -> Option<Pattern> {
    if !uses(pool, flat, axis) {
        return None;
    }
    let base = at_lane(pool, axis, flat, 0, domain);
    let view = linear(pool, flat);
    let own = pool.axis(axis);
    let is_linear = view.terms.keys().all(|&atom| atom == own || !uses(pool, atom, axis));
    let offsets: Option<Vec<_>> = if is_linear {
        let stride = view.coefficient(own);
        (0..lanes).map(|lane| lane.checked_mul(stride)).collect()
    } else {
        let first = linear(pool, base);
        (0..lanes)
            .map(|lane| {
                let there = at_lane(pool, axis, flat, lane, domain);
                linear(pool, there).sub(&first)?.as_constant()
            })
            .collect()
    };
    Some(Pattern { base, offsets: offsets? })
}

fn at_lane(pool: &mut Pool, axis: AxisId, flat: ExprId, lane: i64, domain: &Domain) -> ExprId {
    let lane = pool.int(lane);
    let there = pool.substitute(flat, &|used| (used == axis).then_some(lane));
    simplify(pool, there, domain)
}

fn uses(pool: &Pool, id: ExprId, axis: AxisId) -> bool {
    let mut found = false;
    pool.visit(id, &mut |_, expr| found |= *expr == Expr::Axis(axis));
    found
}
