//! Accumulators: set to what is neutral, fed by the loops inside, and joined to what is around them.
//!
//! ```text
//! accumulate at k.0                    for k.0 in 4 {
//!                                        alloc acc: f32[14, 32] register {
//!                                          acc = 0                       (a nest over the tile)
//!                                          for k.1 … { acc += … }
//!                                          if k.0 == 0 { C = acc } else { C += acc }
//!                                        }
//!                                      }
//! ```
//!
//! Without a step, the accumulators are outside of all reduced loops, and the result is stored once. Tiles nest: an
//! inner one joins the outer one. Partial results meet in the output itself if it can hold them, else in a tile of
//! their own. Variables with private accumulators (`rfactor`) are dimensions of the tile, joined in their order when it
//! is written.

use crate::expr::{Expr, ExprId, TensorId};
use crate::loops::{Block, BufferKind, LoopKind, Scope, Stmt};
use crate::scalar::Op;
use crate::schedule::nest::{Form, Reduction, Role, VarId};
use crate::schedule::step::Tail;

use super::{Emit, Env, Purpose, Tile};
use crate::schedule::factors::factors;

/// Bytes of a tile that may live on a thread's stack.
pub(super) const STACK_TILE: i64 = 64 << 10;

impl Emit<'_> {
    /// Decides which tiles there are.
    pub(super) fn plan_tiles(&mut self) {
        let nest = self.nest;
        let Some(reduction) = nest.reduction.clone() else { return };
        let joined = nest.joined_level();
        let mut levels: Vec<_> = nest.accumulate.iter().map(|&at| nest.level(Some(at)).max(nest.bound())).collect();
        levels.sort_unstable();
        levels.dedup();
        if levels.first().is_none_or(|&first| first > joined && !self.output_holds_sums(&reduction)) {
            levels.insert(0, joined);
        }
        for (number, level) in levels.into_iter().enumerate() {
            let vars: Vec<_> =
                nest.order[level..].iter().copied().filter(|&v| nest.vars[v].role != Role::Reduced).collect();
            let shape: Vec<_> = vars.iter().map(|&var| nest.vars[var].extent).collect();
            let scope = self.tile_scope(reduction.acc, &vars, &shape);
            let buffer = if number == 0 {
                self.kernel.buffers[reduction.acc].shape = shape;
                self.kernel.buffers[reduction.acc].kind = BufferKind::Temp(scope);
                reduction.acc
            } else {
                let name = format!("{}.{number}", self.kernel.buffers[reduction.acc].name);
                self.buffer(&name, reduction.acc, shape, scope)
            };
            self.plan.tiles.push(Tile { level, buffer, vars });
        }
        self.plan.factors = factors(self.kernel, nest);
        self.plan_parts(&reduction);
    }

    /// Whether partial results can wait in the output: it has their type, and only they go there, each to its own place;
    /// where parts overlap, two have one place.
    fn output_holds_sums(&self, reduction: &Reduction) -> bool {
        let is_result =
            matches!(self.kernel.pool.get(self.nest.result), Expr::Load { tensor, .. } if *tensor == reduction.acc);
        let has_private = self.nest.order.iter().any(|&var| self.nest.vars[var].role == Role::Private);
        let overlaps = |form: &Form| matches!(form, Form::Split { tail: Tail::Overlap, .. });
        is_result
            && !has_private
            && !self.nest.vars.iter().any(|(_, var)| overlaps(&var.form))
            && self.kernel.buffers[self.nest.buffer].dtype == self.kernel.buffers[reduction.acc].dtype
    }

    fn tile_scope(&self, acc: TensorId, vars: &[VarId], shape: &[i64]) -> Scope {
        let written_out = |&var: &VarId| matches!(self.nest.vars[var].kind, LoopKind::Unroll | LoopKind::Vector);
        let bytes = shape.iter().product::<i64>() * self.kernel.buffers[acc].dtype.bytes() as i64;
        if vars.iter().all(written_out) {
            Scope::Register
        } else if bytes <= STACK_TILE || self.nest.bound() > 0 {
            Scope::Stack
        } else {
            Scope::Global
        }
    }

    /// Opens the next tile around what `inner` gives.
    pub(super) fn with_tile(&mut self, env: &Env, inner: &mut dyn FnMut(&mut Self, &Env) -> Block) -> Block {
        let number = env.tiles;
        let reduction = self.nest.reduction.clone().expect("only reductions have tiles");
        let (buffer, vars) = (self.plan.tiles[number].buffer, self.plan.tiles[number].vars.clone());
        let mut body = self.set_neutral(&reduction, buffer, &vars, env);
        let inside = Env { tiles: number + 1, ..env.clone() };
        body.extend(inner(self, &inside));
        body.extend(if number > 0 { self.join_outer(&reduction, number, env) } else { self.write(&reduction, env) });
        vec![Stmt::Alloc { buffer, body }]
    }

    fn set_neutral(&mut self, reduction: &Reduction, buffer: TensorId, vars: &[VarId], env: &Env) -> Block {
        let dtype = self.kernel.buffers[buffer].dtype;
        let neutral = self.kernel.pool.constant(reduction.op.neutral(dtype));
        self.around(vars, env, Purpose::Init, &mut |this, env| {
            vec![Stmt::Store { buffer, at: this.values(vars, env), value: neutral }]
        })
    }

    /// Where the loops inside of `tiles` tiles feed.
    pub(super) fn target(&mut self, tiles: usize, env: &Env) -> (TensorId, Vec<ExprId>) {
        let tile = &self.plan.tiles[tiles - 1];
        let (buffer, vars) = (tile.buffer, tile.vars.clone());
        (buffer, self.values(&vars, env))
    }

    /// Joins a tile to the one around it.
    fn join_outer(&mut self, reduction: &Reduction, number: usize, env: &Env) -> Block {
        let (buffer, vars) = (self.plan.tiles[number].buffer, self.plan.tiles[number].vars.clone());
        self.around(&vars, env, Purpose::Join, &mut |this, env| {
            let sum = this.element(buffer, &vars, env);
            let value = this.scaled(number, sum, env);
            let (outer, at) = this.target(number, env);
            vec![Stmt::Reduce { buffer: outer, at, op: reduction.op, value }]
        })
    }

    /// A sum of a tile, multiplied by what the tile left out.
    fn scaled(&mut self, number: usize, sum: ExprId, env: &Env) -> ExprId {
        if number + 1 < self.plan.tiles.len() {
            return sum;
        }
        let factors = self.plan.factors.clone();
        factors.into_iter().fold(sum, |product, factor| {
            let value = self.padded(factor, &env.guards, env);
            self.kernel.pool.binary(Op::Mul, product, value)
        })
    }

    /// Writes the outermost tile to the result.
    fn write(&mut self, reduction: &Reduction, env: &Env) -> Block {
        let vars = self.plan.tiles[0].vars.clone();
        let (private, spatial): (Vec<_>, Vec<_>) =
            vars.iter().partition(|&&var| self.nest.vars[var].role == Role::Private);
        if !private.is_empty() {
            return self.write_private(reduction, &private, &spatial, env);
        }
        let joined: Vec<_> = self.nest.order[..self.plan.tiles[0].level]
            .iter()
            .copied()
            .filter(|&var| self.nest.vars[var].role == Role::Reduced && self.nest.vars[var].joins())
            .collect();
        let mut store = self.combined(reduction, self.plan.tiles[0].buffer, &spatial, env);
        let delivery = self.write_nest(&spatial, env, reduction, Write::Store);
        store.extend(self.by_the_first(env, delivery));
        if joined.is_empty() {
            return store;
        }
        let mut first = self.kernel.pool.bool(true);
        for var in joined {
            let value = self.value(var, env);
            let zero = self.kernel.pool.int(0);
            let is_first = self.kernel.pool.binary(Op::Eq, value, zero);
            first = self.kernel.pool.and(first, is_first);
        }
        let join = self.write_nest(&spatial, env, reduction, Write::Join);
        vec![Stmt::If { cond: first, then: store, otherwise: join }]
    }

    fn write_nest(&mut self, spatial: &[VarId], env: &Env, reduction: &Reduction, how: Write) -> Block {
        let buffer = self.plan.tiles[0].buffer;
        self.around(spatial, env, Purpose::Write, &mut |this, env| {
            let sum = this.element(buffer, spatial, env);
            let sum = this.scaled(0, sum, env);
            let stmt = match how {
                Write::Store => this.deliver(reduction, sum, env),
                Write::Join => {
                    let at = this.destination(env);
                    Stmt::Reduce { buffer: this.nest.buffer, at, op: reduction.op, value: sum }
                }
            };
            this.guarded_write(env, stmt)
        })
    }

    /// A statement that writes the result: only spatial variables may be outside there.
    fn guarded_write(&mut self, env: &Env, stmt: Stmt) -> Block {
        let is_spatial = |var: &VarId| !self.nest.vars[*var].is_reduced();
        let guards: Vec<_> = env.guards.iter().copied().filter(is_spatial).collect();
        self.guarded(&guards, env, vec![stmt])
    }

    /// Stores what the result makes of a sum.
    pub(super) fn store(&mut self, reduction: &Reduction, sum: ExprId, env: &Env) -> Stmt {
        let acc = reduction.acc;
        let result = self.kernel.pool.map(self.nest.result, &mut |pool, e| match pool.get(e) {
            Expr::Load { tensor, at } if *tensor == acc && at.is_empty() => Some(sum),
            _ => None,
        });
        let value = self.place(result, env);
        Stmt::Store { buffer: self.nest.buffer, at: self.destination(env), value }
    }

    /// Joins private accumulators, then writes: element by element where they are lanes, else tile by tile.
    fn write_private(&mut self, reduction: &Reduction, private: &[VarId], spatial: &[VarId], env: &Env) -> Block {
        let tile = self.plan.tiles[0].buffer;
        let vars = self.plan.tiles[0].vars.clone();
        let in_lanes = private.iter().any(|&var| self.nest.vars[var].kind == LoopKind::Vector);
        let name = format!("{}.sum", self.kernel.buffers[tile].name);
        let dims: Vec<_> = if in_lanes { Vec::new() } else { spatial.to_vec() };
        let shape: Vec<_> = dims.iter().map(|&var| self.nest.vars[var].extent).collect();
        let scope = self.tile_scope(tile, &dims, &shape);
        let sum = self.buffer(&name, tile, shape, scope);
        let finish = |this: &mut Self, around: &[VarId], env: &Env| {
            let mut body = this.set_neutral(reduction, sum, &dims, env);
            let order: Vec<_> = private.iter().chain(around).copied().collect();
            body.extend(this.around(&order, env, Purpose::Join, &mut |this, env| {
                let value = this.element(tile, &vars, env);
                let at = this.values(&dims, env);
                vec![Stmt::Reduce { buffer: sum, at, op: reduction.op, value }]
            }));
            body.extend(this.combined(reduction, sum, &dims, env));
            let delivery = this.around(around, env, Purpose::Write, &mut |this, env| {
                let total = this.element(sum, &dims, env);
                let stmt = this.deliver(reduction, total, env);
                this.guarded_write(env, stmt)
            });
            body.extend(this.by_the_first(env, delivery));
            vec![Stmt::Alloc { buffer: sum, body }]
        };
        if in_lanes {
            self.around(spatial, env, Purpose::Write, &mut |this, env| finish(this, &[], env))
        } else {
            finish(self, spatial, env)
        }
    }
}

/// What writing does to the result.
#[derive(Clone, Copy)]
enum Write {
    Store,
    Join,
}
