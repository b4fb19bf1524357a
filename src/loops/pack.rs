//! Takes what depends on `const` arguments alone out of a kernel, so that it is computed once, ahead of all calls.
//!
//! ```text
//! kernel f(x: f32[8], w: const f32[8, 4]) -> (y: f32[4]) {
//!   alloc w.copy: f32[4, 8] stack {
//!     for j.copy in 4 { for k.copy in 8 { w.copy[j.copy, k.copy] = w[k.copy, j.copy] } }
//!     for j in 4 { … x[k] * w.copy[j, k] … }
//!   }
//! }
//!     ==>      kernel f_pack(w: const f32[8, 4]) -> (w.copy: f32[4, 8]) { … }
//!              kernel f_packed(x: f32[8], w.copy: const f32[4, 8]) -> (y: f32[4]) { for j in 4 { … } }
//! ```
//!
//! What the first one gives is one block of memory to its caller, in which the tensors lie one after the other
//! ([`Packing::parts`]); the second one takes it in place of the `const` arguments.
//!
//! A temporary is computed ahead if it is allocated once, outside of all loops, and every statement there that writes it
//! reads nothing but `const` arguments, tables, and temporaries that are computed ahead as well; statements that read it
//! and stay come after all those. A copy that a schedule makes before all loops is of that kind, and so is every
//! intermediate that is a function of weights. A `const` argument that the rest still reads is copied as it is. Two
//! kernels come out wherever there is a `const` argument, so that what callers see does not depend on a schedule.
//!
//! What comes in verifies, and so do both kernels. Floats of the block are rounded to their type in memory, as
//! temporaries are. A schedule may leave elements of a temporary that nobody reads: they are zeros in the block.

use std::collections::BTreeSet;

use super::extract::extract;
use super::{Axis, Block, Buffer, BufferKind, For, Kernel, LoopKind, Stmt, visit};
use crate::expr::{AxisId, Expr, ExprId, TensorId};
use crate::scalar::{Const, Op};

/// Alignment of the block, and of every tensor in it: a cache line, and the widest vector.
pub const ALIGN: usize = 64;

/// A kernel in two parts.
#[derive(Clone, Debug)]
pub struct Packing {
    /// `NAME_pack`: from all `const` inputs, in their order, to the tensors of the block.
    pub pack: Kernel,
    /// `NAME_packed`: from the other inputs, and the tensors of the block, to the outputs.
    pub packed: Kernel,
    /// The block, in order.
    pub parts: Vec<Part>,
}

/// A tensor of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The output of [`Packing::pack`] that it is.
    pub filled: TensorId,
    /// The input of [`Packing::packed`] that it is.
    pub read: TensorId,
    /// Bytes from the start of the block.
    pub offset: usize,
}

impl Packing {
    /// Bytes of the block.
    pub fn bytes(&self) -> usize {
        let end = |part: &Part| part.offset + self.pack.buffers[part.filled].bytes();
        self.parts.last().map_or(0, end).next_multiple_of(ALIGN)
    }
}

/// The two parts of a kernel that has a `const` argument.
pub fn pack(kernel: &Kernel) -> Option<Packing> {
    let is_const = |id: &TensorId| kernel.buffers[*id].kind == BufferKind::Input { is_const: true };
    let (consts, others): (Vec<_>, Vec<_>) = kernel.params.iter().copied().partition(is_const);
    let first = *consts.first()?;
    let split = Split::of(kernel);
    let rest = split.leaves.iter().zip(&split.is_ahead).filter(|(_, is_ahead)| !**is_ahead);
    let read: BTreeSet<TensorId> = rest.flat_map(|(leaf, _)| leaf.reads.iter().copied()).collect();
    let made: Vec<_> = split.ahead.iter().copied().filter(|id| read.contains(id)).collect();
    let mut kept: Vec<_> = consts.iter().copied().filter(|id| read.contains(id)).collect();
    if made.is_empty() && kept.is_empty() {
        // A kernel has an output, even if nobody reads it.
        kept.push(first);
    }
    let mut from = kernel.clone();
    let zeros: Vec<_> = made.iter().map(|&id| zeros(&mut from, id)).collect();
    let copies: Vec<_> = kept.iter().map(|&id| copy_of(&mut from, id)).collect();
    let filled: Vec<_> = made.iter().copied().chain(copies.iter().map(|(copy, _)| *copy)).collect();
    let read: Vec<_> = made.iter().copied().chain(kept).collect();
    for &id in &filled {
        from.buffers[id].kind = BufferKind::Output;
    }
    let params: Vec<_> = consts.iter().chain(&filled).copied().collect();
    let stays = |id: TensorId| split.ahead.contains(&id) && !made.contains(&id);
    let made_ahead = split.part(&kernel.body, Ahead::Yes, &stays);
    let copied = copies.into_iter().map(|(_, stmt)| stmt);
    let body: Vec<_> = zeros.into_iter().chain(made_ahead).chain(copied).collect();
    let pack = extract(&from, format!("{}_pack", kernel.name), &params, &body);
    for &id in &read {
        from.buffers[id].kind = BufferKind::Input { is_const: true };
    }
    let is_input = |id: &&TensorId| matches!(kernel.buffers[**id].kind, BufferKind::Input { .. });
    let inputs = others.iter().filter(is_input).chain(&read);
    let params: Vec<_> = inputs.chain(others.iter().filter(|id| !is_input(id))).copied().collect();
    let body = split.part(&kernel.body, Ahead::No, &|id| !split.ahead.contains(&id));
    let packed = extract(&from, format!("{}_packed", kernel.name), &params, &body);
    let parts = parts(&pack, &packed, filled.len());
    Some(Packing { pack, packed, parts })
}

/// The `const` arguments of a kernel, and the temporaries that are computed ahead: what costs nothing in a call.
pub fn known_ahead(kernel: &Kernel) -> BTreeSet<TensorId> {
    let is_const = |id: &TensorId| kernel.buffers[*id].kind == BufferKind::Input { is_const: true };
    let consts: BTreeSet<_> = kernel.params.iter().copied().filter(is_const).collect();
    if consts.is_empty() { consts } else { consts.into_iter().chain(Split::of(kernel).ahead).collect() }
}

/// The places of the tensors in the block: the outputs of the one kernel are the last inputs of the other.
fn parts(pack: &Kernel, packed: &Kernel, count: usize) -> Vec<Part> {
    let is_output = |id: &TensorId| pack.buffers[*id].kind == BufferKind::Output;
    let filled = pack.params.iter().copied().filter(is_output);
    let is_input = |id: &TensorId| matches!(packed.buffers[*id].kind, BufferKind::Input { .. });
    let inputs: Vec<_> = packed.params.iter().copied().filter(is_input).collect();
    let mut offset = 0;
    filled
        .zip(&inputs[inputs.len() - count..])
        .map(|(filled, &read)| {
            let part = Part { filled, read, offset };
            offset += pack.buffers[filled].bytes().next_multiple_of(ALIGN);
            part
        })
        .collect()
}

/// A buffer like an argument, and loops that copy it there.
fn copy_of(kernel: &mut Kernel, id: TensorId) -> (TensorId, Stmt) {
    let buffer = kernel.buffers[id].clone();
    let taken: BTreeSet<_> = kernel.buffers.iter().map(|(_, buffer)| buffer.name.clone()).collect();
    let name = fresh(&taken, format!("{}.packed", buffer.name));
    let copy = kernel.buffers.push(Buffer { name, kind: BufferKind::Output, ..buffer });
    let stmt = for_each(kernel, copy, &|kernel, at| kernel.pool.load(id, at.to_vec(), kernel.buffers[id].dtype));
    (copy, stmt)
}

/// Loops that fill a temporary with zeros: a schedule may leave elements that nobody reads, and an output is complete.
fn zeros(kernel: &mut Kernel, id: TensorId) -> Stmt {
    for_each(kernel, id, &|kernel, _| kernel.pool.constant(Const::int(kernel.buffers[id].dtype, 0)))
}

/// Loops that store a value in every element of a buffer: threads do it where the kernel has launches.
fn for_each(kernel: &mut Kernel, buffer: TensorId, value: &dyn Fn(&mut Kernel, &[ExprId]) -> ExprId) -> Stmt {
    let Buffer { name, shape, .. } = kernel.buffers[buffer].clone();
    let taken: BTreeSet<_> = kernel.axes.iter().map(|(_, axis)| axis.name.clone()).collect();
    let mut axis = |part: &str| kernel.axes.push(Axis { name: fresh(&taken, format!("{name}.{part}")) });
    let (loops, at) = if has_launch(&kernel.body) {
        let count: i64 = shape.iter().product();
        // Without a rest, so that nothing has to be guarded.
        let threads = (1..=THREADS).rev().find(|threads| count % threads == 0).unwrap_or(1);
        let (block, thread) = (axis("block"), axis("thread"));
        let loops = vec![(block, count / threads, LoopKind::Grid(0)), (thread, threads, LoopKind::Block(0))];
        (loops, unflattened(kernel, (block, thread), threads, &shape))
    } else {
        let axes: Vec<_> = (0..shape.len()).map(|dim| axis(&dim.to_string())).collect();
        let at = axes.iter().map(|&axis| kernel.pool.axis(axis)).collect();
        (axes.into_iter().zip(shape).map(|(axis, extent)| (axis, extent, LoopKind::Serial)).collect(), at)
    };
    let value = value(kernel, &at);
    let store = Stmt::Store { buffer, at, value };
    let wrap = |body, (axis, extent, kind)| Stmt::For(For { axis, extent, kind, body: vec![body] });
    loops.into_iter().rev().fold(store, wrap)
}

/// Threads of a block that copies.
const THREADS: i64 = 256;

/// The subscripts of the element that a thread of a block has.
fn unflattened(kernel: &mut Kernel, (block, thread): (AxisId, AxisId), threads: i64, shape: &[i64]) -> Vec<ExprId> {
    let pool = &mut kernel.pool;
    let (block, count, thread) = (pool.axis(block), pool.int(threads), pool.axis(thread));
    let first = pool.mul(block, count);
    let flat = pool.add(first, thread);
    let mut stride: i64 = shape.iter().product();
    let mut at = Vec::new();
    for (dim, &extent) in shape.iter().enumerate() {
        stride /= extent;
        let (step, extent) = (pool.int(stride), pool.int(extent));
        let whole = if stride == 1 { flat } else { pool.binary(Op::Div, flat, step) };
        at.push(if dim == 0 { whole } else { pool.binary(Op::Mod, whole, extent) });
    }
    at
}

/// Whether some of it is done by blocks of a grid.
fn has_launch(body: &[Stmt]) -> bool {
    body.iter().any(|stmt| match stmt {
        Stmt::For(l) => matches!(l.kind, LoopKind::Grid(_)),
        Stmt::Alloc { body, .. } => has_launch(body),
        _ => false,
    })
}

/// `wanted`, or with a number behind it where that is taken.
fn fresh(taken: &BTreeSet<String>, wanted: String) -> String {
    if !taken.contains(&wanted) {
        return wanted;
    }
    let numbered = (2..).map(|number| format!("{wanted}_{number}"));
    numbered.into_iter().find(|name| !taken.contains(name)).expect("there are more numbers than names")
}

/// Which part of a kernel a statement is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ahead {
    Yes,
    No,
}

/// The statements of a kernel that are outside of all loops, and what of them can be computed ahead.
struct Split {
    leaves: Vec<Leaf>,
    /// Which of the leaves are computed ahead.
    is_ahead: Vec<bool>,
    /// The temporaries that are.
    ahead: BTreeSet<TensorId>,
}

/// A statement outside of all loops; an `alloc` there only holds other ones.
#[derive(Default)]
struct Leaf {
    reads: BTreeSet<TensorId>,
    writes: BTreeSet<TensorId>,
    /// Temporaries that it allocates.
    own: BTreeSet<TensorId>,
}

impl Split {
    fn of(kernel: &Kernel) -> Self {
        let (mut leaves, mut ahead, mut again) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        collect(kernel, &kernel.body, &mut leaves, &mut ahead, &mut again);
        again.extend(leaves.iter().flat_map(|leaf| leaf.own.iter().copied()));
        ahead.retain(|id| !again.contains(id) && leaves.iter().any(|leaf| leaf.writes.contains(id)));
        loop {
            let is_ahead: Vec<_> = leaves.iter().map(|leaf| leaf.is_ahead(kernel, &ahead)).collect();
            let before = ahead.len();
            ahead.retain(|&id| is_known(id, &leaves, &is_ahead));
            if ahead.len() == before {
                return Self { leaves, is_ahead, ahead };
            }
        }
    }

    /// The statements of one part; of the temporaries around them those that stay.
    fn part(&self, body: &[Stmt], which: Ahead, stays: &dyn Fn(TensorId) -> bool) -> Block {
        let mut wanted = self.is_ahead.iter().map(|&ahead| ahead == (which == Ahead::Yes));
        filter(body, &mut wanted, stays)
    }
}

impl Leaf {
    fn of(kernel: &Kernel, stmt: &Stmt) -> Self {
        let mut leaf = Self::default();
        leaf.add(kernel, stmt);
        leaf
    }

    fn add(&mut self, kernel: &Kernel, stmt: &Stmt) {
        for root in visit::expressions(stmt) {
            kernel.pool.visit(root, &mut |_, expr| {
                if let Expr::Load { tensor, .. } = expr {
                    self.reads.insert(*tensor);
                }
            });
        }
        self.writes.extend(visit::written(stmt).map(|(buffer, _)| buffer));
        match stmt {
            Stmt::For(For { body, .. }) => self.add_all(kernel, body),
            Stmt::Alloc { buffer, body } => {
                self.own.insert(*buffer);
                self.add_all(kernel, body);
            }
            Stmt::If { then, otherwise, .. } => {
                self.add_all(kernel, then);
                self.add_all(kernel, otherwise);
            }
            Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => {}
        }
    }

    fn add_all(&mut self, kernel: &Kernel, block: &[Stmt]) {
        for stmt in block {
            self.add(kernel, stmt);
        }
    }

    /// Whether it computes temporaries of `ahead` from what is known ahead.
    fn is_ahead(&self, kernel: &Kernel, ahead: &BTreeSet<TensorId>) -> bool {
        let made = |id: &TensorId| ahead.contains(id) || self.own.contains(id);
        let known = |id: &TensorId| match kernel.buffers[*id].kind {
            BufferKind::Input { is_const } => is_const,
            BufferKind::Constant(_) => true,
            BufferKind::Output | BufferKind::Temp(_) => made(id),
        };
        self.writes.iter().any(|id| ahead.contains(id)) && self.writes.iter().all(made) && self.reads.iter().all(known)
    }
}

/// Whether all that writes a temporary is computed ahead, and what is not reads it only afterwards.
fn is_known(id: TensorId, leaves: &[Leaf], is_ahead: &[bool]) -> bool {
    let last = leaves.iter().rposition(|leaf| leaf.writes.contains(&id)).unwrap_or(0);
    leaves.iter().zip(is_ahead).enumerate().all(|(number, (leaf, &is_ahead))| {
        is_ahead || (!leaf.writes.contains(&id) && (number > last || !leaf.reads.contains(&id)))
    })
}

fn collect(
    kernel: &Kernel,
    block: &[Stmt],
    leaves: &mut Vec<Leaf>,
    temps: &mut BTreeSet<TensorId>,
    again: &mut BTreeSet<TensorId>,
) {
    for stmt in block {
        match stmt {
            Stmt::Alloc { buffer, body } => {
                if !temps.insert(*buffer) {
                    again.insert(*buffer);
                }
                collect(kernel, body, leaves, temps, again);
            }
            _ => leaves.push(Leaf::of(kernel, stmt)),
        }
    }
}

fn filter(block: &[Stmt], wanted: &mut dyn Iterator<Item = bool>, stays: &dyn Fn(TensorId) -> bool) -> Block {
    let mut result = Block::new();
    for stmt in block {
        match stmt {
            Stmt::Alloc { buffer, body } => {
                let body = filter(body, wanted, stays);
                if stays(*buffer) && !body.is_empty() {
                    result.push(Stmt::Alloc { buffer: *buffer, body });
                } else {
                    result.extend(body);
                }
            }
            _ if wanted.next() == Some(true) => result.push(stmt.clone()),
            _ => {}
        }
    }
    result
}
