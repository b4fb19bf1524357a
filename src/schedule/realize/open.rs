//! The loop of a variable, with what its tail asks for.
//!
//! A part of a split knows how many values of the whole are left for it. Where these do not fill all its iterations:
//!
//! ```text
//! peel                     for i.0 in 3 { … }  …          the last one on its own, with smaller loops inside
//! peel, if on threads      for i.0 in 4 { if i.0 < 3 { … } else { … } }
//! guard, pad               for i.0 in 4 { … }             and the statement inside sees to it
//! overlap                  for i.0 in 4 { … }             but starts at min(i.0 * 16, 49 - 16)
//! ```
//!
//! Loops that make a launch on a GPU run whole, all parts of their variables do, and the statement inside sees to it.
//!
//! A vector whose lanes are not all left keeps its width, as if padded, so that accumulators stay whole registers.

use crate::expr::ExprId;
use crate::loops::{Block, For, LoopKind, Stmt};
use crate::scalar::Op;
use crate::schedule::nest::{Form, Role, VarId};
use crate::schedule::step::Tail;

use super::copy::LANES;
use super::{Along, Emit, Env, Purpose};

/// What goes inside a loop.
pub(super) type Inner<'b, 'a> = &'b mut dyn FnMut(&mut Emit<'a>, &Env) -> Block;

/// A part of a split variable whose outer parts are open.
#[derive(Clone, Copy)]
struct Part {
    var: VarId,
    whole: VarId,
    index: usize,
    /// Iterations that are full.
    full: i64,
    /// Values of the whole in one of them.
    stride: i64,
    /// Values left for one more.
    rest: i64,
}

impl Env {
    fn with_value(&self, var: VarId, value: ExprId) -> Self {
        let mut env = self.clone();
        env.value.insert(var, value);
        env
    }

    /// Inside of a part, so many values are left for the next one.
    fn with_left(&self, part: Part, left: i64) -> Self {
        let mut env = self.clone();
        env.left.insert(part.whole, (part.index + 1, left));
        env
    }

    fn with_guard(&self, whole: VarId) -> Self {
        let mut env = self.clone();
        if !env.guards.contains(&whole) {
            env.guards.push(whole);
        }
        env
    }
}

impl<'a> Emit<'a> {
    /// The loop of a variable around what `inner` gives.
    pub(super) fn open(&mut self, var: VarId, env: &Env, purpose: Purpose, inner: Inner<'_, 'a>) -> Block {
        let extent = self.nest.vars[var].extent;
        if self.nest.vars[var].role == Role::Private && !matches!(purpose, Purpose::Compute | Purpose::Copy) {
            // All private accumulators are set and joined, those that the tail does not feed, too.
            return self.repeat(var, extent, env, purpose, inner);
        }
        let Some((whole, index)) = self.nest.vars[var].part_of else {
            let fused = self.fused_into(var);
            return self.repeat(var, extent, env, purpose, &mut |this, env| this.settle(&fused, env, inner));
        };
        if env.guards.contains(&whole) {
            return self.repeat(var, extent, env, purpose, inner);
        }
        if self.runs_whole(whole) {
            return self.repeat(var, extent, &env.with_guard(whole), purpose, inner);
        }
        let Some(part) = self.part(var, whole, index, env) else {
            // The parts are not opened in their order: each runs whole.
            let env = if self.nest.fills(whole) { env.clone() } else { env.with_guard(whole) };
            return self.repeat(var, extent, &env, purpose, inner);
        };
        if self.nest.vars[var].kind == LoopKind::Vector && part.stride == 1 && part.full < extent {
            return self.repeat(var, extent, &env.with_guard(whole), purpose, inner);
        }
        if part.rest == 0 {
            return self.repeat(var, part.full, &env.with_left(part, part.stride), purpose, inner);
        }
        let on_threads = self.nest.vars[var].kind == LoopKind::Parallel && !env.threads;
        if self.tail(whole) != Tail::Peel || on_threads {
            return self.repeat(var, part.full + 1, env, purpose, &mut |this, env| this.versions(part, env, inner));
        }
        let mut block = Block::new();
        if part.full > 0 {
            block = self.repeat(var, part.full, &env.with_left(part, part.stride), purpose, inner);
        }
        block.extend(self.last(part, env, inner));
        block
    }

    /// The last iteration, which is not full.
    fn last(&mut self, part: Part, env: &Env, inner: Inner<'_, 'a>) -> Block {
        let value = self.kernel.pool.int(part.full);
        inner(self, &env.with_left(part, part.rest).with_value(part.var, value))
    }

    /// What is inside a loop that runs for the last iteration, too.
    fn versions(&mut self, part: Part, env: &Env, inner: Inner<'_, 'a>) -> Block {
        match self.tail(part.whole) {
            // The last one is all there is; inner parts may overlap yet.
            Tail::Overlap | Tail::Peel if part.full == 0 => self.last(part, env, inner),
            Tail::Guard | Tail::Pad => inner(self, &env.with_left(part, part.stride).with_guard(part.whole)),
            Tail::Overlap => {
                let start = self.overlapped(part, env);
                let mut env = env.with_left(part, part.stride);
                env.start.insert(part.whole, (part.index + 1, start));
                inner(self, &env)
            }
            Tail::Peel => {
                let value = self.value(part.var, env);
                let full = self.kernel.pool.int(part.full);
                let cond = self.kernel.pool.binary(Op::Lt, value, full);
                let then = inner(self, &env.with_left(part, part.stride));
                // The value stays the loop's, not a number: so it shows that iterations write different places.
                let otherwise = inner(self, &env.with_left(part, part.rest));
                vec![Stmt::If { cond, then, otherwise }]
            }
        }
    }

    /// Where an iteration starts, so that it ends inside.
    fn overlapped(&mut self, part: Part, env: &Env) -> ExprId {
        let Form::Split { parts, .. } = &self.nest.vars[part.whole].form else { unreachable!("it has parts") };
        let start = self.sum(None, parts, part.index + 1, env);
        let last = self.nest.vars[part.whole].extent - part.stride;
        let pool = &mut self.kernel.pool;
        let last = pool.int(last);
        pool.binary(Op::Min, start, last)
    }

    /// Sees to the parts of splits among the variables that were fused.
    fn settle(&mut self, fused: &[VarId], env: &Env, inner: Inner<'_, 'a>) -> Block {
        let Some((&var, rest)) = fused.split_first() else { return inner(self, env) };
        let part = self.nest.vars[var].part_of.and_then(|(whole, index)| self.part(var, whole, index, env));
        match part {
            None => self.settle(rest, env, inner),
            Some(part) if self.runs_whole(part.whole) => self.settle(rest, &env.with_guard(part.whole), inner),
            Some(part) => {
                let value = self.value(var, env);
                let env = env.with_value(var, value);
                if part.rest == 0 {
                    return self.settle(rest, &env.with_left(part, part.stride), inner);
                }
                self.versions(part, &env, &mut |this, env| this.settle(rest, env, inner))
            }
        }
    }

    /// The variables that were fused into one.
    fn fused_into(&self, var: VarId) -> Vec<VarId> {
        let is_fused = |form: &Form| matches!(form, Form::Fused { into, .. } if *into == var);
        self.nest.vars.iter().filter(|(_, other)| is_fused(&other.form)).map(|(id, _)| id).collect()
    }

    /// What is left for a part, if its outer parts are open and its inner parts are not.
    fn part(&self, var: VarId, whole: VarId, index: usize, env: &Env) -> Option<Part> {
        let Form::Split { parts, .. } = &self.nest.vars[whole].form else { return None };
        let is_open = |part: &VarId| env.value.get(*part).is_some();
        if !parts[..index].iter().all(is_open) || parts[index + 1..].iter().any(is_open) {
            return None;
        }
        let left = match env.left.get(whole) {
            _ if index == 0 => self.nest.vars[whole].extent,
            Some(&(next, left)) if next == index => left,
            // A part outside of it was opened out of order.
            _ => return None,
        };
        let stride = self.nest.stride(parts, index);
        Some(Part { var, whole, index, full: left / stride, stride, rest: left % stride })
    }

    fn tail(&self, whole: VarId) -> Tail {
        if let Form::Split { tail, .. } = self.nest.vars[whole].form { tail } else { Tail::Peel }
    }

    /// Whether the loops of a ragged variable run whole, since they are coordinates of a launch, all or some of them.
    fn runs_whole(&self, whole: VarId) -> bool {
        self.nest.is_bound(whole) && !self.nest.fills(whole)
    }

    /// A loop with so many iterations; none if it is one.
    fn repeat(&mut self, var: VarId, trips: i64, env: &Env, purpose: Purpose, inner: Inner<'_, 'a>) -> Block {
        let is_bound = matches!(self.nest.vars[var].kind, LoopKind::Grid(_) | LoopKind::Block(_));
        if trips == 1 && !is_bound {
            let first = self.kernel.pool.int(0);
            return inner(self, &env.with_value(var, first));
        }
        if env.along == Along::Split(var) && trips % LANES == 0 {
            return self.repeat_lanes(var, trips, env, inner);
        }
        if purpose == Purpose::Compute && self.nest.pipelined.contains(&var) {
            return self.repeat_ahead(var, trips, env, inner);
        }
        let axis = self.axis(var, purpose);
        let kind = self.kind(var, env, purpose);
        let value = self.kernel.pool.axis(axis);
        let mut env = env.with_value(var, value);
        env.threads |= kind == LoopKind::Parallel;
        let body = inner(self, &env);
        vec![Stmt::For(For { axis, extent: trips, kind, body })]
    }

    /// Threads are not started on threads, and do not join to one element; copies are not written out, for they may be long.
    pub(super) fn kind(&self, var: VarId, env: &Env, purpose: Purpose) -> LoopKind {
        match self.nest.vars[var].kind {
            LoopKind::Parallel if env.threads || purpose == Purpose::Join => LoopKind::Serial,
            _ if purpose == Purpose::Copy => self.copy_kind(var, env),
            // Threads meet once for each lane.
            LoopKind::Vector if purpose == Purpose::Combine => LoopKind::Unroll,
            kind => kind,
        }
    }
}
