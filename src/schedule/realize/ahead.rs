//! Copies that are made one iteration ahead of their use, in two buffers that take turns.
//!
//! ```text
//! pipeline k.0                         A.copy[0, …] = A[…]                       (of the first iteration)
//!                                      alloc A.next: f32[2, 4] register {
//!                                        for k.0 in 32 {
//!                                          barrier
//!                                          if k.0 + 1 < 32 { A.next[…] = A[…] }      (of the next one)
//!                                          … A.copy[k.0 % 2, …] …
//!                                          if k.0 + 1 < 32 { A.copy[(k.0 + 1) % 2, …] = A.next[…] }
//!                                        }
//!                                      }
//! ```
//!
//! With `by N` there are N buffers, and copies go on by themselves, without registers:
//!
//! ```text
//! pipeline k.0 by 3                    A.copy[0, …] = A[…]; wait 1; A.copy[1, …] = A[…]
//!                                      for k.0 in 32 {
//!                                        wait 1                                    (but for the copies of the next one)
//!                                        barrier
//!                                        if k.0 + 2 < 32 { A.copy[(k.0 + 2) % 3, …] = A[…] }
//!                                        … A.copy[k.0 % 3, …] …
//!                                      }
//! ```
//!
//! A last iteration that a ragged split has on its own makes its copy as if nothing were ahead, in the buffer that is its
//! turn.

use crate::expr::ExprId;
use crate::loops::{Block, For, LoopKind, Scope, Stmt};
use crate::scalar::Op;
use crate::schedule::nest::VarId;

use super::open::Inner;
use super::shared::Fill;
use super::{Emit, Env, Purpose};

/// Buffers of a copy that is made ahead.
pub(super) const BUFFERS: i64 = 2;

impl<'a> Emit<'a> {
    /// The subscripts of a copy with that of the buffer whose turn it is.
    pub(super) fn in_turn(&mut self, number: usize, at: Vec<ExprId>, env: &Env) -> Vec<ExprId> {
        let Some((var, buffers)) = self.plan.copies[number].ahead else { return at };
        let value = self.value(var, env);
        let pool = &mut self.kernel.pool;
        let count = pool.int(buffers);
        let turn = pool.binary(Op::Mod, value, count);
        std::iter::once(turn).chain(at).collect()
    }

    /// The loop of a variable, in which copies are made for the next iteration.
    pub(super) fn repeat_ahead(&mut self, var: VarId, trips: i64, env: &Env, inner: Inner<'_, 'a>) -> Block {
        let copies: Vec<_> = (0..self.plan.copies.len())
            .filter(|&copy| self.plan.copies[copy].ahead.is_some_and(|it| it.0 == var))
            .collect();
        let mut block = Block::new();
        if self.nest.level(Some(var)) > self.nest.bound() + 1 {
            // Others may still read what an earlier round of this loop has left.
            block.push(Stmt::Barrier);
        }
        if let Some(&(_, stages)) = self.nest.stages.iter().find(|(known, _)| *known == var) {
            block.extend(self.repeat_in_stages(var, [trips, stages], &copies, env, inner));
            return block;
        }
        let mut first = env.clone();
        first.value.insert(var, self.kernel.pool.int(0));
        for &copy in &copies {
            block.extend(self.fill_copy(copy, Fill::Whole, &first));
        }
        let axis = self.axis(var, Purpose::Compute);
        let pool = &mut self.kernel.pool;
        let (now, one, count) = (pool.axis(axis), pool.int(1), pool.int(trips));
        let next = pool.add(now, one);
        let is_more = pool.binary(Op::Lt, next, count);
        let mut inside = env.clone();
        inside.value.insert(var, now);
        let mut ahead = env.clone();
        ahead.value.insert(var, next);
        inside.copies.extend(&copies);
        let held: Vec<_> = copies.iter().map(|&copy| self.held(copy, &ahead)).collect();
        let (mut fetch, mut put) = (Block::new(), Block::new());
        for (&copy, &held) in copies.iter().zip(&held) {
            fetch.extend(self.fill_copy(copy, Fill::Fetch(held), &ahead));
            put.extend(self.fill_copy(copy, Fill::Put(held), &ahead));
        }
        let mut body = vec![Stmt::Barrier, Stmt::If { cond: is_more, then: fetch, otherwise: Block::new() }];
        body.extend(inner(self, &inside));
        body.push(Stmt::If { cond: is_more, then: put, otherwise: Block::new() });
        let nest = Stmt::For(For { axis, extent: trips, kind: LoopKind::Serial, body });
        let wrap = |body, buffer| Stmt::Alloc { buffer, body: vec![body] };
        block.push(held.into_iter().rev().fold(nest, wrap));
        block
    }

    /// The loop of a variable, in which copies for later iterations go on by themselves.
    fn repeat_in_stages(
        &mut self,
        var: VarId,
        [trips, stages]: [i64; 2],
        copies: &[usize],
        env: &Env,
        inner: Inner<'_, 'a>,
    ) -> Block {
        let mut block = Block::new();
        for stage in 0..stages - 1 {
            if stage > 0 {
                // Makes a group of what is before.
                block.push(Stmt::Wait { pending: stage });
            }
            if stage < trips {
                let mut first = env.clone();
                first.value.insert(var, self.kernel.pool.int(stage));
                for &copy in copies {
                    block.extend(self.fill_copy(copy, Fill::Whole, &first));
                }
            }
        }
        let axis = self.axis(var, Purpose::Compute);
        let pool = &mut self.kernel.pool;
        let (now, far, count) = (pool.axis(axis), pool.int(stages - 1), pool.int(trips));
        let later = pool.add(now, far);
        let is_more = pool.binary(Op::Lt, later, count);
        let mut ahead = env.clone();
        ahead.value.insert(var, later);
        let mut fill = Block::new();
        for &copy in copies {
            fill.extend(self.fill_copy(copy, Fill::Whole, &ahead));
        }
        let mut inside = env.clone();
        inside.value.insert(var, now);
        inside.copies.extend(copies);
        let mut body = vec![Stmt::Wait { pending: stages - 2 }, Stmt::Barrier];
        let fill = Stmt::If { cond: is_more, then: fill, otherwise: Block::new() };
        if self.nest.tensor.is_some_and(|tile| tile.is_group(self.nest)) {
            // Units work by themselves: threads copy while they do.
            body.extend(inner(self, &inside));
            body.push(fill);
        } else {
            body.push(fill);
            body.extend(inner(self, &inside));
        }
        block.push(Stmt::For(For { axis, extent: trips, kind: LoopKind::Serial, body }));
        block
    }

    /// Registers for what a thread has read of a copy.
    fn held(&mut self, number: usize, env: &Env) -> crate::expr::TensorId {
        let shape = self.share_shape(number, env);
        let copy = self.plan.copies[number].buffer;
        let name = self.kernel.buffers[copy].name.replacen(".copy", ".next", 1);
        self.buffer(&name, copy, shape, Scope::Register)
    }
}
