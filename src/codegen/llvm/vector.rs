//! Vector loops: the iterations are the lanes of every value that uses their axis.
//!
//! ```text
//! vector for v in 8 {                      %0 = load <8 x float>, ptr %x
//!   if v < n[0] { y[v] = 2.0 * x[v] }      %1 = fmul <8 x float> splat (float 2.0), %0
//!   s[] += x[v]                            call @llvm.masked.store(%1, %y, %mask)
//! }                                        two shuffles and sums to add the halves, and one sum with s
//! ```
//!
//! There is no loop left, and no block either, unless a statement inside needs one. A condition that differs between
//! lanes becomes a mask, and both of its sides run. A reduction of all lanes into one element combines halves with
//! halves, which is the same order every time.

use super::access::{Lanes, Spot};
use super::body::Body;
use super::ir::Value;
use super::ops::{self, Known};
use super::stmt::Term;
use crate::expr::{AxisId, ExprId, TensorId};
use crate::loops::{For, Stmt};
use crate::scalar::{DType, ReduceOp};

impl<'ctx, 'k> Body<'ctx, 'k> {
    /// A loop whose iterations are lanes.
    pub(super) fn vector(&mut self, nest: &For) {
        // No scope: what was computed for these lanes may serve the next loop of the same axis.
        self.in_lanes(nest.axis, nest.extent as u32, |body| body.block(&nest.body));
    }

    /// What `inner` gives where the values of an axis are lanes.
    pub(super) fn in_lanes<T>(&mut self, axis: AxisId, count: u32, inner: impl FnOnce(&mut Self) -> T) -> T {
        let values: Vec<_> = (0..i64::from(count)).collect();
        let values = self.cx.ir.ints(self.cx.register(DType::I64), &values);
        self.axes.insert(axis, values);
        self.lanes = Some(Lanes { axis, count, mask: None });
        let result = inner(self);
        self.lanes = None;
        self.axes.remove(axis);
        result
    }

    /// Statements under a condition that differs between lanes.
    pub(super) fn masked_condition(&mut self, cond: Value<'ctx>, then: &[Stmt], otherwise: &[Stmt]) {
        self.under(cond, |body| body.block(then));
        if !otherwise.is_empty() {
            let refused = self.cx.ir.not(cond);
            self.under(refused, |body| body.block(otherwise));
        }
    }

    /// Runs `inner` for the lanes that also keep `cond`; nothing if there are none.
    pub(super) fn under(&mut self, cond: Value<'ctx>, inner: impl FnOnce(&mut Self)) {
        let around = self.lanes;
        let mask = match self.mask() {
            Some(mask) => self.cx.ir.and(mask, cond),
            None => cond,
        };
        if mask.is_zero() {
            return;
        }
        let mask = if mask.is_ones() { None } else { Some(mask) };
        self.lanes = around.map(|lanes| Lanes { mask, ..lanes });
        self.memo.push();
        inner(self);
        self.memo.pop();
        self.lanes = around;
    }

    /// A choice between values that differs between lanes: each side is computed for its own lanes.
    pub(super) fn choose_lanes(&mut self, cond: Value<'ctx>, then: ExprId, otherwise: ExprId) -> Value<'ctx> {
        let refused = self.cx.ir.not(cond);
        let mut sides = [None, None];
        for (side, (cond, id)) in sides.iter_mut().zip([(cond, then), (refused, otherwise)]) {
            self.under(cond, |body| *side = Some(body.value(id)));
        }
        match sides {
            [Some(a), Some(b)] => {
                let lanes = cond.lanes().expect("a mask is a vector");
                self.cx.ir.select(cond, self.cx.ir.splat(a, lanes), self.cx.ir.splat(b, lanes))
            }
            [Some(only), None] | [None, Some(only)] => only,
            // No lane runs at all: anything will do.
            [None, None] => self.constant(crate::scalar::Const::int(self.kernel.pool.dtype(then), 0)),
        }
    }

    /// `buffer[at] = value` in every lane that runs.
    pub(super) fn assign_lanes(&mut self, buffer: TensorId, at: &[ExprId], value: Value<'ctx>) {
        let spot = self.spot(buffer, at);
        let Some(mask) = self.mask() else {
            // The last of all lanes stays.
            let value = match (spot, value.lanes()) {
                (Spot::One(_), Some(lanes)) => self.cx.ir.lane(value, lanes - 1),
                _ => value,
            };
            return self.store(buffer, value, spot, None);
        };
        if matches!(spot, Spot::Near(..)) && self.is_on_stack(buffer) && self.is_inside(buffer, at) {
            let old = self.read(buffer, spot, None);
            let (value, old) = self.cx.ir.alike(value, old);
            let new = self.cx.ir.select(mask, value, old);
            return self.store(buffer, new, spot, None);
        }
        self.store(buffer, value, spot, Some(mask));
    }

    /// Joins one value to an element for each lane, or those of all lanes to one element.
    pub(super) fn reduce_lanes(&mut self, buffer: TensorId, at: &[ExprId], op: ReduceOp, value: ExprId) {
        let spot = self.spot(buffer, at);
        match spot {
            Spot::One(_) => self.reduce_to_one(buffer, at, spot, op, value),
            Spot::Near(_, offsets) if all_differ(offsets) => self.reduce_each(buffer, at, spot, op, value),
            Spot::Near(..) | Spot::Each(_) => self.reduce_in_turn(buffer, spot, op, value),
        }
    }

    fn reduce_each(&mut self, buffer: TensorId, at: &[ExprId], spot: Spot<'ctx, 'k>, op: ReduceOp, value: ExprId) {
        let outside = self.mask().filter(|_| !self.is_inside(buffer, at));
        let term = self.term(op, value);
        let old = self.read(buffer, spot, outside);
        let new = self.join(buffer, op, old, term);
        match self.mask() {
            Some(mask) if outside.is_none() && self.is_on_stack(buffer) => {
                let (new, old) = self.cx.ir.alike(new, old);
                let new = self.cx.ir.select(mask, new, old);
                self.store(buffer, new, spot, None);
            }
            mask => self.store(buffer, new, spot, mask),
        }
    }

    fn reduce_to_one(&mut self, buffer: TensorId, at: &[ExprId], spot: Spot<'ctx, 'k>, op: ReduceOp, value: ExprId) {
        let dtype = self.kernel.buffers[buffer].dtype;
        let value = self.value(value);
        let count = self.lanes.map_or(1, |lanes| lanes.count);
        let mut all = self.cx.ir.splat(value, count);
        let mask = self.mask();
        if let Some(mask) = mask {
            let neutral = self.cx.ir.splat(self.constant(op.neutral(dtype)), count);
            all = self.cx.ir.select(mask, all, neutral);
        }
        let total = self.combine(op, dtype, all);
        let join = |body: &mut Self| {
            let old = body.read(buffer, spot, None);
            let new = body.join(buffer, op, old, Term::Plain(total));
            body.store(buffer, new, spot, None);
        };
        match mask {
            Some(mask) if !(self.is_on_stack(buffer) && self.is_inside(buffer, at)) => {
                let any = self.any(mask);
                self.when(any, join);
            }
            _ => join(self),
        }
    }

    /// All lanes as one value: halves with halves.
    fn combine(&self, op: ReduceOp, dtype: DType, mut value: Value<'ctx>) -> Value<'ctx> {
        while let Some(lanes) = value.lanes().filter(|&lanes| lanes > 1) {
            let halves = (self.cx.ir.part(value, 0, lanes / 2), self.cx.ir.part(value, lanes / 2, lanes / 2));
            value = ops::binary(self.cx, op.combine(), dtype, halves, Known::default());
        }
        self.cx.ir.lane(value, 0)
    }

    /// Lanes that may meet in one element: one after another.
    fn reduce_in_turn(&mut self, buffer: TensorId, spot: Spot<'ctx, 'k>, op: ReduceOp, value: ExprId) {
        let dtype = self.kernel.buffers[buffer].dtype;
        let value = self.value(value);
        for lane in 0..self.lanes.map_or(0, |lanes| lanes.count) {
            let ir = &self.cx.ir;
            let at = match spot {
                Spot::One(at) => at,
                Spot::Near(base, offsets) => self.beside(dtype, base, offsets[lane as usize]),
                Spot::Each(at) => ir.lane(at, lane),
            };
            let own = if value.lanes().is_some() { ir.lane(value, lane) } else { value };
            let join = |body: &mut Self| {
                let old = body.read(buffer, Spot::One(at), None);
                let new = body.join(buffer, op, old, Term::Plain(own));
                body.store(buffer, new, Spot::One(at), None);
            };
            match self.mask().map(|mask| ir.lane(mask, lane)) {
                Some(runs) => self.when(runs, join),
                None => join(self),
            }
        }
    }
}

fn all_differ(offsets: &[i64]) -> bool {
    offsets.iter().collect::<std::collections::BTreeSet<_>>().len() == offsets.len()
}
