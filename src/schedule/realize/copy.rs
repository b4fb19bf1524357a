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
//! A read with a default is copied with its default, so that its condition is not tested where the copy is used; so is
//! the padding of ragged parts.

use crate::expr::TensorId;
use crate::loops::{Block, LoopKind, Stmt};
use crate::scalar::Const;
use crate::schedule::nest::VarId;

use super::{Emit, Env, Purpose, Staged};

impl<'a> Emit<'a> {
    /// Decides which buffers copies need.
    pub(super) fn plan_copies(&mut self) {
        let nest = self.nest;
        for copy in &nest.copies {
            let shape = copy.layout.iter().map(|&var| nest.vars[var].extent).collect();
            let like = self.loaded(copy.operand);
            let buffer = self.buffer(&format!("{}.copy", copy.name), like, shape, copy.scope);
            let level = nest.level(copy.at);
            self.copies.push(Staged { level, buffer, operand: copy.operand, layout: copy.layout.clone() });
        }
    }

    /// The tensor that an operand loads.
    fn loaded(&self, operand: crate::expr::ExprId) -> TensorId {
        let mut found = None;
        self.kernel.pool.visit(operand, &mut |_, expr| {
            if let crate::expr::Expr::Load { tensor, .. } = expr {
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
        let (buffer, operand) = (self.copies[number].buffer, self.copies[number].operand);
        let layout = self.copies[number].layout.clone();
        let starts_threads = self.has_threads_inside(number) && !env.threads;
        let making = Env { lanes: layout.last().copied(), threads: env.threads || starts_threads, ..env.clone() };
        let mut body = self.around(&layout, &making, Purpose::Copy, &mut |this, env| {
            let mut value = this.place(operand, env);
            let used = this.kernel.pool.axes(operand);
            for &var in &env.guards {
                if this.naive_axes(var).iter().any(|axis| used.contains(axis)) {
                    let cond = this.inside(var, env);
                    let pool = &mut this.kernel.pool;
                    let zero = pool.constant(Const::int(pool.dtype(value), 0));
                    value = pool.select(cond, value, zero);
                }
            }
            vec![Stmt::Store { buffer, at: this.values(&layout, env), value }]
        });
        if starts_threads {
            on_threads(&mut body);
        }
        let mut inside = env.clone();
        inside.copies.push(number);
        body.extend(inner(self, &inside));
        vec![Stmt::Alloc { buffer, body }]
    }

    /// Whether a copy is used by threads that start inside of its level.
    fn has_threads_inside(&self, number: usize) -> bool {
        let inside = &self.nest.order[self.copies[number].level..];
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
