//! Expressions as values, computed where the builder stands.
//!
//! An expression that occurs several times is computed once: values are remembered per scope, and a scope is a
//! region that dominates all that follows in it (a loop's body, a branch). What loads from an output or a temporary is
//! forgotten with the statement, which may have stored there.

use std::collections::HashMap;

use super::body::Body;
use super::convert;
use super::ir::Value;
use super::ops::{self, Known};
use crate::expr::range::Interval;
use crate::expr::{Expr, ExprId};
use crate::scalar::{Const, DType, Op};

/// Values computed already, innermost scope last.
#[derive(Default)]
pub(super) struct Memo<'ctx> {
    scopes: Vec<Scope<'ctx>>,
}

#[derive(Default)]
struct Scope<'ctx> {
    fixed: HashMap<ExprId, Value<'ctx>>,
    varying: HashMap<ExprId, Value<'ctx>>,
}

impl<'ctx> Memo<'ctx> {
    fn get(&self, id: ExprId) -> Option<Value<'ctx>> {
        let find = |scope: &Scope<'ctx>| scope.fixed.get(&id).or_else(|| scope.varying.get(&id)).copied();
        self.scopes.iter().rev().find_map(find)
    }

    /// Whether a value is known.
    pub(super) fn has(&self, id: ExprId) -> bool {
        self.get(id).is_some()
    }

    pub(super) fn insert(&mut self, id: ExprId, value: Value<'ctx>, varies: bool) {
        let scope = self.scopes.last_mut().expect("statements stand in a scope");
        if varies { &mut scope.varying } else { &mut scope.fixed }.insert(id, value);
    }

    /// Enters a region.
    pub(super) fn push(&mut self) {
        self.scopes.push(Scope::default());
    }

    /// Leaves it.
    pub(super) fn pop(&mut self) {
        self.scopes.pop();
    }

    /// Forgets what a store may change.
    pub(super) fn forget_varying(&mut self) {
        self.scopes.last_mut().expect("statements stand in a scope").varying.clear();
    }
}

impl<'ctx> Body<'ctx, '_> {
    /// The value of an expression, in its register type.
    pub(super) fn value(&mut self, id: ExprId) -> Value<'ctx> {
        if let Some(value) = self.memo.get(id) {
            return value;
        }
        let kernel = self.kernel;
        let value = match kernel.pool.get(id) {
            &Expr::Const(constant) => return self.constant(constant),
            &Expr::Axis(axis) => return self.axes.get(axis).copied().expect("a verified kernel uses axes inside"),
            &Expr::Unary(op, a) => {
                let operand = self.value(a);
                ops::unary(self.cx, op, kernel.pool.dtype(a), operand)
            }
            &Expr::Binary(op, a, b) => self.binary(op, a, b),
            &Expr::Cast(to, a) => {
                let operand = self.value(a);
                convert::cast(self.cx, kernel.pool.dtype(a), to, operand)
            }
            &Expr::Select { cond, then, otherwise } => self.choose(cond, then, otherwise),
            Expr::Load { tensor, at } => self.load(*tensor, at),
        };
        self.memo.insert(id, value, self.bounds.varies(id));
        value
    }

    pub(super) fn constant(&self, constant: Const) -> Value<'ctx> {
        let dtype = constant.dtype();
        let scalar = self.cx.register(dtype);
        match (dtype, constant.as_int()) {
            (DType::F16, _) => self.cx.ir.int_of(scalar, half::f16::from_f64(constant.to_f64()).to_bits().into()),
            (DType::BF16, _) => self.cx.ir.int_of(scalar, half::bf16::from_f64(constant.to_f64()).to_bits().into()),
            (_, Some(value)) => self.cx.ir.int_of(scalar, value),
            (_, None) => self.cx.ir.float_of(scalar, constant.to_f64()),
        }
    }

    fn binary(&mut self, op: Op, a: ExprId, b: ExprId) -> Value<'ctx> {
        if let Some(fused) = self.fused(op, a, b) {
            return fused;
        }
        let (left, right) = (self.value(a), self.value(b));
        let (left, right) = self.cx.ir.alike(left, right);
        let dtype = self.kernel.pool.dtype(a);
        let known = Known {
            fits: dtype.is_int() && self.bounds.fits(op, a, b, Interval::of(dtype)),
            natural: dtype.is_int() && self.bounds.is_natural(a),
            right: self.kernel.pool.as_int(b),
        };
        ops::binary(self.cx, op, dtype, (left, right), known)
    }

    /// `a * b + c` on floats, rounded once where the processor can. Said here and not left to LLVM, so that the same
    /// formula gives the same bits in lanes and outside of them.
    fn fused(&mut self, op: Op, a: ExprId, b: ExprId) -> Option<Value<'ctx>> {
        let sign = |body: &Self, value| if op == Op::Sub { body.cx.ir.fneg(value) } else { value };
        if !matches!(op, Op::Add | Op::Sub) {
            return None;
        }
        if let Some((x, y)) = self.float_product(a) {
            let (x, y, z) = (self.value(x), self.value(y), self.value(b));
            return Some(ops::multiply_add(self.cx, x, y, sign(self, z)));
        }
        let (x, y) = self.float_product(b)?;
        let (x, y, z) = (self.value(x), self.value(y), self.value(a));
        Some(ops::multiply_add(self.cx, sign(self, x), y, z))
    }

    /// The factors of a product of floats.
    pub(super) fn float_product(&self, id: ExprId) -> Option<(ExprId, ExprId)> {
        match *self.kernel.pool.get(id) {
            Expr::Binary(Op::Mul, a, b) if self.kernel.pool.dtype(a).is_float() => Some((a, b)),
            _ => None,
        }
    }

    /// A lazy choice: both sides are computed where that can do no harm, since it vectorises; else only one is.
    fn choose(&mut self, cond: ExprId, then: ExprId, otherwise: ExprId) -> Value<'ctx> {
        let chosen = self.value(cond);
        if self.bounds.is_total(then) && self.bounds.is_total(otherwise) {
            let (a, b) = (self.value(then), self.value(otherwise));
            let (a, b) = self.cx.ir.alike(a, b);
            return match chosen.lanes() {
                Some(lanes) => self.cx.ir.select(chosen, self.cx.ir.splat(a, lanes), self.cx.ir.splat(b, lanes)),
                None => self.cx.ir.select(chosen, a, b),
            };
        }
        if chosen.lanes().is_some() {
            return self.choose_lanes(chosen, then, otherwise);
        }
        let before = self.cx.ir.block();
        let sides = [("then", then), ("else", otherwise)].map(|(name, id)| {
            let start = self.new_block(name);
            self.cx.ir.enter(start);
            self.memo.push();
            let value = self.value(id);
            self.memo.pop();
            (start, value, self.cx.ir.block())
        });
        let join = self.new_block("join");
        self.cx.ir.enter(before);
        self.cx.ir.branch(chosen, sides[0].0, sides[1].0);
        let lanes = sides.iter().find_map(|(_, value, _)| value.lanes());
        let ways = sides.map(|(_, value, end)| {
            self.cx.ir.enter(end);
            let value = lanes.map_or(value, |lanes| self.cx.ir.splat(value, lanes));
            self.cx.ir.jump(join);
            (value, end)
        });
        self.cx.ir.enter(join);
        self.cx.ir.phi(&ways, "")
    }
}
