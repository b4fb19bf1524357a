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
//! Without `as`, the copy keeps the tensor's own axes and holds the box that is read, padding included:
//!
//! ```text
//! for p { for r { … (x[p + r - 1] else 0) … } }
//!     ==>      for u in P + R - 1 { x.copy[u] = if u - 1 is inside { x[u - 1] } else { 0 } }
//!              for p { for r { … x.copy[p + r] … } }
//! ```
//!
//! A copy in the shared memory of a GPU spans the threads of the block, too: they make it together.
//!
//! Legal where the tensor is not written by this nest, is read in one way, and either everywhere or with a default;
//! without `as`, subscripts are sums of multiples of axes, and the default is for what is outside and nothing else.

use super::nest::{Copy, Layout, Nest, Program, Reach, VarId, Window, loads_of};
use super::proofs::Proofs;
use super::window::is_apart;
use super::{Refusal, refuse};
use crate::expr::{Expr, ExprId, TensorId, affine};
use crate::loops::{LoopKind, Scope};

/// Bytes of a copy, at most.
const MOST: i64 = 1 << 32;

/// The parts of a `stage` step, with names resolved.
pub(super) struct Request<'a> {
    pub(super) operand: &'a str,
    pub(super) at: Option<VarId>,
    /// None for the tensor's own axes.
    pub(super) layout: Option<Vec<VarId>>,
    pub(super) scope: Scope,
}

pub(super) fn stage(program: &mut Program, number: usize, request: Request<'_>) -> Result<(), Refusal> {
    let mut proofs = std::mem::take(&mut program.proofs);
    let copy = copy(program, &program.nests[number], request, &mut proofs);
    program.proofs = proofs;
    program.nests[number].copies.push(copy?);
    Ok(())
}

fn copy(program: &Program, nest: &Nest, request: Request<'_>, proofs: &mut Proofs) -> Result<Copy, Refusal> {
    let name = request.operand;
    let Some(tensor) = tensor(program, nest, name) else {
        return refuse(format!("`{name}` is not read in this nest"), "name a tensor that the formula reads");
    };
    if nest.copies.iter().any(|copy| copy.name == name) {
        return refuse(format!("`{name}` is copied already"), "an operand has one copy");
    }
    is_there(nest, name, tensor, &request)?;
    can_be_in(nest, name, &request)?;
    let (load, operand) = operand(program, nest, name, tensor, proofs)?;
    let Request { at, scope, .. } = request;
    let reach = nest.reach(at, scope);
    let layout = match request.layout {
        Some(layout) => loops_layout(program, nest, name, operand, reach, layout)?,
        None => window(program, nest, name, (load, operand), reach, proofs)?,
    };
    Ok(Copy { operand, load, name: name.to_owned(), at, layout, scope })
}

/// Whether a tensor that is computed inside of a loop can be copied where that is asked for.
fn is_there(nest: &Nest, name: &str, tensor: TensorId, request: &Request<'_>) -> Result<(), Refusal> {
    let Some(computed) = nest.computes.iter().find(|computed| computed.tensor == tensor) else { return Ok(()) };
    let at = &nest.vars[computed.at].name;
    if request.layout.is_none() {
        return refuse(
            format!("`{name}` is computed inside of `{at}`, into such a box already"),
            format!("`stage {name} … as […]` copies it in the order of the loops"),
        );
    }
    if nest.level(request.at) < nest.level(Some(computed.at)) {
        return refuse(
            format!("`{name}` is not there yet: it is computed inside of `{at}`"),
            format!("`stage {name}` there, or further inside"),
        );
    }
    Ok(())
}

/// Whether the nest has such memory around the copy.
fn can_be_in(nest: &Nest, name: &str, request: &Request<'_>) -> Result<(), Refusal> {
    if request.scope == Scope::Shared && nest.bound() == 0 {
        return refuse(
            "only threads of a GPU's block share memory, and no loop is bound to them",
            format!(
                "`bind` loops first, or leave out `in shared`: `{name}` is then copied near to the thread that reads it"
            ),
        );
    }
    Ok(())
}

/// Once all steps are applied: subscripts of what is in registers are numbers, since all loops that move them are
/// written out.
pub(super) fn check(nest: &Nest) -> Result<(), Refusal> {
    for copy in nest.copies.iter().filter(|copy| copy.scope == Scope::Register) {
        let reach = nest.reach(copy.at, copy.scope);
        let moving: Vec<_> = match &copy.layout {
            Layout::Loops(vars) => vars.clone(),
            Layout::Window(dims, _) => {
                let roots = dims.iter().flat_map(|dim| dim.steps.iter().map(|&(root, _)| root));
                let leaves = roots.flat_map(|root| nest.leaves(root));
                leaves.filter(|&leaf| nest.spans(reach, leaf)).collect()
            }
        };
        let is_loop = |&&var: &&VarId| {
            nest.vars[var].extent > 1 && !matches!(nest.vars[var].kind, LoopKind::Unroll | LoopKind::Vector)
        };
        if let Some(&var) = moving.iter().find(is_loop) {
            let var = &nest.vars[var].name;
            return refuse(
                format!(
                    "the copy of `{}` is in registers, which have no subscripts, and `{var}` goes along it",
                    copy.name
                ),
                format!("`unroll {var}`, or leave out `in register`"),
            );
        }
    }
    Ok(())
}

/// One dimension for each loop.
fn loops_layout(
    program: &Program,
    nest: &Nest,
    name: &str,
    operand: ExprId,
    reach: Reach,
    layout: Vec<VarId>,
) -> Result<Layout, Refusal> {
    let inside = inside(program, nest, operand, reach);
    let inside = with_tiles(nest, &inside);
    if let Some(missing) = inside.iter().find(|var| !layout.contains(var)) {
        let names: Vec<_> = inside.iter().map(|&var| nest.vars[var].name.as_str()).collect();
        return refuse(
            format!("the copy of `{name}` differs with `{}`, which is not in its layout", nest.vars[*missing].name),
            format!("`as [{}]` names all loops inside on which it depends", names.join(", ")),
        );
    }
    if let Some(extra) = layout.iter().find(|var| !inside.contains(var)) {
        let is_outside = nest.position(*extra).is_some() && !nest.spans(reach, *extra);
        let extra = &nest.vars[*extra].name;
        if is_outside {
            return refuse(
                format!("`{extra}` is a loop around the copy of `{name}`, not inside of it"),
                format!("leave `{extra}` out: each of its iterations makes its own copy"),
            );
        }
        return refuse(format!("`{name}` does not depend on `{extra}` there"), format!("leave `{extra}` out"));
    }
    let elements = layout.iter().fold(1i64, |product, &var| product.saturating_mul(nest.vars[var].extent));
    if elements > MOST {
        return refuse(format!("a copy of {elements} elements is too large"), "copy at an inner loop");
    }
    Ok(Layout::Loops(layout))
}

/// Loops, with the rows or columns of a warp's tile in the place of those that these are made of.
fn with_tiles(nest: &Nest, loops: &[VarId]) -> Vec<VarId> {
    let Some(tile) = nest.tensor else { return loops.to_vec() };
    let of_tile = |&var: &VarId| {
        let sides = [tile.rows, tile.columns].into_iter();
        // The threads of a warp stand for both; its other loop tells them apart.
        sides.into_iter().find(|&side| var != tile.lane && nest.leaves(side).contains(&var)).unwrap_or(var)
    };
    loops.iter().filter(|&&var| var != tile.lane).map(of_tile).collect()
}

/// The box that the loops inside of `at` read.
fn window(
    program: &Program,
    nest: &Nest,
    name: &str,
    (load, operand): (ExprId, ExprId),
    reach: Reach,
    proofs: &mut Proofs,
) -> Result<Layout, Refusal> {
    let pool = &program.kernel.pool;
    let Expr::Load { at: subscripts, .. } = pool.get(load) else { unreachable!("a load was found") };
    let mut dims = Vec::new();
    for &subscript in subscripts {
        let view = affine::linear(pool, subscript);
        let step = |(&atom, &step): (&ExprId, &i64)| match pool.get(atom) {
            Expr::Axis(axis) => Some((nest.root(*axis)?, step)),
            _ => None,
        };
        let Some(steps) = view.terms.iter().map(step).collect::<Option<Vec<_>>>() else {
            return refuse(
                format!("a subscript of `{name}` is not a sum of multiples of axes"),
                format!("`stage {name} … as […]` copies it in the order of the loops"),
            );
        };
        if let Some(&(root, _)) = steps.iter().find(|&&(root, _)| !is_apart(nest, root, reach)) {
            return refuse(
                format!(
                    "a part of `{}` is inside and another outside, and they cannot be told apart",
                    nest.vars[root].name
                ),
                format!("`stage {name}` further outside, or `as […]` in the order of the loops"),
            );
        }
        dims.push(Window { steps, constant: view.constant });
    }
    let default = match pool.get(operand) {
        Expr::Select { otherwise, .. } => Some(*otherwise),
        _ => None,
    };
    if !proofs.is_default_for_outside(program, nest, (load, operand)) {
        return refuse(
            format!("`{name}` has its default elsewhere than outside of its extents"),
            format!("`stage {name} … as […]` copies it in the order of the loops"),
        );
    }
    Ok(Layout::Window(dims, default))
}

/// The loops that a copy spans and on which an operand depends, in their order.
fn inside(program: &Program, nest: &Nest, operand: ExprId, reach: Reach) -> Vec<VarId> {
    let loops = nest.loops_of(&program.kernel, operand);
    loops.into_iter().filter(|&var| nest.spans(reach, var)).collect()
}

/// The tensor of that name, if the nest reads and does not write it.
pub(super) fn tensor(program: &Program, nest: &Nest, name: &str) -> Option<TensorId> {
    let (id, _) = program.kernel.buffers.iter().find(|(_, buffer)| buffer.name == name)?;
    (id != nest.buffer && !loads_of(&program.kernel, nest.value(), id).is_empty()).then_some(id)
}

/// What is copied: the only load of the tensor, and with its default.
pub(super) fn operand(
    program: &Program,
    nest: &Nest,
    name: &str,
    tensor: TensorId,
    proofs: &mut Proofs,
) -> Result<(ExprId, ExprId), Refusal> {
    let loads = loads_of(&program.kernel, nest.value(), tensor);
    let [load] = loads[..] else {
        return refuse(
            format!("`{name}` is read in {} ways here", loads.len()),
            "an operand that is copied is read with one set of subscripts",
        );
    };
    let (operand, conds) = with_defaults(program, nest.value(), load);
    if proofs.is_inside(program, nest, (load, operand), &conds) {
        return Ok((load, operand));
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
