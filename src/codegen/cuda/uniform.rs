//! Conditions that all lanes of a short vector decide alike: they are asked once.
//!
//! ```text
//! vector for l in 4 { if 64 * i + l < 196 { y[64 * i + l] = … } }
//!     ==>   if 64 * i < 196 { vector for l in 4 { y[64 * i + l] = … } }
//! ```
//!
//! So it is where a comparison is between the lane and multiples of the number of lanes. What is left in the loop can be
//! loaded and stored at once. Takes vectors of no more lanes than one instruction moves, and gives the same stores.

use crate::expr::range::{Domain, Ranges};
use crate::expr::{AxisId, Expr, ExprId, Pool, affine};
use crate::loops::{Block, For, Kernel, LoopKind, Stmt};
use crate::scalar::{DType, Op};

use super::flat::map;

/// The statements with such conditions asked once.
pub(super) fn decide(kernel: &mut Kernel, block: Block, domain: &Domain) -> Block {
    let mut result = Block::new();
    for stmt in block {
        result.push(match stmt {
            Stmt::For(l) if l.kind == LoopKind::Vector => vector(kernel, l, domain),
            Stmt::For(l) => Stmt::For(For { body: decide(kernel, l.body, domain), ..l }),
            Stmt::If { cond, then, otherwise } => {
                Stmt::If { cond, then: decide(kernel, then, domain), otherwise: decide(kernel, otherwise, domain) }
            }
            Stmt::Alloc { buffer, body } => Stmt::Alloc { buffer, body: decide(kernel, body, domain) },
            other => other,
        });
    }
    result
}

fn vector(kernel: &mut Kernel, l: For, domain: &Domain) -> Stmt {
    let lanes = (l.axis, l.extent);
    let body = map(kernel, l.body, &mut |kernel, e| {
        kernel.pool.map(e, &mut |pool, id| {
            let zero = pool.int(0);
            is_alike(pool, id, lanes, domain).then(|| pool.substitute(id, &|axis| (axis == l.axis).then_some(zero)))
        })
    });
    match <[Stmt; 1]>::try_from(body) {
        Ok([Stmt::If { cond, then, otherwise }])
            if otherwise.is_empty() && !kernel.pool.axes(cond).contains(&l.axis) && !kernel.pool.has_load(cond) =>
        {
            let inner = Stmt::For(For { body: then, ..l });
            Stmt::If { cond, then: vec![inner], otherwise }
        }
        Ok([other]) => Stmt::For(For { body: vec![other], ..l }),
        Err(body) => Stmt::For(For { body, ..l }),
    }
}

/// Whether a comparison is the same for all lanes.
fn is_alike(pool: &mut Pool, id: ExprId, (lane, lanes): (AxisId, i64), domain: &Domain) -> bool {
    let &Expr::Binary(op @ (Op::Lt | Op::Le | Op::Gt | Op::Ge), a, b) = pool.get(id) else { return false };
    if pool.dtype(a) != DType::I64 || !pool.axes(id).contains(&lane) {
        return false;
    }
    let Some(mut view) = affine::linear(pool, a).sub(&affine::linear(pool, b)) else { return false };
    let own = pool.axis(lane);
    let step = view.terms.remove(&own);
    if view.terms.keys().any(|&atom| pool.axes(atom).contains(&lane)) {
        return false;
    }
    // `a <= b` is `a - b - 1 < 0`; with the lane taken from a multiple, its last value decides.
    let shift = if matches!(op, Op::Le | Op::Gt) { -1 } else { 0 };
    let wanted = match step {
        Some(1) => 0,
        Some(-1) => lanes - 1,
        _ => return false,
    };
    let Some(view) = view.add_constant(shift - wanted) else { return false };
    let rest = affine::rebuild(pool, &view);
    let known = Ranges::new(domain).of(pool, rest).congruence;
    known.modulus % lanes == 0 && known.residue % lanes == 0
}
