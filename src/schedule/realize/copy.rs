//! Copies of operands, made in the order in which they are read.
//!
//! ```text
//! stage B at k.0 as [k.1, j.1]         for k.0 in 4 {
//!                                        alloc B.copy: f32[256, 16] stack {
//!                                          for k.1.copy in 256 { for j.1.copy in 16 {
//!                                            B.copy[k.1.copy, j.1.copy] = B[k.0 * 256 + k.1.copy, …]
//!                                          } }
//!                                          … B.copy[k.1, j.1] …
//!                                        }
//!                                      }
//! ```
//!
//! Where neighbours in memory are not neighbours in the copy, vectors of them are read and turned in registers.
//!
//! A read with a default is copied with its default, so that its condition is not tested where the copy is used; so is
//! the padding of ragged parts.

use crate::expr::{AxisId, Expr, ExprId, TensorId, affine};
use crate::loops::{Block, BufferKind, For, LoopKind, Scope, Stmt};
use crate::scalar::Const;
use crate::schedule::nest::{Form, Layout, VarId};

use super::ahead::BUFFERS;
use super::{Along, Emit, Env, Purpose, Staged};

/// Neighbours that a copy reads at once.
pub(super) const LANES: i64 = 16;

impl Emit<'_> {
    /// Decides which buffers copies need.
    pub(super) fn plan_copies(&mut self) {
        let nest = self.nest;
        for copy in &nest.copies {
            let reach = nest.reach(copy.at, copy.scope);
            let shape = match &copy.layout {
                Layout::Loops(vars) => vars.iter().map(|&var| nest.vars[var].extent).collect(),
                Layout::Window(dims, _) => self.window_shape(dims, reach),
            };
            let like = self.loaded(copy.operand);
            let shape = if reach.shared { self.shared_shape(copy.operand, &copy.layout, shape) } else { shape };
            let ahead = copy.at.filter(|at| reach.shared && nest.pipelined.contains(at));
            let stages = ahead.and_then(|at| nest.stages.iter().find(|(known, _)| *known == at));
            let ahead = ahead.map(|at| (at, stages.map_or(BUFFERS, |&(_, stages)| stages)));
            let shape = ahead.map_or_else(|| shape.clone(), |(_, buffers)| [vec![buffers], shape.clone()].concat());
            let scope = if stages.is_some() { Scope::Async } else { copy.scope };
            let buffer = self.buffer(&format!("{}.copy", copy.name), like, shape, scope);
            self.plan.copies.push(Staged { reach, buffer, operand: copy.operand, layout: copy.layout.clone(), ahead });
        }
    }

    /// The tensor that an operand loads.
    pub(super) fn loaded(&self, operand: ExprId) -> TensorId {
        let mut found = None;
        self.kernel.pool.visit(operand, &mut |_, expr| {
            if let Expr::Load { tensor, .. } = expr {
                found = Some(*tensor);
            }
        });
        found.expect("an operand loads a tensor")
    }

    /// Makes a copy around what `inner` gives.
    pub(super) fn with_copy(
        &mut self,
        number: usize,
        env: &Env,
        inner: &mut dyn FnMut(&mut Self, &Env) -> Block,
    ) -> Block {
        if self.plan.copies[number].reach.shared {
            return self.with_shared_copy(number, env, inner);
        }
        let buffer = self.plan.copies[number].buffer;
        let starts_threads = self.has_threads_inside(number) && !env.threads;
        let mut body = match self.plan.copies[number].layout.clone() {
            Layout::Loops(vars) => self.in_loops(number, &vars, starts_threads, env),
            Layout::Window(dims, default) => self.in_window(number, &dims, default, env),
        };
        if starts_threads {
            on_threads(&mut body);
        }
        if self.kernel.buffers[buffer].kind == BufferKind::Temp(Scope::Register) {
            written_out(&mut body);
        }
        let mut inside = env.clone();
        inside.copies.push(number);
        body.extend(inner(self, &inside));
        vec![Stmt::Alloc { buffer, body }]
    }

    /// A copy with a dimension for each loop.
    fn in_loops(&mut self, number: usize, layout: &[VarId], starts_threads: bool, env: &Env) -> Block {
        let (buffer, operand) = (self.plan.copies[number].buffer, self.plan.copies[number].operand);
        let along = self.along(operand, layout);
        let making = Env { along, threads: env.threads || starts_threads, ..env.clone() };
        self.around(layout, &making, Purpose::Copy, &mut |this, env| {
            let value = this.padded_operand(operand, env);
            let at = this.values(layout, env);
            match env.along {
                Along::Lanes(axis, var) => vec![this.over_lanes(axis, var, buffer, at, value)],
                _ => vec![Stmt::Store { buffer, at, value }],
            }
        })
    }

    /// An operand, or 0 where a variable is outside.
    pub(super) fn padded_operand(&mut self, operand: ExprId, env: &Env) -> ExprId {
        let mut value = self.place(operand, env);
        let used = self.kernel.pool.axes(operand);
        for &var in &env.guards {
            if self.naive_axes(var).iter().any(|axis| used.contains(axis)) {
                let cond = self.inside(var, env);
                let pool = &mut self.kernel.pool;
                let zero = pool.constant(Const::int(pool.dtype(value), 0));
                value = pool.select(cond, value, zero);
            }
        }
        value
    }

    /// The loop over the lanes of a vector, innermost in a copy; peeling may have made several of it.
    fn over_lanes(&mut self, lane: AxisId, var: VarId, buffer: TensorId, at: Vec<ExprId>, value: ExprId) -> Stmt {
        let axis = if self.names.reused.insert(lane) { lane } else { self.axis(var, Purpose::Copy) };
        let pool = &mut self.kernel.pool;
        let now = pool.axis(axis);
        let mut moved = |expr| pool.substitute(expr, &|other| (other == lane).then_some(now));
        let at = at.into_iter().map(&mut moved).collect();
        let store = Stmt::Store { buffer, at, value: moved(value) };
        Stmt::For(For { axis, extent: LANES, kind: LoopKind::Vector, body: vec![store] })
    }

    /// Finds the variable along which neighbours in memory are read.
    fn along(&self, operand: ExprId, layout: &[VarId]) -> Along {
        let Some(&last) = layout.last() else { return Along::Steps };
        if self.nest.bound() > 0 {
            return Along::Steps;
        }
        let contiguous = layout.iter().copied().find(|&var| self.is_contiguous(operand, var));
        match contiguous {
            _ if self.nest.vars[last].kind == LoopKind::Vector => Along::Vector(last),
            Some(var) if var == last || self.nest.vars[last].extent <= LANES => Along::Split(var),
            _ => Along::Steps,
        }
    }

    /// Whether neighbouring values of a variable read neighbouring elements.
    pub(super) fn is_contiguous(&self, operand: ExprId, var: VarId) -> bool {
        let nest = self.nest;
        let root = match nest.vars[var].part_of {
            None => var,
            Some((whole, index)) => match &nest.vars[whole].form {
                Form::Split { parts, .. } if index + 1 == parts.len() => whole,
                _ => return false,
            },
        };
        let Some(axis) = nest.vars[root].axis else { return false };
        let pool = &self.kernel.pool;
        let mut found = false;
        pool.visit(operand, &mut |_, expr| {
            if let Expr::Load { at, .. } = expr
                && let Some((&last, outer)) = at.split_last()
            {
                let view = affine::linear(pool, last);
                let unit = |(&atom, &step): (&ExprId, &i64)| step == 1 && *pool.get(atom) == Expr::Axis(axis);
                let uses = |&expr: &ExprId| pool.axes(expr).contains(&axis);
                found = view.terms.iter().any(unit) && view.terms.keys().filter(|&atom| uses(atom)).count() == 1;
                found &= !outer.iter().any(uses);
            }
        });
        found
    }

    /// The loop of a variable of which [`LANES`] values are read at once, further inside.
    pub(super) fn repeat_lanes(
        &mut self,
        var: VarId,
        trips: i64,
        env: &Env,
        inner: &mut dyn FnMut(&mut Self, &Env) -> Block,
    ) -> Block {
        let (outer, lane) = (self.axis(var, Purpose::Copy), self.axis(var, Purpose::Copy));
        let pool = &mut self.kernel.pool;
        let (start, lanes, offset) = (pool.axis(outer), pool.int(LANES), pool.axis(lane));
        let start = pool.mul(start, lanes);
        let value = pool.add(start, offset);
        let mut env = env.clone();
        env.value.insert(var, value);
        env.along = Along::Lanes(lane, var);
        let body = inner(self, &env);
        let kind = if env.threads { LoopKind::Serial } else { self.kind(var, &env, Purpose::Copy) };
        vec![Stmt::For(For { axis: outer, extent: trips / LANES, kind, body })]
    }

    /// How a loop of a copy runs: copies are not written out, for they may be long, but for what is turned in registers.
    pub(super) fn copy_kind(&self, var: VarId, env: &Env) -> LoopKind {
        let is_last = |var| {
            self.plan.copies.iter().any(|copy| matches!(&copy.layout, Layout::Loops(vars) if vars.last() == Some(&var)))
        };
        match (self.nest.vars[var].kind, env.along) {
            (LoopKind::Vector, Along::Vector(last)) if last == var => LoopKind::Vector,
            (LoopKind::Parallel, _) if !env.threads => LoopKind::Parallel,
            // What one thread of a GPU copies is to be in registers.
            (LoopKind::Unroll, _) if self.nest.bound() > 0 => LoopKind::Unroll,
            (_, Along::Lanes(_, split)) if split != var && is_last(var) => LoopKind::Unroll,
            _ => LoopKind::Serial,
        }
    }

    /// Whether a copy is used by threads that start inside of its level.
    fn has_threads_inside(&self, number: usize) -> bool {
        let inside = &self.nest.order[self.plan.copies[number].reach.level..];
        inside.iter().any(|&var: &VarId| self.nest.vars[var].kind == LoopKind::Parallel)
    }
}

/// Runs the outermost loop of each statement on threads.
fn on_threads(block: &mut Block) {
    for stmt in block {
        if let Stmt::For(outer) = stmt
            && outer.kind == LoopKind::Serial
        {
            outer.kind = LoopKind::Parallel;
        }
    }
}

/// Writes all loops out: so subscripts are numbers.
fn written_out(block: &mut Block) {
    for stmt in block {
        if let Stmt::For(inner) = stmt {
            if inner.kind == LoopKind::Serial {
                inner.kind = LoopKind::Unroll;
            }
            written_out(&mut inner.body);
        }
    }
}
