//! Contractions, and the class of each axis in them.
//!
//! A contraction is a sum of products. Its factors stand on two sides, so that every contraction is a product of
//! matrices, or many of them, whatever it is called: with more than two factors, the one that runs over most points
//! is a side of its own.
//!
//! ```text
//! sum[k](A[i, k] * B[k, j])                       i M, j N, k K
//! sum[r](x[c, p + r] * w[c, r])                   c batch, p M, r K
//! sum[k, l](a[n, k] * W[m, k, l] * b[n, l])       (a b) W: n M, m N, k and l K
//! ```

use std::collections::BTreeSet;

use crate::expr::{AxisId, Expr, ExprId, Pool};
use crate::scalar::{Op, ReduceOp};

use super::super::{Body, Graph, Stage};
use super::access::{Access, Dim};

/// What an axis is to a contraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Of the output and the first side alone.
    M,
    /// Of the output and the second side alone.
    N,
    /// Reduced, and of both sides.
    K,
    /// Of the output and both sides.
    Batch,
    /// None of these, but it shares a subscript with another axis: pooling, a stencil.
    Window,
    /// It has one value: no loop.
    Single,
    /// None of these.
    Other,
}

impl Class {
    /// As it is printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::M => "M",
            Self::N => "N",
            Self::K => "K",
            Self::Batch => "batch",
            Self::Window => "window",
            Self::Single => "single",
            Self::Other => "other",
        }
    }
}

/// An axis of a stage.
#[derive(Clone, Debug)]
pub struct AxisUse {
    /// Which one.
    pub axis: AxisId,
    /// Whether it is reduced, not spatial.
    pub is_reduced: bool,
    /// What it is to the contraction.
    pub class: Class,
    /// The axes with which it shares a subscript of something that is read.
    pub shares: BTreeSet<AxisId>,
}

/// The two sides of a sum of products.
#[derive(Clone, Debug)]
pub struct Contraction {
    /// The factors of the first side.
    pub first: Vec<ExprId>,
    /// The factors of the second side.
    pub second: Vec<ExprId>,
    first_axes: BTreeSet<AxisId>,
    second_axes: BTreeSet<AxisId>,
}

/// The sides of a stage, if it is a sum of products.
pub fn contraction(graph: &Graph, stage: &Stage) -> Option<Contraction> {
    let Body::Reduce { op: ReduceOp::Sum, value, .. } = stage.body else { return None };
    let pool = &graph.pool;
    let mut all = Vec::new();
    factors(pool, value, &mut all);
    if all.len() < 2 {
        return None;
    }
    let points = |factor: ExprId| {
        pool.axes(factor).into_iter().fold(1, |all: i64, axis| all.saturating_mul(graph.axes[axis].extent))
    };
    // The first of equals.
    let largest = all.iter().rev().copied().max_by_key(|&factor| points(factor))?;
    let (alone, others): (Vec<_>, Vec<_>) = all.iter().partition(|&&factor| factor == largest);
    let (first, second) = if all[0] == largest { (alone, others) } else { (others, alone) };
    let axes = |side: &[ExprId]| side.iter().flat_map(|&factor| pool.axes(factor)).collect();
    Some(Contraction { first_axes: axes(&first), second_axes: axes(&second), first, second })
}

/// The distinct factors of a product that depend on an axis; a product of which a condition leaves 0 is one.
fn factors(pool: &Pool, value: ExprId, found: &mut Vec<ExprId>) {
    match *pool.get(value) {
        Expr::Binary(Op::Mul, a, b) => {
            factors(pool, a, found);
            factors(pool, b, found);
        }
        Expr::Unary(Op::Neg, a) | Expr::Cast(_, a) => factors(pool, a, found),
        Expr::Binary(Op::Div, a, b) if pool.axes(b).is_empty() => factors(pool, a, found),
        Expr::Select { then, otherwise, .. } if is_zero(pool, otherwise) => {
            let mut inner = Vec::new();
            factors(pool, then, &mut inner);
            let whole = if inner.len() < 2 { vec![value] } else { inner };
            for factor in whole {
                push(found, factor);
            }
        }
        _ if pool.axes(value).is_empty() => {}
        _ => push(found, value),
    }
}

fn push(found: &mut Vec<ExprId>, factor: ExprId) {
    if !found.contains(&factor) {
        found.push(factor);
    }
}

fn is_zero(pool: &Pool, id: ExprId) -> bool {
    pool.as_const(id).is_some_and(|value| value.to_f64() == 0.0)
}

/// The use of every axis of a stage.
pub fn classify(graph: &Graph, stage: &Stage, sides: Option<&Contraction>, reads: &[Access]) -> Vec<AxisUse> {
    let spatial = stage.axes.iter().map(|&axis| (axis, false));
    let reduced = stage.body.reduce_axes().iter().map(|&axis| (axis, true));
    let classed = spatial.chain(reduced).map(|(axis, is_reduced)| {
        let shares = shares(graph, reads, axis);
        let class = match sides.and_then(|sides| sides.class(axis, is_reduced)) {
            _ if graph.axes[axis].extent == 1 => Class::Single,
            Some(class) => class,
            None if !shares.is_empty() => Class::Window,
            None => Class::Other,
        };
        AxisUse { axis, is_reduced, class, shares }
    });
    classed.collect()
}

fn shares(graph: &Graph, reads: &[Access], axis: AxisId) -> BTreeSet<AxisId> {
    let dims = reads.iter().flat_map(|read| &read.dims).map(Dim::axes).filter(|axes| axes.contains(&axis));
    dims.flatten().filter(|&other| other != axis && graph.axes[other].extent > 1).collect()
}

impl Contraction {
    fn class(&self, axis: AxisId, is_reduced: bool) -> Option<Class> {
        match (is_reduced, self.first_axes.contains(&axis), self.second_axes.contains(&axis)) {
            (true, true, true) => Some(Class::K),
            (false, true, true) => Some(Class::Batch),
            (false, true, false) => Some(Class::M),
            (false, false, true) => Some(Class::N),
            (true, ..) | (false, false, false) => None,
        }
    }

    /// Points of the axes of a class: the sizes of the product of matrices.
    pub fn size(graph: &Graph, axes: &[AxisUse], class: Class) -> i64 {
        let those = axes.iter().filter(|used| used.class == class);
        those.fold(1, |all: i64, used| all.saturating_mul(graph.axes[used.axis].extent))
    }
}
