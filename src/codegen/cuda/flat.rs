//! Prepares a kernel for CUDA C: long vector loops become several short ones, and subscripts of what is in main memory
//! become one offset each.
//!
//! ```text
//! vector for j in 8 { y[i, j] = … }     ==>     unroll for j in 2 { vector for j' in 4 { y[i * 8 + j * 4 + j'] = … } }
//! ```
//!
//! A vector loop has no more lanes than fit 16 bytes of the widest element in it. What goes out is for this backend
//! alone: buffers in main memory have one dimension. Other loops stay loops, for nvcc to write out.

use crate::expr::range::Domain;
use crate::expr::simplify::simplify;
use crate::expr::{AxisId, Expr, ExprId, TensorId};
use crate::loops::visit;
use crate::loops::{Axis, Block, BufferKind, For, Kernel, LoopKind, Scope, Stmt};

use crate::codegen::bounds;

use super::uniform;

/// Bytes that one instruction moves, at most.
const WIDE: i64 = 16;

/// The kernel as text is made of it.
pub(super) fn flatten(kernel: &Kernel) -> Kernel {
    let mut flat = kernel.clone();
    let body = std::mem::take(&mut flat.body);
    let body = shorten(&mut flat, body);
    flat.body = body;
    let domain = bounds::domain(&flat);
    let body = std::mem::take(&mut flat.body);
    let body = uniform::decide(&mut flat, body, &domain);
    let mut work = Work { kernel: &mut flat, domain: &domain };
    let body = work.block(body);
    flat.body = body;
    for (_, buffer) in flat.buffers.iter_mut() {
        if is_main(&buffer.kind) {
            buffer.shape = vec![buffer.len()];
        }
    }
    flat
}

/// Whether a buffer is in main memory.
pub(super) const fn is_main(kind: &BufferKind) -> bool {
    matches!(
        kind,
        BufferKind::Input { .. } | BufferKind::Output | BufferKind::Constant(_) | BufferKind::Temp(Scope::Global)
    )
}

fn shorten(kernel: &mut Kernel, block: Block) -> Block {
    block
        .into_iter()
        .map(|stmt| match stmt {
            Stmt::For(l) if l.kind == LoopKind::Vector => Stmt::For(short(kernel, l)),
            Stmt::For(l) => Stmt::For(For { body: shorten(kernel, l.body), ..l }),
            Stmt::If { cond, then, otherwise } => {
                Stmt::If { cond, then: shorten(kernel, then), otherwise: shorten(kernel, otherwise) }
            }
            Stmt::Alloc { buffer, body } => Stmt::Alloc { buffer, body: shorten(kernel, body) },
            other => other,
        })
        .collect()
}

/// A vector loop of no more lanes than one instruction moves.
fn short(kernel: &mut Kernel, l: For) -> For {
    let widest = widest(kernel, &l.body);
    let lanes = [8, 4, 2].into_iter().find(|lanes| lanes * widest <= WIDE && l.extent % lanes == 0);
    match lanes {
        Some(lanes) if lanes == l.extent => l,
        Some(lanes) => {
            let lane = kernel.axes.push(Axis { name: format!("{}.lane", kernel.axes[l.axis].name) });
            let pool = &mut kernel.pool;
            let (first, count, offset) = (pool.axis(l.axis), pool.int(lanes), pool.axis(lane));
            let first = pool.mul(first, count);
            let value = pool.add(first, offset);
            let body = replace(kernel, l.body, l.axis, value);
            let inner = Stmt::For(For { axis: lane, extent: lanes, kind: LoopKind::Vector, body });
            For { axis: l.axis, extent: l.extent / lanes, kind: LoopKind::Unroll, body: vec![inner] }
        }
        None => For { kind: LoopKind::Unroll, ..l },
    }
}

/// Bytes of the widest element in memory that some statements use.
fn widest(kernel: &Kernel, block: &[Stmt]) -> i64 {
    let mut widest = 1;
    let mut pool = kernel.pool.clone();
    visit::visit(&mut pool, block, &mut |pool, stmt, _| {
        // What a thread has in registers goes one by one.
        let is_own = |id: TensorId| matches!(kernel.buffers[id].kind, BufferKind::Temp(Scope::Register | Scope::Stack));
        let mut see = |id: TensorId| {
            if !is_own(id) {
                widest = widest.max(kernel.buffers[id].dtype.bytes() as i64);
            }
        };
        if let Some((buffer, _)) = visit::written(stmt) {
            see(buffer);
        }
        for root in visit::expressions(stmt) {
            pool.visit(root, &mut |_, expr| {
                if let Expr::Load { tensor, .. } = expr {
                    see(*tensor);
                }
            });
        }
    });
    widest
}

/// Puts a value in the place of an axis.
fn replace(kernel: &mut Kernel, block: Block, axis: AxisId, value: ExprId) -> Block {
    let mut moved = |kernel: &mut Kernel, e| kernel.pool.substitute(e, &|other| (other == axis).then_some(value));
    map(kernel, block, &mut moved)
}

/// Changes all expressions of some statements.
pub(super) fn map(kernel: &mut Kernel, block: Block, change: &mut dyn FnMut(&mut Kernel, ExprId) -> ExprId) -> Block {
    let mut result = Block::new();
    for stmt in block {
        result.push(match stmt {
            Stmt::For(l) => Stmt::For(For { body: map(kernel, l.body, change), ..l }),
            Stmt::If { cond, then, otherwise } => {
                let cond = change(kernel, cond);
                Stmt::If { cond, then: map(kernel, then, change), otherwise: map(kernel, otherwise, change) }
            }
            Stmt::Store { buffer, at, value } => {
                let at = at.into_iter().map(|e| change(kernel, e)).collect();
                Stmt::Store { buffer, at, value: change(kernel, value) }
            }
            Stmt::Reduce { buffer, at, op, value } => {
                let at = at.into_iter().map(|e| change(kernel, e)).collect();
                Stmt::Reduce { buffer, at, op, value: change(kernel, value) }
            }
            Stmt::Alloc { buffer, body } => Stmt::Alloc { buffer, body: map(kernel, body, change) },
            Stmt::Combine { buffer, at, op, over } => {
                Stmt::Combine { buffer, at: at.into_iter().map(|e| change(kernel, e)).collect(), op, over }
            }
            Stmt::Barrier | Stmt::Wait { .. } => stmt,
        });
    }
    result
}

struct Work<'a> {
    kernel: &'a mut Kernel,
    domain: &'a Domain,
}

impl Work<'_> {
    fn block(&mut self, block: Block) -> Block {
        block.into_iter().map(|stmt| self.statement(stmt)).collect()
    }

    fn statement(&mut self, stmt: Stmt) -> Stmt {
        match stmt {
            Stmt::For(l) => Stmt::For(For { body: self.block(l.body), ..l }),
            Stmt::If { cond, then, otherwise } => {
                Stmt::If { cond: self.expr(cond), then: self.block(then), otherwise: self.block(otherwise) }
            }
            Stmt::Store { buffer, at, value } => {
                Stmt::Store { buffer, at: self.subscripts(buffer, at), value: self.expr(value) }
            }
            Stmt::Reduce { buffer, at, op, value } => {
                Stmt::Reduce { buffer, at: self.subscripts(buffer, at), op, value: self.expr(value) }
            }
            Stmt::Alloc { buffer, body } => Stmt::Alloc { buffer, body: self.block(body) },
            Stmt::Combine { buffer, at, op, over } => {
                Stmt::Combine { buffer, at: self.subscripts(buffer, at), op, over }
            }
            Stmt::Barrier | Stmt::Wait { .. } => stmt,
        }
    }

    fn subscripts(&mut self, buffer: TensorId, at: Vec<ExprId>) -> Vec<ExprId> {
        let at: Vec<_> = at.into_iter().map(|e| self.expr(e)).collect();
        self.flat(buffer, at)
    }

    /// An expression whose loads have one subscript each where they are from main memory.
    fn expr(&mut self, id: ExprId) -> ExprId {
        let mut loads = Vec::new();
        self.kernel.pool.visit(id, &mut |load, expr| {
            if matches!(expr, Expr::Load { .. }) {
                loads.push(load);
            }
        });
        let simpler = simplify(&mut self.kernel.pool, id, self.domain);
        if loads.is_empty() {
            return simpler;
        }
        let Self { kernel, domain } = self;
        let buffers = &kernel.buffers;
        kernel.pool.map(simpler, &mut |pool, e| match pool.get(e).clone() {
            Expr::Load { tensor, at } if is_main(&buffers[tensor].kind) => {
                let offset = offset(pool, &buffers[tensor].shape, &at, domain);
                let dtype = pool.dtype(e);
                Some(pool.load(tensor, vec![offset], dtype))
            }
            _ => None,
        })
    }

    fn flat(&mut self, buffer: TensorId, at: Vec<ExprId>) -> Vec<ExprId> {
        let Self { kernel, domain } = self;
        let found = &kernel.buffers[buffer];
        if is_main(&found.kind) { vec![offset(&mut kernel.pool, &found.shape, &at, domain)] } else { at }
    }
}

/// The place of an element, row-major.
pub(super) fn offset(pool: &mut crate::expr::Pool, shape: &[i64], at: &[ExprId], domain: &Domain) -> ExprId {
    let mut flat = pool.int(0);
    for (&subscript, &extent) in at.iter().zip(shape) {
        let extent = pool.int(extent);
        let row = pool.mul(flat, extent);
        flat = pool.add(row, subscript);
    }
    simplify(pool, flat, domain)
}
