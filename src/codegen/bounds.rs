//! Which expressions may be computed where a lazy `select` would not have chosen them.
//!
//! Arithmetic never traps, so the question is about loads alone: a load may be done in vain where each subscript is
//! inside its extent for *all* values of the axes, whatever the conditions around it.

use crate::arena::IdMap;
use crate::expr::{AxisId, Expr, ExprId, Pool};
use crate::loops::{Kernel, Stmt};
use crate::scalar::Op;

/// The extent of every axis that a loop of the kernel has.
pub type Extents = IdMap<AxisId, i64>;

/// The extents of all axes.
pub fn extents(kernel: &Kernel) -> Extents {
    fn go(block: &[Stmt], extents: &mut Extents) {
        for stmt in block {
            match stmt {
                Stmt::For(nest) => {
                    extents.insert(nest.axis, nest.extent);
                    go(&nest.body, extents);
                }
                Stmt::If { then, otherwise, .. } => {
                    go(then, extents);
                    go(otherwise, extents);
                }
                Stmt::Alloc { body, .. } => go(body, extents),
                Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Barrier => {}
            }
        }
    }
    let mut extents = Extents::new();
    go(&kernel.body, &mut extents);
    extents
}

/// The least and the largest value of an `i64` expression, where that is easily seen.
fn interval(pool: &Pool, extents: &Extents, id: ExprId) -> Option<(i64, i64)> {
    match *pool.get(id) {
        Expr::Const(value) => value.as_int().map(|value| (value, value)),
        Expr::Axis(axis) => extents.get(axis).map(|extent| (0, extent - 1)),
        Expr::Binary(op, a, b) => {
            let (a, b) = (interval(pool, extents, a)?, interval(pool, extents, b)?);
            match op {
                Op::Add => Some((a.0.checked_add(b.0)?, a.1.checked_add(b.1)?)),
                Op::Sub => Some((a.0.checked_sub(b.1)?, a.1.checked_sub(b.0)?)),
                Op::Mul => corners(a, b, i64::checked_mul),
                Op::Div if b.0 > 0 => corners(a, b, |x, y| Some(crate::scalar::eval::floor_div(x, y))),
                Op::Mod if b.0 > 0 && 0 <= a.0 => Some((0, a.1.min(b.1 - 1))),
                Op::Mod if b.0 > 0 => Some((0, b.1 - 1)),
                Op::Min => Some((a.0.min(b.0), a.1.min(b.1))),
                Op::Max => Some((a.0.max(b.0), a.1.max(b.1))),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The interval of a function that is monotonic in each operand: its extremes are at the corners.
fn corners(a: (i64, i64), b: (i64, i64), f: impl Fn(i64, i64) -> Option<i64>) -> Option<(i64, i64)> {
    let values = [f(a.0, b.0)?, f(a.0, b.1)?, f(a.1, b.0)?, f(a.1, b.1)?];
    Some((values.into_iter().min()?, values.into_iter().max()?))
}

/// Whether `id` may be computed for any values of the axes.
pub fn is_total(kernel: &Kernel, extents: &Extents, id: ExprId) -> bool {
    let mut total = true;
    kernel.pool.visit(id, &mut |_, expr| {
        if let Expr::Load { tensor, at } = expr {
            total &= at.iter().zip(&kernel.buffers[*tensor].shape).all(|(&subscript, &extent)| {
                interval(&kernel.pool, extents, subscript).is_some_and(|(low, high)| 0 <= low && high < extent)
            });
        }
    });
    total
}
