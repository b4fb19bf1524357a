//! Reductions. One that is a whole right-hand side becomes the stage's own; any other becomes a stage before it.

use std::collections::BTreeMap;

use crate::expr::{AxisId, ExprId};
use crate::graph::{Body, Role};
use crate::scalar::{Const, DType, Op, ReduceOp};
use crate::source::Span;
use crate::syntax::ast::{Expr, ExprKind, Ident, ReduceIndex};

use super::elab::Elab;
use super::error;
use super::value::{Binding, Size, Value};

/// A reduction over axes that are still open.
pub(super) struct Reduction {
    pub(super) op: ReduceOp,
    pub(super) axes: Vec<AxisId>,
    pub(super) value: ExprId,
    pub(super) dtype: DType,
}

/// What a whole right-hand side is.
pub(super) enum Whole {
    /// One reduction.
    Reduction(Reduction),
    /// A reduction with an error, which was reported.
    Error,
    /// Anything else.
    Other,
}

impl<'p> Elab<'p> {
    /// A reduction inside an expression.
    pub(super) fn reduce(
        &mut self,
        op: &'p Ident,
        indices: &'p [ReduceIndex],
        body: &'p Expr,
        span: Span,
        hint: Option<DType>,
    ) -> Value {
        match self.open_reduction(op, indices, body, span, hint) {
            Some(reduction) => {
                let value = self.hoist(&reduction);
                Value::Scalar(value, reduction.dtype)
            }
            None => Value::Error,
        }
    }

    /// The reduction that an expression is, if it is one that can be a stage's own body.
    pub(super) fn as_reduction(&mut self, expr: &'p Expr, hint: Option<DType>) -> Whole {
        match &expr.kind {
            ExprKind::Reduce { op, indices, body } => match self.open_reduction(op, indices, body, expr.span, hint) {
                Some(reduction) => Whole::Reduction(reduction),
                None => Whole::Error,
            },
            _ => Whole::Other,
        }
    }

    fn open_reduction(
        &mut self,
        op: &'p Ident,
        indices: &'p [ReduceIndex],
        body: &'p Expr,
        span: Span,
        hint: Option<DType>,
    ) -> Option<Reduction> {
        match op.name.as_str() {
            "argmax" => return self.open_position(ReduceOp::Max, indices, body),
            "argmin" => return self.open_position(ReduceOp::Min, indices, body),
            _ => {}
        }
        let Some(reduce_op) = ReduceOp::from_name(&op.name) else {
            self.report(error::name::unknown_reduction(op));
            return None;
        };
        let (axes, value) = self.reduced(indices, body, hint);
        let value = self.settle(value, body.span);
        let Value::Scalar(value, dtype) = value else { return None };
        if axes.is_empty() {
            return None;
        }
        let is_logic = matches!(reduce_op, ReduceOp::Any | ReduceOp::All);
        if is_logic != (dtype == DType::Bool) {
            self.report(error::types::not_reducible(reduce_op, dtype, span));
            return None;
        }
        let widens = matches!(reduce_op, ReduceOp::Sum | ReduceOp::Prod) && matches!(dtype, DType::I8 | DType::U8);
        let dtype = if widens { DType::I32 } else { dtype };
        Some(Reduction { op: reduce_op, axes, value, dtype })
    }

    /// Opens the axes and evaluates what is reduced.
    fn reduced(&mut self, indices: &'p [ReduceIndex], body: &'p Expr, hint: Option<DType>) -> (Vec<AxisId>, Value) {
        let base = self.frame.scope.len();
        let mut axes = Vec::new();
        let mut is_whole = true;
        for index in indices {
            match index {
                ReduceIndex::One { name, range } => {
                    is_whole &= self.open_index(name, range.as_ref(), &[body], &mut axes);
                }
                ReduceIndex::Spread(name) => is_whole &= self.open_spread(name, None, &[body], &mut axes),
            }
        }
        let value = self.expr(body, hint);
        self.frame.scope.truncate(base);
        if is_whole { (axes, value) } else { (Vec::new(), Value::Error) }
    }

    /// Brings an index into scope, with the range that is written or that `within` implies.
    pub(super) fn open_index(
        &mut self,
        name: &Ident,
        range: Option<&'p Expr>,
        within: &[&'p Expr],
        axes: &mut Vec<AxisId>,
    ) -> bool {
        self.check_fresh(name);
        let extent = match range {
            Some(range) => self.size(range, "the range of an index").filter(|size| self.check_range(size, range)),
            None => self.infer_range(name, within),
        };
        let Some(extent) = extent else {
            self.bind(name, Binding::Error);
            return false;
        };
        let (axis, index) = self.axis(&name.name, &extent);
        axes.push(axis);
        self.bind(name, Binding::Value(index));
        true
    }

    fn check_range(&mut self, size: &Size, range: &Expr) -> bool {
        let fits = (1..=super::elab::MAX_BYTES).contains(&size.value);
        if !fits {
            self.report(error::size::not_positive("this range", size, range.span, None));
        }
        fits
    }

    /// Brings `..i` into scope: one index for each extent.
    pub(super) fn open_spread(
        &mut self,
        name: &'p Ident,
        extents: Option<Vec<Size>>,
        within: &[&'p Expr],
        axes: &mut Vec<AxisId>,
    ) -> bool {
        self.check_fresh(name);
        let Some(extents) = extents.or_else(|| self.infer_spread(name, within)) else {
            self.bind(name, Binding::Error);
            return false;
        };
        let mut indices = Vec::new();
        for (position, extent) in extents.iter().enumerate() {
            let (axis, index) = self.axis(&format!("{}{position}", name.name), extent);
            axes.push(axis);
            indices.push(index);
        }
        self.bind(name, Binding::Indices(indices));
        true
    }

    /// Makes a stage of a reduction, over copies of the axes that it depends on, and loads its result.
    fn hoist(&mut self, reduction: &Reduction) -> ExprId {
        let neutral = self.graph.pool.constant(reduction.op.neutral(self.graph.pool.dtype(reduction.value)));
        let value = self.only_where_needed(reduction.value, neutral);
        let free: Vec<_> =
            self.graph.pool.axes(value).into_iter().filter(|axis| !reduction.axes.contains(axis)).collect();
        let copies: BTreeMap<AxisId, AxisId> = free.iter().map(|&axis| (axis, self.clone_axis(axis))).collect();
        let exprs: BTreeMap<AxisId, ExprId> =
            copies.iter().map(|(&from, &to)| (from, self.graph.pool.axis(to))).collect();
        let value = self.graph.pool.substitute(value, &|axis| exprs.get(&axis).copied());
        let shape = free.iter().map(|&axis| self.graph.axes[axis].extent).collect();
        let name = format!("{}_{}", self.frame.target, reduction.op.name());
        let dtype = self.graph.pool.dtype(value);
        let tensor = self.tensor(&name, dtype, shape, Role::Intermediate);
        let body = Body::Reduce { op: reduction.op, axes: reduction.axes.clone(), value };
        self.stage(tensor, copies.values().copied().collect(), body);
        let at = free.iter().map(|&axis| self.graph.pool.axis(axis)).collect();
        self.load(tensor, at)
    }

    /// The stage of a hoisted reduction runs everywhere, so what was proved under conditions must be chosen by them.
    fn only_where_needed(&mut self, value: ExprId, neutral: ExprId) -> ExprId {
        if !self.graph.pool.has_load(value) {
            return value;
        }
        let facts = self.frame.facts.clone();
        facts.into_iter().rev().fold(value, |value, fact| self.graph.pool.select(fact, value, neutral))
    }

    /// `argmax` and `argmin`: a stage for the best value, and the reduction to the first position that has it. NaN
    /// counts as the best.
    fn open_position(&mut self, op: ReduceOp, indices: &'p [ReduceIndex], body: &'p Expr) -> Option<Reduction> {
        let (axes, value) = self.reduced(indices, body, None);
        let Value::Scalar(value, dtype) = self.settle(value, body.span) else { return None };
        if axes.is_empty() {
            return None;
        }
        if dtype == DType::Bool {
            self.report(error::types::not_reducible(op, dtype, body.span));
            return None;
        }
        let best = self.hoist(&Reduction { op, axes: axes.clone(), value, dtype });
        let fresh: Vec<_> = axes.iter().map(|&axis| self.clone_axis(axis)).collect();
        let exprs: Vec<_> = fresh.iter().map(|&axis| self.graph.pool.axis(axis)).collect();
        let again = self
            .graph
            .pool
            .substitute(value, &|axis| axes.iter().position(|&known| known == axis).map(|position| exprs[position]));
        let position = self.flattened(&fresh);
        let pool = &mut self.graph.pool;
        let mut is_best = pool.binary(Op::Eq, again, best);
        if pool.dtype(again).is_float() {
            let is_nan = pool.binary(Op::Ne, again, again);
            is_best = pool.binary(Op::Or, is_best, is_nan);
        }
        let never = pool.constant(Const::index(i64::MAX));
        let candidate = pool.select(is_best, position, never);
        Some(Reduction { op: ReduceOp::Min, axes: fresh, value: candidate, dtype: DType::I64 })
    }

    /// The row-major position of a point of `axes`.
    fn flattened(&mut self, axes: &[AxisId]) -> ExprId {
        let mut position = self.graph.pool.int(0);
        for &axis in axes {
            let extent = self.graph.pool.int(self.graph.axes[axis].extent);
            let index = self.graph.pool.axis(axis);
            let scaled = self.graph.pool.mul(position, extent);
            position = self.graph.pool.add(scaled, index);
        }
        position
    }
}
