//! Tensor graph to naive loop nests: one nest a stage, loops in the order of the source.
//!
//! Not a place for optimisation: it takes a verified graph and gives the kernel that a reader of the formula would
//! write down. Schedules start from here, so its axis and buffer names are stable: they depend on the graph alone.
//!
//! ```text
//! stage m[n: 4] = max[c: 8](x[n, c])        alloc m: f32[4] global {
//! stage y[n: 4, c: 8] = x[n, c] - m[n]        for n in 4 {
//!                                               alloc acc: f32[] register {
//!                                                 acc[] = -inf
//!                                                 for c in 8 {
//!                                                   acc[] max= x[n, c]
//!                                                 }
//!                                                 m[n] = acc[]
//!                                               }
//!                                             }
//!                                             for y.n in 4 {
//!                                               for y.c in 8 {
//!                                                 y[y.n, y.c] = x[y.n, y.c] - m[y.n]
//!                                               }
//!                                             }
//!                                           }
//! ```
//!
//! Expressions, axes and tensors keep the ids that they have in the graph; only accumulators are new. A temporary
//! lives from the first stage that writes it to the last that reads it, or as much longer as nesting asks for.

mod names;

use crate::arena::Id;
use crate::expr::{Expr, Pool, TensorId};
use crate::graph::{self, Body, Graph, Role, Stage};
use crate::loops::{Axis, Block, Buffer, BufferKind, For, Kernel, LoopKind, Scope, Stmt};
use crate::scalar::ReduceOp;
use names::Names;

/// The kernel that computes `graph` in the plainest way.
pub fn lower(graph: &Graph) -> Kernel {
    let mut kernel = Kernel {
        name: graph.name.clone(),
        pool: graph.pool.clone(),
        axes: crate::arena::Arena::new(),
        buffers: crate::arena::Arena::new(),
        params: graph.inputs.iter().chain(&graph.outputs).copied().collect(),
        body: Vec::new(),
    };
    let mut names = Names::default();
    for (_, tensor) in graph.tensors.iter() {
        names.claim(&tensor.name);
        kernel.buffers.push(buffer(tensor));
    }
    for name in names::axes(graph) {
        kernel.axes.push(Axis { name });
    }
    let nests: Vec<_> = graph.stages.iter().map(|stage| nest(&mut kernel, graph, stage, &mut names)).collect();
    kernel.body = allocate(graph, nests);
    kernel
}

fn buffer(tensor: &graph::Tensor) -> Buffer {
    let kind = match &tensor.role {
        &Role::Input { is_const } => BufferKind::Input { is_const },
        Role::Output => BufferKind::Output,
        Role::Intermediate => BufferKind::Temp(Scope::Global),
        Role::Constant(table) => BufferKind::Constant(table.clone()),
    };
    Buffer { name: tensor.name.clone(), dtype: tensor.dtype, shape: tensor.shape.clone(), kind }
}

/// The loops of one stage around its store.
fn nest(kernel: &mut Kernel, graph: &Graph, stage: &Stage, names: &mut Names) -> Stmt {
    let inner = match &stage.body {
        &Body::Map(value) => store(&mut kernel.pool, graph, stage, value),
        Body::Reduce { op, axes, value } => {
            let join = |acc| Stmt::Reduce { buffer: acc, at: Vec::new(), op: *op, value: *value };
            accumulate(kernel, graph, stage, *op, names, |acc| around(graph, axes, join(acc)))
        }
    };
    around(graph, &stage.axes, inner)
}

/// An accumulator: set to the neutral element, fed by `reduction`, and stored.
fn accumulate(
    kernel: &mut Kernel,
    graph: &Graph,
    stage: &Stage,
    op: ReduceOp,
    names: &mut Names,
    reduction: impl FnOnce(TensorId) -> Stmt,
) -> Stmt {
    let dtype = kernel.pool.dtype(stage.body.value());
    let name = names.fresh("acc", &graph.tensors[stage.tensor].name);
    let acc = kernel.buffers.push(Buffer { name, dtype, shape: Vec::new(), kind: BufferKind::Temp(Scope::Register) });
    let neutral = kernel.pool.constant(op.neutral(dtype));
    let result = kernel.pool.load(acc, Vec::new(), dtype);
    let init = Stmt::Store { buffer: acc, at: Vec::new(), value: neutral };
    let last = store(&mut kernel.pool, graph, stage, result);
    Stmt::Alloc { buffer: acc, body: vec![init, reduction(acc), last] }
}

/// `tensor[at] = value`, converted to the element type.
fn store(pool: &mut Pool, graph: &Graph, stage: &Stage, value: crate::expr::ExprId) -> Stmt {
    let value = pool.cast(graph.tensors[stage.tensor].dtype, value);
    Stmt::Store { buffer: stage.tensor, at: stage.at.clone(), value }
}

/// Serial loops over `axes`, the first outermost.
fn around(graph: &Graph, axes: &[crate::expr::AxisId], inner: Stmt) -> Stmt {
    axes.iter().rev().fold(inner, |body, &axis| {
        Stmt::For(For { axis, extent: graph.axes[axis].extent, kind: LoopKind::Serial, body: vec![body] })
    })
}

/// Puts the nests in order, each temporary around the nests between its first store and its last use.
fn allocate(graph: &Graph, nests: Vec<Stmt>) -> Block {
    let births = births(graph);
    let last_uses = last_uses(graph);
    let mut open: Vec<(TensorId, usize, Block)> = Vec::new();
    let mut body = Block::new();
    for (at, nest) in nests.into_iter().enumerate() {
        if let Some(tensor) = births[at] {
            let end = life_end(&births, &last_uses, at, last_uses[tensor.index()]);
            open.push((tensor, end, Block::new()));
        }
        open.last_mut().map_or(&mut body, |(_, _, block)| block).push(nest);
        while let Some((buffer, _, block)) = open.pop_if(|&mut (_, end, _)| end == at) {
            let alloc = Stmt::Alloc { buffer, body: block };
            open.last_mut().map_or(&mut body, |(_, _, block)| block).push(alloc);
        }
    }
    body
}

/// For each stage, the temporary that it is the first to write.
fn births(graph: &Graph) -> Vec<Option<TensorId>> {
    let mut seen = vec![false; graph.tensors.len()];
    graph
        .stages
        .iter()
        .map(|stage| {
            let first = !std::mem::replace(&mut seen[stage.tensor.index()], true);
            let is_temp = graph.tensors[stage.tensor].role == Role::Intermediate;
            (first && is_temp).then_some(stage.tensor)
        })
        .collect()
}

/// For each tensor, the last stage that writes or reads it.
fn last_uses(graph: &Graph) -> Vec<usize> {
    let mut last = vec![0; graph.tensors.len()];
    for (index, stage) in graph.stages.iter().enumerate() {
        last[stage.tensor.index()] = index;
        graph.pool.visit(stage.body.value(), &mut |_, expr| {
            if let Expr::Load { tensor, .. } = expr {
                last[tensor.index()] = index;
            }
        });
    }
    last
}

/// `end`, moved on past the last use of everything that is born before it: lives must nest.
fn life_end(births: &[Option<TensorId>], last_uses: &[usize], start: usize, mut end: usize) -> usize {
    let mut at = start;
    while at <= end {
        if let Some(tensor) = births[at] {
            end = end.max(last_uses[tensor.index()]);
        }
        at += 1;
    }
    end
}
