//! Walks over statements, with what is open around each: loops, temporaries, conditions. Shared by the verifier, the
//! simplifier and the backends, so that all of them mean the same by "in scope".

use super::{For, LoopKind, Stmt};
use crate::expr::range::{Domain, Interval};
use crate::expr::{AxisId, Expr, ExprId, Pool, TensorId};
use crate::scalar::Op;

/// A loop around a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its axis.
    pub axis: AxisId,
    /// Its number of iterations.
    pub extent: i64,
    /// How they run.
    pub kind: LoopKind,
}

/// What is open around a statement, outermost first.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Loops.
    pub loops: Vec<Open>,
    /// Temporaries, each with the number of loops around its `alloc`.
    pub temporaries: Vec<(TensorId, usize)>,
    /// The conditions of `if`s, negated in an `else`. They held when the `if` was reached; one that loads may not hold
    /// any more once something was stored.
    pub facts: Vec<ExprId>,
}

impl Context {
    /// The values of the axes in scope.
    pub fn domain(&self) -> Domain {
        self.loops.iter().map(|open| (open.axis, Interval::extent(open.extent))).collect()
    }

    /// As [`Context::domain`], without the values that conditions on a single axis exclude.
    pub fn narrowed(&self, pool: &Pool) -> Domain {
        let mut domain = self.domain();
        for &fact in &self.facts {
            if let Some((axis, values)) = about_axis(pool, fact)
                && let Some(left) = domain.get(axis).intersect(values)
            {
                domain.insert(axis, left);
            }
        }
        domain
    }

    /// Whether an axis is in scope.
    pub fn has_axis(&self, axis: AxisId) -> bool {
        self.loops.iter().any(|open| open.axis == axis)
    }

    /// Whether a temporary is in scope.
    pub fn has_temporary(&self, buffer: TensorId) -> bool {
        self.temporaries.iter().any(|&(open, _)| open == buffer)
    }

    /// Calls `inner` with a loop open.
    pub fn in_loop<T>(&mut self, l: &For, inner: impl FnOnce(&mut Self) -> T) -> T {
        self.loops.push(Open { axis: l.axis, extent: l.extent, kind: l.kind });
        let result = inner(self);
        self.loops.pop();
        result
    }

    /// Calls `inner` with a temporary in scope.
    pub fn in_alloc<T>(&mut self, buffer: TensorId, inner: impl FnOnce(&mut Self) -> T) -> T {
        self.temporaries.push((buffer, self.loops.len()));
        let result = inner(self);
        self.temporaries.pop();
        result
    }

    /// Calls `inner` under a condition.
    pub fn under<T>(&mut self, cond: ExprId, inner: impl FnOnce(&mut Self) -> T) -> T {
        self.facts.push(cond);
        let result = inner(self);
        self.facts.pop();
        result
    }
}

/// What a comparison of an axis with a number says about the axis.
fn about_axis(pool: &Pool, fact: ExprId) -> Option<(AxisId, Interval)> {
    let (fact, holds) = match *pool.get(fact) {
        Expr::Unary(Op::Not, inner) => (inner, false),
        _ => (fact, true),
    };
    let Expr::Binary(op, a, b) = *pool.get(fact) else { return None };
    let (&Expr::Axis(axis), number) = (pool.get(a), pool.as_int(b)?) else { return None };
    let (below, above) = (Interval::new(i64::MIN, number), Interval::new(number, i64::MAX));
    let (strictly_below, strictly_above) =
        (Interval::new(i64::MIN, number.checked_sub(1)?), Interval::new(number.checked_add(1)?, i64::MAX));
    let values = match (op, holds) {
        (Op::Lt, true) | (Op::Ge, false) => strictly_below,
        (Op::Le, true) | (Op::Gt, false) => below,
        (Op::Gt, true) | (Op::Le, false) => strictly_above,
        (Op::Ge, true) | (Op::Lt, false) => above,
        (Op::Eq, true) => Interval::point(number),
        _ => return None,
    };
    Some((axis, values))
}

/// Calls `f(pool, stmt, context)` for every statement, in the order of the text, parents first.
pub fn visit(pool: &mut Pool, body: &[Stmt], f: &mut dyn FnMut(&mut Pool, &Stmt, &Context)) {
    visit_in(pool, body, &mut Context::default(), f);
}

/// As [`visit`], with `context` around `body`.
pub fn visit_in(pool: &mut Pool, body: &[Stmt], context: &mut Context, f: &mut dyn FnMut(&mut Pool, &Stmt, &Context)) {
    for stmt in body {
        f(pool, stmt, context);
        match stmt {
            Stmt::For(l) => context.in_loop(l, |context| visit_in(pool, &l.body, context, f)),
            Stmt::Alloc { buffer, body } => {
                context.in_alloc(*buffer, |context| visit_in(pool, body, context, f));
            }
            Stmt::If { cond, then, otherwise } => {
                context.under(*cond, |context| visit_in(pool, then, context, f));
                if !otherwise.is_empty() {
                    let refused = pool.unary(Op::Not, *cond);
                    context.under(refused, |context| visit_in(pool, otherwise, context, f));
                }
            }
            Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => {}
        }
    }
}

/// The expressions that a statement itself evaluates, without those of the statements in it.
pub fn expressions(stmt: &Stmt) -> Vec<ExprId> {
    match stmt {
        Stmt::If { cond, .. } => vec![*cond],
        Stmt::Store { at, value, .. } | Stmt::Reduce { at, value, .. } => at.iter().chain([value]).copied().collect(),
        Stmt::Combine { at, .. } => at.clone(),
        Stmt::For(_) | Stmt::Alloc { .. } | Stmt::Barrier | Stmt::Wait { .. } => Vec::new(),
    }
}

/// The buffer and subscripts that a statement writes, if it does.
pub fn written(stmt: &Stmt) -> Option<(TensorId, &[ExprId])> {
    match stmt {
        Stmt::Store { buffer, at, .. } | Stmt::Reduce { buffer, at, .. } | Stmt::Combine { buffer, at, .. } => {
            Some((*buffer, at))
        }
        Stmt::For(_) | Stmt::If { .. } | Stmt::Alloc { .. } | Stmt::Barrier | Stmt::Wait { .. } => None,
    }
}

/// Whether `id` loads from a buffer for which `is_meant` holds.
pub fn loads_from(pool: &Pool, id: ExprId, mut is_meant: impl FnMut(TensorId) -> bool) -> bool {
    let mut found = false;
    pool.visit(id, &mut |_, expr| {
        if let Expr::Load { tensor, .. } = expr {
            found = found || is_meant(*tensor);
        }
    });
    found
}
