//! The mathematical operations of a graph: what its formulas ask for, whatever the schedule does.
//!
//! Each operation of a stage's value counts by the op table, once for each point of the stage's axes where it matters,
//! and each reduced element counts one more to be joined. Not counted: comparisons, conversions, and the integer
//! arithmetic of subscripts and conditions.
//!
//! ```text
//! sum[k](A[i, k] * B[k, j])                                      2 M N K
//! sum[r](if (p - r) % 2 == 0 { x[(p - r) / 2] else 0 } else { 0 } * w[r])
//!                                                                2 for each (p, r) with (p - r) % 2 == 0
//! ```
//!
//! Where a condition on axes leaves 0, or what is neutral to the reduction, no operation is counted on it: there is no
//! credit for multiplying the zeros of a transposed convolution. Conditions that only keep a subscript inside its
//! tensor (`x[…] else 0`) count as if they always held: padding is part of the formula. Conditions on data count as
//! if both branches were computed.

use std::collections::{BTreeMap, BTreeSet};

use crate::expr::program::{BuildError, Builder, Layout, Machine, Memory, Program};
use crate::expr::{AxisId, Expr, ExprId, Pool, TensorId, affine};
use crate::scalar::{Const, DType, Op, ReduceOp};

use super::{Body, Graph, Stage};

/// Conditions over more points than this are not counted out: they are taken to hold.
const MOST_POINTS: i64 = 1 << 24;

/// The operations that `graph` asks for; `u64::MAX` if they are more.
pub fn flops(graph: &Graph) -> u64 {
    let mut counter = Counter::new(graph);
    let total = graph.stages.iter().fold(0u128, |sum, stage| sum.saturating_add(counter.stage(stage)));
    narrow(total)
}

/// What a stage asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Its operations.
    pub flops: u64,
    /// The points of its axes at which a value is computed. Of a reduction, only those that can change the result.
    pub points: u64,
}

/// The work of each stage.
pub fn works(graph: &Graph) -> Vec<Work> {
    let mut counter = Counter::new(graph);
    let mut work = |stage| Work { flops: narrow(counter.stage(stage)), points: narrow(counter.stage_points(stage)) };
    graph.stages.iter().map(&mut work).collect()
}

fn narrow(count: u128) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Conditions on axes, all of which hold.
type Guard = BTreeSet<ExprId>;

/// The parts of a select's condition.
struct Parts {
    /// Conditions on axes that leave some points out of the formula.
    counted: Guard,
    /// Whether it also depends on data.
    has_data: bool,
}

struct Counter<'a> {
    graph: &'a Graph,
    /// The graph's expressions, and conditions made of them.
    pool: Pool,
    /// Points that were counted before.
    counts: BTreeMap<(BTreeSet<AxisId>, Vec<ExprId>), u64>,
}

impl<'a> Counter<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self { graph, pool: graph.pool.clone(), counts: BTreeMap::new() }
    }

    fn stage(&mut self, stage: &Stage) -> u128 {
        let value = stage.body.value();
        let mut needed = BTreeMap::new();
        let mut uses: BTreeMap<Guard, u64> = BTreeMap::new();
        let mut guard = Guard::new();
        if let Body::Reduce { op, .. } = stage.body {
            guard = self.matters(value, op.neutral(self.pool.dtype(value)), &mut BTreeMap::new());
            uses.insert(guard.clone(), op.combine().info().flops);
        }
        self.walk(value, guard, &mut needed);
        for (id, guard) in needed {
            if let &Expr::Unary(op, _) | &Expr::Binary(op, ..) = self.pool.get(id) {
                *uses.entry(guard).or_default() += op.info().flops;
            }
        }
        let axes: Vec<_> = stage.axes.iter().chain(stage.body.reduce_axes()).copied().collect();
        uses.retain(|_, flops| *flops > 0);
        uses.into_iter().fold(0, |sum: u128, (guard, flops)| {
            sum.saturating_add(u128::from(flops).saturating_mul(self.points(&axes, &guard)))
        })
    }

    fn stage_points(&mut self, stage: &Stage) -> u128 {
        let value = stage.body.value();
        let guard = match stage.body {
            Body::Reduce { op, .. } => self.matters(value, op.neutral(self.pool.dtype(value)), &mut BTreeMap::new()),
            Body::Map(_) => Guard::new(),
        };
        let axes: Vec<_> = stage.axes.iter().chain(stage.body.reduce_axes()).copied().collect();
        self.points(&axes, &guard)
    }

    /// Notes, for every operation under `id`, the conditions under which its result is asked for. Where it is reached
    /// on several paths, those are the ones that all paths share.
    fn walk(&mut self, id: ExprId, mut guard: Guard, needed: &mut BTreeMap<ExprId, Guard>) {
        if self.pool.dtype(id) == DType::I64 && !self.pool.has_load(id) {
            return;
        }
        guard.extend(self.matters(id, Const::int(self.pool.dtype(id), 0), &mut BTreeMap::new()));
        if let Some(known) = needed.get(&id) {
            if known.is_subset(&guard) {
                return;
            }
            guard = known.intersection(&guard).copied().collect();
        }
        needed.insert(id, guard.clone());
        match *self.pool.get(id) {
            Expr::Const(_) | Expr::Axis(_) | Expr::Load { .. } => {}
            Expr::Unary(_, a) | Expr::Cast(_, a) => self.walk(a, guard, needed),
            Expr::Binary(_, a, b) => {
                self.walk(a, guard.clone(), needed);
                self.walk(b, guard, needed);
            }
            Expr::Select { cond, then, otherwise } => {
                let parts = self.parts(cond, then);
                self.walk_condition(cond, &guard, needed);
                let refused = self.refused(&parts);
                self.walk(then, guard.union(&parts.counted).copied().collect(), needed);
                self.walk(otherwise, guard.union(&refused).copied().collect(), needed);
            }
        }
    }

    /// As [`Self::walk`], but only for the arithmetic on floats in a condition.
    fn walk_condition(&mut self, cond: ExprId, guard: &Guard, needed: &mut BTreeMap<ExprId, Guard>) {
        if self.pool.dtype(cond).is_float() {
            self.walk(cond, guard.clone(), needed);
        } else if self.pool.dtype(cond) == DType::Bool && self.pool.has_load(cond) {
            for part in self.pool.children(cond) {
                self.walk_condition(part, guard, needed);
            }
        }
    }

    /// Conditions without which `id` is `neutral`, the zero of a product or the neutral element of a reduction.
    fn matters(&mut self, id: ExprId, neutral: Const, known: &mut BTreeMap<ExprId, Guard>) -> Guard {
        if let Some(guard) = known.get(&id) {
            return guard.clone();
        }
        let is_zero = neutral.to_f64() == 0.0;
        let guard = match *self.pool.get(id) {
            Expr::Select { cond, then, otherwise } if self.pool.as_const(otherwise) == Some(neutral) => {
                let mut guard = self.parts(cond, then).counted;
                guard.extend(self.matters(then, neutral, known));
                guard
            }
            Expr::Select { cond, then, otherwise } if self.pool.as_const(then) == Some(neutral) => {
                let parts = self.parts(cond, then);
                let mut guard = self.refused(&parts);
                guard.extend(self.matters(otherwise, neutral, known));
                guard
            }
            Expr::Binary(Op::Mul, a, b) if is_zero => {
                let mut guard = self.matters(a, neutral, known);
                guard.extend(self.matters(b, neutral, known));
                guard
            }
            Expr::Binary(Op::Div, a, _) | Expr::Unary(Op::Neg, a) if is_zero => self.matters(a, neutral, known),
            Expr::Cast(_, a) if is_zero => self.matters(a, Const::int(self.pool.dtype(a), 0), known),
            _ => Guard::new(),
        };
        known.insert(id, guard.clone());
        guard
    }

    fn parts(&self, cond: ExprId, then: ExprId) -> Parts {
        let mut parts = Parts { counted: Guard::new(), has_data: false };
        let mut open = vec![cond];
        while let Some(part) = open.pop() {
            match *self.pool.get(part) {
                Expr::Binary(Op::And, a, b) => open.extend([a, b]),
                _ if self.pool.has_load(part) => parts.has_data = true,
                _ if self.keeps_inside(part, then) => {}
                _ => {
                    parts.counted.insert(part);
                }
            }
        }
        parts
    }

    /// The conditions of the `else` branch.
    fn refused(&mut self, parts: &Parts) -> Guard {
        if parts.has_data {
            return Guard::new();
        }
        let all = self.pool.bool(true);
        let all = parts.counted.iter().fold(all, |all, &part| self.pool.and(all, part));
        Guard::from([self.pool.unary(Op::Not, all)])
    }

    /// Whether `cond` bounds a subscript of a load in `then`, or what such a subscript is a quotient of.
    fn keeps_inside(&self, cond: ExprId, then: ExprId) -> bool {
        let Expr::Binary(Op::Lt | Op::Le | Op::Gt | Op::Ge | Op::Eq, a, b) = *self.pool.get(cond) else { return false };
        if self.pool.dtype(a) != DType::I64 {
            return false;
        }
        let Some(view) = affine::linear(&self.pool, a).sub(&affine::linear(&self.pool, b)) else { return false };
        let negated = view.scale(-1);
        let is_bounded = |subscript: ExprId| {
            let terms = affine::linear(&self.pool, subscript).terms;
            !terms.is_empty() && (terms == view.terms || negated.as_ref().is_some_and(|view| view.terms == terms))
        };
        let mut found = false;
        self.pool.visit(then, &mut |_, expr| {
            if let Expr::Load { at, .. } = expr {
                found |= at.iter().any(|&subscript| match *self.pool.get(subscript) {
                    Expr::Binary(Op::Div, a, _) => is_bounded(a) || is_bounded(subscript),
                    _ => is_bounded(subscript),
                });
            }
        });
        found
    }

    /// How many values of `axes` satisfy all conditions.
    fn points(&mut self, axes: &[AxisId], guard: &Guard) -> u128 {
        let mut free: BTreeSet<_> = axes.iter().copied().collect();
        let mut points = 1u128;
        for (axes, conds) in self.groups(guard) {
            let all = axes.iter().try_fold(1i64, |all, &axis| all.checked_mul(self.graph.axes[axis].extent));
            if all.is_some_and(|all| all <= MOST_POINTS) {
                free.retain(|axis| !axes.contains(axis));
                let group = (axes, conds);
                let count = self.counts.get(&group).copied().unwrap_or_else(|| self.count(&group.0, &group.1));
                self.counts.insert(group, count);
                points = points.saturating_mul(u128::from(count));
            }
        }
        free.iter().fold(points, |points, &axis| points.saturating_mul(self.graph.axes[axis].extent as u128))
    }

    /// The conditions, with those together that share an axis.
    fn groups(&self, guard: &Guard) -> Vec<(BTreeSet<AxisId>, Vec<ExprId>)> {
        let mut groups: Vec<(BTreeSet<AxisId>, Vec<ExprId>)> = Vec::new();
        for &cond in guard {
            let (mut axes, mut conds) = (self.pool.axes(cond).into_iter().collect::<BTreeSet<_>>(), vec![cond]);
            for (others, more) in groups.extract_if(.., |(others, _)| !others.is_disjoint(&axes)).collect::<Vec<_>>() {
                axes.extend(others);
                conds.extend(more);
            }
            groups.push((axes, conds));
        }
        groups
    }

    /// How many values of `axes` satisfy `conds`, by trying all.
    fn count(&mut self, axes: &BTreeSet<AxisId>, conds: &[ExprId]) -> u64 {
        let all = self.pool.bool(true);
        let all = conds.iter().fold(all, |all, &cond| self.pool.and(all, cond));
        let one = self.pool.cast(DType::I64, all);
        let zero = self.pool.int(0);
        let mut layout = Layout::new();
        let sum = layout.add(DType::I64, &[]).expect("one element fits");
        let axes: Vec<_> = axes.iter().map(|&axis| (axis, self.graph.axes[axis].extent)).collect();
        let Ok(program) = counting(&self.pool, &layout, &axes, sum, [zero, one]) else { return 0 };
        let mut memory = Memory::new(&layout);
        let run = Machine::new(&program, &[]).run(&program, &layout, &mut memory);
        run.expect("no access can leave a single element");
        memory.get(&layout, sum, 0).expect("it was stored")
    }
}

/// The program that sums `one` over `axes`.
fn counting(
    pool: &Pool,
    layout: &Layout,
    axes: &[(AxisId, i64)],
    sum: TensorId,
    [zero, one]: [ExprId; 2],
) -> Result<Program, BuildError> {
    fn nest(builder: &mut Builder<'_>, axes: &[(AxisId, i64)], sum: TensorId, one: ExprId) -> Result<(), BuildError> {
        match axes {
            [] => builder.reduce(sum, &[], ReduceOp::Sum, one),
            &[(axis, extent), ref inner @ ..] => builder.repeat(axis, extent, |builder| nest(builder, inner, sum, one)),
        }
    }
    let mut builder = Builder::new(pool, layout);
    builder.store(sum, &[], zero)?;
    nest(&mut builder, axes, sum, one)?;
    Ok(builder.finish())
}
