//! `split i by [?, 2, 16]`: one loop becomes several, nested where it was.
//!
//! ```text
//! for i in 64 { … i … }      ==>      for i.0 in 2 { for i.1 in 2 { for i.2 in 16 { … i.0 * 32 + i.1 * 16 + i.2 … } } }
//! ```
//!
//! Always legal: the values of `i` and their order stay. Where the parts do not fill `i` exactly, the tail says what to
//! do; `overlap` computes some values twice, so they must not be joined to anything, and `i` must have at least as many
//! values as the parts hold. A part can be split again where its new parts fill it exactly.
//!
//! Where the formula divides an axis by what the parts hold, the parts become axes of the formula, and divisions go away:
//!
//! ```text
//! for k in 48 { … x[k / 12 * 8 + c] … }      ==>      for k.0 in 4 { for k.1 in 12 { … x[8 * k.0 + c] … } }
//! ```

use super::axes::{new_axis, substitute};
use super::nest::{Form, Nest, Program, Role, Var, VarId};
use super::step::Tail;
use super::{Refusal, refuse};
use crate::expr::{AxisId, Expr, ExprId};
use crate::scalar::{Const, DType, Op};

/// More values than this in all inner parts are a mistake.
const MOST: i64 = 1 << 40;

pub(super) fn split(
    program: &mut Program,
    number: usize,
    var: VarId,
    parts: &[Option<i64>],
    tail: Tail,
) -> Result<(), Refusal> {
    let nest = &mut program.nests[number];
    let inner = extents(nest, var, parts)?;
    let product: i64 = inner.iter().product();
    let Var { name, role, extent, kind, part_of, .. } = nest.vars[var].clone();
    if kind != crate::loops::LoopKind::Serial {
        return refuse(format!("`{name}` has a kind already"), "split first, then say how the parts run");
    }
    if tail == Tail::Overlap {
        overlap(nest, var, product)?;
    }
    if part_of.is_some() && extent % product != 0 {
        return refuse(
            format!("{extent} values of `{name}`, itself a part, cannot be parts of {product}"),
            "split the whole axis by all its parts at once",
        );
    }
    let outer = (extent + product - 1) / product;
    let ids: Vec<_> = std::iter::once(outer)
        .chain(inner)
        .enumerate()
        .map(|(index, extent)| nest.vars.push(Var::new(format!("{name}.{index}"), role, extent)))
        .collect();
    let at = nest.position(var).expect("it is a loop");
    nest.order.splice(at..=at, ids.iter().copied());
    match part_of {
        None => {
            adopt(nest, var, ids, tail);
            if extent % product == 0 && !program.is_computed(number) && is_divided(program, number, var) {
                make_axes(program, number, var);
            }
        }
        Some((whole, index)) => {
            let Form::Split { parts, tail } = &nest.vars[whole].form else { unreachable!("it is a part") };
            let (mut parts, tail) = (parts.clone(), *tail);
            parts.splice(index..=index, ids.iter().copied());
            adopt(nest, whole, parts, tail);
            // What was a part is nothing any more; its name stays known for messages.
            nest.vars[var].part_of = None;
            nest.vars[var].form = Form::Split { parts: ids, tail };
        }
    }
    Ok(())
}

fn extents(nest: &Nest, var: VarId, parts: &[Option<i64>]) -> Result<Vec<i64>, Refusal> {
    let name = &nest.vars[var].name;
    let mut product = 1i64;
    let mut extents = Vec::new();
    for part in parts {
        let Some(extent) = *part else {
            return refuse(format!("the parts of `{name}` have a hole"), "write a number, or let `ftc tune` find one");
        };
        product = product.saturating_mul(extent);
        if extent < 1 {
            return refuse(format!("`{name}` cannot have a part of {extent} values"), "parts are at least 1");
        }
        if product > MOST {
            let values = nest.vars[var].extent;
            return refuse(
                format!("the inner parts of `{name}` are too long together: it has {values} values"),
                "parts longer than their axis only compute what is thrown away",
            );
        }
        extents.push(extent);
    }
    if extents.is_empty() {
        return refuse(format!("`{name}` is split into one part"), "write `split i by [?, 16]`");
    }
    Ok(extents)
}

fn overlap(nest: &Nest, var: VarId, product: i64) -> Result<(), Refusal> {
    let Var { name, role, extent, .. } = &nest.vars[var];
    if *role != Role::Spatial {
        return refuse(
            format!("`{name}` is reduced, and overlapping parts would join values twice"),
            "use `tail peel`",
        );
    }
    if *extent < product {
        return refuse(
            format!("`{name}` has {extent} values, fewer than the {product} of its parts"),
            "use `tail pad` or smaller parts",
        );
    }
    Ok(())
}

fn adopt(nest: &mut Nest, whole: VarId, parts: Vec<VarId>, tail: Tail) {
    for (index, &part) in parts.iter().enumerate() {
        nest.vars[part].part_of = Some((whole, index));
    }
    nest.vars[whole].form = Form::Split { parts, tail };
}

/// Whether a nest divides an axis by a number that so many values of one of its parts are a multiple of.
fn is_divided(program: &Program, number: usize, var: VarId) -> bool {
    let nest = &program.nests[number];
    let (Some(axis), Form::Split { parts, .. }) = (nest.vars[var].axis, &nest.vars[var].form) else { return false };
    let strides: Vec<_> = (0..parts.len() - 1).map(|part| nest.stride(parts, part)).collect();
    let pool = &program.kernel.pool;
    let divides = |expr: &Expr| match *expr {
        Expr::Binary(Op::Div | Op::Mod, e, by) => {
            let by =
                pool.as_const(by).filter(|_| pool.dtype(e) == DType::I64).and_then(Const::as_int).filter(|&by| by > 1);
            by.is_some_and(|by| strides.iter().any(|stride| stride % by == 0)) && pool.axes(e).contains(&axis)
        }
        _ => false,
    };
    let mut found = false;
    for root in values(nest) {
        pool.visit(root, &mut |_, expr| found |= divides(expr));
    }
    found
}

/// All that a nest computes.
fn values(nest: &Nest) -> Vec<ExprId> {
    let reduced = nest.reduction.as_ref().map(|reduction| reduction.value);
    nest.at.iter().copied().chain([nest.result]).chain(reduced).collect()
}

/// Makes the parts of a variable axes of the formula; its own name stays known for messages.
fn make_axes(program: &mut Program, number: usize, var: VarId) {
    let mut nest = program.nests[number].clone();
    let (Some(axis), Form::Split { parts, .. }) = (nest.vars[var].axis.take(), nest.vars[var].form.clone()) else {
        return;
    };
    let mut sum = program.kernel.pool.int(0);
    for (place, &part) in parts.iter().enumerate() {
        let new: AxisId = new_axis(program, &nest.vars[part].name);
        nest.vars[part].axis = Some(new);
        nest.vars[part].part_of = None;
        let stride = nest.stride(&parts, place);
        let pool = &mut program.kernel.pool;
        let (value, stride) = (pool.axis(new), pool.int(stride));
        let term = pool.mul(value, stride);
        sum = pool.add(sum, term);
    }
    substitute(program, &mut nest, &|other| (other == axis).then_some(sum));
    program.nests[number] = nest;
}
