//! `store x as [c, r, p]`: what an operand gives is stored first, by a nest of its own, in the order in which it is read.
//!
//! ```text
//! for p { for c { for r { acc += (x[c, p + r - 1] else 0) * w[c, r] } } }
//!     ==>      alloc x_stored: f16[C, R, P] {
//!                for x_stored.c { for x_stored.r { for x_stored.p { x_stored[c, r, p] = x[c, p + r - 1] else 0 } } }
//!                for p { for c { for r { acc += x_stored[c, r, p] * w[c, r] } } }
//!              }
//! ```
//!
//! The other way round from `inline`. Windows that overlap are written out, defaults are among them, and what lies across
//! the order in which it is read is turned, once for all that read it: then it can be moved many elements at a time. The
//! new tensor has the operand's own element type.
//!
//! Legal for what `stage` can copy, before any other step on the nest.

use super::axes::{new_axis, unused};
use super::inline;
use super::nest::{Item, Nest, Program, Role, Var, VarId};
use super::stage;
use super::{Refusal, refuse};
use crate::arena::{Arena, Id};
use crate::expr::{AxisId, ExprId, TensorId};
use crate::loops::{Buffer, BufferKind, Scope};

/// Bytes of such a tensor, at most.
const MOST: i64 = 1 << 32;
/// What stands behind the name of the tensor.
pub const SUFFIX: &str = "_stored";

pub(super) fn store(program: &mut Program, number: usize, name: &str, layout: &[VarId]) -> Result<(), Refusal> {
    let nest = &program.nests[number];
    if inline::is_scheduled(nest) || program.is_computed(number) {
        return refuse("the loops of this nest are scheduled already", "`store` comes first");
    }
    let Some(tensor) = stage::tensor(program, nest, name) else {
        return refuse(format!("`{name}` is not read in this nest"), "name a tensor that the formula reads");
    };
    let mut proofs = std::mem::take(&mut program.proofs);
    let found = stage::operand(program, &program.nests[number], name, tensor, &mut proofs);
    program.proofs = proofs;
    let (_, operand) = found?;
    is_whole(program, number, name, (operand, layout))?;
    let stored = format!("{name}{SUFFIX}");
    if unused(program, &stored) != stored {
        return refuse(format!("there is `{stored}` already"), "an operand is stored once");
    }
    let made = maker(program, number, &stored, (operand, layout));
    let nest = &program.nests[number];
    let axes: Vec<_> = layout.iter().filter_map(|&var| nest.vars[var].axis).collect();
    let (buffer, dtype) = (made.buffer, program.kernel.pool.dtype(operand));
    program.nests.push(made);
    let maker = program.nests.len() - 1;
    replace(program, number, operand, (buffer, &axes, dtype));
    before(&mut program.items, number, buffer, maker);
    Ok(())
}

/// Whether a layout names the loops on which an operand depends, each once.
fn is_whole(
    program: &Program,
    number: usize,
    name: &str,
    (operand, layout): (ExprId, &[VarId]),
) -> Result<(), Refusal> {
    let nest = &program.nests[number];
    let used = nest.loops_of(&program.kernel, operand);
    let named = |var: VarId| nest.vars[var].name.clone();
    if let Some(&missing) = used.iter().find(|var| !layout.contains(var)) {
        let names: Vec<_> = used.iter().map(|&var| named(var)).collect();
        return refuse(
            format!("`{name}` differs with `{}`, which is not in its layout", named(missing)),
            format!("`as [{}]` names all loops on which it depends", names.join(", ")),
        );
    }
    if let Some(&extra) = layout.iter().find(|var| !used.contains(var)) {
        return refuse(
            format!("`{name}` does not depend on `{}`", named(extra)),
            format!("leave `{}` out", named(extra)),
        );
    }
    let bytes = program.kernel.pool.dtype(operand).bytes() as i64;
    let all = layout.iter().fold(bytes, |product, &var| product.saturating_mul(nest.vars[var].extent));
    if all > MOST {
        return refuse(format!("{all} bytes are too much"), "`stage` it where it is read");
    }
    Ok(())
}

/// The nest that stores it.
fn maker(program: &mut Program, number: usize, stored: &str, (operand, layout): (ExprId, &[VarId])) -> Nest {
    let mut vars = Arena::new();
    let mut to: Vec<(AxisId, ExprId)> = Vec::new();
    let mut shape = Vec::new();
    for &var in layout {
        let Var { name, extent, axis, .. } = program.nests[number].vars[var].clone();
        let new = new_axis(program, &format!("{stored}.{name}"));
        let name = program.kernel.axes[new].name.clone();
        vars.push(Var { axis: Some(new), ..Var::new(name, Role::Spatial, extent) });
        to.extend(axis.map(|axis| (axis, program.kernel.pool.axis(new))));
        shape.push(extent);
    }
    let pool = &mut program.kernel.pool;
    let result = pool.substitute(operand, &|axis| to.iter().find(|(from, _)| *from == axis).map(|&(_, new)| new));
    let kind = BufferKind::Temp(Scope::Global);
    let dtype = pool.dtype(operand);
    let buffer = program.kernel.buffers.push(Buffer { name: stored.to_owned(), dtype, shape, kind });
    Nest {
        order: (0..vars.len()).map(VarId::new).collect(),
        vars,
        buffer,
        at: to.iter().map(|&(_, new)| new).collect(),
        result,
        reduction: None,
        accumulate: Vec::new(),
        copies: Vec::new(),
        pipelined: Vec::new(),
        stages: Vec::new(),
        tensor: None,
        computes: Vec::new(),
    }
}

/// Reads what is stored in the place of an operand.
fn replace(
    program: &mut Program,
    number: usize,
    operand: ExprId,
    (buffer, axes, dtype): (TensorId, &[AxisId], crate::scalar::DType),
) {
    let Program { kernel, nests, .. } = program;
    let at = axes.iter().map(|&axis| kernel.pool.axis(axis)).collect();
    let load = kernel.pool.load(buffer, at, dtype);
    let mut read = |expr| kernel.pool.map(expr, &mut |_, e| (e == operand).then_some(load));
    let nest = &mut nests[number];
    match &mut nest.reduction {
        Some(reduction) => reduction.value = read(reduction.value),
        None => nest.result = read(nest.result),
    }
}

/// Puts a nest before the one that reads what it stores.
fn before(items: &mut Vec<Item>, reader: usize, buffer: TensorId, maker: usize) {
    for item in items {
        match item {
            Item::Nest(number) if *number == reader => {
                let body = vec![Item::Nest(maker), Item::Nest(reader)];
                *item = Item::Alloc { buffer, body };
                return;
            }
            Item::Alloc { body, .. } => before(body, reader, buffer, maker),
            Item::Nest(_) | Item::Other(_) => {}
        }
    }
}
