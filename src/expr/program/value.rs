//! Compiling expressions. Each distinct expression is computed once in the frame where it is needed, or, if it depends
//! on fewer loops than are open, right before the first loop that it does not depend on.

use super::super::{Expr, ExprId};
use super::build::{BuildError, Builder, Facts, Frame};
use super::{Instr, Reg};
use crate::scalar::eval::{floor_div, floor_mod};
use crate::scalar::{Const, DType, Op};

impl Builder<'_> {
    /// The register that holds `id`.
    pub(super) fn value(&mut self, id: ExprId) -> Result<Reg, BuildError> {
        match self.pool.get(id) {
            Expr::Const(value) => return Ok(self.constant(bits(*value))),
            &Expr::Axis(axis) => return self.axis(axis).map(|(reg, ..)| reg),
            _ => {}
        }
        let known = |frame: &Frame| frame.steady.get(&id).or_else(|| frame.loaded.get(&id)).copied();
        if let Some(reg) = self.frames.iter().rev().find_map(known) {
            return Ok(reg);
        }
        match self.facts(id)?.frame {
            Some(frame) => {
                let reg = self.in_frame(self.hoisted(frame), |builder| builder.compute(id))?;
                let target = self.hoisted(frame);
                self.frames[target].steady.insert(id, reg);
                Ok(reg)
            }
            None => {
                let reg = self.compute(id)?;
                self.top().loaded.insert(id, reg);
                Ok(reg)
            }
        }
    }

    /// Runs `action` with frame `target` on top, so that its code comes before the loops that are opened above it.
    pub(super) fn in_frame<T>(&mut self, target: usize, action: impl FnOnce(&mut Self) -> T) -> T {
        let above = self.frames.split_off(target + 1);
        let result = action(self);
        self.frames.extend(above);
        result
    }

    fn compute(&mut self, id: ExprId) -> Result<Reg, BuildError> {
        match *self.pool.get(id) {
            Expr::Const(_) | Expr::Axis(_) => self.value(id),
            Expr::Unary(op, a) => self.operation(op, a, a),
            Expr::Binary(op, a, b) => self.operation(op, a, b),
            Expr::Cast(dtype, value) => self.conversion(dtype, value),
            Expr::Select { cond, then, otherwise } => self.selection(cond, then, otherwise),
            Expr::Load { tensor, ref at } => self.load(tensor, at),
        }
    }

    fn operation(&mut self, op: Op, a: ExprId, b: ExprId) -> Result<Reg, BuildError> {
        let operands = [self.value(a)?, self.value(b)?];
        let to = self.fresh();
        self.operate(op, self.pool.dtype(a), to, operands);
        Ok(to)
    }

    fn conversion(&mut self, dtype: DType, value: ExprId) -> Result<Reg, BuildError> {
        let source = self.pool.dtype(value);
        let from = self.value(value)?;
        let is_exact = match (source.is_float(), dtype.is_float()) {
            (true, true) => dtype.bytes() > source.bytes(),
            (false, false) => match (source.int_range(), dtype.int_range()) {
                (Some(inner), Some(outer)) => dtype != DType::Bool && outer.0 <= inner.0 && inner.1 <= outer.1,
                _ => false,
            },
            _ => false,
        };
        if is_exact {
            return Ok(from);
        }
        let to = self.fresh();
        self.emit(match (source.is_float(), dtype.is_float()) {
            (true, true) => Instr::Round { dtype, to, from },
            (true, false) => Instr::Truncate { dtype, to, from },
            (false, true) => Instr::ToFloat { dtype, to, from },
            (false, false) => Instr::Wrap { dtype, to, from },
        });
        Ok(to)
    }

    fn selection(&mut self, cond: ExprId, then: ExprId, otherwise: ExprId) -> Result<Reg, BuildError> {
        let cond = self.value(cond)?;
        let to = self.fresh();
        let then = self.arm(then, to)?;
        let otherwise = self.arm(otherwise, to)?;
        self.choose(cond, then, otherwise);
        Ok(to)
    }

    fn arm(&mut self, value: ExprId, to: Reg) -> Result<Vec<Instr>, BuildError> {
        self.open();
        let from = self.value(value)?;
        self.emit(Instr::Move { to, from });
        Ok(self.close())
    }

    /// What is known of `id`; computed once.
    pub(super) fn facts(&mut self, id: ExprId) -> Result<Facts, BuildError> {
        if let Some(&facts) = self.facts.get(&id) {
            return Ok(facts);
        }
        let children: Vec<_> = self.pool.children(id).into_iter().map(|c| self.facts(c)).collect::<Result<_, _>>()?;
        let moved = children.iter().try_fold(0, |frame: usize, child| Some(frame.max(child.frame?)));
        let range = |n: usize| children.get(n).and_then(|child| child.range);
        let facts = match *self.pool.get(id) {
            Expr::Const(value) => Facts { frame: Some(0), range: value.as_int().map(|v| (v, v)) },
            Expr::Axis(axis) => {
                let (_, extent, frame) = self.axis(axis)?;
                Facts { frame: Some(frame), range: Some((0, extent - 1)) }
            }
            Expr::Unary(op, _) => Facts { frame: moved, range: range(0).and_then(|a| negated(op, a)) },
            Expr::Binary(op, a, _) if self.pool.dtype(a) == DType::I64 => {
                Facts { frame: moved, range: range(0).zip(range(1)).and_then(|(a, b)| combined(op, a, b)) }
            }
            Expr::Binary(..) => Facts { frame: moved, range: None },
            Expr::Cast(dtype, value) => Facts { frame: moved, range: kept(self.pool.dtype(value), dtype, range(0)) },
            Expr::Select { .. } => {
                let joined = range(1).zip(range(2)).map(|(a, b)| (a.0.min(b.0), a.1.max(b.1)));
                Facts { frame: None, range: joined }
            }
            Expr::Load { .. } => Facts { frame: None, range: None },
        };
        self.facts.insert(id, facts);
        Ok(facts)
    }
}

fn negated(op: Op, (low, high): (i64, i64)) -> Option<(i64, i64)> {
    if op == Op::Neg { Some((high.checked_neg()?, low.checked_neg()?)) } else { None }
}

/// Bounds of `a op b`, where they are easy to see and nothing wraps.
fn combined(op: Op, a: (i64, i64), b: (i64, i64)) -> Option<(i64, i64)> {
    match op {
        Op::Add => Some((a.0.checked_add(b.0)?, a.1.checked_add(b.1)?)),
        Op::Sub => Some((a.0.checked_sub(b.1)?, a.1.checked_sub(b.0)?)),
        Op::Mul => {
            let corners = [a.0.checked_mul(b.0)?, a.0.checked_mul(b.1)?, a.1.checked_mul(b.0)?, a.1.checked_mul(b.1)?];
            Some((corners.into_iter().min()?, corners.into_iter().max()?))
        }
        Op::Div if b.0 == b.1 && b.0 > 0 => Some((floor_div(a.0, b.0), floor_div(a.1, b.0))),
        Op::Mod if b.0 == b.1 && b.0 > 0 => {
            let same_period = floor_div(a.0, b.0) == floor_div(a.1, b.0);
            Some(if same_period { (floor_mod(a.0, b.0), floor_mod(a.1, b.0)) } else { (0, b.0 - 1) })
        }
        Op::Min => Some((a.0.min(b.0), a.1.min(b.1))),
        Op::Max => Some((a.0.max(b.0), a.1.max(b.1))),
        _ => None,
    }
}

/// Bounds after a conversion that changes no value within them.
fn kept(source: DType, target: DType, range: Option<(i64, i64)>) -> Option<(i64, i64)> {
    let (low, high) = range?;
    let (min, max) = target.int_range()?;
    (source.int_range().is_some() && target != DType::Bool && min <= low && high <= max).then_some((low, high))
}

/// A constant as a register holds it.
fn bits(value: Const) -> u64 {
    value.as_int().map_or_else(|| value.to_f64().to_bits(), i64::cast_unsigned)
}
