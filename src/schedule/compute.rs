//! `compute t at y.p`: each iteration of a loop of its reader computes the part of an intermediate that it reads.
//!
//! ```text
//! for p in 8 { t[p] = sum(…) }; for y.p in 4 { for r in 2 { y[y.p] max= t[2 * y.p + r] } }
//!     ==>      for y.p in 4 {
//!                for p in 2 { t[p] = sum(… at 2 * y.p + p) }
//!                for r in 2 { y[y.p] max= t[r] }
//!              }
//! ```
//!
//! The nest of `t` moves into loop `y.p`. Its loops run over the box that the loops inside of `y.p` read, and `t`
//! shrinks to that box; each thread has one of its own. What several iterations read is computed by each of them.
//! The box never leaves `t`: where reads with a default or ragged parts reach outside, it is moved inside, so that
//! neither side needs a condition more than before. A dimension whose subscript is no sum of multiples of axes is
//! computed whole.
//!
//! Loops of `t` keep their names and may be split, reordered, made vectors, staged for … afterwards; what shapes the
//! loops of its reader comes before.
//!
//! Legal for an intermediate that one nest writes whole, element `t[i, j, …]` for each `i, j, …`, that one other nest
//! reads, and whose own loops are as they were; the loop is no vector, and values that are stored beside a sum are
//! there when it is.

use super::nest::{Computed, Nest, Program, Window, loads_of};
use super::window::{Side, is_apart, largest};
use super::{Refusal, inline, refuse};
use crate::expr::{AxisId, Expr, ExprId, TensorId, affine};
use crate::loops::{LoopKind, Scope};

use super::nest::VarId;

pub(super) fn compute(program: &mut Program, name: &str, reader: usize, at: VarId) -> Result<(), Refusal> {
    let tensor = inline::intermediate(program, name)?;
    let (producer, axes) = inline::producer(program, tensor, name)?;
    is_only_reader(program, name, (producer, tensor), (reader, at))?;
    if inline::is_scheduled(&program.nests[producer]) {
        return refuse(
            format!("loops of `{name}` are scheduled already"),
            format!("`compute {name} at …` comes before the steps of its loops, and moves them inside"),
        );
    }
    fits(program, name, tensor, (reader, at))?;
    let nest = &program.nests[reader];
    let loads = [loads_of(&program.kernel, nest.value(), tensor), loads_of(&program.kernel, nest.result, tensor)];
    let shape = program.kernel.buffers[tensor].shape.clone();
    let mut starts = Vec::new();
    let mut extents = Vec::new();
    for (dim, &size) in shape.iter().enumerate() {
        let (start, extent) = match window(program, nest, &loads.concat(), dim) {
            None => (None, size),
            Some(view) => boxed(nest, name, view, at)?,
        };
        let is_part = extent < size;
        starts.push(start.filter(|_| is_part));
        extents.push(if is_part { Some(extent) } else { None });
    }
    let beside_sum = is_beside_sum(program, nest, tensor);
    shrink(&mut program.nests[producer], &axes, &extents);
    inline::remove(program, producer, tensor, &[reader]);
    program.nests[reader].computes.push(Computed { nest: producer, tensor, at, starts, beside_sum });
    Ok(())
}

/// Whether the nest of the loop reads the intermediate, and no other does.
fn is_only_reader(
    program: &Program,
    name: &str,
    (producer, tensor): (usize, TensorId),
    (reader, at): (usize, VarId),
) -> Result<(), Refusal> {
    let at = &program.nests[reader].vars[at].name;
    let readers = inline::users(program, tensor);
    if producer == reader {
        return refuse(format!("`{at}` is a loop of `{name}` itself"), "name a loop of the nest that reads it");
    }
    if !readers.contains(&reader) {
        let loops: Vec<_> = readers.iter().map(|&number| loops(&program.nests[number])).collect();
        let help = if loops.is_empty() {
            "nothing reads it".to_owned()
        } else {
            format!("loops of nests that do: {}", loops.join(", "))
        };
        return refuse(format!("`{name}` is not read inside of `{at}`"), help);
    }
    if readers.len() > 1 {
        return refuse(
            format!("`{name}` is read by {} nests", readers.len()),
            "only what one nest reads can be computed inside of it; `inline` computes it in each",
        );
    }
    let (from, written) = (&program.nests[producer], program.nests[reader].buffer);
    let reads = |expr| !loads_of(&program.kernel, expr, written).is_empty();
    if reads(from.value()) || reads(from.result) {
        let written = &program.kernel.buffers[written].name;
        return refuse(format!("`{name}` depends on `{written}`, which that nest writes"), "it has to be stored");
    }
    Ok(())
}

fn loops(nest: &Nest) -> String {
    nest.order.iter().map(|&var| format!("`{}`", nest.vars[var].name)).collect::<Vec<_>>().join(", ")
}

/// Whether there is a place for the box inside of the loop.
fn fits(program: &Program, name: &str, tensor: TensorId, (reader, at): (usize, VarId)) -> Result<(), Refusal> {
    let nest = &program.nests[reader];
    let loop_name = &nest.vars[at].name;
    if nest.vars[at].kind == LoopKind::Vector {
        return refuse(format!("`{loop_name}` is a vector"), "name the loop around it");
    }
    if nest.copies.iter().any(|copy| copy.name == name) {
        return refuse(format!("`{name}` is copied already"), "`compute` comes before `stage`");
    }
    let written = nest.sum_level().unwrap_or(nest.order.len());
    if is_beside_sum(program, nest, tensor) && nest.level(Some(at)) > written {
        let outer = written.checked_sub(1).map(|outer| nest.vars[nest.order[outer]].name.as_str());
        return refuse(
            format!("`{name}` is read where the sum is stored, outside of `{loop_name}`"),
            outer.map_or("it has to be stored".to_owned(), |outer| {
                format!("compute it at `{outer}`, or outside of that")
            }),
        );
    }
    Ok(())
}

/// Whether a tensor is read where a sum is stored.
fn is_beside_sum(program: &Program, nest: &Nest, tensor: TensorId) -> bool {
    nest.reduction.is_some() && !loads_of(&program.kernel, nest.result, tensor).is_empty()
}

/// What all reads of a dimension have in common: the steps of axes, and the smallest and the largest constant.
type View = (Vec<(VarId, i64)>, i64, i64);

/// One dimension of all reads, if they go through it in the same way.
fn window(program: &Program, nest: &Nest, loads: &[ExprId], dim: usize) -> Option<View> {
    let pool = &program.kernel.pool;
    let mut common: Option<View> = None;
    for &load in loads {
        let Expr::Load { at, .. } = pool.get(load) else { return None };
        let view = affine::linear(pool, at[dim]);
        let step = |(&atom, &step): (&ExprId, &i64)| match pool.get(atom) {
            Expr::Axis(axis) => Some((nest.root(*axis)?, step)),
            _ => None,
        };
        let steps: Vec<_> = view.terms.iter().map(step).collect::<Option<_>>()?;
        common = match common {
            None => Some((steps, view.constant, view.constant)),
            Some((same, low, high)) if same == steps => Some((same, low.min(view.constant), high.max(view.constant))),
            Some(_) => return None,
        };
    }
    common
}

/// Where a dimension of the box starts, and how far it goes.
fn boxed(nest: &Nest, name: &str, (steps, low, high): View, at: VarId) -> Result<(Option<Window>, i64), Refusal> {
    let reach = nest.reach(Some(at), Scope::Stack);
    let (mut start, mut extent) = (low, 1 + high - low);
    for &(root, step) in &steps {
        if !is_apart(nest, root, reach) {
            let root = &nest.vars[root].name;
            return refuse(
                format!(
                    "a part of `{root}` is inside of `{}` and another outside, and they cannot be told apart",
                    nest.vars[at].name
                ),
                format!("`compute {name}` further outside, or split `{root}` in another way"),
            );
        }
        let reached = step * largest(nest, root, reach, Side::Inside);
        start += reached.min(0);
        extent += reached.abs();
    }
    Ok((Some(Window { steps, constant: start }), extent))
}

/// Once all steps are applied: lanes compute nothing each on its own, and nothing is between the loops of a launch.
pub(super) fn check(nest: &Nest) -> Result<(), Refusal> {
    let in_lanes = |inner: &&Computed| nest.vars[inner.at].kind == LoopKind::Vector;
    let around = |inner: &&Computed| nest.level(Some(inner.at)) < nest.bound();
    if let Some(inner) = nest.computes.iter().find(around) {
        return refuse(
            format!(
                "another nest is computed inside of `{}`, around loops that are bound to a GPU",
                nest.vars[inner.at].name
            ),
            "bound loops make one launch: compute inside of all of them",
        );
    }
    let Some(inner) = nest.computes.iter().find(in_lanes) else { return Ok(()) };
    let at = &nest.vars[inner.at].name;
    refuse(
        format!("`{at}` is a vector, and another nest is computed inside of it"),
        "lanes run in step: compute at the loop around, or make no vector of this one",
    )
}

/// Makes loops run over the box.
fn shrink(nest: &mut Nest, axes: &[AxisId], extents: &[Option<i64>]) {
    for (&axis, &extent) in axes.iter().zip(extents) {
        let root = nest.root(axis).expect("the nest writes along this axis");
        if let Some(extent) = extent {
            let whole = std::mem::replace(&mut nest.vars[root].extent, extent);
            nest.vars[root].whole = Some(whole);
        }
    }
}
