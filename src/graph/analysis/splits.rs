//! Congruences and quotients of axes, and the splits that would decide them.
//!
//! ```text
//! if (p + 1 - r) % 2 == 0 { x[(p + 1 - r) / 2] }      p by 2, r by 2
//! x[16 * (k / 32) + c]                                k by 32
//! ```
//!
//! With `p = 2 * p' + p''` and `r = 2 * r' + r''`, and the loops over `p''` and `r''` unrolled, the condition is a
//! constant and the quotient linear in `p'` and `r'`: no point is visited for nothing, and every subscript is regular.

use std::collections::BTreeMap;

use crate::expr::affine::{self, Linear};
use crate::expr::{AxisId, Expr, ExprId, Pool};
use crate::scalar::{DType, Op};

use super::super::{Graph, Stage};

/// A quotient and remainder of axes by a number.
#[derive(Clone, Debug)]
pub struct Split {
    /// The conditions that compare its remainder: `(p + 1 - r) % 2 == 0`. None where it only stands in subscripts.
    pub conditions: Vec<ExprId>,
    /// A quotient or remainder of it.
    pub example: ExprId,
    /// What is divided.
    pub dividend: Linear,
    /// What it is divided by; at least 2.
    pub by: i64,
    /// Into what each axis is to be split: by the divisor, less if its step has a factor of that, or by the axis's
    /// whole extent, which unrolls it.
    pub factors: BTreeMap<AxisId, i64>,
}

/// All splits that a stage's value suggests, in the order in which the value has them.
pub fn splits(graph: &Graph, stage: &Stage) -> Vec<Split> {
    let pool = &graph.pool;
    let mut found: Vec<Split> = Vec::new();
    pool.visit(stage.body.value(), &mut |id, expr| {
        let divided = match *expr {
            Expr::Binary(Op::Div | Op::Mod, ..) => Some((id, None)),
            Expr::Binary(Op::Eq | Op::Ne, a, b) if pool.as_int(b).is_some() => Some((a, Some(id))),
            Expr::Binary(Op::Eq | Op::Ne, a, b) if pool.as_int(a).is_some() => Some((b, Some(id))),
            _ => None,
        };
        let split = divided.and_then(|(id, condition)| Some((split(graph, id)?, condition)));
        let Some((split, condition)) = split else { return };
        let place = found.iter().position(|known| known.by == split.by && known.dividend == split.dividend);
        let place = place.unwrap_or_else(|| {
            found.push(split);
            found.len() - 1
        });
        // A quotient with a condition of its own says nothing about divisibility.
        found[place].conditions.extend(condition.filter(|&id| is_congruence(pool, id)));
    });
    found
}

fn is_congruence(pool: &Pool, condition: ExprId) -> bool {
    pool.children(condition).iter().any(|&side| matches!(pool.get(side), Expr::Binary(Op::Mod, ..)))
}

/// The split that `id`, a quotient or a remainder, suggests; none where it has more in it than axes.
fn split(graph: &Graph, id: ExprId) -> Option<Split> {
    let pool = &graph.pool;
    let &Expr::Binary(Op::Div | Op::Mod, a, b) = pool.get(id) else { return None };
    let by = pool.as_int(b).filter(|&by| by > 1 && pool.dtype(a) == DType::I64)?;
    let dividend = affine::linear(pool, a);
    let mut factors = BTreeMap::new();
    for (&atom, &step) in &dividend.terms {
        let &Expr::Axis(axis) = pool.get(atom) else { return None };
        let factor = (by / gcd(step, by)).min(graph.axes[axis].extent);
        if factor > 1 {
            factors.insert(axis, factor);
        }
    }
    (!factors.is_empty()).then_some(Split { conditions: Vec::new(), example: id, dividend, by, factors })
}

/// For a positive `b`.
const fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.rem_euclid(b), b);
    while a != 0 {
        (a, b) = (b % a, a);
    }
    b
}
