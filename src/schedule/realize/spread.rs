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
//! Blocks cannot wait for each other, so a second launch joins what they leave in main memory, one or four elements a
//! thread; the result is made there. Parts are joined in their order: results are the same in every run.

use crate::expr::{AxisId, Expr, ExprId, TensorId};
use crate::loops::{Axis, Block, For, LoopKind, Scope, Stmt};
use crate::scalar::Op;
use crate::schedule::nest::{Reduction, Role, Var, VarId};

use super::{Emit, Env, Purpose, fresh};

/// Threads of a block that join parts.
const THREADS: i64 = 128;
/// Results that such a thread has next to each other, where their number allows.
const LANES: i64 = 4;

const fn is_block(kind: LoopKind) -> bool {
    matches!(kind, LoopKind::Block(_))
}

const fn is_grid(kind: LoopKind) -> bool {
    matches!(kind, LoopKind::Grid(_))
}

impl<'a> Emit<'a> {
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
        let is_result = |var: &Var| var.axis.is_some() && var.role == Role::Spatial;
        self.nest.vars.iter().filter(|(_, var)| is_result(var)).map(|(id, _)| id).collect()
    }

    /// The sum of all threads that have parts of it, in the place of each part.
    pub(super) fn combined(&mut self, reduction: &Reduction, buffer: TensorId, dims: &[VarId], env: &Env) -> Block {
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

    /// Joins the parts of each result, a thread for one or for some that are next to each other.
    fn join_parts(&mut self, reduction: &Reduction, parts: TensorId) -> Stmt {
        let results = self.results();
        let extents: Vec<_> = results.iter().map(|&var| self.nest.vars[var].extent).collect();
        let elements: i64 = extents.iter().product();
        let lanes = if elements % LANES == 0 { LANES } else { 1 };
        let threads = THREADS.min((elements / lanes).unsigned_abs().next_power_of_two().cast_signed());
        let name = self.kernel.buffers[self.nest.buffer].name.clone();
        let [block, thread] = ["block", "thread"].map(|word| {
            let name = fresh(&mut self.names.axes, &format!("{name}.{word}"));
            self.kernel.axes.push(Axis { name })
        });
        let (high, low) = (self.kernel.pool.axis(block), self.kernel.pool.axis(thread));
        let number = self.mixed(high, threads, low);
        let zero = self.kernel.pool.int(0);
        let first = self.mixed(number, lanes, zero);
        let joined = Joined { results, extents, first, lanes, parts };
        let mut body = self.joined_part(reduction, &joined);
        if elements % (threads * lanes) != 0 {
            let pool = &mut self.kernel.pool;
            let count = pool.int(elements);
            let cond = pool.binary(Op::Lt, first, count);
            body = vec![Stmt::If { cond, then: body, otherwise: Block::new() }];
        }
        let inner = For { axis: thread, extent: threads, kind: LoopKind::Block(0), body };
        let extent = (elements + threads * lanes - 1) / (threads * lanes);
        Stmt::For(For { axis: block, extent, kind: LoopKind::Grid(0), body: vec![Stmt::For(inner)] })
    }

    /// What one thread of these does.
    fn joined_part(&mut self, reduction: &Reduction, joined: &Joined) -> Block {
        let name = format!("{}.whole", self.kernel.buffers[reduction.acc].name);
        let shape = if joined.lanes > 1 { vec![joined.lanes] } else { Vec::new() };
        let sum = self.buffer(&name, reduction.acc, shape, Scope::Register);
        let dtype = self.kernel.buffers[sum].dtype;
        let neutral = self.kernel.pool.constant(reduction.op.neutral(dtype));
        let set = self.for_lanes(joined, "init", &mut |_, at, _| Stmt::Store { buffer: sum, at, value: neutral });
        let spread = self.nest.spread(is_grid);
        let loops: Vec<_> =
            spread.iter().map(|&var| (self.axis(var, Purpose::Join), self.nest.vars[var].extent)).collect();
        let join = self.for_lanes(joined, "join", &mut |this, at, places| {
            let pool = &mut this.kernel.pool;
            let part = loops.iter().map(|&(axis, _)| pool.axis(axis)).chain(places.iter().copied()).collect();
            let value = pool.load(joined.parts, part, dtype);
            Stmt::Reduce { buffer: sum, at, op: reduction.op, value }
        });
        let nest = loops.iter().rev().fold(join, |inner, &(axis, extent)| {
            Stmt::For(For { axis, extent, kind: LoopKind::Serial, body: vec![inner] })
        });
        let store = self.for_lanes(joined, "out", &mut |this, at, places| {
            let whole = this.kernel.pool.load(sum, at, dtype);
            let mut env = Env::default();
            for (&var, &place) in joined.results.iter().zip(places) {
                env.value.insert(var, place);
            }
            this.store(reduction, whole, &env)
        });
        vec![Stmt::Alloc { buffer: sum, body: vec![set, nest, store] }]
    }

    /// A statement for each result of a thread, of which it is told the place in the thread's sums and along the axes.
    fn for_lanes(&mut self, joined: &Joined, word: &str, each: Lane<'_, 'a>) -> Stmt {
        if joined.lanes == 1 {
            let places = self.unmixed(joined.first, &joined.extents);
            return each(self, Vec::new(), &places);
        }
        let name = format!("{}.{word}", self.kernel.buffers[self.nest.buffer].name);
        let name = fresh(&mut self.names.axes, &name);
        let axis = self.kernel.axes.push(Axis { name });
        let pool = &mut self.kernel.pool;
        let lane = pool.axis(axis);
        let flat = pool.add(joined.first, lane);
        let places = self.unmixed(flat, &joined.extents);
        let stmt = each(self, vec![lane], &places);
        Stmt::For(For { axis, extent: joined.lanes, kind: LoopKind::Vector, body: vec![stmt] })
    }
}

/// The results of one thread that joins parts.
struct Joined {
    /// The axes of results, and their extents.
    results: Vec<VarId>,
    extents: Vec<i64>,
    /// The first of them, in the order of memory.
    first: ExprId,
    lanes: i64,
    parts: TensorId,
}

/// Gives a statement for one result.
type Lane<'b, 'a> = &'b mut dyn FnMut(&mut Emit<'a>, Vec<ExprId>, &[ExprId]) -> Stmt;
