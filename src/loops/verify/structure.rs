//! The rules that need no look into expressions' values: names, sizes, parameters, scopes of loops and temporaries,
//! kinds of loops.

use std::collections::BTreeSet;

use super::{Errors, Rule};
use crate::arena::Id;
use crate::expr::print::Names;
use crate::expr::{AxisId, TensorId};
use crate::loops::visit::Context;
use crate::loops::{Buffer, BufferKind, For, LoopKind, Scope, Stmt};

/// What may appear once only.
#[derive(Default)]
pub(super) struct Seen {
    loops: BTreeSet<AxisId>,
}

/// Checks everything but the body, and that the body uses no axis or buffer that does not exist.
pub(super) fn kernel(errors: &mut Errors<'_>) {
    names(errors);
    buffers(errors);
    parameters(errors);
    known_ids(errors);
}

fn names(errors: &mut Errors<'_>) {
    let kernel = errors.kernel;
    let mut seen = BTreeSet::new();
    for (_, axis) in kernel.axes.iter() {
        if axis.name.is_empty() || !seen.insert(&axis.name) {
            errors.add(Rule::Names, format!("two axes are called `{}`", axis.name));
        }
    }
    let mut seen = BTreeSet::new();
    for (_, buffer) in kernel.buffers.iter() {
        if buffer.name.is_empty() || !seen.insert(&buffer.name) {
            errors.add(Rule::Names, format!("two buffers are called `{}`", buffer.name));
        }
    }
}

fn buffers(errors: &mut Errors<'_>) {
    let kernel = errors.kernel;
    let mut total = 0i64;
    for (_, buffer) in kernel.buffers.iter() {
        if let Some(extent) = buffer.shape.iter().find(|extent| **extent < 1) {
            errors.add(Rule::Sizes, format!("`{}` has an extent of {extent}", buffer.name));
            continue;
        }
        match bytes(buffer).and_then(|bytes| total.checked_add(bytes)) {
            Some(sum) => total = sum,
            None => errors.add(Rule::Sizes, format!("`{}` is larger than any memory", buffer.name)),
        }
        if let BufferKind::Constant(table) = &buffer.kind
            && (i64::try_from(table.len()) != Ok(buffer.len()) || table.iter().any(|c| c.dtype() != buffer.dtype))
        {
            errors.add(Rule::Sizes, format!("the table `{}` does not fit its type", buffer.name));
        }
    }
}

fn bytes(buffer: &Buffer) -> Option<i64> {
    let element = buffer.dtype.bytes() as i64;
    buffer.shape.iter().try_fold(element, |bytes, &extent| bytes.checked_mul(extent))
}

fn parameters(errors: &mut Errors<'_>) {
    let kernel = errors.kernel;
    let mut seen = BTreeSet::new();
    let mut outputs = false;
    for &id in &kernel.params {
        let Some(buffer) = kernel.buffers.get(id) else {
            errors.add(Rule::Parameters, format!("parameter {id:?} does not exist"));
            continue;
        };
        if !seen.insert(id) {
            errors.add(Rule::Parameters, format!("`{}` is a parameter twice", buffer.name));
        }
        match buffer.kind {
            BufferKind::Input { .. } if outputs => {
                errors.add(Rule::Parameters, format!("the input `{}` follows an output", buffer.name));
            }
            BufferKind::Input { .. } => {}
            BufferKind::Output => outputs = true,
            BufferKind::Temp(_) | BufferKind::Constant(_) => {
                errors.add(Rule::Parameters, format!("`{}` is neither input nor output", buffer.name));
            }
        }
    }
    for (id, buffer) in kernel.buffers.iter() {
        let is_parameter = matches!(buffer.kind, BufferKind::Input { .. } | BufferKind::Output);
        if is_parameter && !seen.contains(&id) {
            errors.add(Rule::Parameters, format!("`{}` is not among the parameters", buffer.name));
        }
    }
}

fn known_ids(errors: &mut Errors<'_>) {
    fn go(errors: &mut Errors<'_>, body: &[Stmt]) {
        for stmt in body {
            match stmt {
                Stmt::For(l) => {
                    if errors.kernel.axes.get(l.axis).is_none() {
                        errors.add(Rule::Scopes, format!("axis {:?} does not exist", l.axis));
                    }
                    go(errors, &l.body);
                }
                Stmt::If { then, otherwise, .. } => {
                    go(errors, then);
                    go(errors, otherwise);
                }
                Stmt::Alloc { buffer, body } => {
                    known_buffer(errors, *buffer);
                    go(errors, body);
                }
                Stmt::Store { buffer, .. } | Stmt::Reduce { buffer, .. } => known_buffer(errors, *buffer),
                Stmt::Combine { buffer, over, .. } => {
                    known_buffer(errors, *buffer);
                    for axis in over.iter().filter(|axis| errors.kernel.axes.get(**axis).is_none()) {
                        errors.add(Rule::Scopes, format!("axis {axis:?} does not exist"));
                    }
                }
                Stmt::Barrier | Stmt::Wait { .. } => {}
            }
        }
    }
    fn known_buffer(errors: &mut Errors<'_>, id: TensorId) {
        if id.index() >= errors.kernel.buffers.len() {
            errors.add(Rule::Scopes, format!("buffer {id:?} does not exist"));
        }
    }
    let kernel = errors.kernel;
    go(errors, &kernel.body);
}

/// Checks one statement, but not its expressions.
pub(super) fn statement(errors: &mut Errors<'_>, seen: &mut Seen, stmt: &Stmt, context: &Context) {
    let kernel = errors.kernel;
    match stmt {
        Stmt::For(l) => {
            if !seen.loops.insert(l.axis) {
                errors.add(Rule::Scopes, format!("`{}` is the axis of two loops", kernel.axis(l.axis)));
            }
            if l.extent < 1 {
                errors.add(Rule::Sizes, format!("the loop of `{}` runs {} times", kernel.axis(l.axis), l.extent));
            }
            kinds(errors, l, context);
        }
        Stmt::Alloc { buffer, .. } => {
            if context.has_temporary(*buffer) {
                errors.add(Rule::Scopes, format!("`{}` is allocated inside of its own life", kernel.tensor(*buffer)));
            }
            match kernel.buffers[*buffer].kind {
                BufferKind::Temp(Scope::Shared | Scope::Async) => in_grid(errors, context, "shared memory"),
                BufferKind::Temp(_) => {}
                BufferKind::Input { .. } | BufferKind::Output | BufferKind::Constant(_) => {
                    errors.add(Rule::Scopes, format!("`{}` is allocated, but is no temporary", kernel.tensor(*buffer)));
                }
            }
        }
        Stmt::Barrier => in_grid(errors, context, "a barrier"),
        Stmt::Wait { pending } => {
            in_grid(errors, context, "a wait");
            if *pending < 0 {
                errors.add(Rule::Sizes, "a wait for more than there is");
            }
        }
        Stmt::Combine { .. } => in_grid(errors, context, "a combination"),
        Stmt::If { .. } | Stmt::Store { .. } | Stmt::Reduce { .. } => {}
    }
}

fn in_grid(errors: &mut Errors<'_>, context: &Context, what: &str) {
    if !context.loops.iter().any(|open| matches!(open.kind, LoopKind::Grid(_))) {
        errors.add(Rule::Kinds, format!("{what} outside a grid loop"));
    }
}

fn kinds(errors: &mut Errors<'_>, l: &For, context: &Context) {
    let around = |kinds: &dyn Fn(LoopKind) -> bool| context.loops.iter().any(|open| kinds(open.kind));
    let is_gpu = |kind| matches!(kind, LoopKind::Grid(_) | LoopKind::Block(_));
    let message = match l.kind {
        LoopKind::Serial | LoopKind::Unroll => None,
        LoopKind::Tensor if !around(&is_gpu) => Some("a tensor loop is in no launch"),
        LoopKind::Grid(d) | LoopKind::Block(d) if d > 2 => Some("a GPU has no such coordinate"),
        LoopKind::Grid(_) | LoopKind::Block(_) if around(&|kind| kind == l.kind) => {
            Some("a loop around it has the same coordinate")
        }
        LoopKind::Grid(_) if around(&|kind| !matches!(kind, LoopKind::Grid(_))) => {
            Some("a grid loop is inside another loop")
        }
        LoopKind::Block(_) if !around(&|kind| matches!(kind, LoopKind::Grid(_))) => {
            Some("a block loop is outside a grid loop")
        }
        LoopKind::Parallel if around(&|kind| kind == LoopKind::Parallel) => {
            Some("a parallel loop is inside a parallel loop")
        }
        LoopKind::Parallel if around(&is_gpu) => Some("a parallel loop is on a GPU"),
        _ if around(&|kind| kind == LoopKind::Vector) => Some("it is inside a vector loop"),
        LoopKind::Parallel | LoopKind::Vector | LoopKind::Tensor | LoopKind::Grid(_) | LoopKind::Block(_) => None,
    };
    if let Some(message) = message {
        errors.add(Rule::Kinds, message);
    }
}
