//! Factors of a sum that the innermost accumulators leave out, to multiply their sums by.
//!
//! ```text
//! for k { acc = 0; for l { acc += a[n, k] * W[m, k, l] * b[n, l] }; o += acc }
//!     ==>      for k { acc = 0; for l { acc += W[m, k, l] * b[n, l] }; o += acc * a[n, k] }
//! ```
//!
//! Where a nest has accumulators inside of a loop (`accumulate`), a factor that no reduced loop inside of them changes is
//! taken out of their sums, as the mathematical sum allows. It must be read from where it can be read there: not from a
//! copy or a box that is made further inside.

use super::nest::{Nest, Role, VarId};
use crate::expr::{Expr, ExprId, Pool};
use crate::loops::{Kernel, LoopKind, Scope};
use crate::scalar::{Op, ReduceOp};

/// The factors that are left out, in their order.
pub fn factors(kernel: &Kernel, nest: &Nest) -> Vec<ExprId> {
    let (Some(reduction), Some(level)) =
        (&nest.reduction, nest.accumulate.iter().map(|&at| nest.level(Some(at))).max())
    else {
        return Vec::new();
    };
    // Those that are coordinates are outside of all accumulators.
    let has_private = nest.order[nest.bound()..].iter().any(|&var| nest.vars[var].role == Role::Private);
    if reduction.op != ReduceOp::Sum || has_private || !nest.computes.is_empty() {
        return Vec::new();
    }
    let mut inside: Vec<_> = nest.order[level..].iter().copied().filter(|&var| nest.vars[var].is_reduced()).collect();
    if nest.sum_level().is_some_and(|outermost| outermost >= level) {
        // Threads combine the sums before they are multiplied.
        inside.extend(nest.spread(|kind| matches!(kind, LoopKind::Block(_))));
    }
    let all = product(&kernel.pool, reduction.value);
    let outside: Vec<_> =
        all.iter().copied().filter(|&factor| is_outside(kernel, nest, factor, level, &inside)).collect();
    if outside.len() == all.len() { Vec::new() } else { outside }
}

/// The factors of a product.
pub(super) fn product(pool: &Pool, value: ExprId) -> Vec<ExprId> {
    match *pool.get(value) {
        Expr::Binary(Op::Mul, a, b) => [product(pool, a), product(pool, b)].concat(),
        _ => vec![value],
    }
}

fn is_outside(kernel: &Kernel, nest: &Nest, factor: ExprId, level: usize, inside: &[VarId]) -> bool {
    let mut is_read_there = kernel.pool.has_load(factor);
    kernel.pool.visit(factor, &mut |id, expr| {
        // What decides about other reads is not there where variables are outside.
        is_read_there &= match expr {
            Expr::Load { at, .. } => !at.iter().any(|&subscript| kernel.pool.has_load(subscript)),
            Expr::Select { cond, .. } => !kernel.pool.has_load(*cond),
            _ => true,
        };
        let copies = nest.copies.iter().filter(|copy| copy.load == id || copy.operand == id);
        // Threads that share a copy count loops in their own way.
        is_read_there &= copies.into_iter().all(|copy| nest.level(copy.at) <= level && copy.scope != Scope::Shared);
    });
    is_read_there && nest.loops_of(kernel, factor).iter().all(|var| !inside.contains(var))
}
