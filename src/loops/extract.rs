//! A kernel made of some statements of another one: with the buffers, axes and expressions that they use, and no others.
//!
//! Takes a kernel, the parameters that the new one has, and its body; gives the kernel. Every buffer that the body uses
//! is a parameter, a table, or allocated in the body. Names stay as they are.

use std::collections::HashMap;

use super::{Block, For, Kernel, Stmt};
use crate::arena::{Arena, IdMap};
use crate::expr::{AxisId, Expr, ExprId, Pool, TensorId};

/// The kernel of `body`, a block over the buffers and expressions of `from`; its parameters are in the order of `params`.
pub(super) fn extract(from: &Kernel, name: String, params: &[TensorId], body: &[Stmt]) -> Kernel {
    let to = Kernel {
        name,
        pool: Pool::new(),
        axes: Arena::default(),
        buffers: Arena::default(),
        params: Vec::new(),
        body: Block::new(),
    };
    let mut extract = Extract { from, to, axes: IdMap::new(), buffers: IdMap::new(), exprs: HashMap::new() };
    extract.to.params = params.iter().map(|&id| extract.buffer(id)).collect();
    extract.to.body = extract.block(body);
    extract.to
}

struct Extract<'a> {
    from: &'a Kernel,
    to: Kernel,
    axes: IdMap<AxisId, AxisId>,
    buffers: IdMap<TensorId, TensorId>,
    exprs: HashMap<ExprId, ExprId>,
}

impl Extract<'_> {
    fn buffer(&mut self, id: TensorId) -> TensorId {
        if let Some(&known) = self.buffers.get(id) {
            return known;
        }
        let new = self.to.buffers.push(self.from.buffers[id].clone());
        self.buffers.insert(id, new);
        new
    }

    fn axis(&mut self, id: AxisId) -> AxisId {
        if let Some(&known) = self.axes.get(id) {
            return known;
        }
        let new = self.to.axes.push(self.from.axes[id].clone());
        self.axes.insert(id, new);
        new
    }

    fn expr(&mut self, id: ExprId) -> ExprId {
        if let Some(&known) = self.exprs.get(&id) {
            return known;
        }
        let children: Vec<_> = self.from.pool.children(id).into_iter().map(|child| self.expr(child)).collect();
        let new = match *self.from.pool.get(id) {
            Expr::Const(value) => self.to.pool.constant(value),
            Expr::Axis(axis) => {
                let axis = self.axis(axis);
                self.to.pool.axis(axis)
            }
            Expr::Unary(op, _) => self.to.pool.unary(op, children[0]),
            Expr::Binary(op, ..) => self.to.pool.binary(op, children[0], children[1]),
            Expr::Cast(dtype, _) => self.to.pool.cast(dtype, children[0]),
            Expr::Select { .. } => self.to.pool.select(children[0], children[1], children[2]),
            Expr::Load { tensor, .. } => {
                let tensor = self.buffer(tensor);
                self.to.pool.load(tensor, children, self.from.pool.dtype(id))
            }
        };
        self.exprs.insert(id, new);
        new
    }

    fn exprs(&mut self, ids: &[ExprId]) -> Vec<ExprId> {
        ids.iter().map(|&id| self.expr(id)).collect()
    }

    fn block(&mut self, block: &[Stmt]) -> Block {
        block.iter().map(|stmt| self.statement(stmt)).collect()
    }

    fn statement(&mut self, stmt: &Stmt) -> Stmt {
        match stmt {
            Stmt::For(For { axis, extent, kind, body }) => {
                let axis = self.axis(*axis);
                Stmt::For(For { axis, extent: *extent, kind: *kind, body: self.block(body) })
            }
            Stmt::If { cond, then, otherwise } => {
                let cond = self.expr(*cond);
                Stmt::If { cond, then: self.block(then), otherwise: self.block(otherwise) }
            }
            Stmt::Store { buffer, at, value } => {
                Stmt::Store { buffer: self.buffer(*buffer), at: self.exprs(at), value: self.expr(*value) }
            }
            Stmt::Reduce { buffer, at, op, value } => {
                Stmt::Reduce { buffer: self.buffer(*buffer), at: self.exprs(at), op: *op, value: self.expr(*value) }
            }
            Stmt::Alloc { buffer, body } => Stmt::Alloc { buffer: self.buffer(*buffer), body: self.block(body) },
            Stmt::Combine { buffer, at, op, over } => {
                let over = over.iter().map(|&axis| self.axis(axis)).collect();
                Stmt::Combine { buffer: self.buffer(*buffer), at: self.exprs(at), op: *op, over }
            }
            Stmt::Barrier => Stmt::Barrier,
            Stmt::Wait { pending } => Stmt::Wait { pending: *pending },
        }
    }
}
