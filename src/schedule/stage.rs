//! `stage B at k.0 as [k.1, j.1]`: an operand is copied into the order in which it is read.
//!
//! ```text
//! for k.0 { … B[k.0 * 256 + k.1, j.1] … }
//!     ==>      for k.0 { for k.1, j.1 { B.copy[k.1, j.1] = B[k.0 * 256 + k.1, j.1] }; … B.copy[k.1, j.1] … }
//! ```
//!
//! The copy has one dimension for each loop inside of `at` on which the operand depends, in the order wanted. Padding,
//! strides and windows are resolved while copying: this is packing, and im2col of one tile.
//!
//! Legal where the tensor is not written by this nest, is read in one way, and either everywhere or with a default.

use super::nest::{Copy, Nest, Program, VarId, loads_of};
use super::{Refusal, refuse};
use crate::expr::range::{Domain, Interval};
use crate::expr::{Expr, ExprId, TensorId, prove};
use crate::loops::Scope;
use crate::scalar::Op;

/// Bytes of a copy, at most.
const MOST: i64 = 1 << 32;

/// The parts of a `stage` step, with names resolved.
pub(super) struct Request<'a> {
    pub(super) operand: &'a str,
    pub(super) at: Option<VarId>,
    pub(super) layout: Vec<VarId>,
    pub(super) scope: Scope,
}

pub(super) fn stage(program: &mut Program, number: usize, request: Request<'_>) -> Result<(), Refusal> {
    let nest = &program.nests[number];
    let name = request.operand;
    let Some(tensor) = tensor(program, nest, name) else {
        return refuse(format!("`{name}` is not read in this nest"), "name a tensor that the formula reads");
    };
    if nest.copies.iter().any(|copy| copy.name == name) {
        return refuse(format!("`{name}` is copied already"), "an operand has one copy");
    }
    let operand = operand(program, nest, name, tensor)?;
    let load = loads_of(&program.kernel, nest.value(), tensor)[0];
    let inside = inside(program, nest, operand, request.at);
    if let Some(missing) = inside.iter().find(|var| !request.layout.contains(var)) {
        let names: Vec<_> = inside.iter().map(|&var| nest.vars[var].name.as_str()).collect();
        return refuse(
            format!("the copy of `{name}` differs with `{}`, which is not in its layout", nest.vars[*missing].name),
            format!("`as [{}]` names all loops inside on which it depends", names.join(", ")),
        );
    }
    if let Some(extra) = request.layout.iter().find(|var| !inside.contains(var)) {
        let extra = &nest.vars[*extra].name;
        return refuse(format!("`{name}` does not depend on `{extra}` there"), format!("leave `{extra}` out"));
    }
    let elements = request.layout.iter().fold(1i64, |product, &var| product.saturating_mul(nest.vars[var].extent));
    if elements > MOST / program.kernel.buffers[tensor].dtype.bytes() as i64 {
        return refuse(format!("a copy of {elements} elements is too large"), "copy at an inner loop");
    }
    let Request { at, layout, scope, .. } = request;
    program.nests[number].copies.push(Copy { operand, load, name: name.to_owned(), at, layout, scope });
    Ok(())
}

/// The loops inside of `at` on which an operand depends, in their order.
pub(super) fn inside(program: &Program, nest: &Nest, operand: ExprId, at: Option<VarId>) -> Vec<VarId> {
    let level = nest.level(at);
    let loops = nest.loops_of(&program.kernel, operand);
    loops.into_iter().filter(|&var| nest.position(var).is_some_and(|position| position >= level)).collect()
}

/// The tensor of that name, if the nest reads and does not write it.
pub(super) fn tensor(program: &Program, nest: &Nest, name: &str) -> Option<TensorId> {
    let (id, _) = program.kernel.buffers.iter().find(|(_, buffer)| buffer.name == name)?;
    (id != nest.buffer && !loads_of(&program.kernel, nest.value(), id).is_empty()).then_some(id)
}

/// What is copied: the only load of the tensor, with its default.
pub(super) fn operand(program: &Program, nest: &Nest, name: &str, tensor: TensorId) -> Result<ExprId, Refusal> {
    let loads = loads_of(&program.kernel, nest.value(), tensor);
    let [load] = loads[..] else {
        return refuse(
            format!("`{name}` is read in {} ways here", loads.len()),
            "an operand that is copied is read with one set of subscripts",
        );
    };
    let (operand, conds) = with_defaults(program, nest.value(), load);
    if is_inside(program, nest, load, &conds) {
        return Ok(operand);
    }
    refuse(
        format!("`{name}` is read under a condition, and outside of it a copy might read what is not there"),
        "give the read itself a default: `(t[…] else 0)`",
    )
}

/// A load with all choices around it that give it or a constant, and their conditions.
fn with_defaults(program: &Program, value: ExprId, load: ExprId) -> (ExprId, Vec<ExprId>) {
    let pool = &program.kernel.pool;
    let (mut operand, mut conds) = (load, Vec::new());
    // Children are visited before what they are part of.
    pool.visit(value, &mut |id, expr| {
        if let Expr::Select { cond, then, otherwise } = *expr
            && then == operand
            && pool.as_const(otherwise).is_some()
            && !pool.has_load(cond)
        {
            operand = id;
            conds.push(cond);
        }
    });
    (operand, conds)
}

/// Whether a load is inside its tensor wherever the conditions hold.
fn is_inside(program: &Program, nest: &Nest, load: ExprId, conds: &[ExprId]) -> bool {
    let mut pool = program.kernel.pool.clone();
    let Expr::Load { tensor, at } = pool.get(load).clone() else { return false };
    let axes = nest.vars.iter().filter_map(|(_, var)| Some((var.axis?, Interval::extent(var.extent))));
    let domain: Domain = axes.collect();
    let (shape, zero) = (&program.kernel.buffers[tensor].shape, pool.int(0));
    at.iter().zip(shape).all(|(&subscript, &extent)| {
        let extent = pool.int(extent);
        let (above, below) = (pool.binary(Op::Ge, subscript, zero), pool.binary(Op::Lt, subscript, extent));
        [above, below].into_iter().all(|claim| prove::always(&mut pool, claim, &domain, conds).is_proved())
    })
}
