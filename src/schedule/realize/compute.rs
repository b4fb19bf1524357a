//! Other nests inside of a nest: the box of an intermediate that the loops inside of a level read is computed there.
//!
//! ```text
//! compute t at y.p                     for y.p in 4 {
//!                                        alloc t: f32[2] stack {
//!                                          for p in 2 { t[p] = … at 2 * y.p + p }
//!                                          … t[2 * y.p + r - 2 * y.p] …
//!                                        }
//!                                      }
//! ```
//!
//! Where the box might start outside of the intermediate, it starts at `max(…, 0)` or `min(…, size - extent)`: so it is
//! always full, and what is read inside of the tensor is in it.

use crate::arena::IdMap;
use crate::expr::{Expr, ExprId, Pool, affine};
use crate::loops::{Block, BufferKind, Scope, Stmt};
use crate::scalar::Op;
use crate::schedule::nest::{Reach, Var, VarId, Window};
use crate::schedule::window::{Side, largest};

use super::tile::STACK_TILE;
use super::{Emit, Env, Inner};

impl Emit<'_> {
    /// Decides which boxes there are.
    pub(super) fn plan_computes(&mut self) {
        let (nest, nests) = (self.nest, self.nests);
        for computed in &nest.computes {
            let buffer = &mut self.kernel.buffers[computed.tensor];
            let bytes = buffer.shape.iter().product::<i64>() * buffer.dtype.bytes() as i64;
            buffer.kind =
                BufferKind::Temp(if bytes <= STACK_TILE || nest.bound() > 0 { Scope::Stack } else { Scope::Global });
            let mut inner = Emit::new(self.kernel, nests, computed.nest, self.names);
            inner.plan();
            let plan = inner.plan;
            self.plan.computes.push(Inner { reach: nest.reach(Some(computed.at), Scope::Stack), plan });
        }
    }

    /// The next nest to place inside of the first `level` loops.
    pub(super) fn next_compute(&self, level: usize, env: &Env) -> Option<usize> {
        let is_done = |inner: usize| env.computes.iter().any(|&(done, _)| done == inner);
        (0..self.plan.computes.len()).find(|&inner| self.plan.computes[inner].reach.level == level && !is_done(inner))
    }

    /// Computes a box before what `then` gives.
    pub(super) fn with_computed(
        &mut self,
        number: usize,
        env: &Env,
        then: &mut dyn FnMut(&mut Self, &Env) -> Block,
    ) -> Block {
        let (nest, nests) = (self.nest, self.nests);
        let computed = &nest.computes[number];
        let producer = &nests[computed.nest];
        let mut starts = Vec::new();
        let mut known = IdMap::new();
        for (start, &at) in computed.starts.iter().zip(&producer.at) {
            let Expr::Axis(axis) = *self.kernel.pool.get(at) else { unreachable!("an axis is each subscript") };
            let root = producer.root(axis).expect("the nest writes along this axis");
            let start = start.as_ref().map(|start| {
                let reach = self.plan.computes[number].reach;
                let start = self.start(start, reach, &producer.vars[root], env);
                known.insert(root, start);
                start
            });
            starts.push(start);
        }
        let plan = std::mem::take(&mut self.plan.computes[number].plan);
        let mut inner = Emit::new(self.kernel, nests, computed.nest, self.names);
        (inner.starts, inner.plan) = (known, plan);
        let mut body = inner.level(0, &Env { threads: env.threads, ..Env::default() });
        self.plan.computes[number].plan = inner.plan;
        let mut inside = env.clone();
        inside.computes.push((number, starts));
        body.extend(then(self, &inside));
        vec![Stmt::Alloc { buffer: computed.tensor, body }]
    }

    /// Where a box starts, moved inside of the tensor.
    fn start(&mut self, start: &Window, reach: Reach, var: &Var, env: &Env) -> ExprId {
        let last = var.whole.unwrap_or(var.extent) - var.extent;
        let reached = |&(root, step): &(VarId, i64)| step * largest(self.nest, root, reach, Side::Outside);
        let lowest = start.constant + start.steps.iter().map(reached).filter(|&reached| reached < 0).sum::<i64>();
        let highest = start.constant + start.steps.iter().map(reached).filter(|&reached| reached > 0).sum::<i64>();
        let mut place = self.offset(start.constant, start, reach, Side::Outside, env);
        let pool = &mut self.kernel.pool;
        if highest > last {
            let last = pool.int(last);
            place = pool.binary(Op::Min, place, last);
        }
        if lowest < 0 {
            let first = pool.int(0);
            place = pool.binary(Op::Max, place, first);
        }
        place
    }

    /// Reads what other nests have computed from their boxes.
    pub(super) fn read_boxes(&mut self, expr: ExprId, env: &Env) -> ExprId {
        let nest = self.nest;
        if env.computes.is_empty() {
            return expr;
        }
        self.kernel.pool.map(expr, &mut |pool, e| {
            let Expr::Load { tensor, at } = pool.get(e).clone() else { return None };
            let (_, starts) = env.computes.iter().find(|&&(number, _)| nest.computes[number].tensor == tensor)?;
            let at =
                at.into_iter().zip(starts).map(|(at, start)| start.map_or(at, |start| difference(pool, at, start)));
            let (at, dtype) = (at.collect(), pool.dtype(e));
            Some(pool.load(tensor, at, dtype))
        })
    }
}

/// `at - start`, without what they have in common.
fn difference(pool: &mut Pool, at: ExprId, start: ExprId) -> ExprId {
    match affine::linear(pool, at).sub(&affine::linear(pool, start)) {
        Some(view) => affine::rebuild(pool, &view),
        None => pool.sub(at, start),
    }
}
