//! Sums whose parts are added up by different threads, or by different blocks.
//!
//! ```text
//! rfactor k.1                          block.x for k.1 in 256 {
//! bind k.1 to block.x                    acc = 0; for k.0 … { acc += … }      (each thread its own)
//!                                        combine acc[] += over k.1
//!                                        if k.1 == 0 { C[i] = acc }
//!
//! rfactor k.0                          alloc acc.parts: f32[4, M, N] global {
//! bind k.0 to grid.z                     grid.z for k.0 in 4 { … acc.parts[k.0, i, j] = acc }
//!                                        grid.x for C.block … { block.x for C.thread … {
//!                                          for k.0.join in 4 { acc.sum += acc.parts[k.0.join, i, j] }
//!                                          C[i, j] = acc.sum
//! ```
//!
//! Blocks cannot wait for each other, so a second launch joins what they leave in main memory, one element a thread; the
//! result is made there. Parts are joined in their order: results are the same in every run.

use crate::expr::{AxisId, Expr, ExprId};
use crate::loops::{Axis, Block, For, LoopKind, Scope, Stmt};
use crate::scalar::Op;
use crate::schedule::nest::{Reduction, Role, VarId};

use super::{Emit, Env, Purpose, fresh};

/// Threads of a block that join parts.
const THREADS: i64 = 256;

const fn is_block(kind: LoopKind) -> bool {
    matches!(kind, LoopKind::Block(_))
}

const fn is_grid(kind: LoopKind) -> bool {
    matches!(kind, LoopKind::Grid(_))
}

impl Emit<'_> {
    /// Makes the buffer for what blocks leave.
    pub(super) fn plan_parts(&mut self, reduction: &Reduction) {
        let spread = self.nest.spread(is_grid);
        if spread.is_empty() {
            return;
        }
        let mut shape: Vec<_> = spread.iter().map(|&var| self.nest.vars[var].extent).collect();
        shape.extend(self.results().iter().map(|&var| self.nest.vars[var].extent));
        let name = format!("{}.parts", self.kernel.buffers[reduction.acc].name);
        self.plan.parts = Some(self.buffer(&name, reduction.acc, shape, Scope::Global));
    }

    /// The axes of the naive loops over results.
    fn results(&self) -> Vec<VarId> {
        let is_result = |var: &crate::schedule::nest::Var| var.axis.is_some() && var.role == Role::Spatial;
        self.nest.vars.iter().filter(|(_, var)| is_result(var)).map(|(id, _)| id).collect()
    }

    /// The sum of all threads that have parts of it, in the place of each part.
    pub(super) fn combined(
        &mut self,
        reduction: &Reduction,
        buffer: crate::expr::TensorId,
        dims: &[VarId],
        env: &Env,
    ) -> Block {
        let spread = self.nest.spread(is_block);
        if spread.is_empty() {
            return Block::new();
        }
        let over: Vec<_> = spread.iter().map(|&var| self.bound_axis(var, env)).collect();
        self.around(dims, env, Purpose::Combine, &mut |this, env| {
            let at = this.values(dims, env);
            vec![Stmt::Combine { buffer, at, op: reduction.op, over: over.clone() }]
        })
    }

    /// The axis of a loop that is bound.
    fn bound_axis(&mut self, var: VarId, env: &Env) -> AxisId {
        let value = self.value(var, env);
        match *self.kernel.pool.get(value) {
            Expr::Axis(axis) => axis,
            _ => unreachable!("bound loops stay loops"),
        }
    }

    /// Statements for the first of the threads that have parts of a sum.
    pub(super) fn by_the_first(&mut self, env: &Env, block: Block) -> Block {
        let mut cond = self.kernel.pool.bool(true);
        for var in self.nest.spread(is_block) {
            let value = self.value(var, env);
            let pool = &mut self.kernel.pool;
            let first = pool.int(0);
            let is_first = pool.binary(Op::Eq, value, first);
            cond = pool.and(cond, is_first);
        }
        if self.kernel.pool.as_const(cond).is_some() {
            return block;
        }
        vec![Stmt::If { cond, then: block, otherwise: Block::new() }]
    }

    /// Puts a sum where it belongs: among the parts of other blocks, or into the result.
    pub(super) fn deliver(&mut self, reduction: &Reduction, sum: ExprId, env: &Env) -> Stmt {
        let Some(buffer) = self.plan.parts else { return self.store(reduction, sum, env) };
        let dims = [self.nest.spread(is_grid), self.results()].concat();
        Stmt::Store { buffer, at: self.values(&dims, env), value: sum }
    }

    /// A launch, and if its blocks leave parts, the one that joins them.
    pub(super) fn with_parts(&mut self, mut block: Block) -> Block {
        let (Some(buffer), Some(reduction)) = (self.plan.parts, self.nest.reduction.clone()) else { return block };
        block.push(self.join_parts(&reduction, buffer));
        vec![Stmt::Alloc { buffer, body: block }]
    }

    /// Joins the parts of each result, a thread for each.
    fn join_parts(&mut self, reduction: &Reduction, parts: crate::expr::TensorId) -> Stmt {
        let results = self.results();
        let extents: Vec<_> = results.iter().map(|&var| self.nest.vars[var].extent).collect();
        let elements: i64 = extents.iter().product();
        let threads = THREADS.min(elements.unsigned_abs().next_power_of_two().cast_signed());
        let name = self.kernel.buffers[self.nest.buffer].name.clone();
        let [block, thread] = ["block", "thread"].map(|word| {
            let name = fresh(&mut self.names.axes, &format!("{name}.{word}"));
            self.kernel.axes.push(Axis { name })
        });
        let (high, low) = (self.kernel.pool.axis(block), self.kernel.pool.axis(thread));
        let flat = self.mixed(high, threads, low);
        let places = self.unmixed(flat, &extents);
        let mut env = Env::default();
        for (&var, &place) in results.iter().zip(&places) {
            env.value.insert(var, place);
        }
        let mut body = self.joined_part(reduction, parts, &places, &env);
        if elements % threads != 0 {
            let pool = &mut self.kernel.pool;
            let count = pool.int(elements);
            let cond = pool.binary(Op::Lt, flat, count);
            body = vec![Stmt::If { cond, then: body, otherwise: Block::new() }];
        }
        let inner = For { axis: thread, extent: threads, kind: LoopKind::Block(0), body };
        let extent = (elements + threads - 1) / threads;
        Stmt::For(For { axis: block, extent, kind: LoopKind::Grid(0), body: vec![Stmt::For(inner)] })
    }

    /// What one thread of these does.
    fn joined_part(
        &mut self,
        reduction: &Reduction,
        parts: crate::expr::TensorId,
        places: &[ExprId],
        env: &Env,
    ) -> Block {
        let name = format!("{}.whole", self.kernel.buffers[reduction.acc].name);
        let sum = self.buffer(&name, reduction.acc, Vec::new(), Scope::Register);
        let dtype = self.kernel.buffers[sum].dtype;
        let spread = self.nest.spread(is_grid);
        let loops: Vec<_> =
            spread.iter().map(|&var| (self.axis(var, Purpose::Join), self.nest.vars[var].extent)).collect();
        let pool = &mut self.kernel.pool;
        let neutral = pool.constant(reduction.op.neutral(dtype));
        let mut at: Vec<_> = loops.iter().map(|&(axis, _)| pool.axis(axis)).collect();
        at.extend(places);
        let value = pool.load(parts, at, dtype);
        let join = Stmt::Reduce { buffer: sum, at: Vec::new(), op: reduction.op, value };
        let nest = loops.into_iter().rev().fold(join, |inner, (axis, extent)| {
            Stmt::For(For { axis, extent, kind: LoopKind::Serial, body: vec![inner] })
        });
        let whole = self.kernel.pool.load(sum, Vec::new(), dtype);
        let store = self.store(reduction, whole, env);
        let body = vec![Stmt::Store { buffer: sum, at: Vec::new(), value: neutral }, nest, store];
        vec![Stmt::Alloc { buffer: sum, body }]
    }
}
