//! What `stage` has to prove of a load, once for each program: while a schedule is chosen, the same copies are asked for
//! thousands of times.
//!
//! A load stands with the operand around it: the choices between it and its default. Both, and the extents of the naive
//! axes, stay what they are whatever is done to loops, so a verdict holds as long as the program. Proofs need expressions
//! of their own; they make them in a copy of the pool, so that the program's own do not depend on what was asked.

use std::collections::HashMap;

use super::nest::{Nest, Program};
use crate::expr::range::{Domain, Interval};
use crate::expr::{Expr, ExprId, prove};
use crate::scalar::Op;

/// Verdicts by load and operand; they are looked up only, never listed.
#[derive(Clone, Debug, Default)]
pub(super) struct Proofs {
    inside: HashMap<(ExprId, ExprId), bool>,
    outside: HashMap<(ExprId, ExprId), bool>,
}

impl Proofs {
    /// Whether a load is inside its tensor wherever the conditions around it hold.
    pub(super) fn is_inside(
        &mut self,
        program: &Program,
        nest: &Nest,
        (load, operand): (ExprId, ExprId),
        conds: &[ExprId],
    ) -> bool {
        *self.inside.entry((load, operand)).or_insert_with(|| is_inside(program, nest, load, conds))
    }

    /// Whether the conditions around a load hold wherever it is inside its tensor.
    pub(super) fn is_default_for_outside(
        &mut self,
        program: &Program,
        nest: &Nest,
        (load, operand): (ExprId, ExprId),
    ) -> bool {
        *self.outside.entry((load, operand)).or_insert_with(|| is_default_for_outside(program, nest, load, operand))
    }
}

fn is_default_for_outside(program: &Program, nest: &Nest, load: ExprId, operand: ExprId) -> bool {
    let mut pool = program.kernel.pool.clone();
    let Expr::Load { tensor, at } = pool.get(load).clone() else { return false };
    let zero = pool.int(0);
    let mut facts = Vec::new();
    for (&subscript, &extent) in at.iter().zip(&program.kernel.buffers[tensor].shape) {
        let extent = pool.int(extent);
        facts.push(pool.binary(Op::Ge, subscript, zero));
        facts.push(pool.binary(Op::Lt, subscript, extent));
    }
    let domain = domain(nest);
    let mut inner = operand;
    while let Expr::Select { cond, then, otherwise } = *pool.get(inner) {
        let same = pool.get(operand) == pool.get(inner)
            || matches!(pool.get(operand), Expr::Select { otherwise: first, .. } if *first == otherwise);
        if !same || !prove::always(&mut pool, cond, &domain, &facts).is_proved() {
            return false;
        }
        inner = then;
    }
    inner == load
}

/// The values of the naive axes.
fn domain(nest: &Nest) -> Domain {
    nest.vars
        .iter()
        .filter_map(|(_, var)| Some((var.axis?, Interval::extent(var.whole.unwrap_or(var.extent)))))
        .collect()
}

fn is_inside(program: &Program, nest: &Nest, load: ExprId, conds: &[ExprId]) -> bool {
    let mut pool = program.kernel.pool.clone();
    let Expr::Load { tensor, at } = pool.get(load).clone() else { return false };
    let domain = domain(nest);
    let (shape, zero) = (&program.kernel.buffers[tensor].shape, pool.int(0));
    at.iter().zip(shape).all(|(&subscript, &extent)| {
        let extent = pool.int(extent);
        let (above, below) = (pool.binary(Op::Ge, subscript, zero), pool.binary(Op::Lt, subscript, extent));
        [above, below].into_iter().all(|claim| prove::always(&mut pool, claim, &domain, conds).is_proved())
    })
}
