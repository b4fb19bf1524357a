//! Copies that go on by themselves: what is stored to an `async` buffer and was just loaded from main memory does not pass
//! through the thread's registers.
//!
//! ```text
//! vector for l in 8 { A.copy[m, l] = if i < 60 { A[8 * m + l] } else { 0.0 } }
//!     ==>   ftc_send<16>(&A_copy[m][0], &A[8 * m], i < 60);
//! ```
//!
//! 4, 8 or 16 bytes go at once, or zeros. All else is stored as everywhere, which is as good: then it is there earlier.

use crate::expr::{Expr, ExprId, TensorId};
use crate::loops::{BufferKind, For, LoopKind, Scope};

use super::flat::is_main;
use super::write::Writer;

/// The first architecture with such copies.
const SINCE: u32 = 80;

impl Writer<'_> {
    /// Writes a store as such a copy, if it can be one; of all lanes of a loop, if one is around it.
    pub(super) fn send(&mut self, buffer: TensorId, at: &[ExprId], value: ExprId, lanes: Option<&For>) -> bool {
        if self.kernel.buffers[buffer].kind != BufferKind::Temp(Scope::Async) || self.sm < SINCE {
            return false;
        }
        let (mut load, mut conds) = (value, Vec::new());
        while let Expr::Select { cond, then, otherwise } = *self.pool.get(load) {
            let is_zero = self.pool.as_const(otherwise).is_some_and(|value| value.to_f64().to_bits() == 0);
            if !is_zero || self.pool.has_load(cond) || lanes.is_some_and(|l| self.pool.axes(cond).contains(&l.axis)) {
                return false;
            }
            conds.push(cond);
            load = then;
        }
        let Expr::Load { tensor, at: source } = self.pool.get(load).clone() else { return false };
        let bytes = self.kernel.buffers[buffer].dtype.bytes() as i64 * lanes.map_or(1, |l| l.extent);
        if !is_main(&self.kernel.buffers[tensor].kind) || ![4, 8, 16].contains(&bytes) {
            return false;
        }
        let places = match lanes {
            Some(l) => self.start(buffer, at, l).zip(self.start(tensor, &source, l)),
            None => Some((self.place(buffer, at), self.place(tensor, &source))),
        };
        let Some((to, from)) = places else { return false };
        let conds: Vec<_> = conds.into_iter().map(|cond| format!("({})", self.text(cond))).collect();
        let cond = if conds.is_empty() { String::new() } else { format!(", {}", conds.join(" && ")) };
        self.line(&format!("ftc_send<{bytes}>(&{to}, &{from}{cond});"));
        true
    }

    /// What was stored so far is a group; all but the last few of them are to be there.
    pub(super) fn wait(&mut self, pending: i64) {
        if self.sm >= SINCE {
            self.line(&format!("ftc_wait<{pending}>();"));
        }
    }

    /// Whether a loop is the lanes of one such copy, which it then has written.
    pub(super) fn sends(&mut self, l: &For) -> bool {
        let [crate::loops::Stmt::Store { buffer, at, value }] = l.body.as_slice() else { return false };
        l.kind == LoopKind::Vector && self.send(*buffer, at, *value, Some(l))
    }
}
