//! The rules on what runs on a GPU: the parts of a launch, what may be allocated where, and who reaches a barrier.

use super::{Errors, Rule};
use crate::expr::print::Names;
use crate::expr::{AxisId, Pool, TensorId};
use crate::loops::launch::Launch;
use crate::loops::visit::Context;
use crate::loops::{BufferKind, LoopKind, Scope, Stmt};

/// Checks one statement.
pub(super) fn statement(errors: &mut Errors<'_>, pool: &Pool, stmt: &Stmt, context: &Context) {
    let kernel = errors.kernel;
    let in_launch = context.loops.first().is_some_and(|open| matches!(open.kind, LoopKind::Grid(_)));
    match stmt {
        Stmt::For(l) if matches!(l.kind, LoopKind::Grid(_)) && context.loops.is_empty() => {
            if !context.facts.is_empty() {
                errors.add(Rule::Kinds, "a grid loop is under a condition");
            }
            let launch = Launch::of(kernel, l);
            strays(errors, launch.body);
        }
        Stmt::Alloc { buffer, .. } if in_launch && kernel.buffers[*buffer].kind == BufferKind::Temp(Scope::Global) => {
            errors.add(Rule::Scopes, format!("`{}` is allocated in main memory by each block", kernel.tensor(*buffer)));
        }
        Stmt::Barrier if in_launch => all_reach(errors, pool, context, "a barrier"),
        Stmt::Combine { buffer, over, .. } if in_launch => {
            all_reach(errors, pool, context, "a combination");
            combine(errors, context, *buffer, over);
        }
        _ => {}
    }
}

/// Loops and shared memory in what a thread does, which belong to the launch.
fn strays(errors: &mut Errors<'_>, body: &[Stmt]) {
    for stmt in body {
        match stmt {
            Stmt::For(l) => {
                match l.kind {
                    LoopKind::Grid(_) => errors.add(Rule::Kinds, "something is beside a grid loop, or around it"),
                    LoopKind::Block(_) => errors.add(Rule::Kinds, "something is beside a block loop, or around it"),
                    LoopKind::Serial | LoopKind::Parallel | LoopKind::Unroll | LoopKind::Vector | LoopKind::Tensor => {}
                }
                strays(errors, &l.body);
            }
            Stmt::If { then, otherwise, .. } => {
                strays(errors, then);
                strays(errors, otherwise);
            }
            Stmt::Alloc { buffer, body } => {
                if matches!(errors.kernel.buffers[*buffer].kind, BufferKind::Temp(scope) if scope.is_shared()) {
                    let name = errors.kernel.tensor(*buffer);
                    let message = format!("`{name}` is shared, but not allocated between grid loops and block loops");
                    errors.add(Rule::Scopes, message);
                }
                strays(errors, body);
            }
            Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => {}
        }
    }
}

/// Threads combine what each has for itself, over coordinates of their block.
fn combine(errors: &mut Errors<'_>, context: &Context, buffer: TensorId, over: &[AxisId]) {
    let kernel = errors.kernel;
    if !matches!(kernel.buffers[buffer].kind, BufferKind::Temp(Scope::Stack | Scope::Register)) {
        let name = kernel.tensor(buffer);
        errors.add(Rule::Kinds, format!("`{name}` is combined, but is not each thread's own"));
    }
    let is_thread =
        |axis: AxisId| context.loops.iter().any(|open| open.axis == axis && matches!(open.kind, LoopKind::Block(_)));
    for &axis in over.iter().filter(|&&axis| !is_thread(axis)) {
        errors.add(Rule::Kinds, format!("`{}` is no coordinate of the block, and is combined over", kernel.axis(axis)));
    }
    if over.is_empty() || over.iter().enumerate().any(|(at, axis)| over[..at].contains(axis)) {
        errors.add(Rule::Kinds, "a combination is over one or more different axes");
    }
}

/// Whether a statement that is for all threads of a block can be reached by some of them only.
fn all_reach(errors: &mut Errors<'_>, pool: &Pool, context: &Context, what: &str) {
    let is_thread = |axis| {
        context.loops.iter().any(|open| open.axis == axis && matches!(open.kind, LoopKind::Block(_) | LoopKind::Vector))
    };
    let differs = |&fact: &_| pool.has_load(fact) || pool.axes(fact).into_iter().any(is_thread);
    if context.facts.iter().any(differs) {
        errors.add(Rule::Kinds, format!("{what} that not all threads of a block may reach"));
    }
    if context.loops.iter().any(|open| open.kind == LoopKind::Vector) {
        errors.add(Rule::Kinds, format!("{what} in a vector loop"));
    }
}
